"""How the bets of a draw came in over time: ``intake.csv``, for people who look back.

A line is ``YYYY-MM-DDTHH:MM:SSZ,BETS``: when, in UTC, and how many bets were stored by then. It is
advisory. Nothing is ever made of it, it is not flushed, and no digest covers it; whatever goes
wrong with it costs a part of a picture, never a bet.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lottery.ledger.segment import open_private

#: A line is written at most so often.
EVERY_SECONDS: Final = 10.0
#: And no more than so many of a draw, which makes 12 days of one that never rests.
MOST_LINES: Final = 100_000
_LONGEST_FILE_BYTES: Final = 8 << 20
_LINES: Final = re.compile(
    rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z,(?:0|[1-9][0-9]{0,17})\n)*"
)


class IntakeLog:
    """Writes the lines of one draw, behind those that an earlier process has written.

    The file is open only while a line is written: a draw may last for days.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_known = self._given_up = False
        self._lines = self._bets = 0
        self._moment = 0.0

    def note(self, moment: float, bets: int, *, last: bool = False) -> bool:
        """Write a line, if it is time and there is something new; the first one may be of 0 bets.

        :param moment: seconds since the epoch; one before the last line's counts as that.
        :param bets: how many are stored by then.
        :param last: whether nothing follows, so that it is time in any case.
        :returns: whether a line was written. If that fails it is not, and never raises.
        """
        if self._given_up or (self._is_known and not self._is_due(moment, bets, last)):
            return False
        try:
            fd = open_private(str(self._path), os.O_RDWR | os.O_APPEND)
            try:
                if not self._is_known:
                    self._resume(fd)
                return self._is_due(moment, bets, last) and self._write(fd, moment, bets)
            finally:
                os.close(fd)
        except (OSError, ValueError, OverflowError):
            self._given_up = True
            return False

    def _is_due(self, moment: float, bets: int, last: bool) -> bool:
        is_time = last or not self._lines or moment >= self._moment + EVERY_SECONDS
        is_new = bets > self._bets or (bets == self._bets and not self._lines)
        return is_time and is_new and self._lines < MOST_LINES

    def _resume(self, fd: int) -> None:
        """Go on behind the last line; what a crash has left there is cut away.

        :raises OSError: if it cannot be read or cut.
        :raises ValueError: if it is too long, or the last line has no moment: others have written.
        """
        size = os.fstat(fd).st_size
        if size > _LONGEST_FILE_BYTES:
            raise ValueError("it is longer than it can be")
        data = os.pread(fd, size, 0)
        lines = _LINES.match(data)
        # It was never flushed: a power cut may leave anything, also in front of whole lines.
        data = lines[0] if lines else b""
        if len(data) != size:
            os.ftruncate(fd, len(data))
        if data:
            self._lines = data.count(b"\n")
            moment, _, bets = data.splitlines()[-1].decode("ascii").partition(",")
            self._moment = datetime.strptime(f"{moment}+0000", "%Y-%m-%dT%H:%M:%SZ%z").timestamp()
            self._bets = int(bets)
        self._is_known = True

    def _write(self, fd: int, moment: float, bets: int) -> bool:
        moment = max(moment, self._moment)
        line = f"{datetime.fromtimestamp(int(moment), UTC):%Y-%m-%dT%H:%M:%SZ},{bets}\n".encode()
        size = os.fstat(fd).st_size
        try:
            written = os.write(fd, line)
        except OSError:
            return False  # no room, most likely: another line may fit later
        if written != len(line):
            os.ftruncate(fd, size)
            return False
        self._lines += 1
        self._bets, self._moment = bets, moment
        return True
