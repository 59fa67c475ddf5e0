"""The records of a segment, one after the other, each held against all that is known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple
from zlib import crc32

from lottery.audit.differences import Differs
from lottery.audit.files import AuditedFile
from lottery.audit.layout import (
    BODY_LIMIT,
    CLOSE,
    END,
    HEAD,
    HEADER,
    HEADER_BYTES,
    MAGIC,
    NONCE_BYTES,
    ROWS,
)
from lottery.audit.rows import fault_of_rows
from lottery.audit.tails import Place, Tail, impossible

_CHUNK_BYTES: Final = 1 << 20
#: So many NUL bytes at the end of a file are no accident.
_NULS: Final = bytes(8)


class Record(NamedTuple):
    """ROWS or END of an agency, found in order.

    ``at`` is where it begins in its segment, ``length`` that of its body, which is given
    itself; ``first`` is the total in an END.
    """

    kind: int
    classic: bool
    agency: int
    first: int
    bets: int
    at: int
    length: int
    body: bytes


class Segment:
    """The records of one segment.

    :ivar closed: after the iteration, whether the last record is a CLOSE.
    :ivar sha256: after the iteration, of the whole file, as hex.
    :ivar tail: after the iteration, what stands behind the last record, if that may be the
        beginning of another one.
    """

    def __init__(
        self, file: AuditedFile, draw: int, number: int, today: date, *, sealed: bool
    ) -> None:
        """Do nothing yet.

        :param number: of the segment.
        :param today: the day (UTC) that no birthdate may be after.
        :param sealed: whether it has been flushed as a whole, so that a crash does it no harm.
        """
        self.closed = False
        self.sha256 = ""
        self.tail: Tail | None = None
        self._file = file
        self._draw = draw
        self._number = number
        self._today = today
        self._sealed = sealed
        self._at = 0
        self._flushed = 0

    def __iter__(self) -> Iterator[Record]:
        """Check and yield ROWS and END.

        :raises Differs: at the first byte that cannot be right, or be read.
        """
        size, digest, read, data, begin = self._file.size, hashlib.sha256(), 0, b"", 0
        while True:
            # All of a record is in hand, or all of the file.
            while len(data) - begin < HEADER_BYTES + BODY_LIMIT and read < size:
                more = self._file.read(read, min(_CHUNK_BYTES, size - read))
                if not more:
                    size = read  # it was cut meanwhile
                    break
                digest.update(more)
                read += len(more)
                data, begin = data[begin:] + more, 0
            if begin == len(data):
                break
            if self.closed:
                raise self._differs(f"{size - self._at} bytes stand behind the CLOSE")
            record = self._record(data, begin)
            if record is None:
                self.tail = self._possible_tail(data[begin:])
                break
            begin += HEADER_BYTES + record.length
            self._at += HEADER_BYTES + record.length
            if record.kind in (ROWS, END):
                yield record
        self.sha256 = digest.hexdigest()

    def _record(self, data: bytes, begin: int) -> Record | None:
        """Give the record that begins here; None, if what is here is less than one."""
        at, body = self._at, begin + HEADER_BYTES
        if body > len(data):
            return None
        magic, kind, dialect, zero, agency, first, bets, length, flushed, crc = HEADER.unpack_from(
            data, begin
        )
        if magic != MAGIC:
            raise self._differs("no record begins here, where one should", cut=True)
        if length >= BODY_LIMIT:
            raise self._differs(f"the record here cannot have {length} bytes of body", cut=True)
        if body + length > len(data):
            return None
        content = data[body : body + length]
        if crc32(content, crc32(data[begin : begin + HEADER_BYTES - 4])) != crc:
            raise self._differs("the record here does not check out, its CRC-32 is wrong", cut=True)
        if zero or dialect > 1 or not ROWS <= kind <= CLOSE:
            raise self._differs("the record here is of no kind that is known")
        if (kind == HEAD) != (at == 0):
            raise self._differs("a HEAD is the first record, and only that")
        if kind in (HEAD, CLOSE) and (dialect or agency or length):
            raise self._differs("a HEAD or CLOSE is of no agency and has no body")
        if kind == HEAD and (first, bets) != (self._draw, self._number):
            mine = f"segment {self._number} of draw {self._draw}"
            raise self._differs(f"this is segment {bets} of draw {first}, not {mine}")
        if kind == CLOSE and (first or bets or flushed != at):
            raise self._differs(f"the CLOSE here was written at byte {flushed}")
        if flushed not in (self._flushed, at):
            raise self._differs(
                f"the record here says that {flushed} bytes were on disk before it, "
                f"which can only be {self._flushed} or {at}"
            )
        record = Record(kind, dialect == 1, agency, first, bets, at, length, content)
        if kind == ROWS:
            self._check_rows(record)
        if kind == END and (bets or length != (0 if dialect else NONCE_BYTES)):
            raise self._differs("the END here has bets, or a body that is none")
        self._flushed, self.closed = flushed, kind == CLOSE
        return record

    def _check_rows(self, record: Record) -> None:
        if not record.bets:
            raise self._differs("the record here has no bets")
        fault = fault_of_rows(record.body, record.agency, record.bets, self._today)
        if fault is not None:
            what = f"row {fault.row} of the record at byte {record.at}, {fault.what}"
            raise self._differs(what, at=record.at + HEADER_BYTES + fault.offset)

    def _possible_tail(self, rest: bytes) -> Tail:
        """Give what is less than a record, if it may become one."""
        place = Place(self._at, self._draw, self._number, self._flushed)
        tail = impossible(rest, place, self._today)
        if isinstance(tail, str):
            raise self._differs(
                f"no record begins like the {len(rest)} bytes here, {tail}", cut=True
            )
        return tail

    def _differs(self, what: str, *, cut: bool = False, at: int | None = None) -> Differs:
        """:param cut: whether a power cut may leave that, too."""
        if cut and not self._sealed and self._ends_in_nuls():
            what += (
                "; a power cut leaves NUL bytes as at the end of this file, "
                "and a central salvages that when it starts"
            )
        return Differs(self._file.name, what, byte=self._at if at is None else at)

    def _ends_in_nuls(self) -> bool:
        return self._file.read(max(0, self._file.size - len(_NULS)), len(_NULS)) == _NULS
