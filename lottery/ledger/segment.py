"""A segment: the append-only file of one writer, to the byte.

A segment is a sequence of records. A record is a header of 40 bytes and a body:

======  =====  ============================================================
offset  bytes  what (integers are big-endian and unsigned)
======  =====  ============================================================
0       4      magic ``LCS1``
4       1      kind: 1 rows, 2 end of an agency
5       3      zero
8       4      agency
12      8      index of the first bet; in an END the total
20      4      bets; in an END 0
24      4      length of the body in bytes
28      8      flushed: how many bytes of this segment were known to be on disk
               when the record was written
36      4      CRC-32 of the 36 bytes before it and of the body
======  =====  ============================================================

The body of kind 1 is rows as they will stand in ``bets.csv``, LF after each; that of
kind 2 the agency's random bytes, or nothing.

A writer child imports this module: nothing slow is imported here.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple
from zlib import crc32

MAGIC = b"LCS1"
_HEAD = Struct(">4sB3xIQIIQ")
_CRC = Struct(">I")
HEADER_BYTES = _HEAD.size + _CRC.size


class Kind(IntEnum):
    """What a record is."""

    ROWS = 1
    END = 2


class Record(NamedTuple):
    """One record as it was found in a segment; the body itself stays in the file.

    ``offset`` is where the body begins, ``length`` its size, both in bytes.
    """

    kind: Kind
    agency: int
    first: int
    bets: int
    offset: int
    length: int
    flushed: int


def pack(kind: Kind, agency: int, first: int, bets: int, body: bytes, flushed: int) -> bytes:
    """Give the bytes of a record."""
    head = _HEAD.pack(MAGIC, kind, agency, first, bets, len(body), flushed)
    return head + _CRC.pack(crc32(body, crc32(head))) + body


class Segment:
    """A segment being written: made, locked for its life and flushed by one process.

    :ivar flushed: how many bytes are known to be on disk.
    """

    def __init__(self, path: str) -> None:
        """Make the file; there must be none yet.

        :raises OSError: if it cannot be made or locked.
        """
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A flush of the file need not keep its name: that is the directory's.
        flush_directory(os.path.dirname(path) or ".")
        self._written = 0
        self.flushed = 0

    def append(self, data: bytes) -> None:
        """Write whole records behind the last one.

        :raises OSError: if not all of it could be written.
        """
        written = os.write(self._fd, data)
        if written != len(data):
            raise OSError(f"only {written} of {len(data)} bytes could be written")
        self._written += written

    def flush(self) -> None:
        """Wait until all that was appended is on disk.

        :raises OSError: if it is not known to be there. Then it never will be: a
            second flush may succeed although the first one's pages are lost.
        """
        os.fdatasync(self._fd)
        self.flushed = self._written


class Records:
    """The valid records of a segment's bytes, in order, up to the first that is not.

    :ivar end: after the iteration, how many bytes are valid records; what stands
        behind is a torn tail, or damage.
    """

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self._data = data
        self.end = 0

    def __iter__(self) -> Iterator[Record]:
        """Check and yield record after record."""
        with memoryview(self._data) as view:
            size = len(view)
            while self.end + HEADER_BYTES <= size:
                start, body = self.end, self.end + HEADER_BYTES
                magic, kind, agency, first, bets, length, flushed = _HEAD.unpack_from(view, start)
                if magic != MAGIC or body + length > size:
                    return
                with (
                    view[start : start + _HEAD.size] as head,
                    view[body : body + length] as content,
                ):
                    if crc32(content, crc32(head)) != _CRC.unpack_from(view, body - _CRC.size)[0]:
                        return
                if kind not in (Kind.ROWS, Kind.END):
                    return
                self.end = body + length
                yield Record(Kind(kind), agency, first, bets, body, length, flushed)


def map_file(path: str) -> mmap.mmap | bytes:
    """Give a file's bytes without reading them into memory; an empty file cannot be mapped.

    :raises OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def flush_directory(path: str) -> None:
    """Wait until a directory's entries are on disk.

    :raises OSError: if they are not known to be there.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
