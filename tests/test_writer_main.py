"""``lottery.writer.__main__``: how a child starts, without becoming one ourselves."""

from __future__ import annotations

import ctypes
import fcntl
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import pytest

import lottery.writer.__main__ as main_module
from lottery.ledger.entry import DATABASE, DATABASE_AT, segment_store
from lottery.ledger.postgres import store as database_store
from lottery.writer.__main__ import main, store_of, today
from lottery.writer.child import PIPE_BYTES, StorePlan
from lottery.writer.pipe import Exit


class Calls:
    """What ``main`` would have done to this process."""

    def __init__(self) -> None:
        self.made: list[tuple[object, ...]] = []
        self.pipe_error: OSError | None = None

    def signal(self, number: int, action: object) -> None:
        self.made.append(("signal", number, action))

    def prctl(self, option: int, value: int) -> int:
        self.made.append(("prctl", option, value))
        return 0

    def fcntl(self, *arguments: int) -> None:
        self.made.append(("fcntl", *arguments))
        if self.pipe_error:
            raise self.pipe_error

    def serve(self, *arguments: object) -> Exit:
        self.made.append(("serve", *arguments))
        return Exit.DISK


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Keep this process as it is."""
    noted = Calls()
    # Its own names only: the reactor that runs the tests sets signals, too.
    for module, name, fake in (
        (signal, "signal", noted.signal),
        (ctypes, "CDLL", lambda _: noted),
        (fcntl, "fcntl", noted.fcntl),
    ):
        double = SimpleNamespace(**vars(module) | {name: fake})
        monkeypatch.setattr(main_module, module.__name__, double)
    monkeypatch.setattr(main_module, "serve", noted.serve)
    return noted


READY = [
    ("signal", signal.SIGINT, signal.SIG_IGN),
    ("signal", signal.SIGTERM, signal.SIG_IGN),
    ("prctl", 1, signal.SIGKILL),
]


def words(parent: int) -> list[str]:
    """A right command line."""
    return ["segment", "7", "3", "4096", str(parent)]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["segment"],
        ["segment", "7", "3", "4096"],
        ["segment", "7", "3", "4096", "5", "6"],
        *([*words(5)[:at], bad, *words(5)[at + 1 :]] for at in range(1, 5) for bad in ("x", "-1")),
    ],
)
def test_bad_arguments(
    calls: Calls, capsys: pytest.CaptureFixture[str], arguments: Sequence[str]
) -> None:
    """Somebody who starts a writer by hand is told so; nothing is done."""
    assert main(arguments) is Exit.USAGE
    usage = "WHERE DRAW NUMBER MIN_FREE PARENT"
    assert capsys.readouterr().err == f"a writer is started by the central: {usage}\n"
    assert calls.made == []


def test_serves_its_parent(calls: Calls) -> None:
    """It gets ready first, then checks that the parent is there, then serves it."""
    assert main(words(os.getppid())) is Exit.DISK
    assert calls.made == [
        *READY,
        ("fcntl", 0, fcntl.F_SETPIPE_SZ, PIPE_BYTES),
        ("serve", 0, 3, StorePlan("segment", 7, 3, 4096), today, monotonic, segment_store),
    ]


def test_what_makes_a_segment() -> None:
    """Whatever its path is, unless it is the one word."""
    for path in ("segment", "/data/postgresql", "./postgresql", "postgresql://h/d"):
        assert store_of(StorePlan(path, 7, 3, 4096)) is segment_store


def test_what_connects_to_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the one that the environment names, when it is time; with the draw."""
    made: list[tuple[object, ...]] = []
    monkeypatch.setattr(database_store, "DatabaseStore", lambda *words: made.append(words))
    plan = StorePlan(DATABASE, 7, 3, 4096)
    make = store_of(plan)
    assert made == []
    monkeypatch.setenv(DATABASE_AT, "host=h")
    make(*plan)
    assert made == [("host=h", 7)]
    assert (DATABASE, DATABASE_AT) == ("postgresql", "LOTTERY_WRITER_LEDGER")


def test_a_client_of_a_database_is_imported_for_one_only() -> None:
    """Else it would cost each writer of a segment most of the time that it takes to start."""
    look = (
        "import sys, lottery.writer.__main__ as main, lottery.writer.child as child; "
        "main.store_of(child.StorePlan({!r}, 1, 1, 0)); "
        "print('psycopg' in sys.modules)"
    )
    for where, needed in (("segment-0001.log", "False"), (DATABASE, "True")):
        command = [sys.executable, "-P", "-c", look.format(where)]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert found.stdout.strip() == needed


def test_smaller_pipe_is_no_error(calls: Calls) -> None:
    """Where the kernel gives no larger pipe, it serves with what it has."""
    calls.pipe_error = PermissionError()
    assert main(words(os.getppid())) is Exit.DISK
    assert calls.made[-1][0] == "serve"


def test_parent_that_is_gone(calls: Calls) -> None:
    """A parent that died before the kernel could be asked to take us along is not outlived."""
    assert main(words(os.getppid() + 1)) is Exit.ORDERS
    assert calls.made == READY


def test_today_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day does not depend on where the central stands."""

    class Watch(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            assert tz is UTC
            return datetime(2026, 3, 17, 23, 59, tzinfo=UTC)

    monkeypatch.setattr(main_module, "datetime", Watch)
    assert today() == date(2026, 3, 17)


def test_run_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status of ``main`` is that of the process."""
    monkeypatch.setattr(sys, "argv", ["lottery.writer"])
    monkeypatch.delitem(sys.modules, "lottery.writer.__main__")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("lottery.writer", run_name="__main__")
    assert end.value.code == Exit.USAGE
    assert "WHERE DRAW" in capsys.readouterr().err


def test_started_by_somebody_else(tmp_path: Path) -> None:
    """A true process whose parent is another one makes no segment and ends at once."""
    segment = tmp_path / "segment-0001.log"
    command = [sys.executable, "-P", "-m", "lottery.writer", str(segment), *words(os.getppid())[1:]]
    result = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert result.returncode == Exit.ORDERS
    assert result.stdout == result.stderr == b""
    assert not segment.exists()
