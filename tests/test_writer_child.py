"""``lottery.writer.child``: what a writer stores, when it answers, and how it ends."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from threading import Thread
from typing import NamedTuple, cast

import pytest
from fakes import TODAY, worked
from hypothesis import given
from hypothesis import strategies as st
from writer_orders import (
    ANA,
    BAD,
    BO,
    EVE,
    again,
    away,
    classic,
    classic_end,
    classic_opening,
    close,
    closed,
    crc_of_rows,
    done,
    end,
    end_record,
    ended,
    held,
    lines,
    opening,
    record,
    refused,
    stored,
    taken,
)

import lottery.writer.child as child_module
from lottery.errors import Code, LotteryError
from lottery.ledger.entry import DATABASE, Entry, Refused, SegmentStore, Store
from lottery.ledger.segment import (
    Kind,
    NoRoom,
    NotNow,
    Records,
    Segment,
    pack_close,
    pack_head,
)
from lottery.writer.child import (
    GROUP_BYTES,
    RETRY_SECONDS,
    SOON_BYTES,
    CannotGoOn,
    Clerk,
    StorePlan,
    serve,
)
from lottery.writer.pipe import (
    Answer,
    Exit,
    PipeReader,
    PipeRecord,
    crc_of,
    pack,
    refusal_of,
    stored_of,
)

HEAD = pack_head(7, 3)
PLAN = StorePlan("segment-0003.log", 7, 3, 4096)


def closed_segment(records: bytes) -> bytes:
    """A segment with these records, of a writer that has ended well."""
    return HEAD + records + pack_close(len(HEAD + records))


class Paper:
    """A segment in memory, on a disk that may lack room.

    :ivar room: whether there is some; without it, also none can be made.
    :ivar made: with what it was asked for.
    :ivar steps: what was done with it.
    :ivar written: what is in it.
    :ivar failures: what a step raises, once.
    """

    def __init__(self, room: bool = True) -> None:
        self.room = room
        self.made: list[tuple[object, ...]] = []
        self.steps: list[str] = []
        self.written = b""
        self.flushed = 0
        self.failures: dict[str, OSError] = {}

    def make(self, *plan: object) -> Store:
        self.made.append(plan)
        self._step("make", needs_room=True)
        return SegmentStore(cast(Segment, self))

    def append(self, data: bytes) -> None:
        self._step("append", needs_room=True)
        self.written += data

    def flush(self) -> None:
        self._step("flush")
        self.flushed = len(self.written)

    def close(self) -> None:
        self._step("close")

    def _step(self, name: str, needs_room: bool = False) -> None:
        self.steps.append(name)
        if name in self.failures:
            raise self.failures.pop(name)
        if needs_room and not self.room:
            raise NoRoom(errno.ENOSPC, "no room")


def clerk_with(paper: Paper) -> Clerk:
    """A clerk that writes on this paper."""
    return Clerk(PLAN, lambda: TODAY, lambda: 0.0, paper.make)


def said(clerk: Clerk, data: bytes = b"") -> list[PipeRecord]:
    """Let a clerk do a group of work: its answers."""
    return PipeReader().feed(worked(clerk, data))


# The clerk.


def test_segment_is_made_first_of_all() -> None:
    """As planned, before there are any orders."""
    paper = Paper()
    clerk_with(paper)
    assert paper.made == [tuple(PLAN)]
    assert paper.steps == ["make"]


def test_group_is_stored_then_answered() -> None:
    """One write and one flush for all of it; the next records know how far that was."""
    paper = Paper()
    clerk = clerk_with(paper)
    start = opening(1, 5) + opening(2, 6) + lines(1, 0, ANA) + lines(2, 0, BO)
    assert said(clerk, start) == [
        stored(1, 1, crc_of_rows(ANA), 1),
        stored(2, 1, crc_of_rows(BO), 1),
        done(len(start), flushed=True),
    ]
    assert paper.steps == ["make", "append", "flush"]
    said(clerk, lines(1, 1, EVE))
    first = record(5, 0, ANA) + record(6, 0, BO)
    assert paper.written == first + record(5, 1, EVE, flushed=len(first))
    clerk.end()
    assert paper.steps[3:] == ["append", "flush", "close"]


def test_orders_that_are_cut() -> None:
    """Half an order is not taken yet."""
    clerk = clerk_with(Paper())
    start, batch = opening(1, 5), lines(1, 0, ANA)
    assert said(clerk, start + batch[:7]) == [done(len(start))]
    assert said(clerk, batch[7:]) == [
        stored(1, 1, crc_of_rows(ANA), 1),
        done(len(start + batch), flushed=True),
    ]


def test_no_room_for_a_group() -> None:
    """Each session is told in its own way; what is held counts as not taken until it is stored."""
    paper = Paper()
    clerk = clerk_with(paper)
    start = opening(1, 5) + classic_opening(2, 6)
    assert said(clerk, start) == [done(len(start))]
    paper.room = False
    bets, kept = lines(1, 0, ANA), classic(2, BO) + classic_end(2)
    free = len(start + bets)
    assert said(clerk, bets + kept) == [again(1, 0), held(2), done(free)]
    assert clerk.holds
    assert said(clerk) == [done(free)]
    more = lines(1, 1, EVE) + lines(1, 0, ANA)[:9]
    assert said(clerk, more) == [done(free + len(more) - 9)]
    paper.room = True
    assert said(clerk) == [
        stored(2, 1, 0, 1),
        ended(2, 1),
        done(free + len(more) - 9 + len(kept), flushed=True),
    ]
    assert not clerk.holds
    ending = end_record(6, 1, b"", classic=True)
    assert paper.written == record(6, 0, BO, classic=True) + ending
    assert "close" not in paper.steps


def test_close_of_a_held_session_frees_what_is_held() -> None:
    """It counts as taken, and there is nothing to be tried again."""
    paper = Paper()
    clerk = clerk_with(paper)
    paper.room = False
    start = classic_opening(1, 5) + classic(1, ANA)
    assert said(clerk, start) == [held(1), done(len(classic_opening(1, 5)))]
    assert said(clerk, close(1)) == [closed(1, 0), done(len(start + close(1)))]
    assert not clerk.holds


def test_no_room_for_the_segment() -> None:
    """It is made with the first group that has something to store when there is room."""
    paper = Paper(room=False)
    clerk = clerk_with(paper)
    start = opening(1, 5) + lines(1, 0, BAD)
    assert refusal_of(said(clerk, start)[0]).code is Code.FIELD
    assert paper.steps == ["make"]
    assert said(clerk, opening(2, 6) + lines(2, 0, ANA))[0] == again(2, 0)
    assert paper.steps == ["make", "make"]
    paper.room = True
    assert said(clerk, lines(2, 0, ANA))[0] == stored(2, 1, crc_of_rows(ANA), 1)
    assert said(clerk, lines(2, 1, ANA))[0] == stored(2, 2, crc_of_rows(ANA, ANA), 1)
    assert paper.steps[2:] == ["make", "append", "flush", "append", "flush"]
    assert paper.made == [tuple(PLAN)] * 3


def test_segment_that_there_was_never_room_for() -> None:
    """It is not made at the end, either: nothing is to be in it."""
    paper = Paper(room=False)
    clerk = clerk_with(paper)
    said(clerk, classic_opening(1, 5) + classic(1, ANA))
    paper.room = True
    clerk.end()
    assert paper.steps == ["make", "make"]


def test_held_orders_are_dropped_at_the_end() -> None:
    """They were never acknowledged; the segment ends well."""
    paper = Paper()
    clerk = clerk_with(paper)
    paper.room = False
    said(clerk, classic_opening(1, 5) + classic(1, ANA))
    paper.room = True
    clerk.end()
    assert paper.steps == ["make", "append", "close"]
    assert paper.written == b""


@pytest.mark.parametrize(
    ("step", "status", "what"),
    [
        ("make", Exit.SEGMENT, "made"),
        ("append", Exit.DISK, "written"),
        ("flush", Exit.DISK, "written"),
        ("close", Exit.DISK, "closed"),
    ],
)
def test_disk_that_fails(step: str, status: Exit, what: str) -> None:
    """Whatever is not a lack of room is the end, with a status and a reason."""
    paper = Paper()
    paper.failures[step] = OSError(errno.EIO, "the disk is gone")

    def live() -> None:
        clerk = clerk_with(paper)
        worked(clerk, opening(1, 5) + lines(1, 0, ANA))
        clerk.end()

    with pytest.raises(CannotGoOn) as failure:
        live()
    assert failure.value.status is status
    assert failure.value.sentence == (
        f"the segment segment-0003.log cannot be {what}, [Errno {errno.EIO}] the disk is gone"
    )


def test_flush_without_room_is_the_end() -> None:
    """What was written cannot be taken back then: only an append may lack room."""
    paper = Paper()
    paper.failures["flush"] = NoRoom(errno.ENOSPC, "no room")
    with pytest.raises(CannotGoOn) as failure:
        worked(clerk_with(paper), opening(1, 5) + lines(1, 0, ANA))
    assert failure.value.status is Exit.DISK


def test_group_in_parts() -> None:
    """What is appended in parts is flushed once, and answered only then."""
    paper = Paper()
    clerk = clerk_with(paper)
    first, second = opening(1, 5) + lines(1, 0, ANA), lines(1, 1, BO)
    for part in (first, second):
        assert clerk.take(part) == b""
        assert not clerk.store()
    assert paper.steps == ["make", "append", "append"]
    assert PipeReader().feed(clerk.answer()) == [
        stored(1, 1, crc_of_rows(ANA), 1),
        stored(1, 2, crc_of_rows(ANA, BO), 1),
        done(len(first + second), flushed=True),
    ]
    assert paper.steps == ["make", "append", "append", "flush"]
    assert PipeReader().feed(clerk.answer()) == [done(len(first + second))]
    assert paper.steps == ["make", "append", "append", "flush"]


def test_later_part_of_a_group_without_room() -> None:
    """What was appended before is flushed and acknowledged all the same."""
    paper = Paper()
    clerk = clerk_with(paper)
    clerk.take(opening(1, 5) + lines(1, 0, ANA))
    clerk.store()
    paper.room = False
    clerk.take(lines(1, 1, BO))
    clerk.store()
    answers = PipeReader().feed(clerk.answer())
    assert answers[:-1] == [stored(1, 1, crc_of_rows(ANA), 1), again(1, 1)]
    assert paper.steps[-3:] == ["append", "append", "flush"]
    assert paper.written == paper.written[: paper.flushed]


def test_later_part_of_a_group_that_fails() -> None:
    """Nothing of the group is answered."""
    paper = Paper()
    clerk = clerk_with(paper)
    clerk.take(opening(1, 5) + lines(1, 0, ANA))
    clerk.store()
    paper.failures["append"] = OSError(errno.EIO, "the disk is gone")
    clerk.take(lines(1, 1, BO))
    with pytest.raises(CannotGoOn):
        clerk.store()
    assert paper.flushed == 0


def test_much_is_told_at_once() -> None:
    """That orders have left the pipe is said before they are looked at; little is not."""
    clerk = clerk_with(Paper())
    order = opening(1, 5)
    much = order * -(-SOON_BYTES // len(order))
    assert clerk.take(much[: SOON_BYTES - 1]) == b""
    clerk.store()
    assert PipeReader().feed(clerk.take(much)) == [taken(SOON_BYTES - 1 + len(much))]


def test_what_is_held_is_not_told_to_be_taken() -> None:
    """It uses up the budget as long as there is no room for it."""
    clerk = clerk_with(Paper(room=False))
    order, batch = classic_opening(1, 5), classic(1, ANA)
    assert said(clerk, order + batch) == [held(1), done(len(order))]
    much = opening(2, 6) * -(-SOON_BYTES // len(order))
    assert PipeReader().feed(clerk.take(much)) == [taken(len(order + much))]


def test_group_is_full() -> None:
    """Then it is answered, be it that more waits; the next one begins anew."""
    clerk = clerk_with(Paper())
    order = opening(1, 5)
    clerk.take(order * ((GROUP_BYTES - 1) // len(order)))
    assert not clerk.store()
    clerk.take(order)
    assert clerk.store()
    clerk.answer()
    clerk.take(order)
    assert not clerk.store()


def test_segment_that_cannot_be_made_later() -> None:
    """A lack of room at the start does not make another failure later a smaller one."""
    paper = Paper(room=False)
    clerk = clerk_with(paper)
    paper.failures["make"] = PermissionError(errno.EACCES, "not here")
    with pytest.raises(CannotGoOn) as failure:
        worked(clerk, opening(1, 5) + lines(1, 0, ANA))
    assert failure.value.status is Exit.SEGMENT


# A store that others share.

NEWER = (Code.TAKEN, "a newer session has come")
OUT = (Code.LEFT_OUT, "it has no part in the draw any more")


class Shelf:
    """A store in memory that others share.

    :ivar why: who may not store, by agency and session; each is told only with the others of a
        group that were not before.
    :ivar failures: what the next steps raise, by the name of the step, one after the other.
    :ivar entries: what is stored.
    :ivar steps: what was done with it.
    """

    def __init__(self) -> None:
        self.why: dict[tuple[int, int], tuple[Code, str]] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.entries: list[Entry] = []
        self.steps: list[str] = []

    def make(self, *plan: object) -> Store:
        self._step("make")
        return self

    def append(self, entries: Sequence[Entry]) -> None:
        self._step("append")
        whom = {(each.agency, each.session) for each in entries} & self.why.keys()
        if whom:
            first = min(whom)
            raise Refused({first: self.why[first]})
        self.entries += entries

    def flush(self) -> None:
        self._step("flush")

    def close(self) -> None:
        self._step("close")

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)

    @property
    def rows(self) -> list[tuple[int, int, int]]:
        """Agency, session and first bet of all that is stored."""
        return [(each.agency, each.session, each.first) for each in self.entries]


def clerk_at(shelf: Shelf, plan: StorePlan = PLAN) -> Clerk:
    """A clerk that stores there."""
    return Clerk(plan, lambda: TODAY, lambda: 0.0, shelf.make)


def test_one_that_may_not_store() -> None:
    """It has its last word, the others are stored with the same group, all of it counts."""
    shelf = Shelf()
    clerk = clerk_at(shelf)
    shelf.why = {(5, 2): NEWER}
    start = opening(1, 5, latest=2) + opening(2, 6, latest=1) + lines(1, 0, ANA) + lines(2, 0, BO)
    assert said(clerk, start) == [
        refused(1, *NEWER),
        stored(2, 1, crc_of_rows(BO), 1),
        done(len(start), flushed=True),
    ]
    assert shelf.rows == [(6, 1, 0)]
    assert shelf.steps == ["make", "append", "append", "flush"]
    more = lines(1, 1, ANA) + close(1)
    assert said(clerk, more) == [done(len(start + more))]


def test_all_may_not_store() -> None:
    """One after the other is refused; nothing is left, and nothing is flushed."""
    shelf = Shelf()
    clerk = clerk_at(shelf)
    shelf.why = {(5, 1): NEWER, (6, 1): OUT}
    start = opening(1, 5, latest=1) + opening(2, 6, latest=1) + lines(1, 0, ANA) + end(2, 0)
    assert said(clerk, start) == [refused(1, *NEWER), refused(2, *OUT), done(len(start))]
    assert shelf.steps == ["make", "append", "append"]
    assert shelf.entries == []


def test_held_of_one_that_may_not_store() -> None:
    """What is held of it counts as taken, for it is dropped; nothing is tried again for it."""
    shelf = Shelf()
    clerk = clerk_at(shelf)
    start = classic_opening(1, 5, latest=1)
    shelf.failures["append"] = [NoRoom(errno.ENOSPC, "no room")]
    assert said(clerk, start + classic(1, ANA)) == [held(1), done(len(start))]
    shelf.why = {(5, 1): OUT}
    assert said(clerk) == [refused(1, *OUT), done(len(start + classic(1, ANA)))]
    assert not clerk.holds


def test_not_now_behind_a_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    """The refusal is said, and the others wait."""
    shelf = Shelf()
    clerk = clerk_at(shelf)
    start = opening(1, 5, latest=1) + opening(2, 6, latest=1) + classic_opening(3, 7, latest=1)
    assert said(clerk, start) == [done(len(start))]
    shelf.failures["append"] = [Refused({(5, 1): NEWER}), NotNow(errno.EAGAIN, "it is away")]
    gone, kept = lines(1, 0, ANA) + lines(2, 0, BO), classic(3, EVE)
    assert said(clerk, gone + kept) == [
        refused(1, *NEWER),
        away(2, 0),
        held(3),
        done(len(start + gone)),
    ]
    assert clerk.holds
    assert said(clerk, lines(2, 0, BO)) == [
        stored(3, 1, 0, 1),
        stored(2, 1, crc_of_rows(BO), 1),
        done(len(start + gone + kept + lines(2, 0, BO)), flushed=True),
    ]
    assert shelf.rows == [(7, 1, 0), (6, 1, 0)]
    assert capfd.readouterr().err == "it is away\n"


def test_a_database_that_is_away(capfd: pytest.CaptureFixture[str]) -> None:
    """Agencies hear no more than that; the operator hears why, once for each reason in a row."""
    shelf = Shelf()
    clerk = clerk_at(shelf)
    start = opening(1, 5, latest=1)
    said(clerk, start)
    why_not = [NotNow(errno.EAGAIN, reason) for reason in ("it is away", "it is away", "refused")]
    shelf.failures["append"] = list(why_not)
    for _ in why_not:
        assert said(clerk, lines(1, 0, ANA))[0] == away(1, 0)
    assert capfd.readouterr().err == "it is away\nrefused\n"
    assert said(clerk, lines(1, 0, ANA))[0] == stored(1, 1, crc_of_rows(ANA), 1)
    shelf.failures["append"] = [NotNow(errno.EAGAIN, "refused")]
    assert said(clerk, lines(1, 1, ANA))[0] == away(1, 1)
    assert capfd.readouterr().err == "refused\n"


def test_a_database_that_was_never_there(capfd: pytest.CaptureFixture[str]) -> None:
    """It is connected to with a later group; in the end it is not needed any more."""
    shelf = Shelf()
    shelf.failures["make"] = [NotNow(errno.EAGAIN, "it is away")] * 2
    clerk = clerk_at(shelf)
    assert said(clerk, opening(1, 5, latest=1) + lines(1, 0, ANA))[0] == away(1, 0)
    assert said(clerk, lines(1, 0, ANA))[0] == stored(1, 1, crc_of_rows(ANA), 1)
    assert shelf.steps == ["make", "make", "make", "append", "flush"]
    assert capfd.readouterr().err == "it is away\n"


@pytest.mark.parametrize(
    ("step", "status"), [("make", Exit.SEGMENT), ("append", Exit.DISK), ("flush", Exit.DISK)]
)
def test_a_database_of_no_use(step: str, status: Exit) -> None:
    """That nobody lets us in, or what became of a COMMIT is unknown, is the end: no answer."""
    shelf = Shelf()
    shelf.failures[step] = [LotteryError("no such role")]
    plan = PLAN._replace(where=DATABASE)
    with pytest.raises(CannotGoOn) as error:
        said(clerk_at(shelf, plan), opening(1, 5, latest=1) + lines(1, 0, ANA))
    assert error.value.status is status
    assert error.value.sentence == "no such role"


def test_the_end_behind_a_refusal_says_nothing() -> None:
    """A group that fails is not answered at all, not even who was refused in it."""
    shelf = Shelf()
    clerk = clerk_at(shelf)
    shelf.failures["append"] = [Refused({(5, 1): NEWER}), LotteryError("gone")]
    clerk.take(
        opening(1, 5, latest=1) + opening(2, 6, latest=1) + lines(1, 0, ANA) + lines(2, 0, BO)
    )
    with pytest.raises(CannotGoOn):
        clerk.store()


class Agency:
    """An agency that sends what it has, and does as it is told, together with its central.

    :ivar number: of the agency; its session has the last digit.
    :ivar rows: all that it has.
    :ivar acknowledged: how many rows it was told are stored.
    :ivar has_left: whether its central has closed its session.
    :ivar has_ended: whether it was told that its END is stored.
    :ivar closed_at: how many of its rows were stored when its session was closed.
    """

    def __init__(self, session: int, is_classic: bool, sizes: list[int]) -> None:
        self.session = session
        self.number = 100 + session
        self.is_classic = is_classic
        names = iter(range(100))
        self._batches = [[f"A,B,{next(names)},2000-01-01,7" for _ in range(n)] for n in sizes]
        self.rows = [row for batch in self._batches for row in batch]
        self._sent = 0  # batches; one more is the END
        self._answered = 0  # batches
        self._waits = False
        self.acknowledged = 0
        self.has_ended = self.has_left = False
        self.closed_at: int | None = None

    def opening(self) -> bytes:
        start = classic_opening if self.is_classic else opening
        return start(self.session, self.number)

    def says(self) -> bytes:
        """Its next order, if it has one."""
        if self.has_left or self._sent > len(self._batches):
            return b""
        at, self._sent = self._sent, self._sent + 1
        first = sum(map(len, self._batches[:at]))
        if at == len(self._batches):
            return classic_end(self.session) if self.is_classic else end(self.session, first)
        if self.is_classic:
            return classic(self.session, *self._batches[at])
        return lines(self.session, first, *self._batches[at])

    def leaves(self) -> bytes:
        """What its central says when its connection is gone."""
        if self.has_left or self.has_ended:
            return b""
        self.has_left = True
        return close(self.session)

    def hears(self, answer: PipeRecord) -> None:
        """Take an answer."""
        assert not self.has_ended
        assert self.closed_at is None
        match answer.kind:
            case Answer.STORED:
                _, batches = stored_of(answer)
                sent = self._batches[self._answered :]
                self._answered += batches
                self.acknowledged += sum(map(len, sent[:batches]))
                assert answer.place == self.acknowledged
                self._waits = False
            case Answer.REFUSED:
                assert not self.is_classic
                assert answer == again(self.session, self.acknowledged)
                self._sent = self._answered
            case Answer.HELD:
                assert self.is_classic
                assert not self._waits
                self._waits = True
            case Answer.ENDED:
                assert answer.place == len(self.rows) == self.acknowledged
                self.has_ended = True
            case Answer.CLOSED:
                assert self.has_left
                assert answer.place == self.acknowledged
                self.closed_at = answer.place


class Round(NamedTuple):
    """One turn of all: agencies say something, the writer works, and some answers are heard.

    ``said`` has how many orders each agency says at most, ``leaves`` who leaves behind that
    (4 and more: nobody), ``early`` how many bytes of orders are stored apart, while there was the
    room of the round before, ``unread`` how many do not arrive yet, ``unheard`` how many answers
    do not.
    """

    said: tuple[int, int, int, int]
    leaves: int
    room: bool
    early: int
    unread: int
    unheard: int


ROUNDS = st.lists(
    st.builds(
        Round,
        said=st.tuples(*[st.integers(0, 3)] * 4),
        leaves=st.integers(0, 15),
        room=st.booleans(),
        early=st.one_of(st.just(0), st.integers(0, 500)),
        unread=st.one_of(st.just(0), st.integers(0, 100)),
        unheard=st.one_of(st.just(0), st.integers(0, 4)),
    ),
    max_size=12,
)
SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=6)
CLASSIC_SIZES = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@given(st.tuples(SIZES, SIZES, CLASSIC_SIZES, CLASSIC_SIZES), st.booleans(), ROUNDS)
def test_what_is_stored_is_what_was_sent(
    sizes: tuple[list[int], ...], room: bool, rounds: list[Round]
) -> None:
    """However orders fall into groups, whatever has room, and however late answers are heard.

    Once there is room for good, all that an agency has sent is stored once, in order, and
    acknowledged. Of one that left, as much is stored as its writer says at the end. At any time
    what is acknowledged is on disk.
    """
    paper = Paper(room)
    clerk = clerk_with(paper)
    agencies = [Agency(each, each > 1, sizes[each]) for each in range(4)]
    orders = b"".join(each.opening() for each in agencies)
    read = done_before = 0
    unheard: list[PipeRecord] = []

    def rows_on_disk(agency: Agency) -> list[str]:
        rows: list[str] = []
        content = paper.written[: paper.flushed]
        for each in Records(content):
            if each.agency == agency.number and each.kind == Kind.ROWS:
                assert each.first == len(rows)
                assert each.classic == agency.is_classic
                text = content[each.offset : each.offset + each.length].decode()
                rows += [line.removeprefix(f"{agency.number},") for line in text.splitlines()]
        assert rows == agency.rows[: len(rows)]
        return rows

    def store(data: bytes) -> None:
        nonlocal read
        read += len(data)
        assert clerk.take(data) == b""
        assert not clerk.store()

    def work(data: bytes) -> None:
        nonlocal read, done_before
        read += len(data)
        *answers, last = said(clerk, data)
        assert last.kind == Answer.DONE
        assert done_before <= last.place <= read
        done_before = last.place
        lasts = {each.session: each for each in answers if each.kind != Answer.HELD}
        for answer in answers:
            agency = agencies[answer.session]
            on_disk = rows_on_disk(agency)
            if answer.kind != Answer.HELD:
                assert answer.place <= len(on_disk)
            if answer is lasts.get(answer.session):
                assert answer.place == len(on_disk)
            if answer.kind in (Answer.STORED, Answer.CLOSED):
                crc = 0 if agency.is_classic else crc_of_rows(*on_disk[: answer.place])
                assert crc_of(answer) == crc
        unheard.extend(answers)

    # At the end there is room, and all that is said is read and heard.
    for each in rounds + [Round((9, 9, 9, 9), 4, True, 0, 0, 0)] * 4:
        for agency, most in zip(agencies, each.said, strict=True):
            orders += b"".join(agency.says() for _ in range(most))
        if each.leaves < len(agencies):
            orders += agencies[each.leaves].leaves()
        cut = max(0, len(orders) - each.unread)
        early = min(each.early, cut)
        store(orders[:early])
        paper.room = each.room
        work(orders[early:cut])
        orders = orders[cut:]
        heard = max(0, len(unheard) - each.unheard)
        for answer in unheard[:heard]:
            agencies[answer.session].hears(answer)
        del unheard[:heard]
    assert not orders
    assert not unheard
    assert not clerk.holds
    assert done_before == read
    for agency in agencies:
        assert agency.has_ended or agency.closed_at is not None
        assert agency.has_ended or agency.has_left
        assert len(rows_on_disk(agency)) == agency.acknowledged
    ends = [each.agency for each in Records(paper.written) if each.kind == Kind.END]
    assert sorted(ends) == [agency.number for agency in agencies if agency.has_ended]


# The loop.


class Pipes:
    """The two pipes of a writer and its segment's path."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "segment-0001.log"
        self.orders, self._down = os.pipe()
        self.up, self.answers = os.pipe()
        os.set_blocking(self.up, False)

    def order(self, data: bytes) -> None:
        """Put orders into the pipe."""
        assert os.write(self._down, data) == len(data)

    def end_orders(self) -> None:
        """Close the parent's end."""
        os.close(self._down)
        self._down = -1

    def hang_up(self) -> None:
        """Listen to no answers any more."""
        os.close(self.up)
        self.up = -1

    def heard(self) -> list[PipeRecord]:
        """The answers that are there."""
        try:
            return PipeReader().feed(os.read(self.up, 1 << 20))
        except BlockingIOError:
            return []

    def wait(self) -> list[PipeRecord]:
        """The answers, once there are some."""
        os.set_blocking(self.up, True)
        try:
            return self.heard()
        finally:
            os.set_blocking(self.up, False)

    def serve(self, today: Callable[[], date] = lambda: TODAY) -> Exit:
        """Run the loop to its end."""
        plan = StorePlan(str(self.path), 7, 3, 0)
        return serve(self.orders, self.answers, plan, today, lambda: 0.0)

    def close(self) -> None:
        """Close all that is open."""
        for fd in (self.orders, self._down, self.up, self.answers):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipes]:
    """Pipes; and what the segments made in the test have open is closed behind it."""
    fds = set(map(int, os.listdir("/proc/self/fd")))
    both = Pipes(tmp_path)
    yield both
    both.close()
    for fd in set(map(int, os.listdir("/proc/self/fd"))) - fds:
        if os.path.realpath(f"/proc/self/fd/{fd}") == str(both.path):
            os.close(fd)


