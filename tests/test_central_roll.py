"""``lottery.central.roll``: who takes part in a draw that several centrals share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from zlib import crc32

import pytest
from attrs import evolve
from central_fakes import NUMBER, FakeSession, OffThread
from fakes import FakeWriterReactor, MemoryLog
from shared_fakes import SENTENCE, MemoryDraw, Table, Tables, TableStore
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from writer_orders import ANA, BO

from lottery.central.conclusion import Conclusion
from lottery.central.draw import Draw
from lottery.central.draws import Draws
from lottery.central.outcomes import parts_of
from lottery.central.place import LeftOut, Place
from lottery.central.reconnects import Reconnects
from lottery.central.roll import LEASE_SECONDS, LOOK_SECONDS, Shared
from lottery.central.terms import DrawTerms
from lottery.errors import Code, DamagedLedger, LotteryError
from lottery.ledger.longwork import Interrupted
from lottery.ops.figures import Figures
from lottery.wire.lottery1 import encode
from lottery.wire.messages import OPEN_DRAW, Batch, Hello
from lottery.writer.disk import ROOM_SECONDS, DiskWork
from lottery.writer.pool import WriterPool, WriterTerms

REJOIN: Final = 30.0
DEADLINE: Final = 100.0
ROWS: Final = [f"{ANA}\n".encode(), f"{BO}\n".encode(), b"Eva,Paz,4,2000-05-10,7574\n"]
ELSEWHERE: Final = (Code.TAKEN, "agency 5 has come to another central")
NOT_BACK: Final = ", and it did not come back within 30 s"


class Town:
    """Some centrals that share a draw, and their time.

    :ivar table: the draw.
    :ivar centrals: all that ever were.
    """

    def __init__(self, places: int = 3, *, rejoin: float = REJOIN, deadline: float = 0.0) -> None:
        self.tables = Tables()
        self.table = Table(places, 1, self.tables.server)
        self.tables.draws.append(self.table)
        self.terms = DrawTerms(60.0, rejoin, deadline)
        self.centrals: list[Central] = []

    def central(self, name: str) -> Central:
        """Start another one."""
        central = Central(self, name)
        self.centrals.append(central)
        return central

    def two(self) -> tuple[Central, Central]:
        """Start two."""
        return self.central("a"), self.central("b")

    def advance(self, seconds: float) -> None:
        """Let time pass at all that live, half a look at a time."""
        for _ in range(round(seconds / (LOOK_SECONDS / 2))):
            for central in self.centrals:
                central.turn(LOOK_SECONDS / 2)

    def look(self) -> None:
        """Let all of them look."""
        self.advance(LOOK_SECONDS)

    def asked(self, what: str) -> list[tuple[object, ...]]:
        """Who has asked for something, and with what."""
        return [(who, *more) for who, asked, *more in self.table.asked if asked == what]

    def stop(self) -> None:
        """Stop all that live, and see that nothing is left of them."""
        for central in self.centrals:
            central.stop()


class Central:
    """One of them: it opens the draw and, when all parts are decided, concludes it.

    :ivar broken: what it could not go on with.
    """

    def __init__(self, town: Town, name: str) -> None:
        self.name = name
        self.broken: list[BaseException] = []
        self.reactor = FakeWriterReactor(real=True)
        self.reactor.database = lambda dsn, draw: TableStore(town.table)
        self.log = MemoryLog("INFO")
        self.off_thread = OffThread()
        self.conclusion: Conclusion | None = None
        self.ended: list[object] = []
        self._town = town
        self._lives = True
        self.disk = DiskWork(self.off_thread, self.reactor, self.log)
        self._ledger: MemoryDraw = town.table.at(name)
        self.roll = Shared(self._ledger.shared, self.disk, self.reactor, self._break)
        self.pool = WriterPool(
            self.reactor, self._ledger, WriterTerms(2, 1000.0), self.disk,
            self._break, Figures(), self.log,
        )  # fmt: skip
        self.draw = Draw(
            self._ledger, town.table.record, self.pool, self.reactor, town.terms,
            self.log, self.roll,
        )  # fmt: skip
        self.roll.watch(self.draw)
        self.rounds = Draws(
            ledgers=None, clock=self.reactor, terms=town.terms, disk=self.disk,  # type: ignore[arg-type]
            reconnects=Reconnects(self.reactor, 0), broken=self._break, log=self.log,
        )  # fmt: skip
        self.rounds.open = self.draw
        self.draw.outcomes.addCallback(self._close)

    def _break(self, failure: Failure) -> None:
        self.broken.append(failure.value)

    # What agencies do here.

    def comes(self, agency: int, draw: int = OPEN_DRAW) -> FakeSession:
        """Let an agency come."""
        session = FakeSession()
        self.rounds.hello(Hello(agency, draw), session)
        return session

    def comes_classic(self) -> FakeSession:
        """Let a classic agency come."""
        session = FakeSession()
        self.rounds.classic(session)
        return session

    def sends(self, session: FakeSession, rows: list[bytes], first: int = 0) -> None:
        """Let it send bets."""
        assert session.seat is not None
        session.seat.batches(encode(Batch(first, len(rows), b"".join(rows))), 1)
        self.reactor.work()

    def ends(self, session: FakeSession, total: int = 0) -> None:
        """Let it end."""
        session.ends(total)
        self.reactor.work()

    # What becomes of it.

    def turn(self, seconds: float) -> None:
        """Let time pass, if it lives."""
        if self._lives:
            self.reactor.advance(seconds)
            self.reactor.work()

    def dies(self) -> None:
        """Be killed: nothing happens here any more."""
        self._lives = False

    def stop(self) -> None:
        """Stop, as the service does; nothing may be left then."""
        if not self._lives:
            return
        self.disk.stop()
        self.pool.close(5.0)
        self.reactor.work()
        self.draw.abandon()
        if self.conclusion is not None:
            self.conclusion.abandon()
        self.off_thread.hold = False
        while self.off_thread.waiting:
            self.off_thread.run()
        self.reactor.advance(0)
        self._lives = False
        assert [call.func for call in self.reactor.getDelayedCalls()] == []
        assert self.broken == []

    def place(self, agency: int) -> Place:
        """The place of an agency, as it is known here."""
        return self.draw.taken[agency]

    def timers(self) -> list[float]:
        """In how many seconds who is away is given up."""
        now = self.reactor.seconds()
        left = [call.getTime() - now for call in self.reactor.getDelayedCalls()]
        return [each for each in left if ROOM_SECONDS < each <= REJOIN]

    # How it ends.

    def _close(self, successes: list[Place]) -> None:
        if not self.disk.stopped:
            Deferred.fromCoroutine(self._conclude(successes)).addErrback(self._break)

    async def _conclude(self, successes: list[Place]) -> None:
        record = evolve(self.draw.record, state="closing", agencies=parts_of(self.draw))
        self.conclusion = self.rounds.conclusion(self._ledger, record, successes, self.roll)
        self.rounds.conclude(self.conclusion)
        self.rounds.open = None
        self.roll.watch(self.conclusion)
        try:
            await self.conclusion.close()
            await self.pool.close(1000.0)
            await self.conclusion.run(NUMBER)
        except Interrupted:
            return
        self.roll.stop()
        self.ended.append(self.conclusion.record.state)


# Who comes.


def test_an_agency_that_comes() -> None:
    """It has a session that all know of, and its central says where it stands."""
    town = Town()
    a, b = town.two()
    session = a.comes(5)
    a.sends(session, ROWS[:2])
    assert [each.next_index for each in session.welcomes] == [0]
    assert session.heard == [("stored", 2, 1)]
    assert town.asked("enter") == [("a", 5)]
    assert (town.table.parts[5].central, town.table.parts[5].standing.session) == ("a", 1)
    assert town.table.rows == {5: ROWS[:2]}
    town.look()
    assert b.place(5).elsewhere
    assert b.timers() == []
    assert not b.place(5).decided
    town.stop()


def test_an_agency_that_comes_to_another_central() -> None:
    """It goes on there, from all that is stored; here it is fenced, and nobody waits for it."""
    town = Town()
    a, b = town.two()
    old = a.comes(5)
    a.sends(old, ROWS[:2])
    new = b.comes(5)
    (welcome,) = new.welcomes
    assert (welcome.next_index, welcome.crc) == (2, crc32(b"".join(ROWS[:2])))
    b.sends(new, ROWS[2:], 2)
    assert old.told == []
    town.look()
    assert old.told == [ELSEWHERE]
    assert a.place(5).elsewhere
    assert a.place(5).session is None
    assert a.timers() == []
    assert new.told == []
    assert town.table.rows == {5: ROWS}
    assert town.table.parts[5].central == "b"
    town.stop()


def test_what_an_older_session_stores_meanwhile() -> None:
    """Nothing: it is refused for good, and that leaves nobody out."""
    town = Town()
    a, b = town.two()
    old, new = a.comes(5), b.comes(5)
    a.sends(old, ROWS[:1])
    ((what, refusal),) = old.heard
    assert what == "refused"
    assert (refusal.code, refusal.again) == (Code.TAKEN, False)
    old.fail(Code.TAKEN, refusal.sentence, may_return=False)
    assert town.asked("leave out") == [("a", 5, 1)]
    b.sends(new, ROWS[:1])
    assert new.heard == [("stored", 1, 1)]
    town.look()
    assert not a.place(5).decided
    assert a.place(5).elsewhere
    b.ends(new, 1)
    assert town.asked("leave out") == [("a", 5, 1)]
    assert b.place(5).succeeded
    town.look()
    assert a.place(5).succeeded
    town.stop()


def test_an_agency_that_goes_from_one_to_the_other_and_back() -> None:
    """Each time it goes on where it stands, and whoever it left is told so once."""
    town = Town()
    a, b = town.two()
    sessions = []
    for index, central in enumerate([a, b, a, b, a]):
        session = central.comes(5)
        central.sends(session, ROWS[:1], index)
        sessions.append(session)
        town.look()
    assert [each.told for each in sessions] == [[ELSEWHERE]] * 4 + [[]]
    assert [each.welcomes[0].next_index for each in sessions] == [0, 1, 2, 3, 4]
    a.ends(sessions[-1], 5)
    town.look()
    assert a.place(5).succeeded
    assert b.place(5).succeeded
    assert b.place(5).standing.next_index == 5
    town.stop()


def test_an_agency_that_goes_away_elsewhere_and_comes_back_here() -> None:
    """All wait for it, and none of them any more when it is back."""
    town = Town()
    a, b = town.two()
    session = b.comes(5)
    b.sends(session, ROWS[:1])
    town.look()
    session.goes()
    b.reactor.work()
    town.look()
    assert town.table.parts[5].central is None
    assert not a.place(5).elsewhere
    assert len(a.timers()) == len(b.timers()) == 1
    town.advance(REJOIN - 2)
    back = a.comes(5)
    town.look()
    assert [each.next_index for each in back.welcomes] == [1]
    assert b.place(5).elsewhere
    assert a.timers() == b.timers() == []
    town.advance(2 * REJOIN)
    assert town.asked("leave out") == []
    town.stop()


def test_an_agency_that_stays_away() -> None:
    """Whoever asks first leaves it out, once; all know why."""
    town = Town(1)
    a, b = town.two()
    session = b.comes(5)
    b.sends(session, ROWS[:1])
    town.look()
    session.goes("gone")
    b.reactor.work()
    town.advance(REJOIN + 2)
    reason = f"gone{NOT_BACK}"
    assert town.table.parts[5].left_out == reason
    assert town.asked("leave out")[0] == ("b", 5, 1)
    for central in (a, b):
        left_out = central.place(5).left_out
        assert left_out is not None
        assert left_out.reason == reason
        assert central.ended == ["void"]
    assert town.table.record.agencies[0].reason == reason
    assert town.table.record.agencies[0].bets == 1
    assert len(b.log.of("apuesta_recibida")) == 1
    assert a.timers() == b.timers() == []
    town.stop()


def test_who_asks_first_to_leave_it_out() -> None:
    """Both do at the same moment: the answer is one and the same."""
    town = Town(1)
    a, b = town.two()
    session = a.comes(5)
    town.look()
    session.goes("gone")
    town.advance(REJOIN - 1)
    a.off_thread.hold = b.off_thread.hold = True
    town.advance(4)
    for central in (b, a, b, a):
        central.off_thread.run()
    assert {who for who, *_ in town.asked("leave out")} == {"a", "b"}
    reasons = {central.place(5).left_out.reason for central in (a, b)}  # type: ignore[union-attr]
    assert reasons == {town.table.parts[5].left_out}
    town.stop()


def test_left_out_and_back_at_the_same_moment() -> None:
    """If it is back before it is asked, it is in; else it is told that it is left out."""
    for first in ("enter", "leave out"):
        town = Town(2)
        a, b = town.two()
        session = a.comes(5)
        town.look()
        session.goes("gone")
        town.look()
        town.advance(REJOIN - 1)
        a.off_thread.hold = True
        if first == "enter":
            a.turn(2)
            back = b.comes(5)
        else:
            b.off_thread.hold = True
            back = b.comes(5)
            a.off_thread.run()
            town.advance(2)
        for central in (a, b):
            central.off_thread.hold = False
            central.off_thread.run()
        town.advance(2)
        if first == "enter":
            assert len(back.welcomes) == 1
            assert back.told == []
            assert not a.place(5).decided
            assert a.place(5).elsewhere
        else:
            assert back.welcomes == []
            assert back.told == [(Code.LEFT_OUT, "agency 5 has no part in draw 1 any more")]
            assert a.place(5).left_out is not None
        town.stop()


def test_an_agency_that_ends_elsewhere() -> None:
    """Its part is decided here, too, with all that there is to it."""
    town = Town(1)
    a, b = town.two()
    session = b.comes(5)
    b.sends(session, ROWS)
    b.ends(session, 3)
    assert not a.draw.closed
    town.look()
    assert a.draw.closed
    assert a.place(5).succeeded
    assert a.place(5).standing._replace(nonce=b"", session=0) == (
        3, crc32(b"".join(ROWS)), True, False, b"", 0,
    )  # fmt: skip
    assert a.log.of("apuesta_recibida") == []
    assert len(b.log.of("apuesta_recibida")) == 1
    town.stop()


def test_an_end_whose_answer_is_lost() -> None:
    """What the database has is what counts, whoever was to tell it."""
    town = Town(1)
    a, b = town.two()
    session = b.comes(5)
    child = b.reactor.children[0]
    child.mute = True  # type: ignore[attr-defined]
    b.ends(session)
    child.die(9)
    town.look()
    assert a.place(5).succeeded
    assert b.place(5).succeeded
    town.stop()


# A central that dies.


def test_a_central_that_dies() -> None:
    """Its agencies are given some time to come to others; who does goes on there."""
    town = Town(2)
    a, b = town.two()
    five, six = b.comes(5), b.comes(6)
    b.sends(five, ROWS[:1])
    b.sends(six, ROWS[:2])
    town.look()
    b.dies()
    town.advance(LEASE_SECONDS - 2)
    assert a.place(5).elsewhere
    assert a.timers() == []
    back = a.comes(5)
    assert [each.next_index for each in back.welcomes] == [1]
    town.advance(3)
    assert not a.place(6).elsewhere
    assert len(a.timers()) == 1
    town.advance(REJOIN + 1)
    assert town.asked("leave out") == [("a", 6, 1)]
    assert town.table.parts[6].left_out == f"it is away from all centrals{NOT_BACK}"
    assert not a.draw.closed
    a.ends(back, 1)
    assert a.draw.closed
    town.stop()


def test_a_success_at_a_central_that_dies() -> None:
    """It stays one."""
    town = Town(2)
    a, b = town.two()
    b.ends(b.comes(5))
    b.dies()
    town.advance(LEASE_SECONDS + REJOIN + 2)
    a.ends(a.comes(6))
    assert [part.outcome for part in town.table.record.agencies] == ["succeeded", "succeeded"]
    assert town.asked("leave out") == []
    town.stop()


def test_a_classic_agency_at_a_central_that_dies() -> None:
    """There is no coming back in that dialect."""
    town = Town(1)
    a, b = town.two()
    session = b.comes_classic()
    assert session.seat is not None
    town.look()
    assert a.place(1).dialect == "classic"
    b.dies()
    town.advance(LEASE_SECONDS + 2)
    assert town.table.parts[1].left_out == "it is away from all centrals"
    town.stop()


def test_a_central_that_seems_to_be_dead() -> None:
    """It was only cut off: it counts on, and its agencies are its own again."""
    town = Town(1)
    a, b = town.two()
    session = b.comes(5)
    town.look()
    b.off_thread.hold = True
    town.advance(LEASE_SECONDS + 2)
    assert len(a.timers()) == 1
    b.off_thread.hold = False
    b.off_thread.run()
    town.advance(2)
    assert a.place(5).elsewhere
    assert a.timers() == []
    b.ends(session)
    town.look()
    assert a.place(5).succeeded
    town.stop()


def test_a_central_that_is_left_behind() -> None:
    """What it has not heard of it learns when it looks, or is told by the ledger."""
    town = Town(1)
    a, b = town.two()
    session = b.comes(5)
    town.look()
    b.off_thread.hold = True
    town.advance(LEASE_SECONDS + REJOIN + 3)
    assert town.table.parts[5].left_out
    b.sends(session, ROWS[:1])
    ((_, refusal),) = session.heard
    assert (refusal.code, refusal.again) == (Code.LEFT_OUT, False)
    assert town.table.rows == {}
    assert a.ended == ["void"]
    b.off_thread.hold = False
    b.off_thread.run()
    town.advance(2)
    assert b.place(5).left_out is not None
    assert b.ended == ["void"]
    town.stop()


# Who may come.


def test_more_than_there_are_places() -> None:
    """At whichever central."""
    town = Town(2)
    a, b = town.two()
    a.comes(5)
    b.comes(6)
    late = a.comes(7)
    assert late.told == [(Code.FULL, "all 2 places of draw 1 are taken")]
    assert a.comes_classic().told == late.told
    town.stop()


def test_numbers_of_classic_agencies() -> None:
    """Each is given once, and none that another agency has."""
    town = Town(5)
    a, b = town.two()
    a.comes(2)
    places = [central.comes_classic().place for central in (a, b, a)]
    assert [place.agency for place in places if place is not None] == [1, 3, 4]
    assert b.comes(3).told == [(Code.TAKEN, "agency 3 is a classic one in draw 1")]
    town.look()
    assert sorted(a.draw.taken) == sorted(b.draw.taken) == [1, 2, 3, 4]
    town.stop()


def test_a_classic_agency_that_is_cut_off() -> None:
    """It is left out at once, and all of them know."""
    town = Town(1)
    a, b = town.two()
    b.comes_classic().goes("gone")
    b.reactor.work()
    town.look()
    assert a.place(1).left_out is not None
    assert town.table.parts[1].left_out == "gone"
    town.stop()


@pytest.mark.parametrize("classic", [False, True])
def test_an_agency_that_goes_before_it_is_in(classic: bool) -> None:
    """It has a place then, and is away."""
    town = Town(1)
    a, _ = town.two()
    a.off_thread.hold = True
    session = a.comes_classic() if classic else a.comes(5)
    session.over = True
    a.off_thread.hold = False
    a.off_thread.run()
    agency = 1 if classic else 5
    assert session.welcomes == []
    assert session.seat is None
    assert town.asked("leave") == [("a", agency, 1)]
    if classic:
        assert town.table.parts[1].left_out == "the connection was lost"
    else:
        assert town.table.parts[5].central is None
        assert len(a.timers()) == 1
        assert len(a.comes(5).welcomes) == 1
        assert a.timers() == []
    town.stop()


def test_two_sessions_that_come_at_once() -> None:
    """The one that the database let in last has the part, whichever is told so first."""
    town = Town(1)
    a, b = town.two()
    a.off_thread.hold = b.off_thread.hold = True
    one, two = a.comes(5), b.comes(5)
    for central in (b, a):
        central.off_thread.hold = False
        central.off_thread.run()
    town.advance(2)
    assert two.told == [ELSEWHERE]
    assert one.told == []
    assert len(one.welcomes) == 1
    a.ends(one)
    town.look()
    assert b.place(5).succeeded
    town.stop()


# The deadline, and a draw that is closed.


def test_the_deadline() -> None:
    """Nobody is let in any more by any central, and who has not ended is left out."""
    town = Town(4, deadline=DEADLINE)
    a, b = town.two()
    five, six, seven = a.comes(5), b.comes(6), b.comes(7)
    town.look()
    a.ends(five)
    seven.goes("gone")
    b.reactor.work()
    town.advance(DEADLINE - REJOIN)
    town.advance(REJOIN + 2)
    reason = "it had not ended when the deadline of 100 s passed"
    assert (Code.TIMEOUT, reason) in six.told
    assert town.table.parts[6].left_out == reason
    assert not town.table.admits
    for central in (a, b):
        assert central.draw.closed
        left_out = {place.agency: place.left_out for place in central.draw.places}
        assert {agency: why and why.reason for agency, why in left_out.items()} == {
            5: None, 6: reason, 7: f"gone{NOT_BACK}", None: "it never came",
        }  # fmt: skip
    assert [part.outcome for part in town.table.record.agencies] == [
        "succeeded", "left_out", "left_out",
    ]  # fmt: skip
    town.stop()


def test_an_agency_that_another_central_leaves_out() -> None:
    """Its session here is told so: it would wait for ever otherwise."""
    town = Town(1)
    a, b = town.two()
    session = a.comes(5)
    a.sends(session, ROWS[:1])
    town.look()
    b.place(5).leave_out(LeftOut(Code.TIMEOUT, "late"))
    town.look()
    assert session.told == [(Code.LEFT_OUT, "late")]
    assert a.place(5).session is None
    assert [central.place(5).left_out.reason for central in (a, b)] == ["late", "late"]  # type: ignore[union-attr]
    assert town.table.record.agencies[0].bets == 1
    town.stop()


def test_one_that_comes_behind_the_deadline_of_another_central() -> None:
    """It is too late, though the draw is open for the sake of others."""
    town = Town(3, deadline=DEADLINE)
    a, b = town.two()
    town.table.admits = False
    assert a.comes(5).told == [(Code.CLOSED, "draw 1 takes no more agencies")]
    town.look()
    assert [place.decided for place in b.draw.places] == [True] * 3
    town.stop()


def test_a_central_that_starts_behind_the_deadline_of_another() -> None:
    """It learns who has come, and that nobody else does."""
    town = Town(3)
    a = town.central("a")
    five = a.comes(5)
    town.table.admits = False
    b = town.central("b")
    assert [place.agency for place in b.draw.places] == [5, None, None]
    assert [place.decided for place in b.draw.places] == [False, True, True]
    a.ends(five)
    town.look()
    assert b.draw.closed
    town.stop()


def test_a_draw_that_others_have_closed() -> None:
    """Whoever was stopped meanwhile finds all parts decided, and goes on from there."""
    town = Town(2)
    a = town.central("a")
    a.ends(a.comes(5))
    a.comes(6).fail(Code.FIELD, "bad")
    a.reactor.work()
    town.look()
    assert town.table.state == "drawn"
    b = town.central("b")
    assert b.draw.closed
    assert [place.agency for place in b.draw.places if place.succeeded] == [5]
    late = b.comes(7, 0)
    assert late.told == [(Code.CLOSED, "no draw is open")]
    town.stop()


def late(town: Town, central: Central) -> float:
    """Wait until right before the deadline of a central; gives in how many seconds it is."""
    calls = central.reactor.getDelayedCalls()
    (call,) = (each for each in calls if each.func == central.draw._deadline._pass)
    while call.getTime() - central.reactor.seconds() > LOOK_SECONDS / 2:
        town.advance(LOOK_SECONDS / 2)
    return float(call.getTime() - central.reactor.seconds())


@pytest.mark.parametrize("ends", [False, True])
def test_one_that_comes_elsewhere_right_before_the_deadline(ends: bool) -> None:
    """A central that has not seen it yet waits for how it ends, and has its winners."""
    town = Town(2, deadline=DEADLINE)
    a, b = town.two()
    a.turn(0.1)  # so that it does not look at the very moment
    a.ends(a.comes(5))
    town.look()
    left = late(town, a)
    six = b.comes(6)
    b.sends(six, ROWS[:1])
    if ends:
        b.ends(six, 1)
    a.reactor.advance(left)
    a.reactor.work()
    town.advance(3)
    assert a.broken == a.log.of("database") == []
    outcomes = {part.agency: part.outcome for part in town.table.record.agencies}
    assert outcomes == {5: "succeeded", 6: "succeeded" if ends else "left_out"}
    back = a.comes(6, 1)
    if ends:
        assert [each.next_index for each in back.welcomes] == [1]
    else:
        assert back.told == [(Code.LEFT_OUT, "agency 6 has no part in draw 1 any more")]
    town.stop()


def test_one_that_another_roster_lets_in() -> None:
    """Whoever does not know it waits, though all parts that it knows are decided."""
    town = Town(2)
    a, b = town.two()
    a.ends(a.comes(5))
    six = b.comes(6)
    b.sends(six, ROWS[:1])
    a.draw.keep_places(frozenset({5}), 0)
    assert a.draw.closed
    town.advance(3)
    assert town.table.state == "open"
    (waiting,) = (line for line in a.log.of("database") if line["work"] == "closing")
    assert waiting["error"] == "agency 6 is not decided"
    early = a.comes(6, 1)
    assert early.told == [(Code.BUSY, "draw 1 is being closed")]
    b.ends(six, 1)
    town.advance(3)
    assert [part.agency for part in town.table.record.succeeded] == [5, 6]
    assert a.conclusion is not None
    assert sorted(a.conclusion.places) == [5, 6]
    assert [each.next_index for each in a.comes(6, 1).welcomes] == [1]
    assert a.rounds.unreceived.keys() <= {5, 6}
    town.stop()


@pytest.mark.parametrize("first", ["enter", "deadline"])
def test_one_that_is_let_in_while_the_deadline_passes(first: str) -> None:
    """It is left out all the same, whichever gets to the ledger first: nothing may hold a draw."""
    town = Town(2, deadline=DEADLINE)
    a = town.central("a")
    five = a.comes(5)
    a.sends(five, ROWS[:1])
    late(town, a)
    five.goes("gone")
    a.reactor.work()
    a.off_thread.free = ""
    a.off_thread.hold = True
    back = FakeSession()
    if first == "enter":
        a.rounds.hello(Hello(5, OPEN_DRAW), back)
    a.reactor.advance(LOOK_SECONDS)
    if first == "deadline":
        a.rounds.hello(Hello(5, OPEN_DRAW), back)
    a.off_thread.hold = False
    a.off_thread.run()
    town.advance(3)
    reason = "it had not ended when the deadline of 100 s passed"
    assert [code for code, _ in back.told] == [Code.TIMEOUT if first == "enter" else Code.CLOSED]
    assert town.table.parts[5].left_out == reason
    assert town.table.record.state == "void"
    town.stop()


def test_one_that_comes_first_while_the_deadline_passes() -> None:
    """It has a place by then, which nobody waits for."""
    town = Town(2, deadline=DEADLINE)
    a = town.central("a")
    a.ends(a.comes(5))
    late(town, a)
    a.off_thread.free = ""
    a.off_thread.hold = True
    six, seven = FakeSession(), FakeSession()
    a.rounds.hello(Hello(6, OPEN_DRAW), six)
    a.rounds.classic(seven)
    a.reactor.advance(LOOK_SECONDS)
    a.off_thread.hold = False
    a.off_thread.run()
    town.advance(3)
    assert six.told == [(Code.CLOSED, "no draw is open")]  # it is concluded by then
    assert seven.told == [(Code.CLOSED, "draw 1 takes no more bets")]
    assert [part.outcome for part in town.table.record.agencies] == ["succeeded", "left_out"]
    town.stop()


# The winners.


def both_sent(town: Town, a: Central, b: Central) -> tuple[FakeSession, FakeSession]:
    """Let agency 5 come to one central and agency 6 to the other, send all, and end."""
    five, six = a.comes(5), b.comes(6)
    for central, session in ((a, five), (b, six)):
        central.sends(session, ROWS)
        central.ends(session, 3)
    town.look()
    town.look()
    return five, six


def test_each_central_delivers_to_its_own() -> None:
    """And the draw is at its end at both when all are told."""
    town = Town(2)
    a, b = town.two()
    five, six = both_sent(town, a, b)
    won = [(1, NUMBER, [ROWS[2]])]
    assert (five.deliveries, six.deliveries) == (won, won)
    five.delivered.callback("")
    town.advance(2)
    assert town.asked("told") == [("a", 5, True)]
    assert (a.ended, b.ended) == ([], [])
    six.delivered.callback("")
    town.advance(2)
    assert (a.ended, b.ended) == (["delivered"], ["delivered"])
    assert [part.received for part in town.table.record.agencies] == [True, True]
    assert [len(each.log.of("consulta_ganadores")) for each in (a, b)] == [1, 1]
    assert a.rounds.unreceived == b.rounds.unreceived == {}
    town.stop()


def test_winners_that_are_not_received_elsewhere() -> None:
    """The draw does not wait for it here any more than there."""
    town = Town(2)
    a, b = town.two()
    five, six = both_sent(town, a, b)
    five.delivered.callback("")
    six.goes("gone")
    six.delivered.callback("gone")
    town.advance(REJOIN + 5)
    assert (a.ended, b.ended) == (["delivered"], ["delivered"])
    assert [part.received for part in town.table.record.agencies] == [True, False]
    assert town.asked("told")[-1][1:] == (6, False)
    town.stop()


def test_an_agency_that_comes_to_another_central_for_its_winners() -> None:
    """It is told there; the first one lets it go."""
    town = Town(2)
    a, b = town.two()
    five, six = both_sent(town, a, b)
    five.delivered.callback("")
    back = a.comes(6, 1)
    assert [each.ended for each in back.welcomes] == [True]
    town.look()
    six.goes("gone")
    six.delivered.callback("gone")
    town.look()
    assert [rows for _, _, rows in back.deliveries] == [[ROWS[2]]]
    back.delivered.callback("")
    town.advance(2)
    assert ("a", 6, True) in town.asked("told")
    assert ("b", 6, False) not in town.asked("told")
    assert [part.received for part in town.table.record.agencies] == [True, True]
    assert (a.ended, b.ended) == (["delivered"], ["delivered"])
    town.stop()


def test_a_central_that_dies_while_it_delivers() -> None:
    """Its agency may come for its winners to another one, which waits so long."""
    town = Town(2)
    a, b = town.two()
    five, _ = both_sent(town, a, b)
    five.delivered.callback("")
    b.dies()
    town.advance(LEASE_SECONDS + 5)
    assert a.ended == []
    back = a.comes(6, 1)
    town.look()
    assert [rows for _, _, rows in back.deliveries] == [[ROWS[2]]]
    back.delivered.callback("")
    town.advance(2)
    assert a.ended == ["delivered"]
    assert [part.received for part in town.table.record.agencies] == [True, True]
    town.stop()


def test_a_central_that_stops_while_it_delivers() -> None:
    """It says nothing of agencies that it could not tell: others wait for them, as for the dead."""
    town = Town(2)
    a, b = town.two()
    five, _ = both_sent(town, a, b)
    five.delivered.callback("")
    b.stop()
    assert [each for each in town.asked("told") if each[1] == 6] == []
    town.advance(LEASE_SECONDS + 5)
    back = a.comes(6, 1)
    town.look()
    assert [rows for _, _, rows in back.deliveries] == [[ROWS[2]]]
    back.delivered.callback("")
    town.advance(2)
    assert [part.received for part in town.table.record.agencies] == [True, True]
    town.stop()


def test_a_central_that_dies_while_it_delivers_for_good() -> None:
    """Nobody waits for ever for its agency."""
    town = Town(2)
    a, b = town.two()
    five, _ = both_sent(town, a, b)
    five.delivered.callback("")
    b.dies()
    town.advance(LEASE_SECONDS + REJOIN + 2)
    assert a.ended == ["delivered"]
    assert [part.received for part in town.table.record.agencies] == [True, False]
    assert town.asked("told")[-1] == ("a", 6, False)
    town.stop()


# The database.


def test_a_database_that_is_away() -> None:
    """Who comes waits, who stores waits, nobody is given up; it is told once."""
    town = Town(1)
    a, b = town.two()
    session = a.comes(5)
    town.look()
    town.tables.server.away = True
    a.sends(session, ROWS[:1])
    ((what, refusal),) = session.heard
    assert (what, refusal.code, refusal.again) == ("refused", Code.STORAGE, True)
    other = b.comes(5)
    town.advance(LEASE_SECONDS + 5)
    assert other.welcomes == []
    assert not a.place(5).decided
    told = [line for line in a.log.lines if line.startswith("action: database")]
    assert 1 <= len(told) <= 2
    assert all(SENTENCE in line for line in told)
    town.tables.server.away = False
    town.advance(2)
    assert len(other.welcomes) == 1
    assert session.told == [ELSEWHERE]
    b.ends(other)
    town.advance(2)
    assert a.draw.closed
    assert (a.broken, b.broken) == ([], [])
    town.stop()


def test_others_are_not_dead_because_the_database_was_away() -> None:
    """Whoever looks first when it is back finds that nobody has counted: nobody could."""
    town = Town(2, rejoin=0.0)
    a, b = town.two()
    five, old = b.comes(5), b.comes_classic()
    town.look()
    town.tables.server.away = True
    town.advance(3 * LEASE_SECONDS)
    town.tables.server.away = False
    a.turn(2)
    a.turn(2)
    town.advance(LEASE_SECONDS)
    assert town.asked("leave out") == []
    assert [a.place(agency).elsewhere for agency in (1, 5)] == [True, True]
    for session in (five, old):
        b.ends(session)
    town.look()
    assert a.draw.closed
    town.stop()


def test_a_look_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one comes later, but not so late that others take this central for dead."""
    town = Town(1)
    a = town.central("a")
    look, times = a._ledger.shared.look, list[float]()
    takes = [0.0, 0.0]

    def slow() -> Any:
        times.append(a.reactor.seconds())
        a.reactor.rightNow += takes[-1]
        return look()

    monkeypatch.setattr(a._ledger.shared, "look", slow)
    for seconds, gap in ((0.01, LOOK_SECONDS), (0.1, 1.0), (0.2, 2.0), (3.0, LEASE_SECONDS / 4)):
        takes.append(seconds)
        town.advance(20)
        assert times[-1] - times[-2] == pytest.approx(seconds + gap, abs=LOOK_SECONDS)
    town.stop()


