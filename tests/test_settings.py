"""``lottery.settings``: each setting from each source, their order, and what is refused."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lottery.errors import SettingsError
from lottery.settings import AgencySettings, TlsFiles, agency_settings, central_settings
from lottery.settings_files import Entry, read_ini
from lottery.settings_table import AGENCY, CENTRAL

NEEDED = {"id": "3", "file": "bets.csv"}


def central(options=None, environ=None):
    return central_settings(options or {}, environ or {})


def agency(options=None, environ=None):
    return agency_settings(NEEDED | (options or {}), environ or {})


def refused(function, *arguments) -> str:
    """The one sentence that ``function`` refuses with."""
    with pytest.raises(SettingsError) as caught:
        function(*arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.isprintable()
    return sentence


def test_defaults_of_the_central() -> None:
    """A central needs no setting at all."""
    settings = central()
    assert settings.listen == ("tcp:12345:interface=127.0.0.1:backlog=128",)
    assert (settings.host, settings.port, settings.backlog) == ("127.0.0.1", 12345, 128)
    assert settings.log_level == "INFO"
    assert settings.agencies == 5
    assert settings.data_dir == Path("lottery-data")
    assert settings.writers == len(os.sched_getaffinity(0))
    assert settings.draws == 0
    assert (settings.silence, settings.deadline, settings.writer_timeout) == (60.0, 0.0, 30.0)
    assert settings.winning_number == 7574
    assert settings.ignored == ()


def test_defaults_of_the_agency() -> None:
    """An agency needs its number and its file; its winners are named after it."""
    assert agency() == AgencySettings(
        agency=3,
        input=Path("bets.csv"),
        output=Path("winners-3.csv"),
        host="127.0.0.1",
        port=12345,
        batch_size=100,
        window=16,
        retry_for=60.0,
        draw=0,
        skip_bad=False,
        log_level="INFO",
    )


# name of the field, option, variables, key of a file, text, value
CENTRAL_ROWS = [
    ("host", None, ["SERVER_HOST"], "SERVER_HOST", "::1", "::1"),
    ("port", None, ["SERVER_PORT"], "SERVER_PORT", "1", 1),
    ("port", None, ["SERVER_PORT"], "server_port", "65535", 65535),
    ("backlog", None, ["SERVER_LISTEN_BACKLOG"], "SERVER_LISTEN_BACKLOG", "7", 7),
    ("log_level", "log-level", ["LOGGING_LEVEL"], "LOGGING_LEVEL", "debug", "DEBUG"),
    ("agencies", "agencies", ["AGENCIES_AMOUNT", "AGENCY_QUORUM_MIN"], "AGENCIES_AMOUNT", "1", 1),
    ("agencies", "agencies", ["AGENCY_QUORUM_MIN"], "AGENCY_QUORUM_MIN", "200", 200),
    ("data_dir", "data-dir", ["LOTTERY_DATA_DIR"], "DATA_DIR", "/a b/ñ", Path("/a b/ñ")),
    ("ledger", "ledger", ["LOTTERY_LEDGER"], "ledger", "postgresql://h/d", "postgresql://h/d"),
    ("writers", "writers", ["LOTTERY_WRITERS"], "writers", "3", 3),
    ("draws", "draws", ["LOTTERY_DRAWS"], "LOTTERY_DRAWS", "2", 2),
    ("silence", "silence", ["LOTTERY_SILENCE"], "SILENCE", "0", 0.0),
    ("silence", "silence", ["LOTTERY_SILENCE"], "SILENCE", "0.25", 0.25),
    ("rejoin", "rejoin", ["LOTTERY_REJOIN"], "rejoin", "0", 0.0),
    ("rejoin", "rejoin", ["LOTTERY_REJOIN"], "LOTTERY_REJOIN", "2.5", 2.5),
    ("min_free", "min-free", ["LOTTERY_MIN_FREE"], "min_free", "0", 0),
    ("min_free", "min-free", ["LOTTERY_MIN_FREE"], "MIN_FREE", "1073741824", 1 << 30),
    ("deadline", "deadline", ["LOTTERY_DEADLINE"], "deadline", "90", 90.0),
    ("writer_timeout", "writer-timeout", ["LOTTERY_WRITER_TIMEOUT"], "writer_timeout", "1", 1.0),
    ("winning_number", "winning-number", ["LOTTERY_WINNING_NUMBER"], "winning_number", "0042", 42),
    (
        "winning_number",
        "winning-number",
        ["LOTTERY_WINNING_NUMBER"],
        "winning_number",
        "9999",
        9999,
    ),
    ("listen", "listen", ["LOTTERY_LISTEN"], "listen", "unix:/a b/c", ("unix:/a b/c",)),
    ("insecure", None, ["LOTTERY_INSECURE"], "insecure", "yes", True),
    ("insecure", None, ["LOTTERY_INSECURE"], "insecure", "false", False),
    ("hello_timeout", "hello-timeout", ["LOTTERY_HELLO_TIMEOUT"], "hello_timeout", "0.5", 0.5),
    ("frame_timeout", "frame-timeout", ["LOTTERY_FRAME_TIMEOUT"], "frame_timeout", "1", 1.0),
    ("close_grace", "close-grace", ["LOTTERY_CLOSE_GRACE"], "close_grace", "2", 2.0),
    ("strangers", "strangers", ["LOTTERY_STRANGERS"], "strangers", "1", 1),
    (
        "strangers_per_address",
        "per-address",
        ["LOTTERY_PER_ADDRESS"],
        "per_address",
        "65536",
        65536,
    ),
    ("reconnects", "reconnects", ["LOTTERY_RECONNECTS"], "reconnects", "0", 0),
    ("most_bets", "most-bets", ["LOTTERY_MOST_BETS"], "most_bets", "0", 0),
    ("log_format", "log-format", ["LOTTERY_LOG_FORMAT"], "log_format", "json", "json"),
]

#: What goes together, so that one of them alone is refused: field, option, variable, text.
IDENTITY_ROWS = [
    ("roster", "roster", "LOTTERY_ROSTER", "r.csv"),
    ("tls_cert", "tls-cert", "LOTTERY_TLS_CERT", "c.crt"),
    ("tls_key", "tls-key", "LOTTERY_TLS_KEY", "c.key"),
    ("tls_ca", "tls-ca", "LOTTERY_TLS_CA", "ca.crt"),
    ("tls_listen", "tls-listen", "LOTTERY_TLS_LISTEN", "tcp:1"),
    ("allow_classic", "allow-classic", "LOTTERY_ALLOW_CLASSIC", "yes"),
]
IDENTITY = {option: text for _, option, _, text in IDENTITY_ROWS}
#: Likewise, of the status page.
STATUS_ROWS = [
    ("status", "status", "LOTTERY_STATUS", "tcp:8080"),
    ("status_hosts", "status-host", "LOTTERY_STATUS_HOST", "central, lottery.example"),
    ("status_documents", "status-show-documents", "LOTTERY_STATUS_SHOW_DOCUMENTS", "yes"),
]
TLS = TlsFiles(Path("c.crt"), Path("c.key"), Path("ca.crt"))

AGENCY_ROWS = [
    ("agency", "id", ["AGENCY_ID", "CLI_ID"], "id", "0", 0),
    ("agency", "id", ["CLI_ID"], "AGENCY_ID", "4294967295", 4294967295),
    (
        "input",
        "file",
        ["INPUT_FILE", "CLI_AGENCY_FILEPATH"],
        "input_file",
        "a b.csv",
        Path("a b.csv"),
    ),
    ("output", "output", ["OUTPUT_FILE"], "output", "w.csv", Path("w.csv")),
    ("batch_size", "batch-size", ["BATCH_SIZE"], "batch.maxAmount", "65535", 65535),
    ("host", None, ["SERVER_HOST"], "SERVER_HOST", "central", "central"),
    ("port", None, ["SERVER_PORT"], "server_port", "5", 5),
    ("window", "window", ["LOTTERY_WINDOW"], "window", "1", 1),
    ("retry_for", "retry-for", ["LOTTERY_RETRY_FOR"], "retry_for", "0", 0.0),
    ("draw", "draw", ["LOTTERY_DRAW"], "draw", "4294967294", 4294967294),
    ("skip_bad", None, ["LOTTERY_SKIP_BAD"], "skip_bad", "Yes", True),
    ("skip_bad", None, ["LOTTERY_SKIP_BAD"], "skip_bad", "true", True),
    ("skip_bad", None, ["LOTTERY_SKIP_BAD"], "skip_bad", "false", False),
    ("skip_bad", None, ["LOTTERY_SKIP_BAD"], "skip_bad", "no", False),
    ("log_level", "log-level", ["LOGGING_LEVEL"], "log.level", "WARNING", "WARNING"),
    ("log_format", "log-format", ["LOTTERY_LOG_FORMAT"], "log_format", "json", "json"),
]
AGENCY_TLS = {
    "tls-cert": ("LOTTERY_AGENCY_TLS_CERT", "c.crt"),
    "tls-key": ("LOTTERY_AGENCY_TLS_KEY", "c.key"),
    "tls-ca": ("LOTTERY_AGENCY_TLS_CA", "ca.crt"),
}


@pytest.mark.parametrize(("name", "option", "variables", "key", "text", "value"), CENTRAL_ROWS)
def test_each_setting_of_the_central(tmp_path, name, option, variables, key, text, value) -> None:
    """The same text means the same as option, as each variable and in the file."""
    if option:
        assert getattr(central({option: text}), name) == value
    for variable in variables:
        assert getattr(central({}, {variable: text}), name) == value
    file = tmp_path / "config.ini"
    file.write_text(f"[DEFAULT]\n{key} = {text}\n")
    assert getattr(central({"config": str(file)}), name) == value


@pytest.mark.parametrize(("name", "option", "variables", "key", "text", "value"), AGENCY_ROWS)
def test_each_setting_of_the_agency(tmp_path, name, option, variables, key, text, value) -> None:
    """The same text means the same as option, as each variable and in the file."""
    needed = {key: text for key, text in NEEDED.items() if key != option}
    if option:
        assert getattr(agency_settings(needed | {option: text}, {}), name) == value
    for variable in variables:
        assert getattr(agency_settings(needed, {variable: text}), name) == value
    file = tmp_path / "config.yaml"
    file.write_text(f"{key}: {text}\n")
    assert getattr(agency_settings(needed | {"config": str(file)}, {}), name) == value


def test_rows_cover_both_tables() -> None:
    """A new setting needs a row here."""
    central_rows = {row[0] for row in (*CENTRAL_ROWS, *IDENTITY_ROWS, *STATUS_ROWS)}
    assert central_rows == {row.name for row in CENTRAL} - {"config"}
    agency_rows = {row[0] for row in AGENCY_ROWS} | {name.replace("-", "_") for name in AGENCY_TLS}
    assert agency_rows == {row.name for row in AGENCY} - {"config", "server"}


def test_status_page(tmp_path) -> None:
    """It is for this host alone, unless its endpoint names an interface."""
    variables = {variable: text for _, _, variable, text in STATUS_ROWS}
    file = tmp_path / "config.ini"
    lines = "".join(f"{name} = {text}\n" for _, name, _, text in STATUS_ROWS).replace("-", "_")
    file.write_text(f"[DEFAULT]\n{lines}")
    options = {option: text for _, option, _, text in STATUS_ROWS}
    for settings in (central(options), central({}, variables), central({"config": str(file)})):
        assert settings.status == "tcp:8080:interface=127.0.0.1"
        assert settings.status_hosts == ("central", "lottery.example")
        assert settings.status_documents


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp:8080", "tcp:8080:interface=127.0.0.1"),
        ("TCP:port=0", "TCP:port=0:interface=127.0.0.1"),
        ("tcp6:8080", r"tcp6:8080:interface=\:\:1"),
        ("ssl:443:privateKey=k", "ssl:443:privateKey=k:interface=127.0.0.1"),
        ("tcp:8080:interface=0.0.0.0", "tcp:8080:interface=0.0.0.0"),
        ("unix:/run/status", "unix:/run/status"),
    ],
)
def test_where_the_status_page_is(text: str, endpoint: str) -> None:
    """Only what says so is open to others."""
    assert central({"status": text}).status == endpoint


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"status-host": "central"}, "--status-host and --status-show-documents need --status"),
        ({"status-show-documents": "1"}, "--status-host and --status-show-documents need --status"),
        ({"status": "tcp:1\ntcp:2"}, "it must be one endpoint"),
        ({"status": "haproxy:tcp:8080"}, "an endpoint of kind tcp, tcp6, ssl, unix or systemd"),
        ({"status": "nonsense"}, "an endpoint of kind tcp, tcp6, ssl, unix or systemd"),
        ({"status": "tcp:1", "status-host": "a,,b"}, "it must be host names, with commas between"),
        ({"status": "tcp:1", "status-host": "a b"}, "it must be host names, with commas between"),
    ],
)
def test_status_page_that_cannot_be(options: dict[str, str], sentence: str) -> None:
    """One sentence says what is allowed."""
    with pytest.raises(SettingsError, match=sentence):
        central(options)


def test_who_may_come_in(tmp_path) -> None:
    """Roster and the files of TLS, from options, variables and a file alike."""
    variables = {variable: text for _, _, variable, text in IDENTITY_ROWS}
    file = tmp_path / "config.ini"
    lines = "".join(f"{name} = {text}\n" for name, _, _, text in IDENTITY_ROWS)
    file.write_text(f"[DEFAULT]\n{lines}")
    for settings in (central(IDENTITY), central({}, variables), central({"config": str(file)})):
        assert (settings.roster, settings.tls) == (Path("r.csv"), TLS)
        assert (settings.listen, settings.tls_listen) == ((), ("tcp:1",))
        assert settings.allow_classic
        assert not settings.insecure


@pytest.mark.parametrize(
    ("given", "listen", "tls_listen"),
    [
        ({}, (), ("tcp:12345:interface=127.0.0.1:backlog=128",)),
        ({"tls-listen": "tcp:1"}, (), ("tcp:1",)),
        ({"tls-listen": "tcp:1", "listen": "tcp:2"}, ("tcp:2",), ("tcp:1",)),
    ],
)
def test_where_tls_is_spoken(given, listen, tls_listen) -> None:
    """At endpoints of its own, beside or instead of plain ones; the one that is made is TLS's."""
    options = {name: IDENTITY[name] for name in ("roster", "tls-cert", "tls-key", "tls-ca")}
    settings = central(options | given)
    assert (settings.listen, settings.tls_listen) == (listen, tls_listen)
    assert settings.has_own_endpoints == bool(given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"roster": "r"}, "a roster needs --tls-cert"),
        ({"tls-cert": "c"}, "for TLS, --tls-key and --tls-ca is missing"),
        ({"tls-cert": "c", "tls-key": "k"}, "for TLS, --tls-ca is missing"),
        ({"tls-cert": "c", "tls-key": "k", "tls-ca": "a"}, "TLS needs --roster"),
        ({"tls-listen": "tcp:1"}, "--tls-listen needs --tls-cert"),
        ({"allow-classic": "yes"}, "--allow-classic has no meaning without --roster"),
        (
            {"roster": "r", "tls-cert": "c", "tls-key": "k", "tls-ca": "a", "listen": "tcp:1"},
            "TLS needs --tls-listen",
        ),
    ],
)
def test_what_goes_together(given, says) -> None:
    """Nobody is open, or closed, by half of what it takes."""
    assert says in refused(central, given)


