"""``lottery.audit.segments``: every record of a segment, and the byte where one is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from audit_rig import CLOSE, END, HEAD, ROWS, TODAY, SegmentRig, record_bytes, rows_of

from lottery.audit.differences import Difference, Differs
from lottery.audit.files import AuditedFile
from lottery.audit.segments import Record, Segment
from lottery.audit.tails import Tail

NAME = "segment-0002.log"
NONCE = bytes(range(32))
POWER_CUT = (
    "; a power cut leaves NUL bytes as at the end of this file, "
    "and a central salvages that when it starts"
)

NO_BEGINNING = (
    "no record begins like the 91 bytes here, "
    "the 2 bets are all there, but 9 more bytes should follow"
)


def not_flushed(said: int, before: int, at: int) -> str:
    """What is said of a record which says what cannot be."""
    return (
        f"the record here says that {said} bytes were on disk before it, "
        f"which can only be {before} or {at}"
    )


def read(tmp_path: Path, data: bytes, *, sealed: bool = False) -> tuple[list[Record], Segment]:
    """All records of a segment: the second one of draw 7."""
    (tmp_path / NAME).write_bytes(data)
    with AuditedFile(tmp_path, NAME) as file:
        segment = Segment(file, 7, 2, TODAY, sealed=sealed)
        return list(segment), segment


def difference(tmp_path: Path, data: bytes, *, sealed: bool = False) -> Difference:
    """What is wrong with a segment."""
    with pytest.raises(Differs) as raised:
        read(tmp_path, data, sealed=sealed)
    assert raised.value.difference.file == NAME
    return raised.value.difference


def rig() -> SegmentRig:
    """HEAD, ROWS of agencies 3 and 4 in a first group."""
    segment = SegmentRig(7, 2)
    segment.rows(3, 0, rows_of(3, 3))
    segment.rows(4, 0, rows_of(4, 2), dialect=1)
    return segment


def whole() -> SegmentRig:
    """A second group with both ENDs, and CLOSE."""
    segment = rig()
    segment.flush()
    segment.end(3, 3, NONCE)
    segment.end(4, 2, b"", dialect=1)
    segment.close()
    return segment


def test_a_whole_segment(tmp_path) -> None:
    """ROWS and END are given, in order, with all that they say."""
    segment = whole()
    records, found = read(tmp_path, segment.data)
    bodies = [
        "".join(f"{agency},{row}\n" for row in rows_of(agency, count)).encode()
        for agency, count in ((3, 3), (4, 2))
    ]
    places = segment.places
    assert records == [
        Record(ROWS, False, 3, 0, 3, places[1], len(bodies[0]), bodies[0]),
        Record(ROWS, True, 4, 0, 2, places[2], len(bodies[1]), bodies[1]),
        Record(END, False, 3, 3, 0, places[3], 32, NONCE),
        Record(END, True, 4, 2, 0, places[4], 0, b""),
    ]
    assert (found.closed, found.tail) == (True, None)
    assert found.sha256 == hashlib.sha256(segment.data).hexdigest()


def test_a_large_one(tmp_path) -> None:
    """It is read in steps; records that lie across two of them are whole, and so is the digest."""
    segment = SegmentRig(7, 2)
    rows = rows_of(3, 200)
    count = 300
    parts = [segment.data]
    for index in range(count):
        body = "".join(f"3,{row}\n" for row in rows).encode()
        parts.append(record_bytes(ROWS, 3, index * 200, 200, body, 0))
    data = b"".join(parts)
    assert len(data) > 2 << 20
    records, found = read(tmp_path, data)
    assert [record.first for record in records] == [index * 200 for index in range(count)]
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_every_cut(tmp_path) -> None:
    """What is cut anywhere is as far as it goes in order, and the rest is shown."""
    segment = whole()
    for length in range(len(segment.data)):
        records, found = read(tmp_path, segment.data[:length])
        begin = max(place for place in segment.places if place <= length)
        assert (found.tail.at if found.tail else length) == begin
        assert (found.tail.length if found.tail else 0) == length - begin
        assert len(records) == sum(0 < place < begin for place in segment.places)
        assert not found.closed


def test_every_byte(tmp_path) -> None:
    """No byte of it can be another one."""
    data = whole().data
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        difference(tmp_path, bytes(damaged))


def with_record(record: bytes) -> tuple[bytes, int]:
    """A segment with this one behind the first group, and where it begins."""
    segment = rig()
    segment.flush()
    segment.add(record)
    return segment.data, segment.places[-1]


AT = len(rig().data)
BODY = b"3,Ana,Paz,1,1999-03-17,1\n3,Zoe,Gil,2,1984-12-01,42\n"


@pytest.mark.parametrize(
    ("record", "offset", "what"),
    [
        (bytes(40), 0, "no record begins here, where one should" + POWER_CUT),
        (b"LCS2" + b"x" * 60, 0, "no record begins here, where one should"),
        (
            record_bytes(ROWS, 3, 3, 2, BODY, AT)[:-1] + b"x",
            0,
            "the record here does not check out, its CRC-32 is wrong",
        ),
        (
            record_bytes(ROWS, 3, 3, 2, BODY, AT)[:50] + bytes(42),
            0,
            "the record here does not check out, its CRC-32 is wrong" + POWER_CUT,
        ),
        (
            record_bytes(ROWS, 3, 3, 2, b"x" * 131_072, AT),
            0,
            "the record here cannot have 131072 bytes of body",
        ),
        (record_bytes(ROWS, 3, 3, 2, BODY, AT, length=2**31), 0,
         "the record here cannot have 2147483648 bytes of body"),
        (record_bytes(0, 3, 3, 2, BODY, AT), 0, "the record here is of no kind that is known"),
        (record_bytes(5, 3, 3, 2, BODY, AT), 0, "the record here is of no kind that is known"),
        (record_bytes(ROWS, 3, 3, 2, BODY, AT, dialect=2), 0,
         "the record here is of no kind that is known"),
        (record_bytes(ROWS, 3, 3, 2, BODY, AT, zero=1), 0,
         "the record here is of no kind that is known"),
        (record_bytes(HEAD, 0, 7, 2), 0, "a HEAD is the first record, and only that"),
        (record_bytes(CLOSE, 1, flushed=AT), 0, "a HEAD or CLOSE is of no agency and has no body"),
        (record_bytes(CLOSE, dialect=1, flushed=AT), 0,
         "a HEAD or CLOSE is of no agency and has no body"),
        (record_bytes(CLOSE, body=b"x", flushed=AT), 0,
         "a HEAD or CLOSE is of no agency and has no body"),
        (record_bytes(CLOSE, flushed=AT - 1), 0, f"the CLOSE here was written at byte {AT - 1}"),
        (record_bytes(CLOSE, 0, 1, flushed=AT), 0, f"the CLOSE here was written at byte {AT}"),
        (
            record_bytes(ROWS, 3, 3, 2, BODY, AT + 1),
            0,
            not_flushed(AT + 1, 0, AT),
        ),
        (
            record_bytes(ROWS, 3, 3, 2, BODY, 40),
            0,
            not_flushed(40, 0, AT),
        ),
        (record_bytes(ROWS, 3, 3, 0, b"", AT), 0, "the record here has no bets"),
        (record_bytes(END, 3, 3, 1, NONCE, AT), 0, "the END here has bets, or a body that is none"),
        (record_bytes(END, 3, 3, 0, b"", AT), 0, "the END here has bets, or a body that is none"),
        (record_bytes(END, 3, 3, 0, NONCE, AT, dialect=1), 0,
         "the END here has bets, or a body that is none"),
        (
            record_bytes(ROWS, 3, 3, 2, BODY[:-1], AT),
            40 + 25,
            f"row 2 of the record at byte {AT}, it does not end in a line feed",
        ),
        (
            record_bytes(ROWS, 3, 3, 3, BODY, AT),
            40,
            f"row 2 of the record at byte {AT}, 2 rows are here, the record says 3",
        ),
        (
            record_bytes(ROWS, 3, 3, 2, BODY.replace(b",42", b",4x"), AT),
            40 + 25,
            f"row 2 of the record at byte {AT}, its number is not 1 to 4 digits",
        ),
        (
            record_bytes(ROWS, 4, 3, 2, BODY, AT),
            40,
            f"row 1 of the record at byte {AT}, it does not begin with agency 4",
        ),
        (
            record_bytes(ROWS, 3, 3, 2, BODY, AT, length=len(BODY) + 9),
            0,
            NO_BEGINNING,
        ),
    ],
)  # fmt: skip
def test_records_that_are_none(tmp_path, record, offset, what) -> None:
    """Each with the byte where it begins, also if its CRC-32 is right."""
    data, place = with_record(record)
    assert place == AT
    assert difference(tmp_path, data) == Difference(NAME, what, byte=AT + offset)


def test_a_power_cut_does_a_sealed_segment_no_harm(tmp_path) -> None:
    """So nobody is told to wait for a start that would mend it."""
    data, place = with_record(bytes(100))
    what = "no record begins here, where one should"
    assert difference(tmp_path, data, sealed=True) == Difference(NAME, what, byte=place)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (record_bytes(HEAD, 0, 8, 2), "this is segment 2 of draw 8, not segment 2 of draw 7"),
        (record_bytes(HEAD, 0, 7, 1), "this is segment 1 of draw 7, not segment 2 of draw 7"),
        (record_bytes(HEAD, 1, 7, 2), "a HEAD or CLOSE is of no agency and has no body"),
        (record_bytes(HEAD, 0, 7, 2, b"x"), "a HEAD or CLOSE is of no agency and has no body"),
        (
            record_bytes(HEAD, 0, 7, 2, flushed=40),
            not_flushed(40, 0, 0),
        ),
        (record_bytes(ROWS, 3, 0, 2, BODY), "a HEAD is the first record, and only that"),
        (record_bytes(CLOSE), "a HEAD is the first record, and only that"),
    ],
)
def test_heads_that_are_none(tmp_path, head, what) -> None:
    """The first record is the HEAD of this draw and segment."""
    assert difference(tmp_path, head) == Difference(NAME, what, byte=0)


@pytest.mark.parametrize("more", [b"\0", b"LCS1", record_bytes(CLOSE), b"\n"])
def test_bytes_behind_close(tmp_path, more) -> None:
    """Nothing follows a CLOSE."""
    data = whole().data
    what = f"{len(more)} bytes stand behind the CLOSE"
    assert difference(tmp_path, data + more) == Difference(NAME, what, byte=len(data))


def test_a_missing_and_a_doubled_record(tmp_path) -> None:
    """A record that is taken out or put in shows in what the next group calls flushed."""
    segment = whole()
    places = segment.places
    record = segment.data[places[2] : places[3]]
    without = segment.data[: places[2]] + segment.data[places[3] :]
    found = difference(tmp_path, without)
    assert (found.byte, found.what) == (
        places[2],
        not_flushed(places[3], 0, places[2]),
    )
    twice = segment.data[: places[3]] + record + segment.data[places[3] :]
    found = difference(tmp_path, twice)
    assert (found.byte, found.what) == (
        places[3] + len(record),
        not_flushed(places[3], 0, places[3] + len(record)),
    )


def test_a_segment_that_is_cut_while_it_is_read(tmp_path) -> None:
    """A writer for which there is no room cuts its segment back."""
    data = rig().data
    (tmp_path / NAME).write_bytes(data)
    with AuditedFile(tmp_path, NAME) as file:
        segment = Segment(file, 7, 2, TODAY, sealed=False)
        (tmp_path / NAME).write_bytes(data[:60])
        assert list(segment) == []
        assert segment.tail == Tail(40, 20, False, 3, 0)
