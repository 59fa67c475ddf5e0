"""The one table of settings: of the central and of the agency.

Every setting can come from an option, from the environment, from a file, or from its default,
in this order. Whatever the source, a value is text until the setting's own parser reads it,
so the same text means the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from lottery.errors import SettingsError
from lottery.settings_files import Entry, read_ini, read_yaml
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

Source = dict[str, Entry]  # name of a setting: its value and where that came from


@frozen
class CentralSettings:
    """What the central runs with.

    :ivar listen: endpoint strings, at least one; made of ``host``, ``port`` (1 to 65535) and
        ``backlog`` unless some were given.
    :ivar log_level: one of :data:`~lottery.settings_values.LEVEL_NAMES`.
    :ivar agencies: places of a draw, at least 1; as ``writers``, child processes.
    :ivar draws: how many until the end, 0 for no end.
    :ivar silence: seconds, 0 for no limit; as ``deadline``, from the draw's first session.
    :ivar rejoin: seconds that an agency may be away, 0: not at all.
    :ivar min_free: bytes that are left free on the disk.
    :ivar writer_timeout: seconds, above 0.
    :ivar winning_number: 0 to 9999.
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
    ignored: tuple[str, ...] = ()

    @property
    def has_own_endpoints(self) -> bool:
        """Whether ``listen`` was given, and is not made of the three."""
        return self.listen != (tcp_endpoint(self.host, self.port, self.backlog),)


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
    ignored: tuple[str, ...] = ()


_port = whole(1, 65535)
_config_help = "settings from a file"


def _log_level(*environment: str) -> Setting:
    return Setting(
        "log_level", level_name, "what to log", "level", "INFO", "log-level",
        ("LOGGING_LEVEL", *environment), ("log.level",),
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
    _log_level("CLI_LOG_LEVEL"),
    # Not LOTTERY_CONFIG: a central and an agency of one shell read files of different forms.
    Setting("config", str, _config_help, "YAML file", option="config",
            environment=("LOTTERY_AGENCY_CONFIG",)),
)  # fmt: skip

#: Keys of the original's files that mean nothing here.
_IGNORED = frozenset({"server_ip", "loop.amount", "loop.period"})


def central_settings(options: Mapping[str, object], environ: Mapping[str, str]) -> CentralSettings:
    """Resolve the settings of the central.

    :param options: by long name; None is "not given", ``listen`` is a list of endpoints.
    :raises SettingsError: naming the first value that is not allowed, where it stands, and
        what is allowed.
    """
    found, ignored = _gather(CENTRAL, options, environ, read_ini)
    values = _parsed(CENTRAL, found)
    if "listen" not in values:
        values["listen"] = (tcp_endpoint(values["host"], values["port"], values["backlog"]),)
    return CentralSettings(**values, ignored=ignored)


def agency_settings(options: Mapping[str, object], environ: Mapping[str, str]) -> AgencySettings:
    """Resolve the settings of an agency.

    :param options: by long name, the file of bets as ``file``; None is "not given", and so is a
        flag of 0.
    :raises SettingsError: as :func:`central_settings`, or naming what is missing.
    """
    found, ignored = _gather(AGENCY, options, environ, read_yaml)
    values = _parsed(AGENCY, found)
    for setting in AGENCY[:2]:
        if setting.name not in values:
            ways = f"{setting.given_as} or environment {setting.environment[0]}"
            raise SettingsError(f"{setting.help} is missing, {ways} gives it")
    values.setdefault("output", Path(f"winners-{values['agency']}.csv"))
    return AgencySettings(**values, ignored=ignored)


def tcp_endpoint(host: str, port: int, backlog: int) -> str:
    """The endpoint string of an interface, a port and a backlog."""
    escaped = host.replace(":", "\\:")  # a colon divides an endpoint string
    return f"tcp:{port}:interface={escaped}:backlog={backlog}"


def usage_rows(table: Sequence[Setting]) -> tuple[list[list[str | None]], list[list[str | None]]]:
    """The options of ``table`` as ``optParameters`` and ``optFlags`` of a ``usage.Options``.

    No row has a default: what is not given must be told apart from what is. ``listen``, which
    may be repeated, is left to the caller.
    """
    rows = [row for row in table if row.option and not row.positional and row.name != "listen"]
    parameters = [[row.option, None, None, row.explained] for row in rows if row.parse is not flag]
    return parameters, [[row.option, None, row.explained] for row in rows if row.parse is flag]


def _gather(
    table: Sequence[Setting],
    options: Mapping[str, object],
    environ: Mapping[str, str],
    read: Callable[[str], Source],
) -> tuple[Source, tuple[str, ...]]:
    """What holds for each setting, and the keys of the file that mean nothing here."""
    given = _from_options(table, options)
    surroundings = _from_environment(table, environ)
    config = given.pop("config", None) or surroundings.get("config")
    surroundings.pop("config", None)
    file, ignored = _from_file(table, read(config.text)) if config else ({}, ())
    found = {
        row.name: Entry(row.default, "the default") for row in table if row.default is not None
    }
    found = _with_address(found)
    for source in (file, surroundings, given):
        found |= _with_address(source)
    return found, ignored


def _from_options(table: Sequence[Setting], options: Mapping[str, object]) -> Source:
    found: Source = {}
    for setting in table:
        value = options.get(setting.option) if setting.option else None
        if isinstance(value, list | tuple):
            value = "\n".join(map(str, value)) if value else None
        if value is not None and (value or setting.parse is not flag):
            found[setting.name] = Entry(str(value), setting.given_as)
    return found


def _from_environment(table: Sequence[Setting], environ: Mapping[str, str]) -> Source:
    found: Source = {}
    for setting in table:
        for name in setting.environment:
            if name in environ:
                found[setting.name] = Entry(environ[name], f"environment {name}")
                break
    return found


def _from_file(table: Sequence[Setting], entries: Source) -> tuple[Source, tuple[str, ...]]:
    settings = {key: row.name for row in table if row.name != "config" for key in row.file_keys}
    found: Source = {}
    ignored: list[str] = []
    for key, entry in entries.items():
        name = settings.get(key)
        if key in _IGNORED:
            ignored.append(key)
        elif name is None:
            raise SettingsError(f"{entry.where} is unknown")
        elif name in found:
            raise SettingsError(f"{entry.where} says again what {found[name].where} says")
        else:
            found[name] = entry
    return found, tuple(ignored)


def _with_address(source: Source) -> Source:
    """``source`` with ``server``, if it is there, taken apart into ``host`` and ``port``."""
    source = dict(source)
    entry = source.pop("server", None)
    if entry is None:
        return source
    try:
        host, port = address(entry.text)
    except ValueError as error:
        raise _refused(entry, str(error)) from None
    parts = {"host": host, "port": port}
    return source | {
        part: Entry(text, f"the {part} of {entry.where}") for part, text in parts.items()
    }


def _parsed(table: Sequence[Setting], found: Source) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in table:
        entry = found.get(setting.name)
        if entry is not None:
            try:
                values[setting.name] = setting.parse(entry.text)
            except ValueError as error:
                raise _refused(entry, str(error)) from None
    return values


def _refused(entry: Entry, allowed: str) -> SettingsError:
    text = entry.text if len(entry.text) <= 60 else entry.text[:60] + "..."
    return SettingsError(f"{entry.where} is {text!r}, it must be {allowed}")
