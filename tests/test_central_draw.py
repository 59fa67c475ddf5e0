"""``lottery.central.draw``: places, their outcomes, and when a draw is decided."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from central_fakes import NONCE, FakeSession, OffThread
from fakes import FakeWriterReactor, MemoryLog
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from writer_orders import ANA, BO

from lottery.central.draw import Draw
from lottery.central.outcomes import log_left_out, parts_of
from lottery.central.place import LeftOut, Place
from lottery.central.roll import ALONE, Alone, Roll
from lottery.central.terms import DELIVERY_SECONDS, DrawTerms
from lottery.errors import Code, RemoteProtocolError
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.face import Attendance, Attendances
from lottery.ledger.files import FileDraw
from lottery.ledger.record import AgencyPart, DrawRecord
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.wire import lottery1
from lottery.wire.lottery1 import encode
from lottery.wire.messages import Batch, DrawState, Hello, Welcome
from lottery.writer.disk import DiskWork
from lottery.writer.pool import WriterPool, WriterTerms

ROWS = f"{ANA}\n{BO}\n".encode()
TAKEN = (Code.TAKEN, "a newer session of agency {} has come")


@pytest.fixture(autouse=True)
def _quick_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here."""
    for flush in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, flush, lambda fd: None)


class Rig:
    """A draw and those who come."""

    def __init__(
        self,
        path: Path,
        places: int = 3,
        *,
        silence: float = 60.0,
        rejoin: float = 0.0,
        deadline: float = 0.0,
        level: str = "DEBUG",
        roll: Roll = ALONE,
    ) -> None:
        self.reactor = FakeWriterReactor(real=True)
        self.log = MemoryLog(level)
        ledger = FileDraw(DrawDirectory(4, path), 0, {})
        self.off_thread = OffThread()
        disk = DiskWork(self.off_thread, self.reactor, self.log)
        self.pool = WriterPool(
            self.reactor,
            ledger,
            WriterTerms(2, 1000.0),
            disk,
            self._broken,
            Figures(),
            self.log,
        )
        terms = DrawTerms(silence, rejoin, deadline)
        self.clock = Clock()
        record = DrawRecord(4, "open", places)
        self.draw = Draw(ledger, record, self.pool, self.clock, terms, self.log, roll)
        self.decided: list[list[Place]] = []
        self.draw.outcomes.addCallback(self.decided.append)

    def _broken(self, failure: object) -> None:
        raise AssertionError(failure)

    def hello(self, agency: int, **more: Any) -> FakeSession:
        """Let an agency come that says who it is."""
        session = FakeSession()
        self.draw.hello(Hello(agency, **more), session)
        return session

    def classic(self) -> FakeSession:
        """Let a classic agency come."""
        session = FakeSession()
        session.seat = self.draw.classic(session)
        return session

    def refused(self, agency: int | None, **more: Any) -> tuple[Code, str]:
        """Let an agency come that is refused; gives code and sentence."""
        with pytest.raises(RemoteProtocolError) as error:
            self.classic() if agency is None else self.hello(agency, **more)
        return error.value.code, error.value.sentence

    def ends(self, *sessions: FakeSession, bets: int = 0) -> None:
        """Let parts end well."""
        for session in sessions:
            assert session.seat is not None
            if bets:
                session.seat.batches(encode(Batch(0, bets, ROWS)), 1)
            session.ends(bets)
        self.reactor.work()

    def timers(self) -> list[float]:
        """When somebody will be called."""
        return [each.getTime() for each in self.clock.getDelayedCalls()]

    def left_out(self) -> list[tuple[str, str]]:
        """Who is named as left out, and why."""
        log_left_out(self.draw, self.log)
        return [(each["agency"], each["reason"]) for each in self.log.of("left_out")]

    def close(self) -> None:
        """Let the writers end."""
        self.pool.close(5)
        self.reactor.work()


def agencies(places: list[Place]) -> list[int | None]:
    """Whose places."""
    return [place.agency for place in places]


# When it is decided.


def test_a_draw_is_not_decided_without_its_agencies(tmp_path: Path) -> None:
    """A list of Deferreds made from the sessions seen so far would fire at once."""
    rig = Rig(tmp_path, 3)
    assert rig.decided == []
    rig.ends(rig.hello(1))
    rig.ends(rig.hello(2))
    assert rig.decided == []
    assert not rig.draw.closed
    rig.close()


def test_a_draw_is_decided_by_its_last_outcome(tmp_path: Path) -> None:
    """Those who succeeded, in order of their places; the others with their reasons."""
    rig = Rig(tmp_path, 4)
    first, second, third, fourth = (rig.hello(agency) for agency in (9, 0, 4, 7))
    rig.ends(fourth, bets=2)
    second.fail(Code.FIELD, "a bad row")
    third.fail(Code.TIMEOUT, "silent")
    rig.reactor.work()
    assert rig.decided == []
    rig.ends(first)
    assert rig.draw.closed
    (successes,) = rig.decided
    assert [(each.agency, each.standing.next_index) for each in successes] == [(9, 0), (7, 2)]
    assert rig.left_out() == [("0", "a bad row"), ("4", "silent")]
    assert rig.log.lines[-2:] == [
        "action: left_out | result: success | draw: 4 | agency: 0 | reason: a bad row",
        "action: left_out | result: success | draw: 4 | agency: 4 | reason: silent",
    ]
    rig.close()


