"""How often each fault is tried: in one table, and with which seed.

``LOTTERY_SOAK=1`` takes the counts of the soak, ``LOTTERY_SEED=N`` another seed. A seed is printed
by each test, and pytest shows that when the test fails.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

#: Whether everything is tried, not a sample.
SOAK: Final = os.environ.get("LOTTERY_SOAK") == "1"


class Count(NamedTuple):
    """How many trials in CI and in the soak."""

    ci: int
    soak: int


#: So many that it is every one there is.
ALL: Final = 1_000_000

COUNTS: Final = {
    "kills": Count(40, 1000),  # kill -9 of processes at random moments
    "kills with a database": Count(12, 500),
    "calls": Count(20, ALL),  # kill -9 at a call on the ledger or the record
    "calls on a database": Count(12, ALL),  # kill -9 at whatever is sent or heard
    "second kills": Count(6, ALL),  # and at a call of the start behind it
    "disk errors": Count(18, ALL),  # EIO and ENOSPC from a call
    "full disks": Count(3, 20),  # a file system of memory that is really full
    "power cuts": Count(24, 500),  # on an ext4 image
    "stopped writers": Count(5, 20),  # SIGSTOP, kill -9 of the central, SIGCONT
    "deadlines": Count(4, 50),  # the draw closes while agencies stream
    "cuts": Count(ALL, ALL),  # the connection is cut behind a byte
    "twins": Count(3, 20),  # two clients with one number
    "takeovers": Count(3, 100),  # kill -9 of the database's primary, and promotion
    "central kills": Count(10, 200),  # kill -9 of one of several centrals
    "administrator's cuts": Count(10, 200),  # of all connections to the database
    "shared deadlines": Count(2, 50),  # the draw closes at two centrals while agencies stream
    "races": Count(50, 1000),  # of four centrals, for each step of a draw
}

_DEFAULT_SEED: Final = 7574


def count(name: str) -> int:
    """How many trials of a kind there are to be."""
    return COUNTS[name].soak if SOAK else COUNTS[name].ci


def dice(name: str) -> random.Random:
    """Random numbers for the trials of a kind, from a seed that is printed."""
    seed = f"{os.environ.get('LOTTERY_SEED', _DEFAULT_SEED)} {name}"
    print(f"seed: LOTTERY_SEED={seed.partition(' ')[0]} for {name!r}, soak: {SOAK}")
    return random.Random(seed)


def sample_of(
    rng: random.Random, every: list[T], wanted: int, kind: Callable[[T], Hashable]
) -> list[T]:
    """So many of all there are, of every kind about the same number."""
    if wanted >= len(every):
        return every
    kinds: dict[Hashable, list[T]] = {}
    for one in every:
        kinds.setdefault(kind(one), []).append(one)
    for each in kinds.values():
        rng.shuffle(each)
    found: list[T] = []
    while len(found) < wanted:
        found += [each.pop() for each in kinds.values() if each]
    return found[:wanted]
