"""The options of the central: what ``--help`` says, and the same words on both faces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lottery
from lottery.settings import TlsFiles, central_settings
from lottery.settings_table import AGENCY, CENTRAL, usage_rows
from lottery.tap import Options

OPTIONS = {
    "listen", "agencies", "data-dir", "writers", "draws", "silence", "rejoin",
    "deadline", "writer-timeout", "ledger", "min-free", "winning-number", "log-level", "config",
    "roster", "tls-listen", "tls-cert", "tls-key", "tls-ca", "insecure", "allow-classic",
    "hello-timeout", "frame-timeout", "close-grace", "strangers", "per-address", "reconnects",
    "most-bets", "log-format", "status", "status-host", "status-show-documents",
}  # fmt: skip
AGENCY_OPTIONS = {
    "id", "server", "output", "batch-size", "window", "retry-for", "draw", "skip-bad",
    "tls-cert", "tls-key", "tls-ca", "log-level", "log-format", "config",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch) -> None:
    """The environment of whoever runs the tests does not count."""
    monkeypatch.setenv("COLUMNS", "80")
    for setting in (*CENTRAL, *AGENCY):
        for name in setting.environment:
            monkeypatch.delenv(name, raising=False)


def parsed(*words: str) -> Options:
    options = Options()
    options.parseOptions(words)
    return options


def refused(capsys, *words: str) -> str:
    """The sentence on stderr with which ``words`` end the program with status 2."""
    with pytest.raises(SystemExit) as caught:
        Options().parseOptions(words)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lottery: ")
    assert captured.err.count("\n") == 1
    return captured.err[9:-1]


def test_names_are_as_promised() -> None:
    """Scripts of operators hold them."""
    assert {row.option for row in CENTRAL} - {None} == OPTIONS
    assert {row.option for row in AGENCY if not row.positional} - {None} == AGENCY_OPTIONS


def test_defaults() -> None:
    """No option at all gives the defaults of the table."""
    assert parsed().settings == central_settings({}, {})


def test_every_option() -> None:
    """Each of them reaches its setting."""
    settings = parsed(
        "--listen", "tcp:1", "--listen=unix:/a b", "--agencies", "2", "--data-dir=d e",
        "--writers=3", "--draws=4", "--silence=5", "--deadline=6", "--writer-timeout=7.5",
        "--rejoin=1.5", "--min-free=9", "--winning-number=8", "--log-level=debug",
    ).settings  # fmt: skip
    assert settings.listen == ("tcp:1", "unix:/a b")
    assert (settings.agencies, settings.data_dir) == (2, Path("d e"))
    assert (settings.writers, settings.draws) == (3, 4)
    assert (settings.silence, settings.deadline, settings.writer_timeout) == (5.0, 6.0, 7.5)
    assert (settings.rejoin, settings.min_free) == (1.5, 9)
    assert (settings.winning_number, settings.log_level) == (8, "DEBUG")


def test_every_option_about_who_may_come_in() -> None:
    """The same; these go together."""
    settings = parsed(
        "--listen=tcp:1", "--tls-listen", "tcp:2", "--tls-listen=tcp:3", "--tls-cert=c",
        "--tls-key=k", "--tls-ca=a", "--roster=r", "--allow-classic", "--insecure",
        "--hello-timeout=1", "--frame-timeout=2", "--close-grace=3", "--strangers=4",
        "--per-address=5", "--reconnects=6", "--most-bets=7",
    ).settings  # fmt: skip
    assert (settings.listen, settings.tls_listen) == (("tcp:1",), ("tcp:2", "tcp:3"))
    assert settings.tls == TlsFiles(Path("c"), Path("k"), Path("a"))
    assert settings.roster == Path("r")
    assert settings.allow_classic
    assert settings.insecure
    times = (settings.hello_timeout, settings.frame_timeout, settings.close_grace)
    assert times == (1.0, 2.0, 3.0)
    caps = (settings.strangers, settings.strangers_per_address, settings.reconnects)
    assert (*caps, settings.most_bets) == (4, 5, 6, 7)


def test_options_come_before_the_environment(monkeypatch) -> None:
    """``os.environ`` is asked, after the words."""
    monkeypatch.setenv("AGENCIES_AMOUNT", "7")
    assert parsed().settings.agencies == 7
    assert parsed("--agencies=8").settings.agencies == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--agences", "3"], "option --agences not recognized"),
        (["--agencies"], "option --agencies requires argument"),
        (["-x"], "option -x not recognized"),
        (["--agencies", "0"], "option --agencies is '0', it must be a whole number from 1 to"),
        (["--silence", "nan"], "option --silence is 'nan', it must be seconds from 0 up to"),
        (["--listen", ""], "option --listen is '', it must be an endpoint"),
        (["--listen", "tcp:1", "--listen", ""], "option --listen is 'tcp:1\\n', it must be an"),
        (["serve"], "argument 'serve' is unknown, there are only options"),
        (["a\nb"], "argument 'a\\nb' is unknown"),
        (["--config", "/"], "/: can not be read, Is a directory"),
    ],
)
def test_bad_words(capsys, words, said) -> None:
    """One sentence and status 2, also under ``twistd``, which alone would end with 0."""
    assert refused(capsys, *words).startswith(said)


def test_bad_environment(capsys, monkeypatch) -> None:
    """It stops the program as a bad option does."""
    monkeypatch.setenv("SERVER_PORT", "abc")
    assert refused(capsys).startswith("environment SERVER_PORT is 'abc', it must be ")


def test_version(capsys) -> None:
    """Ours, not Twisted's."""
    with pytest.raises(SystemExit) as caught:
        Options().parseOptions(["--version"])
    assert not caught.value.code
    assert capsys.readouterr().out == f"lottery {lottery.__version__}\n"