def test_all_failed(tmp_path: Path) -> None:
    """Nobody is left, and that is a decision, too."""
    rig = Rig(tmp_path, 2)
    for agency in (1, 2):
        rig.hello(agency).fail(Code.TIMEOUT, "cut")
    assert rig.decided == []
    rig.reactor.work()
    assert rig.decided == [[]]
    assert len(rig.left_out()) == 2
    rig.close()


def test_parts_for_the_record(tmp_path: Path) -> None:
    """Everybody who took a place, by number, with what is stored and what came of it."""
    rig = Rig(tmp_path, 4)
    nine, classic, late = rig.hello(9), rig.classic(), rig.hello(4)
    assert nine.seat is not None
    nine.seat.batches(encode(Batch(0, 2, ROWS)), 1)
    late.fail(Code.TIMEOUT, "silent")
    rig.ends(classic)
    nine.ends(2)
    rig.reactor.work()
    assert parts_of(rig.draw) == (
        AgencyPart(1, "classic", "succeeded"),
        AgencyPart(4, "lottery/1", "left_out", "silent"),
        AgencyPart(9, "lottery/1", "succeeded", "", 2, crc32(ROWS), NONCE),
    )
    rig.close()


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_totals_are_logged_when_a_part_is_decided(tmp_path: Path, level: str) -> None:
    """At INFO one line for each agency, good or bad; at DEBUG its batches have had theirs."""
    rig = Rig(tmp_path, 4, level=level)
    rig.ends(rig.hello(9), bets=2)
    late = rig.hello(4)
    assert late.seat is not None
    late.seat.batches(encode(Batch(0, 2, ROWS)), 1)
    late.fail(Code.TIMEOUT, "silent")
    rig.reactor.work()
    rig.ends(rig.classic())
    rig.draw.leave_out_others("it closed")
    lines = [line for line in rig.log.lines if "apuesta_recibida" in line or "agency |" in line]
    if level == "INFO":
        assert lines == [
            "action: apuesta_recibida | result: success | agency: 9 | cantidad: 2",
            "action: apuesta_recibida | result: fail | agency: 4 | cantidad: 2",
            "action: apuesta_recibida | result: success | agency: 1 | cantidad: 0",
        ]
    else:
        assert lines == [
            "action: agency | result: success | agency: 9 | bets: 2",
            "action: agency | result: success | agency: 1 | bets: 0",
        ]
    rig.close()


# Who gets in.


def test_places_are_found_by_number(tmp_path: Path) -> None:
    """A place knows whose it is, and its session."""
    rig = Rig(tmp_path, 2)
    session = rig.hello(2**32 - 1)
    assert session.place is rig.draw.places[0]
    assert session.place.agency == 2**32 - 1
    assert session.place.session is session
    assert rig.draw.places[1].agency is None
    assert 2**32 - 1 in rig.draw.taken
    assert 0 not in rig.draw.taken
    rig.close()


def test_classic_numbers_skip_those_in_use(tmp_path: Path) -> None:
    """From 1 up by order of arrival."""
    rig = Rig(tmp_path, 6)
    for agency in (2, 3):
        rig.hello(agency)
    sessions = [rig.classic() for _ in range(3)]
    assert [session.place.agency for session in sessions if session.place] == [1, 4, 5]
    rig.hello(6)
    rig.close()


def test_the_number_of_a_classic_session(tmp_path: Path) -> None:
    """Is refused as taken, before and behind its end: who says it may be somebody else."""
    rig = Rig(tmp_path, 3)
    session = rig.classic()
    taken = (Code.TAKEN, "agency 1 is a classic one in draw 4")
    assert rig.refused(1) == taken
    rig.ends(session)
    assert rig.refused(1) == taken
    assert session.told == []
    assert rig.draw.places[1].agency is None
    rig.close()


def test_left_out_stays_left_out(tmp_path: Path) -> None:
    """A place stays taken until the draw ends, also when its agency has failed."""
    rig = Rig(tmp_path, 3)
    session = rig.hello(1)
    session.fail(Code.TIMEOUT, "cut")
    expected = (Code.LEFT_OUT, "agency 1 has no part in draw 4 any more")
    assert rig.refused(1) == expected  # also while that waits for its writer
    rig.reactor.work()
    assert rig.refused(1) == expected
    rig.close()


def test_full(tmp_path: Path) -> None:
    """Beyond the places nobody gets in, in either dialect."""
    rig = Rig(tmp_path, 2)
    rig.hello(1).fail(Code.TIMEOUT, "cut")
    rig.classic()
    for agency in (3, None):
        assert rig.refused(agency) == (Code.FULL, "all 2 places of draw 4 are taken")
    rig.close()


