"""``lottery.writer.pool``: who gets which writer, how they all end, and what is salvaged then."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from zlib import crc32

import pytest
from central_fakes import OffThread
from fakes import FakeChild, FakeWriterReactor, MemoryLog
from ledger_bytes import closed as closed_segment
from ledger_bytes import opened, tree
from twisted.python.failure import Failure
from writer_orders import ANA, BO, EVE, end_record, record
from writer_rig import Notes, closed, ended, stored

from lottery.errors import DamagedLedger
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.files import FileDraw
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.writer import LOCK_FD
from lottery.writer.disk import ROOM_SECONDS, DiskWork
from lottery.writer.pipe import Order
from lottery.writer.pool import WriterPool, WriterTerms
from lottery.writer.process import WriterEnd
from lottery.writer.seat import Seat

DRAW = 1
LOCK = 12345
NONCE = bytes(range(32))


NOTHING = Standing()


class Rig:
    """A pool with its reactor and log, at the directory of a draw."""

    def __init__(self, path: Path, limit: int = 2, min_free: int = 0) -> None:
        self.directory = DrawDirectory(DRAW, path)
        self.reactor = FakeWriterReactor()
        self.log = MemoryLog()
        self.off_thread = OffThread()
        self.disk = DiskWork(self.off_thread, self.reactor, self.log)
        self.broken: list[Failure] = []
        terms = WriterTerms(limit, 30)
        ledger = FileDraw(self.directory, min_free, {LOCK_FD: LOCK})
        broken = self.broken.append
        self.pool = WriterPool(self.reactor, ledger, terms, self.disk, broken, Figures(), self.log)

    @property
    def children(self) -> list[FakeChild]:
        return self.reactor.children

    def sit(self, agency: int = 5, standing: Standing = NOTHING) -> tuple[Seat, Notes]:
        """A new seat and its session."""
        client = Notes()
        return self.pool.seat(client, agency, standing), client

    def agencies(self, child: int) -> list[int]:
        """The agencies of the sessions that a child got since the last time."""
        orders = self.children[child].orders()
        return [int.from_bytes(each.body[:4], "big") for each in orders if each.kind == Order.OPEN]

    def write(self, number: int, content: bytes) -> Path:
        """Write what a writer has left of its segment."""
        path = self.directory.segment(number)
        path.write_bytes(content)
        return path

    def standings(self, *seats: Seat) -> list[Standing]:
        """Where agencies stand when their seats are settled, in that order."""
        notes: list[Standing] = []
        for seat in seats:
            seat.when_settled(lambda seat=seat: notes.append(seat.standing))
        return notes


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A pool of two writers."""
    return Rig(tmp_path)


def test_no_writer_before_the_first_session(rig: Rig) -> None:
    """A pool that nobody needs starts nothing."""
    assert rig.children == []


def test_command(tmp_path: Path) -> None:
    """A writer is this Python, whatever lies in the current directory, in our environment.

    It inherits the lock, so nobody else owns the directory while it lives.
    """
    rig = Rig(tmp_path, min_free=64)
    rig.sit()
    (child,) = rig.children
    segment = str(tmp_path / "segment-0001.log")
    assert child.executable == sys.executable
    assert child.args == (
        sys.executable,
        "-P",
        "-m",
        "lottery.writer",
        segment,
        "1",
        "1",
        "64",
        str(os.getpid()),
    )
    assert child.env is None
    assert child.child_fds == {0: "w", 1: "r", 2: "r", 3: "r", 4: LOCK}
    assert rig.log.actions == [
        {
            "level": "DEBUG",
            "action": "writer",
            "result": "in_progress",
            "pid": "1001",
            "draw": "1",
            "segment": "segment-0001.log",
        }
    ]


