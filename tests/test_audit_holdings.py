"""``lottery.audit.holdings``: the bets of each agency follow each other, and its END fits."""

from __future__ import annotations

import pytest
from audit_rig import END, ROWS

from lottery.audit.differences import Difference, Differs
from lottery.audit.holdings import Holdings
from lottery.audit.layout import BODY_LIMIT
from lottery.audit.segments import Record
from lottery.audit.tails import Tail

ONE, TWO = "segment-0001.log", "segment-0002.log"


def rows(agency: int, first: int, bets: int, at: int, *, classic: bool = False) -> Record:
    """ROWS of 10 bytes a bet."""
    return Record(ROWS, classic, agency, first, bets, at, 10 * bets, b"")


def end(agency: int, total: int, at: int, nonce: bytes = b"n" * 32) -> Record:
    """An END."""
    return Record(END, False, agency, total, 0, at, 32, nonce)


def settled(*found: tuple[str, Record] | tuple[str, Record, bool], tails=()) -> Holdings:
    """What these records give; they are sure unless it is said that they are not."""
    holdings = Holdings()
    for segment, record, *sure in found:
        holdings.add(segment, record, sure[0] if sure else True)
    holdings.settle(list(tails))
    return holdings


def difference(*found, tails=()) -> Difference:
    """What does not fit."""
    with pytest.raises(Differs) as raised:
        settled(*found, tails=tails)
    return raised.value.difference


def test_in_order() -> None:
    """From segment to segment, and back; the pieces are where the rows are."""
    holdings = settled(
        (ONE, rows(3, 0, 2, 40)),
        (ONE, rows(4, 0, 1, 100, classic=True)),
        (ONE, rows(3, 2, 1, 150)),
        (ONE, rows(3, 5, 2, 200)),
        (TWO, rows(3, 3, 2, 40)),
        (TWO, end(3, 7, 100)),
    )
    three, four = holdings
    assert (three.agency, three.bets, three.classic) == (3, 7, False)
    assert (four.agency, four.bets, four.classic) == (4, 1, True)
    assert list(three.pieces()) == [
        (ONE, 80, 20), (ONE, 190, 10), (TWO, 80, 20), (ONE, 240, 20),
    ]  # fmt: skip
    assert three.end is not None
    assert (three.end.segment, three.end.at, three.end.total) == (TWO, 100, 7)
    assert (holdings.get(4), holdings.get(5)) == (four, None)


def test_the_longest_record() -> None:
    """A run of batches takes more bytes than one frame of the wire has."""
    longest = (BODY_LIMIT - 1) // 10
    (three,) = settled((ONE, rows(3, 0, longest, 40)), (ONE, end(3, longest, 10 * longest + 80)))
    assert list(three.pieces()) == [(ONE, 80, 10 * longest)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            [(ONE, rows(3, 1, 2, 40))],
            Difference(ONE, "agency 3 has bet 1 here, bet 0 is missing", 40),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (ONE, rows(3, 3, 2, 99))],
            Difference(ONE, "agency 3 has bet 3 here, bet 2 is missing", 99),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (TWO, rows(3, 3, 2, 77))],
            Difference(TWO, "agency 3 has bet 3 here, bet 2 is missing", 77),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (ONE, rows(3, 0, 2, 99))],
            Difference(ONE, "bet 0 of agency 3 is here a second time", 99),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (TWO, rows(3, 1, 2, 77))],
            Difference(TWO, "bet 1 of agency 3 is here a second time", 77),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (ONE, end(3, 1, 99))],
            Difference(ONE, "agency 3 ends here with 1 bets, 2 are in the segments", 99),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (ONE, end(3, 3, 99))],
            Difference(ONE, "agency 3 ends here with 3 bets, 2 are in the segments", 99),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (TWO, end(3, 2, 99)), (TWO, end(3, 2, 171))],
            Difference(TWO, f"agency 3 ends here a second time, see {TWO}, byte 99", 171),
        ),
        (
            [(ONE, end(3, 0, 40)), (TWO, end(3, 0, 99))],
            Difference(TWO, f"agency 3 ends here a second time, see {ONE}, byte 40", 99),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (ONE, end(3, 2, 99)), (ONE, rows(3, 2, 1, 171))],
            Difference(ONE, "agency 3 has bets behind its END at byte 99", 171),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (ONE, end(3, 2, 99)), (TWO, rows(3, 2, 1, 40))],
            Difference(ONE, "agency 3 ends here with 2 bets, 3 are in the segments", 99),
        ),
        (
            [(ONE, rows(3, 0, 2, 40)), (TWO, rows(3, 2, 2, 60, classic=True))],
            Difference(TWO, "agency 3 has another dialect elsewhere", 60),
        ),
    ],
)
def test_what_does_not_fit(found, expected) -> None:
    """Bets that are missing or there twice, ENDs that are another's: with the byte."""
    assert difference(*found) == expected


def test_what_is_written_while_we_read() -> None:
    """What came late may rely on what we had passed already; nothing is said of it then."""
    holdings = settled(
        (ONE, rows(3, 0, 2, 40)),
        (TWO, rows(3, 4, 2, 40), False),
        (TWO, end(3, 6, 100), False),
    )
    assert [holding.bets for holding in holdings] == [2]
    holdings = settled(
        (ONE, rows(3, 0, 2, 40)), (ONE, rows(3, 2, 2, 99), False), (TWO, rows(3, 4, 2, 40))
    )
    assert [holding.bets for holding in holdings] == [6]


def test_what_was_there_before() -> None:
    """What was there when we began relies on nothing that came later."""
    gap = [(ONE, rows(3, 0, 2, 40)), (TWO, rows(3, 4, 2, 40), False), (TWO, rows(3, 8, 2, 99))]
    assert difference(*gap).what == "agency 3 has bet 4 here, bet 2 is missing"
    early = [(ONE, rows(3, 0, 2, 40)), (ONE, rows(3, 2, 2, 99), False), (ONE, end(3, 2, 150))]
    assert difference(*early).what == "agency 3 ends here with 2 bets, 4 are in the segments"


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (Tail(300, 30, False, 3, 1), "bet 2 of agency 3 is next, not bet 1"),
        (Tail(300, 30, False, 3, 3), "bet 2 of agency 3 is next, not bet 3"),
        (Tail(300, 30, True, 3, 2), "agency 3 has another dialect elsewhere"),
        (Tail(300, 12, True, 3), "agency 3 has another dialect elsewhere"),
        (Tail(300, 30, False, 4, 1), "agency 4 has ended"),
        (Tail(300, 30, False, 9, 1), "bet 0 of agency 9 is next, not bet 1"),
    ],
)
def test_tails_that_do_not_fit(tail, why) -> None:
    """The record that begins there would have to follow what is there."""
    found = [(ONE, rows(3, 0, 2, 40)), (ONE, rows(4, 0, 1, 99)), (ONE, end(4, 1, 150))]
    what = f"no record begins like the {tail.length} bytes here, {why}"
    assert difference(*found, tails=[(TWO, tail)]) == Difference(TWO, what, 300)


def test_tails_that_fit() -> None:
    """The next bet of an agency, the first of a new one, or what cannot be read yet."""
    tails = [Tail(300, 30, False, 3, 2), Tail(0, 30, True, 9, 0), Tail(1, 5), Tail(1, 12, False, 3)]
    settled((ONE, rows(3, 0, 2, 40)), tails=[(TWO, tail) for tail in tails])
