"""Salvage: of any bytes, what is valid; or it is damage, and nothing is touched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lottery.errors import DamagedLedger
from lottery.ledger.reading import SegmentReading
from lottery.ledger.salvage import examine, extend, salvage
from lottery.ledger.standing import Standing

DRAW, NUMBER = 1, 1
_MEMORY = Path("/dev/shm")
_DIRECTORY = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)


def fuzz(data: bytes) -> None:
    """Take the bytes for those of a segment whose writer was killed.

    :raises AssertionError: if what is salvaged is not what was valid before.
    """
    path = Path(_DIRECTORY.name) / "segment-0001.log"
    path.write_bytes(data)
    try:
        before = _records(path)
        salvage(path, DRAW, NUMBER)
    except DamagedLedger as error:
        assert 0 <= error.offset <= len(data)
        assert str(error)
        assert path.read_bytes() == data
        return
    finally:
        assert os.listdir(_DIRECTORY.name) == [path.name]
    salvaged = path.read_bytes()
    assert examine(path, DRAW, NUMBER).closed
    assert _records(path) == before
    assert salvage(path, DRAW, NUMBER) is None
    assert path.read_bytes() == salvaged
    agencies = {agency for _, agency, *_ in before}
    try:
        extend(path, {agency: Standing() for agency in agencies})
    except DamagedLedger as error:
        assert str(error)


def _records(path: Path) -> list[tuple[object, ...]]:
    """The valid records, with what they hold, but not where they stand."""
    return [
        (record.kind, record.agency, record.first, record.bets, record.classic, bytes(body))
        for record, body in SegmentReading(path, DRAW, NUMBER)
    ]
