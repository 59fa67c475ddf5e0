"""``lottery.central.speech``: what a session says, to the byte, in either dialect."""

from __future__ import annotations

import pytest

from lottery.central.speech import CLASSIC, LOTTERY1, CannotSay, Speech
from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.messages import ClassicRefused, Error, Refused, Winners
from lottery.writer.pipe import Refusal

ROW = b"Ana,Gil,12345678,2000-01-01,7574\n"
BAD_FIELD = Refusal(Code.FIELD, False, 100, 3, 5, "is empty", 10)


def said(speech: Speech, rows: list[bytes]) -> bytes:
    """The bytes of the winners."""
    return b"".join(map(speech.encode, speech.winners(1, 7574, rows)))


def test_they_name_their_dialects() -> None:
    """As the wire does."""
    assert (CLASSIC.dialect, LOTTERY1.dialect) == ("classic", "lottery/1")


@pytest.mark.parametrize(
    ("speech", "batches", "next_index", "ended", "words"),
    [
        (CLASSIC, 0, 0, False, ""),
        (CLASSIC, 1, 10, False, "02"),
        (CLASSIC, 5, 50, False, "02 02 02 02 02"),
        (CLASSIC, 0, 50, True, ""),
        (CLASSIC, 2, 50, True, "02 02"),
        (LOTTERY1, 1, 10, False, "21 0009 000000000000000a 00"),
        (LOTTERY1, 5, 50, False, "21 0009 0000000000000032 00"),
        (LOTTERY1, 0, 50, True, "21 0009 0000000000000032 01"),
        (LOTTERY1, 3, 1, True, "21 0009 0000000000000001 01"),
    ],
)
def test_acknowledgement(
    speech: Speech, batches: int, next_index: int, ended: bool, words: str
) -> None:
    """Classic: a byte for each batch, none for the end; lottery/1: one frame for all."""
    assert speech.acknowledgement(batches, next_index, ended) == bytes.fromhex(words)


def test_refusal() -> None:
    """Classic gives no reason; lottery/1 tells code, place and sentence."""
    assert CLASSIC.refusal(BAD_FIELD) == ClassicRefused()
    assert CLASSIC.encode(CLASSIC.refusal(BAD_FIELD)) == b"\xff"
    assert LOTTERY1.refusal(BAD_FIELD) == Refused(Code.FIELD, False, 100, 3, 5, "is empty")
    assert LOTTERY1.encode(LOTTERY1.refusal(BAD_FIELD)) == bytes.fromhex(
        "22 0015 08 00 0000000000000064 0003 05 697320656d707479"
    )


def test_error() -> None:
    """The same for the end of a session."""
    assert CLASSIC.error(Code.FULL, "full") == ClassicRefused()
    assert LOTTERY1.error(Code.FULL, "full") == Error(Code.FULL, "full")
    assert LOTTERY1.encode(LOTTERY1.error(Code.FULL, "full")) == b"\x24\0\5\x0afull"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], b"\x03\0\0"),
        ([ROW], b"\x03\0\x0812345678"),
        ([ROW, b"B,C,007,1990-01-01,07574\n"], b"\x03\0\x0c12345678,007"),
    ],
)
def test_classic_winners(rows: list[bytes], words: bytes) -> None:
    """Documents as they were sent, joined by commas, in one frame."""
    assert said(CLASSIC, rows) == words


def test_the_longest_classic_list() -> None:
    """65,535 bytes can be said, one more cannot, and that is told before a byte leaves."""
    rows = [b"A,B,%s,2000-01-01,1\n" % (b"1" * 15)] * 4096  # 16 bytes each with its comma
    assert len(said(CLASSIC, rows)) == 3 + 65535
    longer = [*rows, b"A,B,1,2000-01-01,1\n"]
    with pytest.raises(CannotSay) as error:
        CLASSIC.winners(1, 1, longer)
    assert str(error.value) == "4097 winners take 65537 bytes, the classic dialect has 65535"
    assert classic.WINNERS_LIMIT == 65535


def test_lottery1_winners_none() -> None:
    """One frame that says that there are none."""
    (message,) = LOTTERY1.winners(2, 42, [])
    assert message == Winners(2, 42, 0, 0, b"")
    assert LOTTERY1.encode(message) == bytes.fromhex(
        "23 0016 00000002 002a 0000000000000000 0000000000000000"
    )


def test_lottery1_winners_whole_rows() -> None:
    """Rows are sent as they were, many to a frame, and never cut."""
    rows = [b"Ana,Gil,%08d,2000-01-01,7574\n" % index for index in range(1000)]
    messages = list(LOTTERY1.winners(1, 7574, rows))
    assert len(messages) == 5
    first = 0
    for message in messages:
        assert isinstance(message, Winners)
        assert (message.draw, message.winning_number, message.total) == (1, 7574, 1000)
        assert message.first == first
        assert message.rows.endswith(b"\n")
        assert len(LOTTERY1.encode(message)) <= 8192
        first += message.rows.count(b"\n")
    assert b"".join(message.rows for message in messages) == b"".join(rows)
    full = messages[0].rows
    assert len(full) + len(rows[0]) > lottery1.WINNERS_ROWS_LIMIT


def test_lottery1_a_frame_filled_to_the_byte() -> None:
    """Rows that just fit are one frame of 8,192 bytes; a byte more makes two."""
    exact = lottery1.WINNERS_ROWS_LIMIT
    (one,) = LOTTERY1.winners(1, 7, [b"a" * (exact - 1) + b"\n"])
    assert len(LOTTERY1.encode(one)) == 8192
    two = list(LOTTERY1.winners(1, 7, [b"a\n", b"a" * (exact - 2) + b"\n"]))
    assert [len(message.rows) for message in two] == [2, exact - 1]
