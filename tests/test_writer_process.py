"""``lottery.writer.process``: one writer child, as its parent sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeChild, FakeWriterReactor, MemoryLog
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IProcessProtocol
from writer_rig import (
    AGAIN,
    CRC,
    REFUSAL,
    Notes,
    again,
    closed,
    ended,
    held,
    refused,
    stored,
)
from zope.interface.verify import verifyObject

from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.writer.pipe import Answer, Order, PipeRecord, pack
from lottery.writer.process import (
    BUDGET_BYTES,
    LEAST_SHARE_BYTES,
    SHORT_BYTES,
    SHORT_SECONDS,
    Writer,
    WriterEnd,
)
from lottery.writer.seat import LIGHT_BYTES, Seat

SEGMENT = Path("draws/000001/segment-0001.log")
TIMEOUT = 30
HEAD = 19
OPENING = 28


class Rig:
    """A writer with its child, clock and log."""

    def __init__(self) -> None:
        self.clock = FakeWriterReactor()
        self.log = MemoryLog()
        self.figures = Figures()
        self.writer = Writer(self.clock, SEGMENT, TIMEOUT, self.figures, self.log)
        self.child: FakeChild = self.clock.spawnProcess(
            self.writer, "x", childFDs={0: "w", 1: "r", 2: "r", 3: "r"}
        )
        self.ends: list[WriterEnd] = []
        self.writer.gone.addCallback(self.ends.append)

    def sit(self, agency: int = 5) -> tuple[Seat, Notes]:
        """A new seat and its session."""
        client = Notes()
        return self.writer.seat(client, agency, Standing()), client

    def take_all(self) -> None:
        """Let the child have dealt with all orders so far."""
        self.child.answer(self.child.done())

    @property
    def printed(self) -> list[str]:
        """What the child printed, as it stands in the log."""
        return [line["text"] for line in self.log.of("writer_output")]


@pytest.fixture
def rig() -> Rig:
    """A writer that has just been started."""
    return Rig()


# The start, and what is said.


def test_start(rig: Rig) -> None:
    """It is a process protocol; it knows its pid and keeps it when the transport has not."""
    verifyObject(IProcessProtocol, rig.writer)
    assert rig.writer.pid == 1001
    assert rig.writer.usable
    assert rig.writer.sessions == 0
    assert not rig.writer.full
    rig.child.end()
    assert rig.writer.pid == 1001


def test_child_that_ended_before_it_could_be_asked() -> None:
    """A pid that is gone already is 0, not an error."""
    writer = Writer(FakeWriterReactor(), SEGMENT, TIMEOUT, Figures(), MemoryLog())
    child = FakeChild(7, writer, "x", (), None, {})
    child.pid = None
    writer.makeConnection(child)
    assert writer.pid == 0


def test_seats_have_numbers_of_their_own(rig: Rig) -> None:
    """A number is never used twice, so that a late answer reaches nobody else."""
    first, _ = rig.sit(5)
    rig.sit(6)
    first.leave()
    assert rig.writer.sessions == 2
    rig.child.answer(closed(1, 0))
    assert rig.writer.sessions == 1
    rig.sit(5)
    assert rig.writer.sessions == 2
    assert [order.session for order in rig.child.orders() if order.kind == Order.OPEN] == [1, 2, 3]


def test_answers_reach_their_session(rig: Rig) -> None:
    """Each answer goes to the session that it is for, in order, and settles what was in hand."""
    (one, first), (two, second) = rig.sit(), rig.sit()
    for _ in range(3):
        one.batches(b"", 1)
    two.batches(b"", 1)
    rig.child.answer(stored(1, 300, 10, 290) + stored(2, 1, 1) + stored(1, 300, 0))
    assert first.heard == [("stored", 300, 2), ("stored", 300, 1)]
    assert second.heard == [("stored", 1, 1)]
    assert one.in_hand == two.in_hand == 0


def test_answers_in_pieces(rig: Rig) -> None:
    """Where the pipe cuts does not matter."""
    seat, client = rig.sit()
    seat.batches(b"", 1)
    for byte in stored(1, 65535, 65535):
        assert client.heard == []
        rig.child.answer(bytes([byte]))
    assert client.heard == [("stored", 65535, 1)]


def test_refusal_ends_the_seat(rig: Rig) -> None:
    """The session hears why; then nothing more of this writer, not even its end."""
    seat, client = rig.sit()
    seat.batches(b"", 1)
    seat.batches(b"", 1)
    rig.child.answer(refused(1) + stored(1, 1, 1))
    assert client.heard == [("refused", REFUSAL)]
    assert seat.in_hand == 0
    assert rig.writer.sessions == 0
    rig.child.end()
    assert client.heard == [("refused", REFUSAL)]


def test_end_ends_the_seat(rig: Rig) -> None:
    """The session hears its total; then nothing more of this writer."""
    seat, client = rig.sit()
    seat.end(7, b"")
    rig.child.answer(ended(1, 7))
    assert client.heard == [("ended", 7)]
    assert seat.in_hand == 0
    rig.child.die()
    assert client.heard == [("ended", 7)]


def test_a_refusal_that_may_come_again_keeps_the_seat(rig: Rig) -> None:
    """The session hears it, and is told of what it sends then."""
    seat, client = rig.sit()
    seat.batches(b"", 1)
    rig.child.answer(again(1) + stored(1, 3, 3))
    assert client.heard == [("refused", AGAIN), ("stored", 3, 1)]
    assert rig.writer.sessions == 1


def test_a_batch_is_held(rig: Rig) -> None:
    """The session hears that its batch waits for room; it is still in hand."""
    seat, client = rig.sit()
    seat.batches(b"", 1)
    rig.child.answer(held(1))
    assert client.heard == [("held",)]
    assert seat.in_hand == 1


def test_who_has_left_hears_what_became_of_it(rig: Rig) -> None:
    """Until the CLOSE is answered; then no answer reaches it, and its seat is free."""
    seat, client = rig.sit()
    seat.batches(b"", 1)
    seat.leave()
    rig.child.answer(stored(1, 1, 1))
    assert client.heard == [("stored", 1, 1)]
    assert rig.writer.sessions == 1
    rig.child.answer(closed(1, 1) + stored(1, 2, 1) + refused(1) + again(1) + held(1) + ended(1, 1))
    assert client.heard == [("stored", 1, 1)]
    assert rig.writer.sessions == 0
    assert seat.standing == Standing(1, CRC)


def test_who_has_left_may_be_refused_or_end(rig: Rig) -> None:
    """Its last order settles it, and the CLOSE behind it is answered by nothing."""
    for words, heard in ((ended, ("ended", 0)), (refused, ("refused", REFUSAL))):
        seat, client = rig.sit()
        settled: list[int] = []
        seat.when_settled(lambda seat=seat, settled=settled: settled.append(seat.number))
        seat.end(0, b"")
        seat.leave()
        rig.child.answer(words(seat.number, *([0] if words is ended else [])))
        assert client.heard == [heard]
        assert settled == [seat.number]
    assert rig.writer.sessions == 0


# The budget and the line.


def test_budget(rig: Rig) -> None:
    """It is used up by what the child has not dealt with, wherever that is, to the byte."""
    seat, _ = rig.sit()
    seat.batches(bytes(BUDGET_BYTES - OPENING - HEAD - HEAD), 1)
    assert not rig.writer.full
    seat.leave()
    assert rig.child.sent == BUDGET_BYTES
    assert rig.writer.full
    rig.take_all()
    assert not rig.writer.full


def test_what_was_taken_makes_room(rig: Rig) -> None:
    """It is not in the pipe any more, although it is not dealt with; what is held comes back."""
    seat, client = rig.sit()
    seat.batches(bytes(BUDGET_BYTES), 1)
    seat.wait()
    rig.child.answer(pack(Answer.TAKEN, 0, rig.child.sent))
    assert not rig.writer.full
    assert client.heard == [("resume",)]
    rig.child.answer(pack(Answer.DONE, 0, OPENING))
    assert rig.writer.full


def test_line_moves_one_at_a_time(rig: Rig) -> None:
    """Who fills the room again goes to the end; the others have their turns before."""
    (one, first), (two, second), (three, third) = rig.sit(), rig.sit(), rig.sit()
    turns: list[str] = []

    def fill(name: str, seat: Seat) -> None:
        turns.append(name)
        seat.batches(bytes(BUDGET_BYTES), 1)
        seat.wait()

    first.when_resumed = lambda: fill("first", one)
    second.when_resumed = lambda: fill("second", two)
    third.when_resumed = lambda: turns.append("third")
    fill("first", one)
    two.wait()
    three.wait()
    assert turns == ["first"]
    rig.take_all()
    assert turns == ["first", "first"]
    rig.take_all()
    assert turns == ["first", "first", "second"]
    rig.take_all()
    assert turns == ["first", "first", "second", "third", "first"]
    rig.take_all()
    assert turns[5:] == ["second"]


def test_line_moves_while_there_is_room(rig: Rig) -> None:
    """All who wait are resumed at once if they leave room to each other."""
    seats = [rig.sit() for _ in range(5)]
    seats[0][0].batches(bytes(BUDGET_BYTES), 1)
    for seat, _ in seats:
        seat.wait()
    rig.child.answer(stored(1, 1, 1))
    assert [client.heard for _, client in seats[1:]] == [[]] * 4
    rig.take_all()
    assert all(client.heard[-1] == ("resume",) for _, client in seats)


def test_who_leaves_loses_its_turn(rig: Rig) -> None:
    """A session that has left the line is passed over, the next one moves up."""
    (one, first), (two, second) = rig.sit(), rig.sit()
    one.batches(bytes(BUDGET_BYTES), 1)
    one.wait()
    two.wait()
    one.leave()
    rig.take_all()
    assert first.heard == []
    assert second.heard == [("resume",)]


@given(st.lists(st.lists(st.integers(0, BUDGET_BYTES), max_size=8), min_size=1, max_size=5))
def test_nobody_is_crowded_out(sizes: list[list[int]]) -> None:
    """Sessions that hand on whenever they may: the budget holds, and the turns are fair."""
    rig = Rig()
    taken = 0
    overtaken: dict[int, list[int]] = {}

    def hand_on(number: int) -> None:
        for times in overtaken.values():
            times[number] += 1
        while sizes[number]:
            size = sizes[number].pop()
            seats[number].batches(bytes(size), 1)
            in_hand = rig.child.sent - taken
            assert in_hand < BUDGET_BYTES + len(seats) * (HEAD + OPENING + BUDGET_BYTES)
            if seats[number].full:
                overtaken[number] = [0] * len(seats)
                seats[number].wait()
                return

    def resume(number: int) -> None:
        assert max(overtaken.pop(number)) <= 1
        hand_on(number)

    rested = [rig.sit() for _ in sizes]
    seats = [seat for seat, _ in rested]
    for number, (_, client) in enumerate(rested):
        client.when_resumed = lambda number=number: resume(number)
    for number in range(len(seats)):
        hand_on(number)  # what the first read brought, whether there is room or not
    while overtaken:
        taken = rig.child.sent
        rig.take_all()
    assert not any(sizes)


# The timeout.


def test_silent_child_is_killed(rig: Rig) -> None:
    """With something in hand and no answer for the timeout, it is killed, and that is logged."""
    rig.sit()
    rig.clock.advance(TIMEOUT - 1)
    assert rig.child.signals == []
    assert rig.writer.usable
    rig.clock.advance(1)
    assert rig.child.signals == ["KILL"]
    assert not rig.writer.usable
    assert rig.log.of("writer") == [
        {
            "level": "WARNING",
            "result": "fail",
            "pid": "1001",
            "error": "no answer for 30 s, killed",
        }
    ]
    rig.clock.advance(10 * TIMEOUT)
    assert rig.child.signals == ["KILL"]
    assert rig.clock.getDelayedCalls() == []


def test_idle_child_may_be_silent(rig: Rig) -> None:
    """With nothing in hand it is left alone for ever, and no clock runs."""
    rig.clock.advance(100 * TIMEOUT)
    rig.sit()
    rig.take_all()
    rig.clock.advance(100 * TIMEOUT)
    assert rig.child.signals == []
    assert rig.clock.getDelayedCalls() == []


def test_answer_resets_the_timeout(rig: Rig) -> None:
    """A child that answers anything, however slow it is with the rest, is alive."""
    seat, _ = rig.sit()
    for _ in range(5):
        seat.batches(b"", 1)
        rig.clock.advance(TIMEOUT - 1)
        rig.child.answer(stored(1, 0, 0))
    rig.clock.advance(TIMEOUT - 1)
    assert rig.child.signals == []
    rig.clock.advance(1)
    assert rig.child.signals == ["KILL"]


def test_to_take_is_not_to_have_dealt_with(rig: Rig) -> None:
    """A child that has taken all and does nothing with it is killed."""
    rig.sit()
    rig.child.answer(pack(Answer.TAKEN, 0, rig.child.sent))
    rig.clock.advance(TIMEOUT)
    assert rig.child.signals == ["KILL"]


def test_timeout_begins_with_what_is_in_hand(rig: Rig) -> None:
    """The time when nothing was in hand does not count against it."""
    seat, _ = rig.sit()
    rig.take_all()
    rig.clock.advance(TIMEOUT - 1)
    seat.batches(b"", 1)
    rig.clock.advance(TIMEOUT - 1)
    assert rig.child.signals == []
    seat.batches(b"", 1)
    rig.clock.advance(1)
    assert rig.child.signals == ["KILL"]


def test_prints_are_no_answers(rig: Rig) -> None:
    """A child that only prints is stuck all the same."""
    rig.sit()
    rig.clock.advance(TIMEOUT - 1)
    rig.child.print_line(2, b"I am still here")
    rig.clock.advance(1)
    assert rig.child.signals == ["KILL"]


def test_closing_child_is_watched_too(rig: Rig) -> None:
    """Being closed does not free it from answering what it has."""
    rig.sit()
    rig.writer.close()
    rig.clock.advance(TIMEOUT)
    assert rig.child.signals == ["KILL"]


def test_end_stops_the_clock(rig: Rig) -> None:
    """Once it has ended nothing is left on the reactor."""
    rig.sit()
    rig.child.end(3)
    assert rig.clock.getDelayedCalls() == []


# What it prints.


def test_prints_go_to_the_log(rig: Rig) -> None:
    """Line by line, whichever way it comes; the two outputs are not mixed up."""
    rig.child.say(2, b"one\ntw")
    rig.child.say(1, b"other")
    rig.child.say(2, b"o\n")
    assert rig.log.of("writer_output")[0] == {
        "level": "WARNING",
        "result": "in_progress",
        "pid": "1001",
        "text": "one",
    }
    assert rig.printed == ["one", "two"]
    rig.child.print_line(1, b"")
    assert rig.printed == ["one", "two", "other"]


def test_prints_are_escaped(rig: Rig) -> None:
    """Whatever a child prints, a line of the log stays one line, within its grammar."""
    rig.child.print_line(2, b"a | action: x\xff\x1b[0m\r")
    assert rig.printed == [r"a \x7c action\x3a x" + "\ufffd" + r"\x1b[0m\x0d"]


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_long_lines_are_cut(rig: Rig, monkeypatch: pytest.MonkeyPatch, pieces: int) -> None:
    """No more than the first 2000 bytes of a line are ever kept, and the next line is whole."""
    texts: list[object] = []
    monkeypatch.setattr(
        ActionLog, "__call__", lambda *_, **details: texts.append(details.get("text"))
    )
    for at in range(pieces):
        rig.child.say(2, str(at % 10).encode() * 5000)
        assert len(rig.writer._output._begun[2]) == 2000
    rig.child.print_line(2, b"")
    rig.child.print_line(2, b"next")
    rig.child.print_line(2, b"y" * 3000)
    assert texts == ["0" * 2000, "next", "y" * 2000]


def test_last_words_without_a_line_end(rig: Rig) -> None:
    """What was printed last is not lost, and is logged before the sessions hear of the end."""
    _, client = rig.sit()
    rig.child.say(2, b"MemoryError")
    rig.child.end(1)
    assert rig.printed == ["MemoryError"]
    assert client.heard == [("lost", "its writer ended with status 1 (bug)")]


# Its end.


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (0, "done"),
        (1, "bug"),
        (2, "usage"),
        (3, "disk or database"),
        (4, "segment"),
        (5, "orders"),
        (6, "unknown"),
        (255, "unknown"),
    ],
)
def test_status_is_explained(rig: Rig, status: int, name: str) -> None:
    """Its sessions hear how it ended; whoever waits has pid, segment and status."""
    _, client = rig.sit()
    rig.child.end(status)
    assert client.heard == [("lost", f"its writer ended with status {status} ({name})")]
    assert rig.ends == [WriterEnd(1001, SEGMENT, status)]
    assert not rig.writer.usable


@pytest.mark.parametrize("signal", [9, 11, 15])
def test_signal_is_explained(rig: Rig, signal: int) -> None:
    """A signal is a negative status."""
    _, client = rig.sit()
    rig.child.die(signal)
    assert client.heard == [("lost", f"its writer was ended by signal {signal}")]
    assert rig.ends == [WriterEnd(1001, SEGMENT, -signal)]


def test_lost_once_for_each_seat_that_is_not_settled_and_no_other(rig: Rig) -> None:
    """Who was refused or has ended does not care how the writer ended; who has left does."""
    seats = [rig.sit() for _ in range(6)]
    seats[0][0].leave()
    rig.child.answer(refused(2) + ended(3, 0))
    for seat, _ in seats[3:]:
        seat.wait()
    rig.child.die()
    lost = ("lost", "its writer was ended by signal 9")
    assert [client.heard.count(lost) for _, client in seats] == [1, 0, 0, 1, 1, 1]
    assert rig.writer.sessions == 4


def test_settle(rig: Rig) -> None:
    """Once its segment was looked at, all seats that are left are settled, as was found."""
    one, _ = rig.sit(1)
    two, _ = rig.sit(2)
    rig.child.answer(stored(2, 5, 5))
    one.leave()
    settled: list[int] = []
    for seat in (one, two):
        seat.when_settled(lambda agency=seat.agency: settled.append(agency))
    rig.child.die()
    assert settled == []
    rig.writer.settle({1: Standing(7, 8)})
    assert sorted(settled) == [1, 2]
    assert one.standing == Standing(7, 8)
    assert two.standing == Standing(5, CRC)
    assert rig.writer.sessions == 0


def test_settling_may_give_up_seats(rig: Rig) -> None:
    """Whoever hears that a seat is settled may leave another one at the same writer."""
    one, _ = rig.sit()
    two, _ = rig.sit()
    settled: list[int] = []
    for seat, other in ((one, two), (two, one)):
        seat.when_settled(lambda other=other: (other.leave(), settled.append(other.number)))
    rig.child.die()
    rig.writer.settle({})
    assert sorted(settled) == [1, 2]


def test_sessions_may_leave_while_they_are_told(rig: Rig) -> None:
    """A session that gives up its seat, or another one's, within ``lost`` disturbs nobody."""
    (one, first), (two, second) = rig.sit(), rig.sit()
    first.lost = lambda reason: (one.leave(), two.leave())
    rig.child.die()
    assert second.heard == [("lost", "its writer was ended by signal 9")]
    assert rig.ends[0].status == -9


