"""``lottery.central.place``: an agency's part in a draw, which outlives its sessions."""

from __future__ import annotations

from pathlib import Path

import pytest
from central_fakes import FakeSession
from fakes import FakeChild, FakeWriterReactor, MemoryLog
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from writer_rig import CRC, closed, ended, refused, stored

from lottery.central.place import Abandoned, LeftOut, Place
from lottery.central.roll import ALONE, Alone, Roll
from lottery.errors import Code
from lottery.ledger.face import Attendance
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.wire import classic, lottery1
from lottery.writer.process import Writer

REJOIN = 30.0
NONCE = bytes(range(32))
TAKEN = (Code.TAKEN, "a newer session of agency 5 has come")


class Rig:
    """A place that agency 5 has taken, and a writer for its sessions."""

    def __init__(
        self,
        rejoin: float = REJOIN,
        dialect: str = lottery1.DIALECT,
        *,
        taken: bool = True,
        roll: Roll = ALONE,
    ) -> None:
        self.clock = Clock()
        reactor = FakeWriterReactor()
        self.writer = Writer(reactor, Path("segment"), 1000, Figures(), MemoryLog())
        self.child: FakeChild = reactor.spawnProcess(
            self.writer, "x", childFDs={0: "w", 1: "r", 2: "r", 3: "r"}
        )
        self.place = Place(self.clock, rejoin, roll)
        self.outcomes: list[object] = []
        self.place.outcome.addCallbacks(self.outcomes.append, self._failed)
        self.session = FakeSession()
        self.session.join(self.place)
        if taken:
            self.place.take(5, dialect, self.session)
            self.sit(self.session)

    def _failed(self, failure: Failure) -> None:
        self.outcomes.append(failure.value)

    def sit(self, session: FakeSession) -> None:
        """Give a session a seat, as a draw does."""
        seat = self.writer.seat(session, 5, self.place.standing)
        session.seat = seat
        self.place.seated(seat)

    def comes(self) -> FakeSession:
        """Let a newer session come; it is not given a seat."""
        session = FakeSession()
        session.join(self.place)
        self.place.come_back(session)
        return session

    @property
    def settled(self) -> list[Standing]:
        """Where the agency stands, if it is known."""
        notes: list[Standing] = []
        self.place.when_settled(lambda: notes.append(self.place.standing))
        return notes

    @property
    def reasons(self) -> list[str]:
        """Why the part has failed."""
        return [str(each) for each in self.outcomes if isinstance(each, LeftOut)]


def test_a_new_place() -> None:
    """It is nobody's, nothing of it is stored, and nothing is decided."""
    rig = Rig(taken=False)
    place = rig.place
    assert (place.agency, place.session, place.standing) == (None, None, Standing())
    assert not place.decided
    assert not place.refuses
    assert rig.settled == [Standing()]
    assert rig.outcomes == []


# How it ends.


def test_an_end_that_is_stored_is_a_success() -> None:
    """Its outcome is the total; whoever waits for it to be settled comes before."""
    rig = Rig()
    order: list[object] = []
    rig.place.when_settled(lambda: order.append((rig.place.succeeded, list(rig.outcomes))))
    rig.session.ends(0)
    rig.child.answer(stored(1, 7, 7) + ended(1, 7))
    assert order == [(True, [])]
    assert rig.outcomes == [7]
    assert rig.place.standing == Standing(7, CRC, ended=True, nonce=NONCE)
    assert rig.place.succeeded
    assert not rig.place.refuses


@pytest.mark.parametrize("first", ["end", "fail", "abandon"])
def test_an_outcome_is_decided_once(first: str) -> None:
    """Whatever comes after."""
    rig = Rig()
    acts = {
        "end": lambda: (rig.session.ends(0), rig.child.answer(ended(1, 0))),
        "fail": lambda: rig.place.fail(LeftOut(Code.FIELD, "bad")),
        "abandon": lambda: rig.place.fail(Abandoned()),
    }
    acts.pop(first)()
    (outcome,) = rig.outcomes
    for act in acts.values():
        act()
    assert rig.outcomes == [outcome]
    assert rig.place.decided
    expected = {"end": 0, "fail": "bad", "abandon": ""}[first]
    assert (outcome if first == "end" else str(outcome)) == expected
    assert (rig.place.left_out is not None) == (first == "fail")


