"""A writer child as a true process, to which a test is the parent itself."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lottery.writer import ANSWERS_FD, LOCK_FD, ORDERS_FD
from lottery.writer.pipe import Answer, PipeReader, PipeRecord

#: For any one thing to happen; only a failing test waits so long.
PATIENCE_SECONDS = 30.0


class Child:
    """A writer that is spoken to directly.

    :ivar where: its segment, or the word for a database.
    :ivar pid: its process id; 0 once it has ended.
    """

    def __init__(
        self,
        where: Path | str,
        min_free: int = 0,
        lock: int | None = None,
        measured: bool = True,
        **variables: str,
    ) -> None:
        """:param variables: what its environment has besides that of this process."""
        self.where = where
        self._reader = PipeReader()
        self._heard: list[PipeRecord] = []
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        words = (str(where), "1", "1", str(min_free), str(os.getpid()))
        command = [sys.executable, "-P", "-m", "lottery.writer", *words]
        environment = {key: os.environ[key] for key in os.environ if measured or "COV" not in key}
        environment |= variables
        # Two steps each: the numbers that the child wants may be those of the pipes here.
        moves = [(orders, 100, ORDERS_FD), (answers, 101, ANSWERS_FD)]
        moves += [] if lock is None else [(lock, 102, LOCK_FD)]
        actions: list[tuple[int, ...]] = []
        actions += [(os.POSIX_SPAWN_DUP2, fd, aside) for fd, aside, _ in moves]
        actions += [(os.POSIX_SPAWN_DUP2, aside, fd) for _, aside, fd in moves]
        actions += [(os.POSIX_SPAWN_CLOSE, aside) for _, aside, _ in moves]
        self.pid = os.posix_spawn(sys.executable, command, environment, file_actions=actions)
        os.close(orders)
        os.close(answers)

    @property
    def path(self) -> Path:
        """Where its segment is."""
        return Path(self.where)

    def limit(self, size: int) -> None:
        """Let no file of its grow beyond this; -1: any may."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, -1))

    def asks(self, *orders: bytes, answers: int = 1) -> list[PipeRecord]:
        """Give a group of orders, whole; gives so many answers that are no DONE."""
        data = b"".join(orders)
        assert len(data) <= select.PIPE_BUF
        os.write(self._orders, data)
        return self.hears(answers)

    def hears(self, answers: int) -> list[PipeRecord]:
        """The next so many answers that are no DONE."""
        found: list[PipeRecord] = []
        while len(found) < answers:
            answer = self._next()
            assert answer is not None, "it has ended"
            found += [answer] if answer.kind != Answer.DONE else []
        return found

    def gives_a_sign(self) -> bool:
        """Whether what it says next is a DONE."""
        answer = self._next()
        return answer is not None and answer.kind == Answer.DONE

    def ends(self) -> int:
        """End its orders; gives its status. It must not have more to say than a DONE."""
        os.close(self._orders)
        self._orders = -1
        while (answer := self._next()) is not None:
            assert answer.kind == Answer.DONE
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for fd in (self._orders, self._answers):
            if fd >= 0:
                os.close(fd)

    def _next(self) -> PipeRecord | None:
        while not self._heard:
            assert select.select([self._answers], [], [], PATIENCE_SECONDS)[0]
            data = os.read(self._answers, 1 << 20)
            if not data:
                return None
            self._heard += self._reader.feed(data)
        return self._heard.pop(0)


@contextmanager
def writing(
    where: Path | str,
    min_free: int = 0,
    lock: int | None = None,
    measured: bool = True,
    **variables: str,
) -> Iterator[Child]:
    """A writer that is gone when the block is left."""
    child = Child(where, min_free, lock, measured, **variables)
    try:
        yield child
    finally:
        child.close()