def test_own_writer_until_the_limit_then_the_least_busy(tmp_path: Path) -> None:
    """Sessions share only what they must, and evenly; who is settled makes room."""
    rig = Rig(tmp_path, 3)
    seats = [rig.sit(agency)[0] for agency in range(1, 6)]
    assert [rig.agencies(child) for child in range(3)] == [[1, 4], [2, 5], [3]]
    rig.sit(6)
    assert rig.agencies(2) == [6]
    seats[1].leave()
    rig.children[1].answer(closed(1, 0))
    rig.sit(7)
    assert rig.agencies(1) == [7]
    rig.children[0].answer(ended(1, 0) + ended(2, 0))
    rig.sit(8)
    rig.sit(9)
    assert rig.agencies(0) == [8, 9]
    assert [child.args[4:7] for child in rig.children] == [
        (str(rig.directory.segment(number)), "1", str(number)) for number in (1, 2, 3)
    ]


def test_session_begins_where_it_says(rig: Rig) -> None:
    """The writer is told agency, next index, CRC and dialect."""
    rig.sit(5, Standing(1234, 0xABCDEF01))
    rig.sit(6, Standing(classic=True))
    openings = [child.orders()[0] for child in rig.children]
    assert [(each.place, each.body) for each in openings] == [
        (1234, b"\0\0\0\x05\xab\xcd\xef\x01\0"),
        (0, b"\0\0\0\x06\0\0\0\0\x01"),
    ]


def test_segments_go_on_behind_those_there_are(tmp_path: Path) -> None:
    """A central that is started again writes none twice; a gap is not filled."""
    for number in (1, 3):
        (tmp_path / f"segment-{number:04d}.log").touch()
    rig = Rig(tmp_path)
    rig.sit()
    rig.sit()
    assert [child.args[6] for child in rig.children] == ["4", "5"]


def test_dead_writer_is_replaced(rig: Rig) -> None:
    """It takes its own sessions with it and no others; the next session gets a new segment."""
    (_, first), (_, second), (_, third) = rig.sit(), rig.sit(), rig.sit()
    rig.log.clear()
    rig.children[0].die()
    lost = ("lost", "its writer was ended by signal 9")
    assert first.heard == third.heard == [lost]
    assert second.heard == []
    assert rig.log.of("writer") == [
        {
            "level": "ERROR",
            "result": "fail",
            "pid": "1001",
            "draw": "1",
            "segment": "segment-0001.log",
            "status": "-9",
        }
    ]
    rig.sit(9)
    assert rig.agencies(2) == [9]
    assert rig.children[2].args[4].endswith("segment-0003.log")
    rig.sit(10)
    assert len(rig.children) == 3


def test_killed_writer_gets_no_session_before_it_is_reaped(tmp_path: Path) -> None:
    """A writer that did not answer is not waited for."""
    rig = Rig(tmp_path, 1)
    rig.sit()
    rig.reactor.advance(30)
    assert rig.children[0].signals == ["KILL"]
    rig.sit(9)
    assert rig.agencies(1) == [9]


# What is salvaged.


def test_a_dead_writers_seats_are_settled_by_its_salvage(rig: Rig) -> None:
    """Whole records count though they were never acknowledged, an END too; torn ones do not."""
    one, _ = rig.sit(5)
    other, _ = rig.sit(6)
    two, _ = rig.sit(7)
    away, _ = rig.sit(8, Standing(4, 99))
    standings = rig.standings(one, two, other, away)
    rig.children[0].answer(stored(1, 1, 1, crc=crc32(f"{ANA}\n".encode())))
    content = (
        record(5, 0, ANA)
        + record(5, 1, BO)
        + record(7, 0, EVE)
        + end_record(7, 1)
        + record(9, 0, EVE)  # of an agency that has no seat any more
    )
    path = rig.write(1, opened(1, content) + record(5, 2, EVE)[:-1])
    rig.log.clear()
    rig.off_thread.hold = True
    rig.children[0].die()
    assert standings == []
    rig.off_thread.run()
    assert sorted(standings, reverse=True) == [
        Standing(2, crc32(f"{ANA}\n{BO}\n".encode())),
        Standing(1, crc32(f"{EVE}\n".encode()), ended=True, nonce=NONCE),
    ]
    assert path.read_bytes() == closed_segment(1, content)
    torn = len(record(5, 2, EVE)) - 1
    assert rig.log.of("salvage") == [
        {
            "level": "WARNING",
            "result": "success",
            "draw": "1",
            "segment": "segment-0001.log",
            "torn_bytes": str(torn),
        }
    ]
    assert rig.broken == []


