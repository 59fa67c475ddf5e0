"""The one table of settings: of the central and of the agency.

Every setting can come from an option, from the environment, from a file, or from its default,
in this order. Whatever the source, a value is text until the setting's own parser reads it,
so the same text means the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from lottery.errors import SettingsError
from lottery.settings_files import read_ini, read_yaml
from lottery.settings_sources import gathered, parsed
from lottery.settings_values import (
    Setting,
    address,
    endpoints,
    file_path,
    flag,
    host_name,
    level_name,
    seconds,
    whole,
)


@frozen
class TlsFiles:
    """PEM files: our certificate with its chain, its private key, and whom we trust."""

    cert: Path
    key: Path
    ca: Path


@frozen
class CentralSettings:
    """What the central runs with.

    :ivar listen: endpoint strings where whoever connects speaks in plain text. Unless some were
        given, here or for TLS, one is made of ``host``, ``port`` (1 to 65535) and ``backlog``.
    :ivar tls_listen: endpoint strings where TLS is spoken; the one that is made is of this kind
        if there is a certificate.
    :ivar tls: certificate and key of the central, and who has signed those of the agencies; never
        without ``roster``, the file of the agencies that may come in.
    :ivar insecure: listen beyond this host without a roster.
    :ivar allow_classic: let agencies of the classic dialect in beside the roster.
    :ivar log_level: one of :data:`~lottery.settings_values.LEVEL_NAMES`.
    :ivar agencies: places of a draw, at least 1; as ``writers``, child processes.
    :ivar draws: how many until the end, 0 for no end.
    :ivar silence: seconds, 0 for no limit; as ``deadline``, from the draw's first session.
    :ivar rejoin: seconds that an agency may be away, 0: not at all.
    :ivar min_free: bytes that are left free on the disk.
    :ivar writer_timeout: seconds, above 0.
    :ivar winning_number: 0 to 9999.
    :ivar hello_timeout: seconds from the connection until the agency has said who it is.
    :ivar frame_timeout: seconds for one frame, from its first byte to its last.
    :ivar close_grace: seconds that a peer has to close behind our last words.
    :ivar strangers: connections at most that have not said who they are; and of one address.
    :ivar reconnects: how often one agency may come in a minute, 0 for no limit.
    :ivar most_bets: of one agency in one draw, 0 for no limit.
    :ivar ignored: keys of the file that are accepted without a meaning.
    """

    listen: tuple[str, ...]
    host: str
    port: int
    backlog: int
    log_level: str
    agencies: int
    data_dir: Path
    writers: int
    draws: int
    silence: float
    rejoin: float
    deadline: float
    writer_timeout: float
    min_free: int
    winning_number: int
    hello_timeout: float
    frame_timeout: float
    close_grace: float
    strangers: int
    strangers_per_address: int
    reconnects: int
    most_bets: int
    insecure: bool
    allow_classic: bool
    tls_listen: tuple[str, ...] = ()
    tls: TlsFiles | None = None
    roster: Path | None = None
    ignored: tuple[str, ...] = ()

    @property
    def has_own_endpoints(self) -> bool:
        """Whether endpoints were given, and none is made of the three."""
        made = tcp_endpoint(self.host, self.port, self.backlog)
        return (*self.listen, *self.tls_listen) != (made,)


@frozen
class AgencySettings:
    """What an agency runs with.

    :ivar agency: its number, 0 to 4294967295.
    :ivar input: the file of bets; ``output`` is the one of its winners.
    :ivar host: of the central, and its ``port`` (1 to 65535).
    :ivar batch_size: bets in a batch at most, 1 to 65535.
    :ivar window: batches on the way without an acknowledgement, at least 1.
    :ivar retry_for: seconds without a central, 0 for ever.
    :ivar draw: number of the draw to come to, 0 for the one where the agency is expected.
    :ivar skip_bad: leave bad rows out instead of stopping at the first.
    :ivar tls: certificate and key of the agency, and who has signed that of the central.
    :ivar log_level: and ``ignored`` as of :class:`CentralSettings`.
    """

    agency: int
    input: Path
    output: Path
    host: str
    port: int
    batch_size: int
    window: int
    retry_for: float
    draw: int
    skip_bad: bool
    log_level: str
    tls: TlsFiles | None = None
    ignored: tuple[str, ...] = ()


_port = whole(1, 65535)
_config_help = "settings from a file"


def _log_level(*environment: str) -> Setting:
    return Setting(
        "log_level", level_name, "what to log", "level", "INFO", "log-level",
        ("LOGGING_LEVEL", *environment), ("log.level",),
    )  # fmt: skip


def _tls_files(environment: str, signed: str) -> tuple[Setting, ...]:
    """The three of :class:`TlsFiles`; ``signed``: whose certificates the authority has signed."""
    texts = {"cert": "own certificate, with its chain", "key": "its private key"}
    return tuple(
        Setting(f"tls_{part}", file_path, text, "PEM file", option=f"tls-{part}",
                environment=(f"{environment}_TLS_{part.upper()}",))
        for part, text in {**texts, "ca": f"who signed those of {signed}"}.items()
    )  # fmt: skip


CENTRAL: tuple[Setting, ...] = (
    Setting("listen", endpoints, "where to listen, may be repeated", "endpoint",
            option="listen", environment=("LOTTERY_LISTEN",)),
    Setting("host", host_name, "interface, if no endpoint is given", "host", "127.0.0.1",
            environment=("SERVER_HOST",)),
    Setting("port", _port, "port, if no endpoint is given", "port", "12345",
            environment=("SERVER_PORT",)),
    Setting("backlog", whole(1, 65535), "connections that may wait to be accepted",
            "connections", "128", environment=("SERVER_LISTEN_BACKLOG",)),
    Setting("agencies", whole(1, 1_000_000), "places of a draw", "agencies", "5", "agencies",
            ("AGENCIES_AMOUNT", "AGENCY_QUORUM_MIN")),
    Setting("data_dir", file_path, "where bets are kept", "directory", "./lottery-data",
            "data-dir", ("LOTTERY_DATA_DIR",)),
    Setting("writers", whole(1, 1024), "children that store bets", "processes",
            str(len(os.sched_getaffinity(0))), "writers", ("LOTTERY_WRITERS",)),
    Setting("draws", whole(0, 10**9), "end after so many draws, 0 never", "draws", "0", "draws",
            ("LOTTERY_DRAWS",)),
    Setting("silence", seconds(zero=True), "cut off who is silent, 0 never", "seconds", "60",
            "silence", ("LOTTERY_SILENCE",)),
    Setting("rejoin", seconds(zero=True), "time to come back, 0 none", "seconds",
            "30", "rejoin", ("LOTTERY_REJOIN",)),
    Setting("deadline", seconds(zero=True), "draw at the latest, 0 never", "seconds", "0",
            "deadline", ("LOTTERY_DEADLINE",)),
    Setting("writer_timeout", seconds(zero=False), "kill a stuck writer", "seconds",
            "30", "writer-timeout", ("LOTTERY_WRITER_TIMEOUT",)),
    Setting("min_free", whole(0, 2**63), "leave free on the disk", "bytes", str(64 << 20),
            "min-free", ("LOTTERY_MIN_FREE",)),
    Setting("winning_number", whole(0, 9999), "the number that wins", "0 to 9999", "7574",
            "winning-number", ("LOTTERY_WINNING_NUMBER",)),
    Setting("roster", file_path, "agencies that may come in", "CSV file", option="roster",
            environment=("LOTTERY_ROSTER",)),
    Setting("tls_listen", endpoints, "the same for TLS", "endpoint",
            option="tls-listen", environment=("LOTTERY_TLS_LISTEN",)),
    *_tls_files("LOTTERY", "agencies"),
    Setting("insecure", flag, "listen to everybody", "flag", "no", "insecure",
            ("LOTTERY_INSECURE",)),
    Setting("allow_classic", flag, "let classic ones in, too", "flag", "no",
            "allow-classic", ("LOTTERY_ALLOW_CLASSIC",)),
    Setting("hello_timeout", seconds(zero=False), "time to say who one is", "seconds", "5",
            "hello-timeout", ("LOTTERY_HELLO_TIMEOUT",)),
    Setting("frame_timeout", seconds(zero=False), "time for one frame", "seconds", "60",
            "frame-timeout", ("LOTTERY_FRAME_TIMEOUT",)),
    Setting("close_grace", seconds(zero=False), "time to close at the end", "seconds", "5",
            "close-grace", ("LOTTERY_CLOSE_GRACE",)),
    Setting("strangers", whole(1, 65536), "connections of nobody yet", "connections", "512",
            "strangers", ("LOTTERY_STRANGERS",)),
    Setting("strangers_per_address", whole(1, 65536), "of those, of one address", "connections",
            "256", "per-address", ("LOTTERY_PER_ADDRESS",)),
    Setting("reconnects", whole(0, 10**6), "comings of an agency, 0 any",
            "a minute", "60", "reconnects", ("LOTTERY_RECONNECTS",)),
    Setting("most_bets", whole(0, 2**63), "bets of an agency, 0 any", "bets", "10000000",
            "most-bets", ("LOTTERY_MOST_BETS",)),
    _log_level(),
    Setting("config", str, _config_help, "INI file", option="config",
            environment=("LOTTERY_CONFIG",)),
)  # fmt: skip

AGENCY: tuple[Setting, ...] = (
    Setting("agency", whole(0, 2**32 - 1), "number of the agency", "0 to 4294967295",
            option="id", environment=("AGENCY_ID", "CLI_ID")),
    Setting("input", file_path, "file of bets", "CSV", None, "file",
            ("INPUT_FILE", "CLI_AGENCY_FILEPATH"), positional=True),
    Setting("server", address, "where the central is", "HOST:PORT", "127.0.0.1:12345", "server",
            environment=("CLI_SERVER_ADDRESS",), keys=("server.address",)),
    Setting("host", host_name, "host of the central", "host", environment=("SERVER_HOST",)),
    Setting("port", _port, "port of the central", "port", environment=("SERVER_PORT",)),
    Setting("output", file_path, "winning rows", "CSV file, default winners-ID.csv", None, "output",
            ("OUTPUT_FILE",)),
    Setting("batch_size", whole(1, 65535), "bets in a batch at most", "bets", "100",
            "batch-size", ("BATCH_SIZE", "CLI_BATCH_MAXAMOUNT"), ("batch.maxAmount",)),
    Setting("window", whole(1, 65535), "batches sent ahead at most", "batches", "16", "window",
            ("LOTTERY_WINDOW",)),
    Setting("retry_for", seconds(zero=True), "look for the central, 0 for ever", "seconds", "60",
            "retry-for", ("LOTTERY_RETRY_FOR",)),
    Setting("draw", whole(0, 2**32 - 2), "draw to come to, 0 where expected", "number", "0",
            "draw", ("LOTTERY_DRAW",)),
    Setting("skip_bad", flag, "leave out bad rows, and count", "flag", "no", "skip-bad",
            ("LOTTERY_SKIP_BAD",)),
    *_tls_files("LOTTERY_AGENCY", "central"),
    _log_level("CLI_LOG_LEVEL"),
    # Not LOTTERY_CONFIG: a central and an agency of one shell read files of different forms.
    Setting("config", str, _config_help, "YAML file", option="config",
            environment=("LOTTERY_AGENCY_CONFIG",)),
)  # fmt: skip


def central_settings(options: Mapping[str, object], environ: Mapping[str, str]) -> CentralSettings:
    """Resolve the settings of the central.

    :param options: by long name; None is "not given", ``listen`` is a list of endpoints.
    :raises SettingsError: naming the first value that is not allowed, where it stands, and
        what is allowed.
    """
    found, ignored = gathered(CENTRAL, options, environ, read_ini)
    values = parsed(CENTRAL, found)
    values["tls"] = tls = _tls(values)
    if tls is None and "roster" in values:
        raise SettingsError("a roster needs --tls-cert, --tls-key and --tls-ca, or nobody gets in")
    if tls is not None and "roster" not in values:
        raise SettingsError("TLS needs --roster, which says whose the certificates are")
    if values["allow_classic"] and "roster" not in values:
        raise SettingsError("--allow-classic has no meaning without --roster, all may come in")
    values.setdefault("listen", ())
    values.setdefault("tls_listen", ())
    if tls is None and values["tls_listen"]:
        raise SettingsError("--tls-listen needs --tls-cert, --tls-key, --tls-ca and --roster")
    if tls is not None and values["listen"] and not values["tls_listen"]:
        raise SettingsError("TLS needs --tls-listen, for --listen is for plain text")
    if not values["listen"] and not values["tls_listen"]:
        kind = "listen" if tls is None else "tls_listen"
        values[kind] = (tcp_endpoint(values["host"], values["port"], values["backlog"]),)
    return CentralSettings(**values, ignored=ignored)


def agency_settings(options: Mapping[str, object], environ: Mapping[str, str]) -> AgencySettings:
    """Resolve the settings of an agency.

    :param options: by long name, the file of bets as ``file``; None is "not given", and so is a
        flag of 0.
    :raises SettingsError: as :func:`central_settings`, or naming what is missing.
    """
    found, ignored = gathered(AGENCY, options, environ, read_yaml)
    values = parsed(AGENCY, found)
    values["tls"] = _tls(values)
    for setting in AGENCY[:2]:
        if setting.name not in values:
            ways = f"{setting.given_as} or environment {setting.environment[0]}"
            raise SettingsError(f"{setting.help} is missing, {ways} gives it")
    values.setdefault("output", Path(f"winners-{values['agency']}.csv"))
    return AgencySettings(**values, ignored=ignored)


def _tls(values: dict[str, Any]) -> TlsFiles | None:
    """Take the three files of TLS out of the values; all of them, or none."""
    parts = ("cert", "key", "ca")
    found = {part: values.pop(f"tls_{part}") for part in parts if f"tls_{part}" in values}
    if missing := [f"--tls-{part}" for part in parts if part not in found]:
        if found:
            raise SettingsError(f"for TLS, {' and '.join(missing)} is missing")
        return None
    return TlsFiles(**found)


def tcp_endpoint(host: str, port: int, backlog: int) -> str:
    """The endpoint string of an interface, a port and a backlog."""
    escaped = host.replace(":", "\\:")  # a colon divides an endpoint string
    return f"tcp:{port}:interface={escaped}:backlog={backlog}"


def usage_rows(table: Sequence[Setting]) -> tuple[list[list[str | None]], list[list[str | None]]]:
    """The options of ``table`` as ``optParameters`` and ``optFlags`` of a ``usage.Options``.

    No row has a default: what is not given must be told apart from what is. Endpoints, which
    may be repeated, are left to the caller.
    """
    rows = [
        row for row in table if row.option and not row.positional and row.parse is not endpoints
    ]
    parameters = [[row.option, None, None, row.explained] for row in rows if row.parse is not flag]
    return parameters, [[row.option, None, row.explained] for row in rows if row.parse is flag]
