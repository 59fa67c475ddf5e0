"""The tests: pytest runs them all but ``trial``, which is what Twisted's own runner runs."""
