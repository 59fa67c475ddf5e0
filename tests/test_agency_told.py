"""Winning rows are believed only if they can be."""

from __future__ import annotations

import pytest

from lottery.agency.told import ToldWinners
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.messages import Winners

ROW = "Ñandú María,Gil,30904465,1999-03-17,0042\n".encode()


def _heard(*frames: Winners, bets: int = 100) -> ToldWinners:
    told = ToldWinners()
    for message in frames:
        told.hear(message, bets)
    return told


def test_counted() -> None:
    """Rows count as they come; numbers are compared, not digits; any letters may be in them."""
    strange = "Ana\u2028,Gil\x0c,1,2000-01-01,42\n".encode()
    told = _heard(Winners(1, 42, 3, 0, ROW), Winners(1, 42, 3, 1, strange + ROW), bets=3)

    assert (told.count, told.total) == (3, 3)


def test_none_yet() -> None:
    """Nothing is known before the first frame."""
    told = ToldWinners()

    assert (told.count, told.total) == (0, None)


@pytest.mark.parametrize(
    ("frames", "code", "sentence"),
    [
        ([Winners(1, 42, 101, 0, ROW)], Code.TOTALS, "101 winners of 100 bets are told"),
        (
            [Winners(1, 42, 2, 0, ROW), Winners(1, 43, 2, 1, ROW.replace(b"42", b"43"))],
            Code.PROTO,
            "the winning number changes as it is told",
        ),
        (
            [Winners(1, 42, 2, 0, ROW), Winners(1, 42, 3, 1, ROW)],
            Code.TOTALS,
            "the number of winners changes as it is told",
        ),
        ([Winners(1, 43, 1, 0, ROW)], Code.FIELD, "winning row 1 has not the number 43"),
        (
            [Winners(1, 42, 3, 0, ROW), Winners(1, 42, 3, 1, ROW + ROW.replace(b"0042", b"0043"))],
            Code.FIELD,
            "winning row 3 has not the number 42",
        ),
        (
            [Winners(1, 42, 1, 0, ROW.replace(b"0042", "٤٢".encode()))],
            Code.FIELD,
            "winning row 1 has not the number 42",
        ),
        (
            [Winners(1, 42, 1, 0, ROW.replace(b"0042", b"0" * 5000 + b"42"))],
            Code.FIELD,
            "winning row 1 has not the number 42",
        ),
        (
            [Winners(1, 42, 1, 0, ROW.replace(b"0042", b"4_2"))],
            Code.FIELD,
            "winning row 1 has not the number 42",
        ),
        ([Winners(1, 42, 1, 0, b"42\n")], Code.BATCH, "winning row 1 has 1 fields, not 5"),
        ([Winners(1, 42, 1, 0, b"\n")], Code.BATCH, "winning row 1 has 1 fields, not 5"),
        ([Winners(1, 42, 1, 0, b"x," + ROW)], Code.BATCH, "winning row 1 has 6 fields, not 5"),
        ([Winners(1, 42, 1, 0, b"\xff" + ROW)], Code.BATCH, "a winning row is not UTF-8"),
    ],
)
def test_unbelievable(frames: list[Winners], code: Code, sentence: str) -> None:
    """A sentence says what is wrong, without anything of the row."""
    with pytest.raises(RemoteProtocolError) as caught:
        _heard(*frames)

    assert caught.value.code is code
    assert str(caught.value) == sentence
