"""The agency's terminal: a picture of the errand that follows it, and the winners at the end.

It is drawn in turns of the reactor, by no thread, and the cursor stays where it is and visible: so
nothing has to be put in order again, however the program ends. What happens to the terminal is
no matter of the errand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO, TypeVar, cast

from rich.console import Console
from rich.live import Live
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
)
from twisted.python.failure import Failure

from lottery.agency.picture import Picture
from lottery.agency.terminal import TerminalStream, terminal_environment
from lottery.ops.log import line_observer

#: From one picture to the next: five in a second.
REFRESH_SECONDS = 0.2

T = TypeVar("T")

_logger = Logger()


class TerminalConsole(Console):
    """A console that leaves the cursor alone, for a terminal that is known to be one.

    :param stream: the terminal.
    :param environ: what it can do: TERM, COLORTERM, NO_COLOR.
    """

    def __init__(
        self,
        stream: TextIO | TerminalStream,
        environ: Mapping[str, str],
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        super().__init__(
            file=cast(TextIO, stream),
            force_terminal=True,
            width=width,
            height=height,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
            _environ=terminal_environment(environ),
        )

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 (the library's)
        """Leave it as it is: a program that is killed could not bring it back."""
        return False


class _Lines:
    """A stream for lines of the log, which appear above the picture.

    :param console: where.
    """

    def __init__(self, console: Console) -> None:
        self.encoding = console.encoding
        self._console = console

    def write(self, text: str) -> None:
        """Write whole lines; the terminal breaks those that are too long."""
        self._console.out(text, end="", highlight=False)

    def flush(self) -> None:
        """There is nothing to be done."""


def log_above(console: Console, level_name: str) -> ILogObserver:
    """Make the observer that writes warnings and worse above the picture, as plain lines."""
    lines = line_observer(cast(TextIO, _Lines(console)), level_name)
    return FilteringLogObserver(lines, [LogLevelFilterPredicate(LogLevel.warn)])


class AgencyDisplay:
    """Shows an errand until it is done.

    :param console: where.
    :param clock: says when to draw.
    :param picture: what.
    """

    def __init__(self, console: Console, clock: IReactorTime, picture: Picture) -> None:
        self._console = console
        self._clock = clock
        self._picture = picture
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._drawing = LoopingCall(self._draw)
        self._drawing.clock = clock

    def start(self) -> None:
        """Begin to draw; a display that fails is given up, and the errand goes on."""
        self._live.start()
        self._drawing.start(REFRESH_SECONDS).addErrback(self._give_up)

    def stop(self) -> None:
        """Draw the end, and the winners; doing it twice is fine."""
        if not self._drawing.running:
            return
        self._drawing.stop()
        try:
            self._live.update(self._picture.end(self._console.width))
            self._live.stop()
            width = self._console.width
            for part in self._picture.winners(width):
                self._console.print(part, width=width - 1)
        except Exception:  # noqa: BLE001 (whatever it is, the errand is done)
            self._give_up(Failure())

    def stopped(self, outcome: T) -> T:
        """Do that as a part of what an errand's Deferred sets off."""
        self.stop()
        return outcome

    def _draw(self) -> None:
        stream = self._console.file
        if isinstance(stream, TerminalStream):
            stream.flush()
            if stream.is_behind:
                return  # a picture is of no use to who has not seen the one before
        self._live.update(
            self._picture.now(self._clock.seconds(), self._console.width), refresh=True
        )

    def _give_up(self, failure: Failure) -> None:
        try:
            self._live.update("")
            self._live.stop()  # lines of the log stand alone from now on
        except OSError:
            pass
        if not failure.check(OSError):  # that is a terminal that is gone
            _logger.failure("the display failed", failure)
