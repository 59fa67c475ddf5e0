"""A segment: the append-only file of one writer, to the byte.

A segment is a sequence of records. A record is a header of 40 bytes and a body:

======  =====  ============================================================
offset  bytes  what (integers are big-endian and unsigned)
======  =====  ============================================================
0       4      magic ``LCS1``
4       1      kind: 1 ROWS, 2 END, 3 HEAD, 4 CLOSE
5       1      dialect of the agency: 0 lottery/1, 1 classic
6       2      zero
8       4      agency
12      8      index of the first bet; in an END the total, in a HEAD the draw
20      4      bets; in an END 0, in a HEAD the number of the segment
24      4      length of the body in bytes
28      8      flushed: how many bytes of this segment were known to be on disk
               when the record was written
36      4      CRC-32 of the 36 bytes before it and of the body
======  =====  ============================================================

The body of ROWS is rows as they will stand in ``bets.csv``, LF after each; that of an END
is the agency's random bytes, or nothing if it is classic; HEAD and CLOSE have none.

A writer child imports this module: nothing slow is imported here.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple
from zlib import crc32

MAGIC = b"LCS1"
_HEADER = Struct(">4sBBxxIQIIQ")
_CRC = Struct(">I")
HEADER_BYTES = _HEADER.size + _CRC.size
#: A body stays below this: a run of batches, with the agency in front of each row.
BODY_LIMIT = 128 << 10
NONCE_BYTES = 32

#: Errors of the disk that pass when somebody makes room.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Kind(IntEnum):
    """What a record is."""

    ROWS = 1  # batches of one agency that follow each other, whole
    END = 2  # an agency has sent all
    HEAD = 3  # whose segment this is; the first record
    CLOSE = 4  # the writer ended well, or the segment was salvaged; the last record


class Record(NamedTuple):
    """One record as it was found in a segment; the body itself stays there.

    ``kind`` is a :class:`Kind` in a segment that is not damaged. ``offset`` is where the body
    begins, ``length`` its size, both in bytes; the header stands right before it.
    """

    kind: int
    agency: int
    first: int
    bets: int
    offset: int
    length: int
    flushed: int
    classic: bool


class NotNow(OSError):
    """It cannot be done now, and may be later; nothing of it was done."""


class Held(NotNow):
    """Somebody else is at work there at the moment."""


class NoRoom(NotNow):
    """There was no room; what was to be written is not there, neither in memory nor on disk."""


def pack(
    kind: int, agency: int, first: int, bets: int, body: bytes, flushed: int, classic: bool = False
) -> bytes:
    """Give the bytes of a record."""
    header = _HEADER.pack(MAGIC, kind, classic, agency, first, bets, len(body), flushed)
    return header + _CRC.pack(crc32(body, crc32(header))) + body


def pack_head(draw: int, number: int) -> bytes:
    """Give the bytes of the first record of a draw's ``number``-th segment."""
    return pack(Kind.HEAD, 0, draw, number, b"", 0)


def pack_close(place: int) -> bytes:
    """Give the bytes of the last record of a segment, which stands at this place."""
    return pack(Kind.CLOSE, 0, 0, 0, b"", place)


