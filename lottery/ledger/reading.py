"""Reads a segment, and tells a torn tail from damage.

Bytes are read with ``pread``, never mapped: a mapped file of which the writer cuts something
back, or that the disk cannot read, would not be an error but the end of the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from lottery.errors import DamagedLedger
from lottery.ledger.segment import (
    BODY_LIMIT,
    HEADER_BYTES,
    MAGIC,
    NONCE_BYTES,
    Kind,
    Record,
    pack_close,
    pack_head,
    record_at,
)

_STEP_BYTES = 1 << 20
#: What stands between a record's kind and its agency.
_DIALECTS: Final = (b"\0\0\0", b"\1\0\0")
_RECORD_LIMIT: Final = HEADER_BYTES + BODY_LIMIT


@frozen
class TornTail:
    """Bytes behind the last valid record of a segment: written by nobody who finished."""

    path: str
    offset: int
    length: int


class SegmentReading:
    """The valid records of a segment, each held against all that its segment alone can tell.

    The segment may be written meanwhile; what comes after the reading has begun is not seen.

    :ivar end: how many bytes have been found to be valid records.
    :ivar size: how many bytes the file had when the reading began.
    :ivar closed: whether a CLOSE was found, which is the last record then.
    """

    def __init__(
        self, path: Path, draw: int, number: int, measured: Callable[[bytes], None] | None = None
    ) -> None:
        """:param number: the segment's, of this draw, from 1 up.

        :param measured: is given the bytes of all valid records, step by step.
        """
        self.path = path
        self._measured = measured
        self.end = self.size = 0
        self.closed = False
        self._head = pack_head(draw, number)

    @property
    def tail(self) -> TornTail | None:
        """What stands behind the last valid record, if anything; known when all is read."""
        if self.end == self.size:
            return None
        return TornTail(str(self.path), self.end, self.size - self.end)

    def __iter__(self) -> Iterator[tuple[Record, bytes]]:
        """Check record after record; yield those of ROWS and END with their bodies.

        :raises DamagedLedger: for whatever is neither a valid record nor a torn tail.
        :raises OSError: if the segment cannot be read.
        """
        self.end, self.closed = 0, False
        with self.path.open("rb", buffering=0) as file:
            fd = file.fileno()
            self.size = os.fstat(fd).st_size
            known = -1
            while known != self.end:
                known = self.end
                yield from self._step(fd)
            if self.end != self.size:
                self._judge_tail(fd)

    def _step(self, fd: int) -> Iterator[tuple[Record, bytes]]:
        """Read on from the last valid record, as far as a step goes."""
        if self.closed:
            return
        start = self.end
        data = os.pread(fd, min(_STEP_BYTES, self.size - start), start)
        place = 0
        while (record := record_at(data, place, start)) is not None:
            end = record.offset - start + record.length
            body = data[record.offset - start : end]
            fault = self._fault(record, data[place : place + HEADER_BYTES], body)
            if fault:
                raise self._damage(start + place, fault)
            self.end = start + end
            if record.kind == Kind.CLOSE:
                self.closed = True
                break
            if record.kind != Kind.HEAD:
                yield record, body
            place = end
        if self._measured is not None:
            self._measured(data[: self.end - start])

    def _fault(self, record: Record, header: bytes, body: bytes) -> str:
        """Say why a record that checks out may not stand behind the last one, if so.

        That all rows of a record are of its agency is left to whoever audits the ledger. The
        CRC-32 says that they are what the writer wrote, and to look for the agency in front of
        each takes as long as all the rest.
        """
        kind = record.kind
        if self.end == 0:
            if header + body == self._head:
                return ""
            return "there is no HEAD of this draw and segment"
        if kind == Kind.HEAD:
            return "a HEAD stands within the segment"
        if kind == Kind.CLOSE:
            return "" if header + body == pack_close(self.end) else "the CLOSE is not of this place"
        if kind not in (Kind.ROWS, Kind.END):
            return f"a record of kind {kind} stands there"
        if header[5:8] not in _DIALECTS:
            return "a record in an unknown dialect stands there"
        if record.flushed > self.end:
            return f"a record of this place calls {record.flushed} bytes flushed"
        if kind == Kind.END:
            wanted = 0 if record.classic else NONCE_BYTES
            return "" if (record.bets, record.length) == (0, wanted) else "the END is none"
        prefix = b"%d," % record.agency
        whole = (
            body.startswith(prefix)
            and body.startswith(prefix, body.rfind(b"\n", 0, -1) + 1)
            and body.endswith(b"\n")
            # As body.count(b"\n") would say, in less than half of its time.
            and len(body) - len(body.replace(b"\n", b"")) == record.bets
        )
        return "" if whole else f"the rows are not {record.bets} of agency {record.agency}"

    def _judge_tail(self, fd: int) -> None:
        """Let a torn tail be; whatever else stands behind the last valid record is damage."""
        if self.closed:
            raise self._damage(self.end, "nothing may stand behind the CLOSE")
        for place, record in _records_behind(fd, self.end, self.size):
            if self.end < record.flushed <= place:
                raise self._damage(
                    self.end,
                    f"no record checks out there, and byte {place} tells "
                    f"that {record.flushed} bytes were on disk",
                )

    def _damage(self, offset: int, sentence: str) -> DamagedLedger:
        return DamagedLedger(str(self.path), offset, sentence)


def not_next(record: Record, expected: int) -> str:
    """Say that a batch does not follow the agency's bets before it."""
    return f"agency {record.agency} has bet {record.first} here where {expected} should follow"


def not_all(end: Record, found: int) -> str:
    """Say that an END is not of as many bets as there are."""
    return f"agency {end.agency} ends with {end.first} bets here, {found} are found"


def behind_end(record: Record) -> str:
    """Say that an agency goes on behind its END."""
    return f"agency {record.agency} has ended before, and goes on here"


def _records_behind(fd: int, start: int, size: int) -> Iterator[tuple[int, Record]]:
    """Yield every record behind a place where there is none, wherever it begins."""
    place, last = start, False
    while not last:
        data = os.pread(fd, min(_STEP_BYTES, size - place), place)
        last = place + len(data) >= size or len(data) < _STEP_BYTES
        stop = len(data) if last else len(data) - _RECORD_LIMIT
        at = data.find(MAGIC)
        while 0 <= at < stop:
            record = record_at(data, at)
            if record is not None:
                yield place + at, record
            at = data.find(MAGIC, at + 1)
        place += stop
