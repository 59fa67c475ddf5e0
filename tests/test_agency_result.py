"""``lottery agency --json``: what came of an errand, in one object."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from agency_rig import ROW, Errand, ack, frame, welcome, winners
from attrs import fields
from pages import page, section, table
from twisted.internet.error import TCPTimedOutError

from lottery.agency.result import Result

FAR = b"Ana,Gil,1,2999-01-01,7\n"
NOTHING = {
    "draw": None, "sessions": 0, "bets": 0, "skipped": 0, "winning_number": None, "winners": None,
    "code": None, "error": None, "line": None, "field": None,
}  # fmt: skip

Start = Callable[..., Errand]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start an errand for a file with these bytes."""
    return lambda bets, **changes: Errand(tmp_path, bets, **changes)


def said(rig: Errand) -> dict[str, Any]:
    """The object, without what is always the same."""
    text = rig.errand.result.to_json()
    assert text.isascii()
    assert "\n" not in text
    members = json.loads(text)
    assert (members.pop("agency"), members.pop("output")) == (7, str(rig.settings.output))
    return {name: value for name, value in members.items() if NOTHING.get(name, "") != value}


def test_happy_day(start: Start) -> None:
    """Bets, number and winners are those that the central told."""
    rig = start(ROW * 2 + FAR + ROW, skip_bad=True)
    connection = rig.welcomed()
    connection.say(ack(2), ack(3), ack(3, ended=True))
    connection.say(winners(2, 0, ROW), winners(2, 1, ROW))
    connection.cut()
    assert said(rig) == {
        "result": "success", "draw": 3, "sessions": 1, "bets": 3, "skipped": 1,
        "winning_number": 7, "winners": 2,
    }  # fmt: skip


def test_no_winners(start: Start) -> None:
    """Nobody has won: that is 0, and not nothing."""
    rig = start(ROW)
    connection = rig.welcomed()
    connection.say(ack(1, ended=True), winners(0, 0, b""))
    connection.cut()
    assert said(rig)["winners"] == 0


def test_stopped(start: Start) -> None:
    """By a signal, in the middle of it."""
    rig = start(ROW * 3)
    connection = rig.welcomed()
    connection.say(ack(2))
    rig.running.cancel()
    connection.cut()
    assert said(rig) == {"result": "stopped", "draw": 3, "sessions": 1, "bets": 2}


def test_comes_back(start: Start) -> None:
    """Another session, which finds a bet there that was never acknowledged."""
    rig = start(ROW * 3)
    rig.welcomed().cut()
    rig.until_next_attempt()
    connection = rig.endpoint.accept()
    connection.say(welcome(next_index=2, crc=crc32(ROW * 2)))
    rig.read()
    assert said(rig)["sessions"] == 2
    connection.cut()
    assert said(rig)["bets"] == 2
    rig.running.cancel()


@pytest.mark.parametrize("bets", [b"whatever\n", None])
def test_nothing_was_begun(start: Start, bets: bytes | None) -> None:
    """A file that cannot be sent."""
    found = said(start(bets))
    assert found.pop("error") == (
        "must have 5 columns, not 1" if bets else "cannot be read, no such file or directory"
    )
    assert found == {"result": "fail", **({"line": 1} if bets else {})}


def test_a_bad_row(start: Start) -> None:
    """Its line and field are members of their own."""
    rig = start(ROW * 3 + FAR)
    rig.welcomed()
    found = said(rig)
    assert found.pop("error").startswith("must be from 1900-01-01 up to today")
    assert found == {
        "result": "fail", "draw": 3, "sessions": 1, "line": 4, "field": "birthdate",
    }  # fmt: skip


def test_refused(start: Start) -> None:
    """The code of the protocol, and the central's sentence."""
    rig = start(ROW)
    rig.endpoint.accept().say(frame("24", "04", b"agency 7: not|known\n"))
    assert said(rig) == {"result": "fail", "code": "AUTH", "error": "agency 7: not|known\n"}


def test_gave_up(start: Start) -> None:
    """Nobody was there."""
    rig = start(ROW, retry_for=0.05)
    rig.endpoint.refuse(TCPTimedOutError())
    rig.reactor.advance(0.05)
    rig.endpoint.refuse(TCPTimedOutError())
    found = said(rig)
    assert found.pop("error")
    assert found == {"result": "fail"}


def test_the_page_names_every_member() -> None:
    """docs/log.md has all of them, and no other."""
    rows = table(section(page("docs/log.md"), "## For machines"), "member", "what")
    named = [name.strip("` ") for cell, _ in rows for name in cell.split(",")]
    assert sorted(named) == sorted(each.name for each in fields(Result))


def test_the_option(tmp_path: Path) -> None:
    """One object on stdout and the log on stderr, also of an errand that fails."""
    words = [
        sys.executable,
        "-m",
        "lottery",
        "agency",
        tmp_path / "none.csv",
        "--id",
        "7",
        "--json",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["error"] == "cannot be read, no such file or directory"
    assert "action: read_input | result: fail" in done.stderr
