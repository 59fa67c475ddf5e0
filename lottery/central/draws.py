"""Which draw an agency belongs to: the open one, one that is being concluded, a former one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Final
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from lottery.central.conclusion import Conclusion
from lottery.central.draw import Draw
from lottery.central.participant import Participant
from lottery.central.place import Place
from lottery.central.reconnects import Reconnects
from lottery.central.roll import ALONE, Roll
from lottery.central.terms import DrawTerms
from lottery.errors import Code, DamagedLedger, LotteryError, RemoteProtocolError
from lottery.ledger.face import DrawLedger, Ledgers
from lottery.ledger.longwork import Interrupted
from lottery.ledger.record import DrawRecord
from lottery.ops.log import ActionLog
from lottery.wire import classic
from lottery.wire.messages import OPEN_DRAW, Hello
from lottery.writer.disk import DiskWork

#: How long an agency waits to be let in, if it may be silent for ever otherwise.
HELD_SECONDS: Final = 30.0


class Draws:
    """The draws of a central.

    :ivar open: the one that takes bets; None before the first and behind the last.
    :ivar opening: whether the next one is being opened: whoever comes waits for it.
    :ivar latest: the one that has closed last since the central was started.
    :ivar unreceived: by agency, the latest draw whose winners it has not acknowledged.
    """

    def __init__(
        self,
        ledgers: Ledgers,
        clock: IReactorTime,
        terms: DrawTerms,
        disk: DiskWork,
        reconnects: Reconnects,
        broken: Callable[[Failure], None],
        log: ActionLog,
    ) -> None:
        """:param broken: told of what the central cannot go on with."""
        self.open: Draw | None = None
        self.opening = False
        self.latest: Conclusion | None = None
        self.unreceived: dict[int, int] = {}
        self._ledgers = ledgers
        self._clock = clock
        self.terms = terms
        self._disk = disk
        self._reconnects = reconnects
        self._broken = broken
        self._waiting: list[Deferred[None]] = []
        # By agency: the newest session that is being let in; it fires when that is done.
        self._coming: dict[int, Deferred[None]] = {}
        self._log = log
        self._concluding: dict[int, Conclusion] = {}
        # As long as somebody is told its winners of one, others come to the same: two that
        # publish who has received them must know of each other.
        self._past: WeakValueDictionary[int, Conclusion] = WeakValueDictionary()

    @property
    def concluding(self) -> list[Conclusion]:
        """Those that are closed and not yet at their end."""
        return list(self._concluding.values())

    def conclude(self, conclusion: Conclusion) -> None:
        """Note a draw that takes no more bets; its agencies' winners are due."""
        self._concluding[conclusion.number] = self.latest = conclusion
        self.owe(conclusion)

    def owe(self, conclusion: Conclusion) -> None:
        """Note to whom the winners of a draw are due."""
        for agency, place in conclusion.places.items():
            if place.dialect != classic.DIALECT:  # there is no coming back in that one
                latest = max(conclusion.number, self.unreceived.get(agency, 0))
                self.unreceived[agency] = latest

    def concluded(self, conclusion: Conclusion) -> None:
        """Note that a draw is at its end."""
        del self._concluding[conclusion.number]
        self._past[conclusion.number] = conclusion

    def conclusion(
        self,
        ledger: DrawLedger,
        record: DrawRecord,
        places: Iterable[Place] = (),
        roll: Roll = ALONE,
    ) -> Conclusion:
        """Make what concludes a draw.

        :param places: those of agencies that succeeded; of the others nobody speaks at present.
        """

        def received(agency: int) -> None:
            self.received(agency, record.draw)

        return Conclusion(
            ledger, record, places, self._clock, self.terms, self._disk, received,
            self._log, roll,
        )  # fmt: skip

    def received(self, agency: int, draw: int) -> None:
        """Note that an agency has acknowledged its winners of a draw."""
        if self.unreceived.get(agency) == draw:
            del self.unreceived[agency]

    def hello(self, hello: Hello, session: Participant) -> None:
        """Bring an agency that says who it is to where it is expected, or tell it why not.

        :raises RemoteProtocolError: if it comes too often.
        """
        self._reconnects.comes(hello.agency)
        self._bring(self._in_turn(hello, session), session)

    def classic(self, session: Participant) -> None:
        """Bring a classic agency, which cannot say who it is, to the open draw."""
        self._bring(self._seat(session), session)

    def _bring(self, coming: Coroutine[Deferred[None], None, None], session: Participant) -> None:
        """Let an agency come, which may take a moment; one that has to wait for long is told so."""

        def refused(failure: Failure) -> None:
            error = failure.value
            if isinstance(error, RemoteProtocolError):
                session.fail(error.code, error.sentence)
            elif failure.check(LotteryError, OSError):
                self._broken(failure)
            elif not failure.check(Interrupted):
                self._log.failure("an agency could not be let in", failure)
                session.fail(Code.STORAGE, "the central cannot serve it")

        came = Deferred.fromCoroutine(coming).addErrback(refused)
        if not came.called:
            session.expected()
            held = self.terms.silence or HELD_SECONDS
            late = self._clock.callLater(held, session.fail, Code.STORAGE, "it takes too long")
            came.addCallback(lambda _: late.cancel() if late.active() else None)

    async def _in_turn(self, hello: Hello, session: Participant) -> None:
        """Let the sessions of an agency in as they come, so that the newest one is the last."""
        before = self._coming.get(hello.agency)
        done = self._coming[hello.agency] = Deferred()
        try:
            if before is not None:
                await before
            await self._welcome(hello, session)
        finally:
            if self._coming[hello.agency] is done:
                del self._coming[hello.agency]
            done.callback(None)

    async def _welcome(self, hello: Hello, session: Participant) -> None:
        await self._opened()
        if session.is_over():
            return
        where = await self._find(hello)
        if where is None:
            raise RemoteProtocolError(Code.CLOSED, self._not_open(hello.draw))
        known = await where.expect(hello.agency, lambda: not session.is_over())
        if isinstance(where, Draw) and where.closed and where is not self.open:
            await self._welcome(hello, session)  # it has closed meanwhile
        elif not session.is_over():
            where.hello(hello, session)
        elif isinstance(where, Draw) and known is not None:
            where.missed(known)

    async def _seat(self, session: Participant) -> None:
        await self._opened()
        if session.is_over():
            return
        draw = self.open
        if draw is None:
            raise RemoteProtocolError(Code.CLOSED, self._not_open(0))
        known = await draw.expect_classic(lambda: not session.is_over())
        if not session.is_over():
            session.seated(draw.classic(session, known.agency if known is not None else None))
        elif known is not None:
            draw.missed(known)

    async def _opened(self) -> None:
        """Wait for the next draw, if it is being opened."""
        while self.opening and (self.open is None or self.open.closed):
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def note_opened(self, draw: Draw | None) -> None:
        """Note which draw is open, if any; those that have waited for it come now."""
        self.open, self.opening = draw, False
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    async def _find(self, hello: Hello) -> Draw | Conclusion | None:
        agency, wanted, opened = hello.agency, hello.draw, self.open
        if wanted == OPEN_DRAW:
            return opened
        owed = 0
        if wanted == 0 and not (opened and not opened.closed and agency in opened.taken):
            wanted = owed = self.unreceived.get(agency, 0)
        if wanted == 0 or (opened is not None and not opened.closed and opened.number == wanted):
            return opened
        if wanted in self._concluding:
            return self._concluding[wanted]
        try:
            former = await self._former(wanted)
            if owed and former is not None and await self._has_received(agency, former):
                self.received(agency, owed)
                return self.open
        except (DamagedLedger, OSError) as error:
            raise RemoteProtocolError(
                Code.STORAGE, f"the results of draw {wanted} cannot be read"
            ) from error
        return former

    async def _has_received(self, agency: int, former: Conclusion) -> bool:
        """Whether an agency has its winners of a draw at its end, be it from another central."""
        if self._ledgers.alone:
            return agency in former.received
        record = await self._disk.do("former", former.ledger.read)
        part = record.part_of(agency)
        return part is not None and bool(part.received)

    async def _former(self, number: int) -> Conclusion | None:
        """Give a draw that is at its end, if there was one of this number.

        :raises DamagedLedger: if its record is damaged.
        :raises OSError: if its record cannot be read.
        """
        past = self._past.get(number)
        if past is not None:
            return past

        def work() -> tuple[DrawLedger, DrawRecord] | None:
            ledger = self._ledgers.find(number)
            return None if ledger is None else (ledger, ledger.read())

        found = await self._disk.do("former", work)
        if found is None:
            return None
        if found[1].state in ("open", "closing", "sealed"):
            # Others are at it, and further than we are: we would never tell its winners.
            raise RemoteProtocolError(Code.BUSY, f"draw {number} is not open here yet")
        past = self._past.get(number)  # somebody else may have asked meanwhile
        if past is None:
            past = self._past[number] = self.conclusion(*found)
        return past

    def _not_open(self, wanted: int) -> str:
        opened = "none" if self.open is None else f"draw {self.open.number}"
        asked = wanted not in (0, OPEN_DRAW)
        return f"draw {wanted} is not open, {opened} is" if asked else "no draw is open"
