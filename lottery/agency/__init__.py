"""The agency: takes one file of bets to the central and brings the winning rows back.

``reader``    bytes of the file in, batches of checked rows out; no I/O
``source``    where those bytes come from, without ever blocking the reactor
``results``   the file of winning rows, published whole or not at all
``client``    one connection: what is said to the central and what it answers
``told``      the winning rows it tells, which are not taken on trust
``attempts``  from nothing to a WELCOME, with delays in between
``run``       the whole errand: connect, send, wait for the draw, publish, exit status
``failures``  how an errand fails

``sample_day`` has nothing to do with an errand: it makes up files of bets to try one with.

Only lottery/1 is spoken here.
"""