def test_an_agency_that_waits_long_to_be_let_in() -> None:
    """It is told that it takes too long, and is not let in when that is possible again."""
    town = Town(1)
    a = town.central("a")
    town.tables.server.away = True
    session = a.comes(5)
    town.advance(61)
    assert session.told == [(Code.STORAGE, "it takes too long")]
    town.tables.server.away = False
    town.advance(2)
    assert session.welcomes == []
    assert town.table.parts == {}
    assert len(a.comes(5).welcomes) == 1
    town.stop()


@pytest.mark.parametrize("gives_up", [False, True])
def test_an_agency_that_waits_longer_than_it_may_be_away(gives_up: bool) -> None:
    """It is there, and the database is not: nobody leaves it out, unless it has gone for long."""
    town = Town(1)
    a = town.central("a")
    five = a.comes(5)
    a.sends(five, ROWS[:1])
    five.goes("gone")
    town.advance(1)
    town.tables.server.away = True
    back = a.comes(5)
    town.advance(REJOIN + 10)
    if gives_up:
        back.over = True
        town.advance(REJOIN)
    town.tables.server.away = False
    town.advance(3)
    assert back.told == []
    if not gives_up:
        assert [each.next_index for each in back.welcomes] == [1]
        a.ends(back, 1)
        town.look()
    (part,) = town.table.record.agencies
    assert (part.outcome, part.reason) == (
        ("left_out", f"gone{NOT_BACK}") if gives_up else ("succeeded", "")
    )
    town.stop()