def test_tls_of_the_agency() -> None:
    """All three files, from options or variables, or none."""
    assert agency().tls is None
    assert agency({name: text for name, (_, text) in AGENCY_TLS.items()}).tls == TLS
    assert agency({}, dict(AGENCY_TLS.values())).tls == TLS
    assert "--tls-ca is missing" in refused(agency, {"tls-cert": "c", "tls-key": "k"})


def test_order_of_sources(tmp_path) -> None:
    """Option before environment before file before default."""
    file = tmp_path / "config.ini"
    file.write_text("[DEFAULT]\nAGENCIES_AMOUNT=7\nLOGGING_LEVEL=ERROR\nWRITERS=2\n")
    settings = central(
        {"config": str(file), "agencies": "9"},
        {"AGENCIES_AMOUNT": "8", "LOGGING_LEVEL": "DEBUG"},
    )
    assert (settings.agencies, settings.log_level, settings.writers) == (9, "DEBUG", 2)


def test_canonical_variable_comes_before_its_alias() -> None:
    """Both may be set; the alias is for those who set only it."""
    assert central({}, {"AGENCY_QUORUM_MIN": "2", "AGENCIES_AMOUNT": "3"}).agencies == 3


def test_file_named_by_the_environment(tmp_path) -> None:
    """Each program has its own variable: the files differ in form."""
    ini, yaml = tmp_path / "c.ini", tmp_path / "c.yaml"
    ini.write_text("[DEFAULT]\nSERVER_PORT=7\n")
    yaml.write_text("window: 9\n")
    environ = {"LOTTERY_CONFIG": str(ini), "LOTTERY_AGENCY_CONFIG": str(yaml)}
    assert central({}, environ).port == 7
    assert agency({}, environ).window == 9