class Segment:
    """A segment being written: made, locked for its life and flushed by one process.

    Its HEAD is part of what is first written to it, so that it is one write like any other.

    :ivar flushed: how many bytes are known to be on disk.
    """

    def __init__(self, path: str, draw: int, number: int, min_free: int = 0) -> None:
        """Make the file; there must be none yet.

        :param min_free: how many bytes an append has to leave free on the file system.
        :raises NoRoom: if there is no room for it; there is no file then.
        :raises OSError: if it cannot be made or locked, or its name is not known to be on
            disk. A file may be there then, without a byte.
        """
        self.flushed = 0
        self._written = 0
        self._min_free = min_free
        self._head = pack_head(draw, number)
        try:
            self._fd = open_private(path, os.O_WRONLY | os.O_EXCL | os.O_APPEND)
        except OSError as error:
            raise _no_room_or(error) from error
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A flush of the file need not keep its name: that is the directory's.
        flush_directory(os.path.dirname(path) or ".")

    def append(self, data: bytes) -> None:
        """Write whole records behind the last one.

        :raises NoRoom: if there is no room for all of it. The segment is then what it was
            before, on disk, too, and can be gone on with.
        :raises OSError: if it could not be written, or not be taken back. Then nothing may be
            done with the segment any more.
        """
        data = self._with_head(data)
        if self._min_free and self._free() < self._min_free + len(data):
            raise NoRoom(errno.ENOSPC, f"less than {self._min_free} bytes would be left free")
        self._write(data)

    def flush(self) -> None:
        """Wait until all that was appended is on disk.

        :raises OSError: if it is not known to be there. Then it never will be: a
            second flush may succeed although the first one's pages are lost.
        """
        os.fdatasync(self._fd)
        self.flushed = self._written

    def close(self) -> None:
        """Append a CLOSE and flush it; without room for it the segment does without.

        What it may not lack room for is what the append has left free. Whatever comes of
        it, nothing may be done with the segment any more.

        :raises OSError: if what was appended, or the CLOSE, is not known to be on disk.
        """
        try:
            if not self._written:
                self._write(self._head)
            # A CLOSE says that all before it is on disk.
            if self.flushed != self._written:
                self.flush()
            self._write(pack_close(self._written))
            self.flush()
        except NoRoom:
            pass  # the next start salvages it, which adds the CLOSE
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _with_head(self, data: bytes) -> bytes:
        return data if self._written else self._head + data

    def _free(self) -> float:
        """Give the bytes that are free for us, without limit where the file system has none."""
        system = os.fstatvfs(self._fd)
        return system.f_bavail * system.f_frsize if system.f_blocks else float("inf")

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            no_room = _no_room_or(error)
            if isinstance(no_room, NoRoom):
                self._cut_back()
            raise no_room from error
        if written != len(data):
            self._cut_back()
            raise NoRoom(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written")
        self._written += written

    def _cut_back(self) -> None:
        """Take back what was written of the last append, on disk, too.

        If the cut were not flushed, the bytes could come back when the power fails, whole
        records among them, whose bets the agency has meanwhile stored in another segment.
        """
        os.ftruncate(self._fd, self._written)
        os.fdatasync(self._fd)
        self.flushed = self._written


def _no_room_or(error: OSError) -> OSError:
    """Give the error as what it means: no room, or that nothing can be gone on with."""
    if error.errno in NO_ROOM:
        return NoRoom(error.errno, error.strerror, error.filename)
    return error


def record_at(data: bytes, place: int, start: int = 0) -> Record | None:
    """Give the record that begins at a place, if it is whole and its CRC-32 is right.

    :param start: where in the segment the data begins.
    """
    body = place + HEADER_BYTES
    if body > len(data):
        return None
    magic, kind, dialect, agency, first, bets, length, flushed = _HEADER.unpack_from(data, place)
    if magic != MAGIC or length >= BODY_LIMIT or body + length > len(data):
        return None
    crc = crc32(data[body : body + length], crc32(data[place : place + _HEADER.size]))
    if crc != _CRC.unpack_from(data, body - _CRC.size)[0]:
        return None
    return Record(kind, agency, first, bets, start + body, length, flushed, dialect != 0)


class Records:
    """The records of bytes that begin with one, in order, up to the first that does not check out.

    Whether they may stand where they do is not looked at.

    :ivar end: where the last record that was given ends.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.end = 0

    def __iter__(self) -> Iterator[Record]:
        """Check and yield record after record."""
        while (record := record_at(self._data, self.end)) is not None:
            self.end = record.offset + record.length
            yield record


def open_private(path: str, flags: int) -> int:
    """Open a file that is its owner's alone, whatever the umask; it is made if need be.

    A link of that name is an error: nothing of the ledger is one.

    :param flags: as :func:`os.open` has them; those that make it and refuse links are added.
    :raises OSError: if it cannot be made or opened.
    """
    fd = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(fd, 0o600)  # a umask takes bits away, and an older file may have more of them
    except OSError:
        pass  # a file system without modes; and no umask gives others a right
    return fd


def flush_directory(path: str) -> None:
    """Wait until a directory's entries are on disk.

    :raises OSError: if they are not known to be there.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
