"""Reads and makes files of rows together with their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from lottery.errors import DamagedLedger
from lottery.ledger.directory import never
from lottery.ledger.longwork import Aside, Interrupted
from lottery.ledger.record import FileDigest, SegmentDigest

_STEP_BYTES = 512 << 10


class Measure:
    """Adds up the bytes of a file and their SHA-256."""

    def __init__(self) -> None:
        self._bytes = 0
        self._sha256 = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Take the bytes that follow."""
        self._bytes += len(data)
        self._sha256.update(data)

    def digest(self, bets: int) -> FileDigest:
        """Give what was added as the digest of a file with so many bets."""
        return FileDigest(bets, self._bytes, self._sha256.hexdigest())

    def segment(self, name: str) -> SegmentDigest:
        """Give what was added as the digest of a segment."""
        return SegmentDigest(name, self._bytes, self._sha256.hexdigest())


def read_steps(path: Path, interrupted: Callable[[], bool] = never) -> Iterator[bytes]:
    """Yield a file's bytes in small steps.

    :raises OSError: if it cannot be read.
    :raises Interrupted: soon after ``interrupted()`` has become true.
    """
    with path.open("rb", buffering=0) as file:
        while step := file.read(_STEP_BYTES):
            if interrupted():
                raise Interrupted
            yield step


def read_checked(
    path: Path, digest: FileDigest | None, interrupted: Callable[[], bool] = never
) -> Iterator[bytes]:
    """Yield a file's bytes in small steps; what they are worth is known behind the last one.

    :param digest: what the draw's record says of the file.
    :raises DamagedLedger: at the end, if the file is another one; at once, if it is missing.
    :raises OSError: if it cannot be read.
    :raises Interrupted: soon after ``interrupted()`` has become true.
    """
    if digest is None:
        raise ValueError(f"the record knows no {path.name}")
    measure = Measure()
    try:
        with Aside() as aside:
            for step in read_steps(path, interrupted):
                aside.do(measure.add, step)
                yield step
    except FileNotFoundError as error:
        raise missing(path) from error
    if measure.digest(digest.bets) != digest:
        raise DamagedLedger(str(path), 0, "its SHA-256 is another one than draw.json says")


def missing(path: Path) -> DamagedLedger:
    """Say that a file is gone that was on disk."""
    return DamagedLedger(str(path), 0, "it is missing")
