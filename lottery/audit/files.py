"""A draw's directory and its files, read with caution: anything may stand there.

Files are read, never mapped: a writer may cut its segment back at any time, and who touches
what is mapped but gone is killed.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from lottery.audit.differences import Differs

_MOST_OPEN: Final = 64


class Entry(NamedTuple):
    """What a directory says of one name; two listings that are equal were of the same files."""

    name: str
    inode: int
    bytes: int
    modified: int


def listing(path: Path) -> tuple[Entry, ...]:
    """Give what is in a directory, in order of names.

    :raises Differs: if it cannot be read.
    """
    found = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=True)
                except OSError:
                    # Gone since, or a link to nowhere: opening it will tell.
                    found.append(Entry(entry.name, 0, 0, 0))
                else:
                    found.append(Entry(entry.name, about.st_ino, about.st_size, about.st_mtime_ns))
    except OSError as error:
        raise Differs("", f"the directory cannot be read, {reason_of(error)}") from error
    return tuple(sorted(found))


class AuditedFile:
    """A file of a draw, as it was when it was opened.

    :ivar name: in the draw's directory.
    :ivar size: in bytes; what is appended later is not looked at.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Open it.

        :raises Differs: if it cannot be opened, or is no file.
        """
        self.name = name
        path = directory / name
        try:
            # What is no file is not even opened, which may be noticed at its other end. Not
            # to wait for somebody there is for what takes its place in the meantime.
            self._refuse_others(os.stat(path).st_mode)
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise Differs(name, f"it cannot be read, {reason_of(error)}") from error
        about = os.fstat(self._fd)
        self.size = about.st_size
        try:
            self._refuse_others(about.st_mode)
        except Differs:
            self.close()
            raise

    def read(self, offset: int, length: int) -> bytes:
        """Give the bytes from ``offset`` on, fewer than ``length`` only at the file's end.

        :raises Differs: if they cannot be read.
        """
        parts = []
        try:
            while length > 0 and (part := os.pread(self._fd, length, offset)):
                parts.append(part)
                offset, length = offset + len(part), length - len(part)
        except OSError as error:
            sentence = f"it cannot be read, {reason_of(error)}"
            raise Differs(self.name, sentence, byte=offset) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        """Give itself, to be closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _refuse_others(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "something else"
            raise Differs(self.name, f"it should be a file, and is {what}")


class OpenFiles:
    """Files of one directory that are read here and there; only so many are open at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: OrderedDict[str, AuditedFile] = OrderedDict()

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Give bytes of a file.

        :raises Differs: as :class:`AuditedFile`.
        """
        file = self._open.get(name)
        if file is None:
            if len(self._open) == _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            file = self._open[name] = AuditedFile(self._directory, name)
        self._open.move_to_end(name)
        return file.read(offset, length)

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._open.popitem()[1].close()


def reason_of(error: OSError) -> str:
    """Give why something failed, in the words of the system."""
    return error.strerror or type(error).__name__