def test_orders_to_a_child_that_is_gone_are_dropped(rig: Rig) -> None:
    """They are no error, cost no budget and start no clock."""
    seat, _ = rig.sit()
    rig.child.end(3)
    seat.batches(bytes(BUDGET_BYTES), 1)
    seat.leave()
    rig.writer.close()
    rig.writer.kill()
    assert not rig.writer.full
    assert rig.clock.getDelayedCalls() == []


def test_close(rig: Rig) -> None:
    """The child gets no more orders, but what it has it may answer; closing twice is harmless."""
    seat, client = rig.sit()
    seat.batches(b"", 1)
    rig.child.orders()
    rig.writer.close()
    rig.writer.close()
    assert rig.child.closed == [0]
    seat.batches(b"more", 1)
    seat.leave()
    other, heard = rig.sit()
    assert rig.child.orders() == []
    rig.child.hang_up(0)
    assert rig.child.signals == []
    rig.child.answer(stored(2, 1, 1))
    rig.child.end()
    lost = ("lost", "its writer ended with status 0 (done)")  # and has not answered its CLOSE
    assert client.heard == [lost]
    assert other.in_hand == 0
    assert heard.heard == [("stored", 1, 1), lost]
    assert rig.ends == [WriterEnd(1001, SEGMENT, 0)]


