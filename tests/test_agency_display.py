"""The display of an errand, on a clock that the test moves and a terminal that it reads."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agency_rig import ROW, Errand, ack, error, winners
from screen import Screen
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.logger import LogEvent, Logger, LogLevel
from twisted.python.failure import Failure

from lottery.agency.display import REFRESH_SECONDS, AgencyDisplay, TerminalConsole, log_above
from lottery.agency.picture import Picture
from lottery.agency.run import DONE, FAILED
from lottery.agency.terminal import TerminalStream
from lottery.ops.log import ActionLog

TERMINAL = {"TERM": "xterm-256color"}
NOBODY = "connection was refused"


class Shown(Errand):
    """An errand on a terminal, shown as ``lottery agency`` shows it.

    :param screen: the terminal.
    """

    def __init__(
        self, directory: Path, bets: bytes | None, *, width: int = 80, environ=TERMINAL, **changes
    ) -> None:
        self.screen = Screen(width)
        self.console = TerminalConsole(self.screen, environ, width, 24)
        super().__init__(directory, bets, **changes)
        picture = Picture(self.settings, self.errand.progress)
        self.display = AgencyDisplay(self.console, self.reactor, picture)
        self.log.log = ActionLog("INFO", Logger(observer=log_above(self.console, "INFO")))
        self.display.start()
        self.running.addBoth(self.display.stopped)

    def refreshed(self) -> list[str]:
        """What is to be seen after the next refresh."""
        self.reactor.advance(REFRESH_SECONDS)
        return self.screen.lines


Start = Callable[..., Shown]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start an errand for a file with these bytes."""
    return lambda bets, **changes: Shown(tmp_path, bets, **changes)


@pytest.mark.parametrize("width", [80, 40])
def test_happy_day(start: Start, width: int) -> None:
    """It follows the errand from its start to the winners."""
    rig = start(ROW * 5, width=width)
    assert rig.screen.lines[0].startswith("agency 7: connecting")
    connection = rig.welcomed()
    connection.say(ack(2))
    rig.read()
    shown = rig.refreshed()
    assert shown[0].startswith("agency 7: sending")
    assert shown[2].startswith("2 of 5 bets")
    assert len(shown) == 4
    connection.say(ack(5), ack(5, ended=True))
    shown = rig.refreshed()
    assert shown[0].startswith("agency 7: waiting for draw 3")
    assert len(shown) == 4
    connection.say(winners(2, 0, ROW * 2))
    connection.cut()

    assert rig.status() == DONE
    assert rig.screen.lines[0] == "agency 7: 2 winners | draw 3, number 7"[: width - 1]
    assert rig.screen.lines[1] == "5 bets acknowledged"
    assert len([line for line in rig.screen.lines if "Ana Gil" in line]) == 2
    assert "winners.csv" in "".join(rig.screen.lines[-3:])
    assert rig.screen.written.endswith("\n")


def test_driven_by_the_reactor(start: Start) -> None:
    """No thread, no refresh but in a turn of the reactor, and about five in a second."""
    threads = threading.active_count()
    rig = start(ROW)
    assert threading.active_count() == threads
    written = rig.screen.written
    rig.reactor.advance(REFRESH_SECONDS / 2)
    assert rig.screen.written == written
    rig.reactor.advance(REFRESH_SECONDS / 2)
    assert len(rig.screen.written) > len(written)
    assert 4 <= 1 / REFRESH_SECONDS <= 8
    rig.stop()


def test_cursor_is_left_alone(start: Start) -> None:
    """It is never hidden, so that it need not be shown: not even kill -9 leaves it hidden."""
    rig = start(ROW)
    rig.refreshed()
    rig.stop()
    assert "\x1b[?" not in rig.screen.written


def test_warnings_stand_above(start: Start) -> None:
    """As lines of the log, as they are, whatever they hold; others are not seen."""
    rig = start(ROW)
    rig.log.log("connect", "success", note="not seen")
    rig.log.log("skip_row", "success", LogLevel.warn, file="[red]x[/red]\x1b[2J", line=3)
    rig.log.log("read_input", "fail", LogLevel.error, error=":smile: " + "long " * 30)
    lines = rig.refreshed()
    text = "".join(rig.screen.lines)
    assert "not seen" not in text
    assert " WARNING  action: skip_row | result: success | file: [red]x[/red]\\x1b[2J" in text
    assert text.count("\\x3asmile\\x3a") == 1
    assert text.count("long") == 30
    assert text.index("skip_row") < text.index("read_input") < text.index("agency 7:")
    assert text.count("agency 7:") == 1
    assert lines[-4].startswith("agency 7: connecting")
    rig.stop()


def test_central_away(start: Start) -> None:
    """The time to the next attempt runs down, and the reason is told."""
    rig = start(ROW)
    for attempt in range(1, 6):
        rig.endpoint.refuse(Refused(NOBODY))
        if attempt < 5:
            rig.reactor.advance(rig.errand.progress.again_at - rig.reactor.seconds())
    shown = rig.refreshed()
    assert shown[0] == "agency 7: no central at central:12345"
    assert shown[3] == "tries again in 2 s | 5 attempts in vain"
    assert NOBODY in shown[4]
    for _ in range(5):
        shown = rig.refreshed()
    assert shown[3].startswith("tries again in 1 s")
    rig.reactor.advance(1)
    rig.welcomed()
    assert len(rig.refreshed()) == 4
    rig.stop()


