"""Bad input against one live central: a code and a sentence, nothing stored, nobody else harmed.

The tables say for each input what the central has to answer. All of them run against the same
central, one after the other, while a neighbour keeps sending good batches in between: it must
never notice. What others have stored is compared before and after each row.

That central speaks TLS and has a roster; everybody comes with the certificate of their number. TLS
has no half of a connection to close: where that matters, another central stands, in plain text.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from attrs import frozen
from classic_agency import END, STORED, ClassicAgency, batch_of, frame, payload_of
from live import LiveCentral, made_up
from lottery1_agency import (
    ACK,
    BATCH,
    ERROR,
    REFUSED,
    Lottery1Agency,
    batch,
    batch_of_bytes,
    end,
    error_in,
    frames_in,
    hello,
    received,
    refusal_in,
)
from town import Town, left_alone, tls_town

GOOD: Final = "Ana,Paz,30904465,1999-03-17,2201"
OTHER: Final = "Juan,Gil,24807259,1984-12-01,42"
HEADER_LINE: Final = "nombre,apellido,documento,nacimiento,numero"
TOMORROW: Final = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
TODAY: Final = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()

#: Each whole frame takes a place, so there are many.
OPTIONS: Final = ("--agencies", 5000, "--writers", 2, "--silence", 120)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The central of nearly all rows."""
    with tls_town(tmp_path_factory.mktemp("town"), 1500, *OPTIONS, "--allow-classic") as made:
        yield made


