"""Reads what the disk holds of a draw, written from ``docs/ledger.md`` alone.

Nothing of the package is imported here.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from disk_model import Tree

_HEADER: Final = struct.Struct(">4sBBHIQIIQI")
ROWS, END, HEAD, CLOSE = 1, 2, 3, 4
#: How far a draw has come; delivered and void are both the last.
STEPS: Final = ("", "open", "closing", "sealed", "drawn", "delivered")
LAST: Final = len(STEPS) - 1


class SegmentRecord(NamedTuple):
    """One record of a segment that checks out."""

    kind: int
    agency: int
    first: int
    bets: int
    body: bytes
    end: int


class Holding(NamedTuple):
    """What is stored of an agency: its rows as it sent them, and whether its END is."""

    rows: tuple[bytes, ...] = ()
    ended: bool = False


class UnreadableLedger(Exception):
    """The segments are not what start-up has to leave."""


def records_in(data: bytes) -> Iterator[SegmentRecord]:
    """Yield the records from the first byte on, up to where none checks out."""
    place = 0
    while place + _HEADER.size <= len(data):
        magic, kind, _, _, agency, first, bets, length, _, crc = _HEADER.unpack_from(data, place)
        start, end = place + _HEADER.size, place + _HEADER.size + length
        if magic != b"LCS1" or end > len(data):
            return
        if zlib.crc32(data[start:end], zlib.crc32(data[place : start - 4])) != crc:
            return
        yield SegmentRecord(kind, agency, first, bets, data[start:end], end)
        place = end


def holdings_in(tree: Tree, draw: str) -> dict[int, Holding]:
    """Give what closed segments hold, by agency.

    :param draw: the path of the draw's directory.
    :raises UnreadableLedger: if a segment is not closed, or an agency's bets do not follow each
        other from 0, or its END is not of as many.
    """
    rows: dict[int, list[tuple[int, bytes]]] = {}
    ends: dict[int, int] = {}
    for path, data in tree.items():
        if not path.startswith(f"{draw}/segment-") or data is None:
            continue
        records = list(records_in(data))
        kinds = [record.kind for record in records]
        if not kinds or kinds[0] != HEAD or kinds[-1] != CLOSE or records[-1].end != len(data):
            raise UnreadableLedger(f"{path} is not closed: {kinds}, {len(data)} bytes")
        for record in records[1:-1]:
            if record.kind == END:
                if record.agency in ends:
                    raise UnreadableLedger(f"agency {record.agency} has two ENDs")
                ends[record.agency] = record.first
                continue
            lines = record.body.splitlines(keepends=True)
            if len(lines) != record.bets:
                raise UnreadableLedger(f"{len(lines)} rows where {record.bets} are announced")
            numbered = enumerate(lines, record.first)
            rows.setdefault(record.agency, []).extend(numbered)
    return {agency: _holding(agency, rows, ends) for agency in sorted({*rows, *ends})}


def record_in(tree: Tree, draw: str) -> dict[str, Any]:
    """Give the draw's record; nothing if there is none."""
    data = tree.get(f"{draw}/draw.json")
    members: dict[str, Any] = json.loads(data) if data else {}
    return members


def step_of(record: dict[str, Any]) -> int:
    """Say how far a draw has come by its record."""
    state = record.get("state", "")
    return LAST if state == "void" else STEPS.index(state)


def _holding(
    agency: int, rows: dict[int, list[tuple[int, bytes]]], ends: dict[int, int]
) -> Holding:
    numbered = sorted(rows.get(agency, []))
    if [number for number, _ in numbered] != list(range(len(numbered))):
        raise UnreadableLedger(f"the bets of agency {agency} do not follow each other")
    if ends.get(agency, len(numbered)) != len(numbered):
        raise UnreadableLedger(f"agency {agency} ends with another number of bets")
    prefix = b"%d," % agency
    for _, row in numbered:
        if not row.startswith(prefix) or not row.endswith(b"\n"):
            raise UnreadableLedger(f"{row!r} is no row of agency {agency}")
    return Holding(tuple(row[len(prefix) : -1] for _, row in numbered), agency in ends)
