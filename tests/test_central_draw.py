"""``lottery.central.draw``: places, their outcomes, and when a draw is decided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeWriterReactor, MemoryLog
from twisted.internet.defer import Deferred

from lottery.central.draw import Abandoned, Draw, LeftOut, Place, Success
from lottery.errors import Code, RemoteProtocolError
from lottery.ledger.directory import DrawDirectory
from lottery.wire import lottery1
from lottery.wire.messages import Hello
from lottery.writer.pool import WriterPool


class Participant:
    """A session that only knows its place."""

    def __init__(self) -> None:
        self.place: Place | None = None
        self.told: list[tuple[Code, str]] = []

    def fail(self, code: Code, sentence: str) -> None:
        """Be told that it is over, and be left out as a session is."""
        self.told.append((code, sentence))
        assert self.place is not None
        self.place.fail(LeftOut(code, sentence))

    def deliver(self, draw: int, number: int, rows: Sequence[bytes]) -> Deferred[str]:
        """Fail: delivering is the service's part, not the draw's."""
        raise AssertionError("a draw tells nobody its winners")


class Rig:
    """A draw and those who come."""

    def __init__(self, places: int, deadline: float = 0.0) -> None:
        self.reactor = FakeWriterReactor()
        self.log = MemoryLog()
        directory = DrawDirectory(4, Path("nowhere"))
        pool = WriterPool(self.reactor, directory, 1, 1.0, self.log)
        self.draw = Draw(directory, places, pool, self.reactor, deadline, self.log)
        self.decided: list[list[Success]] = []
        self.draw.outcomes.addCallback(self.decided.append)

    def hello(self, agency: int, **more: Any) -> Participant:
        """Let an agency come that says who it is."""
        session = Participant()
        session.place = self.draw.place_of(Hello(agency, **more), session)
        return session

    def classic(self) -> Participant:
        """Let a classic agency come."""
        session = Participant()
        session.place = self.draw.next_place(session)
        return session

    def refused(self, agency: int | None, **more: Any) -> tuple[Code, str]:
        """Let an agency come that is refused; gives code and sentence."""
        with pytest.raises(RemoteProtocolError) as error:
            self.classic() if agency is None else self.hello(agency, **more)
        return error.value.code, error.value.sentence


def succeed(session: Participant, total: int = 0) -> None:
    """Let its part end well."""
    assert session.place is not None
    session.place.succeed(total)


def test_a_draw_is_not_decided_without_its_agencies() -> None:
    """A list of Deferreds made from the sessions seen so far would fire at once."""
    rig = Rig(3)
    assert rig.decided == []
    succeed(rig.hello(1))
    succeed(rig.hello(2))
    assert rig.decided == []
    assert not rig.draw.closed


def test_a_draw_is_decided_by_its_last_outcome() -> None:
    """Those who succeeded, in order of their places; the others with their reasons."""
    rig = Rig(4)
    first, second, third, fourth = (rig.hello(agency) for agency in (9, 0, 4, 7))
    succeed(fourth, 70)
    second.fail(Code.FIELD, "a bad row")
    third.fail(Code.TIMEOUT, "silent")
    assert rig.decided == []
    succeed(first, 90)
    assert rig.draw.closed
    (successes,) = rig.decided
    assert [(each.place.agency, each.total) for each in successes] == [(9, 90), (7, 70)]
    assert [(place.agency, why.code, str(why)) for place, why in rig.draw.left_out] == [
        (0, Code.FIELD, "a bad row"),
        (4, Code.TIMEOUT, "silent"),
    ]
    rig.draw.log_left_out()
    assert rig.log.lines == [
        "action: left_out | result: success | draw: 4 | agency: 0 | reason: a bad row",
        "action: left_out | result: success | draw: 4 | agency: 4 | reason: silent",
    ]


def test_all_failed() -> None:
    """Nobody is left, and that is a decision, too."""
    rig = Rig(2)
    for agency in (1, 2):
        rig.hello(agency).fail(Code.TIMEOUT, "cut")
    assert rig.decided == [[]]
    assert len(rig.draw.left_out) == 2


def test_an_outcome_is_decided_once() -> None:
    """Whatever comes after."""
    place = Place()
    ends: list[object] = []
    place.outcome.addBoth(ends.append)
    place.succeed(5)
    place.succeed(6)
    place.fail(LeftOut(Code.FULL, "late"))
    assert ends == [5]
    failed = Place()
    failed.outcome.addErrback(lambda failure: ends.append(failure.value.reason))
    failed.fail(LeftOut(Code.FULL, "first"))
    failed.fail(LeftOut(Code.FULL, "second"))
    failed.succeed(1)
    assert ends == [5, "first"]
    assert place.decided
    assert failed.decided


def test_places_are_found_by_number() -> None:
    """A place knows whose it is, and its session."""
    rig = Rig(2)
    session = rig.hello(2**32 - 1)
    assert session.place is rig.draw.places[0]
    assert session.place.agency == 2**32 - 1
    assert session.place.session is session
    assert rig.draw.places[1].agency is None


def test_classic_numbers_skip_those_in_use() -> None:
    """From 1 up by order of arrival."""
    rig = Rig(6)
    for agency in (2, 3):
        rig.hello(agency)
    sessions = [rig.classic() for _ in range(3)]
    assert [session.place.agency for session in sessions if session.place] == [1, 4, 5]
    rig.hello(6)


def test_taken() -> None:
    """A number that is at work, also that of a classic session, is refused."""
    rig = Rig(3)
    rig.classic()
    rig.hello(5)
    sentence = "agency {} is at work in draw 4 already"
    assert rig.refused(1) == (Code.TAKEN, sentence.format(1))
    assert rig.refused(5) == (Code.TAKEN, sentence.format(5))
    assert rig.draw.places[2].agency is None


def test_left_out_stays_left_out() -> None:
    """A place stays taken until the draw ends, also when its agency has failed or ended."""
    rig = Rig(3)
    rig.hello(1).fail(Code.TIMEOUT, "cut")
    succeed(rig.hello(2), 2)
    assert rig.refused(1) == (Code.LEFT_OUT, "agency 1 has no part in draw 4 any more")
    assert rig.refused(2) == (Code.TAKEN, "agency 2 has ended in draw 4 already")


def test_full() -> None:
    """Beyond the places nobody gets in, in either dialect."""
    rig = Rig(2)
    rig.hello(1).fail(Code.TIMEOUT, "cut")
    rig.classic()
    for agency in (3, None):
        assert rig.refused(agency) == (Code.FULL, "all 2 places of draw 4 are taken")


def test_closed() -> None:
    """A draw that is decided takes nobody."""
    rig = Rig(1)
    succeed(rig.hello(1))
    for agency in (2, None):
        assert rig.refused(agency) == (Code.CLOSED, "draw 4 takes no more bets")


def test_another_draw() -> None:
    """0 and its own number are this draw; any other is not open."""
    rig = Rig(2)
    assert rig.refused(1, draw=3) == (Code.CLOSED, "draw 3 is not open, draw 4 is")
    assert rig.refused(1, draw=5) == (Code.CLOSED, "draw 5 is not open, draw 4 is")
    rig.hello(1, draw=4)
    rig.hello(2, draw=0)


def test_lost_acknowledgements() -> None:
    """Who was told of bets that are not here must hear it, not send on."""
    rig = Rig(2)
    assert rig.refused(1, acknowledged=70) == (
        Code.SEQ,
        "70 bets were acknowledged to agency 1, draw 4 has none of them",
    )
    assert rig.draw.places[0].agency is None


@pytest.mark.parametrize(
    ("silence", "told"), [(0.0, 0), (60.0, 60), (0.2, 1), (2.0**40, 2**32 - 1)]
)
def test_welcome(silence: float, told: int) -> None:
    """A new agency begins at bet 0; limits as they are, silence in whole seconds, up."""
    welcome = Rig(1).draw.welcome(silence)
    head = "20 0018 00000004 01 00 0000000000000000 00000000 2000"
    assert lottery1.encode(welcome) == bytes.fromhex(f"{head} {told:08x}")


def test_deadline_runs_from_the_first_session() -> None:
    """Whoever has not ended by then fails, also who never came; whoever has, has succeeded."""
    rig = Rig(4, deadline=90)
    rig.reactor.advance(1000)
    assert rig.decided == []
    first = rig.hello(1)
    rig.reactor.advance(60)
    late, failed = rig.hello(2), rig.classic()
    assert len(rig.reactor.getDelayedCalls()) == 1
    succeed(first)
    failed.fail(Code.FIELD, "bad")
    rig.reactor.advance(29)
    assert rig.decided == []
    rig.reactor.advance(1)
    reason = "it had not ended when the deadline of 90 s passed"
    assert late.told == [(Code.TIMEOUT, reason)]
    assert first.told == []
    assert failed.told == [(Code.FIELD, "bad")]
    (successes,) = rig.decided
    assert [each.place.agency for each in successes] == [1]
    rig.draw.log_left_out()
    assert [(each["agency"], each["reason"]) for each in rig.log.of("left_out")] == [
        ("2", reason),
        ("3", "bad"),
        ("nobody", "it never came"),
    ]


def test_deadline_is_forgotten_when_all_have_ended() -> None:
    """No clock is left of a decided draw."""
    rig = Rig(1, deadline=90)
    session = rig.hello(1)
    assert len(rig.reactor.getDelayedCalls()) == 1
    succeed(session)
    assert rig.reactor.getDelayedCalls() == []


def test_no_deadline() -> None:
    """0 is none."""
    rig = Rig(1)
    rig.hello(1)
    assert rig.reactor.getDelayedCalls() == []


def test_abandon() -> None:
    """When the central stops nobody is left out: how it would have ended nobody knows."""
    rig = Rig(3, deadline=5)
    succeed(rig.hello(1), 8)
    rig.hello(2)
    rig.draw.abandon()
    (successes,) = rig.decided
    assert [each.total for each in successes] == [8]
    assert rig.draw.left_out == []
    assert rig.reactor.getDelayedCalls() == []
    rig.draw.abandon()
    assert issubclass(Abandoned, Exception)