def test_who_may_not_return_is_left_out_at_once() -> None:
    """With the reason of its session; a newer session would have no part."""
    rig = Rig()
    rig.session.fail(Code.FIELD, "row 1 is bad")
    assert rig.outcomes == []
    assert rig.place.refuses
    rig.child.answer(closed(1, 0))
    assert rig.reasons == ["row 1 is bad"]
    assert rig.place.left_out is not None
    assert rig.place.left_out.code is Code.FIELD
    assert rig.place.refuses


def test_a_refused_batch_leaves_out() -> None:
    """The refusal settles the seat, and nothing is waited for."""
    rig = Rig()
    rig.child.answer(refused(1))
    rig.session.seat = None
    rig.session.fail(Code.FIELD, "row 1 is bad")
    assert rig.reasons == ["row 1 is bad"]


@pytest.mark.parametrize("way", ["fail", "goes"])
def test_an_end_in_the_writers_hands_decides(way: str) -> None:
    """Whoever is to be left out, for whatever reason, has succeeded if its END was stored."""
    for rejoin in (0.0, REJOIN):
        rig = Rig(rejoin)
        rig.session.ends(0)
        if way == "fail":
            rig.session.fail(Code.TIMEOUT, "late")
        else:
            rig.session.goes()
        assert rig.outcomes == []
        rig.child.answer(ended(1, 0))
        assert rig.outcomes == [0]
        assert rig.place.left_out is None
        assert not rig.place.refuses
        assert rig.clock.getDelayedCalls() == []


def test_an_end_in_a_dead_writers_segment_decides() -> None:
    """It was not acknowledged; the salvage finds it."""
    rig = Rig(rejoin=0.0)
    rig.session.ends(3)
    rig.child.die()
    assert rig.outcomes == []
    rig.writer.settle({5: Standing(3, CRC, ended=True)})
    assert rig.outcomes == [3]


# Away, and back.


def test_without_rejoin_who_is_cut_off_is_left_out() -> None:
    """Once it is known that no END is under way."""
    rig = Rig(rejoin=0.0)
    rig.session.goes("the connection was lost")
    assert rig.outcomes == []
    rig.child.answer(closed(1, 0))
    assert rig.reasons == ["the connection was lost"]


def test_a_classic_agency_cannot_come_back() -> None:
    """Whatever ``--rejoin`` says: its dialect has no words for it."""
    rig = Rig(dialect=classic.DIALECT)
    rig.session.goes("the connection was lost")
    rig.child.answer(closed(1, 0))
    assert rig.reasons == ["the connection was lost"]
    assert rig.clock.getDelayedCalls() == []


def test_too_late() -> None:
    """Its time begins when it is settled, for before nobody could be welcomed."""
    rig = Rig()
    rig.session.goes("the connection was lost")
    rig.clock.advance(REJOIN)
    assert rig.place.session is None
    rig.child.answer(closed(1, 0))
    rig.clock.advance(REJOIN - 1)
    assert rig.outcomes == []
    rig.clock.advance(1)
    assert rig.reasons == ["the connection was lost, and it did not come back within 30 s"]
    assert rig.place.left_out is not None
    assert rig.place.left_out.code is Code.LEFT_OUT
    assert rig.place.refuses


def test_in_time() -> None:
    """It goes on as if nothing had been, any number of times; each has the whole time."""
    rig = Rig()
    session = rig.session
    for number in range(1, 4):
        session.goes()
        rig.child.answer(closed(number, 0))
        rig.clock.advance(REJOIN - 1)
        session = rig.comes()
        assert rig.place.session is session
        rig.sit(session)
    rig.clock.advance(10 * REJOIN)
    assert rig.outcomes == []
    assert rig.clock.getDelayedCalls() == []
    session.ends(0)
    rig.child.answer(ended(4, 0))
    assert rig.outcomes == [0]


def test_back_before_it_is_settled() -> None:
    """No time runs against an agency that is here and waits for us."""
    rig = Rig()
    rig.session.goes()
    rig.comes()
    rig.child.answer(closed(1, 0))
    assert rig.clock.getDelayedCalls() == []
    rig.clock.advance(10 * REJOIN)
    assert rig.outcomes == []