@pytest.mark.parametrize("status", [1, 3, 5])
def test_a_closed_segment_is_written_anew(rig: Rig, status: int) -> None:
    """After a flush that has failed it may look whole, and not be on disk."""
    content = closed_segment(1, record(5, 0, ANA))
    seat, _ = rig.sit()
    standings = rig.standings(seat)
    path = rig.write(1, content)
    before = path.stat().st_ino
    rig.children[0].end(status)
    assert path.stat().st_ino != before
    assert path.read_bytes() == content
    assert standings[0].next_index == 1


def test_a_writer_that_ended_well_is_believed(rig: Rig) -> None:
    """Its segment is left alone, and its seats stand where they were told."""
    seat, _ = rig.sit()
    standings = rig.standings(seat)
    rig.children[0].answer(stored(1, 1, 1, crc=7))
    path = rig.write(1, b"not even looked at")
    rig.children[0].end(0)
    assert standings == [Standing(1, 7)]
    assert path.read_bytes() == b"not even looked at"
    assert rig.log.of("salvage") == []


@pytest.mark.parametrize("status", [0, 4, -9])
def test_a_writer_that_never_made_its_segment(rig: Rig, status: int) -> None:
    """There was no room for it, or it was killed before: it gets an empty one, closed.

    So the numbers of a draw's segments have no gap, which would look as if one was removed.
    """
    seat, _ = rig.sit(5, Standing(3, 7))
    standings = rig.standings(seat)
    child = rig.children[0]
    child.die(-status) if status < 0 else child.end(status)
    assert standings == [Standing(3, 7)]
    assert rig.directory.segment(1).read_bytes() == closed_segment(1)
    assert rig.broken == []


def test_salvage_waits_for_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until there is some nobody is told where the agency stands, and nothing is changed."""
    content = opened(1, record(5, 0, ANA))
    seat, _ = rig.sit()
    standings = rig.standings(seat)
    rig.write(1, content)
    rig.reactor.disk.room = False
    monkeypatch.setattr(os, "fsync", rig.reactor.disk.fsync)
    ends: list[list[WriterEnd]] = []
    rig.children[0].die()
    rig.pool.close(5).addCallback(ends.append)
    for _ in range(3):
        assert standings == []
        assert ends == []
        assert tree(rig.directory.path) == {"segment-0001.log": content}
        rig.reactor.advance(ROOM_SECONDS)
    rig.reactor.disk.room = True
    rig.reactor.advance(ROOM_SECONDS)
    assert standings[0].next_index == 1
    assert [end.status for end in ends[0]] == [-9]
    rooms = rig.log.of("room")
    assert len(rooms) == 4
    assert rooms[0] == {
        "level": "WARNING",
        "result": "in_progress",
        "work": "salvage",
        "error": "No space left on device",
    }
    assert rig.reactor.getDelayedCalls() == []


def test_salvage_that_is_interrupted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The central is stopped while it waits for room: the next start salvages."""
    seat, _ = rig.sit()
    standings = rig.standings(seat)
    rig.write(1, opened(1))
    rig.reactor.disk.room = False
    monkeypatch.setattr(os, "fsync", rig.reactor.disk.fsync)
    rig.children[0].die()
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    rig.disk.stop()
    assert len(ends[0]) == 1
    assert standings == []
    assert rig.broken == []
    assert rig.reactor.getDelayedCalls() == []


