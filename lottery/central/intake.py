"""Notes now and then how many bets of a draw are stored, for people who look back."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from lottery.central.draw import Draw
from lottery.ledger.intake import EVERY_SECONDS, IntakeLog
from lottery.writer.disk import DiskWork

T = TypeVar("T")


class IntakeTimeline:
    """The timeline of one draw, from when somebody comes to it until its parts are decided."""

    def __init__(self, draw: Draw, log: IntakeLog, clock: IReactorTime, disk: DiskWork) -> None:
        self._draw = draw
        self._clock = clock
        self._disk = disk
        self._log = log
        self._noted = -1
        self._writing = DeferredLock()  # a slow disk has one at work; only the last line waits
        self._next: IDelayedCall | None = None
        draw.came.addCallback(lambda _: self._look())
        draw.outcomes.addBoth(self._end)

    def _look(self) -> None:
        self._next = self._clock.callLater(EVERY_SECONDS, self._look)
        self._note(last=False)

    def _note(self, *, last: bool) -> None:
        """Write a line in a thread; what becomes of it is of no consequence."""
        bets = sum(place.stored for place in self._draw.taken.values())
        moment = self._clock.seconds()
        if not last and (bets == self._noted or self._writing.locked):
            return
        self._noted = bets

        def work() -> None:
            self._log.note(moment, bets, last=last)

        def begin() -> Deferred[None]:
            return Deferred.fromCoroutine(self._disk.do("intake", work))

        self._writing.run(begin).addErrback(lambda _: None)

    def _end(self, outcome: T) -> T:
        if self._next is not None:
            self._next.cancel()
            self._note(last=True)
        return outcome
