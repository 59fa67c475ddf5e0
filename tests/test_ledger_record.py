"""``lottery.ledger.record``: a draw's record to the byte, and no byte of it changes unseen."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import lottery.ledger.record as record_module
from lottery.errors import DamagedLedger
from lottery.ledger.record import (
    AgencyPart,
    DrawRecord,
    FileDigest,
    SegmentDigest,
    encode,
    publish,
    read_record,
)

NONCE = bytes(range(32))
OPEN = DrawRecord(1, "open", 5)
CLOSING = DrawRecord(
    12,
    "closing",
    3,
    (
        AgencyPart(7, "classic", "left_out", "cut off at «noon»", 3),
        AgencyPart(1, "lottery/1", "succeeded", "", 1343, 0x1A2B3C4D, NONCE),
    ),
)
SEALED = evolve(
    CLOSING,
    state="sealed",
    agencies=[
        evolve(CLOSING.agencies[0], bytes=70000, sha256="a" * 64),
        evolve(CLOSING.agencies[1], bytes=0, sha256="b" * 64),
    ],
    segments=(SegmentDigest("segment-0001.log", 70100, "c" * 64),),
    bets_csv=FileDigest(1346, 70000, "d" * 64),
)
DRAWN = evolve(
    SEALED,
    state="drawn",
    agencies=[evolve(SEALED.agencies[0], winners=2), SEALED.agencies[1]],
    winning_number=7574,
    winners_csv=FileDigest(2, 99, "e" * 64),
)
DELIVERED = evolve(
    DRAWN,
    state="delivered",
    agencies=[evolve(DRAWN.agencies[0], received=True), DRAWN.agencies[1]],
)
VOID = evolve(SEALED, state="void", agencies=[SEALED.agencies[1]], bets_csv=None)
ALL = [OPEN, CLOSING, SEALED, DRAWN, DELIVERED, VOID]

OPEN_TEXT = """{
  "format": "lottery draw 1",
  "draw": 1,
  "state": "open",
  "places": 5,
  "agencies": [],
  "segments": [],
  "bets_csv": null,
  "winning_number": null,
  "winners_csv": null,
"""
DELIVERED_TEXT = """{
  "format": "lottery draw 1",
  "draw": 12,
  "state": "delivered",
  "places": 3,
  "agencies": [
    {
      "agency": 1,
      "dialect": "lottery/1",
      "outcome": "succeeded",
      "reason": "",
      "bets": 1343,
      "crc32": "1a2b3c4d",
      "nonce": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
      "bytes": 70000,
      "sha256": "AAAA",
      "winners": 2,
      "received": true
    },
    {
      "agency": 7,
      "dialect": "classic",
      "outcome": "left_out",
      "reason": "cut off at «noon»",
      "bets": 3,
      "crc32": "00000000",
      "nonce": "",
      "bytes": 0,
      "sha256": "BBBB",
      "winners": null,
      "received": null
    }
  ],
  "segments": [
    {
      "name": "segment-0001.log",
      "bytes": 70100,
      "sha256": "CCCC"
    }
  ],
  "bets_csv": {
    "bets": 1346,
    "bytes": 70000,
    "sha256": "DDDD"
  },
  "winning_number": 7574,
  "winners_csv": {
    "bets": 2,
    "bytes": 99,
    "sha256": "EEEE"
  },
"""
for letter in "ABCDE":
    DELIVERED_TEXT = DELIVERED_TEXT.replace(letter * 4, letter.lower() * 64)


def sealed_text(text: str) -> bytes:
    """The text with the last two lines that it needs."""
    head = text.encode()
    return head + f'  "sha256": "{hashlib.sha256(head).hexdigest()}"\n}}\n'.encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the record is."""
    return tmp_path / "draw.json"


@pytest.mark.parametrize(("record", "text"), [(OPEN, OPEN_TEXT), (DELIVERED, DELIVERED_TEXT)])
def test_exact_bytes(path: Path, record: DrawRecord, text: str) -> None:
    """What is published, to the byte; and it is read back."""
    publish(record, path)
    assert path.read_bytes() == sealed_text(text)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert read_record(path) == record


@pytest.mark.parametrize("record", ALL, ids=lambda record: record.state)
def test_round_trip(path: Path, record: DrawRecord) -> None:
    """Every state is read as it was written, and replaces the one before it."""
    path.write_bytes(b"older and longer" * 1000)
    publish(record, path)
    assert read_record(path) == record
    assert json.loads(path.read_bytes())["state"] == record.state
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("reason", ["", 'a "quoted" \\ line\n', "\u2028ñ\U0001f600", "\udcff x"])
def test_any_reason(path: Path, reason: str) -> None:
    """Also one with characters that UTF-8 does not know."""
    record = evolve(CLOSING, agencies=[AgencyPart(1, "classic", "left_out", reason)])
    publish(record, path)
    assert read_record(path) == record


def test_every_flipped_bit_is_found(path: Path) -> None:
    """Wherever it is, also within the digest."""
    for whole, bits in ((encode(OPEN), 8), (encode(DELIVERED), 1)):
        for at in range(len(whole)):
            for bit in range(bits):
                data = bytearray(whole)
                data[at] ^= 1 << (at + bit) % 8
                path.write_bytes(data)
                with pytest.raises(DamagedLedger) as error:
                    read_record(path)
                assert (error.value.path, error.value.offset) == (str(path), 0)


def test_every_cut_is_found(path: Path) -> None:
    """Cut at the end or at the begin, or with anything behind it."""
    whole = encode(OPEN)
    for cut in range(len(whole)):
        for data in (whole[:cut], whole[cut + 1 :], whole + whole[: cut + 1]):
            path.write_bytes(data)
            with pytest.raises(DamagedLedger, match="its SHA-256 is another one than it says"):
                read_record(path)


def test_missing_record(path: Path) -> None:
    """A file that is not there is an error, not damage."""
    with pytest.raises(FileNotFoundError):
        read_record(path)


SWAPS = [
    ("lottery draw 1", "lottery draw 2"),
    ('"draw": 12', '"draw": true'),
    ('"draw": 12', '"draw": 12.0'),
    ('"draw": 12', '"draw": 012'),
    ('"draw": 12,\n', '"draw": 12,\n  "more": 1,\n'),
    ('"draw": 12', '"draw":  12'),
    ('  "places": 3,\n', ""),
    ('"state": "delivered"', '"state": "done"'),
    ('"state": "delivered"', '"state": ["delivered"]'),
    ('"state": "delivered"', '"state": "sealed"'),
    ('"state": "delivered"', '"state": "void"'),
    ('"state": "delivered"', '"state": "open"'),
    ('"winning_number": 7574', '"winning_number": null'),
    ('"winning_number": 7574', '"winning_number": "7574"'),
    ('"received": true', '"received": 1'),
    ('"received": true', '"received": "yes"'),
    ('"winners": 2', '"winners": false'),
    ('"crc32": "1a2b3c4d"', '"crc32": "1A2B3C4D"'),
    ('"crc32": "1a2b3c4d"', '"crc32": "xyz"'),
    ('"crc32": "1a2b3c4d"', '"crc32": 439041101'),
    ('"nonce": ""', '"nonce": "0"'),
    ('"nonce": ""', '"nonce": null'),
    ('"dialect": "classic"', '"dialect": "modern"'),
    ('"outcome": "left_out"', '"outcome": "failed"'),
    ('"agency": 1,', '"agency": 9,'),
    ('"agencies": [', '"agencies": {}, "others": ['),
    ('"segments": [', '"segments": [[], '),
    ('"name": "segment-0001.log"', '"name": 1'),
    ("«noon»", "\\u00abnoon»"),
]


@pytest.mark.parametrize(("old", "new"), SWAPS)
def test_other_forms(path: Path, old: str, new: str) -> None:
    """What is not written as we write it is no record, although its digest is right."""
    assert old in DELIVERED_TEXT
    path.write_bytes(sealed_text(DELIVERED_TEXT.replace(old, new, 1)))
    with pytest.raises(DamagedLedger, match="it is no record of this format"):
        read_record(path)


@pytest.mark.parametrize("text", ["", "[]", "null,\n", '{"format": 1,\n', "\x00"])
def test_no_json(path: Path, text: str) -> None:
    """Neither is anything else with a digest behind it."""
    path.write_bytes(sealed_text(text))
    with pytest.raises(DamagedLedger, match="it is no record of this format"):
        read_record(path)


def test_bytes_that_are_no_text(path: Path) -> None:
    """Nor what is no UTF-8."""
    path.write_bytes(
        b"\xff" + record_module._last_lines(b"\xff"),
    )
    with pytest.raises(DamagedLedger, match="it is no record of this format"):
        read_record(path)


def test_failed_publication(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error, and the record before it stays."""
    publish(OPEN, path)

    def fail(*arguments: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        publish(CLOSING, path)
    assert read_record(path) == OPEN


def test_agencies_in_order() -> None:
    """They stand by number, however they were handed in, and are found."""
    assert [part.agency for part in CLOSING.agencies] == [1, 7]
    assert CLOSING.part_of(7) == CLOSING.agencies[1]
    assert CLOSING.part_of(2) is None
    assert [part.agency for part in CLOSING.succeeded] == [1]


numbers = st.integers(0, 2**40)
hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
digests = st.builds(FileDigest, numbers, numbers, hexes)
parts = st.builds(
    AgencyPart,
    st.integers(0, 2**32 - 1),
    st.sampled_from(["lottery/1", "classic"]),
    st.sampled_from(["succeeded", "left_out"]),
    st.text(),
    numbers,
    st.integers(0, 2**32 - 1),
    st.sampled_from([b"", NONCE]),
    st.none() | numbers,
    st.none() | hexes,
    st.none() | numbers,
    st.none() | st.booleans(),
)


@st.composite
def records(draw: st.DrawFn) -> DrawRecord:
    """Any record whose members fit its state."""
    state: Any = draw(st.sampled_from(record_module.STATES))
    drawn = state in ("drawn", "delivered")
    return DrawRecord(
        draw(numbers),
        state,
        draw(numbers),
        tuple(draw(st.lists(parts, max_size=3))),
        tuple(draw(st.lists(st.builds(SegmentDigest, st.text(), numbers, hexes), max_size=2))),
        draw(digests) if drawn or state == "sealed" else None,
        draw(st.integers(0, 9999)) if drawn else None,
        draw(digests) if drawn else None,
    )


@given(records())
def test_any_record(tmp_path_factory: pytest.TempPathFactory, record: DrawRecord) -> None:
    """Whatever is published is read back the same, with a right digest by hand."""
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(encode(record))
    assert read_record(path) == record
    data = path.read_bytes()
    head, _, rest = data.rpartition(b'  "sha256": ')
    assert rest == b'"%s"\n}\n' % hashlib.sha256(head).hexdigest().encode()
