"""Salvage: of any bytes, what is valid; or it is damage, and nothing is touched."""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

from fuzz.files import folder

from lottery.errors import DamagedLedger
from lottery.ledger.reading import SegmentReading
from lottery.ledger.salvage import examine, extend, salvage
from lottery.ledger.segment import HEADER_BYTES, MAGIC, pack_close, pack_head
from lottery.ledger.standing import Standing

DRAW, NUMBER = 1, 1
_CRC_BYTES = 4


def fuzz(data: bytes) -> None:
    """Take the bytes for those of a segment whose writer was killed.

    They are taken a second time with every CRC-32 put right, which chance hardly ever does:
    what else there is to refuse stands behind it.

    :raises AssertionError: if what is salvaged is not what was valid before.
    """
    _salvage(data)
    mended = _mended(data)
    if mended != data:
        _salvage(mended)


def _salvage(data: bytes) -> None:
    path = folder() / "segment-0001.log"
    path.write_bytes(data)
    try:
        found = examine(path, DRAW, NUMBER)
        before = _records(path)
        salvage(path, DRAW, NUMBER)
    except DamagedLedger as error:
        assert 0 <= error.offset <= len(data)
        assert str(error).isprintable()
        assert path.read_bytes() == data
        return
    finally:
        assert [each for each in os.listdir(folder()) if each.startswith(path.name)] == [path.name]
    salvaged = path.read_bytes()
    valid = data[: found.valid] or pack_head(DRAW, NUMBER)
    assert salvaged == (data if found.closed else valid + pack_close(len(valid)))
    assert examine(path, DRAW, NUMBER).closed
    assert _records(path) == before
    file = path.stat().st_ino
    for anew in (False, True):
        assert salvage(path, DRAW, NUMBER, anew) is None
        assert path.read_bytes() == salvaged
        assert anew or path.stat().st_ino == file
    agencies = {agency for _, agency, *_ in before}
    try:
        extend(path, {agency: Standing() for agency in agencies})
    except DamagedLedger as error:
        assert str(error).isprintable()


def _records(path: Path) -> list[tuple[int, int, int, int, bool, bytes]]:
    """The valid records, with what they hold, but not where they stand."""
    return [
        (record.kind, record.agency, record.first, record.bets, record.classic, bytes(body))
        for record, body in SegmentReading(path, DRAW, NUMBER)
    ]


def _mended(data: bytes) -> bytes:
    """The same records with the CRC-32 that they should have, as far as records go."""
    result, place = bytearray(data), 0
    while result.startswith(MAGIC, place):
        body = place + HEADER_BYTES
        length = int.from_bytes(result[body - 16 : body - 12], "big")
        if body + length > len(result):
            break
        crc_at = body - _CRC_BYTES
        crc = crc32(result[body : body + length], crc32(result[place:crc_at]))
        result[crc_at:body] = crc.to_bytes(_CRC_BYTES, "big")
        place = body + length
    return bytes(result)
