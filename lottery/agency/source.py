"""Where the bytes of an agency's file come from, without ever blocking the reactor.

A regular file is read on demand, a chunk in each turn of the reactor. A pipe or a
terminal may be silent for hours, so its descriptor is non-blocking and read only when
the reactor says so: a FIFO that nobody writes to yet is waited for, not taken as empty.
Both are pulled: nothing is read that was not asked for, so an endless pipe needs no
more memory than a chunk.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IReadDescriptor
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.agency.failures import BadInput, BadRow

CHUNK_BYTES = 65536


class Source(Protocol):
    """The bytes of a file, in order."""

    @property
    def size(self) -> int | None:
        """How many bytes there are in all; None if only the end will tell."""

    def read(self) -> Deferred[bytes]:
        """Ask for the next bytes; one question at a time.

        The Deferred fires with at most ``CHUNK_BYTES``, with no bytes at the end of the
        file, or fails with :class:`BadInput`. It can be cancelled.
        """

    def rewind(self) -> None:
        """Go back to the start of the file.

        :raises BadInput: if it has no way back, as a pipe.
        """

    def close(self) -> None:
        """Give the file back; doing it twice is fine."""


def open_source(path: Path, clock: IReactorTime, watcher: IReactorFDSet) -> Source:
    """Open a file, pipe or device for reading.

    :param clock: for turns of the reactor.
    :param watcher: says when a descriptor can be read.
    :raises BadInput: if there is none, it may not be read, or it is a directory.
    """
    descriptor = -1
    try:
        # Non-blocking, for opening a FIFO waits for its writer otherwise.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        descriptor = os.open(path, flags)
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            os.close(descriptor)
            raise _unreadable(path, "it is a directory")
    except OSError as error:
        raise _unreadable(path, _reason(error)) from error
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return WatchedSource(path, descriptor, clock, watcher)
    return FileSource(path, descriptor, clock)


class FileSource:
    """A regular file: the disk answers, sooner or later."""

    def __init__(self, path: Path, descriptor: int, clock: IReactorTime) -> None:
        self._path = path
        self._descriptor = descriptor
        self._clock = clock
        self._size = os.fstat(descriptor).st_size
        self._read_bytes = 0

    @property
    def size(self) -> int | None:
        """See :meth:`Source.size`; what it was when the file was opened."""
        return self._size

    def read(self) -> Deferred[bytes]:
        """See :meth:`Source.read`; a file that turns out shorter than it was is bad input."""
        return deferLater(self._clock, 0, self._read)

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, CHUNK_BYTES)
        except OSError as error:
            raise _unreadable(self._path, _reason(error)) from error
        self._read_bytes += len(data)
        if not data and self._read_bytes < self._size:
            raise BadInput(BadRow(str(self._path), 0, "", "changed while it was read"))
        return data

    def rewind(self) -> None:
        """See :meth:`Source.rewind`."""
        _rewind(self._path, self._descriptor)
        self._read_bytes = 0

    def close(self) -> None:
        """See :meth:`Source.close`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@implementer(IReadDescriptor)
class WatchedSource:
    """A pipe or a device, watched by the reactor while bytes are asked for."""

    def __init__(
        self, path: Path, descriptor: int, clock: IReactorTime, watcher: IReactorFDSet
    ) -> None:
        self._path = path
        self._descriptor = descriptor
        self._clock = clock
        self._watcher = watcher
        self._asked: Deferred[bytes] | None = None

    @property
    def size(self) -> int | None:
        """See :meth:`Source.size`."""
        return None

    def read(self) -> Deferred[bytes]:
        """See :meth:`Source.read`."""
        asked: Deferred[bytes] = Deferred(self._forget)
        self._asked = asked
        try:
            self._watcher.addReader(self)
        except PermissionError:
            # A device that cannot be watched, such as /dev/zero, never waits either.
            self._asked = None
            return deferLater(self._clock, 0, self._read)
        return asked

    def _forget(self, _asked: Deferred[bytes]) -> None:
        self._asked = None
        self._watcher.removeReader(self)

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, CHUNK_BYTES)
        except BlockingIOError:
            raise
        except OSError as error:
            raise _unreadable(self._path, _reason(error)) from error

    def doRead(self) -> None:
        """Read what the reactor says is there: bytes, or the end."""
        asked = self._asked
        if asked is None:
            return
        try:
            data = self._read()
        except BlockingIOError:
            return  # somebody else who reads this pipe was faster
        except BadInput as error:
            self._forget(asked)
            asked.errback(error)
        else:
            self._forget(asked)
            asked.callback(data)

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002 (the name is the interface's)
        """The last writer has gone, and all that it wrote is read."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.callback(b"")

    def fileno(self) -> int:
        """The descriptor that the reactor watches."""
        return self._descriptor

    def logPrefix(self) -> str:
        """How the reactor names this descriptor in its log."""
        return type(self).__name__

    def rewind(self) -> None:
        """See :meth:`Source.rewind`."""
        _rewind(self._path, self._descriptor)

    def close(self) -> None:
        """See :meth:`Source.close`."""
        if self._descriptor >= 0:
            self._watcher.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1


def _rewind(path: Path, descriptor: int) -> None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        reason = "is a pipe that cannot be read again, name the draw that is open with --draw"
        raise BadInput(BadRow(str(path), 0, "", reason)) from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unreadable(path: Path, reason: str) -> BadInput:
    return BadInput(BadRow(str(path), 0, "", f"cannot be read, {reason}"))
