"""Bytes of segments and whole draws, for the tests of ``lottery.ledger``."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from lottery.ledger.directory import DrawDirectory
from lottery.ledger.record import AgencyPart, DrawRecord, encode
from lottery.ledger.segment import Kind, pack, pack_close, pack_head

DRAW = 1
NONCE = bytes(range(32))


def row(agency: int, index: int) -> bytes:
    """The row of an agency's bet; no two are alike, and their lengths differ."""
    return b"%d,%s,Gil,%d,2000-01-01,%d\n" % (agency, b"A" * (1 + index % 7), index, index % 10000)


def rows(agency: int, first: int, count: int) -> bytes:
    """The body of a record."""
    return b"".join(row(agency, first + number) for number in range(count))


def sent(agency: int, first: int, count: int) -> bytes:
    """The same rows as the agency sent them."""
    return b"".join(row(agency, first + at).partition(b",")[2] for at in range(count))


def crc(agency: int, count: int) -> int:
    """CRC-32 of an agency's first bets, as sent."""
    return zlib.crc32(sent(agency, 0, count))


def batch(agency: int, first: int, count: int, flushed: int = 0, classic: bool = False) -> bytes:
    """A record of bets."""
    body = rows(agency, first, count)
    return pack(Kind.ROWS, agency, first, count, body, flushed, classic)


def end(agency: int, total: int, flushed: int = 0, nonce: bytes = NONCE) -> bytes:
    """A record of an END; classic if it has no random bytes."""
    return pack(Kind.END, agency, total, 0, nonce, flushed, not nonce)


def opened(number: int, *records: bytes) -> bytes:
    """A segment whose writer is at work, or has not ended well."""
    return pack_head(DRAW, number) + b"".join(records)


def closed(number: int, *records: bytes) -> bytes:
    """A segment whose writer has ended well."""
    content = opened(number, *records)
    return content + pack_close(len(content))


def draw_of(data: Path, *segments: bytes) -> DrawDirectory:
    """An open draw with these segments, the only one in a data directory."""
    draw = DrawDirectory(DRAW, data / "draws" / f"{DRAW:06d}")
    draw.path.mkdir(parents=True)
    draw.record.write_bytes(encode(DrawRecord(DRAW, "open", 5)))
    for number, content in enumerate(segments, 1):
        draw.segment(number).write_bytes(content)
    return draw


def part(agency: int, bets: int, outcome: str = "succeeded", dialect: str = "") -> AgencyPart:
    """An agency's part as the central knows it when the draw closes."""
    reason = "it was silent for 30 s" if outcome == "left_out" else ""
    known = crc(agency, bets) if outcome == "succeeded" and not dialect else 0
    return AgencyPart(agency, dialect or "lottery/1", outcome, reason, bets, known)


def closing(draw: DrawDirectory, *parts: AgencyPart) -> DrawRecord:
    """Close a draw."""
    record = DrawRecord(draw.number, "closing", 5, parts)
    draw.record.write_bytes(encode(record))
    return record


def tree(path: Path) -> dict[str, bytes]:
    """All files below a directory, with their bytes; of directories the name alone."""
    return {
        str(each.relative_to(path)): each.read_bytes() if each.is_file() else b""
        for each in sorted(path.rglob("*"))
    }


def after(calls: int) -> Callable[[], bool]:
    """Say no some times, then yes."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


@st.composite
def stored_days(draw: st.DrawFn) -> tuple[dict[int, int], list[list[bytes]]]:
    """Agencies with their bets, and segments into which these were stored in any way.

    A session is at one segment and its batches stand there in order, between those of others.
    """
    bets = draw(st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 12), max_size=5))
    count = draw(st.integers(1, 4))
    pieces: list[list[tuple[int, bytes]]] = [[] for _ in range(count)]
    for agency, total in bets.items():
        first = 0
        while first < total:
            size = draw(st.integers(1, total - first))
            writer = draw(st.integers(0, count - 1))
            # A number between those of others: where this record falls among theirs.
            pieces[writer].append((draw(st.integers(0, 99)), batch(agency, first, size)))
            first += size
        pieces[draw(st.integers(0, count - 1))].append((100, end(agency, total)))
    return bets, [[data for _, data in sorted(each, key=lambda one: one[0])] for each in pieces]


def draw_of_day(data: str, contents: list[list[bytes]]) -> DrawDirectory:
    """The draw of a stored day."""
    return draw_of(Path(data), *(opened(at, *each) for at, each in enumerate(contents, 1)))
