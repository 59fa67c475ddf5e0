"""Whether the bytes behind the last record of a segment may be the beginning of one.

A writer that is at work, or was killed at work, leaves such bytes, and only such: whatever can
be told of a record from its first bytes has to hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from struct import pack
from typing import NamedTuple
from zlib import crc32

from lottery.audit.layout import (
    BODY_LIMIT,
    CLOSE,
    END,
    HEAD,
    HEADER_BYTES,
    MAGIC,
    NONCE_BYTES,
    ROWS,
)
from lottery.audit.rows import SHORTEST_ROW_BYTES, fault_of_row


class Place(NamedTuple):
    """Where in a segment the bytes stand; ``flushed`` is what the record before them says."""

    at: int
    draw: int
    number: int
    flushed: int


class Tail(NamedTuple):
    """The beginning of a record, in bytes ``at`` and ``length``.

    ``agency``, ``first`` and ``classic`` are as far as they can be read; None if they cannot.
    """

    at: int
    length: int
    classic: bool | None = None
    agency: int | None = None
    first: int | None = None


def impossible(tail: bytes, place: Place, today: date) -> Tail | str:
    """Give the beginning of a record, or say why it is none.

    :param tail: all that stands behind the last record; less than a record.
    :param today: the day (UTC) that no birthdate may be after.
    """
    if not _begins(tail, [MAGIC]):
        return "they do not begin with the magic"
    if len(tail) < 5:
        return Tail(place.at, len(tail))
    kind = tail[4]
    if kind not in ((HEAD,) if place.at == 0 else (ROWS, END, CLOSE)):
        return "their kind is none that may stand here"
    if kind == HEAD:
        known = _without_body(kind, place.draw, place.number, 0)
        return Tail(place.at, len(tail)) if known.startswith(tail) else "they are not this HEAD"
    if kind == CLOSE:
        known = _without_body(kind, 0, 0, place.at)
        return Tail(place.at, len(tail)) if known.startswith(tail) else "they are not this CLOSE"
    if not _begins(tail[5:8], [b"\0\0\0", b"\1\0\0"]):
        return "their dialect is none"
    if not _begins(tail[28:36], [pack(">Q", place.flushed), pack(">Q", place.at)]):
        return "no flush ended where they say"
    why = _end_fault(tail) if kind == END else _rows_fault(tail, today)
    if why:
        return why
    return Tail(
        place.at,
        len(tail),
        classic=bool(tail[5]) if len(tail) > 5 else None,
        agency=int.from_bytes(tail[8:12]) if len(tail) >= 12 else None,
        first=int.from_bytes(tail[12:20]) if len(tail) >= 20 else None,
    )


def _begins(found: bytes, allowed: Iterable[bytes]) -> bool:
    """Whether what was found, however little it is, may become one of these."""
    return any(found[: len(one)] == one[: len(found)] for one in allowed)


def _without_body(kind: int, first: int, bets: int, flushed: int) -> bytes:
    header = pack(">4sBBHIQIIQ", MAGIC, kind, 0, 0, 0, first, bets, 0, flushed)
    return header + pack(">I", crc32(header))


def _least(found: bytes) -> int:
    """Give what a number of 4 bytes is at least, of which only the first ones are found."""
    return int.from_bytes(found.ljust(4, b"\0"))


def _end_fault(tail: bytes) -> str:
    if tail[20:24].strip(b"\0"):
        return "an END has no bets"
    length = 0 if tail[5:6] == b"\1" else NONCE_BYTES
    if not _begins(tail[24:28], [pack(">I", length)]):
        return "no END has a body of that length"
    return ""


def _rows_fault(tail: bytes, today: date) -> str:
    if _least(tail[20:24]) * SHORTEST_ROW_BYTES >= BODY_LIMIT:
        return "no record has so many bets"
    if _least(tail[24:28]) >= BODY_LIMIT:
        return "no record has a body of that length"
    if len(tail) < 28:
        return ""
    agency, bets, length = (int.from_bytes(tail[at : at + 4]) for at in (8, 20, 24))
    shortest = len(b"%d," % agency) + SHORTEST_ROW_BYTES
    if not 0 < bets * shortest <= length:
        return f"{bets} bets are not {length} bytes long"
    body = tail[HEADER_BYTES:]
    *whole, part = body.split(b"\n")
    if len(whole) >= bets:
        return f"the {bets} bets are all there, but {length - len(body)} more bytes should follow"
    if (bets - len(whole)) * shortest > length - len(body) + len(part):
        return "the bets to come do not fit into the bytes to come"
    for row, line in enumerate(whole, 1):
        why = fault_of_row(line, agency, today)
        if why:
            return f"in row {row} {why}"
    return _part_fault(part, agency)


def _part_fault(part: bytes, agency: int) -> str:
    """Say why a row cannot begin like this."""
    if not _begins(part, [b"%d," % agency]):
        return f"their last row does not begin with agency {agency}"
    try:
        text = part.decode()
    except UnicodeDecodeError as error:
        # A character that is cut is no fault.
        if error.reason != "unexpected end of data":
            return "their last row is no UTF-8"
        text = part[: error.start].decode()
    if text.count(",") > 5 or any(character < " " for character in text):
        return "their last row is none"
    return ""
