"""Which file of a draw stands where, and who owns the data directory.

::

    lottery-data/
      lock                      held by the central that owns the directory, and its writers
      draws/
        000001/
          draw.json             the draw's record
          secret                what a random number will be made of, if it is to be one
          segment-0001.log      one per writer process
          bets.csv              all of them in order, made at the seal
          winners.csv           the rows that have won, made when the number is drawn
          intake.csv            how many bets were stored by when; nobody needs it
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import field, frozen

from lottery.errors import DamagedLedger, StartError
from lottery.ledger.fairness import commitment_of, make_secret
from lottery.ledger.owner import holders
from lottery.ledger.publish import TEMPORARY
from lottery.ledger.record import DrawRecord, publish, read_record
from lottery.ledger.segment import flush_directory, open_private

_DRAW_NAME: Final = re.compile(r"(?!000000)(?:[0-9]{6}|[1-9][0-9]{6,})")
_SEGMENT_NAME: Final = re.compile(r"segment-([0-9]{4}|[1-9][0-9]{4,})\.log")
_PUBLISHED: Final = ("draw.json", "secret", "bets.csv", "winners.csv")


def never() -> bool:
    """Say no: nobody wants the work to be left, nothing is worth another try."""
    return False


@frozen
class DrawDirectory:
    """Where the files of one draw are.

    :ivar number: the draw's number, from 1 up.
    """

    number: int
    path: Path

    @property
    def record(self) -> Path:
        """The draw's record; there as long as the draw."""
        return self.path / "draw.json"

    @property
    def bets_csv(self) -> Path:
        """All bets in order; there from the seal on."""
        return self.path / "bets.csv"

    @property
    def winners_csv(self) -> Path:
        """All rows that have won, of the agencies that take part; there once it is drawn."""
        return self.path / "winners.csv"

    @property
    def intake_csv(self) -> Path:
        """How many bets were stored by when; perhaps there, and nothing depends on it."""
        return self.path / "intake.csv"

    @property
    def secret(self) -> Path:
        """What a random number will be made of; there from the beginning, if it is random."""
        return self.path / "secret"

    def segments(self) -> list[Path]:
        """Every segment there is, in order of their numbers.

        :raises OSError: if the directory cannot be read.
        """
        found = (path for path in self.path.iterdir() if _SEGMENT_NAME.fullmatch(path.name))
        return sorted(found, key=segment_number)

    def segment(self, number: int) -> Path:
        """Name the segment of this draw's ``number``-th writer, from 1 up."""
        return self.path / f"segment-{number:04d}.log"

    def highest_segment(self) -> int:
        """Give the highest number of a segment there is, 0 if there is none.

        :raises OSError: if the directory cannot be read.
        """
        return max(map(segment_number, self.segments()), default=0)

    def temporaries(self) -> list[Path]:
        """What a crash has left of files that were never published.

        :raises OSError: if the directory cannot be read.
        """
        found = []
        for path in self.path.iterdir():
            name = path.name.removesuffix(TEMPORARY)
            if name != path.name and (name in _PUBLISHED or _SEGMENT_NAME.fullmatch(name)):
                found.append(path)
        return sorted(found)

    def read(self) -> DrawRecord:
        """Give the draw's record.

        :raises DamagedLedger: if it is damaged, or that of another draw.
        :raises OSError: if it cannot be read.
        """
        record = read_record(self.record)
        if record.draw != self.number:
            raise DamagedLedger(str(self.record), 0, f"it is the record of draw {record.draw}")
        return record


