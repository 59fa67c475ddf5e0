"""How the bets of a draw came in over time: ``intake.csv``, for people who look back.

A line is ``YYYY-MM-DDTHH:MM:SSZ,BETS``: when, in UTC, and how many bets were stored by then. It is
advisory. Nothing is ever made of it, it is not flushed, and no digest covers it; whatever goes
wrong with it costs a part of a picture, never a bet.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lottery.ledger.segment import open_private

#: A line is written at most so often.
EVERY_SECONDS: Final = 10.0
#: And no more than so many of a draw, which makes 12 days of one that never rests.
MOST_LINES: Final = 100_000
_LONGEST_FILE_BYTES: Final = 8 << 20


class IntakeLog:
    """Writes the lines of one draw, behind those that an earlier process has written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._given_up = False
        self._lines = self._bets = 0
        self._moment = 0.0

    def note(self, moment: float, bets: int, *, last: bool = False) -> bool:
        """Write a line, if it is time and there is something new; the first one may be of 0 bets.

        :param moment: seconds since the epoch; one before the last line's counts as that.
        :param bets: how many are stored by then.
        :param last: whether nothing follows, so that it is time in any case.
        :returns: whether a line was written. If that fails it is not, and never raises.
        """
        if self._given_up:
            return False
        try:
            if self._fd is None:
                self._open()
            moment = max(moment, self._moment)
            due = last or not self._lines or moment >= self._moment + EVERY_SECONDS
            new = bets > self._bets or (bets == self._bets and not self._lines)
            if not due or not new or self._lines >= MOST_LINES:
                return False
            return self._write(moment, bets)
        except (OSError, ValueError, OverflowError):
            self._give_up()
            return False

    def close(self) -> None:
        """Write nothing any more; doing it twice is harmless."""
        self._given_up = True
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> None:
        """Go on behind the last whole line; what was cut off by a crash is cut away.

        :raises OSError: if it cannot be opened, read or cut.
        :raises ValueError: if it is too long, or its last line is none: others have written there.
        """
        self._fd = open_private(str(self._path), os.O_RDWR | os.O_APPEND)
        size = os.fstat(self._fd).st_size
        if size > _LONGEST_FILE_BYTES:
            raise ValueError("it is longer than it can be")
        data = os.pread(self._fd, size, 0)
        data = data.partition(b"\0")[0]  # of a power cut: it was never flushed
        whole = data.rfind(b"\n") + 1
        if whole != size:
            os.ftruncate(self._fd, whole)
        if whole:
            self._lines = data.count(b"\n")
            moment, _, bets = data[:whole].splitlines()[-1].decode("ascii").partition(",")
            self._moment = datetime.strptime(f"{moment}+0000", "%Y-%m-%dT%H:%M:%SZ%z").timestamp()
            self._bets = int(bets)

    def _write(self, moment: float, bets: int) -> bool:
        assert self._fd is not None
        line = f"{datetime.fromtimestamp(int(moment), UTC):%Y-%m-%dT%H:%M:%SZ},{bets}\n".encode()
        size = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
        except OSError:
            return False  # no room, most likely: another line may fit later
        if written != len(line):
            os.ftruncate(self._fd, size)
            return False
        self._lines += 1
        self._bets, self._moment = bets, moment
        return True

    def _give_up(self) -> None:
        with suppress(OSError):
            self.close()
        self._given_up = True