def test_unknown_variables_are_ignored() -> None:
    """An environment is full of names of others."""
    assert central({}, {"LOTTERY_NOTHING": "x", "PATH": "/bin", "LOOP": "1"}) == central()


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("0.0.0.0", "tcp:80:interface=0.0.0.0:backlog=5"),
        ("::1", r"tcp:80:interface=\:\:1:backlog=5"),
        ("fe80::1%eth0", r"tcp:80:interface=fe80\:\:1%eth0:backlog=5"),
    ],
)
def test_endpoint_of_host_port_and_backlog(host, endpoint) -> None:
    """Without --listen one is made, and the colons of IPv6 do not divide it."""
    environ = {"SERVER_HOST": host, "SERVER_PORT": "80", "SERVER_LISTEN_BACKLOG": "5"}
    assert central({}, environ).listen == (endpoint,)


def test_several_endpoints(tmp_path) -> None:
    """--listen may be repeated; the environment and the file hold one per line."""
    both = ("tcp:1", "unix:/a b")
    assert central({"listen": list(both)}, {"LOTTERY_LISTEN": "tcp:3"}).listen == both
    assert central({"listen": []}, {"LOTTERY_LISTEN": "tcp:1\nunix:/a b"}).listen == both
    file = tmp_path / "c.ini"
    file.write_text("[DEFAULT]\nLISTEN = tcp:1\n  unix:/a b\n")
    assert central({"config": str(file), "listen": []}).listen == both


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("central:12345", "central", 12345),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:80", "::1", 80),
    ],
)
def test_address_of_the_central(tmp_path, address, host, port) -> None:
    """HOST:PORT as option and as ``server.address``."""
    file = tmp_path / "c.yaml"
    file.write_text(f'server:\n  address: "{address}"\n')
    for options in ({"server": address}, {"config": str(file)}):
        settings = agency(options)
        assert (settings.host, settings.port) == (host, port)


