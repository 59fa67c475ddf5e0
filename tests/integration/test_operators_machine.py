"""What a peer says is no path, no format and no line; and the ledger is its owner's alone."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from classic_agency import ClassicAgency, Peer, frame
from live import LiveAgency, LiveCentral, made_up, run_lottery
from lottery1_agency import Lottery1Agency, batch, batch_of_bytes, end, hello, received

from lottery.ops.log import LONGEST_VALUE

#: What a line of the log is: time, level, and a message without anything that is not printed.
LINE: Final = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (DEBUG|INFO|WARNING|ERROR|CRITICAL) +\S.*"
)
DOCUMENT: Final = "30904465"
HOSTILE: Final = (
    "\r", "\n", "\r\n", "\x1b[2J", "\x1b]0;title\x07", "\x85", "\u2028", "\u2029", "\u202e",
    "\u2066", "\x00", "\x08", "\x7f", "\x9b31m", "{}", "{0.__class__}", "%s", "%(action)s", "$(id)",
    "`id`", " | result: success", "action: sorteo | result: success", "../../etc/passwd", "a" * 600,
)  # fmt: skip
NOISE: Final = (
    b"GET /%s HTTP/1.1\r\nHost: {}\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"\x1b]0;title\x07", b"\xe2\x80\xa8\xe2\x80\xae", b"SSH-2.0-x\r\n", b"\r\n\r\n", b"\x00" * 64,
    b"\x80\x62\x01\x03\x01\x00\x39", b"EHLO %n%n\r\n", b"\xff\xfe\xfd",
)  # fmt: skip


def hostile_rows() -> Iterator[bytes]:
    """Rows that have each of it in each of the fields, with a document that may not be told."""
    for words in HOSTILE:
        for place in range(5):
            fields = ["Ana", "Paz", DOCUMENT, "1990-05-17", "1"]
            fields[place] += words
            yield ",".join(fields).encode("utf-8", "surrogatepass")


def check_lines(lines: list[str], *, documents: bool) -> None:
    """Fail if anything of it is no line of the log, or tells a document."""
    assert lines
    for line in lines:
        assert LINE.fullmatch(line), repr(line)
        assert line.isprintable(), repr(line)
        assert len(line) < 4 * LONGEST_VALUE
        parts = line.split(" | ")
        if "action: " in parts[0]:
            for part in parts[1:]:
                name, _, value = part.partition(": ")
                assert re.fullmatch("[a-z_0-9]+", name), repr(line)
                assert ":" not in value.replace("\\x3a", ""), repr(line)
        if not documents:
            assert DOCUMENT not in line, repr(line)


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_nothing_of_a_peer_breaks_the_log(tmp_path: Path, level: str) -> None:
    """Every line is one, and above DEBUG none has a document in it."""
    rows = list(hostile_rows())
    options = ("--agencies", 2 * len(rows) + 1, "--reconnects", 0)
    with LiveCentral(tmp_path, *options, level=level) as central:
        for number, row in enumerate(rows, 1_000_000):
            with ClassicAgency(central.port) as classic:
                classic.send(frame(b"\x01", row[:8000] + b","))
                classic.finish_sending()
                classic.rest()
            with Lottery1Agency(central.port) as agency:
                agency.greet(number)
                agency.send(batch_of_bytes(0, 1, row[:8000] + b"\n"))
                agency.finish_sending()
                agency.rest()
        for noise in NOISE:
            with Peer(central.port) as peer:
                peer.send(noise)
                peer.finish_sending()
                peer.rest()
        central.settle()
        check_lines(central.lines, documents=level == "DEBUG")
        assert len(central.matches("result: fail")) >= 2 * len(rows) * 0.9
        assert central.matches("action: sorteo") == []


def test_nothing_of_a_file_breaks_the_log_of_an_agency(tmp_path: Path) -> None:
    """Nor does it tell a document, whatever is wrong with a row."""
    with LiveCentral(tmp_path, "--agencies", 1, level="INFO") as central:
        path = tmp_path / "bets.csv"
        path.write_bytes(b"\n".join(hostile_rows()) + b"\n")
        with LiveAgency(tmp_path, central.port, 1, path) as agency:
            assert agency.wait() == 1
            check_lines(agency.lines, documents=False)
        path.write_bytes(f"Ana,Paz,{DOCUMENT},1990-05-17,7574\n".encode() + path.read_bytes())
        with LiveAgency(tmp_path, central.port, 1, path, "--skip-bad") as agency:
            assert agency.wait() == 0, agency.log
            assert len(agency.winners()) >= 1
            check_lines(agency.lines, documents=False)
        check_lines(central.lines, documents=False)


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_the_ledger_is_its_owners_alone(tmp_path: Path, umask: str) -> None:
    """Directories are 0700 and files 0600, whatever the umask, salvaged ones and results too."""
    program = (
        "sh",
        "-c",
        f'umask {umask}; exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "lottery",
        "serve",
    )
    options = ("--agencies", 2, "--writers", 2, "--draws", 1)
    with LiveCentral(tmp_path, *options, program=program) as central:
        with Lottery1Agency(central.port) as one, Lottery1Agency(central.port) as two:
            for agency, number in ((one, 4_294_967_295), (two, 0)):
                agency.greet(number)
                agency.send(batch(0, made_up(3, number=7574)))
                agency.acknowledged(3)
            victim = central.children[0]
            os.kill(victim, 9)
            central.wait_for(rf"writer \| result: fail \| pid: {victim}")
            central.wait_for("action: salvage")
        for number in (4_294_967_295, 0):
            with Lottery1Agency(central.port) as agency:
                agency.send(hello(number))
                agency.message()
                agency.send(end(3))
                agency.acknowledged(3, ended=True)
        for number in (4_294_967_295, 0):
            with Lottery1Agency(central.port) as agency:
                agency.send(hello(number, draw=1))
                agency.message()
                told = agency.winners()
                agency.send(received(told.draw, told.total))
        assert central.wait() == 0, central.log
    done = run_lottery("export", central.data_dir, "--draw", 1)
    assert len(done.stdout.splitlines()) == 6
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in central.data_dir.rglob("*")}
    assert {path.name for path in found} >= {"draws", "000001", "lock", "bets.csv", "draw.json"}
    found[central.data_dir] = stat.S_IMODE(central.data_dir.stat().st_mode)
    for path, mode in found.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_directory_that_was_there_before(tmp_path: Path) -> None:
    """It keeps its mode and the log tells of it; ``draws`` below it is closed to others."""
    data_dir = tmp_path / "data"
    (data_dir / "draws").mkdir(parents=True)
    data_dir.chmod(0o755)
    (data_dir / "draws").chmod(0o755)
    with LiveCentral(tmp_path, data_dir=data_dir) as central:
        central.wait_for("action: data_directory . result: fail")
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755
    assert stat.S_IMODE((data_dir / "draws").stat().st_mode) == 0o700
