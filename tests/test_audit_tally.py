"""``lottery.audit.tally``: batches and bets of an agency come in order, and fit each other."""

from __future__ import annotations

from collections import Counter
from zlib import crc32

import pytest
from audit_rig import TODAY, rows_of

from lottery.audit.differences import Difference, Differs
from lottery.audit.tables import BatchRow, BetRow
from lottery.audit.tally import Tally, Total

ROWS = [f"3,{row}\n".encode() for row in rows_of(3, 2500)]


def batch(first: int, bets: int, crc: int | None = None) -> BatchRow:
    sent = b"".join(row.partition(b",")[2] for row in ROWS[: first + bets])
    return BatchRow(3, first, bets, crc32(sent) if crc is None else crc)


def bets(first: int, count: int) -> list[BetRow]:
    return [BetRow(3, index, ROWS[index]) for index in range(first, first + count)]


def tallied(*rows: BatchRow | BetRow, total: Total | None = None) -> Tally:
    tally = Tally(3, classic=False, today=TODAY, total=total or Total())
    for row in rows:
        tally.add(row)
    tally.end()
    return tally


def test_sound() -> None:
    """All of them are counted, however long a batch is."""
    total = Total(Counter())
    tally = tallied(batch(0, 2), *bets(0, 2), batch(2, 2498), *bets(2, 2498), total=total)
    assert (tally.bets, total.bets.rows, total.bets.size) == (2500, 2500, sum(map(len, ROWS)))
    assert tally.crc == batch(0, 2500).crc
    assert total.winners.rows == 0


def test_nothing() -> None:
    assert (tallied().bets, tallied().crc) == (0, 0)


@pytest.mark.parametrize(
    ("rows", "file", "what"),
    [
        ([*bets(0, 1)], "bet", "bet 0 of agency 3 is in no batch, see table batch"),
        ([batch(0, 2), *bets(0, 1)], "bet", "bet 1 of agency 3 is missing, it is of batch 0"),
        ([batch(0, 2), *bets(1, 1)], "bet", "bet 0 of agency 3 is missing, bet 1 is here"),
        ([batch(1, 1)], "batch", "batch 0 of agency 3 is missing, batch 1 is here"),
        ([batch(0, 1), *bets(0, 1), batch(2, 1)], "batch",
         "batch 1 of agency 3 is missing, batch 2 is here"),
        ([batch(0, 3), *bets(0, 1), batch(1, 1)], "batch",
         "batch 1 of agency 3 begins before the last one ends"),
        ([batch(-1, 1)], "batch", "batch -1 of agency 3 begins before the last one ends"),
        ([batch(0, 0)], "batch", "batch 0 of agency 3 has 0 bets"),
        ([batch(0, 2, 5), *bets(0, 2)], "batch",
         f"batch 0 of agency 3, the CRC-32 up to its end is {batch(0, 2).crc}, not 5"),
    ],
)  # fmt: skip
def test_differences(rows: list[BatchRow | BetRow], file: str, what: str) -> None:
    """The first one is named."""
    with pytest.raises(Differs) as caught:
        tallied(*rows)
    assert caught.value.difference == Difference(f"table {file}", what)


@pytest.mark.parametrize("at", [0, 999, 1000, 2001, 2499])
def test_a_bad_row(at: int) -> None:
    """It is named by its index, also where bets are looked at in steps."""
    found = bets(0, 2500)
    found[at] = BetRow(3, at, b'3,"Ana\n",Paz,1,1999-01-01,1\n')
    with pytest.raises(Differs) as caught:
        tallied(batch(0, 2500, 0), *found)
    what = f"bet {at} of agency 3, it has 2 fields, not 6"
    assert caught.value.difference == Difference("table bet", what)