def test_halves_of_the_address(tmp_path) -> None:
    """A variable for the host alone leaves the port of the file; the option gives both."""
    file = tmp_path / "c.yaml"
    file.write_text("server.address: a:1\n")
    environ = {"SERVER_HOST": "b"}
    settings = agency({"config": str(file)}, environ)
    assert (settings.host, settings.port) == ("b", 1)
    settings = agency({"config": str(file), "server": "c:2"}, environ)
    assert (settings.host, settings.port) == ("c", 2)


def test_flag_of_the_agency() -> None:
    """A flag that is not given leaves the word to the environment; given, it is yes."""
    assert agency({"skip-bad": 0}, {"LOTTERY_SKIP_BAD": "yes"}).skip_bad
    assert agency({"skip-bad": 1}, {"LOTTERY_SKIP_BAD": "no"}).skip_bad


def test_files_of_the_original(tmp_path) -> None:
    """Its keys are taken, and those without a meaning here are named as ignored."""
    ini, yaml = tmp_path / "config.ini", tmp_path / "config.yaml"
    ini.write_text(
        "[DEFAULT]\nSERVER_PORT = 12346\nSERVER_IP = server\nSERVER_LISTEN_BACKLOG = 5\n"
        "LOGGING_LEVEL = INFO\n"
    )
    yaml.write_text(
        'server:\n  address: "server:12345"\nloop:\n  amount: 5\n  period: "5s"\n'
        'log:\n  level: "INFO"\nbatch:\n  maxAmount: 70\n'
    )
    of_central = central({"config": str(ini)})
    assert (of_central.port, of_central.backlog) == (12346, 5)
    assert of_central.ignored == ("server_ip",)
    of_agency = agency({"config": str(yaml)})
    assert (of_agency.host, of_agency.batch_size) == ("server", 70)
    assert of_agency.ignored == ("loop.amount", "loop.period")


