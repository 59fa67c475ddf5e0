"""``lottery agency`` as a process, against a central that is written here, byte by byte."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest

ROOT = Path(__file__).parent.parent.parent
LIMIT_SECONDS = 20
STOP_SECONDS = 5
QUIET_MILLISECONDS = 500
ROW = "Ñandú María,Gil,30904465,1999-03-17,7574\n".encode()
ROWS = ROW * 1000

BATCH, END, RECEIVED = 0x11, 0x12, 0x13
OPEN, DRAWN, DELIVERED = 1, 4, 5
STOPPING, STORAGE = 16, 11
OPEN_DRAW = 0xFFFFFFFF


def welcome(stored: bytes = b"", *, draw: int = 1, state: int = OPEN, ended: bool = False) -> bytes:
    """A WELCOME to a draw that has these rows."""
    payload = draw.to_bytes(4, "big") + bytes([state, ended])
    payload += stored.count(b"\n").to_bytes(8, "big") + crc32(stored).to_bytes(4, "big")
    return bytes.fromhex("20 0018") + payload + bytes.fromhex("2000 0000003c")


def error(code: int, sentence: bytes) -> bytes:
    """An ERROR."""
    return b"\x24" + (1 + len(sentence)).to_bytes(2, "big") + bytes([code]) + sentence


def refused(code: int, expected: int, sentence: bytes) -> bytes:
    """A REFUSED that asks to send again."""
    payload = bytes([code, 1]) + expected.to_bytes(8, "big") + bytes(3) + sentence
    return b"\x22" + len(payload).to_bytes(2, "big") + payload


def ack(next_index: int, ended: bool = False) -> bytes:
    """An ACK."""
    return b"\x21\x00\x09" + next_index.to_bytes(8, "big") + bytes([ended])


def winners(total: int, first: int, rows: bytes, draw: int = 1) -> bytes:
    """A WINNERS frame with the winning number 7574."""
    payload = draw.to_bytes(4, "big") + bytes.fromhex("1d96") + total.to_bytes(8, "big")
    payload += first.to_bytes(8, "big") + rows
    return b"\x23" + len(payload).to_bytes(2, "big") + payload


class Session:
    """A connection, as the central has it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.connection.settimeout(LIMIT_SECONDS)
        self.stream = connection.makefile("rb")

    def welcome(self, stored: bytes = b"", asked: int = 0, **terms: int) -> int:
        """Hear a HELLO that asks for this draw, answer it; gives what was acknowledged."""
        greeting = self.stream.read(20)
        assert greeting[:12] == bytes.fromhex("10 0011 01 00000007") + asked.to_bytes(4, "big")
        self.say(welcome(stored, **terms))
        return int.from_bytes(greeting[12:], "big")

    def frame(self) -> tuple[int, bytes]:
        """The next frame: type and payload."""
        head = self.stream.read(3)
        assert len(head) == 3
        return head[0], self.stream.read(int.from_bytes(head[1:], "big"))

    def batch(self) -> tuple[int, bytes]:
        """The next batch: index and rows."""
        kind, payload = self.frame()
        assert kind == BATCH
        rows = payload[10:]
        assert int.from_bytes(payload[8:10], "big") == rows.count(b"\n")
        return int.from_bytes(payload[:8], "big"), rows

    def batches(self, next_index: int, total: int) -> bytes:
        """All batches up to a total, which are acknowledged: the rows."""
        rows = b""
        while next_index < total:
            first, more = self.batch()
            assert first == next_index
            next_index += more.count(b"\n")
            rows += more
            self.say(ack(next_index))
        return rows

    def end(self) -> int:
        """The END: the total."""
        kind, payload = self.frame()
        assert (kind, len(payload)) == (END, 40)
        return int.from_bytes(payload[:8], "big")

    def say(self, *data: bytes) -> None:
        """Answer."""
        self.connection.sendall(b"".join(data))

    def at_its_end(self) -> bool:
        """Whether the agency closes without another word; waits for it."""
        return self.stream.read(1) == b""

    def received(self, total: int, draw: int = 1) -> None:
        """Hear the RECEIVED, and close as a central does."""
        numbers = draw.to_bytes(4, "big") + total.to_bytes(8, "big")
        assert self.frame() == (RECEIVED, numbers)
        self.connection.shutdown(socket.SHUT_WR)
        assert self.at_its_end()

    def reset(self) -> None:
        """Leave without a word, and without waiting for one."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def close(self) -> None:
        """Leave."""
        self.stream.close()
        self.connection.close()


class Central:
    """A port, and whoever connects to it."""

    def __init__(self) -> None:
        self.listener = socket.socket()
        self.listener.settimeout(LIMIT_SECONDS)
        self.listener.bind(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.sessions: list[Session] = []

    def listen(self) -> None:
        """Be there, from now on."""
        self.listener.listen()

    def accept(self) -> Session:
        """Wait for an agency."""
        session = Session(self.listener.accept()[0])
        self.sessions.append(session)
        return session

    def nobody_came(self) -> bool:
        """Whether no agency stands at the door that was not let in; to be asked in the end."""
        return not select.select([self.listener], [], [], 0)[0]

    def close(self) -> None:
        """Leave."""
        for session in self.sessions:
            session.close()
        self.listener.close()


class Agency:
    """A process, and what it says."""

    def __init__(self, directory: Path, *words: str) -> None:
        environ = {name: os.environ[name] for name in os.environ if name != "AGENCY_ID"}
        environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lottery", "agency", *words],
            cwd=directory,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.lines: list[str] = []
        # A process that hangs must not hang the tests.
        self.watchdog = threading.Timer(2 * LIMIT_SECONDS, self.process.kill)
        self.watchdog.start()

    def line(self, text: str) -> str:
        """Wait for a line with this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return line
        raise AssertionError(f"no {text!r} in {self.lines}, {self.errors()}")

    def errors(self) -> str:
        """What it wrote to stderr; waits for its end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def stop(self, number: signal.Signals) -> None:
        """Send a signal, and hold it to its 5 seconds."""
        self.process.send_signal(number)
        start = time.monotonic()
        self.process.wait(2 * STOP_SECONDS)
        assert time.monotonic() - start < STOP_SECONDS

    def status(self) -> int:
        """The exit status; by then nothing but the log has been written."""
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        assert self.errors() == ""
        return self.process.wait(LIMIT_SECONDS)

    def resident_kib(self) -> int:
        """How much memory it has."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1])

    def close(self) -> None:
        """End it, whatever it does."""
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def central() -> Iterator[Central]:
    """A central that listens."""
    central = Central()
    central.listen()
    yield central
    central.close()


