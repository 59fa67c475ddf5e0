"""What work that runs for seconds has in common: it can be left, and uses more than one core.

A pass over a ledger reads bytes, checks, digests and writes them. Digests are half of that, and
their C code lets other threads run, so they have a thread beside the one that does the rest.
(Rejected: a thread for each segment. They would run Python, in turns, and each turn costs more
than there is to win.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """Somebody asked for the work to be left."""


class Aside:
    """A thread that works on bytes while the next ones are read; a context manager.

    It does one piece of work at a time, in order. One more may wait, which it takes up while
    the other thread is at work for itself (with none, each would wait for the other in turn);
    so memory is bounded by the length of three.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._asked: deque[Future[None]] = deque()

    def do(self, work: Callable[[T], None], data: T) -> None:
        """Have it done.

        :raises Exception: whatever earlier work has raised.
        """
        while len(self._asked) > 1:
            self._asked.popleft().result()
        self._asked.append(self._pool.submit(work, data))

    def settle(self) -> None:
        """Wait until all is done, and raise as :meth:`do`."""
        while self._asked:
            self._asked.popleft().result()

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the thread; behind a block that ended well, all has been done."""
        with self._pool:
            if kind is None:
                self.settle()
