"""The agency: takes one file of bets to the central and brings the winning rows back.

``reader``    bytes of the file in, batches of checked rows out; no I/O
``source``    where those bytes come from, without ever blocking the reactor
``bets_file`` both of them together: the file as a sequence of batches
``skipped``   the rows that are left out
``upload``    where in the file we are: what is stored, what is on the way; its CRC-32
``client``    one connection: what is said to the central and what it answers
``told``      the winning rows it tells, which are not taken on trust
``results``   the file of winning rows, published whole or not at all
``attempts``  from nothing to a WELCOME, and the delays before the next attempt
``tls``       how both ends make sure of each other, if TLS is wanted
``sessions``  one session after the other until the winners are there
``run``       the whole errand: the file, the sessions, the exit status
``failures``  how an errand fails, and what another session may mend
``progress``  how far it is, for whoever wants to show it
``terminal``  a terminal that is written to without ever waiting for it
``display``   an errand on a terminal: drawn by the reactor, lines of the log above
``picture``   what is drawn there, in any width; with ``wording`` and ``winners_table``

``sample_day`` has nothing to do with an errand: it makes up files of bets to try one with.

Only lottery/1 is spoken here.
"""
