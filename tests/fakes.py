"""Fakes that the tests share: a log in memory, and a reactor whose children are none.

A ``FakeChild`` stands for a writer process. By default a test speaks for it (``answer``, ``end``,
``die`` ...); with ``FakeWriterReactor(real=True)`` it stores what it is ordered to in a true
segment when it is told to ``work``, just as a child would, only without a process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport, IReactorProcess
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.ledger.entry import DATABASE, DATABASE_AT, Entry, SegmentStore, Store
from lottery.ledger.segment import NoRoom, Segment
from lottery.ops.log import LEVELS, ActionLog
from lottery.writer import ANSWERS_FD, ORDERS_FD
from lottery.writer.child import CannotGoOn, Clerk, StorePlan
from lottery.writer.pipe import Answer, PipeReader, PipeRecord, pack

#: Opens a draw in a database as the store of a writer.
OpenStore = Callable[[str, int], Store]

TODAY = date(2026, 3, 17)
"""The day on which a fake child lives."""

_LEVEL_NAMES = {level: name for name, level in LEVELS.items()}


def worked(clerk: Clerk, data: bytes) -> bytes:
    """Let a clerk do a group of work, and give all that it says."""
    told = clerk.take(data)
    clerk.store()
    return told + clerk.answer()


class MemoryLog(ActionLog):
    """A true log that ends in a list.

    A failure that is logged also goes where all failures go: a test that provokes one asks
    for the fixture ``logged_failures``.

    :ivar lines: the ``action:`` lines, without time and level.
    :ivar actions: the same, each as a dictionary: ``level``, ``action``, ``result`` and details.
    :ivar failures: what was logged as a failure: the sentence and the exception.
    """

    def __init__(self, level_name: str = "DEBUG") -> None:
        self.lines: list[str] = []
        self.actions: list[dict[str, str]] = []
        self.failures: list[tuple[str, BaseException | None]] = []
        super().__init__(level_name, Logger("lottery.test", observer=self.note))

    def of(self, action: str) -> list[dict[str, str]]:
        """Those of one action, without it."""
        found = [dict(each) for each in self.actions if each["action"] == action]
        for each in found:
            del each["action"]
        return found

    def clear(self) -> None:
        """Forget all lines."""
        self.lines.clear()
        self.actions.clear()

    def note(self, event: LogEvent) -> None:
        """Take an event of the logger."""
        text = formatEvent(event)
        if "log_failure" in event:
            self.failures.append((text, event["log_failure"].value))
            globalLogPublisher(event)
            return
        details = [part.split(": ", 1) for part in text.split(" | ")]
        action = {"level": _LEVEL_NAMES[event["log_level"]]}
        action.update((name, value) for name, value in details)
        assert len(action) == len(details) + 1, f"two details of one name: {text}"
        self.lines.append(text)
        self.actions.append(action)


@implementer(IProcessTransport)
class FakeChild:
    """A child process that is none, as its parent's transport.

    What its parent does is kept; what the child does, a test says with the verbs. Nothing
    happens by itself: a child that was killed goes on until ``die`` or ``work``.

    :ivar protocol: the parent's protocol.
    :ivar pid: None once it has ended, as Twisted has it.
    :ivar signals: the signals that it was sent.
    :ivar closed: the fds that the parent has closed.
    :ivar ended: whether it is gone.
    :ivar stopped: whether it does nothing when it is told to work, as after SIGSTOP.
    """

    def __init__(
        self,
        pid: int,
        protocol: IProcessProtocol,
        executable: str,
        args: Sequence[str],
        env: Mapping[str, str] | None,
        child_fds: Mapping[int, int | str],
    ) -> None:
        self.pid: int | None = pid
        self.protocol = protocol
        self.executable = executable
        self.args = tuple(args)
        self.env = env
        self.child_fds = dict(child_fds)
        self.signals: list[str | int] = []
        self.closed: list[int] = []
        self.ended = False
        self.stopped = False
        self._open = set(child_fds)
        self._written = bytearray()
        self._shown = PipeReader()
        self._shown_bytes = 0

    # What a test reads.

    @property
    def sent(self) -> int:
        """How many bytes of orders there were since the start."""
        return len(self._written)

    def orders(self) -> list[PipeRecord]:
        """The whole orders since the last time that this was asked."""
        data, self._shown_bytes = bytes(self._written[self._shown_bytes :]), self.sent
        return self._shown.feed(data)

    # What the child does.

    def done(self) -> bytes:
        """The answer that says: all orders so far have been dealt with."""
        return pack(Answer.DONE, 0, self.sent)

    def answer(self, data: bytes) -> None:
        """Send bytes up the pipe of the answers."""
        self.say(ANSWERS_FD, data)

    def print_line(self, fd: int, line: bytes) -> None:
        """Print a line to stdout or stderr."""
        self.say(fd, line + b"\n")

    def say(self, fd: int, data: bytes) -> None:
        """Send bytes up any pipe that the parent reads."""
        assert fd in self._open, f"the child's fd {fd} is not open"
        assert self.child_fds[fd] == "r", f"the parent does not read the child's fd {fd}"
        self.protocol.childDataReceived(fd, data)

    def hang_up(self, fd: int) -> None:
        """Close one of its fds, and live on."""
        assert fd in self._open, f"the child's fd {fd} is not open"
        self._open.remove(fd)
        self.protocol.childConnectionLost(fd)

    def end(self, status: int = 0) -> None:
        """Exit with a status."""
        self._end(ProcessTerminated(status) if status else ProcessDone(None))

    def die(self, signal: int = 9) -> None:
        """Be ended by a signal."""
        self._end(ProcessTerminated(signal=signal))

    def vanish(self) -> None:
        """Be killed when nobody is left who would hear of it: its parent is dead, too."""
        self.ended = True

    def _end(self, how: Exception) -> None:
        assert not self.ended, "a child ends once"
        self.ended = True
        for fd in sorted(self._open):
            self.hang_up(fd)
        self.pid = None
        reason = Failure(how)
        self.protocol.processExited(reason)
        self.protocol.processEnded(reason)

    # What the parent does.

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Take orders; after the end there is no such fd, after a close it is a mistake."""
        if childFD not in self._open:
            raise KeyError(childFD)
        assert childFD not in self.closed, f"the child's fd {childFD} was closed by its parent"
        assert childFD == ORDERS_FD, f"the child does not read its fd {childFD}"
        assert isinstance(data, bytes)
        self._written += data

    def closeChildFD(self, descriptor: int) -> None:
        """Note that the parent has closed its end, which it may do as often as it likes."""
        if descriptor in self._open and descriptor not in self.closed:
            self.closed.append(descriptor)

    def signalProcess(self, signalID: str | int) -> None:
        """Note a signal."""
        if self.ended:
            raise ProcessExitedAlready
        self.signals.append(signalID)

    def write(self, data: bytes) -> None:
        """Write to the child's stdin."""
        self.writeToChild(0, data)

    def writeSequence(self, data: Sequence[bytes]) -> None:
        """Write to the child's stdin."""
        self.writeToChild(0, b"".join(data))

    def closeStdin(self) -> None:
        """Close one fd."""
        self.closeChildFD(0)

    def closeStdout(self) -> None:
        """Close one fd."""
        self.closeChildFD(1)

    def closeStderr(self) -> None:
        """Close one fd."""
        self.closeChildFD(2)

    def loseConnection(self) -> None:
        """Close the three that every process has."""
        for fd in range(3):
            self.closeChildFD(fd)

    def getPeer(self) -> IPv4Address:
        """A process has no address; the interface wants one."""
        return IPv4Address("TCP", "0.0.0.0", 0)

    def getHost(self) -> IPv4Address:
        """A process has no address; the interface wants one."""
        return self.getPeer()