@pytest.fixture(scope="module")
def plain_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The central of those who close half of a connection."""
    with (
        LiveCentral(tmp_path_factory.mktemp("plain"), *OPTIONS) as central,
        Town(central, None).with_neighbour() as made,
    ):
        yield made


# Batches that are refused, and batches that are taken, in both dialects.


@frozen
class BadBatch:
    """A batch that breaks a rule.

    :ivar rows: as bytes, without their ends; the bad one is the second unless said otherwise.
    :ivar field: which field is named, from 1; 0: none.
    :ivar says: what the sentence holds.
    :ivar row: which row is named.
    :ivar other: code, row and field in lottery/1, where separators mean other things.
    """

    rows: Sequence[bytes]
    field: int
    says: str
    row: int = 2
    other: tuple[str, int, int] | None = None


def _in_field(field: int, value: str | bytes, says: str, **more: object) -> BadBatch:
    """A batch of three rows; the second has this value in a field."""
    fields: list[bytes] = GOOD.encode().split(b",")
    fields[field - 1] = value.encode() if isinstance(value, str) else value
    rows = (OTHER.encode(), b",".join(fields), OTHER.encode())
    return BadBatch(rows, field, says, **more)  # type: ignore[arg-type]


def _names(value: str | bytes, says: str) -> Iterator[tuple[str, BadBatch]]:
    yield "first", _in_field(1, value, says)
    yield "last", _in_field(2, value, says)


def _bad_batches() -> Iterator[tuple[str, BadBatch]]:
    names: dict[str, tuple[str | bytes, str]] = {
        "B27-overlong": (b"An\xc0\xaf", "UTF-8"),
        "B27-surrogate": (b"\xed\xa0\x80", "UTF-8"),
        "B27-latin-1": (b"Nicol\xe1s", "UTF-8"),
        "B27-cut": (b"Nicol\xc3", "UTF-8"),
        "B28-nul": ("An\0a", "U+0000"),
        "B29-cr": ("Ana\rPaz", "U+000D"),
        "B30-next-line": ("Ana\u0085", "U+0085"),
        "B30-line-separator": ("Ana\u2028Paz", "U+2028"),
        "B30-vertical-tab": ("Ana\x0bPaz", "U+000B"),
        "B30-file-separator": ("Ana\x1cPaz", "U+001C"),
        "B31-quotes": ('O"Neil', "U+0022"),
        "B32-lone-quote": ('"Ana', "U+0022"),
        "B33-equals": ("=HYPERLINK(1)", "start"),
        "B33-plus": ("+1", "start"),
        "B33-minus": ("-1", "start"),
        "B33-at": ("@SUM(1)", "start"),
        "B33-tab": ("\tAna", "U+0009"),
        "B34-escape": ("\x1b[31mAna", "U+001B"),
        "B34-right-to-left": ("Ana\u202e", "U+202E"),
        "B34-zero-width": ("A\u200bna", "U+200B"),
        "B36-empty": ("", "empty"),
        "B36-blank": ("   ", "blank"),
        "B36-65-characters": ("a" * 65, "65 characters"),
        "B36-65-wide-characters": ("ñ" * 65, "65 characters"),
        "B36-7000-characters": ("a" * 7000, "7000 characters"),
    }
    for name, (value, says) in names.items():
        for which, bad in _names(value, says):
            yield f"{name}-{which}", bad
    documents: dict[str, tuple[str | bytes, str]] = {
        "B38-minus": ("-1", "U+002D"),
        "B38-plus": ("+30904465", "U+002B"),
        "B38-blank": (" 30904465", "U+0020"),
        "B38-underscores": ("30_904_465", "U+005F"),
        "B38-points": ("30.904.465", "U+002E"),
        "B39-full-width": ("\uff13\uff10", "U+FF13"),
        "B39-arabic": ("٣٠٩٠", "U+0663"),
        "B39-superscript": ("309²", "U+00B2"),
        "B40-empty": ("", "empty"),
        "B40-16-digits": ("1" * 16, "16 characters"),
        "B40-30-digits": ("1" * 30, "30 characters"),
        "B40-5000-digits": ("9" * 5000, "5000 characters"),
    }
    for name, (value, says) in documents.items():
        yield name, _in_field(3, value, says)
    birthdates = {
        "B41-no-leap-year": "1999-02-29",
        "B41-year-zero": "0000-01-01",
        "B41-month-13": "1999-13-01",
        "B41-slashes": "17/03/1999",
        "B41-tomorrow": TOMORROW,
        "B41-1850": "1850-01-01",
        "B41-1899": "1899-12-31",
        "B41-1900-was-none": "1900-02-29",
        "B42-compact": "19990317",
        "B42-week": "1999-W11-3",
        "B42-one-digit": "1999-3-7",
        "B42-arabic": "١٩٩٩-03-17",
        "B42-blank": "1999-03-17 ",
        "B42-time": "1999-03-17T00:00",
        "B42-empty": "",
    }
    for name, value in birthdates.items():
        yield name, _in_field(4, value, "must be")
    numbers: dict[str, tuple[str, str]] = {
        "B43-minus": ("-1", "0 to 9999"),
        "B43-10000": ("10000", "0 to 9999"),
        "B43-decimal": ("75.4", "0 to 9999"),
        "B43-long-decimal": ("7574.0", "0 to 9999"),
        "B43-hexadecimal": ("0x1D", "0 to 9999"),
        "B43-blank": ("757 ", "0 to 9999"),
        "B43-underscore": ("7_57", "0 to 9999"),
        "B43-arabic": ("٧٥٧٤", "0 to 9999"),
        "B43-empty": ("", "0 to 9999"),
        "B44-five-digits": ("07574", "0 to 9999"),
    }
    for name, (value, says) in numbers.items():
        yield name, _in_field(5, value, says)
    # Separators within a field: they end it, or the row, so what is wrong depends on the dialect.
    yield "B29-lf", _in_field(1, "Ana\n9", "U+000A", other=("BATCH", 2, 0))
    yield "B29-crlf", _in_field(2, "Paz\r\n9", "U+000D", other=("BATCH", 2, 0))
    yield "B29-row", _in_field(1, f"{GOOD}\nAna", "digit", other=("BATCH", 0, 0))
    yield "B31-comma", _in_field(1, 'O"Neil, Jr', "U+0022", other=("BATCH", 2, 0))
    yield "B31-plain-comma", _in_field(2, "Paz, Jr", "digits", other=("BATCH", 2, 0))
    good = OTHER.encode()
    yield "B45-header", BadBatch((HEADER_LINE.encode(), good), 3, "U+0064", row=1)
    yield (
        "B45-5-columns-as-4",
        BadBatch((good, b"Ana,30904465,1999-03-17,2201", good), 3, "", other=("BATCH", 2, 0)),
    )
    yield (
        "B45-7-columns",
        BadBatch((good, b"1,Ana,Paz,30904465,1999-03-17,1,2", good), 3, "", other=("BATCH", 2, 0)),
    )


BAD: Final = dict(_bad_batches())


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_batch_in_the_classic_dialect(town: Town, bad: BadBatch) -> None:
    """``FF``, and the session is over; row, field and reason are in the log."""

    def play() -> None:
        since = len(town.central.lines)
        with town.classic() as agency:
            agency.send(frame(b"\x01", b"".join(row + b"," for row in bad.rows)))
            agency.refused()
            line = town.central.wait_for(
                rf"action: agency \| result: fail .* port: {agency.address[1]} "
                r"\| code: (FIELD|BATCH) \| error: (.*)",
                since=since,
            )
            assert re.match(r"row \d+, \S", line[2]), line[2]
            if bad.other is None:
                assert line[1] == "FIELD"
                assert line[2].startswith(f"row {bad.row}, ")
                assert bad.says in line[2]

    left_alone(town, play)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_batch_in_lottery1(town: Town, bad: BadBatch) -> None:
    """REFUSED for good with code, row, field and a sentence; the session is over."""

    def play() -> None:
        number = town.next_agency()
        with town.comes(number) as agency:
            agency.greet(number)
            agency.send(batch_of_bytes(0, len(bad.rows), b"".join(r + b"\n" for r in bad.rows)))
            refusal = agency.refusal()
            assert (refusal.again, refusal.expected) == (0, 0)
            expected = bad.other or ("FIELD", bad.row, bad.field)
            assert (refusal.code, refusal.row, refusal.field) == expected
            assert refusal.sentence
            assert "Ana" not in refusal.sentence
            if bad.other is None:
                assert bad.says in refusal.sentence

    left_alone(town, play)


def _exactly(length: int) -> list[str]:
    """Rows that make exactly so many bytes, each with its end."""
    rows: list[str] = []
    while length:
        # Rows of 100 bytes; what is left makes one or two with names as long as needed.
        size = 100 if length >= 200 else length if length <= 140 else length // 2
        names = size - len(",,1,1990-05-17,1,")
        rows.append(f"{'A' * (names // 2)},{'B' * (names - names // 2)},1,1990-05-17,1")
        length -= size
    return rows


GOOD_ROWS: Final = {
    "B35-composed": ["Nicol\u00e1s,Paz,1,1990-05-17,1"],
    "B35-decomposed": ["Nicola\u0301s,Paz,1,1990-05-17,1"],
    "B36-64-characters": [f"{'ñ' * 64},{'z' * 64},1,1990-05-17,1"],
    "B37-apostrophe": ["O'Higgins,D'Ángelo,1,1990-05-17,1"],
    "B37-hyphen-and-tilde": ["María-José,Ñandú,1,1990-05-17,1"],
    "B37-other-scripts": ["Ωραία,中村 あ,1,1990-05-17,1"],
    "B40-zero": ["Ana,Paz,0,1990-05-17,1"],
    "B40-leading-zeros": ["Ana,Paz,000123,1990-05-17,1"],
    "B40-15-digits": ["Ana,Paz,999999999999999,1990-05-17,1"],
    "B41-first-and-last-day": ["Ana,Paz,1,1900-01-01,1", f"Ana,Paz,1,{TODAY},1"],
    "B41-leap-days": ["Ana,Paz,1,2000-02-29,1", "Ana,Paz,1,1904-02-29,1"],
    "B44-zero-and-9999": ["Ana,Paz,1,1990-05-17,0", "Ana,Paz,1,1990-05-17,9999"],
    "B44-leading-zeros": ["Ana,Paz,1,1990-05-17,0042", "Ana,Paz,1,1990-05-17,00"],
    "B46-twice": [GOOD, GOOD, GOOD],
}


@pytest.mark.parametrize("rows", GOOD_ROWS.values(), ids=GOOD_ROWS.keys())
@pytest.mark.parametrize("dialect", ["classic", "lottery/1"])
def test_what_looks_bad_and_is_good(town: Town, dialect: str, rows: list[str]) -> None:
    """Stored unchanged, to the byte."""
    left_alone(town, lambda: _store(town, dialect, rows), adds=rows)


@pytest.mark.parametrize("dialect", ["classic", "lottery/1"])
@pytest.mark.parametrize("length", [8191, 8192])
def test_b3_the_longest_payload(town: Town, dialect: str, length: int) -> None:
    """A payload of exactly 8192 bytes is taken, and one of 8191."""
    rows = _exactly(length if dialect == "classic" else length - 10)
    left_alone(town, lambda: _store(town, dialect, rows), adds=rows)


def test_b5_an_empty_batch(town: Town) -> None:
    """In the classic dialect it is legal, and acknowledged as any other; nothing is stored."""

    def play() -> None:
        with town.classic() as agency:
            for rows in ([], [GOOD], []):
                agency.batch(rows)
                agency.acknowledged()

    left_alone(town, play, adds=[GOOD])


def _store(town: Town, dialect: str, rows: list[str]) -> None:
    """Have rows stored, all in one batch."""
    if dialect == "classic":
        with town.classic() as agency:
            agency.batch(rows)
            agency.acknowledged()
    else:
        number = town.next_agency()
        with town.comes(number) as modern:
            modern.greet(number)
            modern.send(batch(0, rows))
            modern.acknowledged(len(rows))


# Frames that are none, or not now.


@frozen
class Nonsense:
    """Bytes of a peer, and how the central parts with it.

    :ivar sends: the bytes, made for the number of a new agency.
    :ivar first: a classic batch that is sent and acknowledged before them.
    :ivar code: what it is told: in lottery/1 as ERROR or REFUSED, classic as ``FF``.
    :ivar classic: whether the answer is one of the classic dialect.
    :ivar says: what the sentence, or the log, holds.
    :ivar before: answers to be had before the last one: type bytes.
    :ivar closes: whether the peer ends its direction after the bytes.
    :ivar plain: whether it is said in plain text.
    """

    sends: Callable[[int], bytes]
    code: str
    classic: bool = False
    first: bool = False
    says: str = ""
    before: Sequence[int] = ()
    closes: bool = False
    plain: bool = False


WELCOME: Final = 0x20
MODERN: Final = batch(0, [GOOD])
CLASSIC: Final = batch_of([GOOD])
U64: Final = 2**64 - 1
CLIENT_HELLO: Final = bytes.fromhex("16030100a5010000a10303") + bytes(32) + b"\x00\x00\x02\x13\x02"


def _plain(data: bytes) -> Callable[[int], bytes]:
    return lambda _: data


def _after_hello(data: bytes) -> Callable[[int], bytes]:
    return lambda agency: hello(agency) + data


def _nonsense() -> Iterator[tuple[str, Nonsense]]:
    yield "B1-00", Nonsense(_plain(b"\x00"), "PROTO", says="0x00")
    yield "B1-fe", Nonsense(_plain(b"\xfe" * 100), "PROTO", says="0xfe")
    yield "B1-ff-later", Nonsense(_after_hello(b"\xff"), "PROTO", says="0xff", before=[WELCOME])
    yield "B4-hello", Nonsense(_plain(frame(b"\x10", b"")), "PROTO")
    for bodiless in (BATCH, b"\x12", b"\x13"):
        name = f"B4-{bodiless.hex()}"
        yield name, Nonsense(_after_hello(frame(bodiless, b"")), "PROTO", before=[WELCOME])
    for name, index in (("B19-gap", 1), ("B23-last", U64), ("B23-wrap", U64 - 1)):
        data = batch(index, [GOOD, OTHER])
        yield name, Nonsense(_after_hello(data), "SEQ", before=[WELCOME])
    yield "B25-total", Nonsense(_after_hello(end(5)), "TOTALS", says="5", before=[WELCOME])
    yield "B25-total-last", Nonsense(_after_hello(end(U64)), "TOTALS", before=[WELCOME])
    six = batch(0, [f"7,{GOOD}"])
    yield "B50-row-of-another", Nonsense(_after_hello(six), "BATCH", before=[WELCOME])
    yield "B47-on-no-roster", Nonsense(_plain(hello(5)), "AUTH", says="agency 5")
    yield "B47-highest", Nonsense(_plain(hello(2**32 - 1)), "AUTH", says="agency 4294967295")
    yield (
        "B49-of-another",
        Nonsense(lambda a: hello(a + 1), "AUTH", says="certificate is that of agency"),
    )
    for length in (8193, 65535):
        head = struct.pack(">H", length)
        # Only the header is sent: the answer must not wait for a payload.
        yield (
            f"B2-classic-{length}",
            Nonsense(_plain(b"\x01" + head), "SIZE", classic=True, says=f"{length} bytes"),
        )
        yield (
            f"B2-classic-later-{length}",
            Nonsense(
                _plain(b"\x01" + head), "SIZE", classic=True, first=True, says=f"{length} bytes"
            ),
        )
        yield f"B2-hello-{length}", Nonsense(_plain(b"\x10" + head), "SIZE", says=f"{length} bytes")
        yield (
            f"B2-batch-{length}",
            Nonsense(_after_hello(BATCH + head), "SIZE", says="8192", before=[WELCOME]),
        )
    for sent in (1, 2, 3, 19):
        cut = CLASSIC[:sent]
        yield (
            f"B8-classic-{sent}",
            Nonsense(_plain(cut), "LEFT_OUT", classic=True, says="middle of a frame", closes=True),
        )
        yield (
            f"B8-classic-later-{sent}",
            Nonsense(
                _plain(cut),
                "LEFT_OUT",
                classic=True,
                first=True,
                says="middle of a frame",
                closes=True,
            ),
        )
        yield (
            f"B8-hello-{sent}",
            Nonsense(_plain(hello(1)[:sent]), "LEFT_OUT", says="middle of a frame", closes=True),
        )
        yield (
            f"B8-batch-{sent}",
            Nonsense(
                _after_hello(MODERN[:sent]),
                "LEFT_OUT",
                says="middle of a frame",
                before=[WELCOME],
                closes=True,
            ),
        )
    yield "B8-between", Nonsense(_after_hello(b""), "LEFT_OUT", before=[WELCOME], closes=True)
    yield "B11-batch-before-hello", Nonsense(_plain(MODERN), "STATE")
    yield "B11-end-before-hello", Nonsense(_plain(end(0)), "STATE")
    yield (
        "B11-received-before-end",
        Nonsense(_after_hello(received(1, 0)), "STATE", before=[WELCOME]),
    )
    yield "B11-second-hello", Nonsense(_after_hello(hello(3)), "STATE", before=[WELCOME])
    yield (
        "B11-batch-after-end",
        Nonsense(_after_hello(end(0) + MODERN), "STATE", before=[WELCOME]),
    )
    yield "B11-second-end", Nonsense(_after_hello(end(0) + end(0)), "STATE", before=[WELCOME])
    yield "B11-classic-batch-after-end", Nonsense(_plain(END + CLASSIC), "STATE", classic=True)
    yield "B11-classic-second-end", Nonsense(_plain(END + END), "STATE", classic=True)
    for kind in (0x02, 0x03, 0x20, 0x24):
        yield f"B12-first-{kind:02x}", Nonsense(_plain(bytes((kind, 0, 0))), "PROTO")
    for kind in (0x20, 0x21, 0x22, 0x23, 0x24):
        yield (
            f"B12-{kind:02x}",
            Nonsense(_after_hello(bytes((kind, 0, 1, 0))), "PROTO", before=[WELCOME]),
        )
    for kind in (0x02, 0x03):
        yield (
            f"B12-classic-{kind:02x}",
            Nonsense(_plain(bytes((kind,))), "PROTO", classic=True, first=True),
        )
    yield "B12-other-dialect", Nonsense(_after_hello(CLASSIC), "PROTO", before=[WELCOME])
    yield (
        "B12-classic-other-dialect",
        Nonsense(_plain(hello(3)), "PROTO", classic=True, first=True),
    )
    yield "B13-version-2", Nonsense(lambda a: hello(a, version=2), "PROTO", says="version 1")
    yield "B13-version-0", Nonsense(lambda a: hello(a, version=0), "PROTO", says="version 1")
    yield (
        "B13-longer-version-9",
        Nonsense(_plain(frame(b"\x10", b"\x09" + bytes(100))), "PROTO", says="version 1"),
    )
    yield "B13-no-version", Nonsense(_plain(frame(b"\x10", b"")), "PROTO")
    yield "B13-short-hello", Nonsense(_plain(frame(b"\x10", b"\x01\x00")), "PROTO")
    yield (
        "B14-http",
        Nonsense(
            _plain(b"GET / HTTP/1.1\r\nHost: lottery\r\n\r\n"), "PROTO", says="0x47", plain=True
        ),
    )
    yield "B14-tls", Nonsense(_plain(CLIENT_HELLO), "PROTO", says="0x16", plain=True)
    # Little-endian lengths: 70 becomes 17920, and 256 becomes 1 with the rest behind it.
    yield (
        "B15-too-long",
        Nonsense(_plain(b"\x01" + struct.pack("<H", 70) + bytes(70)), "SIZE", classic=True),
    )
    yield (
        "B15-too-short",
        Nonsense(_plain(b"\x01" + struct.pack("<H", 256) + b"A" * 256), "PROTO", classic=True),
    )
    yield (
        "B15-hello",
        Nonsense(
            _plain(b"\x10" + struct.pack("<H", 17) + bytes(17)),
            "LEFT_OUT",
            says="middle of a frame",
            closes=True,
        ),
    )
    for name, count, rows in (
        ("B16-4-of-5", 5, made_up(4)),
        ("B16-6-of-5", 5, made_up(6)),
        ("B17-count-0", 0, made_up(1)),
        ("B17-count-65535", 65535, made_up(1)),
    ):
        data = batch(0, rows, count)
        yield name, Nonsense(_after_hello(data), "BATCH", says="row count", before=[WELCOME])
    for name, count, body in (
        ("B17-nothing", 0, b""),
        ("B17-count-65535-of-nothing", 65535, b""),
        ("B17-count-65535-in-20-bytes", 65535, b"A" * 10),
        ("B18-no-last-lf", 1, GOOD.encode()),
        ("B18-trailing-byte", 1, f"{GOOD}\n ".encode()),
        ("B18-trailing-row", 1, f"{GOOD}\nAna,Paz".encode()),
        ("B18-empty-row", 2, f"{GOOD}\n\n".encode()),
    ):
        data = batch_of_bytes(0, count, body)
        yield name, Nonsense(_after_hello(data), "BATCH", before=[WELCOME])
    for name, payload in (
        ("B16-field-missing", payload_of([GOOD, "Ana,Paz,30904465,1999-03-17"])),
        ("B16-field-too-many", payload_of([GOOD, f"{GOOD},x"])),
        ("B18-no-last-comma", payload_of([OTHER, GOOD])[:-1]),
        ("B18-trailing-byte-classic", payload_of([GOOD]) + b" "),
        ("B18-cut-field", payload_of([OTHER, GOOD])[:-3]),
        ("B18-only-commas", b",,,,,"),
    ):
        yield name, Nonsense(_plain(frame(b"\x01", payload)), "(BATCH|FIELD)", classic=True)
    short = frame(BATCH, bytes(9))
    yield "B17-no-count", Nonsense(_after_hello(short), "PROTO", before=[WELCOME])


NONSENSE: Final = dict(_nonsense())


@pytest.mark.parametrize("row", NONSENSE.values(), ids=NONSENSE.keys())
def test_frames_that_are_none_or_not_now(row: Nonsense, request: pytest.FixtureRequest) -> None:
    """An answer in the peer's dialect, then the end; one short line in the log says why."""
    town: Town = request.getfixturevalue("plain_town" if row.plain or row.closes else "town")

    def play() -> None:
        since = len(town.central.lines)
        number = town.next_agency()
        with town.comes(number) as peer:
            if row.first:
                peer.send(CLASSIC)
                assert peer.receive(1) == STORED
            peer.send(row.sends(number))
            if row.closes:
                peer.finish_sending()
            answer = peer.rest()
            line = town.central.wait_for(
                rf"result: fail .* port: {peer.address[1]} \| code: {row.code} \| error: (.*)",
                since=since,
            )
            assert len(line.string) < 300
            assert row.says in line[1]
            lines = town.central.matches(rf"result: fail .* port: {peer.address[1]} ", since=since)
            assert len(lines) == 1
        if row.classic:
            assert answer == b"\xff"
            return
        *before, (kind, payload) = frames_in(answer)
        assert [each for each, _ in before if each != ACK] == list(row.before)
        if kind == ERROR:
            code, sentence = error_in(payload)
        else:
            assert kind == REFUSED
            code, again, _, _, _, sentence = refusal_in(payload)
            assert not again
        assert code == row.code
        assert row.says in sentence

    left_alone(town, play, adds=[GOOD] if row.first else [])