def test_a_session_that_goes_while_the_next_one_is_let_in() -> None:
    """What is over is said of that one, though the ledger has the next one already."""
    town = Town(1)
    a, _ = town.two()
    older = a.comes(5)
    a.off_thread.free = ""
    a.off_thread.hold = True
    newer = FakeSession()
    a.rounds.hello(Hello(5, OPEN_DRAW), newer)
    town.table.at("a").shared.enter(5)  # as the thread has done it, of which nobody has heard
    a.roll._note(town.table.at("a").shared.look())
    older.goes("gone")
    a.off_thread.hold = False
    a.off_thread.free = "lottery.central.roll"
    assert town.asked("leave") == []
    a.off_thread.run()
    town.look()
    assert town.asked("leave")[0] == ("a", 5, 1)
    assert town.table.parts[5].central == "a"
    assert newer.told == []
    town.stop()


def test_one_that_is_missed_here_and_came_elsewhere() -> None:
    """Of the session there, nobody here says that it is over."""
    town = Town(1)
    a, b = town.two()
    a.off_thread.free = ""
    a.off_thread.hold = True
    session = FakeSession()
    a.rounds.hello(Hello(5, OPEN_DRAW), session)
    session.over = True
    known = town.table.at("a").shared.enter(5)
    b.comes(5)
    a.roll._note(town.table.at("a").shared.look())
    a.draw.missed(known)
    a.off_thread.hold = False
    a.off_thread.free = "lottery.central.roll"
    a.off_thread.run()
    assert ("a", 5, 1) in town.asked("leave")
    assert ("a", 5, 2) not in town.asked("leave")
    town.stop()


