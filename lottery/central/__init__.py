"""The server.

``service``      start and stop, one draw after the other, each down to its winners
``factory``      listens; gives each connection a session, and knows them all
``session``      one connection of an agency: from bytes to its writer and back
``session_log``  what the log says of a session
``connection``   a connection as a session uses it, and how to leave it well
``draw``         a draw's places and their outcomes
``speech``       what a session says, in either dialect
``answers``      what is owed to an agency, written as it reads
``open_files``   how many connections fit the limits of the process
``silence``      the clock of a peer whose turn it is
"""
