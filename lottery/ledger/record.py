"""A draw's record: which step it has reached, whose bets take part, and the digests of all of it.

``draw.json``, whose exact bytes are in ``docs/ledger.md``. Its last member is the SHA-256 of
all that stands before, so no bit of it changes unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from lottery.errors import DamagedLedger
from lottery.ledger.publish import published

FORMAT: Final = "lottery draw 1"
STATES: Final = ("open", "closing", "sealed", "drawn", "delivered", "void")
DIALECTS: Final = ("lottery/1", "classic")
OUTCOMES: Final = ("succeeded", "left_out")

Nonce = bytes  # as a class with a member "bytes" has to call it


@frozen
class FileDigest:
    """A file of rows: how many bets, how many bytes, and their SHA-256 in hex."""

    bets: int
    bytes: int
    sha256: str


@frozen
class SegmentDigest:
    """A segment by its name: how many bytes, and their SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


@frozen
class AgencyPart:
    """An agency's part in a draw.

    :ivar reason: why it is left out; empty if it has succeeded.
    :ivar bets: how many are stored; exact from sealed on.
    :ivar crc32: of its rows as sent; 0 for a classic agency, and for none.
    :ivar nonce: the random bytes of its END.
    :ivar bytes: how long its rows in ``bets.csv`` are; from sealed or void on.
    :ivar sha256: of these, in hex.
    :ivar winners: how many of its rows have won; from drawn on, None if it is left out.
    :ivar received: whether it has its winners; from delivered on, None if it is left out.
    """

    agency: int
    dialect: str
    outcome: str
    reason: str = ""
    bets: int = 0
    crc32: int = 0
    nonce: Nonce = b""
    bytes: int | None = None
    sha256: str | None = None
    winners: int | None = None
    received: bool | None = None

    @property
    def succeeded(self) -> bool:
        """Whether its bets take part."""
        return self.outcome == "succeeded"


def _by_agency(parts: Iterable[AgencyPart]) -> tuple[AgencyPart, ...]:
    return tuple(sorted(parts, key=lambda part: part.agency))


@frozen
class DrawRecord:
    """How far a draw has come.

    :ivar draw: its number, from 1 up.
    :ivar state: one of ``STATES``.
    :ivar places: how many agencies it has room for.
    :ivar agencies: those that took a place, by number; none while it is open.
    :ivar segments: from sealed or void on.
    :ivar bets_csv: from sealed on; None if void.
    :ivar winning_number: from drawn on, as is ``winners_csv``.
    :ivar commitment: SHA-256, in hex, of the secret that the number is made of; None if the
        number is a fixed one.
    :ivar secret: 32 bytes; from drawn on, if there is a commitment.
    """

    draw: int
    state: str
    places: int
    agencies: tuple[AgencyPart, ...] = field(default=(), converter=_by_agency)
    segments: tuple[SegmentDigest, ...] = ()
    bets_csv: FileDigest | None = None
    winning_number: int | None = None
    winners_csv: FileDigest | None = None
    commitment: str | None = None
    secret: bytes | None = None

    @property
    def succeeded(self) -> tuple[AgencyPart, ...]:
        """The parts of those whose bets take part."""
        return tuple(part for part in self.agencies if part.succeeded)

    @property
    def nonces(self) -> tuple[tuple[int, Nonce], ...]:
        """Of each of them that has random bytes, its number and those, in order."""
        return tuple((part.agency, part.nonce) for part in self.succeeded if part.nonce)

    def part_of(self, agency: int) -> AgencyPart | None:
        """Give the part of an agency, if it took a place."""
        return next((part for part in self.agencies if part.agency == agency), None)


def read_record(path: Path) -> DrawRecord:
    """Give the record that is published.

    :raises DamagedLedger: if any byte of it is not what was written.
    :raises OSError: if it cannot be read.
    """
    return decode(path.read_bytes(), str(path))


def decode(data: bytes, where: str) -> DrawRecord:
    """Give the record that :func:`encode` has made these bytes of.

    :raises DamagedLedger: if any of them is not what was written; it names ``where``.
    """
    head = data[: -len(_last_lines(b""))]
    if data != head + _last_lines(head):
        raise DamagedLedger(where, 0, "its SHA-256 is another one than it says")
    try:
        record = _record_of(json.loads(data))
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedLedger(where, 0, "it is no record of this format") from error
    if encode(record) != data:
        raise DamagedLedger(where, 0, "it is no record of this format")
    return record


