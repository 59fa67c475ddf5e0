"""``lottery.writer.pool``: who gets which writer, and how they all end."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from fakes import FakeChild, FakeWriterReactor, MemoryLog
from writer_rig import Notes, ended

from lottery.ledger.directory import DrawDirectory
from lottery.writer.pipe import Order
from lottery.writer.pool import WriterPool
from lottery.writer.process import WriterEnd
from lottery.writer.seat import Seat

DIRECTORY = DrawDirectory(7, Path("data/draws/000007"))


class Rig:
    """A pool with its reactor and log."""

    def __init__(self, limit: int = 2) -> None:
        self.reactor = FakeWriterReactor()
        self.log = MemoryLog()
        self.pool = WriterPool(self.reactor, DIRECTORY, limit, 30, self.log)

    @property
    def children(self) -> list[FakeChild]:
        return self.reactor.children

    def sit(self, agency: int = 5) -> tuple[Seat, Notes]:
        """A new seat and its session."""
        client = Notes()
        return self.pool.seat(client, agency, 0), client

    def agencies(self, child: int) -> list[int]:
        """The agencies of the sessions that a child got since the last time."""
        orders = self.children[child].orders()
        return [int.from_bytes(each.body, "big") for each in orders if each.kind == Order.OPEN]


def test_no_writer_before_the_first_session() -> None:
    """A pool that nobody needs starts nothing."""
    assert Rig().children == []


def test_command() -> None:
    """A writer is this Python, whatever lies in the current directory, in our environment."""
    rig = Rig()
    rig.sit()
    (child,) = rig.children
    segment = str(DIRECTORY.path / "segment-0001.log")
    assert child.executable == sys.executable
    assert child.args == (
        sys.executable,
        "-P",
        "-m",
        "lottery.writer",
        segment,
        str(os.getpid()),
    )
    assert child.env is None
    assert child.child_fds == {0: "w", 1: "r", 2: "r", 3: "r"}
    assert rig.log.actions == [
        {
            "level": "DEBUG",
            "action": "writer",
            "result": "in_progress",
            "pid": "1001",
            "draw": "7",
            "segment": "segment-0001.log",
        }
    ]


def test_own_writer_until_the_limit_then_the_least_busy() -> None:
    """Sessions share only what they must, and evenly; who leaves makes room."""
    rig = Rig(3)
    seats = [rig.sit(agency)[0] for agency in range(1, 6)]
    assert [rig.agencies(child) for child in range(3)] == [[1, 4], [2, 5], [3]]
    rig.sit(6)
    assert rig.agencies(2) == [6]
    seats[1].leave()
    rig.sit(7)
    assert rig.agencies(1) == [7]
    rig.children[0].answer(ended(1, 0) + ended(2, 0))
    rig.sit(8)
    rig.sit(9)
    assert rig.agencies(0) == [8, 9]
    names = [Path(child.args[4]).name for child in rig.children]
    assert names == ["segment-0001.log", "segment-0002.log", "segment-0003.log"]


def test_session_begins_where_it_says() -> None:
    """The writer is told agency and next index."""
    rig = Rig()
    rig.pool.seat(Notes(), 5, 1234)
    (opening,) = rig.children[0].orders()
    assert (opening.place, opening.body) == (1234, b"\0\0\0\x05")


def test_dead_writer_is_replaced() -> None:
    """It takes its own sessions with it and no others; the next session gets a new segment."""
    rig = Rig(2)
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
            "draw": "7",
            "segment": "segment-0001.log",
            "status": "-9",
        }
    ]
    rig.sit(9)
    assert rig.agencies(2) == [9]
    assert rig.children[2].args[4].endswith("segment-0003.log")
    rig.sit(10)
    assert len(rig.children) == 3


def test_killed_writer_gets_no_session_before_it_is_reaped() -> None:
    """A writer that did not answer is not waited for."""
    rig = Rig(1)
    rig.sit()
    rig.reactor.advance(30)
    assert rig.children[0].signals == ["KILL"]
    rig.sit(9)
    assert rig.agencies(1) == [9]


def test_writer_that_cannot_be_started() -> None:
    """The session is told by an OSError; the next one tries again, for the same segment."""
    rig = Rig()
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


def test_close_waits_for_all() -> None:
    """It closes every writer's orders, and fires once the last is reaped, with all ends."""
    rig = Rig(3)
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
            WriterEnd(1001, DIRECTORY.segment(1), 3),
            WriterEnd(1002, DIRECTORY.segment(2), 0),
            WriterEnd(1003, DIRECTORY.segment(3), 0),
        ]
    ]
    assert [child.signals for child in rig.children] == [[], [], []]
    assert rig.reactor.getDelayedCalls() == []
    assert [(line["level"], line["result"]) for line in rig.log.of("writer")] == [
        ("DEBUG", "success")
    ] * 2


def test_close_kills_after_the_grace() -> None:
    """Who has not ended by then is killed, and its end is still awaited."""
    rig = Rig()
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


def test_close_without_a_writer() -> None:
    """There is nothing to wait for."""
    rig = Rig()
    ends: list[list[WriterEnd]] = []
    rig.pool.close(5).addCallback(ends.append)
    assert ends == [[]]
    assert rig.reactor.getDelayedCalls() == []


def test_close_twice() -> None:
    """A central that is stopped while a draw closes closes again, with a shorter grace."""
    rig = Rig()
    rig.sit()
    ends: list[list[WriterEnd]] = []
    rig.pool.close(30).addCallback(ends.append)
    rig.pool.close(3).addCallback(ends.append)
    rig.reactor.advance(3)
    assert rig.children[0].signals == ["KILL"]
    rig.children[0].die()
    assert ends == [[WriterEnd(1001, DIRECTORY.segment(1), -9)]] * 2
    assert rig.reactor.getDelayedCalls() == []
