"""The fakes do what the true ones do, and show a mistake that those would hide."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from zlib import crc32

import pytest
from central_fakes import House, OffThread, batch, bets
from fakes import DiskSegment, FakeChild, FakeDisk, FakeWriterReactor, MemoryLog, WorkingChild
from shared_fakes import Table, TableStore
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import LogEvent, LogLevel
from twisted.python.failure import Failure
from writer_orders import classic, lines
from zope.interface.verify import verifyObject

from lottery.errors import StartError
from lottery.ledger.entry import DATABASE, DATABASE_AT
from lottery.ledger.segment import Kind, NoRoom, Records, Segment, pack_head
from lottery.ledger.standing import Standing
from lottery.wire.messages import Ack, Hello
from lottery.writer.pipe import Answer, Exit, Order, PipeReader, PipeRecord, pack, pack_open

FDS: dict[int, int | str] = {0: "w", 1: "r", 2: "r", 3: "r"}


class Parent(ProcessProtocol):
    """A parent that takes notes."""

    def __init__(self) -> None:
        self.pids: list[int | None] = []
        self.heard: list[tuple[int, bytes]] = []
        self.lost: list[int] = []
        self.reasons: list[Failure] = []

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.pids.append(self.transport.pid)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.heard.append((childFD, data))

    def childConnectionLost(self, childFD: int) -> None:
        self.lost.append(childFD)

    def processExited(self, reason: Failure) -> None:
        self.reasons.append(reason)

    def processEnded(self, reason: Failure) -> None:
        self.reasons.append(reason)


def child_of(reactor: FakeWriterReactor, parent: Parent, *args: str) -> FakeChild:
    """Start a child as a writer is started."""
    return reactor.spawnProcess(parent, "/bin/true", args, None, childFDs=FDS)


def test_log_keeps_lines() -> None:
    """A line is kept as text and in parts; below the level it is dropped as ever."""
    log = MemoryLog("INFO")
    log("connect", "success", port=12345, ip="::1")
    log("connect", "in_progress", LogLevel.debug)
    log("writer", "fail", LogLevel.error)
    assert log.lines == [
        r"action: connect | result: success | port: 12345 | ip: \x3a\x3a1",
        "action: writer | result: fail",
    ]
    assert log.actions == [
        {
            "level": "INFO",
            "action": "connect",
            "result": "success",
            "port": "12345",
            "ip": r"\x3a\x3a1",
        },
        {"level": "ERROR", "action": "writer", "result": "fail"},
    ]
    assert log.of("writer") == [{"level": "ERROR", "result": "fail"}]
    assert log.of("sorteo") == []
    log.clear()
    assert not log.lines
    assert not log.actions


def test_log_shows_failures_to_all(logged_failures: list[LogEvent]) -> None:
    """A failure that is logged in memory still fails the test that does not expect it."""
    log = MemoryLog()
    error = ValueError("nobody foresaw this")
    log.failure("it went wrong", Failure(error))
    assert log.failures == [("it went wrong", error)]
    assert [event["log_failure"].value for event in logged_failures] == [error]
    logged_failures.clear()


def test_reactor_has_the_faces_of_a_reactor() -> None:
    """It is a clock and starts processes."""
    reactor = FakeWriterReactor()
    verifyObject(IReactorProcess, reactor)
    verifyObject(IReactorTime, reactor)


def test_reactor_records_a_start() -> None:
    """What a child was started with is kept, and its parent knows its pid at once."""
    reactor, parent = FakeWriterReactor(), Parent()
    child = child_of(reactor, parent, "true", "x")
    assert reactor.children == [child]
    assert child.executable == "/bin/true"
    assert child.args == ("true", "x")
    assert child.env is None
    assert child.child_fds == FDS
    assert child.protocol is parent
    assert parent.transport is child
    assert parent.pids == [1001]
    assert child_of(reactor, Parent()).pid == 1002
    verifyObject(IProcessTransport, child)


def test_reactor_has_the_usual_fds() -> None:
    """Without a word about fds a child has the three of every process."""
    child = FakeWriterReactor().spawnProcess(Parent(), "/bin/true")
    assert child.child_fds == {0: "w", 1: "r", 2: "r"}


def test_reactor_refuses_once() -> None:
    """A start can be made to fail; the next one succeeds."""
    reactor = FakeWriterReactor()
    reactor.refusal = OSError("no more processes")
    with pytest.raises(OSError, match="no more processes"):
        child_of(reactor, Parent())
    assert reactor.children == []
    child_of(reactor, Parent())


def test_child_shows_orders() -> None:
    """Orders are shown whole, each once, however they were cut."""
    child = child_of(FakeWriterReactor(), Parent())
    opening = pack_open(7, 3, Standing(9, 1))
    child.writeToChild(0, opening[:5])
    assert child.orders() == []
    child.write(opening[5:])
    child.writeSequence([pack(Order.CLOSE, 7), pack(Order.CLOSE, 8)[:3]])
    assert child.orders() == [
        PipeRecord(Order.OPEN, 7, 9, 0, b"\0\0\0\x03\0\0\0\x01\0"),
        PipeRecord(Order.CLOSE, 7, 0, 0, b""),
    ]
    assert child.orders() == []
    assert child.sent == len(opening) + 19 + 3
    assert child.done() == pack(Answer.DONE, 0, child.sent)


def test_child_speaks() -> None:
    """Answers, lines and other bytes reach the parent by the fd that they were sent on."""
    parent = Parent()
    child = child_of(FakeWriterReactor(), parent)
    child.answer(b"a")
    child.print_line(2, b"b")
    child.say(1, b"c")
    assert parent.heard == [(3, b"a"), (2, b"b\n"), (1, b"c")]
    with pytest.raises(AssertionError, match="does not read"):
        child.say(0, b"d")


def test_child_hangs_up() -> None:
    """A child may close an fd and live; it cannot speak there any more, nor hear."""
    parent = Parent()
    child = child_of(FakeWriterReactor(), parent)
    child.hang_up(3)
    child.hang_up(0)
    assert parent.lost == [3, 0]
    assert not child.ended
    with pytest.raises(AssertionError, match="not open"):
        child.answer(b"a")
    with pytest.raises(AssertionError, match="not open"):
        child.hang_up(3)
    with pytest.raises(KeyError):
        child.writeToChild(0, b"a")


def test_child_is_closed_by_its_parent() -> None:
    """A close is noted once, and closing twice is allowed; writing behind it is not."""
    child = child_of(FakeWriterReactor(), Parent())
    child.closeStdin()
    child.closeChildFD(0)
    child.closeChildFD(17)
    assert child.closed == [0]
    with pytest.raises(AssertionError, match="closed by its parent"):
        child.writeToChild(0, b"a")
    child.closeStdout()
    child.closeStderr()
    assert child.closed == [0, 1, 2]
    with pytest.raises(AssertionError, match="does not read"):
        child.writeToChild(3, b"a")
    other = child_of(FakeWriterReactor(), Parent())
    other.loseConnection()
    assert other.closed == [0, 1, 2]
    assert other.getPeer() == other.getHost()


@pytest.mark.parametrize("status", [0, 3])
def test_child_ends(status: int) -> None:
    """All fds are lost, then the parent hears how it ended; nothing goes any more."""
    parent = Parent()
    child = child_of(FakeWriterReactor(), parent)
    child.hang_up(2)
    child.end(status)
    assert parent.lost == [2, 0, 1, 3]
    assert child.ended
    assert child.pid is None
    exited, ended = parent.reasons
    assert exited is ended
    assert isinstance(ended.value, ProcessTerminated if status else ProcessDone)
    assert ended.value.exitCode == status
    assert ended.value.signal is None
    with pytest.raises(ProcessExitedAlready):
        child.signalProcess("KILL")
    with pytest.raises(KeyError):
        child.writeToChild(0, b"a")
    with pytest.raises(AssertionError, match="not open"):
        child.answer(b"a")
    with pytest.raises(AssertionError, match="once"):
        child.end()


def test_child_dies() -> None:
    """A signal is only noted; it is the test that lets the child die, by any signal."""
    parent = Parent()
    child = child_of(FakeWriterReactor(), parent)
    child.signalProcess("KILL")
    assert child.signals == ["KILL"]
    assert not child.ended
    child.die(15)
    assert parent.reasons[-1].value.exitCode is None
    assert parent.reasons[-1].value.signal == 15


def test_end_all() -> None:
    """Whatever is left over can be ended at once."""
    reactor = FakeWriterReactor()
    first, second = Parent(), Parent()
    child_of(reactor, first).end()
    child_of(reactor, second)
    reactor.end_all()
    assert [len(parent.reasons) for parent in (first, second)] == [2, 2]
    assert all(child.ended for child in reactor.children)


class Rig:
    """A working child and its parent."""

    def __init__(self, path: Path) -> None:
        self.parent = Parent()
        self.reactor = FakeWriterReactor(real=True)
        child = child_of(self.reactor, self.parent, "python", str(path), "1", "1", "0", "9")
        assert isinstance(child, WorkingChild)
        self.child = child

    def answers(self) -> list[PipeRecord]:
        """What the child has answered since the last time."""
        heard, self.parent.heard = self.parent.heard, []
        assert all(fd == 3 for fd, _ in heard)
        return PipeReader().feed(b"".join(data for _, data in heard))


def test_working_child_stores(tmp_path: Path) -> None:
    """It stores in a true segment what it was ordered to, and answers as a child does."""
    path = tmp_path / "segment-0001.log"
    rig = Rig(path)
    assert rig.child.segment == path
    assert path.stat().st_size == 0
    assert not rig.child.work()
    opening = pack_open(1, 5, Standing())
    batch = lines(1, 0, "Ana,Gil,1,2000-01-01,7")
    rig.child.writeToChild(0, opening + batch + batch[:4])
    rig.reactor.work()
    assert rig.answers() == [
        PipeRecord(
            Answer.STORED, 1, 1, 0, crc32(b"Ana,Gil,1,2000-01-01,7\n").to_bytes(4) + b"\0\0\0\1"
        ),
        PipeRecord(Answer.DONE, 0, len(opening + batch), 0, bytes(4)),
    ]
    data = path.read_bytes()
    head, record = Records(data)
    assert head.kind == Kind.HEAD
    assert data[record.offset :] == b"5,Ana,Gil,1,2000-01-01,7\n"
    rig.child.writeToChild(0, batch[4:])
    rig.child.work()
    refused, taken = rig.answers()
    assert refused.kind == Answer.REFUSED
    assert taken.place == rig.child.sent
    rig.child.closeChildFD(0)
    rig.reactor.work()
    assert rig.child.ended
    assert isinstance(rig.parent.reasons[-1].value, ProcessDone)
    assert list(Records(path.read_bytes()))[-1].kind == Kind.CLOSE


def test_working_child_can_be_stopped_and_killed(tmp_path: Path) -> None:
    """A stopped child does nothing, a killed one dies when it is told to work, frees its file."""
    rig = Rig(tmp_path / "segment")
    fds = len(os.listdir("/proc/self/fd"))
    rig.child.stopped = True
    rig.child.writeToChild(0, pack_open(1, 5, Standing()))
    rig.reactor.work()
    assert rig.answers() == []
    rig.child.signalProcess("KILL")
    rig.reactor.work()
    assert not rig.child.ended
    rig.child.stopped = False
    rig.reactor.work()
    assert rig.child.ended
    assert rig.parent.reasons[-1].value.signal == 9
    assert not rig.child.work()
    assert len(os.listdir("/proc/self/fd")) == fds - 1


def test_work_goes_on_while_there_is_work(tmp_path: Path) -> None:
    """An answer that brings new orders, or a new child, is followed up in the same call."""
    rig = Rig(tmp_path / "segment-1")
    later = Parent()

    def hear(childFD: int, data: bytes) -> None:
        if rig.child.sent < 100:
            rig.child.writeToChild(0, pack(Order.CLOSE, 9))
        elif len(rig.reactor.children) == 1:
            words = ("python", str(tmp_path / "segment-2"), "1", "2", "0", "9")
            other = child_of(rig.reactor, later, *words)
            other.writeToChild(0, pack(Order.CLOSE, 9))

    rig.parent.childDataReceived = hear
    rig.child.writeToChild(0, pack(Order.CLOSE, 9))
    rig.reactor.work()
    assert rig.child.sent == 114
    assert later.heard == [(3, pack(Answer.DONE, 0, 19))]
    rig.reactor.end_all()


def test_working_child_ends_within_an_order(tmp_path: Path) -> None:
    """With the status of a true one, and its segment is not closed."""
    path = tmp_path / "segment"
    rig = Rig(path)
    rig.child.writeToChild(0, pack(Order.CLOSE, 9)[:-1])
    rig.child.closeChildFD(0)
    rig.reactor.work()
    assert rig.parent.reasons[-1].value.exitCode == Exit.ORDERS
    assert path.read_bytes() == b""


def test_working_child_tries_again(tmp_path: Path) -> None:
    """What waits for room is stored when there is some; a stopped child does not try."""
    rig = Rig(tmp_path / "segment")
    rig.reactor.disk.room = False
    rig.child.writeToChild(0, pack_open(1, 5, Standing(classic=True)))
    rig.child.writeToChild(0, classic(1, "Ana,Gil,1,2000-01-01,7"))
    rig.reactor.work()
    assert [answer.kind for answer in rig.answers()] == [Answer.HELD, Answer.DONE]
    rig.child.try_again()
    assert [answer.kind for answer in rig.answers()] == [Answer.DONE]
    rig.reactor.disk.room = True
    rig.child.stopped = True
    rig.child.try_again()
    assert rig.answers() == []
    rig.child.stopped = False
    rig.child.try_again()
    assert [answer.kind for answer in rig.answers()] == [Answer.STORED, Answer.DONE]
    rig.child.try_again()
    assert rig.answers() == []
    rig.child.die()
    rig.child.try_again()


@pytest.mark.parametrize("real", [False, True])
def test_child_vanishes(tmp_path: Path, real: bool) -> None:
    """It is gone, its file too, and its parent hears nothing, for that is dead as well."""
    parent, reactor = Parent(), FakeWriterReactor(real=real)
    fds = len(os.listdir("/proc/self/fd"))
    child = child_of(reactor, parent, str(tmp_path / "segment"), "1", "1", "0", "9")
    child.vanish()
    child.vanish()
    assert child.ended
    assert (parent.reasons, parent.lost) == ([], [])
    assert len(os.listdir("/proc/self/fd")) == fds


def test_full_disk(tmp_path: Path) -> None:
    """Nothing new finds room, neither a file nor a record; what is there stays, and goes on."""
    disk = FakeDisk()
    path = tmp_path / "segment"
    segment = DiskSegment(disk, str(path), 1, 1, 0)
    segment.append(b"one")
    disk.fsync(0)
    disk.room = False
    with pytest.raises(NoRoom):
        segment.append(b"two")
    with pytest.raises(NoRoom):
        DiskSegment(disk, str(tmp_path / "other"), 1, 2, 0)
    with pytest.raises(OSError, match="No space left") as error:
        disk.fsync(0)
    assert error.value.errno == errno.ENOSPC
    disk.room = True
    segment.append(b"three")
    assert path.read_bytes() == pack_head(1, 1) + b"onethree"
    assert os.listdir(tmp_path) == ["segment"]
    disk.room = False
    segment.close()
    assert path.read_bytes() == pack_head(1, 1) + b"onethree"
    assert isinstance(segment, Segment)


def test_work_beside_the_reactor_is_lost() -> None:
    """It is done, and nobody hears of it."""
    off_thread, done = OffThread(), []
    off_thread.hold = True
    off_thread(lambda: done.append("done")).addCallback(lambda _: done.append("heard"))
    off_thread.lose()
    off_thread.run()
    assert done == ["done"]


class Elsewhere:
    """Work of another module."""

    __module__ = "elsewhere"

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def __call__(self) -> None:
        self.done.append("there")


def test_work_of_a_module_is_not_held() -> None:
    """It goes on while other work stands still."""
    off_thread = OffThread(__name__)
    done: list[str] = []
    off_thread.hold = True
    off_thread(lambda: done.append("here"))
    off_thread(Elsewhere(done))
    assert done == ["here"]
    off_thread.run()
    assert done == ["here", "there"]


def test_working_child_stores_in_a_database() -> None:
    """In the one that its environment names; it is away when there is no room on the disk."""
    table = Table()
    reactor = FakeWriterReactor(real=True)
    asked: list[tuple[str, int]] = []

    def database(dsn: str, draw: int) -> TableStore:
        asked.append((dsn, draw))
        return TableStore(table)

    reactor.database = database
    table.at("a").shared.enter(5)
    words = (DATABASE, "7", "1", "0", "1")
    child = reactor.spawnProcess(Parent(), "x", words, {DATABASE_AT: "d"}, childFDs=FDS)
    assert asked == [("d", 7)]
    child.writeToChild(0, pack_open(1, 5, Standing(session=1)) + lines(1, 0, *bets(5, 2)))
    reactor.work()
    assert len(table.rows[5]) == 2
    reactor.disk.room = False
    child.writeToChild(0, lines(1, 2, *bets(5, 1)))
    reactor.work()
    assert len(table.rows[5]) == 2
    child.closeChildFD(0)
    reactor.work()
    assert child.ended


def test_house_crashes(tmp_path: Path) -> None:
    """As by kill -9: nobody is told, nothing is logged or left open, the next house may own all."""
    flushes = (os.fsync, os.fdatasync)
    fds = len(os.listdir("/proc/self/fd"))
    with House(tmp_path, agencies=2) as house:
        agency, idle = house.greeted(1), house.arrive()
        agency.say(batch(bets(1, 1)))
        assert agency.heard() == [Ack(1)]
        house.children[0].stopped = True
        agency.say(batch(bets(1, 2), 1))
        with pytest.raises(StartError):
            House(tmp_path).central.startService()
        house.log.clear()
        house.crash()
        assert not agency.connected
        assert agency.heard() == idle.heard() == []
        assert all(child.ended for child in house.children)
        assert house.log.lines == []
        with pytest.raises(AssertionError, match="nobody listens"):
            house.arrive()
    assert (os.fsync, os.fdatasync) == flushes
    assert len(os.listdir("/proc/self/fd")) == fds
    with House(tmp_path, agencies=2) as house:
        late = house.arrive()
        late.say(Hello(2))
        assert len(late.heard()) == 1


def test_house_tries_again_as_time_passes(tmp_path: Path) -> None:
    """Children that wait for room do so by themselves."""
    with House(tmp_path, agencies=2) as house:
        agency = house.arrive("classic")
        house.disk.room = False
        agency.say(b"\1\0\x17Ana,Gil,1,2000-01-01,7,")
        assert agency.bytes_heard() == b""
        house.disk.room = True
        house.advance(0.5)
        assert agency.bytes_heard() == b"\2"