def test_closed(tmp_path: Path) -> None:
    """A draw that is decided takes nobody."""
    rig = Rig(tmp_path, 1)
    rig.ends(rig.hello(1))
    for agency in (2, None):
        assert rig.refused(agency) == (Code.CLOSED, "draw 4 takes no more bets")
    rig.close()


def test_no_writer_can_start(tmp_path: Path) -> None:
    """Who says who it is may come back for it; the log has the reason."""
    rig = Rig(tmp_path, 2, rejoin=30.0)
    rig.reactor.refusal = OSError("no more processes")
    session = rig.hello(1)
    assert session.heard == [("lost", "the central cannot store now")]
    assert session.welcomes == []
    rig.reactor.refusal = OSError("no more processes")
    assert rig.refused(None) == (Code.STORAGE, "the central cannot store now")
    assert [each["error"] for each in rig.log.of("writer")] == [
        "none can start, no more processes"
    ] * 2  # fmt: skip
    assert len(rig.hello(1).welcomes) == 1
    rig.close()


# For whom the places are kept.

REMOVED = "it is not on the roster any more"
NOBODY_LEFT = "nobody of the roster is left for it"


def undecided(rig: Rig) -> int:
    """How many places are still to be decided."""
    return sum(not place.decided for place in rig.draw.places)


def test_places_of_a_roster(tmp_path: Path) -> None:
    """As many as agencies on it; nothing is decided by that, and nobody else gets one."""
    rig = Rig(tmp_path, 2)
    rig.draw.keep_places(frozenset({7, 9}), 0)
    assert undecided(rig) == 2
    assert rig.refused(None) == (Code.FULL, "all places of classic agencies are taken")
    rig.ends(rig.hello(9), rig.hello(7))
    assert agencies(rig.decided[0]) == [9, 7]
    assert rig.left_out() == []
    assert rig.refused(None) == (Code.CLOSED, "draw 4 takes no more bets")
    rig.close()


def test_classic_places_beside_a_roster(tmp_path: Path) -> None:
    """So many and no more, whoever comes first; their numbers are none of the roster's."""
    rig = Rig(tmp_path, 5)
    rig.draw.keep_places(frozenset({1, 3, 2**32 - 1}), 2)
    classics = [rig.classic(), rig.classic()]
    assert [each.place.agency for each in classics if each.place] == [2, 4]
    full = (Code.FULL, "all places of classic agencies are taken")
    assert rig.refused(None) == full
    classics[0].fail(Code.FIELD, "bad")  # its place stays taken
    assert rig.refused(None) == full
    known = [rig.hello(number) for number in (1, 3, 2**32 - 1)]
    assert [len(each.welcomes) for each in known] == [1, 1, 1]
    rig.ends(classics[1], *known)
    assert len(rig.decided[0]) == 4
    rig.close()


def test_a_place_of_a_removed_agency_that_is_there(tmp_path: Path) -> None:
    """It is left out, with the reason; who is still on the roster, or has ended, is not."""
    rig = Rig(tmp_path, 4, rejoin=30.0)
    there, stays, ended = (rig.hello(number) for number in (1, 2, 3))
    rig.ends(ended, bets=2)
    rig.draw.keep_places(frozenset({2, 4}), 0)
    assert undecided(rig) == 3  # the writer of the first has not settled it
    there.goes()
    rig.reactor.work()
    assert rig.refused(1) == (Code.LEFT_OUT, "agency 1 has no part in draw 4 any more")
    assert stays.told == []
    rig.ends(stays, rig.hello(4))
    assert agencies(rig.decided[0]) == [2, 3, 4]
    assert rig.left_out() == [("1", REMOVED)]
    assert rig.timers() == []
    rig.close()


def test_a_place_of_a_removed_agency_that_is_away(tmp_path: Path) -> None:
    """Nobody waits for it any more."""
    rig = Rig(tmp_path, 2, rejoin=30.0)
    rig.hello(1).goes()
    rig.reactor.work()
    assert rig.timers() == [30.0]
    rig.draw.keep_places(frozenset({2}), 0)
    assert rig.timers() == []
    assert rig.left_out() == [("1", REMOVED)]
    rig.ends(rig.hello(2))
    assert agencies(rig.decided[0]) == [2]
    rig.close()


def test_a_removed_agency_with_its_end_in_the_writers_hands(tmp_path: Path) -> None:
    """It has succeeded if that is stored."""
    rig = Rig(tmp_path, 2)
    session = rig.hello(1)
    session.ends()
    rig.draw.keep_places(frozenset({2}), 0)
    rig.ends(rig.hello(2))
    assert agencies(rig.decided[0]) == [1, 2]
    rig.close()


def test_places_that_nobody_can_take_any_more(tmp_path: Path) -> None:
    """They are decided, and no more of them: else the draw would wait for ever."""
    rig = Rig(tmp_path, 5)
    rig.draw.keep_places(frozenset({1, 2, 3, 4, 5}), 0)
    first = rig.hello(1)
    rig.draw.keep_places(frozenset({1, 2, 3}), 0)
    assert undecided(rig) == 3
    assert [place.decided for place in rig.draw.places] == [False, False, False, True, True]
    rig.ends(first, rig.hello(3))
    assert rig.decided == []
    rig.ends(rig.hello(2))
    assert agencies(rig.decided[0]) == [1, 3, 2]
    assert rig.left_out() == [("nobody", NOBODY_LEFT)] * 2
    rig.close()