@pytest.mark.parametrize("dialect", ["classic", "lottery/1"])
def test_b9_a_reset_within_a_payload(town: Town, dialect: str) -> None:
    """The session has failed, nothing of the batch is stored, others go on."""

    def play() -> None:
        since = len(town.central.lines)
        number = town.next_agency()
        with town.comes(number) as peer:
            port = peer.address[1]
            whole = CLASSIC if dialect == "classic" else hello(number) + MODERN
            first = b"" if dialect == "classic" else peer_greeting(peer, number)
            peer.send(whole[len(first) : -5])
            town.central.settle()
            peer.reset()
        town.central.wait_for(
            rf"result: fail .* port: {port} .* in the middle of a frame", since=since
        )

    left_alone(town, play)


def peer_greeting(peer: Lottery1Agency, number: int) -> bytes:
    """Be welcomed; gives what was sent for it."""
    peer.greet(number)
    return hello(number)


@pytest.mark.parametrize("dialect", ["classic", "lottery/1"])
@pytest.mark.parametrize("apart", [False, True], ids=["at-once", "one-by-one"])
def test_b10_a_thousand_frames(town: Town, dialect: str, apart: bool) -> None:
    """A thousand frames at once, and each in a segment of its own: the same is stored."""
    rows = made_up(1000)

    def play() -> None:
        if dialect == "classic":
            frames = [batch_of([row]) for row in rows]
            with town.classic() as agency:
                for data in frames if apart else [b"".join(frames)]:
                    agency.send(data)
                agency.acknowledged(len(rows))
            return
        frames = [batch(index, [row]) for index, row in enumerate(rows)]
        number = town.next_agency()
        with town.comes(number) as modern:
            modern.greet(number)
            for data in frames if apart else [b"".join(frames)]:
                modern.send(data)
            modern.acknowledged(len(rows))

    left_alone(town, play, adds=rows)