class FakeDisk:
    """A disk that can be full: nothing new finds room on it then, what is there stays.

    :ivar room: whether there is room.
    """

    def __init__(self) -> None:
        self.room = True

    def fsync(self, fd: int) -> None:
        """What ``os.fsync`` is while nobody pulls the plug: it is told of no room at the latest."""
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")


class DiskSegment(Segment):
    """A true segment on a fake disk."""

    def __init__(self, disk: FakeDisk, path: str, draw: int, number: int, min_free: int) -> None:
        self._disk = disk
        if not disk.room:
            raise NoRoom(errno.ENOSPC, "No space left on device", path)
        super().__init__(path, draw, number, min_free)

    def _write(self, data: bytes) -> None:
        if not self._disk.room:
            raise NoRoom(errno.ENOSPC, "No space left on device")
        super()._write(data)


class DiskStore:
    """A true store of a database that is away when a fake disk is full."""

    def __init__(self, disk: FakeDisk, store: Store) -> None:
        self._disk = disk
        self._store = store
        self.flush, self.close = store.flush, store.close

    def append(self, entries: Sequence[Entry]) -> None:
        """Store entries."""
        if not self._disk.room:
            raise NoRoom(errno.ENOSPC, "No space left on device")
        self._store.append(entries)


def open_database(dsn: str, draw: int) -> Store:
    """Connect to a true database; its client is imported only if there is one."""
    from lottery.ledger.postgres.store import DatabaseStore

    return DatabaseStore(dsn, draw)


