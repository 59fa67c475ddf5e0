"""The tables of settings: their names wherever they can come from, and the options made of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lottery.settings_values import (
    Setting,
    address,
    database,
    endpoints,
    file_path,
    flag,
    host_name,
    host_names,
    level_name,
    number_or_random,
    one_of,
    own_endpoint,
    seconds,
    whole,
)

_port = whole(1, 65535)
_config_help = "settings from a file"
_LOG_FORMAT = Setting(
    "log_format", one_of("text", "json"), "form of the log", "text or json", "text", "log-format",
    ("LOTTERY_LOG_FORMAT",),
)  # fmt: skip


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
    Setting("data_dir", file_path, "for bets", "directory", "./lottery-data",
            "data-dir", ("LOTTERY_DATA_DIR",)),
    Setting("ledger", database, "store in PostgreSQL, not in files", "URL", option="ledger",
            environment=("LOTTERY_LEDGER",)),
    Setting("writers", whole(1, 1024), "children that store bets", "processes",
            str(len(os.sched_getaffinity(0))), "writers", ("LOTTERY_WRITERS",)),
    Setting("draws", whole(0, 10**9), "end after so many, 0 never", "draws", "0", "draws",
            ("LOTTERY_DRAWS",)),
    Setting("silence", seconds(zero=True), "longest silence, 0 any", "seconds", "60",
            "silence", ("LOTTERY_SILENCE",)),
    Setting("rejoin", seconds(zero=True), "time to come back, 0 none", "seconds",
            "30", "rejoin", ("LOTTERY_REJOIN",)),
    Setting("deadline", seconds(zero=True), "draw at the latest, 0 never", "seconds", "0",
            "deadline", ("LOTTERY_DEADLINE",)),
    Setting("writer_timeout", seconds(zero=False), "kill a stuck writer", "seconds",
            "30", "writer-timeout", ("LOTTERY_WRITER_TIMEOUT",)),
    Setting("min_free", whole(0, 2**63), "leave free on the disk", "bytes", str(64 << 20),
            "min-free", ("LOTTERY_MIN_FREE",)),
    Setting("winning_number", number_or_random, "what wins", "0 to 9999 or random", "7574",
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
    Setting("strangers", whole(1, 65536), "of nobody known yet", "connections", "512",
            "strangers", ("LOTTERY_STRANGERS",)),
    Setting("strangers_per_address", whole(1, 65536), "of those, per address", "connections",
            "256", "per-address", ("LOTTERY_PER_ADDRESS",)),
    Setting("reconnects", whole(0, 10**6), "of an agency, 0 any",
            "a minute", "60", "reconnects", ("LOTTERY_RECONNECTS",)),
    Setting("most_bets", whole(0, 2**63), "bets of an agency, 0 any", "bets", "10000000",
            "most-bets", ("LOTTERY_MOST_BETS",)),
    Setting("status", own_endpoint, "show a status page", "endpoint", option="status",
            environment=("LOTTERY_STATUS",)),
    Setting("status_hosts", host_names, "its names, beside addresses", "names",
            option="status-host", environment=("LOTTERY_STATUS_HOST",)),
    Setting("status_documents", flag, "with winners' documents", "flag", "no",
            "status-show-documents", ("LOTTERY_STATUS_SHOW_DOCUMENTS",)),
    _log_level(),
    _LOG_FORMAT,
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
    _LOG_FORMAT,
    # Not LOTTERY_CONFIG: a central and an agency of one shell read files of different forms.
    Setting("config", str, _config_help, "YAML file", option="config",
            environment=("LOTTERY_AGENCY_CONFIG",)),
)  # fmt: skip


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
