"""``lottery agency``: send a file of bets to the central and fetch the winners."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, TextIO

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import ILogObserver, Logger, globalLogBeginner

from lottery.agency.names import UnjoinedResolver
from lottery.agency.run import AgencyRun
from lottery.agency.source import open_source
from lottery.agency.terminal import TerminalStream, open_terminal
from lottery.command.running import CommandReactor, run_until_done
from lottery.command.words import AnyOrderOptions
from lottery.errors import SettingsError
from lottery.ops.json_log import log_observer
from lottery.ops.log import ActionLog
from lottery.settings import AgencySettings, TlsFiles, agency_settings
from lottery.settings_table import AGENCY, usage_rows

if TYPE_CHECKING:
    from lottery.agency.display import AgencyDisplay
    from lottery.agency.tls import Handshakes

_PARAMETERS, _FLAGS = usage_rows(AGENCY)


class Options(AnyOrderOptions):
    """What ``lottery agency`` can be told; options may stand before and behind FILE.

    :raise SettingsError: while parsing, for more than one FILE.
    """

    synopsis = "FILE --id N [options]"
    longdesc = (
        "Sends the bets of FILE, a CSV file without a header whose columns are first name, "
        "last name, document, birthdate and number, to the central; waits for the draw; and "
        "writes the winning rows to a file. Exit status 0: done, or stopped by a signal; "
        "1: a bad row, refused, or gave up; 2: a wrong option or setting."
    )
    optParameters: ClassVar[list[list[str | None]]] = _PARAMETERS
    optFlags: ClassVar[list[list[str | None]]] = [
        *_FLAGS,
        ["json", None, "print what came of it as one JSON object, and log to stderr"],
    ]

    def parseArgs(self, *words: str) -> None:
        """Take the file, unless the environment or a file of settings names it."""
        if len(words) > 1:
            raise SettingsError(f"only one file can be sent, not {len(words)}")
        self["file"] = words[0] if words else None


def run(options: Options, stdout: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Send the file and fetch the winners; the log goes to ``stdout``.

    If that is a terminal, progress is shown there instead, with the warnings and errors of the log
    above it; but not if lines for machines or at DEBUG are asked for.

    With ``--json`` one object goes there instead, when all is done, and the log to stderr.

    :return: the exit status.
    :raise SettingsError: for an option, variable or file of settings that cannot be used.
    """
    settings = agency_settings(options, environ)
    handshakes = _handshakes(settings.tls, settings.host) if settings.tls is not None else None
    plain = options["json"] or settings.log_format == "json" or settings.log_level == "DEBUG"
    terminal = None if plain else open_terminal(stdout, environ)
    if terminal is None:
        log_to = sys.stderr if options["json"] else stdout
        observer = log_observer(log_to, settings.log_level, settings.log_format)
        display_of = None
    else:
        observer, display_of = _shown_on(terminal, settings, environ)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    log = ActionLog(settings.log_level, Logger())

    def start(reactor: CommandReactor) -> Deferred[int]:
        errand = AgencyRun(
            settings,
            endpoint_of(settings, reactor, handshakes),
            reactor,
            log,
            open_input=lambda: open_source(settings.input, reactor, reactor),
            today=datetime.now(UTC).date(),
            random_bytes=os.urandom,
            jitter=random.random,
        )
        errands.append(errand)
        if display_of is None:
            return Deferred.fromCoroutine(errand.run())
        display = display_of(errand, reactor)
        displays.append(display)
        display.start()
        return Deferred.fromCoroutine(errand.run()).addBoth(display.stopped)

    errands: list[AgencyRun] = []
    displays: list[AgencyDisplay] = []
    try:
        status = run_until_done(start)
    finally:
        for display in displays:
            display.stop()  # if all else has failed
        if terminal is not None:
            terminal.finish()
    if options["json"]:
        stdout.writelines(errand.result.to_json() + "\n" for errand in errands)
    return status


def _shown_on(
    terminal: TerminalStream, settings: AgencySettings, environ: Mapping[str, str]
) -> tuple[ILogObserver, Callable[[AgencyRun, CommandReactor], AgencyDisplay]]:
    """What takes the log, and what makes the display of an errand."""
    # Imported for those who look at it only: it takes as long as all the rest.
    from lottery.agency.display import AgencyDisplay, TerminalConsole, log_above
    from lottery.agency.picture import Picture

    console = TerminalConsole(terminal, environ)

    def display_of(errand: AgencyRun, reactor: CommandReactor) -> AgencyDisplay:
        return AgencyDisplay(console, reactor, Picture(settings, errand.progress))

    return log_above(console, settings.log_level), display_of


def _handshakes(files: TlsFiles, host: str) -> Handshakes:
    """What TLS needs beside a connection.

    :raise SettingsError: if a file cannot be used, or what TLS needs is not installed.
    """
    try:
        from lottery.agency.tls import Handshakes
        from lottery.tls import read_credentials
    except ImportError:
        raise SettingsError("TLS needs more packages: pip install 'lottery-central[tls]'") from None
    return Handshakes(read_credentials(files, datetime.now(UTC)), host)


def endpoint_of(
    settings: AgencySettings, reactor: CommandReactor, handshakes: Handshakes | None = None
) -> IStreamClientEndpoint:
    """The central; with ``handshakes``, over TLS."""
    endpoint = _plain_endpoint(settings, reactor)
    if handshakes is None:
        return endpoint
    from lottery.agency.tls import TlsEndpoint

    return TlsEndpoint(endpoint, handshakes, reactor)


def _plain_endpoint(settings: AgencySettings, reactor: CommandReactor) -> IStreamClientEndpoint:
    """The central; only a name, not an address, needs to be resolved."""
    host, port = settings.host, settings.port
    if isIPAddress(host):
        return TCP4ClientEndpoint(reactor, host, port)
    if isIPv6Address(host):
        return TCP6ClientEndpoint(reactor, host, port)
    reactor.installNameResolver(UnjoinedResolver(reactor))
    return HostnameEndpoint(reactor, host.encode(), port)
