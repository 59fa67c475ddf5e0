"""``intake.csv``: how many bets were stored by when.

It is no part of the seal and never flushed, so it shows what a plausible file says, and no more.
A power cut may leave anything at the end of it, in place of lines or behind them: the first line
that is none ends the reading, and is no difference. What no crash makes of whole lines is found: a
moment or a count that goes down, more lines or bytes than there can be, more bets than there are.
"""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from lottery.audit.differences import Difference, Differs
from lottery.audit.files import AuditedFile

NAME: Final = "intake.csv"

_MOST_BYTES: Final = 8 << 20
_MOST_LINES: Final = 100_000
#: So many lines are kept for a table, and so many for a chart.
TABLE_LINES: Final = 200
CHART_LINES: Final = 500
#: A rate is over so many seconds at least, or over all there is.
_RATE_SECONDS: Final = 10

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LINE: Final = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z,(0|[1-9][0-9]{0,17})\n"
)


class Line(NamedTuple):
    """So many bets were stored by ``second``, which counts from 1970."""

    second: int
    bets: int

    @property
    def moment(self) -> str:
        """When, in words; UTC."""
        return f"{_EPOCH + timedelta(seconds=self.second):%Y-%m-%d %H:%M:%S}"


class Intake(NamedTuple):
    """What the file says, in no more lines than can be shown.

    ``lines`` is how many there are; ``table`` are some of them, evenly chosen, and ``chart``
    some of them, evenly in time; both have the first and the last one. ``steepest`` are the
    two between which bets came fastest, if there are two; ``torn`` is how many bytes there are from
    the first on that is no line.
    """

    lines: int
    table: tuple[Line, ...]
    chart: tuple[Line, ...]
    steepest: tuple[Line, Line] | None
    torn: int


class IntakeFile:
    """The file of one draw, read before the segments: all that it counts has to be in them."""

    def __init__(self, directory: Path) -> None:
        """Read it, if it is there; what is wrong with it can wait until the rest is checked."""
        self._seconds, self._bets = array("q"), array("q")
        self._torn = 0
        self._fault: Difference | None = None
        self._there = os.path.lexists(directory / NAME)
        if not self._there:
            return
        try:
            with AuditedFile(directory, NAME) as file:
                if file.size > _MOST_BYTES:
                    raise Differs(NAME, f"it has {file.size} bytes, it can have {_MOST_BYTES}")
                self._take(file.read(0, file.size))
        except Differs as differs:
            self._fault = differs.difference

    def check(self, bets: int) -> None:
        """Say what is wrong with it.

        :param bets: how many the segments hold.
        :raises Differs: for the first line that cannot be so, or if it is no such file.
        """
        if self._fault is None and (line := bisect_right(self._bets, bets)) < len(self._bets):
            what = f"{self._bets[line]} bets are said to be stored, {bets} are in the segments"
            self._fault = Difference(NAME, what, line=line + 1)
        if self._fault is not None:
            found = self._fault
            raise Differs(found.file, found.what, byte=found.byte, line=found.line)

    def shown(self) -> Intake | None:
        """Give what can be shown of it; None if it is not there or something is wrong with it."""
        if not self._there or self._fault is not None:
            return None
        count = len(self._seconds)
        return Intake(
            count,
            tuple(self._line(at) for at in _evenly(count, TABLE_LINES)),
            tuple(self._line(at) for at in self._evenly_in_time()),
            self._steepest(),
            self._torn,
        )

    def _line(self, at: int) -> Line:
        return Line(self._seconds[at], self._bets[at])

    def _take(self, data: bytes) -> None:
        """Take line by line, up to the first that is none.

        :raises Differs: at the first that goes back, or that is one too many.
        """
        begin = 0
        while (match := _LINE.match(data, begin)) and (second := _second_of(match)) is not None:
            number, bets = len(self._seconds) + 1, int(match[7])
            why = self._fault_of(second, bets)
            if number > _MOST_LINES:
                why = f"there are more than {_MOST_LINES} lines"
            if why:
                raise Differs(NAME, why, byte=begin, line=number)
            self._seconds.append(second)
            self._bets.append(bets)
            begin = match.end()
        self._torn = len(data) - begin

    def _fault_of(self, second: int, bets: int) -> str:
        """Say why a line cannot stand below those that were taken; nothing if it can."""
        if self._seconds and second < self._seconds[-1]:
            return "the moment is before that of the line above"
        if self._bets and bets < self._bets[-1]:
            return f"there are fewer bets than the {self._bets[-1]} of the line above"
        return ""

    def _evenly_in_time(self) -> list[int]:
        """Give the places of the last line within each of so many spans, and of the first."""
        count = len(self._seconds)
        if count <= CHART_LINES:
            return list(range(count))
        first, span = self._seconds[0], self._seconds[-1] - self._seconds[0] + 1
        # The first line has a place of its own.
        places = {-1: 0}
        for at in range(1, count):
            places[(self._seconds[at] - first) * (CHART_LINES - 1) // span] = at
        return list(places.values())

    def _steepest(self) -> tuple[Line, Line] | None:
        """Find where bets came fastest, over two lines that are not too near to each other."""
        count = len(self._seconds)
        best, begin = (-1.0, 0, 0), 0
        for end in range(1, count):
            while begin + 1 < end and self._between(begin + 1, end) >= _RATE_SECONDS:
                begin += 1
            seconds = self._between(begin, end)
            if seconds >= _RATE_SECONDS or (begin, end) == (0, count - 1):
                rate = (self._bets[end] - self._bets[begin]) / max(seconds, 1)
                best = max(best, (rate, begin, end), key=lambda each: each[0])
        return (self._line(best[1]), self._line(best[2])) if best[2] else None

    def _between(self, begin: int, end: int) -> int:
        return self._seconds[end] - self._seconds[begin]


def _evenly(count: int, most: int) -> Iterator[int]:
    """Choose so many places among ``count``, with the first and the last."""
    if count <= most:
        yield from range(count)
    else:
        yield from (at * (count - 1) // (most - 1) for at in range(most))


def _second_of(line: re.Match[bytes]) -> int | None:
    """Give the moment of a line in seconds from 1970; None if there is no such moment."""
    year, month, day, hour, minute, second = map(int, line.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1)
