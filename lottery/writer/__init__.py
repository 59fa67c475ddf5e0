"""Writers: the child processes that store batches, and their parent's side.

``pipe``       what both sides share: the records on the pipes, the exit statuses
``desk``       what a child makes of orders: records for its segment, and answers
``child``      the child: groups of orders, appended, flushed, acknowledged
``__main__``   how the child starts: ``python -m lottery.writer``
``process``    the parent's handle of one child
``unanswered`` what of a session is not answered yet
``seat``       a session's place at a writer
``pool``       the writers of one draw: who gets which, and their end
``disk``       what takes long on the disk, off the reactor's thread

The first four know no Twisted and no attrs: a child must be up in a blink.

Orders go down the child's fd 0, which has flow control; answers come up fd 3, where a
stray print cannot corrupt them; fds 1 and 2 go to the log. On fd 4 the child inherits
the lock of the data directory. It does nothing with it and closes it only by ending: an
``flock`` is held as long as any process has it open, so nobody else owns the directory
while a writer lives, even if its parent is dead and it is not yet.
"""

ORDERS_FD = 0
ANSWERS_FD = 3
LOCK_FD = 4