class WorkingChild(FakeChild):
    """A fake child that does a writer's work, when it is told to: see ``work``.

    :ivar segment: the path of its segment, if it has one.
    :ivar mute: whether what it answers is never heard, for it is killed before.
    """

    mute = False

    def start(self, disk: FakeDisk, database: OpenStore, today: date = TODAY) -> None:
        """Make the segment, as a child does first of all, or connect to the database."""
        self._disk = disk
        self._database = database
        path, draw, number, min_free, _parent = self.args[-5:]
        self.segment = Path(path)
        self._file: Segment | None = None
        self._store: Store | None = None
        self._read = 0
        plan = StorePlan(path, int(draw), int(number), int(min_free))
        self.clerk = Clerk(plan, lambda: today, lambda: 0.0, self._make)

    def _make(self, path: str, draw: int, number: int, min_free: int) -> Store:
        if path == DATABASE:
            if not self._disk.room:
                raise NoRoom(errno.ENOSPC, "No space left on device", path)
            assert self.env is not None
            self._store = self._database(self.env[DATABASE_AT], draw)
            return DiskStore(self._disk, self._store)
        self._file = DiskSegment(self._disk, path, draw, number, min_free)
        return SegmentStore(self._file)

    def work(self) -> bool:
        """Do all that waits: die of a signal, or store and answer what was ordered.

        When its orders have ended, it exits. Gives whether there was anything to do.
        """
        if self.ended or self.stopped:
            return False
        if "KILL" in self.signals:
            self.die(9)
            return True
        data = bytes(self._written[self._read :])
        if data:
            self._read += len(data)
            try:
                answers = worked(self.clerk, data)
            except CannotGoOn as reason:
                self.end(reason.status)
            else:
                if not self.mute:
                    self.answer(answers)
            return True
        if ORDERS_FD in self.closed:
            try:
                self.clerk.end()
            except CannotGoOn as reason:
                self.end(reason.status)
            else:
                self.end(0)
            return True
        return False

    def try_again(self) -> None:
        """Try again what waits for room on the disk, as a child does every half second."""
        if not self.ended and not self.stopped and self.clerk.holds:
            self.answer(worked(self.clerk, b""))

    def vanish(self) -> None:
        """Be killed when nobody is left who would hear of it: its parent is dead, too."""
        super().vanish()
        self._close_file()

    def _end(self, how: Exception) -> None:
        self._close_file()
        super()._end(how)

    def _close_file(self) -> None:
        """Close what is open, as the end of a process does, which also frees the lock."""
        if self._store is not None:
            self._store.close()
        self._store = None
        if self._file is not None and self._file._fd >= 0:
            os.close(self._file._fd)
        self._file = None


@implementer(IReactorProcess)
class FakeWriterReactor(Clock):
    """A clock that also starts fake children.

    :param real: whether the children do a writer's work when they are told to.
    :ivar disk: where they write.
    :ivar children: all that were started, in order.
    :ivar refusal: what the next start raises; None: it succeeds.
    :ivar database: what children store in that are told to store in a database.
    """

    def __init__(self, real: bool = False) -> None:
        super().__init__()
        self.disk = FakeDisk()
        self.children: list[FakeChild] = []
        self.refusal: OSError | None = None
        self.database: OpenStore = open_database
        self._kind = WorkingChild if real else FakeChild

    def spawnProcess(
        self,
        processProtocol: IProcessProtocol,
        executable: str,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        path: str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool = False,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> FakeChild:
        """Start a fake child."""
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal
        assert path is None, "a path costs posix_spawn"
        assert uid is None
        assert gid is None
        assert not usePTY
        fds = {0: "w", 1: "r", 2: "r"} if childFDs is None else childFDs
        pid = 1001 + len(self.children)
        child = self._kind(pid, processProtocol, executable, args, env, fds)
        if isinstance(child, WorkingChild):
            child.start(self.disk, self.database)
        self.children.append(child)
        processProtocol.makeConnection(child)
        return child

    def work(self) -> None:
        """Let all children work until none has anything to do."""
        while sum(child.work() for child in self.children if isinstance(child, WorkingChild)):
            pass  # one that has answered may have got new orders by it

    def end_all(self) -> None:
        """End every child that is left, so that nothing stays open."""
        for child in self.children:
            if not child.ended:
                child.die(9)
