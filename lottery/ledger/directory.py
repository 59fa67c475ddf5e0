"""Which file of a draw stands where, and who owns the data directory.

::

    lottery-data/
      lock                      held by the central that owns the directory
      draws/
        000001/
          segment-0001.log      one per writer process
          bets.csv              all of them in order, made at the seal
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from attrs import field, frozen

from lottery.errors import StartError
from lottery.ledger.segment import flush_directory

_DRAW_NAME = re.compile(r"[0-9]{6,}")
_SEGMENT_NAME = re.compile(r"segment-[0-9]{4,}\.log")


@frozen
class DrawDirectory:
    """Where the files of one draw are.

    :ivar number: the draw's number, from 1 up.
    """

    number: int
    path: Path

    @property
    def bets_csv(self) -> Path:
        """All bets in order; there from the seal on."""
        return self.path / "bets.csv"

    def segments(self) -> list[Path]:
        """Every segment there is, in order of their numbers.

        :raises OSError: if the directory cannot be read.
        """
        found = (path for path in self.path.iterdir() if _SEGMENT_NAME.fullmatch(path.name))
        return sorted(found, key=_length_and_name)

    def segment(self, number: int) -> Path:
        """Name the segment of this draw's ``number``-th writer, from 1 up."""
        return self.path / f"segment-{number:04d}.log"


@frozen
class DataDirectory:
    """A central's data directory."""

    path: Path
    _lock: list[int] = field(factory=list, init=False, eq=False, repr=False)

    def own(self) -> None:
        """Make the directory if need be, and take its lock for the life of this process.

        :raises StartError: if it cannot be made or written, or another process owns it.
        """
        try:
            _make(self.path / "draws")
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartError(f"the data directory {self.path} cannot be used, {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(lock, 20).decode("ascii", "replace").strip()
            os.close(lock)
            raise StartError(
                f"the data directory {self.path} is in use by process {owner or 'unknown'}"
            ) from error
        self._lock.append(lock)
        try:
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        except OSError as error:
            self.release()
            raise StartError(f"the data directory {self.path} cannot be used, {error}") from error

    def release(self) -> None:
        """Give the lock back; doing it twice is harmless."""
        while self._lock:
            os.close(self._lock.pop())

    def draws(self) -> list[DrawDirectory]:
        """Every draw there is, in order.

        :raises OSError: if the directory cannot be read.
        """
        root = self.path / "draws"
        names = (path for path in root.iterdir() if _DRAW_NAME.fullmatch(path.name))
        return sorted((DrawDirectory(int(path.name), path) for path in names), key=_number)

    def new_draw(self) -> DrawDirectory:
        """Make the directory of the draw after the last one there is.

        :raises OSError: if it cannot be made.
        """
        before = self.draws()
        number = before[-1].number + 1 if before else 1
        path = self.path / "draws" / f"{number:06d}"
        path.mkdir(mode=0o700)
        flush_directory(str(path.parent))
        return DrawDirectory(number, path)


def _make(path: Path) -> None:
    """Make a directory and those above it, each to be found again after a power cut."""
    if not path.is_dir():
        _make(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        flush_directory(str(path.parent))


def _number(draw: DrawDirectory) -> int:
    return draw.number


def _length_and_name(path: Path) -> tuple[int, str]:
    """Put 10000 behind 9999."""
    return len(path.name), path.name
