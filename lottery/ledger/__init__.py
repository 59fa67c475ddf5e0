"""Where bets rest.

``directory``   which file of a draw stands where; who owns the data directory
``owner``       who holds the lock of the data directory
``segment``     the append-only file of one writer: its records, to the byte
``standing``    how much of an agency is stored
``reading``     reads a segment, and tells a torn tail from damage
``salvage``     makes of what a writer has left a segment that counts
``bets_csv``    all segments of a draw as one; ``bets.csv``, which is made of them
``winners``     finds the winning rows in one pass
``record``      the draw's record, ``draw.json``
``seal``        the steps from closing to delivered
``recovery``    start-up: what was left is brought to where it can go on
``checked``     reads files of rows together with their digests
``intake``      how many bets were stored by when, for a picture of the day
``publish``     how a file gets its name: whole and on disk, or not at all

``docs/ledger.md`` describes the files so that a reader can be written from it.
Nothing here knows Twisted, a clock or a process.
"""
