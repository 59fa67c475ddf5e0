"""What a peer says is no path, no format and no line; and the ledger is its owner's alone."""

from __future__ import annotations

import os
import random
import re
import socket
import ssl
import stat
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from classic_agency import ClassicAgency, Peer, batches_of, frame
from live import PATIENCE_SECONDS, LiveAgency, LiveCentral, documents, export, made_up
from lottery1_agency import Lottery1Agency, batch, batch_of_bytes, end, hello, received
from pki import Authority, fingerprint, write_roster
from tls_agency import context_of

from lottery.ops.log import LONGEST_VALUE

#: Many programs are started here, one after the other.
pytestmark = pytest.mark.slow

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
#: Every name that there may be below a data directory.
NAMES: Final = re.compile(
    r"lock|draws(/[0-9]{6}(/(draw\.json|bets\.csv|winners\.csv|intake\.csv|segment-[0-9]{4}\.log))?)?"
)
#: ``twistd`` in the foreground, with this umask and our log.
TWISTD: Final = (
    *(sys.executable, "-c"),
    "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()",
    *("-n", "--pidfile=", "--umask=000", "--logger=lottery.ops.log.stdout_lines", "lottery"),
)


def hostile_rows() -> Iterator[bytes]:
    """Rows that have each of it in each of the fields, with a document that may not be told."""
    for words in HOSTILE:
        for place in range(5):
            fields = ["Ana", "Paz", DOCUMENT, "1990-05-17", "1"]
            fields[place] += words
            yield ",".join(fields).encode("utf-8", "surrogatepass")
    for place in range(5):
        yield ",".join([DOCUMENT if each == place else "Ana" for each in range(5)]).encode()


def client_hello(name: str, rng: random.Random) -> bytes:
    """What a TLS client says first, whole or cut off, perhaps with a byte changed."""
    outgoing = ssl.MemoryBIO()
    client = context_of().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    said = bytearray(outgoing.read())
    if rng.random() < 0.5:
        said[rng.randrange(len(said))] ^= 1 << rng.randrange(8)
    return bytes(said[: rng.choice((1, 5, 40, len(said) - 1, len(said)))])


def noise() -> list[bytes]:
    """200 things that no agency says: HTTP, TLS, and words of a terminal, bare or behind a type."""
    rng = random.Random(28)
    said = []
    for words in HOSTILE:
        text = words.encode()
        said.append(b"GET /" + text + b" HTTP/1.1\r\nHost: " + text + b"\r\n\r\n")
        said.append(b"POST / HTTP/1.1\r\nUser-Agent: " + text + b"\r\n\r\n" + text)
        said.append(text)
        said.append(b"\x10" + text * 9)
        said.append(frame(b"\x10", b"\x01" + (text * 16)[:16]))
    said += [b"SSH-2.0-x\r\n", b"EHLO %n%n\r\n", b"\x80\x62\x01\x03\x01\x00\x39", b"\xfe\xff"]
    said += [rng.randbytes(rng.randrange(1, 90)) for _ in range(150 - len(said))]
    return said + [client_hello(f"{number}.example", rng) for number in range(50)]


def check_lines(lines: list[str], secret: Iterable[str] = (DOCUMENT,)) -> None:
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
                assert ":" not in value, repr(line)
        for document in secret:
            assert document not in line, repr(line)


def check_tree(central: LiveCentral) -> dict[Path, int]:
    """Fail if anything stands in a data directory that has no place there; gives all modes."""
    paths = list(central.data_dir.rglob("*"))
    names = [str(path.relative_to(central.data_dir)) for path in paths]
    assert [name for name in names if not NAMES.fullmatch(name)] == []
    return {path: stat.S_IMODE(path.stat().st_mode) for path in (central.data_dir, *paths)}


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_nothing_of_an_agency_breaks_the_log(tmp_path: Path, level: str) -> None:
    """Every line is one, none has a document in it, and no file has another name for it."""
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
        central.settle()
        check_lines(central.lines)
        check_tree(central)
        assert len(central.matches("result: fail")) >= 2 * len(rows) * 0.9
        assert central.matches("action: sorteo") == []
    assert list(tmp_path.iterdir()) == [central.data_dir]


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_noise_is_a_line_each(tmp_path: Path, level: str) -> None:
    """200 things at the plain port and at the one for TLS: one line about each, and no file."""
    authority = Authority(tmp_path)
    cert, key = authority.central()
    mark = fingerprint(authority.agency(1)[0])
    roster = write_roster(tmp_path / "roster.csv", {1: mark})
    files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", authority.ca, "--roster", roster)
    came: Counter[str] = Counter()
    with LiveCentral(tmp_path, *files, tls=True, level=level) as central:
        central.wait_for("action: draw_open")
        before = check_tree(central)
        for said in noise():
            for port in (central.tls_port, central.port):
                since = len(central.lines)
                with Peer(port) as peer:
                    last = peer.address[1]
                    came[str(last)] += 1
                    peer.send(said)
                    peer.finish_sending()
                    peer.rest()
        central.wait_for(rf" port: {last} ", since=since)
        told = Counter(
            match[1]
            for match in central.matches(
                r"action: (?:accept_connections \| result: fail|probe \| result: success)"
                r" \| ip: 127\.0\.0\.1 \| port: (\d+)"
            )
        )
        assert came.total() == 400
        # Who broke off without a whole word of TLS is told as a probe is, at DEBUG.
        assert told == came if level == "DEBUG" else told <= came
        assert told.total() >= 300
        check_lines(central.lines)
        assert check_tree(central) == before