Start = Callable[..., Agency]


@pytest.fixture
def start(tmp_path: Path, central: Central) -> Iterator[Start]:
    """Start ``lottery agency`` as number 7, by default for ``bets.csv``."""
    agencies: list[Agency] = []

    def start(*words: str, file: str = "bets.csv") -> Agency:
        server = f"127.0.0.1:{central.port}"
        agency = Agency(tmp_path, file, "--id", "7", "--server", server, *words)
        agencies.append(agency)
        return agency

    yield start
    for agency in agencies:
        agency.close()


@pytest.fixture
def bets(tmp_path: Path) -> Path:
    """Five bets."""
    path = tmp_path / "bets.csv"
    path.write_bytes(ROW * 5)
    return path


def _files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.usefixtures("bets")
def test_happy_day(tmp_path: Path, central: Central, start: Start) -> None:
    """Batches one by one, an END, winners in two frames, an acknowledgement, a file."""
    agency = start("--batch-size", "2", "--window", "1")
    session = central.accept()
    session.welcome()
    stored = 0
    for rows in (ROW * 2, ROW * 2, ROW):
        assert session.batch() == (stored, rows)
        stored += rows.count(b"\n")
        session.say(ack(stored))
    assert session.end() == 5
    session.say(ack(5, ended=True))
    agency.line("apuesta_enviada | result: success | client_id: 7 | cantidad: 5")
    assert "winners-7.csv" not in _files(tmp_path)
    session.say(winners(3, 0, ROW * 2), winners(3, 2, ROW))
    session.received(3)

    assert agency.status() == 0
    assert (tmp_path / "winners-7.csv").read_bytes() == ROW * 3
    assert _files(tmp_path) == ["bets.csv", "winners-7.csv"]
    assert "consulta_ganadores | result: success" in agency.lines[-1]
    assert "cant_ganadores: 3" in agency.lines[-1]


