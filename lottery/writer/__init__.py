"""Writers: the child processes that store batches, and their parent's side.

``pipe``       what both sides share: the records on the pipes, the exit statuses
``child``      the child: checks, appends, flushes, acknowledges (no Twisted, no attrs)
``__main__``   how the child starts: ``python -m lottery.writer SEGMENT PARENT``
``process``    the parent's handle of one child
``seat``       a session's place at a writer
``pool``       the writers of one draw: who gets which, and their end

Orders go down the child's fd 0, which has flow control; answers come up fd 3, where a
stray print cannot corrupt them; fds 1 and 2 go to the log.
"""

ORDERS_FD = 0
ANSWERS_FD = 3
