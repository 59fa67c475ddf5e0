"""Recounts everything in a data directory or a database, with code of its own.

``differences``  what is not as it should be, and its place
``files``        a draw's directory and its files, read with caution
``rows``         the strict check of every row
``layout``       a segment to the byte
``segments``     the records of a segment, one after the other
``tails``        whether the bytes behind the last record may be the beginning of one
``holdings``     what the segments hold of each agency
``record``       ``draw.json``, line by line
``states``       what the record says in each state, and which files stand beside it
``copies``       ``bets.csv`` and ``winners.csv``, held against what they are made of
``intake``       ``intake.csv``: how many bets were stored by when
``findings``     what was found of a draw
``draw``         one draw: which check comes when
``data``         all draws of a data directory
``tables``       the tables of a database
``tally``        what they hold, counted row by row
``stored``       one draw in a database: which check comes when
``database``     all draws of a database
``report``       the tables that people read
``page``         the same and more as a page
``timeline``     the part of the page that is about the intake
``markup``       what a page is made of

Nothing of ours is imported here but this room itself: who recounts with the code that has
counted repeats its mistakes. Nothing is locked and nothing is written. The standard library is
all that is needed, but for psycopg where there is a database, so the room can be copied to another
machine and used there.
"""