def publish(record: DrawRecord, path: Path) -> None:
    """Put a record in the place of the one before it, whole and on disk.

    :raises OSError: if that fails; then nobody may be told of it.
    """
    with published(path) as out:
        out.write(encode(record))


def encode(record: DrawRecord) -> bytes:
    """Give the bytes of ``draw.json``."""
    members: dict[str, object] = {
        "format": FORMAT,
        "draw": record.draw,
        "state": record.state,
        "places": record.places,
        "agencies": [_members_of(part) for part in record.agencies],
        "segments": [
            {"name": each.name, "bytes": each.bytes, "sha256": each.sha256}
            for each in record.segments
        ],
        "bets_csv": _digest_members(record.bets_csv),
        "winning_number": record.winning_number,
        "winners_csv": _digest_members(record.winners_csv),
    }
    if record.commitment is not None:
        members["commitment"] = record.commitment
        members["secret"] = None if record.secret is None else record.secret.hex()
    text = json.dumps(members, indent=2, ensure_ascii=False).removesuffix("\n}") + ",\n"
    # What UTF-8 does not know can be escaped, as JSON may have any character.
    head = text.encode(errors="backslashreplace")
    return head + _last_lines(head)


def _last_lines(head: bytes) -> bytes:
    return b'  "sha256": "%s"\n}\n' % hashlib.sha256(head).hexdigest().encode()


def _members_of(part: AgencyPart) -> dict[str, object]:
    return {
        "agency": part.agency,
        "dialect": part.dialect,
        "outcome": part.outcome,
        "reason": part.reason,
        "bets": part.bets,
        "crc32": f"{part.crc32:08x}",
        "nonce": part.nonce.hex(),
        "bytes": part.bytes,
        "sha256": part.sha256,
        "winners": part.winners,
        "received": part.received,
    }


def _digest_members(digest: FileDigest | None) -> dict[str, object] | None:
    if digest is None:
        return None
    return {"bets": digest.bets, "bytes": digest.bytes, "sha256": digest.sha256}


# Back again. Order, spelling and what else there is show when the record is encoded anew.


def _record_of(members: dict[str, Any]) -> DrawRecord:
    state = _one_of(members["state"], STATES)
    record = DrawRecord(
        _typed(members["draw"], int),
        state,
        _typed(members["places"], int),
        tuple(_part_of(each) for each in _typed(members["agencies"], list)),
        tuple(
            SegmentDigest(
                _typed(each["name"], str), _typed(each["bytes"], int), _typed(each["sha256"], str)
            )
            for each in _typed(members["segments"], list)
        ),
        _digest_of(members["bets_csv"]),
        _typed(members["winning_number"], int, type(None)),
        _digest_of(members["winners_csv"]),
        _typed(members.get("commitment"), str, type(None)),
        _bytes_of(members.get("secret")),
    )
    drawn = state in ("drawn", "delivered")
    if (record.bets_csv is not None) != (drawn or state == "sealed"):
        raise ValueError("bets_csv is there, or not, against the state")
    if {record.winning_number is not None, record.winners_csv is not None} != {drawn}:
        raise ValueError("the winners are there, or not, against the state")
    if (record.secret is not None) != (drawn and record.commitment is not None):
        raise ValueError("the secret is there, or not, against the state")
    return record


def _part_of(members: dict[str, Any]) -> AgencyPart:
    return AgencyPart(
        _typed(members["agency"], int),
        _one_of(members["dialect"], DIALECTS),
        _one_of(members["outcome"], OUTCOMES),
        _typed(members["reason"], str),
        _typed(members["bets"], int),
        int(_typed(members["crc32"], str), 16),
        bytes.fromhex(_typed(members["nonce"], str)),
        _typed(members["bytes"], int, type(None)),
        _typed(members["sha256"], str, type(None)),
        _typed(members["winners"], int, type(None)),
        _typed(members["received"], bool, type(None)),
    )


def _digest_of(members: dict[str, Any] | None) -> FileDigest | None:
    if members is None:
        return None
    return FileDigest(
        _typed(members["bets"], int), _typed(members["bytes"], int), _typed(members["sha256"], str)
    )


def _bytes_of(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(_typed(text, str))


def _typed(value: Any, *types: type) -> Any:
    """Give the value if it has exactly one of these types, of which True has not int."""
    if type(value) not in types:
        raise TypeError(f"{value!r} is of another type")
    return value


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is not known")
    return str(value)