@pytest.mark.parametrize("content", [b"", None])
def test_no_bets(content: bytes | None, tmp_path: Path, central: Central, start: Start) -> None:
    """An empty file, and a device that is one, end well, with empty results."""
    (tmp_path / "bets.csv").touch()
    agency = start("--output", "won.csv", file="bets.csv" if content == b"" else "/dev/null")
    session = central.accept()
    session.welcome()
    assert session.end() == 0
    session.say(ack(0, ended=True), winners(0, 0, b""))
    session.received(0)

    assert agency.status() == 0
    assert (tmp_path / "won.csv").read_bytes() == b""


@pytest.mark.usefixtures("bets")
def test_central_comes_late(start: Start, central: Central) -> None:
    """An agency may be there first; only the last failure would be one."""
    central.close()
    late = Central()
    try:
        agency = start("--server", f"localhost:{late.port}")
        agency.line("action: connect | result: in_progress")
        late.listen()
        late.accept().welcome()
        agency.line("action: connect | result: success")
        assert not [line for line in agency.lines if "result: fail" in line]
    finally:
        late.close()


@pytest.mark.usefixtures("bets")
def test_no_central(start: Start, central: Central) -> None:
    """An agency that finds no central gives up, with one failure."""
    central.close()
    agency = start("--retry-for", "0.3")

    assert agency.status() == 1
    assert "action: connect | result: fail | client_id: 7" in agency.lines[-1]
    assert len([line for line in agency.lines if "result: fail" in line]) == 1