def test_damage_that_salvage_finds(rig: Rig) -> None:
    """The central hears of it; nobody is told where the agency stands, nothing is touched."""
    seat, _ = rig.sit()
    standings = rig.standings(seat)
    head = opened(1)
    content = bytearray(head + record(5, 0, ANA))
    content += record(5, 1, BO, flushed=len(content))
    content[len(head) + 50] ^= 1
    path = rig.write(1, bytes(content))
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    rig.children[0].die()
    (failure,) = rig.broken
    damage = failure.check(DamagedLedger)
    assert damage is not None
    assert f"{path} is damaged at byte {len(head)}" in failure.getErrorMessage()
    assert standings == []
    assert len(ends[0]) == 1
    assert tree(rig.directory.path) == {"segment-0001.log": bytes(content)}


def test_salvage_that_cannot_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk that is not for lack of room is not tried again."""

    def fsync(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    seat, _ = rig.sit()
    standings = rig.standings(seat)
    rig.write(1, opened(1))
    monkeypatch.setattr(os, "fsync", fsync)
    rig.children[0].die()
    (failure,) = rig.broken
    assert failure.value.errno == errno.EIO
    assert standings == []
    assert rig.reactor.getDelayedCalls() == []


# How they are not started, and how they end.


def test_writer_that_cannot_be_started(rig: Rig) -> None:
    """The session is told by an OSError; the next one tries again, for the same segment."""
    rig.reactor.refusal = OSError(errno.EAGAIN, "no more processes")
    with pytest.raises(OSError, match="no more processes"):
        rig.sit()
    assert rig.log.lines == []
    rig.sit()
    assert rig.children[0].args[4].endswith("segment-0001.log")
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    rig.children[0].end()
    assert len(ends[0]) == 1


def test_close_waits_for_all(tmp_path: Path) -> None:
    """It closes every writer's orders, and fires once the last is reaped, with all ends."""
    rig = Rig(tmp_path, 3)
    for _ in range(3):
        rig.sit()
    rig.children[0].end(3)
    rig.log.clear()
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    assert [child.closed for child in rig.children] == [[], [0], [0]]
    rig.children[2].end()
    rig.reactor.advance(4.9)
    assert ends == []
    rig.children[1].end()
    assert ends == [
        [
            WriterEnd(1001, "segment-0001.log", 3),
            WriterEnd(1002, "segment-0002.log", 0),
            WriterEnd(1003, "segment-0003.log", 0),
        ]
    ]
    assert [child.signals for child in rig.children] == [[], [], []]
    assert rig.reactor.getDelayedCalls() == []
    assert [(line["level"], line["result"]) for line in rig.log.of("writer")] == [
        ("DEBUG", "success")
    ] * 2


def test_no_seat_behind_a_close(rig: Rig) -> None:
    """Nobody would wait for the end of a writer that is started then."""
    rig.sit()
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    for _ in range(2):
        with pytest.raises(OSError, match="are to end"):
            rig.sit()
        if not ends:
            rig.children[0].end()
    assert len(rig.children) == len(ends) == 1


def test_close_kills_after_the_grace(rig: Rig) -> None:
    """Who has not ended by then is killed, and its end is still awaited."""
    rig.sit()
    rig.sit()
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    rig.children[0].end()
    rig.log.clear()
    rig.reactor.advance(5)
    assert rig.children[1].signals == ["KILL"]
    assert rig.log.of("writer") == [
        {"level": "WARNING", "result": "fail", "pid": "1002", "error": "killed at the end"}
    ]
    assert ends == []
    rig.children[1].die()
    assert [end.status for end in ends[0]] == [0, -9]
    assert rig.reactor.getDelayedCalls() == []


def test_close_without_a_writer(rig: Rig) -> None:
    """There is nothing to wait for."""
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    assert ends == [[]]
    assert rig.reactor.getDelayedCalls() == []


def test_close_twice(rig: Rig) -> None:
    """A central that is stopped while a draw closes closes again, with a shorter grace."""
    rig.sit()
    ends: list[list[WriterEnd]] = []
    rig.pool.close(30).addCallback(ends.append)
    rig.pool.close(3).addCallback(ends.append)
    rig.reactor.advance(3)
    assert rig.children[0].signals == ["KILL"]
    rig.children[0].die()
    assert ends == [[WriterEnd(1001, "segment-0001.log", -9)]] * 2
    assert rig.reactor.getDelayedCalls() == []
