"""Salvage: what counts of a segment whose writer did not end well.

What the disk holds of it is not known: the writer may have been killed between a write and
its flush, or the flush has failed and the page cache still shows what the disk never got. So
the valid records are copied to a new file, with a CLOSE behind them, flushed, and put in the
old one's place. Only then do they count. To do it twice changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from lottery.errors import DamagedLedger
from lottery.ledger.publish import published, settle
from lottery.ledger.reading import SegmentReading, TornTail, behind_end, not_all, not_next
from lottery.ledger.segment import (
    HEADER_BYTES,
    Kind,
    open_private,
    pack,
    pack_close,
    pack_head,
    record_at,
)
from lottery.ledger.standing import Standing, crc_as_sent


@frozen
class Findings:
    """What a segment holds.

    :ivar valid: how many bytes are valid records.
    :ivar size: how many bytes there are.
    :ivar closed: whether the last record is a CLOSE.
    """

    valid: int
    size: int
    closed: bool


def examine(path: Path, draw: int, number: int) -> Findings:
    """Read all of a segment and touch nothing.

    :raises DamagedLedger: if it is damaged; a torn tail is no damage.
    :raises OSError: if it cannot be read.
    """
    reading = SegmentReading(path, draw, number)
    for _ in reading:
        pass
    return Findings(reading.end, reading.size, reading.closed)


def salvage(path: Path, draw: int, number: int, anew: bool = False) -> TornTail | None:
    """Make of a segment a closed one that is known to be on disk.

    One that is closed keeps its file, which is only flushed. One that there is not is made,
    empty: its writer ended before it could. So numbers without a gap tell whoever looks at
    the directory that no segment was removed.

    :param anew: write it anew also if it is closed, as after a flush that has failed: what is
        read is then perhaps not what the disk holds, and another flush would not tell.
    :returns: what was left out, if anything.
    :raises DamagedLedger: if it is damaged; nothing is touched then.
    :raises OSError: if it cannot be read or written; nothing is left behind then, and the old
        file is as it was, or whole and closed but not known to be on disk.
    """
    if not path.exists():
        os.close(open_private(str(path), os.O_WRONLY | os.O_EXCL))
    found = examine(path, draw, number)
    if found.closed and not anew:
        settle(path)
        return None
    # Read and checked once more while it is copied: what is published is what was checked.
    reading = SegmentReading(path, draw, number)
    with published(path) as new:
        place = new.write(pack_head(draw, number))
        for record, body in reading:
            kind, agency, first, bets, _, _, flushed, classic = record
            place += new.write(pack(kind, agency, first, bets, body, flushed, classic))
        new.write(pack_close(place))
    return reading.tail


def extend(path: Path, standings: Mapping[int, Standing]) -> dict[int, Standing]:
    """Say where agencies stand once the records of a salvaged segment count, too.

    :param standings: where they stood when they came to this segment's writer, or at any
        time since: what it stored of them before is skipped.
    :returns: where the same agencies stand. Others are not looked at.
    :raises DamagedLedger: if an agency's bets do not follow each other, or its END is not of
        as many.
    :raises OSError: if the segment cannot be read.
    """
    with path.open("rb") as file:
        head = record_at(file.read(HEADER_BYTES), 0)
    stands = dict(standings)
    for record, body in SegmentReading(path, head.first if head else 0, head.bets if head else 0):
        stood = stands.get(record.agency)
        if stood is None:
            continue
        if record.kind == Kind.ROWS:
            if record.first + record.bets <= stood.next_index:
                continue
            fault = "" if record.first == stood.next_index else not_next(record, stood.next_index)
            fault = behind_end(record) if stood.ended else fault
            crc = 0 if record.classic else crc_as_sent(body, record.agency, stood.crc)
            stands[record.agency] = Standing(
                record.first + record.bets, crc, classic=record.classic
            )
        else:
            fault = "" if record.first == stood.next_index else not_all(record, stood.next_index)
            stands[record.agency] = stood._replace(ended=True, classic=record.classic, nonce=body)
        if fault:
            raise DamagedLedger(str(path), record.offset - HEADER_BYTES, fault)
    return stands