def test_places_of_agencies_that_were_removed_before_they_came(tmp_path: Path) -> None:
    """All who are left have ended: that decides the draw."""
    rig = Rig(tmp_path, 3)
    rig.draw.keep_places(frozenset({1, 2, 3}), 0)
    rig.ends(rig.hello(1))
    rig.draw.keep_places(frozenset({1}), 0)
    assert agencies(rig.decided[0]) == [1]
    assert rig.draw.closed
    rig.close()


def test_free_places_of_classic_agencies(tmp_path: Path) -> None:
    """Whoever is removed from the roster, somebody may still come for those."""
    rig = Rig(tmp_path, 4)
    rig.draw.keep_places(frozenset({1, 2}), 2)
    rig.ends(rig.hello(1), rig.classic())
    rig.draw.keep_places(frozenset({1}), 2)
    assert undecided(rig) == 1
    rig.ends(rig.classic())
    assert agencies(rig.decided[0]) == [1, 3, 4]
    assert rig.left_out() == [("nobody", NOBODY_LEFT)]
    rig.close()


def test_a_classic_agency_is_not_of_the_roster(tmp_path: Path) -> None:
    """Another roster does not leave it out, even one that has its number; that one is refused."""
    rig = Rig(tmp_path, 3)
    rig.draw.keep_places(frozenset({2, 3}), 1)
    old = rig.classic()
    assert old.place is not None
    assert old.place.agency == 1
    rig.draw.keep_places(frozenset({1, 2}), 1)
    assert undecided(rig) == 2  # its own, and that of agency 2
    assert rig.refused(1) == (Code.TAKEN, "agency 1 is a classic one in draw 4")
    rig.draw.keep_places(frozenset({2}), 1)
    assert not old.place.refuses
    assert undecided(rig) == 2
    rig.ends(old, rig.hello(2))
    assert agencies(rig.decided[0]) == [1, 2]
    rig.close()


def test_more_on_the_roster_than_places(tmp_path: Path) -> None:
    """Places are as many as when the draw was opened: the last ones come to the next draw."""
    rig = Rig(tmp_path, 1)
    rig.draw.keep_places(frozenset({1, 2}), 0)
    session = rig.hello(2)
    assert rig.refused(1) == (Code.FULL, "all 1 places of draw 4 are taken")
    rig.draw.keep_places(frozenset({1, 2}), 0)
    assert session.told == []
    rig.ends(session)
    assert agencies(rig.decided[0]) == [2]
    rig.close()


@pytest.mark.parametrize(("places", "classics"), [(5, 2), (3, 1)])
def test_classic_agencies_leave_room_for_the_roster(
    tmp_path: Path, places: int, classics: int
) -> None:
    """A place that somebody of the roster needs is none of theirs, however many may come.

    A draw may have fewer places than both want together: one is that of an agency which was
    removed, or the draw was opened, before a restart, for fewer.
    """
    rig = Rig(tmp_path, places)
    if places == 5:
        rig.draw.keep_places(frozenset({1, 2, 3}), 2)
        rig.hello(1)
    rig.draw.keep_places(frozenset({2, 3}), 3)
    for _ in range(classics):
        rig.classic()
    assert rig.refused(None)[0] is Code.FULL
    assert [len(rig.hello(number).welcomes) for number in (2, 3)] == [1, 1]
    rig.close()


def test_a_place_that_is_decided_is_nobodys(tmp_path: Path) -> None:
    """Whoever is added, or allowed, after it was given up: it does not come back."""
    rig = Rig(tmp_path, 4)
    rig.draw.keep_places(frozenset({1, 2, 3, 4}), 0)
    rig.draw.keep_places(frozenset({1, 2}), 0)
    rig.draw.keep_places(frozenset({1, 2}), 2)
    assert rig.refused(None)[0] is Code.FULL
    rig.draw.keep_places(frozenset({1, 2, 3}), 0)
    known = [rig.hello(number) for number in (1, 2)]
    assert rig.refused(3) == (Code.CLOSED, "draw 4 takes no more agencies")
    rig.ends(*known)
    assert agencies(rig.decided[0]) == [1, 2]
    rig.close()


def test_the_same_roster_again(tmp_path: Path) -> None:
    """Changes nothing."""
    rig = Rig(tmp_path, 4, rejoin=30.0)
    there, away = rig.hello(1), rig.hello(2)
    away.goes()
    rig.reactor.work()
    for _ in range(3):
        rig.draw.keep_places(frozenset({1, 2, 3}), 1)
    assert undecided(rig) == 4
    assert there.told == []
    assert rig.timers() == [30.0]
    rig.ends(there, rig.hello(2), rig.hello(3), rig.classic())
    assert len(rig.decided[0]) == 4
    rig.close()


