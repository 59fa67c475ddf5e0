"""``bets.csv``: all segments of a draw put in order of agency and index.

Rows are copied by byte ranges, never parsed: a record's body is already what will
stand in the file. So the same bets give the same bytes, however they were
interleaved and however many writers there were.

Everything here may run for seconds and is made for a thread of its own.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from attrs import define, field, frozen

from lottery.errors import DamagedLedger
from lottery.ledger.segment import Kind, Records, flush_directory, map_file

_COPY_BYTES = 1 << 20


class Interrupted(Exception):
    """Somebody asked for the work to be left."""


def never() -> bool:
    """Say that nobody wants the work to be left."""
    return False


@define
class _Run:
    """Records of one agency that follow each other in one segment: where their rows are."""

    segment: int
    first: int
    following: int
    offsets: array[int] = field(factory=lambda: array("Q"))
    lengths: array[int] = field(factory=lambda: array("I"))


@frozen
class TornTail:
    """Bytes behind the last valid record of a segment: written by nobody who finished."""

    path: str
    offset: int
    length: int


class Ledger:
    """The records of a draw's segments, found and checked; rows are read when copied.

    :ivar torn: the tails that are no records.
    """

    def __init__(self, segments: Iterable[Path], interrupted: Callable[[], bool] = never) -> None:
        """Check every record of every segment.

        :raises OSError: if a segment cannot be read.
        :raises DamagedLedger: if an agency's bets do not follow each other.
        :raises Interrupted: soon after ``interrupted()`` has become true.
        """
        self._interrupted = interrupted
        self._paths = [str(path) for path in segments]
        self._contents = [map_file(path) for path in self._paths]
        self._runs: dict[int, list[_Run]] = {}
        self._ends: dict[int, int] = {}
        self.torn: list[TornTail] = []
        for number in range(len(self._paths)):
            self._index(number)
        for agency, runs in self._runs.items():
            self._put_in_order(agency, runs)

    @property
    def agencies(self) -> list[int]:
        """Every agency with a bet, in order."""
        return sorted(self._runs)

    def bets_of(self, agency: int) -> int:
        """How many bets of an agency are stored."""
        runs = self._runs.get(agency)
        return runs[-1].following if runs else 0

    def require(self, agency: int, bets: int) -> None:
        """Hold against the ledger what an agency was told: its bets and its END are on disk.

        :raises DamagedLedger: if not all of them are here.
        """
        found = self.bets_of(agency)
        if found == bets == self._ends.get(agency):
            return
        tail = self.torn[0] if self.torn else TornTail(", ".join(self._paths), 0, 0)
        raise DamagedLedger(
            tail.path,
            tail.offset,
            f"agency {agency} has ended with {bets} bets, {found} are found",
        )

    def rows(self) -> Iterator[bytes]:
        """Yield all rows in order of agency and index, many at a time.

        :raises Interrupted: soon after ``interrupted()`` has become true.
        """
        for agency in self.agencies:
            for run in self._runs[agency]:
                yield from self._rows_of(run)

    def _index(self, number: int) -> None:
        content = self._contents[number]
        records = Records(content)
        current: dict[int, _Run] = {}
        for count, record in enumerate(records):
            if not count % 1024 and self._interrupted():
                raise Interrupted
            if record.kind is Kind.END:
                self._ends[record.agency] = record.first
                continue
            run = current.get(record.agency)
            if run is None or run.following != record.first:
                run = current[record.agency] = _Run(number, record.first, record.first)
                self._runs.setdefault(record.agency, []).append(run)
            run.offsets.append(record.offset)
            run.lengths.append(record.length)
            run.following += record.bets
        if records.end < len(content):
            tail = len(content) - records.end
            self.torn.append(TornTail(self._paths[number], records.end, tail))

    def _put_in_order(self, agency: int, runs: list[_Run]) -> None:
        runs.sort(key=lambda run: run.first)
        expected = 0
        for run in runs:
            if run.first != expected:
                raise DamagedLedger(
                    self._paths[run.segment],
                    run.offsets[0],
                    f"agency {agency} has bet {run.first} here where {expected} should follow",
                )
            expected = run.following

    def _rows_of(self, run: _Run) -> Iterator[bytes]:
        content = self._contents[run.segment]
        part, size = [], 0
        for offset, length in zip(run.offsets, run.lengths, strict=True):
            part.append(content[offset : offset + length])
            size += length
            if size >= _COPY_BYTES:
                if self._interrupted():
                    raise Interrupted
                yield b"".join(part)
                part, size = [], 0
        yield b"".join(part)


def write_rows(ledger: Ledger, out: IO[bytes]) -> int:
    """Write all rows in order and give their length in bytes.

    :raises OSError: if they cannot be written.
    :raises Interrupted: as :meth:`Ledger.rows`.
    """
    return sum(out.write(rows) for rows in ledger.rows())


def make_bets_csv(ledger: Ledger, path: Path) -> None:
    """Publish ``bets.csv``: whole and on disk under its name, or not there at all.

    :raises OSError: if it cannot be written; nothing is left behind then.
    :raises Interrupted: as :meth:`Ledger.rows`; nothing is left behind then.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        # Not open(): the file is the operator's alone, whatever the umask.
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as out:
            write_rows(ledger, out)
            out.flush()
            os.fsync(out.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_directory(str(path.parent))
