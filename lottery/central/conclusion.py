"""The rest of a draw's life: closing, sealed, drawn, delivered.

Each step is published in the draw's record before the next one is begun, so a central
that is started again goes on at the step reached, and never draws again. What is told
to agencies is told only when it is published.

An agency that comes back to a draw which is no longer open comes here: it waits for its
winners, or fetches them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogLevel

from lottery.central.acknowledged import Acknowledged
from lottery.central.participant import Participant
from lottery.central.place import Abandoned, Place
from lottery.central.roll import ALONE, Roll
from lottery.central.terms import DrawTerms
from lottery.errors import Code, DamagedLedger, RemoteProtocolError
from lottery.ledger.face import Attendance, Attendances, DrawLedger
from lottery.ledger.longwork import Interrupted
from lottery.ledger.record import DrawRecord
from lottery.ledger.standing import Standing
from lottery.ops.log import ActionLog
from lottery.wire import classic
from lottery.wire.messages import DrawState, Hello
from lottery.writer.disk import DiskWork

#: How often an agency is told its winners before it is given up; one that takes a part
#: and goes, again and again, must not keep a draw from its end.
MOST_TELLINGS = 20

Winners = dict[int, list[bytes]]

_STATES = {
    "closing": DrawState.CLOSING,
    "sealed": DrawState.SEALED,
    "drawn": DrawState.DRAWN,
    "delivered": DrawState.DELIVERED,
    "void": DrawState.VOID,
}


class Conclusion:
    """A draw that takes no more bets.

    :ivar record: the step reached, as it is published.
    :ivar received: the agencies that have acknowledged their winners.
    """

    def __init__(
        self,
        ledger: DrawLedger,
        record: DrawRecord,
        places: Iterable[Place],
        clock: IReactorTime,
        terms: DrawTerms,
        disk: DiskWork,
        received: Callable[[int], None],
        log: ActionLog,
        roll: Roll = ALONE,
    ) -> None:
        """:param places: those of agencies that succeeded; of the others nobody speaks here.

        :param received: told of each agency that has acknowledged its winners.
        """
        self.ledger = ledger
        self.number = record.draw
        self.record = record
        self.places = {place.agency: place for place in places if place.agency is not None}
        self._is_closing = False
        self._clock = clock
        self._terms = terms
        self._disk = disk
        self._note_received = received
        self._log = log
        self.roll = roll
        self.received = {each.agency for each in record.agencies if each.received}
        self._due: set[int] = set()
        self._told_elsewhere: set[int] = set()
        self._publishing = DeferredLock()
        self._rereading = DeferredLock()
        self._acknowledged = Acknowledged(record.draw, record.places, log)
        self._add_places()

    async def close(self) -> None:
        """Publish that the draw takes no more bets.

        :raises Interrupted: if the central is being stopped.
        """
        ledger, record = self.ledger, self.record
        self._is_closing = self.roll is not ALONE
        self.record = await self._disk.do("closing", lambda: ledger.close(record))
        self._is_closing = False
        self._add_places()
        self.roll.watch(self)

    def _add_places(self) -> None:
        """Have a place for everybody who has succeeded, be it elsewhere or earlier."""
        for part in self.record.succeeded:
            if part.agency not in self.places:
                place = self.places[part.agency] = Place(self._clock, self._terms.rejoin)
                standing = Standing(part.bets, part.crc32, ended=True)
                place.restore(part.agency, part.dialect, standing)

    async def run(self, winning_number: int | None) -> None:
        """Go on from the step reached to the end.

        :param winning_number: the number to draw, if it is not drawn yet, nor to be made of a
            secret.
        :raises DamagedLedger: if not all is there that was acknowledged to an agency which
            takes part: no number is drawn over less.
        :raises Interrupted: if the central is being stopped.
        """
        ledger, stopped = self.ledger, self._is_stopped
        if self.record.state == "closing":
            record = self.record
            self.record = await self._disk.do("seal", lambda: ledger.seal(record, stopped))
        if self.record.state == "void":
            self._log("sorteo", "fail", LogLevel.warn, draw=self.number, error="void, nobody ended")
            return
        if self.record.state == "sealed":
            sealed = self.record
            self.record = await self._disk.do(
                "draw", lambda: ledger.draw_number(sealed, winning_number, stopped)
            )
        if self.record.state in ("drawn", "delivered"):
            drawn = self.record.winning_number
            if winning_number not in (None, drawn) and self.record.secret is None:
                details = {"number": drawn, "wanted": winning_number}
                self._log("number_kept", "success", LogLevel.warn, draw=self.number, **details)
            await self._deliver_all()

    async def expect(self, agency: int, wanted: Callable[[], bool]) -> None:
        """Let other centrals know that an agency has come here for its winners.

        :raises RemoteProtocolError: BUSY, if it may have succeeded elsewhere.
        :raises Interrupted: if the central is being stopped.
        """
        if self._is_closing and agency not in self.places:
            raise RemoteProtocolError(Code.BUSY, f"draw {self.number} is being closed")
        if self.record.part_of(agency) is not None:
            await self.roll.enter(agency, wanted)

    def learn(self, known: Attendance, *, here: bool, alive: bool) -> None:
        """Learn whether an agency is told its winners by another central, or was."""
        place = self.places.get(known.agency)
        if place is None:
            return
        was, place.elsewhere = place.elsewhere, not here and alive and known.received is None
        if known.received and known.agency not in self.received:
            self.received.add(known.agency)
            self._note_received(known.agency)
        if known.received is not None:
            self._told_elsewhere.add(known.agency)
        if known.received is not None or (was and not place.elsewhere):
            place.stop_waiting()

    def is_missed(self, agency: int) -> bool:
        """Whether nobody here speaks for an agency: nobody waits for it to say so."""
        return False

    def learn_state(self, found: Attendances) -> None:
        """Whoever takes the next step takes it in the ledger."""

    def hello(self, hello: Hello, session: Participant) -> None:
        """Welcome an agency that comes back for its winners.

        :raises RemoteProtocolError: LEFT_OUT, CLOSED, or SEQ if it has been told of bets
            that are not here.
        """
        part = self.record.part_of(hello.agency)
        if part is None:
            raise RemoteProtocolError(Code.CLOSED, f"draw {self.number} takes no more bets")
        place = self.places.get(hello.agency)
        if place is None or place.dialect == classic.DIALECT:
            raise RemoteProtocolError(
                Code.LEFT_OUT, f"agency {hello.agency} has no part in draw {self.number} any more"
            )
        self._acknowledged.check(hello, part.bets)
        standing = Standing(part.bets, part.crc32, ended=True)
        state = _STATES[self.record.state]
        session.join(place)
        # First: whoever waits for the agency to come back tells it its winners then.
        session.welcome(self._terms.welcome(self.number, state, standing), None)
        place.come_back(session)
        told = self.record.state in ("drawn", "delivered")
        if told and hello.agency not in self._due:
            again = Deferred.fromCoroutine(self._deliver_again(place, session))
            again.addErrback(lambda failure: self._log.failure("winners were not told", failure))

    def abandon(self) -> None:
        """Wait for nobody any more: the central is being stopped."""
        for place in self.places.values():
            place.fail(Abandoned())

    async def _deliver_all(self) -> None:
        if self.record.secret is not None and self.record.bets_csv is not None:
            details = {"secret": self.record.secret, "bets_csv": self.record.bets_csv.sha256}
            self._log("secret", "success", draw=self.number, **details)
        self._log(
            "sorteo",
            "success",
            draw=self.number,
            winning_number=self.record.winning_number,
            agencies=len(self.places),
            left_out=len(self.record.agencies) - len(self.places),
        )
        self._due = set(self.places)
        winners = await self._read_winners()
        deliveries = (self._deliver(place, winners) for place in self.places.values())
        await gatherResults([Deferred.fromCoroutine(each) for each in deliveries])
        if self._is_stopped():
            raise Interrupted
        await self._publish()
        self._log("delivered", "success", draw=self.number, agencies=len(self.received))

    async def _deliver(self, place: Place, winners: Winners) -> None:
        """Tell an agency its winners; one that is away may come back for them."""
        assert place.agency is not None
        left = self._terms.rejoin
        why_not = "the agency is away"
        for _ in range(MOST_TELLINGS):
            while place.session is None and place.elsewhere and not self._is_stopped():
                await place.comes_back(self._terms.delivery)
            if place.agency in self._told_elsewhere and place.session is None:
                self._due.discard(place.agency)
                return
            if place.session is None:
                if place.dialect == classic.DIALECT or left <= 0 or self._is_stopped():
                    break
                since = self._clock.seconds()
                came = await place.comes_back(left)
                left -= self._clock.seconds() - since
                if not came:
                    continue  # its time is over, or it may have come elsewhere
            why_not = await self._tell(place, winners)
            if not why_not or place.dialect == classic.DIALECT or place.was_silent:
                break
        self._due.discard(place.agency)
        if place.agency in self._told_elsewhere and why_not:
            return
        if not why_not or not self._is_stopped():  # else others wait for it, or the next start
            self.roll.told(place.agency, received=not why_not)
        details: dict[str, object] = {"error": why_not} if why_not else {}
        self._log(
            "consulta_ganadores",
            "fail" if why_not else "success",
            LogLevel.warn if why_not else LogLevel.info,
            draw=self.number,
            agency=place.agency,
            cant_ganadores=len(winners.get(place.agency, [])),
            **details,
        )

    async def _tell(self, place: Place, winners: Winners) -> str:
        """Tell an agency its winners once; gives why they were not received, if so."""
        agency, session, number = place.agency, place.session, self.record.winning_number
        assert agency is not None and session is not None and number is not None  # noqa: PT018
        why_not = await session.deliver(self.number, number, winners.get(agency, []))
        if not why_not:
            self.received.add(agency)
            self._note_received(agency)
        return why_not

    async def _deliver_again(self, place: Place, session: Participant) -> None:
        """Tell an agency its winners when they were told, or could not be told, before."""
        try:
            winners = await self._winners_of(place, session)
            if place.session is not session or await self._tell(place, winners):
                return
            published = {each.agency for each in self.record.agencies if each.received}
            if self.record.state == "delivered" and published != self.received:
                await self._publish()
        except Interrupted:
            return
        except (DamagedLedger, OSError) as error:
            self._log("damage", "fail", LogLevel.critical, error=error)
            session.fail(Code.STORAGE, f"the results of draw {self.number} cannot be read")

    async def _winners_of(self, place: Place, session: Participant) -> Winners:
        """Read the winners of one agency, if it still waits; one reading at a time is enough."""
        await self._rereading.acquire()
        try:
            winners = await self._read_winners() if place.session is session else {}
        finally:
            self._rereading.release()
        assert place.agency is not None
        return {place.agency: winners.get(place.agency, [])}

    async def _read_winners(self) -> Winners:
        ledger, record, stopped = self.ledger, self.record, self._is_stopped
        return await self._disk.do("winners", lambda: ledger.winners(record, stopped))

    async def _publish(self) -> None:
        """Publish who has received its winners."""
        await self._publishing.acquire()
        try:
            ledger, record, received = self.ledger, self.record, frozenset(self.received)
            self.record = await self._disk.do(
                "delivered", lambda: ledger.note_delivered(record, received)
            )
        finally:
            self._publishing.release()

    def _is_stopped(self) -> bool:
        return self._disk.stopped
