"""The lottery central: agencies send their bets, the central stores them and draws.

The rooms of the house, each with what it is for:

``bets``      a bet, its field rules, and whether it has won
``errors``    whose fault it is: the peer's, ours, the disk's; the stable codes
``wire``      bytes on TCP without any I/O: frames, messages, both dialects, the states
``ledger``    where bets rest: segments, salvage, ``bets.csv``, winners, the draw's record
``writer``    the child process that stores batches, and its parent's side
``central``   the server: sessions, places, draws, the service
``agency``    the client: reads a file, sends it, fetches the winners
``audit``     checks all of it again, and counts the winners, with code of its own
``ops``       what operators look at: the log, the status page, the metrics
``command``   the ``lottery`` program, a file per command
``settings``  the one table of settings
``tls``       certificates and keys, from their files
``tap``       options and ``makeService``; the only place where concrete objects meet
"""

__version__ = "0.1.0"
