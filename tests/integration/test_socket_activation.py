"""The central on a socket that somebody else has opened and keeps, as systemd does."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import pytest
from classic_agency import ClassicAgency, batches_of
from live import (
    PATIENCE_SECONDS,
    LiveAgency,
    LiveCentral,
    LiveProcess,
    environment,
    made_up,
    sample,
    union,
    winning,
)
from lottery1_agency import WELCOME, Lottery1Agency, batch, end, hello

CONTRIB: Final = Path(__file__).parents[2] / "contrib"
ENDPOINT: Final = "systemd:domain=INET:name=lottery"

#: Many programs are started here, one after the other.
pytestmark = pytest.mark.slow

#: Hands over its standard input as the first socket of these names, and becomes the program.
LAUNCHER: Final = """
import os, sys

os.dup2(0, 3)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])
"""


def handed_over(*words: object, names: str = "lottery") -> list[str]:
    """The command of a ``lottery serve`` whose standard input becomes its socket."""
    launcher = [sys.executable, "-c", LAUNCHER, names]
    return [*launcher, sys.executable, "-m", "lottery", "serve", *map(str, words)]


class ActivatedCentral(LiveCentral):
    """``lottery serve`` in a directory, on a socket that it is given."""

    def __init__(
        self, directory: Path, listener: socket.socket, *options: object, names: str = "lottery"
    ) -> None:
        """:param options: all of them, but the data directory and the level of the log."""
        self.data_dir = directory / "lottery-data"
        self._port = 0
        words = ("--data-dir", self.data_dir, "--log-level", "INFO", *options)
        LiveProcess.__init__(
            self, handed_over(*words, names=names), directory, stdin=listener.fileno()
        )
        try:
            assert self.port == listener.getsockname()[1]
        except BaseException:
            self._end()
            raise


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def holds(pid: int, listener: socket.socket) -> bool:
    """Whether a process has this socket open."""
    wanted = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed in the meantime
            if os.readlink(file) == wanted:
                return True
    return False


def test_a_day(tmp_path: Path, listener: socket.socket) -> None:
    """Agencies of both dialects over the inherited socket; then SIGTERM, and a clean end."""
    rows = sample(tmp_path, 2, 500)
    with ActivatedCentral(tmp_path, listener, "--listen", ENDPOINT, "--agencies", 2) as central:
        with (
            LiveAgency(tmp_path, central.port, 1, tmp_path / "agency-1.csv") as modern,
            ClassicAgency(central.port) as classic,
        ):
            central.arrived(1)
            told = classic.whole_day(batches_of(rows[1], 20), 4)
            assert modern.wait() == 0, modern.log
            assert modern.winners() == winning(rows[0])
            assert len(told) == len(winning(rows[1]))
        assert central.bets_csv(1) == union({1: rows[0], 2: rows[1]})
        assert central.stop()[0] == 0, central.log
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()  # it listens still, and nobody is left who waits


def test_who_comes_between_two_starts(tmp_path: Path, listener: socket.socket) -> None:
    """The socket outlives the central: who connects while none runs is served by the next."""
    rows = made_up(10, number=7574)
    options = ("--listen", ENDPOINT, "--agencies", 2)
    with ActivatedCentral(tmp_path, listener, *options) as central:
        with Lottery1Agency(central.port) as early:
            early.greet(1)
            early.send(batch(0, rows) + end(10))
            early.acknowledged(10, ended=True)
            assert central.stop()[0] == 0, central.log
            assert early.error()[0] == "STOPPING"
        port = central.port
    with Lottery1Agency(port) as between:  # it is connected, though nobody is there
        between.send(hello(2))
        with ActivatedCentral(tmp_path, listener, *options) as central:
            kind, _ = between.message()
            assert kind == WELCOME
            between.send(batch(0, rows) + end(10))
            between.acknowledged(10, ended=True)
            assert between.winners().rows == rows
            assert central.bets_csv(1) == union({1: rows, 2: rows})


def test_writers_do_not_hold_the_socket(tmp_path: Path, listener: socket.socket) -> None:
    """Only the central has it, once; a writer that is left behind could not keep it."""
    with (
        ActivatedCentral(tmp_path, listener, "--listen", ENDPOINT, "--agencies", 2) as central,
        ClassicAgency(central.port) as agency,
    ):
        agency.batch(made_up(1))
        agency.acknowledged()
        assert central.children
        assert not any(holds(pid, listener) for pid in central.children)
        assert holds(central.pid, listener)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_the_unit_the_script_and_the_programs(tmp_path: Path, listener: socket.socket) -> None:
    """As ``lottery.service`` starts it, with what ``certificates.sh`` has made: a day over TLS."""
    day = {1: made_up(120, number=7574), 2: made_up(80, number=7574, name="Eva")}
    script, pki = CONTRIB / "certificates.sh", tmp_path / "pki"
    for words in (["central", "127.0.0.1"], ["agency", *map(str, day)]):
        subprocess.run([script, pki, *words], check=True, capture_output=True)
    unit = (CONTRIB / "lottery.service").read_text(encoding="utf-8").replace("\\\n", " ")
    (command,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
    words = shlex.split(command)[2:]
    del words[words.index("--data-dir") :]
    words = [word.replace("/etc/lottery", str(pki)) for word in words]
    with ActivatedCentral(tmp_path, listener, *words, names="lottery-tls") as central:
        with ExitStack() as agencies:
            running = {}
            for agency, rows in day.items():
                file = tmp_path / f"day-{agency}.csv"
                file.write_text("".join(f"{row}\n" for row in rows))
                own = pki / f"agency-{agency}"
                options = ("--tls-cert", f"{own}.crt", "--tls-key", f"{own}.key")
                options += ("--tls-ca", str(pki / "ca.crt"))
                live = LiveAgency(tmp_path, central.port, agency, file, *options)
                running[agency] = agencies.enter_context(live)
            for agency, live in running.items():
                assert live.wait() == 0, live.log
                assert live.winners() == day[agency]
        assert central.bets_csv(1) == union(day)


def refused(tmp_path: Path, given: socket.socket, endpoint: str, *, names: str = "lottery") -> str:
    """The one sentence with which the central ends with status 2; no directory is made."""
    words = ("--listen", endpoint, "--data-dir", tmp_path / "lottery-data")
    done = subprocess.run(
        handed_over(*words, names=names),
        cwd=tmp_path,
        env=environment(),
        stdin=given.fileno(),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("lottery: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert list(tmp_path.rglob("draw.json")) == []
    return done.stderr


@pytest.mark.parametrize(
    ("endpoint", "names"),
    [
        ("systemd:domain=INET:name=lotery", "lottery"),
        ("systemd:domain=INET:name=lottery", ""),
        ("systemd:domain=INET:name=lottery", "lottery:other"),
        ("systemd:domain=INET:index=1", "lottery"),
        ("systemd:domain=INTERNET:name=lottery", "lottery"),
        ("systemd:domain=INET", "lottery"),
        ("systemd:name=lottery", "lottery"),
    ],
    ids=["wrong-name", "no-name", "more-names", "wrong-index", "domain", "no-which", "no-domain"],
)
def test_a_socket_that_it_is_not_given(
    tmp_path: Path, listener: socket.socket, endpoint: str, names: str
) -> None:
    """Status 2, and a sentence that names the endpoint."""
    assert endpoint in refused(tmp_path, listener, endpoint, names=names)


def test_a_socket_that_everybody_reaches(tmp_path: Path) -> None:
    """Whoever opened it: without a roster, it is not taken by the way."""
    with socket.create_server(("0.0.0.0", 0)) as reached:
        assert "--insecure" in refused(tmp_path, reached, ENDPOINT)