def test_back_and_gone_before_it_is_settled() -> None:
    """It is away again, and has its time from when it is settled."""
    rig = Rig()
    rig.session.goes()
    rig.comes().goes("lost again")
    rig.comes().goes("and again")
    rig.child.answer(closed(1, 0))
    assert len(rig.clock.getDelayedCalls()) == 1
    rig.clock.advance(REJOIN - 1)
    assert rig.outcomes == []
    rig.clock.advance(1)
    assert len(rig.reasons) == 1
    assert rig.clock.getDelayedCalls() == []


def test_a_newer_session_fences_the_older() -> None:
    """The older one is told so; when it has gone, that means nothing any more."""
    rig = Rig()
    newer = rig.comes()
    assert rig.session.told == [TAKEN]
    assert rig.place.session is newer
    assert rig.settled == []
    rig.child.answer(stored(1, 7, 7) + closed(1, 7))
    assert rig.settled == [Standing(7, CRC)]
    rig.session.goes()
    newest = rig.comes()
    assert newer.told == [TAKEN]
    assert rig.place.session is newest
    assert rig.outcomes == []
    assert rig.clock.getDelayedCalls() == []


def test_settled_when_its_writers_segment_was_salvaged() -> None:
    """What was stored without a word counts then, and only then."""
    rig = Rig()
    rig.child.answer(stored(1, 7, 7))
    rig.child.die()
    assert rig.settled == []
    rig.writer.settle({5: Standing(9, 1)})
    assert rig.settled == [Standing(9, 1)]


def test_what_may_have_been_acknowledged() -> None:
    """It is known at once, also while more is under way."""
    rig = Rig()
    assert rig.place.stored == 0
    rig.child.answer(stored(1, 7, 7))
    assert rig.place.stored == 7
    rig.session.goes()
    assert rig.place.stored == 7
    rig.child.answer(closed(1, 7))
    assert rig.place.stored == 7


def test_was_silent() -> None:
    """How its last session ended: nobody waits for an agency that does not read."""
    rig = Rig()
    rig.session.ends(0)
    rig.child.answer(ended(1, 0))
    rig.session.seat = None
    rig.session.fail(Code.TIMEOUT, "silent")
    assert rig.place.was_silent
    rig.comes().goes()
    assert not rig.place.was_silent
    assert rig.outcomes == [0]


# What an earlier process knew.


@pytest.mark.parametrize("dialect", [lottery1.DIALECT, classic.DIALECT])
def test_restored_with_its_end(dialect: str) -> None:
    """It has succeeded."""
    rig = Rig(taken=False)
    standing = Standing(7, CRC, ended=True)
    rig.place.restore(5, dialect, standing)
    assert (rig.place.agency, rig.place.dialect, rig.place.session) == (5, dialect, None)
    assert rig.outcomes == [7]
    assert rig.settled == [standing]


def test_restored_without_its_end() -> None:
    """Its time to come back starts anew; for a classic one it is over."""
    for dialect, rejoin in (
        (lottery1.DIALECT, REJOIN),
        (lottery1.DIALECT, 0.0),
        (classic.DIALECT, REJOIN),
    ):
        rig = Rig(rejoin, taken=False)
        rig.place.restore(5, dialect, Standing(7, CRC))
        assert rig.outcomes == []
        rig.place.wait_anew()
        why = "the central was started again"
        if dialect == lottery1.DIALECT and rejoin:
            rig.clock.advance(REJOIN - 1)
            assert rig.outcomes == []
            rig.clock.advance(1)
            why += ", and it did not come back within 30 s"
        assert rig.reasons == [why]


def test_restored_and_back() -> None:
    """It goes on."""
    rig = Rig(taken=False)
    rig.place.restore(5, lottery1.DIALECT, Standing(7, CRC))
    rig.place.wait_anew()
    rig.comes()
    assert rig.clock.getDelayedCalls() == []


# For the winners.


def test_somebody_waits_for_it_to_come_back() -> None:
    """In time, too late, or not at all because the central is being stopped."""
    for way, expected in (("comes", True), ("late", False), ("stop", False)):
        rig = Rig(taken=False)
        rig.place.restore(5, lottery1.DIALECT, Standing(7, CRC, ended=True))
        came: list[bool] = []
        rig.place.comes_back(20).addCallback(came.append)
        rig.clock.advance(19)
        assert came == []
        if way == "comes":
            rig.comes()
        elif way == "late":
            rig.clock.advance(1)
        else:
            rig.place.fail(Abandoned())
        assert came == [expected]
        assert rig.clock.getDelayedCalls() == []
        rig.clock.advance(20)
        assert came == [expected]


