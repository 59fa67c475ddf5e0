"""The status page of a central that runs: who looks, and who does not read what they asked for."""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from live import LiveCentral, made_up, run_lottery
from lottery1_agency import Lottery1Agency, batch, end, received

AGENCIES = 4000
DEAF = 40
#: What a page that does not read may cost: a buffer of the transport, and a piece beyond it.
DEAF_BYTES = 256 << 10
PATIENCE_SECONDS = 60.0


SERVE = (sys.executable, "-m", "lottery", "serve")
TWISTD = (
    sys.executable, "-c", "from twisted.scripts.twistd import run; run()",
    "-no", "--pidfile=", "--logger=lottery.ops.log.stdout_lines", "lottery",
)  # fmt: skip


def status_port(central: LiveCentral) -> int:
    """Where the page of a central is."""
    return int(central.wait_for(r"action: status \| .* port: (\d+)")[1])


def asked(port: int, path: str, host: str = "localhost") -> tuple[int, bytes]:
    """What is answered to a request."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("program", [SERVE, TWISTD], ids=["serve", "twistd"])
def test_it_is_there(tmp_path: Path, program: tuple[str, ...]) -> None:
    """Under both faces; for this host alone; the log says where."""
    with LiveCentral(tmp_path, "--status", "tcp:0", program=program, level="INFO") as running:
        line = running.wait_for(
            r"action: status \| result: in_progress \| ip: (\S+) \| port: (\d+)"
        )
        assert line[1] == "127.0.0.1"
        port = int(line[2])
        assert asked(port, "/readyz") == (200, b"ready\n")
        assert asked(port, "/", "evil.example")[0] == 421
        assert json.loads(asked(port, "/api/draws")[1])["draws"][0]["state"] == "open"
        assert running.stop()[0] == (0 if program == SERVE else -signal.SIGTERM)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One sentence, status 2, and no draw was opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listen = ("--listen", "tcp:0:interface=127.0.0.1", "--data-dir", tmp_path / "data")
        done = run_lottery("serve", *listen, "--status", f"tcp:{port}")
    assert done.returncode == 2
    assert done.stderr.startswith("lottery: cannot listen, ")
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "data" / "draws").iterdir())


@pytest.mark.slow
def test_pages_that_never_read(tmp_path: Path) -> None:
    """They are dropped, cost little until then, and nobody else hears of it."""
    options = ("--status", "tcp:0", "--agencies", AGENCIES + 1, "--rejoin", 0)
    with ExitStack() as stack:
        central = stack.enter_context(LiveCentral(tmp_path, *options, level="INFO"))
        port = status_port(central)
        for number in range(AGENCIES):
            with Lottery1Agency(central.port) as agency:
                agency.greet(number)
        agency = stack.enter_context(Lottery1Agency(central.port))
        agency.greet(AGENCIES)
        before = resident_bytes(central.pid)
        deaf = []
        for _ in range(DEAF):
            page = stack.enter_context(socket.socket())
            page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            page.connect(("127.0.0.1", port))
            page.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            deaf.append(page)
        assert asked(port, "/healthz") == (200, b"well\n")
        for page in deaf:
            page.settimeout(PATIENCE_SECONDS)
            wait_for_hang_up(page)
        assert resident_peak_bytes(central.pid) - before < DEAF * DEAF_BYTES
        assert asked(port, "/healthz") == (200, b"well\n")
        agency.close()


def wait_for_hang_up(page: socket.socket) -> None:
    """Wait until the other end has ended the connection, without reading from it."""
    poll = select.poll()
    poll.register(page, 0)  # hang-ups and errors are told always
    events = poll.poll(PATIENCE_SECONDS * 1000)
    assert events, "it was not dropped"
    assert events[0][1] & (select.POLLHUP | select.POLLERR)


def resident_bytes(pid: int) -> int:
    """The memory of a process now."""
    return _status(pid, "VmRSS")


def resident_peak_bytes(pid: int) -> int:
    """The most that it has had."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise AssertionError(name)


def test_who_looks_leaves_files_for_the_draw(tmp_path: Path) -> None:
    """However many connect, a draw can be held with few files that may be open."""
    options = ("--status", "tcp:0", "--agencies", 1, "--writers", 1, "--draws", 1)
    program = ("prlimit", "--nofile=200:200", *SERVE)
    with ExitStack() as stack:
        central = stack.enter_context(
            LiveCentral(tmp_path, *options, program=program, level="INFO")
        )
        port = status_port(central)
        for _ in range(190):
            page = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            with suppress(OSError):  # it may be turned away by now
                page.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with Lottery1Agency(central.port) as agency:
            agency.greet(1)
            agency.send(batch(0, made_up(3, number=7574)))
            agency.acknowledged(3)
            agency.send(end(3))
            agency.acknowledged(3, ended=True)
            told = agency.winners()
            agency.send(received(told.draw, told.total))
        assert central.wait() == 0
