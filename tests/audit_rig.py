"""Whole draws, byte by byte as docs/ledger.md has them, with code of the tests' own.

Neither ``lottery.ledger`` nor ``lottery.audit`` is used to build them: it is a third opinion. A
draw is a :class:`DrawRig`; its files are bytes by name, so that a test can do to them what it
likes before they are written. :func:`audited` writes them and has them checked.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from lottery.audit.draw import audit_draw
from lottery.audit.findings import DrawReport

TODAY: Final = date(2024, 6, 1)
WINNING_NUMBER: Final = 7574
STATES: Final = ("open", "closing", "sealed", "drawn", "delivered", "void")

ROWS, END, HEAD, CLOSE = 1, 2, 3, 4


def record_bytes(
    kind: int,
    agency: int = 0,
    first: int = 0,
    bets: int = 0,
    body: bytes = b"",
    flushed: int = 0,
    *,
    dialect: int = 0,
    length: int | None = None,
    zero: int = 0,
) -> bytes:
    """A record with a CRC-32 that is right, whatever else is wrong with it."""
    length = len(body) if length is None else length
    header = b"LCS1" + struct.pack(
        ">BBHIQIIQ", kind, dialect, zero, agency, first, bets, length, flushed
    )
    return header + struct.pack(">I", zlib.crc32(header + body)) + body


def rows_of(agency: int, count: int, *, seed: int = 1, winners: int = 1) -> list[str]:
    """Rows as an agency sends them, without LF; the first ``winners`` of them win."""
    chance = random.Random(f"{seed} {agency}")
    names = ["Ana", "Zoë", "Iñaki", "Juan Cruz", "O'Hara", "Åse-Lill", "Влад", "李"]
    rows = []
    for index in range(count):
        number = WINNING_NUMBER if index < winners else chance.choice([42, 7, 9999, 1234])
        day = date(1950, 1, 1).toordinal() + chance.randrange(20000)
        rows.append(
            f"{chance.choice(names)},{chance.choice(names)},{chance.randrange(10**7, 10**8)},"
            f"{date.fromordinal(day).isoformat()},{number:04d}"
        )
    return rows


@dataclass
class SegmentRig:
    """A segment in the making; records of one group have the same ``flushed``.

    ``places`` is where each record begins, ``data`` all of it so far.
    """

    draw: int
    number: int
    data: bytes = b""
    flushed: int = 0
    places: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.add(record_bytes(HEAD, 0, self.draw, self.number))

    @property
    def name(self) -> str:
        """Of the file."""
        return f"segment-{self.number:04d}.log"

    def add(self, record: bytes) -> None:
        """Append bytes that are, or should be, a record."""
        self.places.append(len(self.data))
        self.data += record

    def rows(self, agency: int, first: int, rows: Sequence[str], dialect: int = 0) -> None:
        """Append ROWS."""
        body = "".join(f"{agency},{row}\n" for row in rows).encode()
        self.add(record_bytes(ROWS, agency, first, len(rows), body, self.flushed, dialect=dialect))

    def end(self, agency: int, total: int, nonce: bytes, dialect: int = 0) -> None:
        """Append an END."""
        self.add(record_bytes(END, agency, total, 0, nonce, self.flushed, dialect=dialect))

    def flush(self) -> None:
        """Begin a new group."""
        self.flushed = len(self.data)

    def close(self) -> None:
        """Append a CLOSE."""
        self.flush()
        self.add(record_bytes(CLOSE, flushed=self.flushed))


@dataclass
class AgencyRig:
    """What an agency sends, and what becomes of it."""

    agency: int
    rows: list[str]
    classic: bool = False
    left_out: str = ""

    @property
    def nonce(self) -> bytes:
        """Its random bytes."""
        return b"" if self.classic else hashlib.sha256(b"%d" % self.agency).digest()

    @property
    def stored(self) -> bytes:
        """Its rows as in ``bets.csv``."""
        return "".join(f"{self.agency},{row}\n" for row in self.rows).encode()

    @property
    def winning(self) -> bytes:
        """Its winning rows as in ``winners.csv``."""
        rows = self.stored.splitlines(keepends=True)
        return b"".join(row for row in rows if row.endswith(b",%d\n" % WINNING_NUMBER))


@dataclass
class DrawRig:
    """A draw: its agencies, and the segments that hold their bets."""

    number: int
    agencies: list[AgencyRig]
    segments: list[SegmentRig]

    def files(self, state: str) -> dict[str, bytes]:
        """The files of the draw in a state, by name; void is for one in which nobody succeeded."""
        files = {each.name: each.data for each in self.segments}
        if state in ("sealed", "drawn", "delivered"):
            files["bets.csv"] = b"".join(each.stored for each in self.agencies)
        if state in ("drawn", "delivered"):
            files["winners.csv"] = b"".join(
                each.winning for each in self.agencies if not each.left_out
            )
        files["draw.json"] = sealed_json(self.members(state, files))
        return files

    def members(self, state: str, files: Mapping[str, bytes]) -> dict[str, Any]:
        """The members of the draw's record, but for its digest."""
        sealed = state in ("sealed", "drawn", "delivered", "void")
        drawn = state in ("drawn", "delivered")
        agencies = [] if state == "open" else [self._part(each, state) for each in self.agencies]
        segments = [
            {"name": each.name, "bytes": len(each.data), "sha256": sha256(each.data)}
            for each in self.segments
        ]
        return {
            "format": "lottery draw 1",
            "draw": self.number,
            "state": state,
            "places": 5,
            "agencies": agencies,
            "segments": segments if sealed else [],
            "bets_csv": digest_of(files["bets.csv"]) if sealed and state != "void" else None,
            "winning_number": WINNING_NUMBER if drawn else None,
            "winners_csv": digest_of(files["winners.csv"]) if drawn else None,
        }

    def _part(self, each: AgencyRig, state: str) -> dict[str, Any]:
        sealed = state in ("sealed", "drawn", "delivered", "void")
        succeeded = not each.left_out
        sent = b"" if each.classic else "".join(f"{row}\n" for row in each.rows).encode()
        won = state in ("drawn", "delivered") and succeeded
        return {
            "agency": each.agency,
            "dialect": "classic" if each.classic else "lottery/1",
            "outcome": "succeeded" if succeeded else "left_out",
            "reason": each.left_out,
            "bets": len(each.rows),
            "crc32": f"{zlib.crc32(sent):08x}",
            "nonce": each.nonce.hex() if succeeded else "",
            "bytes": len(each.stored) if sealed else None,
            "sha256": sha256(each.stored) if sealed else None,
            "winners": each.winning.count(b"\n") if won else None,
            "received": each.agency % 2 == 1 if state == "delivered" and succeeded else None,
        }


