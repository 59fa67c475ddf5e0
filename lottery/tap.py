"""``makeService``: the only place where concrete objects meet."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IProtocolFactory,
    IReactorCore,
    IReactorThreads,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger, LogLevel

from lottery.central.admission import Admission
from lottery.central.door import Door, Listener, Over, ReadAgain
from lottery.central.open_files import connections_limit
from lottery.central.roster import Roster, read_roster
from lottery.central.service import Central
from lottery.errors import DamagedLedger, SettingsError, StartError
from lottery.ledger.directory import DataDirectory
from lottery.ledger.face import Ledgers
from lottery.ledger.files import FileLedgers
from lottery.ledger.postgres import NOT_INSTALLED
from lottery.ops.log import ActionLog
from lottery.settings import CentralSettings, TlsFiles
from lottery.settings_options import Options
from lottery.writer import LOCK_FD
from lottery.writer.pool import ReactorForWriters

if TYPE_CHECKING:
    from OpenSSL import SSL

    from lottery.ops.status import StatusPage
    from lottery.tls import Credentials

__all__ = ["CentralReactor", "Options", "makeService", "make_central", "reload_at_hangup"]

#: How long the data directory may be somebody else's when the central starts.
LOCK_SECONDS = 3.0
LOCK_TRY_SECONDS = 0.05
#: A certificate that does not last longer is told of with a warning.
EXPIRES_SOON_DAYS = 30
#: So many connections at most may look at the status page.
MOST_LOOKING = 512

T = TypeVar("T")


class CentralReactor(ReactorForWriters, IReactorCore, IReactorThreads):
    """What a central needs of a reactor."""


def make_central(settings: CentralSettings, reactor: CentralReactor) -> Central:
    """Put a central together; it does nothing before it is started.

    :raises SettingsError: if an endpoint to listen at is none.
    """

    def off_thread(work: Callable[[], T]) -> Deferred[T]:
        # The type asks for less than the function does: it needs the pool, too.
        return deferToThreadPool(cast(Any, reactor), reactor.getThreadPool(), work)

    def endpoint(option: str, text: str) -> IStreamServerEndpoint:
        try:
            made: IStreamServerEndpoint = serverFromString(reactor, text)
        except Exception as error:  # each kind of endpoint has its own ways to object
            raise SettingsError(f"option {option} is {text!r}, which is no endpoint") from error
        return made

    log = ActionLog(settings.log_level, Logger("lottery"))
    listeners = [Listener(endpoint("--listen", text)) for text in settings.listen]
    admission = Admission()
    read_again: ReadAgain | None = None
    if settings.tls is not None and settings.roster is not None:
        over_tls, admission, read_again = _identified(
            settings.tls, settings.roster, settings.allow_classic, reactor, log
        )
        listeners += [
            Listener(endpoint("--tls-listen", text), over_tls) for text in settings.tls_listen
        ]
        if settings.allow_classic and admission.places(settings.agencies) == admission.places(0):
            raise SettingsError(
                f"--allow-classic needs --agencies above the {admission.places(0)} of the roster"
            )

    def looked_at(_: IProtocolFactory) -> IProtocolFactory:
        assert central.status is not None
        return central.status.connections

    if settings.status is not None:
        place = endpoint("--status", settings.status)
        listeners.append(Listener(place, looked_at, only_shows=True))
    limit, looking = connections_limit(settings.writers), 0
    if settings.status is not None:
        # Two files each: whoever looks must not take those that a draw needs.
        looking = max(min(MOST_LOOKING, limit // 8), 1)
        limit = max(limit - 2 * looking, 1)
    door = Door(listeners, admission, read_again, insecure=settings.insecure)
    data = DataDirectory(settings.data_dir, provable=settings.winning_number is None)
    ledgers = _ledgers(settings, data)
    central = Central(settings, ledgers, reactor, door, off_thread, _patience(), log, limit)
    if settings.status is not None:
        central.status = _status_page(central, ledgers, settings, looking, reactor)
    return central


def _ledgers(settings: CentralSettings, data: DataDirectory) -> Ledgers:
    """Where the bets go; without a database, nothing of one is imported.

    :raises SettingsError: if the database is none, or what it needs is not installed.
    """
    if settings.ledger is None:
        return FileLedgers(data, settings.min_free, LOCK_FD)
    try:
        from lottery.ledger.postgres.database import DatabaseLedgers
    except ImportError:
        raise SettingsError(NOT_INSTALLED) from None
    return DatabaseLedgers(settings.ledger, provable=settings.winning_number is None)


def _status_page(
    central: Central, ledgers: Ledgers, settings: CentralSettings, most: int, clock: IReactorTime
) -> StatusPage:
    """What shows a central to those who look; without it, none of the web is imported."""
    from lottery.ops.status import StatusPage
    from lottery.ops.watch import Shown

    shown = Shown(settings.status_documents, settings.min_free)
    return StatusPage(
        central.overview, central.figures, ledgers, central.disk,
        central.overview.names, settings.status_hosts, shown, most, clock,
    )  # fmt: skip


def _identified(
    files: TlsFiles, roster_file: Path, allow_classic: bool, clock: IReactorTime, log: ActionLog
) -> tuple[Over, Admission, ReadAgain]:
    """What it takes to know agencies by their certificates.

    :returns: what puts TLS under a factory's connections; who may come in; and what reads all of
        it again, and gives what puts it in force.
    :raises SettingsError: if a file cannot be used, or what TLS needs is not installed.
    """
    try:
        from lottery.central.tls import Handshakes, TlsFactory, context_for_agencies
        from lottery.tls import read_credentials
    except ImportError:
        raise SettingsError("TLS needs more packages: pip install 'lottery-central[tls]'") from None

    def read() -> tuple[Roster, Credentials, SSL.Context]:
        roster = read_roster(roster_file)
        credentials = read_credentials(files, datetime.now(UTC))
        return roster, credentials, context_for_agencies(credentials)

    def tell(credentials: Credentials) -> None:
        until = credentials.valid_until
        soon = until - datetime.now(UTC) < timedelta(days=EXPIRES_SOON_DAYS)
        level = LogLevel.warn if soon else LogLevel.info
        valid_until = f"{until:%Y-%m-%d}"
        log("certificate", "success", level, subject=credentials.subject, until=valid_until)

    def read_again() -> Callable[[], None]:
        roster, credentials, context = read()

        def put_in_force() -> None:
            admission.roster = roster
            admission.authorities = credentials.authorities_known_as
            handshakes.context = context
            tell(credentials)

        return put_in_force

    roster, credentials, context = read()
    tell(credentials)
    known_as = credentials.authorities_known_as
    admission = Admission(roster, known_as, allow_classic=allow_classic)
    handshakes = Handshakes(context)
    return lambda sessions: TlsFactory(handshakes, sessions, clock), admission, read_again


def reload_at_hangup(central: Central, reactor: CentralReactor) -> None:
    """Have SIGHUP read again what can be; without this it would end the process.

    One that has come since the process began, and was made to wait, comes now.
    """

    def reload() -> None:
        Deferred.fromCoroutine(central.reload())

    signal.signal(signal.SIGHUP, lambda _number, _frame: reactor.callFromThread(reload))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def end_in_order(reactor: IReactorCore) -> None:
    """Have SIGTERM and SIGINT wait until the reactor is there to take them for a wish.

    Before that they would kill: under ``twistd`` a service starts before the reactor, which is
    what catches them, and a start brings the data directory in order and writes in it.
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    reactor.callWhenRunning(signal.pthread_sigmask, signal.SIG_UNBLOCK, signals)