def test_a_restored_draw_and_another_roster(tmp_path: Path) -> None:
    """Who had a place and is not on it is left out, unless it has ended."""
    rig = Rig(tmp_path, 5, rejoin=30.0)
    rig.draw.restore(
        {
            1: Standing(2, 1),
            5: Standing(2, crc32(ROWS)),
            6: Standing(6, 66, ended=True, nonce=NONCE),
            7: Standing(1, classic=True, ended=True),
        }
    )
    rig.draw.keep_places(frozenset({5, 8}), 1)
    assert [place.decided for place in rig.draw.places] == [True, False, True, True, False]
    rig.ends(rig.hello(8))
    back = rig.hello(5, acknowledged=2)
    back.ends(2)
    rig.reactor.work()
    assert agencies(rig.decided[0]) == [5, 6, 7, 8]
    assert rig.left_out() == [("1", REMOVED)]
    rig.close()


# Where it goes on.


@pytest.mark.parametrize(
    ("silence", "told"), [(0.0, 0), (60.0, 60), (0.2, 1), (2.0**40, 2**32 - 1)]
)
def test_welcome_to_the_byte(tmp_path: Path, silence: float, told: int) -> None:
    """A new agency begins at bet 0; limits as they are, silence in whole seconds, up."""
    rig = Rig(tmp_path, 1, silence=silence)
    (welcome,) = rig.hello(1).welcomes
    head = "20 0018 00000004 01 00 0000000000000000 00000000 2000"
    assert lottery1.encode(welcome) == bytes.fromhex(f"{head} {told:08x}")
    rig.close()


def test_terms_of_a_welcome() -> None:
    """State, END, next index and CRC are those of the draw and the agency."""
    terms = DrawTerms(60.0, 30.0, 0.0)
    assert terms.welcome(4, DrawState.SEALED, Standing(7, 8, ended=True)) == Welcome(
        4, DrawState.SEALED, True, 7, 8, 8192, 60
    )


def test_time_for_a_delivery() -> None:
    """An agency that may be away so long may stand still so long; a draw has to end."""
    assert DrawTerms(60.0, 30.0, 0.0).delivery == 30.0
    assert DrawTerms(60.0, 0.0, 0.0).delivery == 60.0
    assert DrawTerms(0.0, 0.0, 0.0).delivery == DELIVERY_SECONDS


def test_back_where_it_was(tmp_path: Path) -> None:
    """It is told next index and CRC, and its writer takes no other index."""
    rig = Rig(tmp_path, 2, rejoin=30.0)
    session = rig.hello(1)
    assert session.seat is not None
    session.seat.batches(encode(Batch(0, 2, ROWS)), 1)
    rig.reactor.work()
    session.goes()
    back = rig.hello(1, acknowledged=2)
    assert back.welcomes == []  # the writer has not answered the CLOSE
    rig.reactor.work()
    (welcome,) = back.welcomes
    assert (welcome.next_index, welcome.crc, welcome.ended) == (2, crc32(ROWS), False)
    assert back.seat is not None
    back.seat.batches(encode(Batch(2, 2, ROWS)), 1)
    rig.reactor.work()
    assert back.heard == [("stored", 4, 1)]
    assert rig.timers() == []
    rig.close()


def test_back_and_it_had_ended(tmp_path: Path) -> None:
    """Its END is stored, whatever it knows of that: there is nothing more to be sent."""
    rig = Rig(tmp_path, 2, rejoin=30.0)
    session = rig.hello(1)
    rig.ends(session, bets=2)
    session.seat = None
    session.goes()
    back = rig.hello(1, acknowledged=2)
    assert back.seat is None
    (welcome,) = back.welcomes
    assert (welcome.ended, welcome.next_index, welcome.crc) == (True, 2, crc32(ROWS))
    rig.close()


def test_fenced_before_it_was_welcomed(tmp_path: Path) -> None:
    """Only the newest is; and who is gone by then is not."""
    rig = Rig(tmp_path, 2, rejoin=30.0)
    older = rig.hello(1)
    second, third = rig.hello(1), rig.hello(1)
    sentence = (TAKEN[0], TAKEN[1].format(1))
    assert older.told == second.told == [sentence]
    rig.reactor.work()
    assert second.welcomes == []
    assert len(third.welcomes) == 1
    fourth = rig.hello(1)
    fourth.goes()
    rig.reactor.work()
    assert fourth.welcomes == []
    rig.clock.advance(30)
    assert rig.left_out()[0][1] == "cut, and it did not come back within 30 s"
    rig.close()


def test_left_out_before_it_was_welcomed(tmp_path: Path) -> None:
    """The deadline passes while it waits to be: it is told, and not welcomed."""
    rig = Rig(tmp_path, 2, rejoin=30.0, deadline=60.0)
    rig.hello(1)
    newer = rig.hello(1)
    rig.clock.advance(60)
    rig.reactor.work()
    assert newer.welcomes == []
    reason = "it had not ended when the deadline of 60 s passed"
    assert newer.told == [(Code.TIMEOUT, reason)]
    assert rig.left_out() == [("1", reason), ("nobody", "it never came")]
    rig.close()


