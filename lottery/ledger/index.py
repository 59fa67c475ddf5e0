"""All segments of a draw as one: checked, and put in order of agency and index.

Rows are copied by byte ranges, never parsed: a record's body is already what will
stand in ``bets.csv``. So the same bets give the same bytes, however they were
interleaved and however many writers there were.

Everything here may run for seconds and is made for a thread of its own.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from attrs import define, field

from lottery.errors import DamagedLedger, LotteryError
from lottery.ledger.checked import Measure
from lottery.ledger.directory import DrawDirectory, never, segment_number
from lottery.ledger.longwork import Aside, Interrupted
from lottery.ledger.reading import SegmentReading, TornTail, behind_end, not_all, not_next
from lottery.ledger.record import SegmentDigest
from lottery.ledger.segment import HEADER_BYTES, Kind, Record, record_at
from lottery.ledger.standing import Standing, crc_as_sent

_COPY_BYTES = 1 << 20


@define
class _Run:
    """Records of one agency that follow each other in one segment: where they are."""

    segment: int
    first: Record
    following: int
    places: array[int] = field(factory=lambda: array("Q"))
    lengths: array[int] = field(factory=lambda: array("I"))


@define
class _Part:
    """What the segments hold of one agency."""

    classic: bool
    runs: list[_Run] = field(factory=list)
    end: Record | None = None
    end_segment: int = 0
    nonce: bytes = b""


class Ledger:
    """The records of a draw's segments, found and checked; rows are read when copied.

    :ivar torn: the tails that are no records.
    :ivar closed: by segment, whether it has its CLOSE.
    :ivar digests: of the segments that were closed when they were read.
    """

    def __init__(self, draw: DrawDirectory, interrupted: Callable[[], bool] = never) -> None:
        """Check every record of every segment.

        :raises OSError: if a segment cannot be read.
        :raises DamagedLedger: if a segment is damaged, or an agency's bets do not follow each
            other, or its END is not of as many.
        :raises Interrupted: soon after ``interrupted()`` has become true.
        """
        self._interrupted = interrupted
        self._paths = draw.segments()
        self._parts: dict[int, _Part] = {}
        self.torn: list[TornTail] = []
        self.closed: dict[Path, bool] = {}
        self.digests: dict[Path, SegmentDigest] = {}
        with Aside() as aside:
            for at, path in enumerate(self._paths):
                measure = Measure()
                measured = partial(aside.do, measure.add)
                reading = SegmentReading(path, draw.number, segment_number(path), measured)
                self._index(at, reading)
                self.closed[path] = reading.closed
                if reading.tail:
                    self.torn.append(reading.tail)
                if reading.closed:
                    aside.settle()
                    self.digests[path] = measure.segment(path.name)
        for part in self._parts.values():
            self._put_in_order(part)

    @property
    def agencies(self) -> list[int]:
        """Every agency with a bet or an END, in order."""
        return sorted(self._parts)

    def bets_of(self, agency: int) -> int:
        """How many bets of an agency are stored."""
        part = self._parts.get(agency)
        return part.runs[-1].following if part and part.runs else 0

    def require(self, agency: int, bets: int) -> None:
        """Hold against the ledger what an agency was told: its bets and its END are on disk.

        :raises DamagedLedger: if not all of them are here.
        """
        part, found = self._parts.get(agency), self.bets_of(agency)
        if found == bets and part is not None and part.end is not None:
            return
        tail = self.torn[0] if self.torn else TornTail(", ".join(map(str, self._paths)), 0, 0)
        raise DamagedLedger(
            tail.path,
            tail.offset,
            f"agency {agency} has ended with {bets} bets, {found} are found",
        )

    def standing_of(self, agency: int, crc: int = 0) -> Standing:
        """Say where an agency stands; its CRC-32 is handed in, as it takes a pass over its rows."""
        part = self._parts.get(agency)
        if part is None:
            return Standing()
        return Standing(self.bets_of(agency), crc, part.end is not None, part.classic, part.nonce)

    def standings(self) -> dict[int, Standing]:
        """Say where every agency stands that has a bet or an END here.

        :raises OSError: as :meth:`rows_of`, and what else it raises.
        """
        stand = {}
        for agency in self.agencies:
            crc = 0
            if not self._parts[agency].classic:
                for rows in self.rows_of(agency):
                    crc = crc_as_sent(rows, agency, crc)
            stand[agency] = self.standing_of(agency, crc)
        return stand

    def rows(self) -> Iterator[bytes]:
        """Yield all rows in order of agency and index, many at a time, as :meth:`rows_of`."""
        for agency in self.agencies:
            yield from self.rows_of(agency)

    def rows_of(self, agency: int) -> Iterator[bytes]:
        """Yield an agency's rows in order, many at a time.

        Every record is checked again as it is read.

        :raises OSError: if they cannot be read.
        :raises DamagedLedger: if they are not what they were.
        :raises LotteryError: the same, of a segment that is written meanwhile.
        :raises Interrupted: soon after ``interrupted()`` has become true.
        """
        part = self._parts.get(agency)
        for run in part.runs if part else ():
            yield from self._rows_of_run(run)

    def _index(self, segment: int, reading: SegmentReading) -> None:
        current: dict[int, _Run] = {}
        for count, (record, body) in enumerate(reading):
            if not count % 1024 and self._interrupted():
                raise Interrupted
            agency, part = record.agency, self._parts.get(record.agency)
            if part is None:
                part = self._parts[agency] = _Part(record.classic)
            if part.end is not None and part.end_segment == segment:
                raise _damage(reading.path, record, behind_end(record))
            if record.kind == Kind.END:
                if part.end is not None:
                    raise _damage(reading.path, record, behind_end(record))
                part.end, part.end_segment, part.nonce = record, segment, body
                continue
            run = current.get(agency)
            if run is None or run.following != record.first:
                run = current[agency] = _Run(segment, record, record.first)
                part.runs.append(run)
            run.places.append(record.offset - HEADER_BYTES)
            run.lengths.append(record.length)
            run.following += record.bets

    def _put_in_order(self, part: _Part) -> None:
        part.runs.sort(key=lambda run: run.first.first)
        expected = 0
        for run in part.runs:
            if run.first.first != expected:
                raise _damage(self._paths[run.segment], run.first, not_next(run.first, expected))
            expected = run.following
        if part.end is not None and part.end.first != expected:
            raise _damage(self._paths[part.end_segment], part.end, not_all(part.end, expected))

    def _rows_of_run(self, run: _Run) -> Iterator[bytes]:
        path, index = self._paths[run.segment], run.first.first
        rows: list[bytes] = []
        size = 0
        with path.open("rb", buffering=0) as file:
            for place, length in zip(run.places, run.lengths, strict=True):
                data = os.pread(file.fileno(), HEADER_BYTES + length, place)
                record = record_at(data, 0)
                where = run.first.agency, index, length
                if record is None or (record.agency, record.first, record.length) != where:
                    raise self._changed(path, place)
                index += record.bets
                rows.append(data[HEADER_BYTES:])
                size += length
                if size >= _COPY_BYTES:
                    yield self._joined(rows)
                    rows, size = [], 0
        if index != run.following:
            raise self._changed(path, run.places[-1])
        if rows:
            yield self._joined(rows)

    def _joined(self, rows: list[bytes]) -> bytes:
        if self._interrupted():
            raise Interrupted
        return b"".join(rows)

    def _changed(self, path: Path, place: int) -> LotteryError:
        if self.closed[path]:
            return DamagedLedger(str(path), place, "a record is not there any more")
        return LotteryError(f"{path} was cut back while it was read, read it again")


def _damage(path: Path, record: Record, sentence: str) -> DamagedLedger:
    return DamagedLedger(str(path), record.offset - HEADER_BYTES, sentence)
