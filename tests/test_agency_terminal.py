"""Writing to a terminal without waiting for it."""

from __future__ import annotations

import io
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lottery.agency import terminal
from lottery.agency.terminal import (
    PENDING_LIMIT_BYTES,
    TerminalStream,
    open_terminal,
    terminal_environment,
)

XTERM = {"TERM": "xterm"}


class Pty:
    """A terminal and a program's standard output on it."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.stdout = os.fdopen(slave, "w", encoding="utf-8")

    def read(self) -> bytes:
        """What has come so far."""
        data = b""
        while select.select([self.master], [], [], 0)[0]:
            data += os.read(self.master, 65536)
        return data

    def close(self) -> None:
        """Take it away."""
        self.stdout.close()
        if self.master >= 0:
            os.close(self.master)

    def hang_up(self) -> None:
        """Nobody is at the other end any more."""
        os.close(self.master)
        self.master = -1


@pytest.fixture
def pty() -> Iterator[Pty]:
    """A terminal."""
    pty = Pty()
    yield pty
    pty.close()


@pytest.fixture
def stream(pty: Pty) -> Iterator[TerminalStream]:
    """Our way to it."""
    stream = open_terminal(pty.stdout, XTERM)
    assert stream is not None
    yield stream
    stream.close()
    stream.close()


class TestOpen:
    """Whether there is a terminal for a display."""

    def test_terminal(self, pty: Pty, stream: TerminalStream) -> None:
        """It is opened for us; what the shell shares with standard output stays as it is."""
        assert (stream.isatty(), stream.writable(), stream.encoding) == (True, True, "utf-8")
        assert stream.fileno() != pty.stdout.fileno()
        assert os.get_blocking(pty.stdout.fileno())
        assert not os.get_blocking(stream.fileno())

    @pytest.mark.parametrize("environ", [{}, {"TERM": ""}, {"TERM": "dumb"}, {"TERM": "Unknown"}])
    def test_dumb(self, pty: Pty, environ: dict[str, str]) -> None:
        """One that knows no cursor is none."""
        assert open_terminal(pty.stdout, environ) is None

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
    def test_encoding(self, pty: Pty, encoding: str) -> None:
        """Nor is one that cannot show the bar."""
        pty.stdout.reconfigure(encoding=encoding)
        assert open_terminal(pty.stdout, XTERM) is None

    def test_file(self, tmp_path: Path) -> None:
        """Nor are a file, and what has no descriptor."""
        with (tmp_path / "out").open("w", encoding="utf-8") as file:
            assert open_terminal(file, XTERM) is None
        assert open_terminal(io.StringIO(), XTERM) is None

    def test_closed(self, pty: Pty) -> None:
        """Nor is a stream that is closed."""
        pty.stdout.close()
        assert open_terminal(pty.stdout, XTERM) is None

    def test_of_somebody_else(self, pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor is one that we may not open, as after su."""

        def refuse(path: str, flags: int) -> int:
            raise PermissionError(path)

        monkeypatch.setattr(terminal.os, "open", refuse)
        assert open_terminal(pty.stdout, XTERM) is None

    def test_what_was_said_before(self, pty: Pty) -> None:
        """It comes first."""
        pty.stdout.write("before ")
        stream = open_terminal(pty.stdout, XTERM)
        assert stream is not None
        stream.write("behind")
        stream.finish()
        assert pty.read() == b"before behind"


def test_environment() -> None:
    """Only what the terminal can do, and no size that it may have had in a shell."""
    environ = {**XTERM, "COLORTERM": "truecolor", "NO_COLOR": "", "COLUMNS": "200", "HOME": "/"}
    assert terminal_environment(environ) == {**XTERM, "COLORTERM": "truecolor", "NO_COLOR": ""}


class TestStream:
    """What it takes, and what it does not."""

    def test_written_at_once(self, pty: Pty, stream: TerminalStream) -> None:
        """Text and lines, and half a character as an escape."""
        assert stream.write("Ñandú \udcff\n") == 8
        assert stream.is_behind
        stream.flush()
        assert pty.read() == "Ñandú \\udcff\r\n".encode()
        assert not stream.is_behind

    def test_nobody_reads(self, pty: Pty, stream: TerminalStream) -> None:
        """What is not taken waits, whole and in order, and nobody waits for it."""
        text = "".join(f"{number}," for number in range(50_000))
        began = time.monotonic()
        stream.write(text)
        stream.flush()
        assert stream.is_behind
        assert time.monotonic() - began < 1
        data = b""
        while stream.is_behind or select.select([pty.master], [], [], 0)[0]:
            data += pty.read()
            stream.flush()
        assert data == text.encode()

    def test_limit(self, stream: TerminalStream) -> None:
        """Memory has a bound, whatever is written."""
        for _ in range(300):
            stream.write("x" * 10_000)
            stream.flush()
        assert PENDING_LIMIT_BYTES <= len(stream._pending) < PENDING_LIMIT_BYTES + 10_000

    def test_finish(self, pty: Pty, stream: TerminalStream) -> None:
        """At the end it is waited for, but not for ever."""
        terminal_limit = 0.2
        stream.write("x" * 100_000)
        began = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(terminal, "PATIENCE_SECONDS", terminal_limit)
            stream.finish()
        assert terminal_limit <= time.monotonic() - began < 5
        assert (stream.closed, stream.is_behind) == (True, False)

    def test_hung_up(self, pty: Pty, stream: TerminalStream) -> None:
        """A terminal that is gone is told to who writes, and does not matter at the end."""
        pty.hang_up()
        stream.write("x")
        with pytest.raises(OSError, match="Input/output error"):
            stream.flush()
        stream.finish()
        assert stream.closed
