"""``lottery probe``: what it finds where a central should listen."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lottery.command.probe import Options, run
from lottery.errors import SettingsError


def probe(*words: str, **environ: str) -> tuple[int, str]:
    """Parse and run: the exit status and what was printed."""
    options = Options()  # type: ignore[no-untyped-call]
    options.parseOptions(list(words))
    stdout = io.StringIO()
    return run(options, stdout, environ), stdout.getvalue()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_somebody_listens(listener: socket.socket, host: str) -> None:
    """Status 0, whether it listens at one interface or is said to do so at all."""
    port = listener.getsockname()[1]
    said = f"a central takes connections at {host} port {port}\n"
    assert probe(SERVER_HOST=host, SERVER_PORT=str(port)) == (0, said)
    peer, _ = listener.accept()
    with peer:
        assert peer.recv(1) == b""


def test_nobody_listens(listener: socket.socket) -> None:
    """Status 1, and why."""
    port = listener.getsockname()[1]
    listener.close()
    said = f"no central takes connections at 127.0.0.1 port {port}, Connection refused\n"
    assert probe(SERVER_PORT=str(port)) == (1, said)


def test_no_such_host() -> None:
    """A name that is none is no traceback."""
    status, said = probe(SERVER_HOST="a" * 100)
    assert status == 1
    assert said.startswith(f"no central takes connections at {'a' * 100} port 12345, ")


def test_the_file_of_the_central(listener: socket.socket, tmp_path: Path) -> None:
    """It looks where the central would listen with it."""
    file = tmp_path / "config.ini"
    file.write_text(f"[DEFAULT]\nSERVER_PORT = {listener.getsockname()[1]}\nSERVER_IP = server\n")
    assert probe("--config", str(file))[0] == 0
    assert probe(LOTTERY_CONFIG=str(file))[0] == 0


def test_bad_settings(tmp_path: Path) -> None:
    """A sentence for each."""
    with pytest.raises(SettingsError, match="environment SERVER_PORT is 'x'"):
        probe(SERVER_PORT="x")
    with pytest.raises(SettingsError, match="missing"):
        probe("--config", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match="a probe needs an interface and a port"):
        probe(LOTTERY_LISTEN="tcp:1")
    with pytest.raises(SettingsError, match="argument 'x' is unknown"):
        probe("x")