@pytest.mark.parametrize("acknowledged", [1, 3, 2**64 - 1])
def test_lost_acknowledgements(tmp_path: Path, acknowledged: int) -> None:
    """Who was told of bets that are not here must hear it, not send on; the log cries out.

    The place, and whoever speaks for it, are left alone: it may be somebody else.
    """
    rig = Rig(tmp_path, 2, rejoin=30.0)
    session = None
    stored = 0
    if acknowledged > 1:
        session = rig.hello(1)
        assert session.seat is not None
        session.seat.batches(encode(Batch(0, 2, ROWS)), 1)
        rig.reactor.work()
        stored = 2
    sentence = f"{acknowledged} bets were acknowledged to agency 1, draw 4 has {stored} of them"
    assert rig.refused(1, acknowledged=acknowledged) == (Code.SEQ, sentence)
    assert rig.log.of("damage") == [{"level": "CRITICAL", "result": "fail", "error": sentence}]
    if session is None:
        assert rig.draw.places[0].agency is None
    else:
        assert session.told == []
        assert session.place is not None
        assert session.place.session is session
    rig.close()


def test_acknowledged_by_a_session_that_is_still_there(tmp_path: Path) -> None:
    """What its writer has answered counts, though the place is not settled."""
    rig = Rig(tmp_path, 2, rejoin=30.0)
    session = rig.hello(1)
    assert session.seat is not None
    session.seat.batches(encode(Batch(0, 2, ROWS)), 1)
    rig.reactor.work()
    back = rig.hello(1, acknowledged=2)
    rig.reactor.work()
    assert [each.next_index for each in back.welcomes] == [2]
    assert rig.log.of("damage") == []
    rig.close()


# The deadline.


def test_deadline_runs_from_the_first_session(tmp_path: Path) -> None:
    """Whoever has not ended by then fails, also who never came; whoever has, has succeeded."""
    rig = Rig(tmp_path, 4, deadline=90)
    rig.clock.advance(1000)
    assert rig.decided == []
    first = rig.hello(1)
    rig.clock.advance(60)
    late, failed = rig.hello(2), rig.classic()
    rig.ends(first)
    failed.fail(Code.FIELD, "bad")
    rig.reactor.work()
    rig.clock.advance(29)
    assert rig.decided == []
    rig.clock.advance(1)
    reason = "it had not ended when the deadline of 90 s passed"
    assert late.told == [(Code.TIMEOUT, reason)]
    assert first.told == []
    assert failed.told == [(Code.FIELD, "bad")]
    assert rig.decided == []  # the writer of the late one has not answered yet
    # Meanwhile nobody may come new: the place that is left has failed.
    closed = (Code.CLOSED, "draw 4 takes no more agencies")
    assert rig.refused(9) == closed
    assert rig.refused(None) == closed
    rig.reactor.work()
    (successes,) = rig.decided
    assert agencies(successes) == [1]
    assert rig.left_out() == [("2", reason), ("3", "bad"), ("nobody", "it never came")]
    rig.close()


def test_deadline_of_one_that_is_away(tmp_path: Path) -> None:
    """However much of its time to come back is left; unless its END is in a writer's hands."""
    rig = Rig(tmp_path, 3, rejoin=100.0, deadline=90.0)
    away, ending, gone = rig.hello(1), rig.hello(2), rig.hello(3)
    away.goes()
    rig.reactor.work()
    ending.ends()
    ending.goes()
    rig.clock.advance(90)
    assert gone.told != []
    assert away.told == []
    rig.reactor.work()
    (successes,) = rig.decided
    assert agencies(successes) == [2]
    assert rig.left_out()[0] == ("1", "it had not ended when the deadline of 90 s passed")
    assert rig.timers() == []
    rig.close()


def test_deadline_is_forgotten_when_all_have_ended(tmp_path: Path) -> None:
    """No clock is left of a decided draw."""
    rig = Rig(tmp_path, 1, deadline=90)
    session = rig.hello(1)
    assert rig.timers() == [90.0]
    rig.ends(session)
    assert rig.timers() == []
    rig.close()


def test_no_deadline(tmp_path: Path) -> None:
    """0 is none."""
    rig = Rig(tmp_path, 1)
    rig.hello(1)
    assert rig.timers() == []
    rig.close()


# Stop, and start again.


def test_abandon(tmp_path: Path) -> None:
    """When the central stops nobody is left out: how it would have ended nobody knows."""
    rig = Rig(tmp_path, 4, rejoin=30.0, deadline=5)
    rig.ends(rig.hello(1), bets=2)
    rig.hello(2)
    rig.hello(3).goes()
    rig.close()
    rig.log.clear()
    rig.draw.abandon()
    (successes,) = rig.decided
    assert [each.standing.next_index for each in successes] == [2]
    assert rig.left_out() == []
    assert rig.log.lines == []
    assert rig.timers() == []
    rig.draw.abandon()