def test_kill(rig: Rig) -> None:
    """It is signalled and gets no further orders; its sessions hear of it at the end."""
    seat, client = rig.sit()
    rig.child.orders()
    rig.writer.kill()
    assert rig.child.signals == ["KILL"]
    assert not rig.writer.usable
    seat.batches(b"", 1)
    rig.writer.close()
    assert rig.child.orders() == []
    assert rig.child.closed == []
    assert client.heard == []
    rig.child.die()
    assert client.heard == [("lost", "its writer was ended by signal 9")]


@pytest.mark.parametrize("fd", [0, 3])
def test_child_that_hangs_up_is_ended(rig: Rig, fd: int) -> None:
    """Without its orders or its answers it would keep its sessions waiting for ever."""
    _, client = rig.sit()
    rig.child.hang_up(fd)
    assert not rig.writer.usable
    assert rig.child.signals == ["KILL"]
    rig.child.die()
    assert client.heard == [("lost", "its writer was ended by signal 9")]


@pytest.mark.parametrize("fd", [1, 2])
def test_child_may_close_its_output(rig: Rig, fd: int) -> None:
    """A child that prints no more works all the same."""
    rig.child.hang_up(fd)
    assert rig.writer.usable
    seat, _ = rig.sit()
    seat.batches(b"x", 1)
    assert rig.child.orders()[-1] == PipeRecord(Order.BATCHES, 1, 0, 0, b"x")


