"""What operators look at: ``log`` writes the ``action:`` lines and the program's log."""