def test_restore(tmp_path: Path) -> None:
    """Who had ended has succeeded, a classic one that had not is out, the others may come back."""
    rig = Rig(tmp_path, 5, rejoin=30.0, level="INFO")
    rig.draw.restore(
        {
            1: Standing(3, classic=True),
            2: Standing(4, classic=True, ended=True),
            5: Standing(2, crc32(ROWS)),
            6: Standing(6, 66, ended=True, nonce=NONCE),
        }
    )
    assert [place.decided for place in rig.draw.places] == [True, True, False, True, False]
    assert [place.succeeded for place in rig.draw.places] == [False, True, False, True, False]
    assert rig.log.lines == []  # an earlier process has told of it
    assert rig.refused(1) == (Code.TAKEN, "agency 1 is a classic one in draw 4")
    back, ended = rig.hello(5, acknowledged=2), rig.hello(6, acknowledged=6)
    assert [(each.next_index, each.crc, each.ended) for each in back.welcomes] == [
        (2, crc32(ROWS), False)
    ]
    assert [(each.next_index, each.crc, each.ended) for each in ended.welcomes] == [(6, 66, True)]
    new = rig.classic()
    assert new.place is not None
    assert new.place.agency == 3
    rig.ends(new)
    assert back.seat is not None
    back.seat.batches(encode(Batch(2, 2, ROWS)), 1)
    rig.reactor.work()
    rig.clock.advance(100)
    back.ends(4)
    rig.reactor.work()
    (successes,) = rig.decided
    assert agencies(successes) == [2, 5, 6, 3]
    assert rig.left_out() == [("1", "the central was started again")]
    rig.close()


def test_restore_and_nobody_comes(tmp_path: Path) -> None:
    """The time to come back starts anew; a place that nobody had taken stays free."""
    rig = Rig(tmp_path, 2, rejoin=30.0)
    rig.draw.restore({5: Standing(2, 1)})
    rig.clock.advance(29)
    assert not rig.draw.places[0].decided
    rig.clock.advance(1)
    assert rig.left_out() == [
        ("5", "the central was started again, and it did not come back within 30 s")
    ]
    assert rig.decided == []
    rig.ends(rig.hello(7))
    assert agencies(rig.decided[0]) == [7]
    rig.close()


def test_restore_without_rejoin(tmp_path: Path) -> None:
    """Nobody can come back."""
    rig = Rig(tmp_path, 2)
    rig.draw.restore({5: Standing(2, 1), 6: Standing(2, 1, ended=True)})
    assert agencies(rig.decided[0]) == [6]
    assert rig.timers() == []


def test_deadline_after_a_restart(tmp_path: Path) -> None:
    """It runs from the first session of this process on, be it one that comes back."""
    rig = Rig(tmp_path, 2, rejoin=500.0, deadline=90.0)
    rig.draw.restore({5: Standing(2, crc32(ROWS))})
    rig.clock.advance(100)
    back = rig.hello(5)
    rig.reactor.work()
    rig.clock.advance(90)
    assert back.told == [(Code.TIMEOUT, "it had not ended when the deadline of 90 s passed")]
    rig.reactor.work()
    assert rig.decided == [[]]
    rig.close()


def test_leave_out_others(tmp_path: Path) -> None:
    """A draw that had closed, and was not published so: nobody can come back to it."""
    rig = Rig(tmp_path, 4, rejoin=30.0)
    rig.draw.restore({5: Standing(2, 1), 6: Standing(2, 1, ended=True)})
    rig.draw.leave_out_others("it closed")
    assert agencies(rig.decided[0]) == [6]
    assert rig.left_out() == [
        ("5", "it closed"),
        ("nobody", "it never came"),
        ("nobody", "it never came"),
    ]
    assert rig.timers() == []


# What other centrals know.