def test_failure(start: Start) -> None:
    """How far it got stands below the reason; no results are told of."""
    rig = start(ROW)
    connection = rig.welcomed()
    connection.say(error("06", b"no"))
    rig.reactor.advance(3)
    assert rig.statuses == [FAILED]
    assert rig.screen.lines[-2:] == [
        "agency 7: failed | the reason is above",
        "0 of 1 bet acknowledged | 1 sent",
    ]


def test_stopped(start: Start) -> None:
    """A signal leaves the last figures."""
    rig = start(ROW)
    assert rig.stop() == DONE
    assert rig.screen.lines[0] == "agency 7: stopped | the same command goes on from here"


def test_stops_once(start: Start) -> None:
    """What is done, is done; also if it never began."""
    rig = start(ROW)
    rig.stop()
    written = rig.screen.written
    rig.display.stop()
    assert rig.screen.written == written
    AgencyDisplay(rig.console, rig.reactor, Picture(rig.settings, rig.errand.progress)).stop()
    assert rig.screen.written == written


def test_no_color(start: Start) -> None:
    """NO_COLOR is heeded: the cursor moves, and nothing has a colour."""
    rig = start(ROW, environ={**TERMINAL, "NO_COLOR": "1"})
    rig.welcomed()
    rig.refreshed()
    rig.stop()
    codes = [part.split("m")[0] for part in rig.screen.written.split("\x1b[") if "m" in part[:9]]
    assert set(codes) <= {"0", "1"}


def test_resized(start: Start) -> None:
    """Another size is taken at the next refresh."""
    rig = start(ROW)
    rig.refreshed()
    rig.console.size = (40, 10)
    rig.refreshed()
    rig.console.size = (7, 2)
    rig.refreshed()
    rig.console.size = (100, 50)
    assert rig.refreshed()[-4] == "agency 7: connecting to the central at central:12345"
    rig.stop()


class TestGivenUp:
    """A display that fails is no matter of the errand."""

    def test_terminal_is_gone(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
    ) -> None:
        """Nobody is there to be told."""
        rig = start(ROW)

        def gone(_text: str) -> int:
            raise OSError(errno.EIO, "input/output error")

        monkeypatch.setattr(rig.screen, "write", gone)
        rig.reactor.advance(REFRESH_SECONDS)
        rig.log.log("skip_row", "success", LogLevel.warn)
        self._goes_on(rig)
        assert logged_failures == []

    def test_bug(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
    ) -> None:
        """A mistake of ours is logged, and what is logged later stands alone."""
        rig = start(ROW)
        rig.refreshed()

        def wrong(_self: Picture, _seconds: float, _width: int) -> str:
            raise ZeroDivisionError("a mistake")

        monkeypatch.setattr(Picture, "now", wrong)
        rig.reactor.advance(REFRESH_SECONDS)
        (event,) = logged_failures
        assert event["log_failure"].check(ZeroDivisionError)
        logged_failures.clear()
        rig.log.log("skip_row", "success", LogLevel.warn)
        assert rig.screen.lines[-1].endswith("action: skip_row | result: success")
        self._goes_on(rig)

    def test_bug_at_the_end(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
    ) -> None:
        """Also then the exit status is that of the errand."""
        rig = start(ROW)

        def wrong(_self: Picture, _width: int) -> str:
            raise ZeroDivisionError("a mistake")

        monkeypatch.setattr(Picture, "end", wrong)
        self._goes_on(rig)
        assert len(logged_failures) == 1
        logged_failures.clear()

    def _goes_on(self, rig: Shown) -> None:
        connection = rig.welcomed()
        connection.say(ack(1), ack(1, ended=True), winners(0, 0, b""))
        connection.cut()
        assert rig.status() == DONE
        assert rig.output == b""


class TestStoppedTerminal:
    """Ctrl-S, or a line that hangs."""

    @pytest.fixture
    def pty(self) -> Iterator[tuple[int, TerminalStream]]:
        """A terminal that nobody reads, and our end of it."""
        master, slave = os.openpty()
        os.set_blocking(slave, False)
        stream = TerminalStream(slave)
        yield master, stream
        stream.close()
        os.close(master)

    def test_pictures_are_left_out(self, tmp_path: Path, pty: tuple[int, TerminalStream]) -> None:
        """No more is kept for it than one picture, and the last one follows when it goes on."""
        master, stream = pty
        errand = Errand(tmp_path, ROW)
        errand.welcomed().say(ack(1), ack(1, ended=True))
        console = TerminalConsole(stream, TERMINAL, 80, 24)
        picture = Picture(errand.settings, errand.errand.progress)
        display = AgencyDisplay(console, errand.reactor, picture)
        display.start()
        for _ in range(1000):
            errand.reactor.advance(REFRESH_SECONDS)
        assert stream.is_behind
        assert len(stream._pending) < 4096
        data = b""
        while b"for 3 min 2" not in data:
            assert select.select([master], [], [], 5)[0], data
            data += os.read(master, 65536)
            errand.reactor.advance(REFRESH_SECONDS)
        assert b"for 1 min" not in data
        display.stop()
        errand.stop()


def test_failure_of_the_command(start: Start) -> None:
    """Stopping passes on what it is told of."""
    rig = start(ROW)
    failure = Failure(RuntimeError("a mistake"))
    assert rig.display.stopped(failure) is failure
    rig.stop()