@frozen
class DataDirectory:
    """A central's data directory.

    :ivar provable: whether draws that are opened have a random number, which can be proved.
    """

    path: Path
    provable: bool = False
    _lock: list[int] = field(factory=list, init=False, eq=False, repr=False)

    def own(self, again: Callable[[], bool] = never) -> None:
        """Make the directory if need be, and take its lock.

        The lock is held as long as :attr:`lock_fd` is open anywhere: a writer inherits it,
        so that nobody owns the directory while a writer of an owner that died still lives.

        :param again: asked while another process holds the lock; it waits a little and says
            whether to try again.
        :raises StartError: if it cannot be made or written, or others hold the lock.
        """
        try:
            _make(self.path / "draws")
            _close_to_others(self.path / "draws")
            _settle(self.path)
            lock = open_private(str(self.path / "lock"), os.O_RDWR)
        except OSError as error:
            raise StartError(f"the data directory {self.path} cannot be used, {error}") from error
        self._lock.append(lock)
        try:
            while not _take(lock):
                if not again():
                    owners = " and ".join(map(str, holders(lock))) or "unknown"
                    raise StartError(
                        f"the data directory {self.path} is in use by process {owners}"
                    )
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        except OSError as error:
            self.release()
            raise StartError(f"the data directory {self.path} cannot be used, {error}") from error
        except BaseException:
            self.release()
            raise

    @property
    def open_to_others(self) -> bool:
        """Whether other users may look into it, or write there; never below ``draws/``.

        One that was there before keeps its mode: that is for whoever made it to mend.

        :raises OSError: if it is not there.
        """
        return bool(self.path.stat().st_mode & 0o077)

    @property
    def owned(self) -> bool:
        """Whether it is ours."""
        return bool(self._lock)

    @property
    def lock_fd(self) -> int:
        """The descriptor that holds the lock while the directory is owned."""
        return self._lock[0]

    def release(self) -> None:
        """Give our hold of the lock back; doing it twice is harmless.

        The lock itself is free once every writer that has inherited it has ended, too.
        """
        while self._lock:
            os.close(self._lock.pop())

    def draws(self) -> list[DrawDirectory]:
        """Every draw there is, in order.

        :raises OSError: if the directory cannot be read.
        """
        root = self.path / "draws"
        names = (path for path in root.iterdir() if _DRAW_NAME.fullmatch(path.name))
        return sorted((DrawDirectory(int(path.name), path) for path in names), key=_number)

    def new_draw(self, places: int) -> DrawDirectory:
        """Make the directory of the draw after the last one there is, and its open record.

        If that fails on the way, the next try uses the directory that was made.

        :raises OSError: if it cannot be made, or is not known to be on disk.
        """
        draws = self.draws()
        draw = draws[-1] if draws else None
        if draw is None or draw.record.exists() or draw.segments():
            number = draw.number + 1 if draw else 1
            draw = DrawDirectory(number, self.path / "draws" / f"{number:06d}")
            _make_private(draw.path)
        self.publish_open(draw, places)
        return draw

    def publish_open(self, draw: DrawDirectory, places: int) -> None:
        """Publish the first record of a draw, whose directory is there.

        With it the hash of a secret is promised, if the number is to be random; what was
        promised once stays so. The secret is on disk before that: the other way round, a crash
        could leave a promise that nobody can keep.

        :raises DamagedLedger: if there is a record, and it is damaged.
        :raises OSError: if it is not known to be on disk.
        """
        promised = draw.read().commitment if draw.record.exists() else None
        if promised is None:
            # One that is there was never promised, and may not even be on disk.
            if self.provable:
                promised = commitment_of(make_secret(draw.secret))
            else:
                draw.secret.unlink(missing_ok=True)
        flush_directory(str(draw.path.parent))
        publish(DrawRecord(draw.number, "open", places, commitment=promised), draw.record)


def segment_number(path: Path) -> int:
    """Give the number of a segment, which is in its name."""
    return int(path.name.removeprefix("segment-").removesuffix(".log"))


def _take(lock: int) -> bool:
    """Take the lock; gives whether that was possible."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make(path: Path) -> None:
    """Make a directory and those above it, each to be found again after a power cut."""
    if not path.is_dir():
        _make(path.parent)
        _make_private(path)
        flush_directory(str(path.parent))


def _make_private(path: Path) -> None:
    """Make a directory that is its owner's alone, whatever the umask, if it is not there."""
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)


def _close_to_others(path: Path) -> None:
    """Have a directory that is there be the owner's alone, as one is that we make.

    What is below it may keep its mode, also if an earlier version made it: nobody gets there.
    """
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)


def _settle(path: Path) -> None:
    """Have on disk what a process may have made that was killed before it flushed it."""
    flush_directory(str(path))
    try:
        flush_directory(str(path.parent))
    except OSError as error:
        # Where nobody may look, or nothing can change, we have made nothing either.
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EROFS):
            raise


def _number(draw: DrawDirectory) -> int:
    return draw.number