class Book(Alone):
    """A roll that says yes, or raises, and notes what it was asked.

    :ivar refusal: what it raises to whoever comes.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.refusal: RemoteProtocolError | None = None

    async def enter(self, agency: int, wanted: Callable[[], bool]) -> None:
        self.asked.append(("enter", agency, wanted()))
        if self.refusal is not None:
            raise self.refusal

    async def enter_classic(  # type: ignore[override]
        self, reserved: Collection[int], most: int, wanted: Callable[[], bool]
    ) -> Attendance:
        self.asked.append(("classic", sorted(reserved), most, wanted()))
        return known(3, classic=True)

    def leave(self, agency: int, session: int) -> None:
        self.asked.append(("leave", agency))

    def leave_out(self, place: Place, why: LeftOut) -> None:
        self.asked.append(("leave out", place.agency))
        place.decide(why)

    def admit_no_more(self, then: Callable[[], None]) -> None:
        self.asked.append(("admit no more",))


def known(agency: int, **more: Any) -> Attendance:
    """What is known of an agency that has come to another central once."""
    standing = Standing(**{"session": 1, **more})
    return Attendance(agency, standing, "b", exact=standing.ended)


def result_of(coming: Any) -> object:
    """What comes of a coroutine that has no reason to wait."""
    results: list[object] = []
    Deferred.fromCoroutine(coming).addBoth(results.append)
    (result,) = results
    return getattr(result, "value", result)


def test_expect(tmp_path: Path) -> None:
    """Whoever comes is let in by the roll, which is told whether it is still there."""
    book = Book()
    rig = Rig(tmp_path, roll=book)
    assert result_of(rig.draw.expect(5, lambda: True)) is None
    book.refusal = RemoteProtocolError(Code.FULL, "full")
    assert result_of(rig.draw.expect(6, lambda: False)) is book.refusal
    assert book.asked == [("enter", 5, True), ("enter", 6, False)]
    assert rig.draw.taken == {}


def test_expect_a_classic_agency(tmp_path: Path) -> None:
    """It gets a number that nobody has; those of the roster are kept, and their places."""
    book = Book()
    rig = Rig(tmp_path, 4, roll=book)
    assert result_of(rig.draw.expect_classic(lambda: True)) == known(3, classic=True)
    rig.draw.keep_places(frozenset({1, 2}), 1)
    assert result_of(rig.draw.expect_classic(lambda: True)) == known(3, classic=True)
    assert book.asked == [("classic", [], 4, True), ("classic", [1, 2], 1, True)]
    rig.draw.learn(known(9, classic=True), here=False, alive=True)
    error = result_of(rig.draw.expect_classic(lambda: True))
    assert isinstance(error, RemoteProtocolError)
    assert error.code is Code.FULL
    assert len(book.asked) == 2


def test_a_classic_agency_that_has_its_number(tmp_path: Path) -> None:
    """It takes the place that was learnt of."""
    rig = Rig(tmp_path, roll=Book())
    rig.draw.learn(known(3, classic=True), here=True, alive=True)
    session = FakeSession()
    session.seat = rig.draw.classic(session, 3)
    assert session.place is rig.draw.taken[3]
    assert session.seat.standing == Standing(classic=True, session=1)
    rig.ends(session)
    assert rig.draw.taken[3].succeeded
    rig.close()


def test_learn_of_one_that_is_new(tmp_path: Path) -> None:
    """It takes the next place, and the deadline begins."""
    rig = Rig(tmp_path, deadline=90.0, roll=Book())
    came: list[None] = []
    rig.draw.came.addCallback(came.append)
    rig.draw.learn(known(7), here=False, alive=True)
    rig.draw.learn(known(5, classic=True), here=False, alive=True)
    assert [(place.agency, place.dialect) for place in rig.draw.places] == [
        (7, "lottery/1"), (5, "classic"), (None, ""),
    ]  # fmt: skip
    assert rig.timers() == [90.0]
    assert came == [None]
    assert all(place.elsewhere for place in rig.draw.taken.values())


def test_learn_of_more_than_there_are_places(tmp_path: Path) -> None:
    """The draw had more places once; it is nobody here."""
    rig = Rig(tmp_path, 1, roll=Book())
    rig.draw.learn(known(7, next_index=2, ended=True), here=False, alive=True)
    rig.draw.learn(known(8), here=False, alive=True)
    assert list(rig.draw.taken) == [7]
    assert agencies(rig.decided[0]) == [7]


def test_learn_that_nobody_may_come_any_more(tmp_path: Path) -> None:
    """For the draw is closed, or the time is up; those who have come go on."""
    for state, admits in (("open", False), ("closing", True), ("drawn", False)):
        rig = Rig(tmp_path, 3, roll=Book())
        rig.draw.learn(known(7), here=False, alive=True)
        rig.draw.learn_state(Attendances("open", True, [], {}))
        assert [place.decided for place in rig.draw.places] == [False, False, False]
        rig.draw.learn_state(Attendances(state, admits, [], {}))
        assert [place.decided for place in rig.draw.places] == [False, True, True]
        rig.draw.learn(known(7, ended=True), here=False, alive=True)
        assert agencies(rig.decided[0]) == [7]


def test_the_deadline_is_everybodys(tmp_path: Path) -> None:
    """Free places stay so until nobody lets anybody in."""
    book = Book()
    rig = Rig(tmp_path, 3, deadline=90.0, roll=book)
    rig.draw.learn(known(7), here=False, alive=True)
    session = rig.hello(5)
    rig.clock.advance(90)
    rig.reactor.work()
    assert [code for code, _ in session.told] == [Code.TIMEOUT]
    assert [place.decided for place in rig.draw.places] == [True, True, False]
    assert book.asked == [
        ("leave out", 7), ("leave", 5), ("admit no more",), ("leave out", 5),
    ]  # fmt: skip
    rig.draw.learn_state(Attendances("open", False, [], {}))
    assert rig.decided == [[]]
    rig.close()


def test_missed(tmp_path: Path) -> None:
    """Who has gone while it was let in is away; of others nothing is said."""
    book = Book()
    rig = Rig(tmp_path, rejoin=30.0, roll=book)
    rig.draw.missed(known(7))
    rig.draw.learn(known(7), here=True, alive=True)
    assert rig.draw.is_missed(7)
    rig.draw.missed(known(7))
    assert book.asked == [("leave", 7)]
    assert rig.timers() == [30.0]
    back = rig.hello(7)
    assert not rig.draw.is_missed(7)
    rig.draw.missed(known(7))
    assert book.asked == [("leave", 7)]
    assert rig.timers() == []
    assert not rig.draw.is_missed(8)
    rig.ends(back)
    rig.close()
