"""What the segments hold of each agency: its bets follow each other, and its END fits them.

A draw may be open, and a central at work in it. Then segments are read one after the other while
they grow, and what was read early may lack what was read late relies on. So a record is *sure* if
it was there before the first segment was read: whatever it relies on was there then, too.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lottery.audit.differences import Differs
from lottery.audit.layout import END, HEADER_BYTES
from lottery.audit.segments import Record
from lottery.audit.tails import Tail


@dataclass(slots=True)
class Run:
    """ROWS of one agency that follow each other in one segment.

    ``segment`` is its name; ``bodies`` and ``lengths`` say where the rows are, in bytes.
    """

    segment: str
    first: int
    following: int
    sure: bool
    bodies: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("I"))


class Ending(NamedTuple):
    """The END of an agency, at byte ``at`` of ``segment``."""

    segment: str
    at: int
    total: int
    nonce: bytes
    sure: bool


@dataclass(slots=True)
class Holding:
    """What the segments hold of one agency; ``segment`` and ``at`` say where it begins.

    ``bets`` is right once :meth:`Holdings.settle` has been called.
    """

    agency: int
    classic: bool
    segment: str
    at: int
    bets: int = 0
    runs: list[Run] = field(default_factory=list)
    end: Ending | None = None

    def pieces(self) -> Iterator[tuple[str, int, int]]:
        """Yield segment, place and length of its rows, in order."""
        for run in self.runs:
            for place, length in zip(run.bodies, run.lengths, strict=True):
                yield run.segment, place, length


class Holdings:
    """What the segments hold of all agencies."""

    def __init__(self) -> None:
        self._by_agency: dict[int, Holding] = {}
        self._last: dict[int, Run] = {}

    def __iter__(self) -> Iterator[Holding]:
        """Yield those of each agency, in order of agency."""
        for agency in sorted(self._by_agency):
            yield self._by_agency[agency]

    def get(self, agency: int) -> Holding | None:
        """Give that of an agency, if there is anything of it."""
        return self._by_agency.get(agency)

    def add(self, segment: str, record: Record, sure: bool) -> None:
        """Take a record; those of one segment have to come one after the other.

        :raises Differs: if it cannot stand behind those that came before it.
        """
        agency, at = record.agency, record.at
        mine = self._by_agency.get(agency)
        if mine is None:
            mine = self._by_agency[agency] = Holding(agency, record.classic, segment, at)
        if mine.classic != record.classic:
            raise Differs(segment, f"agency {agency} has another dialect elsewhere", byte=at)
        end = mine.end
        if record.kind == END:
            if end is not None:
                what = f"agency {agency} ends here a second time, see {end.segment}, byte {end.at}"
                raise Differs(segment, what, byte=at)
            mine.end = Ending(segment, at, record.first, record.body, sure)
            return
        if end is not None and end.segment == segment:
            what = f"agency {agency} has bets behind its END at byte {end.at}"
            raise Differs(segment, what, byte=at)
        run = self._last.get(agency)
        if run is None or run.segment != segment or run.following != record.first:
            run = self._last[agency] = Run(segment, record.first, record.first, sure)
            mine.runs.append(run)
        run.bodies.append(at + HEADER_BYTES)
        run.lengths.append(record.length)
        run.following += record.bets

    def settle(self, tails: Sequence[tuple[str, Tail]]) -> None:
        """Put all in order, once every segment is read.

        :param tails: segments, and what stands behind their last record.
        :raises Differs: if bets of an agency are missing or there twice, or its END or a
            tail does not fit them.
        """
        for mine in self:
            _put_in_order(mine)
            end = mine.end
            # What came while we read may be only half seen.
            if end is not None and (end.total < mine.bets or (end.sure and end.total > mine.bets)):
                bets = f"{end.total} bets, {mine.bets} are in the segments"
                raise Differs(
                    end.segment, f"agency {mine.agency} ends here with {bets}", byte=end.at
                )
        for segment, tail in tails:
            self._check_tail(segment, tail)

    def _check_tail(self, segment: str, tail: Tail) -> None:
        if tail.agency is None:
            return
        what = ""
        mine = self._by_agency.get(tail.agency)
        bets = mine.bets if mine else 0
        if mine and mine.end:
            what = f"agency {tail.agency} has ended"
        elif mine and mine.classic != tail.classic:
            what = f"agency {tail.agency} has another dialect elsewhere"
        elif tail.first not in (None, bets):
            what = f"bet {bets} of agency {tail.agency} is next, not bet {tail.first}"
        if what:
            what = f"no record begins like the {tail.length} bytes here, {what}"
            raise Differs(segment, what, byte=tail.at)


def _put_in_order(mine: Holding) -> None:
    mine.runs.sort(key=lambda run: (run.first, run.segment))
    for count, run in enumerate(mine.runs):
        place = run.bodies[0] - HEADER_BYTES
        if run.first < mine.bets:
            what = f"bet {run.first} of agency {mine.agency} is here a second time"
            raise Differs(run.segment, what, byte=place)
        if run.first > mine.bets:
            if any(later.sure for later in mine.runs[count:]):
                what = f"agency {mine.agency} has bet {run.first} here, bet {mine.bets} is missing"
                raise Differs(run.segment, what, byte=place)
            del mine.runs[count:]
            return
        mine.bets = run.following