def a_draw(
    state: str = "delivered",
    *,
    number: int = 1,
    bets: int = 6,
    batch: int = 2,
    segments: int = 2,
    agencies: int = 4,
    closed: bool = True,
    seed: int = 1,
) -> DrawRig:
    """A draw that is fit for a state.

    Agency 2 is a classic one; the last one is left out, in a void draw all are. The bets of
    each agency go on from segment to segment, batches of all agencies take turns.
    """
    everyone = []
    for agency in range(1, agencies + 1):
        left_out = "it did not come back within 30 s — très tard" if agency == agencies else ""
        if state == "void":
            left_out = "it was silent for 30 s"
        rows = rows_of(agency, bets + agency, seed=seed * 100 + number)
        everyone.append(AgencyRig(agency, rows, agency == 2, left_out))
    rigs = []
    for count in range(segments):
        segment = SegmentRig(number, count + 1)
        share = [
            (each, len(each.rows) * count // segments, len(each.rows) * (count + 1) // segments)
            for each in everyone
        ]
        for step in range(0, bets + agencies, batch):
            for each, begin, end in share:
                first, until = begin + step, min(begin + step + batch, end)
                if first < until:
                    segment.rows(each.agency, first, each.rows[first:until], each.classic)
            segment.flush()
        if count == segments - 1:
            for each in everyone:
                if not each.left_out:
                    segment.end(each.agency, len(each.rows), each.nonce, each.classic)
            segment.flush()
        if closed:
            segment.close()
        rigs.append(segment)
    return DrawRig(number, everyone, rigs)


def sealed_json(members: Mapping[str, Any]) -> bytes:
    """A draw's record with a digest that is right, whatever else is wrong with it."""
    begin = json.dumps(members, indent=2, ensure_ascii=False).encode()
    assert begin.endswith(b"\n}")
    return with_digest(begin[:-2] + b",\n")


def with_digest(begin: bytes) -> bytes:
    """What begins like this, and ends with the digest of that."""
    return begin + f'  "sha256": "{sha256(begin)}"\n}}\n'.encode()


def resealed(record: bytes, old: str, new: str) -> bytes:
    """A record in which some text is another one, with a digest that is right again."""
    begin = record[: record.rindex(b'  "sha256"')]
    assert old.encode() in begin
    return with_digest(begin.replace(old.encode(), new.encode(), 1))


def intake_lines(*noted: tuple[int, int]) -> bytes:
    """What ``intake.csv`` says of these seconds behind noon of 2026-11-26, and counts."""
    noon = datetime(2026, 11, 26, 12, tzinfo=UTC)
    return b"".join(
        f"{noon + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}Z,{bets}\n".encode()
        for second, bets in noted
    )


def digest_of(data: bytes) -> dict[str, Any]:
    """What the record says of ``bets.csv`` or ``winners.csv``."""
    return {"bets": data.count(b"\n"), "bytes": len(data), "sha256": sha256(data)}


def sha256(data: bytes) -> str:
    """As hex."""
    return hashlib.sha256(data).hexdigest()


def write_draw(data_dir: Path, number: int, files: Mapping[str, bytes]) -> Path:
    """Write the files of a draw into a data directory, and give the draw's directory."""
    path = data_dir / "draws" / f"{number:06d}"
    path.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def audited(data_dir: Path, files: Mapping[str, bytes], number: int = 1) -> DrawReport:
    """Write the files of a draw and check it; nothing changes meanwhile."""
    return audit_draw(write_draw(data_dir, number, files), number, TODAY, pause=_never)


def _never(seconds: float) -> None:
    raise AssertionError("files that do not change are checked once")
