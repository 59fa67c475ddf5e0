"""The server.

``service``      start and stop, one draw after the other, each down to its winners
``factory``      listens; gives each connection a session, and knows them all
``draws``        which draw an agency belongs to
``receiver``     bytes of a peer in, messages out
``session``      one connection of an agency: from messages to its writer and back
``session_log``  what the log says of a session
``connection``   a connection as a session uses it, and how to leave it well
``place``        an agency's part in a draw, which outlives its sessions
``draw``         a draw that is open: its places and their outcomes
``conclusion``   the rest of a draw's life, step by published step
``speech``       what a session says, in either dialect
``answers``      what is owed to an agency, written as it reads
``open_files``   how many connections fit the limits of the process
``silence``      the clock of a peer whose turn it is
"""