# B56: option, text, what the sentence must say
BAD_CENTRAL = [
    ("LOTTERY_HELLO_TIMEOUT", "0", "seconds above 0"),
    ("LOTTERY_HELLO_TIMEOUT", "31536001", "up to 31536000"),
    ("LOTTERY_FRAME_TIMEOUT", "0", "seconds above 0"),
    ("LOTTERY_FRAME_TIMEOUT", "31536001", "up to 31536000"),
    ("LOTTERY_CLOSE_GRACE", "0", "seconds above 0"),
    ("LOTTERY_CLOSE_GRACE", "31536001", "up to 31536000"),
    ("LOTTERY_STRANGERS", "0", "from 1 to 65536"),
    ("LOTTERY_STRANGERS", "65537", "from 1 to 65536"),
    ("LOTTERY_PER_ADDRESS", "0", "from 1 to 65536"),
    ("LOTTERY_PER_ADDRESS", "65537", "from 1 to 65536"),
    ("LOTTERY_RECONNECTS", "-1", "from 0 to 1000000"),
    ("LOTTERY_RECONNECTS", "1000001", "from 0 to 1000000"),
    ("LOTTERY_MOST_BETS", "-1", "from 0 to"),
    ("LOTTERY_LOG_FORMAT", "JSON", "one of text, json"),
    ("LOTTERY_LOG_FORMAT", "", "one of text, json"),
    ("LOTTERY_INSECURE", "perhaps", "no, false, off or 0"),
    ("LOTTERY_ALLOW_CLASSIC", "", "no, false, off or 0"),
    ("LOTTERY_ROSTER", "", "a path"),
    ("LOTTERY_TLS_CERT", "", "a path"),
    ("LOTTERY_TLS_KEY", "", "a path"),
    ("LOTTERY_TLS_CA", "a\0b", "a path"),
    ("LOTTERY_TLS_LISTEN", "", "an endpoint"),
    ("SERVER_PORT", "0", "from 1 to 65535"),
    ("SERVER_PORT", "-1", "from 1 to 65535"),
    ("SERVER_PORT", "70000", "from 1 to 65535"),
    ("SERVER_PORT", "abc", "from 1 to 65535"),
    ("SERVER_PORT", "", "from 1 to 65535"),
    ("SERVER_PORT", "1_0", "from 1 to 65535"),
    ("SERVER_PORT", " 80", "from 1 to 65535"),
    ("SERVER_PORT", "80\n", "from 1 to 65535"),
    ("SERVER_PORT", "٨٠", "from 1 to 65535"),
    ("SERVER_PORT", "+80", "from 1 to 65535"),
    ("SERVER_PORT", "0x50", "from 1 to 65535"),
    ("SERVER_PORT", "9" * 5000, "from 1 to 65535"),
    ("SERVER_HOST", "", "a host name or an IP address"),
    ("SERVER_HOST", "a b", "a host name or an IP address"),
    ("SERVER_HOST", "a\n", "a host name or an IP address"),
    ("SERVER_LISTEN_BACKLOG", "0", "from 1 to 65535"),
    ("LOGGING_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ("LOGGING_LEVEL", "", "one of DEBUG"),
    ("AGENCIES_AMOUNT", "0", "from 1 to"),
    ("AGENCY_QUORUM_MIN", "0", "from 1 to"),
    ("AGENCIES_AMOUNT", "five", "from 1 to"),
    ("LOTTERY_DATA_DIR", "", "a path"),
    ("LOTTERY_DATA_DIR", "a\0b", "a path"),
    ("LOTTERY_WRITERS", "0", "from 1 to"),
    ("LOTTERY_DRAWS", "-1", "from 0 to"),
    ("LOTTERY_SILENCE", "nan", "seconds from 0"),
    ("LOTTERY_SILENCE", "inf", "seconds from 0"),
    ("LOTTERY_SILENCE", "1e3", "seconds from 0"),
    ("LOTTERY_SILENCE", "-1", "seconds from 0"),
    ("LOTTERY_SILENCE", "1s", "seconds from 0"),
    ("LOTTERY_DEADLINE", "31536001", "up to 31536000"),
    ("LOTTERY_WRITER_TIMEOUT", "0", "seconds above 0"),
    ("LOTTERY_WRITER_TIMEOUT", "0.0", "seconds above 0"),
    ("LOTTERY_WINNING_NUMBER", "10000", "from 0 to 9999"),
    ("LOTTERY_WINNING_NUMBER", "-1", "from 0 to 9999"),
    ("LOTTERY_LISTEN", "", "an endpoint"),
    ("LOTTERY_LISTEN", "tcp:1\n\ntcp:2", "an endpoint"),
    ("LOTTERY_LISTEN", "tcp:1\x1b[2J", "an endpoint"),
]

BAD_AGENCY = [
    ("AGENCY_ID", "-1", "from 0 to 4294967295"),
    ("AGENCY_ID", "4294967296", "from 0 to 4294967295"),
    ("CLI_ID", "x", "from 0 to 4294967295"),
    ("INPUT_FILE", "", "a path"),
    ("OUTPUT_FILE", "", "a path"),
    ("BATCH_SIZE", "0", "from 1 to 65535"),
    ("BATCH_SIZE", "65536", "from 1 to 65535"),
    ("SERVER_PORT", "0", "from 1 to 65535"),
    ("LOTTERY_WINDOW", "0", "from 1 to"),
    ("LOTTERY_RETRY_FOR", "soon", "seconds from 0"),
    ("LOTTERY_SKIP_BAD", "maybe", "yes, true, on or 1"),
    ("LOTTERY_SKIP_BAD", "", "no, false, off or 0"),
    ("LOTTERY_AGENCY_TLS_CERT", "", "a path"),
    ("LOTTERY_AGENCY_TLS_KEY", "", "a path"),
    ("LOTTERY_AGENCY_TLS_CA", "a\0b", "a path"),
]


@pytest.mark.parametrize(("variable", "text", "allowed"), BAD_CENTRAL)
def test_bad_values_of_the_central(variable, text, allowed) -> None:
    """The sentence names the variable, the value and what is allowed."""
    sentence = refused(central, {}, {variable: text})
    assert sentence.startswith(f"environment {variable} is {text[:60]!r}"[:70])
    assert allowed in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize(("variable", "text", "allowed"), BAD_AGENCY)
def test_bad_values_of_the_agency(variable, text, allowed) -> None:
    """The sentence names the variable, the value and what is allowed."""
    needed = {"INPUT_FILE": "f"} if variable == "CLI_ID" else {"AGENCY_ID": "1", "INPUT_FILE": "f"}
    sentence = refused(agency_settings, {}, needed | {variable: text})
    assert sentence.startswith(f"environment {variable} is {text!r}, it must be ")
    assert allowed in sentence


@pytest.mark.parametrize("address", ["central", "a:b:1", ":1", "a:", "[::1]", "::1:80", "a: 1", ""])
def test_bad_addresses(address) -> None:
    """An address without a port, or whose port can not be told from it."""
    assert "option --server is" in refused(agency, {"server": address})
    assert "HOST:PORT, with an IPv6 address in brackets" in refused(agency, {"server": address})


def test_bad_parts_of_an_address() -> None:
    """Each part has its own rule."""
    sentence = refused(agency, {"server": "a:70000"})
    assert sentence.startswith("the port of option --server is '70000', it must be a whole number")
    assert "the host of option --server is 'ñ'" in refused(agency, {"server": "ñ:1"})


def test_bad_options_and_keys_say_where(tmp_path) -> None:
    """An option, an argument, and the line of a file."""
    assert refused(central, {"agencies": "0"}).startswith("option --agencies is '0'")
    assert refused(agency, {"file": ""}).startswith("argument FILE is ''")
    ini, yaml = tmp_path / "c.ini", tmp_path / "c.yaml"
    ini.write_text("[DEFAULT]\n\nServer_Port: x\n")
    sentence = refused(central, {"config": str(ini)})
    assert sentence.startswith(f"{ini}, line 3, key SERVER_PORT is 'x', it must be ")
    yaml.write_text("log:\n  level: x\n")
    ini.write_text("[DEFAULT]\n= 5\n")
    assert refused(central, {"config": str(ini)}).startswith(f"{ini}, line 2")
    sentence = refused(agency, {"config": str(yaml)})
    assert sentence.startswith(f"{yaml}, line 2, key log.level is 'x', it must be one of ")


def test_what_an_agency_must_be_told() -> None:
    """No default can stand for its number or its file."""
    assert refused(agency_settings, {"file": "f"}, {}) == (
        "number of the agency is missing, option --id or environment AGENCY_ID gives it"
    )
    assert refused(agency_settings, {"id": "1"}, {}) == (
        "file of bets is missing, argument FILE or environment INPUT_FILE gives it"
    )


# B55 and B56: content of the file, what the sentence says after its name; None if it is fine
INI_FILES = [
    (b"", None),
    (b"\xef\xbb\xbf[DEFAULT]\r\nSERVER_PORT=12345\r\n", None),
    (b"# only\n; remarks\n[DEFAULT]\n", None),
    (b"[DEFAULT]\nDATA_DIR = 100%%/%(x)s %\n", None),
    (b"\x7fELF\x02\x01\x01\0\0\0", ", line 1: not text, it holds a NUL"),
    (b"[DEFAULT]\nDATA_DIR=\xe9\n", ", line 2: not UTF-8 text"),
    ("[DEFAULT]\n".encode("utf-16"), ", line 1: not UTF-8 text"),
    (b"SERVER_PORT=1\n", ", line 1: a line stands before [DEFAULT]"),
    (b"[DEFAULT]\nSERVER_PORT\n", ", line 2: not of the form KEY = VALUE"),
    (
        b"[DEFAULT]\nSERVER_PORT=1\nserver_port=2\n",
        ", line 3: key 'server_port' stands there again",
    ),
    (b"[DEFAULT]\nWRITERS=1\n[DEFAULT]\nWRITERS=1\n", ", line 4: key 'writers' stands there again"),
    (b"[x]\n[x]\n", ", line 2: section [x] stands there again"),
    (
        b"[DEFAULT]\n[central]\nWRITERS=1\n",
        ": section [central] is unknown, all keys stand in [DEFAULT]",
    ),
    (b"[DEFAULT]\nSERVER_PROT=1\n", ", line 2, key SERVER_PROT is unknown"),
    (b"[DEFAULT]\nCONFIG=x\n", ", line 2, key CONFIG is unknown"),
    (
        b"[DEFAULT]\nWRITERS=1\nLOTTERY_WRITERS=1\n",
        ", line 3, key LOTTERY_WRITERS says again what ",
    ),
    (b"[DEFAULT]\nSERVER_PORT=70000\n", ", line 2, key SERVER_PORT is '70000', it must be "),
    (b"[DEFAULT]\nSERVER_PORT=\n", ", line 2, key SERVER_PORT is '', it must be "),
    (b"[DEFAULT]\n" + b"#" * 65536, ": longer than 65536 bytes, not a file of settings"),
]

YAML_FILES = [
    (b"", None),
    (b"# only a remark\n", None),
    (b"\xef\xbb\xbflog:\r\n  level: INFO\r\n", None),
    (b"log.level: INFO\n", None),
    (b"BATCH:\n  MAXAMOUNT: 7\n", None),
    (b"{}", None),
    (b"output: 100%(x)s\n", None),
    (b"- a\n- b\n", ": not a mapping of keys to values"),
    (b"just words\n", ": not a mapping of keys to values"),
    (b"log: [INFO]\n", ", line 1, key log: a list is not allowed, one value is"),
    (b"? [a]\n: b\n", ", line 1: a key must be a plain word"),
    (b"log:\n  level: INFO\nlog.level: INFO\n", ", line 3, key log.level stands there again"),
    (b"window: 1\nwindow: 2\n", ", line 2, key window stands there again"),
    (b"id: 1\nAGENCY_ID: 1\n", ", line 2, key AGENCY_ID says again what "),
    (b"x: 1\n", ", line 1, key x is unknown"),
    (b"log:\n  colour: red\n", ", line 2, key log.colour is unknown"),
    (b"log: INFO\n", ", line 1, key log is unknown"),
    (b"log:\n  level:\n", ", line 2, key log.level is '', it must be "),
    (b"window: 0x10\n", ", line 1, key window is '0x10', it must be "),
    (b"window: 1_6\n", ", line 1, key window is '1_6', it must be "),
    (b"log: {level: INFO\n", ", line 2: not YAML, "),
    (b"\tlog: x\n", ", line 1: not YAML, "),
    (b"a: 1\n---\nb: 2\n", ", line 2: not YAML, but found another document"),
    (b"log: !!python/object/apply:os.system [x]\n", ", line 1, key log: a list is not allowed"),
    (b"a: &a {b: 1}\nc: *a\n", ", line 2, key c: anchors and aliases are not allowed"),
    (b"a: *b\n", ", line 1: not YAML, found undefined alias"),
    (b"<<: {log: {level: INFO}}\n", " key <<.log.level is unknown"),
    (b"log: \x01\n", ": not YAML, special characters are not allowed"),
    (b"a: " + b"[" * 30000, ": nested too deeply"),
    (b"\0\0", ", line 1: not text, it holds a NUL"),
    (b"window: \xff\n", ", line 1: not UTF-8 text"),
    (b"\x1b[2J: 1\n", ": not YAML, special characters are not allowed"),
    (b'"\\e[2J": 1\n', ", line 1, key '\\x1b[2J' is unknown"),
]


@pytest.mark.parametrize(("content", "said"), INI_FILES)
def test_ini_files(tmp_path, content, said) -> None:
    """B55: a file is taken, or refused with its name, the line and the cause."""
    path = tmp_path / "c.ini"
    path.write_bytes(content)
    if said is None:
        assert central({"config": str(path)}).port == 12345
    else:
        assert refused(central, {"config": str(path)}).startswith(f"{path}{said}")


def test_many_keys(tmp_path) -> None:
    """The largest file of settings is read in a moment, and its last line is still named."""
    path = tmp_path / "c.ini"
    path.write_text("[DEFAULT]\n" + "".join(f"k{n}=x\n" for n in range(7000)))
    start = time.process_time()
    entries = read_ini(str(path))

    assert time.process_time() - start < 2
    assert entries["k6999"] == Entry("x", f"{path}, line 7001, key K6999")


@pytest.mark.parametrize("bracket", ["[", "{", "[a, ", "{a: "])
def test_many_brackets(tmp_path, bracket) -> None:
    """Brackets within brackets are refused in a moment: PyYAML took a second for 1,500 of them."""
    path = tmp_path / "c.yaml"
    path.write_text("a: " + bracket * 5000)
    start = time.process_time()
    sentence = refused(agency, {"config": str(path)})

    assert sentence == f"{path}: nested too deeply"
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize(("content", "said"), YAML_FILES)
def test_yaml_files(tmp_path, content, said) -> None:
    """B55: a file is taken, or refused with its name, the line and the cause."""
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    if said is None:
        assert agency({"config": str(path)}).agency == 3
    else:
        sentence = refused(agency, {"config": str(path)})
        assert sentence.startswith(str(path))
        assert said in sentence


def test_aliases_that_would_fill_the_memory(tmp_path) -> None:
    """A few lines that stand for a billion values are refused at the first alias."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{l: *a{n - 1}, r: *a{n - 1}}}" for n in range(1, 31)]
    path = tmp_path / "c.yaml"
    path.write_text("\n".join(lines))
    assert "anchors and aliases are not allowed" in refused(agency, {"config": str(path)})


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing.ini", "No such file or directory"),
        (".", "Is a directory"),
        ("c.ini/x", "Not a directory"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_files_that_can_not_be_read(tmp_path, name, cause) -> None:
    """B55: missing, a directory, not a path at all: for both programs."""
    (tmp_path / "c.ini").write_text("")
    for function in (central, agency):
        sentence = refused(function, {"config": f"{tmp_path}/{name}"})
        assert sentence.endswith(f": can not be read, {cause}")
    assert refused(central, {"config": ""}) == "'': can not be read, No such file or directory"


def test_an_endless_file() -> None:
    """Only as much is read as a file of settings can have."""
    assert "longer than" in refused(central, {"config": "/dev/zero"})
