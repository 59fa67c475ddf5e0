"""Measures what is shorter than a clock can tell: in loops, knowing what these take themselves."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Final, NamedTuple

REPEAT_SECONDS: Final = 0.02
#: How many times as long as an empty loop a case has to take.
LEAST_RATIO: Final = 5.0
#: How many of each there are in a second.
UNITS: Final = {"ns per bet": 1e9, "ms per flush": 1e3}

Clock = Callable[[], float]


class Work(NamedTuple):
    """What is measured, with all that it needs at hand.

    ``call`` gives ``expected`` and does ``amount`` of what its unit is per; ``afresh`` is called
    before each loop, outside the clock.
    """

    call: Callable[[], object]
    expected: object
    amount: int
    unit: str = "ns per bet"
    afresh: Callable[[], None] = lambda: None


class Figures(NamedTuple):
    """What came of a case."""

    name: str
    unit: str
    least: float
    median: float


class Refused(Exception):
    """A case has no figures that could be believed."""


EMPTY: Final = Work(lambda: None, None, 1)


def seconds_of(work: Work, loops: int, clock: Clock) -> float:
    """Call it so many times, and give what that takes."""
    call = work.call
    work.afresh()
    started = clock()
    for _ in range(loops):
        call()
    return clock() - started


def loops_for(work: Work, clock: Clock) -> int:
    """Give how many calls, a power of two, take long enough for a clock."""
    loops = 1
    while seconds_of(work, loops, clock) < REPEAT_SECONDS:
        loops *= 2
    return loops


def measure(name: str, work: Work, repeats: int, clock: Clock) -> Figures:
    """Measure a case.

    :raises Refused: if it does not do what it should, or too little of the time is its own.
    """
    if work.call() != work.expected:
        raise Refused(f"{name} does not give what it should")
    loops = loops_for(work, clock)
    seconds = [seconds_of(work, loops, clock) for _ in range(repeats)]
    empty = min(seconds_of(EMPTY, loops, clock) for _ in range(repeats))
    least = min(seconds)
    if least < LEAST_RATIO * empty:
        times = f"{least / empty:.1f} times as long as an empty loop"
        raise Refused(f"{name} takes {times}, {LEAST_RATIO:g} are needed for a figure")
    scale = UNITS[work.unit] / (loops * work.amount)
    return Figures(name, work.unit, least * scale, statistics.median(seconds) * scale)