@pytest.mark.parametrize("cut", [1, 2, 19])
def test_b8_cut_off_over_tls(town: Town, cut: int) -> None:
    """Who is gone in the middle of a frame, without a word of TLS either, has stored nothing."""

    def play() -> None:
        since = len(town.central.lines)
        number = town.next_agency()
        with town.comes(number) as peer:
            port = peer.address[1]
            peer.greet(number)
            peer.send(MODERN[:cut])
            town.central.settle()
            peer.finish_sending()
            line = town.central.wait_for(
                rf"result: fail .* port: {port} \| code: (\w+) ", since=since
            )
            assert line[1] == "LEFT_OUT"

    left_alone(town, play)


@pytest.mark.parametrize(
    "rows", [[GOOD], [GOOD.replace("2201", "2202")], [GOOD, OTHER]], ids=["B20", "B21", "B22"]
)
def test_b20_to_b22_an_index_that_has_been(town: Town, rows: list[str]) -> None:
    """The same batch, one with another digit, another cut: a session takes the next index only.

    Who does not know how much is stored asks with a HELLO; the WELCOME says it, with a checksum.
    """

    def play() -> None:
        number = town.next_agency()
        with town.comes(number) as agency:
            agency.greet(number)
            agency.send(batch(0, [GOOD]))
            agency.acknowledged(1)
            agency.send(batch(0, rows))
            refusal = agency.refusal()
            assert (refusal.code, refusal.again, refusal.expected) == ("SEQ", 0, 1)
            town.central.wait_for(rf"agency: {number} .* code: SEQ ")

    left_alone(town, play, adds=[GOOD])


