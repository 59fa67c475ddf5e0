"""What is fuzzed: a module for each target, with a function ``fuzz`` that raises on a finding.

Nothing here knows atheris but ``run.py``, so that the corpus can be replayed without it.
"""