class TestSignals:
    """SIGTERM and SIGINT, from the first line of the log on."""

    def _stopped(self, agency: Agency, directory: Path) -> None:
        assert agency.status() == 0
        assert agency.lines[-1].endswith("action: shutdown | result: success | client_id: 7")
        assert _files(directory) == ["bets.csv"]

    @pytest.mark.usefixtures("bets")
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_at_start(
        self, number: signal.Signals, tmp_path: Path, start: Start, central: Central
    ) -> None:
        """Right behind the first line."""
        central.close()
        agency = start()
        agency.line("action: config")
        agency.stop(number)

        self._stopped(agency, tmp_path)

    @pytest.mark.usefixtures("bets")
    def test_before_the_welcome(self, tmp_path: Path, start: Start, central: Central) -> None:
        """While a central that has accepted says nothing."""
        agency = start()
        agency.line("action: config")
        central.accept()
        agency.stop(signal.SIGTERM)

        self._stopped(agency, tmp_path)

    def test_mid_upload(self, tmp_path: Path, start: Start, central: Central) -> None:
        """While the central does not even read."""
        (tmp_path / "bets.csv").write_bytes(ROW * 500_000)
        agency = start("--window", "10000")
        session = central.accept()
        session.welcome()
        session.batch()
        agency.stop(signal.SIGTERM)

        self._stopped(agency, tmp_path)

    @pytest.mark.usefixtures("bets")
    @pytest.mark.parametrize("told", [False, True])
    def test_waiting(self, told: bool, tmp_path: Path, start: Start, central: Central) -> None:
        """While waiting for the draw, and between two frames of winners."""
        agency = start()
        session = central.accept()
        session.welcome()
        session.batch()
        session.end()
        session.say(ack(5, ended=True), winners(2, 0, ROW) if told else b"")
        agency.line("action: apuesta_enviada")
        agency.stop(signal.SIGTERM)

        assert session.at_its_end()
        self._stopped(agency, tmp_path)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_silent_pipe(
        self, number: signal.Signals, tmp_path: Path, start: Start, central: Central
    ) -> None:
        """While nobody writes to the pipe that it reads; no place is taken for that."""
        os.mkfifo(tmp_path / "bets.csv")
        agency = start()
        agency.line("action: config")
        deadline = time.monotonic() + LIMIT_SECONDS
        while len(_files(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)  # until the file of results is open, which is before the first read
        time.sleep(0.2)
        assert agency.process.poll() is None
        agency.stop(number)

        self._stopped(agency, tmp_path)
        assert central.nobody_came()

    def test_silent_pipe_later(self, tmp_path: Path, start: Start, central: Central) -> None:
        """While the one who has written some bets to it thinks about more."""
        os.mkfifo(tmp_path / "bets.csv")
        agency = start("--batch-size", "1")
        with (tmp_path / "bets.csv").open("wb", buffering=0) as writer:
            writer.write(ROW)
            session = central.accept()
            session.welcome()
            assert session.batch() == (0, ROW)
            agency.stop(signal.SIGTERM)

        self._stopped(agency, tmp_path)


class TestPipes:
    """Bets from a pipe."""

    def test_short_pipe(self, tmp_path: Path, start: Start, central: Central) -> None:
        """What is written to a pipe after a while is sent, and its end is the end."""
        pipe = tmp_path / "bets.csv"
        os.mkfifo(pipe)
        agency = start("--batch-size", "1")
        with pipe.open("wb", buffering=0) as writer:
            writer.write(ROW)
            session = central.accept()
            session.welcome()
            assert session.batch() == (0, ROW)
            writer.write(ROW[:10])
            writer.write(ROW[10:-1])
        assert session.batch() == (1, ROW)
        assert session.end() == 2
        session.say(ack(2, ended=True), winners(0, 0, b""))
        session.received(0)

        assert agency.status() == 0

    def test_endless_pipe(self, tmp_path: Path, start: Start, central: Central) -> None:
        """An endless pipe needs no more memory than a short one."""
        pipe = tmp_path / "bets.csv"
        os.mkfifo(pipe)
        agency = start()

        def write_for_ever() -> None:
            try:
                with pipe.open("wb", buffering=0) as writer:
                    while True:
                        writer.write(ROWS)
            except BrokenPipeError:
                pass

        writer = threading.Thread(target=write_for_ever)
        writer.start()
        session = central.accept()
        session.welcome()
        resident_kib = []
        for bets in (100_000, 600_000):
            stored = 0
            while stored < bets:
                stored, rows = session.batch()
                stored += rows.count(b"\n")
                session.say(ack(stored))
            resident_kib.append(agency.resident_kib())
        agency.stop(signal.SIGTERM)
        writer.join(LIMIT_SECONDS)

        assert agency.status() == 0
        assert resident_kib[1] - resident_kib[0] < 2048

    def test_reader_is_not_drowned(self, tmp_path: Path, start: Start, central: Central) -> None:
        """A central that does not read stops the pipe, not the agency's memory."""
        pipe = tmp_path / "bets.csv"
        os.mkfifo(pipe)
        agency = start("--window", "65535")
        writer = os.open(pipe, os.O_WRONLY)
        written = os.write(writer, ROWS)
        session = central.accept()
        session.welcome()
        os.set_blocking(writer, False)
        room = select.poll()
        room.register(writer, select.POLLOUT)
        while room.poll(QUIET_MILLISECONDS):
            written += os.write(writer, ROWS[written % len(ROW) :])
        os.close(writer)

        assert agency.resident_kib() < 150 * 1024
        assert written < 50_000_000
        agency.stop(signal.SIGTERM)
        assert agency.status() == 0


class TestComingBack:
    """A cut, a central that stops, an agency that is killed: it goes on where it was."""

    @pytest.mark.parametrize("cut", [Session.close, Session.reset])
    def test_cut(
        self, cut: Callable[[Session], None], tmp_path: Path, start: Start, central: Central
    ) -> None:
        """Cut in the middle, then while it waits, then while it is told its winners."""
        bets = b"".join(ROW.replace(b"7574", b"%d" % number) for number in range(5000))
        (tmp_path / "bets.csv").write_bytes(bets)
        rows = bets.splitlines(keepends=True)
        agency = start("--window", "4")
        session = central.accept()
        session.welcome()
        stored = session.batches(0, 2000)
        cut(session)
        session = central.accept()
        # An acknowledgement may be lost with the connection.
        assert session.welcome(b"".join(rows[:2250]), asked=1) <= 2000
        stored += b"".join(rows[2000:2250]) + session.batches(2250, 5000)
        assert session.end() == 5000
        cut(session)
        assert stored == bets
        for told in (b"", winners(2, 0, ROW)):
            session = central.accept()
            assert session.welcome(bets, asked=1, state=DRAWN, ended=True) <= 5000
            session.say(told)
            agency.line("apuesta_enviada" if not told else "action: connect | result: success")
            cut(session)
        session = central.accept()
        assert session.welcome(bets, asked=1, state=DRAWN, ended=True) <= 5000
        session.say(winners(2, 0, ROW), winners(2, 1, ROW))
        session.received(2)

        assert agency.status() == 0
        assert (tmp_path / "winners-7.csv").read_bytes() == ROW * 2
        assert _files(tmp_path) == ["bets.csv", "winners-7.csv"]
        assert not [line for line in agency.lines if "result: fail" in line]

    @pytest.mark.usefixtures("bets")
    def test_central_stops(self, start: Start, central: Central) -> None:
        """A central that is started again is found again."""
        agency = start("--batch-size", "2")
        session = central.accept()
        session.welcome()
        session.batch()
        session.say(ack(2), error(STOPPING, b"the central is being stopped"))
        session.stream.read()  # what was sent meanwhile, up to the end
        agency.line("session | result: in_progress | client_id: 7 | code: STOPPING")
        session = central.accept()
        assert session.welcome(ROW * 2, asked=1) == 2
        assert session.batches(2, 5) == ROW * 3
        assert session.end() == 5
        session.say(ack(5, ended=True), winners(0, 0, b""))
        session.received(0)

        assert agency.status() == 0

    @pytest.mark.usefixtures("bets")
    def test_no_room(self, start: Start, central: Central) -> None:
        """A central without room is sent the same again, after a while."""
        agency = start("--batch-size", "2")
        session = central.accept()
        session.welcome()
        assert session.batch() == (0, ROW * 2)
        session.say(refused(STORAGE, 0, b"no room"))
        assert [session.batch()[0], session.batch()[0], session.end()] == [2, 4, 5]
        assert session.batches(0, 5) == ROW * 5
        assert session.end() == 5
        session.say(ack(5, ended=True), winners(0, 0, b""))
        session.received(0)

        assert agency.status() == 0

    @pytest.mark.parametrize("batch_size", ["1", "7", "100", "65535"])
    def test_killed(self, batch_size: str, tmp_path: Path, start: Start, central: Central) -> None:
        """Started again, also with another batch size, it goes on behind what is stored."""
        (tmp_path / "bets.csv").write_bytes(ROWS)
        agency = start("--batch-size", "30")
        session = central.accept()
        session.welcome()
        assert session.batches(0, 300) == ROW * 300
        agency.process.kill()
        agency = start("--batch-size", batch_size)
        session = central.accept()
        session.welcome(ROW * 310)
        assert session.batches(310, 1000) == ROW * 690
        assert session.end() == 1000
        session.say(ack(1000, ended=True), winners(0, 0, b""))
        session.received(0)

        assert agency.status() == 0

    @pytest.mark.usefixtures("bets")
    def test_changed_file(self, start: Start, central: Central) -> None:
        """A file that is not the one that was begun with is refused."""
        agency = start()
        session = central.accept()
        session.welcome(ROW + ROW.replace(b"7574", b"7575"))
        assert session.at_its_end()

        assert agency.status() == 1
        assert agency.lines[-1].endswith(
            "action: read_input | result: fail | client_id: 7 | file: bets.csv | error: is not the "
            "file that was begun with, rows 1 to 2 differ in sum from those that draw 1 holds"
        )

    @pytest.mark.usefixtures("bets")
    def test_new_day(self, start: Start, central: Central) -> None:
        """Winners of yesterday that nobody fetched do not stand in the way of today's bets."""
        agency = start()
        session = central.accept()
        session.welcome(ROW * 9, state=DELIVERED, ended=True)
        session.say(winners(0, 0, b""))
        session = central.accept()
        assert session.welcome(asked=OPEN_DRAW, draw=2) == 0
        assert session.batches(0, 5) == ROW * 5
        assert session.end() == 5
        session.say(ack(5, ended=True), winners(1, 0, ROW, draw=2))
        session.received(1, draw=2)

        assert agency.status() == 0
        assert len([line for line in agency.lines if "action: old_winners" in line]) == 1

    @pytest.mark.usefixtures("bets")
    def test_draw_by_its_number(self, start: Start, central: Central) -> None:
        """A draw may be asked for."""
        agency = start("--draw", "4294967294")
        session = central.accept()
        session.welcome(ROW * 5, asked=4294967294, draw=4294967294, ended=True)
        session.say(winners(0, 0, b"", draw=4294967294))
        session.received(0, draw=4294967294)

        assert agency.status() == 0

    def test_pipe(self, tmp_path: Path, start: Start, central: Central) -> None:
        """Bets from a pipe are sent again, too."""
        os.mkfifo(tmp_path / "bets.csv")
        agency = start("--batch-size", "2")
        with (tmp_path / "bets.csv").open("wb", buffering=0) as writer:
            writer.write(ROW * 4)
            session = central.accept()
            session.welcome()
            assert session.batch() == (0, ROW * 2)
            session.say(ack(2))
            assert session.batch() == (2, ROW * 2)
            session.reset()
            writer.write(ROW)
            session = central.accept()
            session.welcome(ROW * 3, asked=1)
        assert session.batches(3, 5) == ROW * 2
        assert session.end() == 5
        session.say(ack(5, ended=True), winners(0, 0, b""))
        session.received(0)

        assert agency.status() == 0

    @pytest.mark.usefixtures("bets")
    def test_stopped_between_two_sessions(
        self, tmp_path: Path, start: Start, central: Central
    ) -> None:
        """A signal ends it while no central is there, or none that can store."""
        agency = start()
        session = central.accept()
        session.welcome()
        central.listener.close()
        session.reset()
        agency.line("connect | result: in_progress")
        agency.stop(signal.SIGTERM)

        assert agency.status() == 0
        assert _files(tmp_path) == ["bets.csv"]


class TestFailures:
    """A sentence, and status 1."""

    def test_bad_row(self, tmp_path: Path, start: Start, central: Central) -> None:
        """Told with file, line, field and reason; nothing of its batch is sent."""
        (tmp_path / "bets.csv").write_bytes(ROW * 3 + ROW.replace(b"7574", b"75740"))
        agency = start("--batch-size", "2")
        session = central.accept()
        session.welcome()
        assert session.batch() == (0, ROW * 2)
        assert session.at_its_end()

        assert agency.status() == 1
        assert agency.lines[-1].endswith(
            "action: read_input | result: fail | client_id: 7 | file: bets.csv | line: 4 "
            "| field: number | error: has 5 characters, must be 1 to 4 digits, 0 to 9999"
        )
        assert _files(tmp_path) == ["bets.csv"]

    def test_bad_row_is_left_out(self, tmp_path: Path, start: Start, central: Central) -> None:
        """Unless it may be left out."""
        (tmp_path / "bets.csv").write_bytes(ROW + b'"\n' + ROW)
        agency = start("--skip-bad")
        session = central.accept()
        session.welcome()
        assert session.batch() == (0, ROW * 2)
        assert session.end() == 2
        session.say(ack(2, ended=True), winners(0, 0, b""))
        session.received(0)

        assert agency.status() == 0
        (warning,) = (line for line in agency.lines if " WARNING " in line)
        assert "file: bets.csv | line: 2" in warning

    @pytest.mark.usefixtures("bets")
    def test_refused(self, start: Start, central: Central) -> None:
        """The central's sentence is the agency's."""
        agency = start()
        session = central.accept()
        session.welcome()
        session.batch()
        sentence = b"must be a day written YYYY-MM-DD"
        payload = bytes.fromhex("08 00 0000000000000000 0003 04") + sentence
        session.say(b"\x22", len(payload).to_bytes(2, "big"), payload)

        assert agency.status() == 1
        assert agency.lines[-1].endswith(
            "result: fail | client_id: 7 | code: FIELD | file: bets.csv | line: 3 "
            "| field: birthdate | error: must be a day written YYYY-MM-DD"
        )

    @pytest.mark.usefixtures("bets")
    def test_cut_off(self, start: Start, central: Central) -> None:
        """A central that is lost before the results, and does not come back."""
        agency = start("--retry-for", "0.3")
        session = central.accept()
        session.welcome()
        session.batch()
        central.listener.close()
        session.close()

        assert agency.status() == 1
        assert "action: session | result: in_progress | client_id: 7" in agency.lines[2]
        assert "action: connect | result: fail" in agency.lines[-1]
        assert len([line for line in agency.lines if "result: fail" in line]) == 1

    @pytest.mark.parametrize(
        ("file", "sentence"),
        [
            ("none.csv", "cannot be read, no such file or directory"),
            (".", "cannot be read, it is a directory"),
        ],
    )
    def test_no_file(self, file: str, sentence: str, start: Start) -> None:
        """Nothing to send."""
        agency = start(file=file)

        assert agency.status() == 1
        assert agency.lines[-1].endswith(f"file: {file} | error: {sentence}")

    @pytest.mark.usefixtures("bets")
    def test_no_output(self, tmp_path: Path, start: Start) -> None:
        """Nowhere to put the results: known before anything is sent."""
        agency = start("--output", "none/winners.csv")

        assert agency.status() == 1
        assert agency.lines[-1].endswith(
            "file: none/winners.csv | error: no such file or directory"
        )
        assert _files(tmp_path) == ["bets.csv"]

    def test_no_text(self, start: Start, central: Central) -> None:
        """A device that gives bytes for ever, but no lines."""
        agency = start(file="/dev/zero")

        assert agency.status() == 1
        assert "file: /dev/zero | line: 1 | error: is longer than 8192 bytes" in agency.lines[-1]
        assert central.nobody_came()

    @pytest.mark.parametrize(
        ("content", "words", "reason"),
        [
            (b"nombre,apellido,documento,nacimiento,numero\n" + ROWS, [], "line: 1 | field: "),
            (ROWS.decode().encode("utf-16"), [], "is in UTF-16 or UTF-32"),
            (ROWS.decode().encode("utf-16"), ["--skip-bad"], "is in UTF-16 or UTF-32"),
            (ROWS.replace(b"\n", b"\r"), [], "has CR line ends, save it with LF or CRLF"),
            (ROW.replace(b"\n", b"\r") * 2, ["--skip-bad"], "has CR line ends"),
            (b"x\n" * 30, ["--skip-bad"], "has no row that can be sent, 30 were left out"),
        ],
    )
    def test_wrong_file(
        self,
        content: bytes,
        words: list[str],
        reason: str,
        tmp_path: Path,
        start: Start,
        central: Central,
    ) -> None:
        """A file that is wrong from its first line on takes no place in the draw."""
        (tmp_path / "bets.csv").write_bytes(content)
        agency = start(*words)

        assert agency.status() == 1
        assert "action: read_input | result: fail | client_id: 7" in agency.lines[-1]
        assert reason in agency.lines[-1]
        assert central.nobody_came()
        assert _files(tmp_path) == ["bets.csv"]

    @pytest.mark.usefixtures("bets")
    def test_output_without_a_name(self, start: Start, central: Central) -> None:
        """The root directory is no file."""
        agency = start("--output", "/")

        assert agency.status() == 1
        assert "action: write_output | result: fail" in agency.lines[-1]
        assert agency.lines[-1].endswith("file: / | error: it is not a regular file")
        assert central.nobody_came()

    @pytest.mark.usefixtures("bets")
    def test_no_such_interface(self, start: Start) -> None:
        """An IPv6 address on an interface that is not there is a central that is not reached."""
        agency = start("--server", "[fe80::1%nope]:1", "--retry-for", "0.3")

        assert agency.status() == 1
        assert "action: connect | result: in_progress" in agency.lines[1]
        assert "action: connect | result: fail" in agency.lines[-1]

    @pytest.mark.usefixtures("bets")
    def test_settings(self, tmp_path: Path) -> None:
        """Settings that cannot be used are status 2, and one sentence on stderr."""
        agency = Agency(tmp_path, "bets.csv", "--id", "x")
        try:
            assert "--id" in agency.errors()
            assert agency.process.wait(LIMIT_SECONDS) == 2
        finally:
            agency.close()