def help_lines(capsys, options) -> dict[str, str]:
    """The line of each option in ``--help``, by name."""
    with pytest.raises(SystemExit) as caught:
        options.parseOptions(["--help"])
    assert not caught.value.code
    lines = capsys.readouterr().out.splitlines()
    body = lines[lines.index("Options:") + 1 :]
    body = body[: body.index("")]
    matches = [re.fullmatch(r" +--([a-z-]+)=? +(\S.*)", line) for line in body]
    assert all(matches), body  # a wrapped line would not match
    return {match[1]: match[2] for match in matches}


def test_help_of_the_central(capsys) -> None:
    """Each option in one line of a terminal of 80 columns, with its unit and default."""
    lines = help_lines(capsys, Options())
    assert set(lines) == OPTIONS | {"help", "version"}
    for setting in CENTRAL:
        if setting.option:
            assert lines[setting.option] == setting.explained
            assert setting.unit in setting.explained
            assert setting.default is None or f"default {setting.default}]" in setting.explained


def test_help_of_the_agency(capsys) -> None:
    """The same of the agency."""
    from lottery.command.agency import Options as AgencyOptions

    lines = help_lines(capsys, AgencyOptions())
    assert set(lines) >= AGENCY_OPTIONS | {"help"}
    for setting in AGENCY:
        if setting.option and not setting.positional:
            assert lines[setting.option] == setting.explained


def test_both_faces_have_the_same_options(capsys) -> None:
    """``twistd lottery`` and ``lottery serve`` do not drift apart."""
    from lottery.command.serve import Options as ServeOptions

    assert help_lines(capsys, ServeOptions()) == help_lines(capsys, Options())


def test_rows_have_no_default() -> None:
    """Else an option that is not given would hide the environment."""
    for table in (CENTRAL, AGENCY):
        parameters, flags = usage_rows(table)
        assert all(row[2] is None for row in parameters)
        assert all(len(row) == 3 for row in flags)
