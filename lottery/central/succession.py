"""One draw after the other: opened or taken up again, held until all parts are decided, concluded.

While a draw is concluded, the next one is open already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import asdict, evolve
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.central.announcements import tell_promise
from lottery.central.conclusion import Conclusion
from lottery.central.draw import Draw
from lottery.central.draws import Draws
from lottery.central.intake import IntakeTimeline
from lottery.central.outcomes import log_left_out, parts_of
from lottery.central.place import Place
from lottery.central.roll import ALONE, Roll, Shared
from lottery.errors import LotteryError
from lottery.ledger.face import DrawLedger, Ledgers, Unfinished
from lottery.ledger.longwork import Interrupted
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.settings import CentralSettings
from lottery.writer.disk import DiskWork
from lottery.writer.pool import ReactorForWriters, WriterPool, WriterTerms


class Succession:
    """The draws of a central, in order.

    :ivar pools: the writers of those that take bets, or have just ceased to.
    """

    def __init__(
        self,
        settings: CentralSettings,
        reactor: ReactorForWriters,
        ledgers: Ledgers,
        disk: DiskWork,
        rounds: Draws,
        keep_places: Callable[[Draw], None],
        broken: Callable[[Failure], None],
        figures: Figures,
        log: ActionLog,
    ) -> None:
        """:param rounds: what the agencies are brought to.

        :param keep_places: has a draw keep its places for those who may come.
        :param broken: told of whatever the central cannot go on with.
        """
        self._settings = settings
        self._reactor = reactor
        self._ledgers = ledgers
        self._disk = disk
        self._rounds = rounds
        self._keep_places = keep_places
        self._broken = broken
        self._figures = figures
        self._log = log
        self._closing: list[Deferred[None]] = []
        self._draws = 0
        self.pools: list[WriterPool] = []

    def begin(self, unfinished: Sequence[Unfinished], places: int) -> list[Unfinished]:
        """Open the draw that takes bets, or take it up again.

        :param unfinished: what earlier processes have left.
        :param places: how many agencies may take part in a new one.
        :returns: the others of those, for :meth:`go_on`.
        :raises OSError: if none can be opened.
        """
        others = list(unfinished)
        self._draws = len(others)
        if others and others[-1].record.state == "open":
            self._rounds.open = self._restore(others.pop(), places)
        elif self._may_open:
            self._rounds.open = self._new(self._ledgers.open(places))
        return others

    def go_on(self, unfinished: Iterable[Unfinished]) -> None:
        """Take draws that take no more bets up where an earlier process has left them."""
        for each in unfinished:
            record = each.record
            if record.state == "open":
                # The next one was opened, so all of its parts were decided; but not published.
                draw = self._restore(each, record.places)
                draw.leave_out_others("the draw closed when the central was started again")
                self._close(draw, [place for place in draw.places if place.succeeded])
            else:
                self._note_resumed(each)
                roll = self._roll(each.ledger)
                self._conclude(self._rounds.conclusion(each.ledger, record, roll=roll))

    async def hold(self, places: Callable[[], int]) -> None:
        """Hold one draw after the other, until all are at their end, or the central is stopped.

        :param places: how many agencies may take part in the next one.
        """
        while (draw := self._rounds.open) is not None:
            successes = await draw.outcomes
            if self._disk.stopped:
                return
            self._rounds.opening = self._may_open and not self._ledgers.alone
            closed = self._close(draw, successes)
            self._rounds.open = None
            if self._may_open:
                try:
                    await self._open_next(places, closed)
                except Interrupted:
                    self._rounds.note_opened(None)
                    return
                except (OSError, LotteryError):
                    # Nobody can come any more, but those who have ended get their winners.
                    self._rounds.note_opened(None)
                    await self.idle()
                    raise
        await self.idle()

    async def idle(self) -> None:
        """Wait until no draw is being concluded any more."""
        await DeferredList(list(self._closing))

    async def close_writers(self, grace_seconds: float) -> None:
        """Let all writers end; who has not by then is killed."""
        await gatherResults([pool.close(grace_seconds) for pool in self.pools])

    @property
    def _may_open(self) -> bool:
        return not self._settings.draws or self._draws < self._settings.draws

    async def _open_next(self, places: Callable[[], int], closed: Conclusion) -> None:
        """Open the next draw; on a full disk, as soon as there is room.

        In files that is done at once, so that nobody comes who finds no draw that is open.
        Where others share the ledger, this may get there before whatever closes the last one.

        :param closed: the one before it.
        :raises Interrupted: if the central is being stopped.
        """
        ledger, record, ledgers = closed.ledger, closed.record, self._ledgers

        def behind_it() -> tuple[Unfinished, list[Unfinished]]:
            ledger.close(record)
            return ledgers.open(places()), ledgers.recover(places())

        missed: list[Unfinished] = []
        if ledgers.alone:
            opened = await self._disk.do_here("open", lambda: ledgers.open(places()))
        else:
            opened, unfinished = await self._disk.do("open", behind_it)
            if self._disk.stopped:
                raise Interrupted
            known = {each.number for each in self._rounds.concluding}
            missed = [
                each
                for each in unfinished
                if each.record.draw < opened.record.draw and each.record.draw not in known
            ]
        self._rounds.note_opened(self._new(opened))
        # Draws that others have held without us, and may have left.
        self._draws += len(missed)
        self.go_on(missed)

    def _new(self, opened: Unfinished) -> Draw:
        record = opened.record
        self._draws += 1
        self._log("draw_open", "success", draw=record.draw, agencies=record.places)
        tell_promise(record, self._log)
        return self._draw(opened)

    def _draw(self, opened: Unfinished) -> Draw:
        settings = self._settings
        terms = WriterTerms(settings.writers, settings.writer_timeout)
        pool = WriterPool(
            self._reactor, opened.ledger, terms, self._disk, self._broken, self._figures, self._log
        )
        self.pools.append(pool)
        roll = self._roll(opened.ledger)
        draw = Draw(
            opened.ledger, opened.record, pool, self._reactor, self._rounds.terms, self._log, roll
        )
        roll.watch(draw)
        draw.restore(opened.standings)
        self._keep_places(draw)
        if (timeline := opened.ledger.timeline) is not None:
            IntakeTimeline(draw, timeline, self._reactor, self._disk)
        return draw

    def _roll(self, ledger: DrawLedger) -> Roll:
        if ledger.shared is None:
            return ALONE
        return Shared(ledger.shared, self._disk, self._reactor, self._broken)

    def _restore(self, unfinished: Unfinished, wanted: int) -> Draw:
        """Open a draw again that an earlier process has left open."""
        self._note_resumed(unfinished)
        record = unfinished.record
        if record.places != wanted:
            details = {"draw": record.draw, "agencies": record.places, "wanted": wanted}
            self._log("places_kept", "success", LogLevel.warn, **details)
        return self._draw(unfinished)

    def _note_resumed(self, unfinished: Unfinished) -> None:
        for tail in unfinished.torn:
            self._log("torn_tail", "success", LogLevel.warn, **asdict(tail))
        record = unfinished.record
        details = {"draw": record.draw, "state": record.state, "agencies": record.places}
        self._log("draw_resumed", "success", **details)
        tell_promise(record, self._log)

    def _close(self, draw: Draw, successes: Sequence[Place]) -> Conclusion:
        """Take no more bets, and conclude the draw in its own time."""
        record = evolve(draw.record, state="closing", agencies=parts_of(draw))
        conclusion = self._rounds.conclusion(draw.ledger, record, successes, draw.roll)
        self._conclude(conclusion, draw)
        return conclusion

    def _conclude(self, conclusion: Conclusion, draw: Draw | None = None) -> None:
        self._rounds.conclude(conclusion)
        conclusion.roll.watch(conclusion)
        self._closing = [each for each in self._closing if not each.called]
        closing = Deferred.fromCoroutine(self._concluded(conclusion, draw))
        self._closing.append(closing.addErrback(self._broken))

    async def _concluded(self, conclusion: Conclusion, draw: Draw | None) -> None:
        try:
            if draw is not None:
                await conclusion.close()
                self._rounds.owe(conclusion)
                await draw.pool.close(self._settings.writer_timeout)
                self.pools.remove(draw.pool)
                log_left_out(draw, self._log)
            await conclusion.run(self._settings.winning_number)
        except Interrupted:
            return  # the next start goes on from here
        conclusion.roll.stop()
        self._rounds.concluded(conclusion)