def test_serve_until_the_orders_end(pipes: Pipes) -> None:
    """All that was ordered is stored and answered, then it is done."""
    orders = opening(1, 5) + lines(1, 0, ANA) + end(1, 1)
    pipes.order(orders)
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert pipes.heard() == [
        stored(1, 1, crc_of_rows(ANA), 1),
        ended(1, 1),
        done(len(orders), flushed=True),
    ]
    assert pipes.path.read_bytes() == closed_segment(record(5, 0, ANA) + end_record(5, 1))


def test_serve_without_orders(pipes: Pipes) -> None:
    """A writer that gets none has made its segment, and closed it."""
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert pipes.heard() == []
    assert pipes.path.read_bytes() == closed_segment(b"")


def test_answers_leave_only_after_the_flush(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it writes and while it flushes no answer is out; one write and one flush for all."""
    steps: list[str] = []

    def append(segment: Segment, data: bytes) -> None:
        steps.append(f"append {len(list(Records(data)))}")
        assert not pipes.path.stat().st_size
        assert pipes.heard() == []
        true_append(segment, data)

    def flush(segment: Segment) -> None:
        assert pipes.path.stat().st_size > 0
        true_flush(segment)
        steps.append("flush")
        assert pipes.heard() == []

    true_append, true_flush = Segment.append, Segment.flush
    monkeypatch.setattr(Segment, "append", append)
    monkeypatch.setattr(Segment, "flush", flush)
    orders = b"".join(opening(each, each) + lines(each, 0, ANA) for each in range(1, 101))
    monkeypatch.setattr(Segment, "close", lambda segment: steps.append("close"))
    pipes.order(orders)
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert steps == ["append 100", "flush", "close"]
    answers = [stored(each, 1, crc_of_rows(ANA), 1) for each in range(1, 101)]
    assert pipes.heard() == [*answers, done(len(orders), flushed=True)]


def test_nothing_to_store_costs_no_flush(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Openings, refusals and empty batches are answered without the disk."""
    monkeypatch.setattr(Segment, "append", None)
    monkeypatch.setattr(Segment, "flush", None)
    monkeypatch.setattr(Segment, "close", lambda segment: None)
    pipes.order(classic_opening(1, 5) + opening(2, 6) + classic(1) + lines(2, 3, ANA) + close(1))
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    kinds = [answer.kind for answer in pipes.heard()]
    assert kinds == [Answer.STORED, Answer.REFUSED, Answer.CLOSED, Answer.DONE]


def test_what_waits_is_part_of_the_group(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes again and again until nothing waits, and flushes once for all of it."""
    steps: list[str] = []

    def note(name: str) -> None:
        step = getattr(Segment, name)

        def noted(segment: Segment, *arguments: object) -> None:
            steps.append(name)
            step(segment, *arguments)

        monkeypatch.setattr(Segment, name, noted)

    note("append")
    note("flush")
    first, second = opening(1, 5) + lines(1, 0, ANA), lines(1, 1, BO)
    monkeypatch.setattr(child_module, "PIPE_BYTES", len(first))
    monkeypatch.setattr(child_module, "SOON_BYTES", len(first))
    monkeypatch.setattr(Segment, "close", lambda segment: None)
    pipes.order(first + second)
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert steps == ["append", "append", "flush"]
    assert pipes.heard() == [
        taken(len(first)),
        stored(1, 1, crc_of_rows(ANA), 1),
        stored(1, 2, crc_of_rows(ANA, BO), 1),
        done(len(first + second), flushed=True),
    ]


def test_full_group_is_flushed_although_more_waits(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the first of a busy writer's agencies hear in bounded time."""
    first, second = opening(1, 5) + lines(1, 0, ANA), lines(1, 1, BO)
    monkeypatch.setattr(child_module, "PIPE_BYTES", len(first))
    monkeypatch.setattr(child_module, "GROUP_BYTES", len(first))
    pipes.order(first + second)
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert pipes.heard() == [
        stored(1, 1, crc_of_rows(ANA), 1),
        done(len(first), flushed=True),
        stored(1, 2, crc_of_rows(ANA, BO), 1),
        done(len(first + second), flushed=True),
    ]


def test_groups_follow_each_other(pipes: Pipes) -> None:
    """What is answered is known to be on disk by the next record; half an order waits."""
    statuses: list[Exit] = []
    thread = Thread(target=lambda: statuses.append(pipes.serve()), daemon=True)
    thread.start()
    first = opening(1, 5) + lines(1, 0, ANA)
    second = lines(1, 1, BO)
    pipes.order(first)
    assert pipes.wait() == [stored(1, 1, crc_of_rows(ANA), 1), done(len(first), flushed=True)]
    pipes.order(second[:10])
    assert pipes.wait() == [done(len(first))]
    pipes.order(second[10:] + second[:5])
    assert pipes.wait() == [
        stored(1, 2, crc_of_rows(ANA, BO), 1),
        done(len(first + second), flushed=True),
    ]
    pipes.order(lines(1, 1, BO)[5:])
    assert pipes.wait()[0].kind == Answer.REFUSED
    pipes.end_orders()
    thread.join(30)
    assert statuses == [Exit.DONE]
    whole = record(5, 0, ANA)
    assert pipes.path.read_bytes() == closed_segment(
        whole + record(5, 1, BO, flushed=len(HEAD + whole))
    )


def test_day_is_asked_for_each_group(pipes: Pipes) -> None:
    """A writer that lives past midnight knows it."""
    days = iter([date(2026, 3, 17), date(2026, 3, 18)])
    thread = Thread(target=lambda: pipes.serve(lambda: next(days)), daemon=True)
    thread.start()
    pipes.order(opening(1, 5) + opening(2, 6) + lines(1, 0, "Ana,Gil,1,2026-03-18,7"))
    assert pipes.wait()[0].kind == Answer.REFUSED
    pipes.order(lines(2, 0, "Ana,Gil,1,2026-03-18,7"))
    assert pipes.wait()[0] == stored(2, 1, crc_of_rows("Ana,Gil,1,2026-03-18,7"), 1)
    pipes.end_orders()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("step", "what"), [("append", "written"), ("flush", "written"), ("close", "closed")]
)
def test_disk_that_fails_in_the_loop(
    pipes: Pipes,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    step: str,
    what: str,
) -> None:
    """Nothing of the group is answered, the rest is not even read; the reason goes to stderr."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(Segment, step, fail)
    orders = opening(1, 5) + lines(1, 0, ANA)
    pipes.order(orders)
    pipes.end_orders()
    assert pipes.serve() is Exit.DISK
    answers = (
        [stored(1, 1, crc_of_rows(ANA), 1), done(len(orders), flushed=True)]
        if step == "close"
        else []
    )
    assert pipes.heard() == answers
    assert capfd.readouterr().err == (
        f"the segment {pipes.path} cannot be {what}, [Errno {errno.EIO}] the disk is gone\n"
    )


def test_room_that_comes_back(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is tried again now and then, with a sign of life each time, until it fits."""
    true_append, true_select = Segment.append, child_module.select
    tries: list[bytes] = []
    timeouts: list[float] = []

    def append(segment: Segment, data: bytes) -> None:
        tries.append(data)
        if len(tries) < 4:
            raise NoRoom(errno.ENOSPC, "no room")
        true_append(segment, data)

    def select(
        orders: list[int], no: list[int], none: list[int], seconds: float
    ) -> tuple[list[int], list[int], list[int]]:
        timeouts.append(seconds)
        return true_select(orders, no, none, 0)  # no time is lost here

    monkeypatch.setattr(Segment, "append", append)
    monkeypatch.setattr(child_module, "select", select)
    start = classic_opening(1, 5)
    pipes.order(start + classic(1, ANA))
    thread = Thread(target=pipes.serve, daemon=True)
    thread.start()
    reader, answers = PipeReader(), []
    os.set_blocking(pipes.up, True)
    while not answers or answers[-1] != done(len(start + classic(1, ANA)), flushed=True):
        answers += reader.feed(os.read(pipes.up, 1 << 20))
    pipes.end_orders()
    thread.join(30)
    assert not thread.is_alive()
    waiting = done(len(start))
    assert answers == [
        held(1),
        *[waiting] * 3,
        stored(1, 1, 0, 1),
        done(len(start + classic(1, ANA)), flushed=True),
    ]
    assert tries == [record(5, 0, ANA, classic=True)] * 4
    assert timeouts == [RETRY_SECONDS] * 3
    assert pipes.path.read_bytes() == closed_segment(record(5, 0, ANA, classic=True))


def test_orders_do_not_wait_for_the_next_try(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while something is held is taken at once; the end of the orders is the end."""
    rooms = iter([False, False, True])
    true_append = Segment.append

    def append(segment: Segment, data: bytes) -> None:
        if not next(rooms):
            raise NoRoom(errno.ENOSPC, "no room")
        true_append(segment, data)

    monkeypatch.setattr(Segment, "append", append)
    monkeypatch.setattr(child_module, "RETRY_SECONDS", None)  # which select takes for: for ever
    statuses: list[Exit] = []
    thread = Thread(target=lambda: statuses.append(pipes.serve()), daemon=True)
    thread.start()
    start, first, second = classic_opening(1, 5), classic(1, ANA), classic(1, BO)
    pipes.order(start + first)
    assert pipes.wait() == [held(1), done(len(start))]
    pipes.order(second)
    assert pipes.wait() == [done(len(start))]
    pipes.order(opening(2, 6))
    everything = len(start + first + second + opening(2, 6))
    assert pipes.wait() == [stored(1, 2, 0, 1, 1), done(everything, flushed=True)]
    monkeypatch.setattr(Segment, "append", Paper(room=False).append)
    pipes.order(classic(1, EVE))
    assert pipes.wait() == [held(1), done(everything)]
    pipes.end_orders()
    thread.join(30)
    assert statuses == [Exit.DONE]
    assert pipes.heard() == []
    assert pipes.path.read_bytes() == closed_segment(
        record(5, 0, ANA, classic=True) + record(5, 1, BO, classic=True)
    )


def test_segment_that_is_there(pipes: Pipes, capfd: pytest.CaptureFixture[str]) -> None:
    """Another writer's segment is not touched; no order is read."""
    pipes.path.write_bytes(b"somebody's")
    pipes.order(opening(1, 5))
    assert pipes.serve() is Exit.SEGMENT
    assert pipes.heard() == []
    assert pipes.path.read_bytes() == b"somebody's"
    said = capfd.readouterr().err
    assert re.fullmatch(rf"the segment {pipes.path} cannot be made, .*exists.*\n", said)


def test_orders_that_end_within_one(pipes: Pipes, capfd: pytest.CaptureFixture[str]) -> None:
    """The whole ones are stored; that the last one was cut is told by the status."""
    orders = opening(1, 5) + lines(1, 0, ANA)
    pipes.order(orders + lines(1, 1, BO)[:-1])
    pipes.end_orders()
    assert pipes.serve() is Exit.ORDERS
    assert pipes.heard() == [stored(1, 1, crc_of_rows(ANA), 1), done(len(orders), flushed=True)]
    assert pipes.path.read_bytes() == HEAD + record(5, 0, ANA)
    assert capfd.readouterr().err == "the orders ended within one\n"


def test_orders_that_are_none(pipes: Pipes, capfd: pytest.CaptureFixture[str]) -> None:
    """A bug of the parent's ends the writer; nothing of that group is stored."""
    pipes.order(opening(1, 5) + lines(1, 0, ANA) + pack(99, 1))
    assert pipes.serve() is Exit.ORDERS
    assert pipes.heard() == []
    assert pipes.path.read_bytes() == b""
    assert capfd.readouterr().err == "99 is no order of session 1\n"


def test_nobody_hears_the_answers(pipes: Pipes) -> None:
    """A parent that is gone cannot be answered: it is over, without a word."""
    pipes.hang_up()
    pipes.order(opening(1, 5) + lines(1, 0, ANA))
    assert pipes.serve() is Exit.ORDERS
    assert pipes.path.read_bytes() == HEAD + record(5, 0, ANA)


def test_answers_larger_than_the_pipe(pipes: Pipes) -> None:
    """Answers that the parent reads slowly arrive whole."""
    many = 60
    thread = Thread(target=pipes.serve, daemon=True)
    opened = b"".join(opening(each, each) for each in range(1, many + 1))
    thread.start()
    pipes.order(opened)
    assert pipes.wait() == [done(len(opened))]
    reader, answers, orders = PipeReader(), [], 0
    # Refusals, each of some 80 bytes, from orders of 19: more than 64 KiB in three groups.
    for start in range(0, 900, 300):
        data = b"".join(
            opening(each, each) + lines(each, 7, *[ANA] * 3)
            for each in range(start + 100, start + 400)
        )
        orders += len(data)
        pipes.order(data)
    os.set_blocking(pipes.up, True)
    while not answers or answers[-1] != done(len(opened) + orders):
        answers += reader.feed(os.read(pipes.up, 1 << 20))
    assert sum(answer.kind == Answer.REFUSED for answer in answers) == 900
    pipes.end_orders()
    thread.join(30)
    assert not thread.is_alive()
