"""The service: what starts and stops in which order, one draw after the other.

Start: own the data directory, listen, open a draw. Stop: listen no more, read no more,
let the writers finish what they have and end, tell the agencies, let the directory go.
:meth:`Central._hold_draws` waits until every part of a draw is decided; then, while the
next one is open already, the draw is sealed, its winners are found and told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol as Interface
from typing import TypeVar

from attrs import asdict
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, gatherResults, succeed
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.central.draw import Draw, Success
from lottery.central.factory import AgencyFactory
from lottery.errors import DamagedLedger, LotteryError, StartError
from lottery.ledger.bets_csv import Interrupted, Ledger, TornTail, make_bets_csv
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.winners import find_winners
from lottery.ops.log import ActionLog
from lottery.settings import CentralSettings
from lottery.writer.pool import ReactorForWriters, WriterPool

#: SIGTERM to the end in 5 seconds: this for the writers, then that for the agencies; what is
#: left is for a machine that is busy.
STOP_WRITERS_SECONDS = 2.0
STOP_AGENCIES_SECONDS = 1.0


T = TypeVar("T")


class OffThread(Interface):
    """Runs a function in another thread."""

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """Fires with the function's result, or fails as it does."""


class Central(Service):
    """The lottery central.

    :ivar done: fires with the exit status when all draws are done (0), or when it
        cannot go on (1, or 3 if the ledger is damaged); never fails.
    """

    name = "lottery"

    def __init__(
        self,
        settings: CentralSettings,
        reactor: ReactorForWriters,
        endpoints: Sequence[IStreamServerEndpoint],
        off_thread: OffThread,
        log: ActionLog,
        connections_limit: int,
    ) -> None:
        """:param connections_limit: how many there may be at once, of agencies and others."""
        self._settings = settings
        self._reactor = reactor
        self._endpoints = endpoints
        self._off_thread = off_thread
        self._log = log
        self._connections_limit = connections_limit
        self._data = DataDirectory(settings.data_dir)
        self._ports: list[IListeningPort] = []
        self._pools: list[WriterPool] = []
        self._closing: list[Deferred[None]] = []
        self._stopping = False
        self._draws = 0
        self.done: Deferred[int] = Deferred()

    # Start and stop.

    def startService(self) -> None:
        """Own the directory, listen, open the first draw.

        Nobody is accepted before the reactor turns, so a draw is not opened, and no
        directory made for it, unless the central can listen.

        :raises StartError: if it cannot; nothing is left open then.
        """
        self._log_settings()
        self._data.own()
        try:
            self._factory = AgencyFactory(
                self._settings, self._reactor, self._log, self._connections_limit
            )
            self._listen()
            self._factory.open_draw = self._open()
        except (StartError, OSError) as error:
            for port in self._ports:
                port.stopListening()
            self._data.release()
            raise StartError(str(error)) from error
        super().startService()  # type: ignore[no-untyped-call]
        self._draw_after_draw = Deferred.fromCoroutine(self._hold_draws())
        self._draw_after_draw.addErrback(self._cannot_go_on)

    def _listen(self) -> None:
        failures: list[Failure] = []
        for endpoint in self._endpoints:
            endpoint.listen(self._factory).addCallbacks(self._listening, failures.append)
        if failures:
            raise StartError(f"cannot listen, {failures[0].getErrorMessage()}")

    async def _stop(self) -> None:
        self._stopping = True
        await gatherResults([_stop_listening(port) for port in self._ports])
        self._factory.stop_reading()
        await gatherResults([pool.close(STOP_WRITERS_SECONDS) for pool in self._pools])
        await self._factory.part(STOP_AGENCIES_SECONDS)
        self._factory.open_draw.abandon()
        await self._draw_after_draw
        await DeferredList(self._closing)
        self._data.release()
        self._log("shutdown", "success")

    def stopService(self) -> Deferred[None]:
        """Stop; fires when no child, no connection and no thread is left, within 5 s."""
        if not self.running:
            return succeed(None)
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    @property
    def ports(self) -> list[IListeningPort]:
        """Where it listens."""
        return list(self._ports)

    def _listening(self, port: IListeningPort) -> None:
        self._ports.append(port)
        address = port.getHost()
        self._log(
            "accept_connections",
            "in_progress",
            ip=getattr(address, "host", address),
            port=getattr(address, "port", 0),
        )

    # One draw after the other.

    async def _hold_draws(self) -> None:
        while True:
            draw = self._factory.open_draw
            successes = await draw.outcomes
            if self._stopping:
                return
            self._closing = [each for each in self._closing if not each.called]
            closing = Deferred.fromCoroutine(self._close(draw, successes))
            self._closing.append(closing.addErrback(self._cannot_go_on))
            if self._draws == self._settings.draws:
                await DeferredList(list(self._closing))
                self._finish(0)
                return
            try:
                self._factory.open_draw = self._open()
            except OSError:
                # Nobody can come any more, but those who have ended get their winners.
                await DeferredList(list(self._closing))
                raise

    def _open(self) -> Draw:
        directory = self._data.new_draw()
        settings = self._settings
        pool = WriterPool(
            self._reactor, directory, settings.writers, settings.writer_timeout, self._log
        )
        self._pools.append(pool)
        self._draws += 1
        self._log("draw_open", "success", draw=directory.number, agencies=settings.agencies)
        return Draw(directory, settings.agencies, pool, self._reactor, settings.deadline, self._log)

    async def _close(self, draw: Draw, successes: list[Success]) -> None:
        await draw.pool.close(self._settings.writer_timeout)
        self._pools.remove(draw.pool)
        draw.log_left_out()
        if not successes:
            self._log("sorteo", "fail", LogLevel.warn, draw=draw.number, error="void, nobody ended")
            return
        try:
            torn, winners = await self._off_thread(lambda: self._seal(draw.directory, successes))
        except Interrupted:
            return
        for tail in torn:
            self._log("torn_tail", "success", LogLevel.warn, **asdict(tail))
        self._log(
            "sorteo",
            "success",
            draw=draw.number,
            winning_number=self._settings.winning_number,
            agencies=len(successes),
            left_out=sum(place.agency is not None for place, _ in draw.left_out),
        )
        await gatherResults([self._deliver(draw, each, winners) for each in successes])

    def _seal(
        self, directory: DrawDirectory, successes: Sequence[Success]
    ) -> tuple[list[TornTail], dict[int, list[bytes]]]:
        """Make ``bets.csv`` and find the winners; runs in a thread of its own.

        :raises DamagedLedger: if bets are missing that were acknowledged to an agency
            which takes part: no number is drawn over less than all.
        """
        ledger = Ledger(directory.segments(), self._is_stopping)
        for success in successes:
            ledger.require(success.agency, success.total)
        make_bets_csv(ledger, directory.bets_csv)
        number = self._settings.winning_number
        return ledger.torn, find_winners(directory.bets_csv, number, self._is_stopping)

    def _deliver(
        self, draw: Draw, success: Success, winners: dict[int, list[bytes]]
    ) -> Deferred[None]:
        place = success.place
        rows = winners.get(success.agency, [])

        def note(why_not: str) -> None:
            details: dict[str, object] = {"error": why_not} if why_not else {}
            self._log(
                "consulta_ganadores",
                "fail" if why_not else "success",
                LogLevel.warn if why_not else LogLevel.info,
                draw=draw.number,
                agency=success.agency,
                cant_ganadores=len(rows),
                **details,
            )

        assert place.session is not None, "an agency that has succeeded has had a session"
        return place.session.deliver(draw.number, self._settings.winning_number, rows).addCallback(
            note
        )

    def _is_stopping(self) -> bool:
        return self._stopping

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

    def _log_settings(self) -> None:
        settings = self._settings
        self._log(
            "config",
            "success",
            LogLevel.debug,
            port=settings.port,
            listen_backlog=settings.backlog,
            logging_level=settings.log_level,
        )
        for key in settings.ignored:
            self._log("ignored_setting", "success", LogLevel.debug, key=key)


def _stop_listening(port: IListeningPort) -> Deferred[None]:
    stopped: Deferred[None] = Deferred()
    ending = port.stopListening()
    if ending is None:
        stopped.callback(None)
    else:
        ending.addBoth(lambda _: stopped.callback(None))
    return stopped
