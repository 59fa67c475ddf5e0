"""Tests for ``python -m twisted.trial tests.trial``; pytest never collects them."""
