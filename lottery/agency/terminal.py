"""A terminal to show things on: whether there is one, and writing to it without ever waiting.

A terminal may stop taking text at any moment: somebody presses Ctrl-S, or the line to it hangs. The
agency has to go on all the same, or the central would take it for dead. So the terminal is opened
once more, for ourselves and non-blocking: the mode of standard output is shared with the shell.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping
from io import TextIOBase
from typing import TextIO

#: More text than this is not kept for a terminal that takes none; what follows is dropped.
PENDING_LIMIT_BYTES = 1 << 20
#: How long to wait at the end for a terminal that takes none.
PATIENCE_SECONDS = 2.0

#: What a display needs to know of the environment; COLUMNS may be that of another size.
_OF_TERMINALS = ("TERM", "COLORTERM", "NO_COLOR")
#: Terminals that know no cursor, as far as one can tell.
_DUMB = frozenset({"", "dumb", "unknown"})


def terminal_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the part of an environment that says what the terminal can do."""
    return {name: environ[name] for name in _OF_TERMINALS if name in environ}


def open_terminal(stdout: TextIO, environ: Mapping[str, str]) -> TerminalStream | None:
    """Open the terminal that ``stdout`` is; None: it is none, or not one for a display."""
    if environ.get("TERM", "").strip().lower() in _DUMB:
        return None
    if not (stdout.encoding or "").lower().replace("-", "").startswith("utf8"):
        return None  # the bar and the table's lines are not in it
    try:
        if not stdout.isatty():
            return None
        stdout.flush()
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(f"/proc/self/fd/{stdout.fileno()}", flags)
    except (OSError, ValueError):
        return None  # somebody else's terminal, after su: standard output still takes the log
    return TerminalStream(descriptor)


class TerminalStream(TextIOBase):
    """Text for a terminal: what it does not take now waits for the next :meth:`flush`.

    :param descriptor: of the terminal, non-blocking; it is closed with the stream.
    """

    encoding = "utf-8"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = bytearray()

    @property
    def is_behind(self) -> bool:
        """Whether there is text that the terminal has not taken."""
        return bool(self._pending)

    def isatty(self) -> bool:
        """It is a terminal."""
        return True

    def fileno(self) -> int:
        """The descriptor of the terminal."""
        return self._descriptor

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, text: str) -> int:
        """Take text; whoever writes without an end loses what is beyond the limit."""
        if len(self._pending) < PENDING_LIMIT_BYTES:
            self._pending += text.encode(self.encoding, "backslashreplace")
        return len(text)

    def flush(self) -> None:
        """Write as much as the terminal takes at once.

        :raises OSError: if the terminal is gone.
        """
        while self._pending and not self.closed:
            try:
                written = os.write(self._descriptor, self._pending)
            except BlockingIOError:
                return
            del self._pending[:written]

    def finish(self) -> None:
        """Write the rest, as far as the terminal takes it in time, and close."""
        limit = time.monotonic() + PATIENCE_SECONDS
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        try:
            self.flush()
            while self._pending and (left := limit - time.monotonic()) > 0:
                room.poll(left * 1000)
                self.flush()
        except OSError:
            pass  # nobody is there any more
        self.close()

    def close(self) -> None:
        """Give the descriptor back; doing it twice is fine."""
        if not self.closed:
            self._pending.clear()  # or it would be written now, and waited for
            super().close()
            os.close(self._descriptor)