def test_b52_the_same_agency_twice(town: Town) -> None:
    """The newer session goes on exactly where the older one is; that one hears that it is over."""

    def play() -> None:
        number = town.next_agency()
        with town.comes(number) as older, town.comes(number) as newer:
            older.greet(number)
            older.send(batch(0, [GOOD]))
            older.acknowledged(1)
            newer.greet(number)
            assert older.error()[0] == "TAKEN"
            newer.send(batch(1, [OTHER]))
            newer.acknowledged(2)

    left_alone(town, play, adds=[GOOD, OTHER])


def test_a_port_probe_takes_no_place(plain_town: Town) -> None:
    """Who connects and says nothing, or a part of a frame, takes no place in the draw."""
    town = plain_town

    def play() -> None:
        since = len(town.central.lines)
        with ClassicAgency(town.central.port) as first:
            first.batch([])
            first.acknowledged()
            pattern = rf"accept_connections .* port: {first.address[1]} \| agency: (\d+)"
            number = int(town.central.wait_for(pattern, since=since)[1])
        for data in (b"", CLASSIC[:2], CLASSIC[:-1], hello(7)[:-1]):
            with ClassicAgency(town.central.port) as probe:
                probe.send(data)
                probe.finish_sending()
                probe.rest()
        with ClassicAgency(town.central.port) as last:
            last.batch([])
            last.acknowledged()
            pattern = rf"accept_connections .* port: {last.address[1]} \| agency: (\d+)"
            assert int(town.central.wait_for(pattern, since=since)[1]) == number + 1

    left_alone(town, play)