# What other centrals know.

ELSEWHERE = (Code.TAKEN, "agency 5 has come to another central")


class Asked(Alone):
    """A roll that answers when the test says so.

    :ivar asked: what it was asked.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def leave(self, agency: int, session: int) -> None:
        self.asked.append(("leave", session))

    def leave_out(self, place: Place, why: LeftOut) -> None:
        self.asked.append((f"leave out, {why.reason}", place.standing.session))


class SharedRig(Rig):
    """A place of a draw that others share; the first session of its agency is here."""

    def __init__(self, rejoin: float = REJOIN, dialect: str = lottery1.DIALECT) -> None:
        self.roll = Asked()
        super().__init__(rejoin, dialect, roll=self.roll, taken=False)
        self.place.take(5, dialect, None)
        self.learn(1, here=True, exact=True)
        self.session.join(self.place)
        self.place.come_back(self.session)
        self.sit(self.session)

    def learn(
        self,
        session: int,
        bets: int = 0,
        *,
        here: bool = False,
        alive: bool = True,
        ended: bool = False,
        left_out: str = "",
        exact: bool = False,
    ) -> None:
        """Learn of a session, at this central or another one."""
        standing = Standing(bets, CRC if bets else 0, ended=ended, session=session)
        exact = exact or ended or bool(left_out)
        known = Attendance(5, standing, "b", left_out, exact=exact)
        self.place.learn(known, here=here, alive=alive)

    def away(self) -> None:
        """The session here is over, and its writer has nothing of it."""
        self.session.goes("gone")
        self.child.answer(closed(1, 0))


def test_a_session_elsewhere_fences_ours() -> None:
    """It is told so, and nobody waits for it here."""
    rig = SharedRig()
    rig.learn(2)
    assert rig.session.told == [ELSEWHERE]
    assert rig.place.session is None
    assert rig.place.elsewhere
    assert rig.place.standing.session == 2
    rig.child.answer(closed(1, 0))
    assert rig.clock.getDelayedCalls() == []
    assert rig.roll.asked == []
    assert not rig.place.refuses


def test_what_is_old_is_no_news() -> None:
    """A look may have been taken before what is known here."""
    rig = SharedRig()
    rig.child.answer(stored(1, 7, 7))
    for session in (0, 1):
        rig.learn(session, 3, alive=False)
        rig.learn(session, 3, here=True)
    assert rig.session.told == []
    assert rig.place.stored == 7
    assert not rig.place.elsewhere
    assert rig.clock.getDelayedCalls() == []


def test_how_much_is_stored_is_not_known_before_it_is_exact() -> None:
    """Of a part that is not decided, the ledger does not say it at every look."""
    rig = SharedRig()
    rig.learn(2, 9, exact=True)
    rig.learn(2, 0)
    assert rig.place.standing.next_index == 9
    rig.learn(3, 0)
    assert rig.place.standing == Standing(session=3)


def test_an_end_elsewhere() -> None:
    """It is one here, too, with all that it says."""
    rig = SharedRig()
    rig.learn(2)
    rig.learn(2, 7, ended=True)
    assert rig.outcomes == [7]
    assert rig.place.succeeded
    assert rig.place.learnt
    rig.learn(2, 7, ended=True)
    rig.learn(3, left_out="gone")
    assert rig.outcomes == [7]


def test_an_end_of_ours_is_told_by_its_writer() -> None:
    """Not by a look that may have come before it: what it has in hand comes first."""
    rig = SharedRig()
    rig.session.ends(0)
    rig.learn(1, 0, here=True, ended=True)
    assert rig.outcomes == []
    rig.child.answer(ended(1, 0))
    assert rig.outcomes == [0]
    assert not rig.place.learnt


def test_left_out_elsewhere() -> None:
    """With the reason of whoever did it; the session that is here is told so."""
    rig = SharedRig()
    rig.learn(1, 3, left_out="late")
    assert rig.reasons == ["late"]
    assert rig.place.learnt
    assert rig.session.told == [(Code.LEFT_OUT, "late")]
    assert rig.place.session is None
    rig.child.answer(closed(1, 0))
    assert rig.roll.asked == []
    rig.learn(1, 3, left_out="late")
    assert rig.reasons == ["late"]


def test_left_out_here_is_decided_by_the_ledger() -> None:
    """It is asked once; what it says is how it is."""
    rig = SharedRig(rejoin=0.0)
    rig.away()
    assert rig.roll.asked == [("leave", 1), ("leave out, gone", 1)]
    assert rig.place.refuses
    assert rig.outcomes == []
    rig.place.fail(LeftOut(Code.TIMEOUT, "late"))
    assert len(rig.roll.asked) == 2
    rig.place.answered()
    rig.learn(1, 0, left_out="gone")
    assert rig.reasons == ["gone"]
    assert not rig.place.learnt


@pytest.mark.parametrize("how", ["elsewhere", "ended"])
def test_not_left_out_after_all(how: str) -> None:
    """It has come to another central before it was asked."""
    rig = SharedRig(rejoin=0.0)
    rig.away()
    rig.place.answered()
    rig.learn(2, 7, ended=how == "ended")
    assert rig.outcomes == ([7] if how == "ended" else [])
    assert not rig.place.refuses
    assert rig.place.elsewhere == (how == "elsewhere") or rig.place.succeeded


def test_away_from_all() -> None:
    """All wait for it; one that has gone from here has its time from then on."""
    rig = SharedRig()
    rig.away()
    rig.clock.advance(10)
    rig.learn(1, alive=False)
    (call,) = rig.clock.getDelayedCalls()
    assert call.getTime() == REJOIN
    rig.clock.advance(20)
    reason = "gone, and it did not come back within 30 s"
    assert rig.roll.asked[-1] == (f"leave out, {reason}", 1)


@pytest.mark.parametrize("dialect", [lottery1.DIALECT, classic.DIALECT])
def test_its_central_is_gone(dialect: str) -> None:
    """It may come to another one, if its dialect has words for it."""
    rig = SharedRig(dialect=dialect)
    rig.learn(2)
    rig.child.answer(closed(1, 0))
    rig.learn(2, alive=False)
    assert not rig.place.elsewhere
    reason = "it is away from all centrals"
    if dialect == lottery1.DIALECT:
        assert rig.roll.asked == []
        rig.learn(2, alive=False)
        rig.clock.advance(REJOIN)
        reason += ", and it did not come back within 30 s"
    assert rig.roll.asked == [(f"leave out, {reason}", 2)]
    assert rig.clock.getDelayedCalls() == []


def test_its_central_is_there_again() -> None:
    """Nobody waits any more."""
    rig = SharedRig()
    rig.learn(2)
    rig.child.answer(closed(1, 0))
    rig.learn(2, alive=False)
    rig.clock.advance(REJOIN - 1)
    rig.learn(2)
    assert rig.clock.getDelayedCalls() == []
    rig.clock.advance(REJOIN)
    assert rig.outcomes == []


def test_back_here_from_elsewhere() -> None:
    """It is not elsewhere any more, whatever was known."""
    rig = SharedRig()
    rig.learn(2)
    rig.child.answer(closed(1, 0))
    rig.learn(3, 4, here=True, exact=True)
    session = rig.comes()
    assert not rig.place.elsewhere
    rig.sit(session)
    rig.learn(2)
    assert session.told == []
    assert rig.place.stored == 4


def test_gone_while_it_was_let_in() -> None:
    """The ledger is told, and its time begins."""
    rig = SharedRig()
    rig.away()
    rig.learn(2, here=True, exact=True)
    rig.roll.asked.clear()
    rig.place.missed(2)
    assert rig.roll.asked == [("leave", 2)]
    assert len(rig.clock.getDelayedCalls()) == 1


def test_stopped_while_the_ledger_is_asked() -> None:
    """Nothing is decided any more."""
    rig = SharedRig(rejoin=0.0)
    rig.away()
    rig.place.fail(Abandoned())
    (outcome,) = rig.outcomes
    assert isinstance(outcome, Abandoned)
    rig.place.answered()
    rig.learn(1, left_out="gone")
    assert len(rig.outcomes) == 1
