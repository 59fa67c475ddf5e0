"""The service: what starts and stops in which order.

Start: own the ledgers, look at what an earlier process left there, listen, go on with the draws
that are not at their end, or open one. Stop: listen no more, read no more, let the writers finish
what they have and end, tell the agencies, let the ledgers go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.central.announcements import (
    tell_if_open_to_others,
    tell_kept_promises,
    tell_settings,
    tell_where,
)
from lottery.central.door import Door
from lottery.central.draw import Draw
from lottery.central.draws import Draws
from lottery.central.factory import AgencyFactory
from lottery.central.overview import Overview
from lottery.central.reconnects import Reconnects
from lottery.central.succession import Succession
from lottery.central.terms import DrawTerms
from lottery.errors import DamagedLedger, LotteryError, SettingsError, StartError, Unreachable
from lottery.ledger.face import Ledgers
from lottery.ledger.segment import NotNow
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.settings import CentralSettings
from lottery.writer.disk import DiskWork, OffThread
from lottery.writer.pool import ReactorForWriters

if TYPE_CHECKING:
    from lottery.ops.status import StatusPage

#: SIGTERM to the end in 5 seconds: this for the writers, and a little more for what waits for a
#: database, then that for the agencies; what is left is for a machine that is busy.
STOP_WRITERS_SECONDS = 2.0
STOP_AGENCIES_SECONDS = 1.0
STOP_DISK_SECONDS = 0.5


class Central(Service):
    """The lottery central.

    :ivar disk: how it does what takes long.
    :ivar figures: what it has done, and ``overview``: what there is to be seen of it.
    :ivar status: the page that shows it; None: it shows itself to nobody.
    :ivar done: fires with the exit status when all draws are done (0), or when it
        cannot go on (1, or 3 if the ledger is damaged); never fails.
    """

    name = "lottery"

    def __init__(
        self,
        settings: CentralSettings,
        ledgers: Ledgers,
        reactor: ReactorForWriters,
        door: Door,
        off_thread: OffThread,
        again: Callable[[], bool],
        log: ActionLog,
        connections_limit: int,
    ) -> None:
        """:param door: where one comes in.

        :param again: waits a little for another process to let the ledgers go, and says whether
            it is worth another try.

        :param connections_limit: how many there may be at once, of agencies and others.
        """
        self._settings = settings
        self._ledgers = ledgers
        self._door = door
        self._clock = reactor
        self._again = again
        self._log = log
        self.disk = DiskWork(off_thread, reactor, log)
        terms = DrawTerms(settings.silence, settings.rejoin, settings.deadline)
        reconnects = Reconnects(reactor, settings.reconnects)
        self._rounds = Draws(
            ledgers, reactor, terms, self.disk, reconnects, self._cannot_go_on, log
        )
        self.figures = Figures()
        self._factory = AgencyFactory(
            self._rounds, terms, door.admission, settings, reactor, self.figures, log,
            connections_limit,
        )  # fmt: skip
        self._succession = Succession(
            settings, reactor, ledgers, self.disk, self._rounds, self._keep_places,
            self._cannot_go_on, self.figures, log,
        )  # fmt: skip
        self.overview = Overview(
            self._rounds,
            self._factory,
            self._succession.pools,
            settings.winning_number,
            self.disk,
        )
        self.status: StatusPage | None = None
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
        self._ledgers.own(self._again)
        tell_where(self._ledgers, self._log)
        tell_if_open_to_others(self._ledgers, self._log)
        try:
            unfinished = self._ledgers.recover(self._places())
            tell_kept_promises(unfinished, self._settings.winning_number, self._log)
            self._rounds.unreceived |= self._ledgers.unreceived()
            self._door.open(self._factory, self._log)
            others = self._succession.begin(unfinished, self._places())
            if self.status is not None:
                self.status.start()
        except BaseException as error:
            self._door.close()
            self._ledgers.release()
            known = isinstance(error, StartError | SettingsError | DamagedLedger)
            if isinstance(error, OSError | LotteryError) and not known:
                kind = Unreachable if isinstance(error, NotNow) else StartError
                raise kind(str(error)) from error
            raise
        super().startService()  # type: ignore[no-untyped-call]
        self._succession.go_on(others)
        self._draw_after_draw = Deferred.fromCoroutine(self._hold_draws())
        self._draw_after_draw.addErrback(self._cannot_go_on)

    async def _hold_draws(self) -> None:
        await self._succession.hold(self._places)
        if not self.disk.stopped:
            self._finish(0)

    async def _stop(self) -> None:
        self.disk.stop()
        # What writers that were killed have stored is asked there, too; so it is for all of them.
        late = STOP_WRITERS_SECONDS + STOP_DISK_SECONDS
        break_off = self._clock.callLater(late, self._ledgers.interrupt)
        await self._door.close()
        if self.status is not None:
            self.status.stop()
        self._factory.stop_reading()
        await self._succession.close_writers(STOP_WRITERS_SECONDS)
        if self._rounds.open is not None:
            self._rounds.open.abandon()
        for conclusion in self._rounds.concluding:
            conclusion.abandon()
        await self._factory.part(STOP_AGENCIES_SECONDS)
        await self._draw_after_draw
        await self._succession.idle()
        if self.status is not None:
            self.status.end()
        await self.disk.idle()
        if break_off.active():
            break_off.cancel()
        self._ledgers.release()
        self._log("shutdown", "success")

    def stopService(self) -> Deferred[None]:
        """Stop; fires when no child, no connection and no thread is left, within 5 s."""
        if not self.running:
            return succeed(None)
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    # Who may come in.

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
            draw.keep_places(numbers, self._places() - len(numbers))

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
