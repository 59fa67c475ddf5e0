"""The settings of the central and of the agency, resolved from the one table of them.

Every setting can come from an option, from the environment, from a file, or from its default,
in this order. Whatever the source, a value is text until the setting's own parser reads it,
so the same text means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from lottery.errors import SettingsError
from lottery.settings_files import read_ini, read_yaml
from lottery.settings_sources import gathered, parsed
from lottery.settings_table import AGENCY, CENTRAL


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
    :ivar log_format: ``text`` or ``json``.
    :ivar agencies: places of a draw, at least 1; as ``writers``, child processes.
    :ivar draws: how many until the end, 0 for no end.
    :ivar silence: seconds, 0 for no limit; as ``deadline``, from the draw's first session.
    :ivar rejoin: seconds that an agency may be away, 0: not at all.
    :ivar ledger: where the database is that several centrals share; None: files of one.
    :ivar min_free: bytes that are left free on the disk.
    :ivar writer_timeout: seconds, above 0.
    :ivar winning_number: 0 to 9999; None for a random one that can be proved.
    :ivar hello_timeout: seconds from the connection until the agency has said who it is.
    :ivar frame_timeout: seconds for one frame, from its first byte to its last.
    :ivar close_grace: seconds that a peer has to close behind our last words.
    :ivar strangers: connections at most that have not said who they are; and of one address.
    :ivar reconnects: how often one agency may come in a minute, 0 for no limit.
    :ivar most_bets: of one agency in one draw, 0 for no limit.
    :ivar status: endpoint string of the status page; None: there is none.
    :ivar status_hosts: names by which it may be asked for, beside addresses and ``localhost``.
    :ivar status_documents: whether it shows documents of winners.
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
    winning_number: int | None
    hello_timeout: float
    frame_timeout: float
    close_grace: float
    strangers: int
    strangers_per_address: int
    reconnects: int
    most_bets: int
    insecure: bool
    allow_classic: bool
    log_format: str = "text"
    tls_listen: tuple[str, ...] = ()
    tls: TlsFiles | None = None
    roster: Path | None = None
    ledger: str | None = None
    status: str | None = None
    status_hosts: tuple[str, ...] = ()
    status_documents: bool = False
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
    :ivar log_level: with ``log_format`` and ``ignored`` as of :class:`CentralSettings`.
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
    log_format: str = "text"
    tls: TlsFiles | None = None
    ignored: tuple[str, ...] = ()


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
    if "status" not in values and ("status_hosts" in values or values["status_documents"]):
        raise SettingsError("--status-host and --status-show-documents need --status")
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
