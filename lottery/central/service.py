"""The service: what starts and stops in which order, one draw after the other.

Start: own the data directory, look at what an earlier process left there, listen, go on
with the draws that are not at their end, or open one. Stop: listen no more, read no more,
let the writers finish what they have and end, tell the agencies, let the directory go.
:meth:`Central._hold_draws` waits until every part of a draw is decided; then, while the
next one is open already, the draw is concluded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import asdict, evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, gatherResults, succeed
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.central.announcements import (
    tell_if_open_to_others,
    tell_kept_promises,
    tell_promise,
    tell_settings,
)
from lottery.central.conclusion import Conclusion
from lottery.central.door import Door
from lottery.central.draw import Draw, DrawTerms
from lottery.central.draws import Draws
from lottery.central.factory import AgencyFactory
from lottery.central.intake import IntakeTimeline
from lottery.central.overview import Overview
from lottery.central.place import Place
from lottery.central.reconnects import Reconnects
from lottery.errors import DamagedLedger, LotteryError, StartError
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.longwork import Interrupted
from lottery.ledger.record import publish
from lottery.ledger.recovery import UnfinishedDraw, recover, unreceived
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.settings import CentralSettings
from lottery.writer.disk import DiskWork, OffThread, lacks_room
from lottery.writer.pool import ReactorForWriters, WriterPool, WriterTerms

if TYPE_CHECKING:
    from lottery.ops.status import StatusPage

#: SIGTERM to the end in 5 seconds: this for the writers, then that for the agencies; what is
#: left is for a machine that is busy.
STOP_WRITERS_SECONDS = 2.0
STOP_AGENCIES_SECONDS = 1.0


class Central(Service):
    """The lottery central.

    :ivar data: where it keeps what it has; ``disk``: how it does what takes long there.
    :ivar figures: what it has done, and ``overview``: what there is to be seen of it.
    :ivar status: the page that shows it; None: it shows itself to nobody.
    :ivar done: fires with the exit status when all draws are done (0), or when it
        cannot go on (1, or 3 if the ledger is damaged); never fails.
    """

    name = "lottery"

    def __init__(
        self,
        settings: CentralSettings,
        reactor: ReactorForWriters,
        door: Door,
        off_thread: OffThread,
        again: Callable[[], bool],
        log: ActionLog,
        connections_limit: int,
    ) -> None:
        """:param door: where one comes in.

        :param again: waits a little for another process to let the data directory go, and
            says whether it is worth another try.

        :param connections_limit: how many there may be at once, of agencies and others.
        """
        self._settings = settings
        self._reactor = reactor
        self._door = door
        self._again = again
        self._log = log
        self.data = DataDirectory(settings.data_dir, provable=settings.winning_number is None)
        self.disk = DiskWork(off_thread, reactor, log)
        self._terms = DrawTerms(settings.silence, settings.rejoin, settings.deadline)
        reconnects = Reconnects(reactor, settings.reconnects)
        self._rounds = Draws(self.data, reactor, self._terms, self.disk, reconnects, log)
        self.figures = Figures()
        self._factory = AgencyFactory(
            self._rounds, self._terms, door.admission, settings, reactor, self.figures, log,
            connections_limit,
        )  # fmt: skip
        self._pools: list[WriterPool] = []
        self.overview = Overview(self._rounds, self._factory, self._pools, settings.winning_number)
        self.status: StatusPage | None = None
        self._closing: list[Deferred[None]] = []
        self._stopping = False
        self._draws = 0
        self.done: Deferred[int] = Deferred()

    # Start and stop.

    def startService(self) -> None:
        """Own the directory, bring it in order, listen, open or go on with a draw.

        All of it happens before the reactor turns again: nobody is accepted before that, so
        there is nobody whom it could keep waiting. A draw is not opened, and no directory
        made for it, unless the central can listen.

        :raises StartError: if it cannot; nothing is left open then.
        :raises DamagedLedger: if stored bytes are not what was written; nothing was touched.
        """
        tell_settings(self._settings, self._log)
        self.data.own(self._again)
        tell_if_open_to_others(self.data, self._log)
        try:
            unfinished = recover(self.data, self._places)
            tell_kept_promises(unfinished, self._settings.winning_number, self._log)
            self._rounds.unreceived |= unreceived(self.data)
            self._door.open(self._factory, self._log)
            self._draws = len(unfinished)
            if unfinished and unfinished[-1].record.state == "open":
                self._rounds.open = self._restore(unfinished.pop())
            elif self._may_open:
                self._rounds.open = self._open()
            if self.status is not None:
                self.status.start()
        except BaseException as error:
            self._door.close()
            self.data.release()
            if isinstance(error, OSError):
                raise StartError(str(error)) from error
            raise
        super().startService()  # type: ignore[no-untyped-call]
        for each in unfinished:
            self._go_on(each)
        self._draw_after_draw = Deferred.fromCoroutine(self._hold_draws())
        self._draw_after_draw.addErrback(self._cannot_go_on)

    async def _stop(self) -> None:
        self._stopping = True
        self.disk.stop()
        await self._door.close()
        if self.status is not None:
            self.status.stop()
        self._factory.stop_reading()
        await gatherResults([pool.close(STOP_WRITERS_SECONDS) for pool in self._pools])
        if self._rounds.open is not None:
            self._rounds.open.abandon()
        for conclusion in self._rounds.concluding:
            conclusion.abandon()
        await self._factory.part(STOP_AGENCIES_SECONDS)
        await self._draw_after_draw
        await DeferredList(self._closing)
        if self.status is not None:
            self.status.end()
        await self.disk.idle()
        self.data.release()
        self._log("shutdown", "success")

    def stopService(self) -> Deferred[None]:
        """Stop; fires when no child, no connection and no thread is left, within 5 s."""
        if not self.running:
            return succeed(None)
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    # Who may come in.

    @property
    def _places(self) -> int:
        return self._door.admission.places(self._settings.agencies)

    async def reload(self) -> None:
        """Read roster and certificates again; all of it, or nothing is changed. Never fails."""
        if await self._door.reload(self.disk, self._log):
            self._factory.check_roster()
            if self._rounds.open is not None:
                self._keep_places(self._rounds.open)

    def _keep_places(self, draw: Draw) -> None:
        numbers = self._door.admission.numbers
        if numbers is not None:
            draw.keep_places(numbers, self._places - len(numbers))

    # One draw after the other.

    @property
    def _may_open(self) -> bool:
        return not self._settings.draws or self._draws < self._settings.draws

    def _open(self) -> Draw:
        places = self._places
        directory = self.data.new_draw(places)
        self._draws += 1
        self._log("draw_open", "success", draw=directory.number, agencies=places)
        tell_promise(directory.read(), self._log)
        draw = self._draw(directory, places)
        self._keep_places(draw)
        return draw

    def _draw(self, directory: DrawDirectory, places: int) -> Draw:
        settings, lock = self._settings, self.data.lock_fd
        terms = WriterTerms(settings.writers, settings.writer_timeout, settings.min_free, lock)
        broken, figures = self._cannot_go_on, self.figures
        pool = WriterPool(self._reactor, directory, terms, self.disk, broken, figures, self._log)
        self._pools.append(pool)
        draw = Draw(directory, places, pool, self._reactor, self._terms, self._log)
        IntakeTimeline(draw, self._reactor, self.disk)
        return draw

    def _restore(self, unfinished: UnfinishedDraw) -> Draw:
        """Open a draw again that an earlier process has left open."""
        self._note_resumed(unfinished)
        record, wanted = unfinished.record, self._places
        if record.places != wanted:
            details = {"draw": record.draw, "agencies": record.places, "wanted": wanted}
            self._log("places_kept", "success", LogLevel.warn, **details)
        draw = self._draw(unfinished.directory, record.places)
        draw.restore(unfinished.standings)
        self._keep_places(draw)
        return draw

    def _go_on(self, unfinished: UnfinishedDraw) -> None:
        """Take a draw that takes no more bets up where an earlier process has left it."""
        record = unfinished.record
        if record.state == "open":
            # The next one was opened, so all of its parts were decided; but not published.
            draw = self._restore(unfinished)
            draw.leave_out_others("the draw closed when the central was started again")
            self._close(draw, [place for place in draw.places if place.succeeded])
            return
        self._note_resumed(unfinished)
        self._conclude(self._rounds.conclusion(unfinished.directory, record))

    def _note_resumed(self, unfinished: UnfinishedDraw) -> None:
        for tail in unfinished.torn:
            self._log("torn_tail", "success", LogLevel.warn, **asdict(tail))
        record = unfinished.record
        details = {"draw": record.draw, "state": record.state, "agencies": record.places}
        self._log("draw_resumed", "success", **details)
        tell_promise(record, self._log)

    async def _hold_draws(self) -> None:
        while (draw := self._rounds.open) is not None:
            successes = await draw.outcomes
            if self._stopping:
                return
            self._close(draw, successes)
            self._rounds.open = None
            if self._may_open:
                try:
                    await self._open_next()
                except Interrupted:
                    return
                except OSError:
                    # Nobody can come any more, but those who have ended get their winners.
                    await DeferredList(list(self._closing))
                    raise
        await DeferredList(list(self._closing))
        if not self._stopping:
            self._finish(0)

    async def _open_next(self) -> None:
        """Open the next draw; on a full disk, as soon as there is room."""
        while self._rounds.open is None:
            try:
                self._rounds.open = self._open()
            except OSError as error:
                if not lacks_room(error):
                    raise
                self._log("room", "in_progress", LogLevel.warn, work="open", error=error.strerror)
                await self.disk.pause()

    def _close(self, draw: Draw, successes: Sequence[Place]) -> None:
        """Take no more bets, and conclude the draw in its own time."""
        record = evolve(draw.directory.read(), state="closing", agencies=draw.parts())
        self._conclude(self._rounds.conclusion(draw.directory, record, successes), draw)

    def _conclude(self, conclusion: Conclusion, draw: Draw | None = None) -> None:
        self._rounds.conclude(conclusion)
        self._closing = [each for each in self._closing if not each.called]
        closing = Deferred.fromCoroutine(self._concluded(conclusion, draw))
        self._closing.append(closing.addErrback(self._cannot_go_on))

    async def _concluded(self, conclusion: Conclusion, draw: Draw | None) -> None:
        try:
            if draw is not None:
                record, path = conclusion.record, conclusion.directory.record
                await self.disk.do("closing", lambda: publish(record, path))
                await draw.pool.close(self._settings.writer_timeout)
                self._pools.remove(draw.pool)
                draw.log_left_out()
            await conclusion.run(self._settings.winning_number)
        except Interrupted:
            return  # the next start goes on from here
        self._rounds.concluded(conclusion)

    # The end.

    def _cannot_go_on(self, failure: Failure) -> None:
        status = 3 if failure.check(DamagedLedger) else 1
        if failure.check(LotteryError, OSError):
            self._log("central", "fail", LogLevel.critical, error=failure.getErrorMessage())
        else:
            self._log.failure("the central cannot go on", failure)
        self._finish(status)

    def _finish(self, status: int) -> None:
        if not self.done.called:
            self.done.callback(status)