def test_a_classic_agency_whose_answer_is_lost() -> None:
    """It has one place all the same."""
    town = Town(2)
    a = town.central("a")
    town.tables.server.silent = True
    one = a.comes_classic()
    assert list(town.table.parts) == [1]
    town.tables.server.silent = False
    town.advance(2)
    two = a.comes_classic()
    assert list(town.table.parts) == [1, 2]
    assert (one.told, two.told) == ([], [])
    assert None not in (one.seat, two.seat)
    town.stop()


def test_an_agency_that_is_gone_when_it_could_be_let_in() -> None:
    """It would fence the next session of its own, which has gone to another central."""
    town = Town(1)
    a, b = town.two()
    town.tables.server.away = True
    session = a.comes(5)
    town.advance(1)
    session.over = True
    town.tables.server.away = False
    back = b.comes(5)
    town.advance(2)
    assert town.table.parts[5].central == "b"
    assert back.told == []
    town.stop()


def test_an_answer_that_is_lost() -> None:
    """It is asked again: a newer session than the one that nobody knows of comes in."""
    town = Town(1)
    a, b = town.two()
    town.tables.server.silent = True
    session = a.comes(5)
    assert town.table.parts[5].standing.session == 1
    town.tables.server.silent = False
    town.advance(2)
    assert town.table.parts[5].standing.session == 2
    assert len(session.welcomes) == 1
    a.sends(session, ROWS[:1])
    assert session.heard == [("stored", 1, 1)]
    town.look()
    assert b.place(5).elsewhere
    town.stop()


