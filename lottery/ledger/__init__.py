"""Where bets rest.

``directory``   which file of a draw stands where; who owns the data directory
``segment``     the append-only file of one writer: its records, to the byte
``bets_csv``    ``bets.csv``: all segments of a draw put in order
``winners``     finds the winning rows in one pass

``docs/ledger.md`` describes the files so that a reader can be written from it.
Nothing here knows Twisted, a clock or a process.
"""