def light(rig: Rig, seat: Seat, number: int) -> None:
    """Have a seat's one batch answered: it waits for its answers."""
    seat.batches(bytes(100), 1)
    rig.child.answer(stored(number, 1, 1))


def test_queues_are_long_while_nobody_waits_for_answers(rig: Rig) -> None:
    """Who always has much in hand is no such one: only the budget limits it."""
    (one, _), (two, _) = rig.sit(), rig.sit()
    for seat, number in ((one, 1), (two, 2)):
        seat.batches(bytes(LIGHT_BYTES), 1)
        rig.child.answer(stored(number, 1, 1) + rig.child.done())
    assert one.room == two.room == BUDGET_BYTES


def test_queues_are_short_while_somebody_waits_for_answers(rig: Rig) -> None:
    """The seats share what is little then, and for a second behind the last such answer."""
    (one, client), (two, _) = rig.sit(), rig.sit()
    light(rig, two, 2)
    rig.take_all()
    assert one.room == SHORT_BYTES // 2
    one.batches(bytes(SHORT_BYTES // 2), 3)
    assert one.full
    assert not two.full
    one.wait()
    rig.take_all()
    assert client.heard == []  # it does not stand in line: its own answers have to come first
    rig.child.answer(stored(1, 1, 1, 1))
    rig.take_all()
    assert client.heard == [("stored", 1, 2)]
    rig.child.answer(stored(1, 1, 1) + rig.child.done())
    assert client.heard[1:] == [("stored", 1, 1), ("resume",)]
    rig.clock.advance(SHORT_SECONDS)
    assert one.room == BUDGET_BYTES


def test_who_has_its_share_goes_on_though_the_budget_was_used_up(rig: Rig) -> None:
    """When it is answered it stands in line, and has its turn when there is room."""
    (one, client), (two, _) = rig.sit(), rig.sit()
    light(rig, two, 2)
    rig.take_all()
    one.batches(bytes(SHORT_BYTES // 2), 1)
    one.wait()
    rig.take_all()
    two.batches(bytes(BUDGET_BYTES), 1)
    rig.child.answer(stored(1, 1, 1))
    assert client.heard == [("stored", 1, 1)]
    rig.take_all()
    assert client.heard[1:] == [("resume",)]


def test_a_refusal_gives_its_share_back(rig: Rig) -> None:
    """What was to be sent again is not in hand any more."""
    (one, client), (two, _) = rig.sit(), rig.sit()
    light(rig, two, 2)
    rig.take_all()
    one.batches(bytes(SHORT_BYTES), 5)
    one.wait()
    rig.take_all()
    rig.child.answer(again(1) + rig.child.done())
    assert client.heard == [("refused", AGAIN), ("resume",)]


def test_many_seats_have_a_batch_each(rig: Rig) -> None:
    """However many share, what is left for each is a frame."""
    seats = [rig.sit()[0] for _ in range(50)]
    light(rig, seats[0], 1)
    assert {seat.room for seat in seats} == {LEAST_SHARE_BYTES}


def test_heavy_ones_do_not_keep_their_queues_short(rig: Rig) -> None:
    """That they have little in hand while queues are short says nothing of them."""
    (one, _), (two, _), (three, _) = rig.sit(), rig.sit(), rig.sit()
    light(rig, three, 3)
    rig.take_all()
    for _ in range(20):
        for number, seat in ((1, one), (2, two)):
            while not seat.full:
                seat.batches(bytes(min(seat.room, 8195)), 1)
                rig.take_all()
                if seat.room >= BUDGET_BYTES - 8195:
                    return  # long again
            seat.wait()
            rig.child.answer(stored(number, 1, *[1] * 9))
        rig.clock.advance(SHORT_SECONDS / 10)
    pytest.fail("queues stayed short")


def test_a_batch_that_came_twice(rig: Rig) -> None:
    """It may be stored behind its refusal: nothing is in hand then, and not less."""
    seat, client = rig.sit()
    seat.batches(bytes(100), 1)
    seat.batches(bytes(100), 1)
    rig.child.answer(again(1) + stored(1, 1, 1))
    assert client.heard == [("refused", AGAIN), ("stored", 1, 1)]
    assert seat.in_hand == 0