def test_one_for_whom_nobody_speaks() -> None:
    """The ledger says that an agency is here, and it is not: it is away from then on."""
    town = Town(1)
    a, b = town.two()
    town.table.at("a").shared.enter(5)
    town.look()
    town.look()
    assert town.asked("leave") == [("a", 5, 1)]
    assert town.table.parts[5].central is None
    town.advance(REJOIN + 2)
    assert town.table.parts[5].left_out
    assert a.draw.closed
    assert b.draw.closed
    town.stop()


@pytest.mark.parametrize("error", [LotteryError("no"), DamagedLedger("draw 1", 0, "no")])
@pytest.mark.parametrize("what", ["look", "leave", "leave_out", "admit_no_more", "note_told"])
def test_what_the_ledger_cannot_say(
    what: str, error: LotteryError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The central hears of it."""
    town = Town(1, rejoin=0.0, deadline=DEADLINE)
    a = town.central("a")
    session = a.comes(5)

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(a._ledger.shared, what, fails)
    acts: dict[str, Callable[[], Any]] = {
        "look": town.look,
        "leave": session.goes,
        "leave_out": lambda: (session.goes(), a.reactor.work()),
        "admit_no_more": lambda: town.advance(DEADLINE + 1),
        "note_told": lambda: a.roll.told(5, received=True),
    }
    acts[what]()
    assert a.broken[0] is error
    a.broken.clear()
    monkeypatch.undo()
    town.stop()


# Its end.


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("steps", range(10))
def test_stopped_at_any_moment(steps: int, held: bool) -> None:
    """Nothing is left of it, and nobody hears of anything that fails of it; others go on."""
    town = Town(2, deadline=DEADLINE)
    a, b = town.two()
    sessions: list[FakeSession] = []

    def come() -> None:
        sessions.extend([a.comes(5), b.comes(6)])

    def go() -> None:
        sessions[0].goes()

    acts: list[Callable[[], None]] = [
        come,
        lambda: a.sends(sessions[0], ROWS),
        town.look,
        go,
        town.look,
        lambda: sessions.append(a.comes(5)),
        lambda: a.ends(sessions[2], 3),
        lambda: b.ends(sessions[1]),
        town.look,
        town.look,
    ]
    for act in acts[:steps]:
        act()
    a.off_thread.hold = held
    if held and steps < 3:
        a.comes(7)
    a.turn(2 * LOOK_SECONDS)
    a.stop()
    beats = dict(town.tables.server.beats)
    town.advance(5)
    assert town.tables.server.beats["a"] == beats["a"]
    assert town.tables.server.beats["b"] > beats["b"] or b.ended
    town.advance(LEASE_SECONDS + DEADLINE)
    for session in sessions:
        if session.deliveries and not session.over:
            session.delivered.callback("")
    town.advance(2 * REJOIN)
    # A deadline begins with the first that comes.
    assert len(b.ended) == bool(town.table.parts)
    town.stop()


def test_second_learner_learns_all_that_is_known() -> None:
    """Who concludes a draw is told of each part once more."""
    town = Town(2)
    a, _ = town.two()
    a.comes(5)

    class Notes:
        def __init__(self) -> None:
            self.learnt: list[int] = []
            self.states: list[str] = []

        def learn(self, known: Any, *, here: bool, alive: bool) -> None:
            assert here
            assert alive
            self.learnt.append(known.agency)

        def learn_state(self, found: Any) -> None:
            self.states.append(found.state)

        def is_missed(self, agency: int) -> bool:
            return False

    notes = Notes()
    a.roll.watch(notes)
    town.advance(3 * LOOK_SECONDS)
    assert notes.learnt == [5]
    assert notes.states == ["open"] * 3
    town.stop()
