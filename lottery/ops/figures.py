"""What is counted while the central works, for whoever wants to look at it.

Counting is plain integers: it costs the same whether anybody looks or not, and no lock, for all of
it happens in the reactor's thread. What is shown of it, and in which form, is others' to say.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

#: Upper bounds of the classes of times, in seconds; what takes longer has a class of its own.
TIME_BOUNDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class Times:
    """How long something took, each time: a histogram.

    :ivar counts: how many fell in each class of ``TIME_BOUNDS``, and above the last one.
    :ivar total: all of them together, in seconds.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(TIME_BOUNDS) + 1)
        self.total = 0.0

    def took(self, seconds: float, times: int = 1) -> None:
        """Note that it took so long, so many times."""
        self.counts[bisect_left(TIME_BOUNDS, seconds)] += times
        self.total += seconds * times


def quantile(counts: Sequence[int], part: float) -> float | None:
    """Estimate below what a part of the times lies, in seconds; None if there are none.

    Within a class they are taken to lie evenly; of those above the last bound nothing more is
    known than that.

    :param counts: as of :class:`Times`, or how much those have grown.
    :param part: above 0, at most 1: 0.5 for the median.
    """
    wanted = sum(counts) * part
    if not wanted:
        return None
    below = 0.0
    for bound, count in zip(TIME_BOUNDS, counts, strict=False):
        if count >= wanted:
            return below + (bound - below) * wanted / count
        wanted -= count
        below = bound
    return below


class Figures:
    """What a central has done since it was started.

    :ivar bets: how many were acknowledged, in how many ``batches``.
    :ivar refused: batches that were refused, for good or until there is room.
    :ivar sessions: how many connections have ended, by how: ``done``, or the code of what was
        wrong in small letters.
    :ivar acknowledged: how long batches waited, from when a writer was handed them until their
        acknowledgement: each as long as the one that waited longest of those that were
        acknowledged together.
    :ivar flushed: how long the writers' flushes took.
    """

    def __init__(self) -> None:
        self.bets = 0
        self.batches = 0
        self.refused = 0
        self.sessions: Counter[str] = Counter()
        self.acknowledged = Times()
        self.flushed = Times()

    def stored(self, bets: int, batches: int, seconds: float | None) -> None:
        """Note that so many batches are on disk.

        :param seconds: how long the first of them has waited, if that is known.
        """
        self.bets += bets
        self.batches += batches
        if seconds is not None:
            self.acknowledged.took(seconds, batches)
