"""``lottery``: one sentence and a status for whatever is wrong, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from twisted.python import usage

import lottery
from lottery.command import main
from lottery.errors import DamagedLedger, LotteryError, SettingsError, StartError

ROOT = Path(__file__).parent.parent


def status_and_sentence(capsys, *words: str) -> tuple[int, str]:
    status = main(words)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.err


@pytest.fixture
def command(monkeypatch):
    """Install a made-up ``sample`` command whose ``run`` is given by the test."""

    def install(run) -> None:
        module = types.ModuleType("lottery.command.sample")
        module.Options = usage.Options
        module.run = run
        monkeypatch.setitem(sys.modules, "lottery.command.sample", module)

    return install


def raising(error):
    """A ``run`` that raises."""

    def run(options, stdout):
        raise error

    return run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fly"], "lottery: Unknown command: fly\n"),
        (["--fast"], "lottery: option --fast not recognized\n"),
        (["-x"], "lottery: option -x not recognized\n"),
        (["sample", "--fast"], "lottery: option --fast not recognized\n"),
        (["a\nb\x1b[2J"], "lottery: Unknown command: a\\nb\\x1b[2J\n"),
        (["\udcff"], "lottery: Unknown command: \\udcff\n"),
    ],
)
def test_bad_words(capsys, words, said) -> None:
    """Status 2 and exactly one line, nothing in which moves a cursor."""
    assert status_and_sentence(capsys, *words) == (2, said)


def test_no_command(capsys) -> None:
    """The help is shown where errors are shown."""
    status, text = status_and_sentence(capsys)
    assert status == 2
    assert text.startswith("Usage: lottery COMMAND [options]\n")
    assert text.endswith("\nlottery: a command is missing\n")


def test_help(capsys) -> None:
    """On stdout, with every command."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: lottery COMMAND [options]\n")
    for name in ("serve", "agency", "sample", "export", "results", "audit"):
        assert f"\n    {name} " in text


def test_help_of_a_command(capsys) -> None:
    """Its first line is how it is called."""
    assert main(["sample", "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("Usage: lottery sample")


def test_version(capsys) -> None:
    """Ours, not Twisted's."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lottery {lottery.__version__}\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SettingsError("x is bad"), 2, "x is bad"),
        (usage.UsageError("x is bad"), 2, "x is bad"),
        (StartError("in use"), 2, "in use"),
        (DamagedLedger("f", 7, "no sum"), 3, "f is damaged at byte 7, no sum"),
        (LotteryError("gave up"), 1, "gave up"),
        (FileNotFoundError(2, "No such file", "f"), 1, "f: No such file"),
        (OSError(28, "No space left"), 1, "No space left"),
        (SettingsError("two\nlines"), 2, "two\\nlines"),
    ],
)
def test_errors_of_a_command(capsys, command, error, status, said) -> None:
    """Each kind has its status, and its sentence is one line."""
    command(raising(error))
    assert status_and_sentence(capsys, "sample") == (status, f"lottery: {said}\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BrokenPipeError(), 0),
        (KeyboardInterrupt(), 130),
        (SystemExit(), 0),
        (SystemExit(2), 2),
    ],
)
def test_silent_ends(capsys, command, error, status) -> None:
    """A reader that has seen enough, Ctrl-C, and whoever has said what there was to say."""
    command(raising(error))
    assert status_and_sentence(capsys, "sample") == (status, "")


def test_status_and_stdout_of_a_command(capsys, command) -> None:
    """What ``run`` returns is the status."""

    def run(options, stdout) -> int:
        stdout.write("done\n")
        return 7

    command(run)
    assert main(["sample"]) == 7
    assert capsys.readouterr().out == "done\n"


def test_words_of_the_process(capsys, monkeypatch) -> None:
    """As the console script calls it."""
    monkeypatch.setattr(sys, "argv", ["lottery", "--version"])
    assert main() == 0
    assert capsys.readouterr().out


def test_a_bug_is_not_hidden(command) -> None:
    """Only what others can mend becomes a sentence."""
    command(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["sample"])


def run_program(*words: str, **options) -> subprocess.CompletedProcess[bytes]:
    """``python -m lottery`` as a process of its own, with its stdout buffered as by default."""
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-m", "lottery", *words],
        cwd=ROOT, env=environ, stderr=subprocess.PIPE, timeout=30, check=False, **options,
    )  # fmt: skip


def test_a_closed_pipe() -> None:
    """``lottery --help | true``: neither a traceback nor a status."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as pipe:
        done = run_program("--help", stdout=pipe)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk() -> None:
    """Output that is lost is told, once."""
    with open("/dev/full", "wb") as full:
        done = run_program("--help", stdout=full)
    assert (done.returncode, done.stderr) == (1, b"lottery: No space left on device\n")


def test_no_stdout_and_no_stderr() -> None:
    """Closed by whoever started it: the statuses hold all the same."""
    close = "import os, sys; os.close(1); os.close(2); os.execv(sys.executable, sys.argv[1:])"
    for words, status in ((["--help"], 0), (["fly"], 2), ([], 2)):
        done = subprocess.run(
            [sys.executable, "-c", close, sys.executable, "-m", "lottery", *words],
            cwd=ROOT, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == status


def test_sample_needs_no_reactor() -> None:
    """Commands are imported when they are asked for."""
    code = (
        "import sys; from lottery.command import main; main(['sample', '--help']);"
        "assert 'twisted.internet.reactor' not in sys.modules;"
        "assert 'lottery.command.serve' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, timeout=30, check=True
    )
