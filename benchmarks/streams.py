"""What agencies send, built before any clock runs: the frames of either dialect.

All agencies of a load send the same bytes: that is what makes a hundred of them cheap to play.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from lottery.agency.sample_day import AgencyDay, rows
from lottery.wire import classic, lottery1
from lottery.wire.messages import NONCE_BYTES, Batch, ClassicBatch, ClassicEnd, End

CLASSIC: Final = "classic"
LOTTERY1: Final = "lottery/1"

#: So many bets are made up; a longer stream has them again and again.
_DISTINCT: Final = 140_000
#: One bet of so many wins.
_WINNER_OF: Final = 1000


class Stream(NamedTuple):
    """What an agency sends; ``ends`` has the offset behind each batch and, last, behind the END.

    ``bets`` has how many bets are in all batches up to each; ``winners`` is how many of them won.
    """

    dialect: str
    frames: bytes
    ends: array[int]
    bets: array[int]
    winners: int

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return len(self.bets)

    @property
    def total(self) -> int:
        """How many bets there are."""
        return self.bets[-1]


def stream_of(dialect: str, bets: int, batch: int) -> Stream:
    """Build the frames of so many bets, ``batch`` in each or as many as fit."""
    frames: list[bytes] = []
    counts: list[int] = []
    first = winners = 0
    while first < bets:
        size = min(_DISTINCT, bets - first)
        winners += -(-size // _WINNER_OF)
        for payload, count in _payloads(dialect, size, batch):
            frames.append(_frame(dialect, payload, first, count))
            counts.append(count)
            first += count
    end = End(bets, bytes(NONCE_BYTES))
    frames.append(lottery1.encode(end) if dialect == LOTTERY1 else classic.encode(ClassicEnd()))
    ends = array("Q", accumulate(map(len, frames)))
    return Stream(dialect, b"".join(frames), ends, array("Q", accumulate(counts)), winners)


def _frame(dialect: str, payload: bytes, first: int, count: int) -> bytes:
    if dialect == LOTTERY1:
        return lottery1.encode(Batch(first, count, payload))
    return classic.encode(ClassicBatch(payload))


@lru_cache(maxsize=2)
def _payloads(dialect: str, bets: int, batch: int) -> list[tuple[bytes, int]]:
    """Give what fills batches, and how many bets are in each."""
    end = b"\n" if dialect == LOTTERY1 else b","
    limit = lottery1.BATCH_ROWS_LIMIT
    payloads: list[tuple[bytes, int]] = []
    rows_of_batch: list[bytes] = []
    size = 0
    for row in _day(bets):
        if len(rows_of_batch) == batch or size + len(row) + 1 > limit:
            payloads.append((end.join(rows_of_batch) + end, len(rows_of_batch)))
            rows_of_batch, size = [], 0
        rows_of_batch.append(row)
        size += len(row) + 1
    payloads.append((end.join(rows_of_batch) + end, len(rows_of_batch)))
    return payloads


@lru_cache(maxsize=2)
def _day(bets: int) -> list[bytes]:
    day = AgencyDay(agency=1, bets=bets, winners=-(-bets // _WINNER_OF), seed=1)
    return [row.encode() for row in rows(day)]