def test_numbers_of_a_peer_name_no_file(tmp_path: Path) -> None:
    """The lowest, the highest and made-up numbers of agencies, draws and bets: the same files."""
    with LiveCentral(tmp_path, "--agencies", 9, "--writers", 1) as central:
        for number in (0, 1, 2**31, 2**32 - 1, int.from_bytes(b"../x"), int.from_bytes(b"/\0\r\n")):
            with Lottery1Agency(central.port) as agency:
                agency.greet(number)
                agency.send(batch(0, made_up(1)))
                agency.acknowledged(1)
            for draw, next_index in ((2**32 - 1, 0), (0, 2**64 - 1), (int.from_bytes(b"../x"), 1)):
                with Lottery1Agency(central.port) as agency:
                    agency.send(hello(number, draw=draw, acknowledged=next_index))
                    agency.finish_sending()
                    agency.rest()
        found = {path.name for path in check_tree(central)}
        files = {"lock", "draw.json", "segment-0001.log", "intake.csv"}
        assert found == {"lottery-data", "draws", "000001", *files}
        check_lines(central.lines)
    assert list(tmp_path.iterdir()) == [central.data_dir]


@pytest.mark.parametrize("final", [True, False], ids=["refused", "error"])
def test_nothing_of_a_central_breaks_the_log_of_an_agency(tmp_path: Path, final: bool) -> None:
    """A central that is none may say what it wants: the agency ends with one line about it."""
    (tmp_path / "bets.csv").write_text("\n".join(made_up(3)) + "\n")
    said = "".join(HOSTILE[:-1]).encode()
    welcome = frame(b"\x20", struct.pack(">IBBQIHI", 1, 1, 0, 0, 0, 8192, 60))
    answer = (
        welcome + frame(b"\x22", struct.pack(">BBQHB", 8, 0, 0, 1, 1) + said)
        if final
        else frame(b"\x24", b"\x03" + said)
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_SECONDS)
        with LiveAgency(tmp_path, server.getsockname()[1], 1, tmp_path / "bets.csv") as agency:
            with server.accept()[0] as connection:
                connection.recv(1)
                connection.sendall(answer)
                assert agency.wait() == 1
            check_lines(agency.lines)
            (line,) = agency.matches("action: session . result: fail .*")
            assert "\\u202e" in line[0]
            assert agency.matches("action: sorteo") == []


def test_nothing_of_a_file_breaks_the_log_of_an_agency(tmp_path: Path) -> None:
    """Nor does it tell a document, whatever is wrong with a row."""
    with LiveCentral(tmp_path, "--agencies", 1, level="INFO") as central:
        path = tmp_path / "bets.csv"
        path.write_bytes(b"\n".join(hostile_rows()) + b"\n")
        with LiveAgency(tmp_path, central.port, 1, path) as agency:
            assert agency.wait() == 1
            check_lines(agency.lines)
        path.write_bytes(f"Ana,Paz,{DOCUMENT},1990-05-17,7574\n".encode() + path.read_bytes())
        with LiveAgency(tmp_path, central.port, 1, path, "--skip-bad") as agency:
            assert agency.wait() == 0, agency.log
            assert len(agency.winners()) >= 1
            check_lines(agency.lines)
        check_lines(central.lines)


def with_umask(umask: str) -> tuple[str, ...]:
    """How ``lottery serve`` is started under a umask."""
    start = f'umask {umask}; exec "$@"'
    return ("sh", "-c", start, "sh", sys.executable, "-m", "lottery", "serve")


@pytest.mark.parametrize(
    "program",
    [*map(with_umask, ("000", "022", "077", "277", "777")), TWISTD],
    ids=["000", "022", "077", "277", "777", "twistd-000"],
)
def test_the_ledger_is_its_owners_alone(tmp_path: Path, program: Sequence[str]) -> None:
    """Directories are 0700 and files 0600, whatever the umask, salvaged ones and results too.

    And no document of the whole day, winners included, is in the log.
    """
    rows = made_up(3, number=7574)
    options = ("--agencies", 3, "--writers", 2, "--draws", 1)
    numbers = (4_294_967_295, 0)
    with LiveCentral(tmp_path, *options, program=program, level="INFO") as central:
        with Lottery1Agency(central.port) as one, Lottery1Agency(central.port) as two:
            for agency, number in zip((one, two), numbers, strict=True):
                agency.greet(number)
                agency.send(batch(0, rows))
                agency.acknowledged(3)
            victim = central.children[0]
            os.kill(victim, 9)
            central.wait_for(rf"writer \| result: fail \| pid: {victim}")
            central.wait_for("action: salvage")
        with ClassicAgency(central.port) as classic:
            classic.upload(batches_of(rows, 2), None)
            for number in numbers:
                with Lottery1Agency(central.port) as agency:
                    agency.send(hello(number))
                    agency.message()
                    agency.send(end(3))
                    agency.acknowledged(3, ended=True)
            classic.end()
            assert classic.winners() == documents(rows)
        for number in numbers:
            with Lottery1Agency(central.port) as agency:
                agency.send(hello(number, draw=1))
                agency.message()
                told = agency.winners()
                agency.send(received(told.draw, told.total))
        assert central.wait() == 0, central.log
    assert len(export(central.data_dir, 1).splitlines()) == 9
    check_lines(central.lines, documents(rows))
    modes = check_tree(central)
    names = {path.name for path in modes}
    assert names >= {"lock", "draw.json", "bets.csv", "winners.csv", "segment-0001.log"}
    for path, mode in modes.items():
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
