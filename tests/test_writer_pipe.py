"""``lottery.writer.pipe``: the records on the pipes, to the byte, however they are cut."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lottery.errors import Code
from lottery.ledger.standing import Standing
from lottery.writer.pipe import (
    HEADER_BYTES,
    Answer,
    Exit,
    Order,
    PipeReader,
    PipeRecord,
    Refusal,
    crc_of,
    opening_of,
    pack,
    pack_closed,
    pack_open,
    pack_refusal,
    pack_stored,
    refusal_of,
    stored_of,
)

ROW = b"Ana,Gil,1,2000-01-01,7\n"
SEQ = Refusal(Code.SEQ, False, 7, 0, 0, "bet 7 is next", 3)
FIELD = Refusal(Code.FIELD, True, 2**40, 258, 5, "must be ñ", 65535)

# What makes a record, its bytes, and what comes out at the other end.
TABLE = [
    (
        pack_open(1, 5, Standing(3, 0xABCDEF01)),
        "01 00000001 0000000000000003 0000 00000009 00000005 abcdef01 00",
        PipeRecord(Order.OPEN, 1, 3, 0, b"\0\0\0\x05\xab\xcd\xef\x01\0"),
    ),
    (
        pack_open(2, 0, Standing(classic=True)),
        "01 00000002 0000000000000000 0000 00000009 00000000 00000000 01",
        PipeRecord(Order.OPEN, 2, 0, 0, b"\0\0\0\0\0\0\0\0\x01"),
    ),
    (
        pack_open(3, 5, Standing(3, 0xABCDEF01, session=258)),
        "01 00000003 0000000000000003 0000 00000011 00000005 abcdef01 00 0000000000000102",
        PipeRecord(Order.OPEN, 3, 3, 0, b"\0\0\0\x05\xab\xcd\xef\x01\0\0\0\0\0\0\0\x01\x02"),
    ),
    (
        pack_open(4, 2**32 - 1, Standing(classic=True, session=2**64 - 1)),
        "01 00000004 0000000000000000 0000 00000011 ffffffff 00000000 01 ffffffffffffffff",
        PipeRecord(Order.OPEN, 4, 0, 0, b"\xff\xff\xff\xff\0\0\0\0\x01" + b"\xff" * 8),
    ),
    (
        pack(Order.BATCHES, 2, body=b"a,"),
        "02 00000002 0000000000000000 0000 00000002 612c",
        PipeRecord(Order.BATCHES, 2, 0, 0, b"a,"),
    ),
    (
        pack(Order.BATCHES, 2**32 - 1, 2**64 - 1, 65535, ROW),
        "02 ffffffff ffffffffffffffff ffff 00000017 416e612c47696c2c312c323030302d30312d30312c370a",
        PipeRecord(Order.BATCHES, 2**32 - 1, 2**64 - 1, 65535, ROW),
    ),
    (
        pack(Order.END, 3, 9, True, b"\xaa"),
        "04 00000003 0000000000000009 0001 00000001 aa",
        PipeRecord(Order.END, 3, 9, 1, b"\xaa"),
    ),
    (
        pack(Order.CLOSE, 256),
        "05 00000100 0000000000000000 0000 00000000",
        PipeRecord(Order.CLOSE, 256, 0, 0, b""),
    ),
    (
        pack_stored(1, 12, 0xABCDEF01, 258),
        "0b 00000001 000000000000000c 0000 00000008 abcdef01 00000102",
        PipeRecord(Answer.STORED, 1, 12, 0, b"\xab\xcd\xef\x01\0\0\1\2"),
    ),
    (
        pack_refusal(1, SEQ),
        "0c 00000001 0000000000000007 0003 00000012 05 00 0000 00 6265742037206973206e657874",
        PipeRecord(Answer.REFUSED, 1, 7, 3, b"\x05\0\0\0\0bet 7 is next"),
    ),
    (
        pack_refusal(9, FIELD),
        "0c 00000009 0000010000000000 ffff 0000000f 08 01 0102 05 6d75737420626520c3b1",
        PipeRecord(Answer.REFUSED, 9, 2**40, 65535, b"\x08\x01\x01\x02\x05must be \xc3\xb1"),
    ),
    (
        pack(Answer.ENDED, 1, 3),
        "0d 00000001 0000000000000003 0000 00000000",
        PipeRecord(Answer.ENDED, 1, 3, 0, b""),
    ),
    (
        pack(Answer.DONE, 0, 70000),
        "0e 00000000 0000000000011170 0000 00000000",
        PipeRecord(Answer.DONE, 0, 70000, 0, b""),
    ),
    (
        pack_closed(7, 12, 0xABCDEF01),
        "0f 00000007 000000000000000c 0000 00000004 abcdef01",
        PipeRecord(Answer.CLOSED, 7, 12, 0, b"\xab\xcd\xef\x01"),
    ),
    (
        pack(Answer.HELD, 3),
        "10 00000003 0000000000000000 0000 00000000",
        PipeRecord(Answer.HELD, 3, 0, 0, b""),
    ),
]
ALL = b"".join(data for data, _, _ in TABLE)
RECORDS = [record for _, _, record in TABLE]


@pytest.mark.parametrize(("data", "text", "record"), TABLE)
def test_record_to_the_byte(data: bytes, text: str, record: PipeRecord) -> None:
    """The header is of 19 bytes, the body follows; whole, byte by byte and with a tail."""
    assert data.hex() == text.replace(" ", "")
    assert len(data) == HEADER_BYTES + len(record.body)
    assert PipeReader().feed(data) == [record]
    reader = PipeReader()
    pieces = [reader.feed(data[at : at + 1]) for at in range(len(data))]
    assert pieces == [[]] * (len(data) - 1) + [[record]]
    assert reader.unread == 0
    assert reader.feed(data + data[:-1]) == [record]
    assert reader.unread == len(data) - 1
    assert reader.feed(data[-1:]) == [record]
    assert reader.unread == 0


@given(st.lists(st.integers(0, len(ALL))))
def test_any_cuts_give_the_same_records(cuts: list[int]) -> None:
    """Where the pipe cuts does not matter, and the unread bytes are counted exactly."""
    reader, found, start = PipeReader(), [], 0
    for cut in [*sorted(cuts), len(ALL)]:
        found += reader.feed(ALL[start:cut])
        whole = sum(HEADER_BYTES + len(record.body) for record in found)
        assert reader.unread == cut - whole
        start = cut
    assert found == RECORDS


@given(
    st.tuples(
        st.integers(0, 255),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 65535),
        st.binary(max_size=100),
    )
)
def test_round_trip(fields: tuple[int, int, int, int, bytes]) -> None:
    """Whatever one side says the other one hears."""
    assert PipeReader().feed(pack(*fields)) == [PipeRecord(*fields)]


U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))


@given(U32, U64, U32, st.booleans(), U64)
def test_openings_round_trip(
    agency: int, next_index: int, crc: int, classic: bool, session: int
) -> None:
    """The order that begins a session brings the agency and where it stands."""
    standing = Standing(next_index, crc, classic=classic, session=session)
    (order,) = PipeReader().feed(pack_open(1, agency, standing))
    assert opening_of(order) == (agency, standing)
    assert opening_of(order)[1].classic is classic


def test_an_opening_is_of_an_agency_that_has_not_ended() -> None:
    """That it has ended, and with what, is nothing to its writer."""
    (order,) = PipeReader().feed(pack_open(1, 5, Standing(3, 4, True, False, b"nonce")))
    assert opening_of(order) == (5, Standing(3, 4))


@given(U64, U32, U32)
def test_stored_round_trip(next_index: int, crc: int, batches: int) -> None:
    """The answer to batches brings the running CRC and how many they were."""
    (answer,) = PipeReader().feed(pack_stored(3, next_index, crc, batches))
    assert answer[:4] == (Answer.STORED, 3, next_index, 0)
    assert stored_of(answer) == (crc, batches)


@given(U64, U32)
def test_closed_round_trip(next_index: int, crc: int) -> None:
    """The answer to a CLOSE says where the agency stands."""
    (answer,) = PipeReader().feed(pack_closed(3, next_index, crc))
    assert answer[:4] == (Answer.CLOSED, 3, next_index, 0)
    assert crc_of(answer) == crc


@given(
    st.builds(
        Refusal,
        code=st.sampled_from(Code),
        again=st.booleans(),
        expected=st.integers(0, 2**64 - 1),
        row=st.integers(0, 65535),
        field=st.integers(0, 255),
        sentence=st.text(st.characters(codec="utf-8")),
        bets=st.integers(0, 65535),
    )
)
def test_refusals_round_trip(refusal: Refusal) -> None:
    """A refusal arrives as it was, its code as a code."""
    (answer,) = PipeReader().feed(pack_refusal(4, refusal))
    assert refusal_of(answer) == refusal
    assert isinstance(refusal_of(answer).code, Code)
    assert answer.session == 4


def test_refusal_of_very_many_bets() -> None:
    """A number of bets beyond the field is cut, not an error."""
    (answer,) = PipeReader().feed(pack_refusal(1, SEQ._replace(bets=100000)))
    assert refusal_of(answer).bets == 65535


def test_nothing_gives_nothing() -> None:
    """No bytes, no records."""
    reader = PipeReader()
    assert reader.feed(b"") == []
    assert reader.unread == 0


def test_numbers_are_stable() -> None:
    """What a writer's log or an operator's script knows stays as it is."""
    assert [(each.name, each.value) for each in Exit] == [
        ("DONE", 0),
        ("BUG", 1),
        ("USAGE", 2),
        ("DISK", 3),
        ("SEGMENT", 4),
        ("ORDERS", 5),
    ]
    assert not {-number for number in signal.valid_signals()} & set(Exit)
    assert not set(Order) & set(Answer)