def _patience() -> Callable[[], bool]:
    """Have time for writers that outlive a central which was killed, but not for ever."""
    until: float | None = None

    def again() -> bool:
        nonlocal until
        now = time.monotonic()
        until = now + LOCK_SECONDS if until is None else until
        if now < until:
            time.sleep(LOCK_TRY_SECONDS)  # nothing turns yet that could be kept waiting
        return now < until

    return again


class TwistdCentral(Service):
    """A central under ``twistd``, which knows neither exit statuses nor a sentence."""

    def __init__(self, central: Central, reactor: CentralReactor, stop: Callable[[], None]) -> None:
        """:param stop: ends the reactor."""
        self._central = central
        self._reactor = reactor
        self._stop = stop

    def startService(self) -> None:
        """Start, or end the process with the status that fits, and one sentence."""
        reload_at_hangup(self._central, self._reactor)
        end_in_order(self._reactor)
        try:
            self._central.startService()
        except (StartError, DamagedLedger) as error:
            sys.stderr.write(f"lottery: {error}\n")
            raise SystemExit(error.exit_status) from None
        self._central.done.addCallback(self._done)
        super().startService()  # type: ignore[no-untyped-call]

    def _done(self, status: int) -> None:
        if status:
            # twistd ends with 0 whatever happens, and a supervisor would believe it.
            atexit.register(_end_with, status)
        self._stop()

    def stopService(self) -> Deferred[None]:
        """Stop; fires when all is at its end."""
        super().stopService()  # type: ignore[no-untyped-call]
        return self._central.stopService()


def _end_with(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def makeService(options: Options) -> IService:
    """Make the service of ``twistd lottery``; twistd's reactor is the one there is."""
    from twisted.internet import reactor

    try:
        ours = cast(CentralReactor, reactor)
        central = make_central(options.settings, ours)
    except SettingsError as error:
        sys.stderr.write(f"lottery: {error}\n")
        raise SystemExit(2) from None
    return TwistdCentral(central, ours, reactor.stop)
