"""A draw that is open, then closing: who takes part, and when all parts are decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.central.acknowledged import Acknowledged
from lottery.central.deadline import Deadline
from lottery.central.outcomes import log_outcome
from lottery.central.participant import Participant
from lottery.central.place import Abandoned, LeftOut, Place
from lottery.central.roll import ALONE, Roll
from lottery.central.terms import DrawTerms
from lottery.errors import Code, RemoteProtocolError
from lottery.ledger.face import Attendance, Attendances, DrawLedger
from lottery.ledger.record import DrawRecord
from lottery.ledger.standing import Standing
from lottery.ops.log import ActionLog
from lottery.wire import classic, lottery1
from lottery.wire.messages import DrawState, Hello
from lottery.writer.pool import WriterPool
from lottery.writer.seat import Seat

T = TypeVar("T")


class Draw:
    """A draw that is open, then closing.

    The :class:`DeferredList` over the outcomes is made here, from the places: made
    from the sessions seen so far, it would fire as soon as the first few had ended, or
    at once if there was none.

    :ivar record: as it was opened.
    :ivar taken: the places that agencies have taken, by their numbers.
    :ivar came: fires when the first of them has come, be it to an earlier process.
    :ivar closed: whether every part is decided, so that nobody can come in any more.
    :ivar outcomes: fires with the places of those who succeeded once every part is decided.
    """

    def __init__(
        self,
        ledger: DrawLedger,
        record: DrawRecord,
        pool: WriterPool,
        clock: IReactorTime,
        terms: DrawTerms,
        log: ActionLog,
        roll: Roll = ALONE,
    ) -> None:
        """:param record: that of the open draw; it says how many agencies may take part."""
        self.ledger = ledger
        self.record = record
        self.number = record.draw
        self.pool = pool
        self.roll = roll
        self.places = [Place(clock, terms.rejoin, roll) for _ in range(record.places)]
        self.closed = False
        self.taken: dict[int, Place] = {}
        self.came: Deferred[None] = Deferred()
        self._next_number = 1
        self._terms = terms
        self._deadline = Deadline(clock, terms.deadline, self._too_late)
        self._log = log
        self._restoring = False
        self._acknowledged = Acknowledged(record.draw, record.places, log)
        self._roster: frozenset[int] | None = None
        self._classic_places = 0
        for place in self.places:
            place.outcome.addBoth(self._note_outcome, place)
        outcomes = DeferredList([place.outcome for place in self.places], consumeErrors=True)
        self.outcomes: Deferred[list[Place]] = outcomes.addCallback(self._decide)

    def restore(self, standings: Mapping[int, Standing]) -> None:
        """Give those their places whose bets an earlier process of the central has stored."""
        self._restoring = True
        for (agency, standing), place in zip(standings.items(), self.places, strict=False):
            dialect = classic.DIALECT if standing.classic else lottery1.DIALECT
            self.taken[agency] = place
            self._note_coming()
            place.restore(agency, dialect, standing)
            if not standing.ended:
                place.wait_anew()
        self._restoring = False

    def keep_places(self, roster: frozenset[int], classic_places: int) -> None:
        """Keep the places for those of a roster, and some for classic agencies.

        Who has a place and has not ended, and is not on the roster, is left out. A place that
        nobody can take any more is decided, or the draw would wait for ever.
        """
        self._roster, self._classic_places = roster, classic_places
        for agency, place in self.taken.items():
            if agency not in roster and place.dialect != classic.DIALECT:
                place.leave_out(LeftOut(Code.AUTH, "it is not on the roster any more"))
        for place in self._free[self._missing + self._classic_places_left :]:
            place.fail(LeftOut(Code.AUTH, "nobody of the roster is left for it"))

    @property
    def _free(self) -> list[Place]:
        return [place for place in self.places[len(self.taken) :] if not place.decided]

    @property
    def _missing(self) -> int:
        return len((self._roster or frozenset()) - self.taken.keys())

    @property
    def _classic_places_left(self) -> int:
        """How many classic agencies may still come: none takes a place that the roster needs."""
        there = sum(place.dialect == classic.DIALECT for place in self.taken.values())
        return max(0, min(self._classic_places - there, len(self._free) - self._missing))

    def leave_out_others(self, reason: str) -> None:
        """Decide every part that is not decided yet."""
        for place in self.places:
            why = reason if place.agency is not None else "it never came"
            place.fail(LeftOut(Code.LEFT_OUT, why))

    # What other centrals know.

    async def expect(self, agency: int, wanted: Callable[[], bool]) -> Attendance | None:
        """Learn how it stands with an agency that comes, before it is let in.

        :param wanted: whether it is still there.
        :returns: what a shared ledger says of it.
        :raises RemoteProtocolError: if it may not come.
        :raises Interrupted: if it is not, or the central is being stopped.
        """
        place = self.taken.get(agency)
        if place is None:
            return await self.roll.enter(agency, wanted)
        place.arriving, known = True, None
        try:
            known = await self.roll.enter(agency, wanted)
        finally:
            place.arriving = False
            if known is None:
                self._leave_out_if_late(place)
        return known

    async def expect_classic(self, wanted: Callable[[], bool]) -> Attendance | None:
        """Learn which number a classic agency gets; as :meth:`expect`."""
        self._check_classic()
        most = len(self.places) if self._roster is None else self._classic_places
        return await self.roll.enter_classic(self._roster or (), most, wanted)

    def missed(self, known: Attendance) -> None:
        """Note that an agency has gone while it was let in."""
        place = self.taken.get(known.agency)
        if place is not None and place.session is None:
            place.missed(known.standing.session)
            self._leave_out_if_late(place)

    def learn(self, known: Attendance, *, here: bool, alive: bool) -> None:
        """Learn how an agency's part stands, at whichever central."""
        place = self.taken.get(known.agency)
        if place is None:
            if len(self.taken) == len(self.places):
                return  # it came to a draw that had more places
            dialect = classic.DIALECT if known.standing.classic else lottery1.DIALECT
            place = self._next_place(known.agency, dialect, None)
        place.learn(known, here=here, alive=alive)
        self._leave_out_if_late(place)

    def is_missed(self, agency: int) -> bool:
        """Whether nobody here speaks for an agency."""
        place = self.taken.get(agency)
        return place is not None and place.session is None

    def learn_state(self, found: Attendances) -> None:
        """Learn whether anybody may still come."""
        if found.state != "open" or not found.admits:
            self._nobody_else_comes()

    # Who comes.

    def hello(self, hello: Hello, session: Participant) -> None:
        """Give an agency that says who it is its place, and welcome it when that is settled.

        :raises RemoteProtocolError: CLOSED, FULL, TAKEN, LEFT_OUT, or SEQ if it has been
            told of bets that are not here.
        """
        agency = hello.agency
        place = self.taken.get(agency)
        if place is not None and place.dialect == classic.DIALECT:
            raise RemoteProtocolError(
                Code.TAKEN, f"agency {agency} is a classic one in draw {self.number}"
            )
        if place is not None and place.refuses:
            raise RemoteProtocolError(
                Code.LEFT_OUT, f"agency {agency} has no part in draw {self.number} any more"
            )
        self._acknowledged.check(hello, place.stored if place is not None else 0)
        if place is None:
            place = self._take(agency, lottery1.DIALECT, session)
        else:
            self._deadline.begin()
            session.join(place)
            place.come_back(session)
        place.when_settled(lambda: self._welcome(place, session))

    def _welcome(self, place: Place, session: Participant) -> None:
        if place.session is not session:
            return  # it is gone already, or fenced
        if place.refuses:
            session.fail(Code.LEFT_OUT, f"it has no part in draw {self.number} any more")
            return
        seat = None
        if not place.standing.ended:
            if self._deadline.passed:
                session.fail(Code.TIMEOUT, self._deadline.why.reason)
                return
            try:
                seat = self._seat(place, session)
            except RemoteProtocolError as error:
                session.lost(error.sentence)
                return
        session.welcome(self._terms.welcome(self.number, DrawState.OPEN, place.standing), seat)

    def classic(self, session: Participant, number: int | None = None) -> Seat:
        """Give a classic agency, which cannot say who it is, a number and a seat.

        :param number: if it has one already; else it is the next one.
        :raises RemoteProtocolError: CLOSED or FULL, or STORAGE if no writer can be started.
        """
        if number is None:
            self._check_classic()
            while self._next_number in self.taken or self._next_number in (self._roster or ()):
                self._next_number += 1
            place = self._take(self._next_number, classic.DIALECT, session)
            place.standing = Standing(classic=True)
        else:
            place = self.taken[number]
            place.take(number, classic.DIALECT, session)
            if self._deadline.passed:
                raise RemoteProtocolError(Code.TIMEOUT, self._deadline.why.reason)
        return self._seat(place, session)

    def _check_classic(self) -> None:
        if self._roster is not None and not self.closed and not self._classic_places_left:
            raise RemoteProtocolError(Code.FULL, "all places of classic agencies are taken")

    def _seat(self, place: Place, session: Participant) -> Seat:
        assert place.agency is not None
        try:
            seat = self.pool.seat(session, place.agency, place.standing)
        except OSError as error:
            self._log("writer", "fail", LogLevel.error, error=f"none can start, {error}")
            raise RemoteProtocolError(Code.STORAGE, "the central cannot store now") from error
        place.seated(seat)
        return seat

    def abandon(self) -> None:
        """Decide nothing any more: the central is being stopped."""
        for place in self.places:
            place.fail(Abandoned())

    def _take(self, agency: int, dialect: str, session: Participant) -> Place:
        if self.closed:
            raise RemoteProtocolError(Code.CLOSED, f"draw {self.number} takes no more bets")
        if len(self.taken) == len(self.places):
            raise RemoteProtocolError(
                Code.FULL, f"all {len(self.places)} places of draw {self.number} are taken"
            )
        if self.places[len(self.taken)].decided:
            # The deadline has passed; that the draw is not closed yet is for others' sake.
            raise RemoteProtocolError(Code.CLOSED, f"draw {self.number} takes no more agencies")
        return self._next_place(agency, dialect, session)

    def _next_place(self, agency: int, dialect: str, session: Participant | None) -> Place:
        place = self.taken[agency] = self.places[len(self.taken)]
        self._deadline.begin()
        self._note_coming()
        place.take(agency, dialect, session)
        return place

    def _note_coming(self) -> None:
        if not self.came.called:
            self.came.callback(None)

    def _too_late(self) -> None:
        for place in self.places:
            if place.session is not None and not place.decided:
                place.session.fail(Code.TIMEOUT, self._deadline.why.reason)
            elif place.agency is not None:
                self._leave_out_if_late(place)
        self.roll.admit_no_more(self._nobody_else_comes)

    def _leave_out_if_late(self, place: Place) -> None:
        """Leave an agency out that nobody speaks for, once the deadline has passed.

        In a ledger that is shared, it may be let in at the very moment, and be learnt of later.
        """
        if self._deadline.passed and place.session is None and not place.arriving:
            place.leave_out(self._deadline.why)

    def _nobody_else_comes(self) -> None:
        for place in self.places[len(self.taken) :]:
            place.fail(LeftOut(Code.TIMEOUT, "it never came"))

    def _note_outcome(self, outcome: T, place: Place) -> T:
        """Log what came of an agency; what an earlier process has logged is not told again."""
        abandoned = isinstance(outcome, Failure) and isinstance(outcome.value, Abandoned)
        if place.agency is not None and not (place.learnt or self._restoring or abandoned):
            log_outcome(place, self._log)
        return outcome

    def _decide(self, results: Sequence[tuple[bool, object]]) -> list[Place]:
        self.closed = True
        self._deadline.stop()
        return [
            place for place, (succeeded, _) in zip(self.places, results, strict=True) if succeeded
        ]
