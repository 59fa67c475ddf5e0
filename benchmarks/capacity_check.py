"""Measures the costs that ``benchmarks/capacity.py`` counts with, and holds the model against it.

    python benchmarks/capacity_check.py [--rounds N] [--folder DIR]

From three loads, and one that is hardly more than the start of the writers, come the costs of a
bet, of a batch and of an agency. With these, the model says what loads of 5, 100 and 1,000 agencies
cost, which are played then. If it is wrong by more than a third, the exit status is 1. CPU seconds
are what is compared: who else uses the machine changes them less than the time that passes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import psycopg
from attrs import frozen
from capacity import Cost, Costs
from shared_load import SETTINGS, Server, Taken, played, prepared
from streams import LOTTERY1, stream_of

from lottery.central.roll import Shared
from lottery.ledger.face import Attendance, Attendances, SharedDraw

WRONG: Final = 1 / 3
CORES: Final = 2
_PARTS: Final = """
INSERT INTO lottery.part (draw, agency, classic, session, central)
SELECT 1, at, false, 1, 'another' FROM generate_series(1, %s) AS at
"""


@frozen
class Load:
    """So many agencies, with so many bets each, in batches of a size.

    :ivar waits: whether each waits for an answer before it sends the next batch; else they come
        in runs, and a run is stored as if it were one batch.
    """

    agencies: int
    bets: int
    batch: int
    waits: bool = False

    @property
    def total(self) -> int:
        """How many bets there are."""
        return self.agencies * self.bets

    def cost(self, cost: Cost, start: float) -> float:
        """Give what it costs by the model, beside what that of :data:`START` has cost."""
        more = self.agencies - START.agencies
        batch = self.batch if self.waits else inf
        return start + cost.of(self.total - START.total, batch, more)


#: What the costs are taken from: hardly anything, runs, batches one by one, many agencies.
START: Final = Load(5, 140, 140)
_RUNS: Final = Load(5, 100_800, 140)
_SINGLE: Final = Load(100, 2_800, 20, waits=True)
_MANY: Final = Load(1000, 140, 140)
CHECKED: Final = (
    Load(5, 70_000, 140),
    Load(100, 4_200, 70),
    Load(300, 700, 35, waits=True),
    Load(1000, 420, 140),
)


def cost_of(start: float, runs: float, single: float, many: float) -> Cost:
    """Give the costs from what the four loads have cost."""
    bet = (runs - start) / (_RUNS.total - START.total)

    def rest(load: Load, spent: float) -> float:
        return spent - start - bet * (load.total - START.total)

    agency = rest(_MANY, many) / (_MANY.agencies - START.agencies)
    batches = rest(_SINGLE, single) - agency * (_SINGLE.agencies - START.agencies)
    return Cost(bet, batches / (_SINGLE.total - START.total) * _SINGLE.batch, agency)


class Rig:
    """Plays loads on one central."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server, self._folder = server, folder

    def play(self, load: Load) -> Taken:
        """Play a load, each into tables of its own."""
        stream = stream_of(LOTTERY1, load.bets, load.batch)
        with self._server.database() as database:
            found = played(
                self._server, database, stream, self._folder, 1, load.agencies, int(load.waits)
            )
        print(f"{load.agencies} agencies, {load.bets} bets, batches of {load.batch}: ", end="")
        print(f"{found.seconds:.2f} s, {found.client:.2f} + {found.database:.2f} s of CPU; {found}")
        return found

    def medians(self, loads: Sequence[Load], rounds: int) -> list[tuple[float, float, float]]:
        """Give CPU seconds, of the central and of the database, and the seconds of each load."""
        found = [[self.play(load) for load in loads] for _ in range(rounds)]
        of = statistics.median
        return [
            (of(t.client for t in each), of(t.database for t in each), of(t.seconds for t in each))
            for each in zip(*found, strict=True)
        ]

    def looks(self, agencies: int) -> None:
        """Measure what a central has to do again and again, with so many agencies."""
        with self._server.database() as database:
            ledgers = prepared(database.dsn)
            draw = ledgers.open(agencies + 100).ledger.shared
            assert draw is not None
            with psycopg.connect(database.dsn) as connection:
                connection.execute(_PARTS, (agencies,))
            roll = _Roll(draw)
            looks = [_cpu(roll.look) for _ in range(4)]
            enters = [_seconds(partial(draw.enter, agencies + 1 + at)) for at in range(10)]
            ledgers.release()
        look, enter = statistics.median(looks[1:]), statistics.median(enters)
        print(f"{agencies:,} agencies: {look * 1e3:.1f} ms of CPU for a look,", end=" ")
        print(f"{enter * 1e3:.1f} ms until one more has its place")


class _Roll(Shared):
    """One that looks when it is told."""

    def __init__(self, draw: SharedDraw) -> None:
        self._draw, self._learner = draw, _Learner()
        self._known, self._beats, self._looked = {}, {}, 0.0
        self._clock = _Clock()  # type: ignore[assignment]
        self._arriving, self._stopped = 0, False

    def look(self) -> None:
        """Do it."""
        self._note(self._draw.look())


class _Clock:
    def seconds(self) -> float:
        return perf_counter()


class _Learner:
    def learn(self, known: Attendance, *, here: bool, alive: bool) -> None:
        pass

    def learn_state(self, found: Attendances) -> None:
        pass

    def is_missed(self, agency: int) -> bool:
        return False


def _cpu(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def held_against(
    costs: Costs, start: Sequence[float], loads: Sequence[Load], found: Sequence[Sequence[float]]
) -> bool:
    """Print what the model says beside what was found, and give whether it is near enough.

    :param start: what that of :data:`START` has cost, of the central and of the database.
    """
    near = True
    for load, (client, database, seconds) in zip(loads, found, strict=True):
        central, stored = load.cost(costs.central, start[0]), load.cost(costs.database, start[1])
        ratio = (central + stored) / (client + database)
        near = near and 1 - WRONG <= ratio <= 1 / (1 - WRONG)
        print(
            f"{load.agencies} agencies: central {central:.2f} s by the model, {client:.2f} found;"
        )
        print(f"  database {stored:.2f}, {database:.2f} found; model over found {ratio:.2f};")
        print(f"  {(central + stored) / CORES:.2f} s if both cores are ours, {seconds:.2f} passed")
    return near


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the data go; it has to be on a disk")
    options = parser.parse_args()
    if options.folder:
        tempfile.tempdir = options.folder
    with tempfile.TemporaryDirectory() as folder, Server(on_disk=True, **SETTINGS) as server:
        rig = Rig(server, Path(folder))
        for agencies in (1000, 10_000, 100_000):
            rig.looks(agencies)
        found = rig.medians([START, _RUNS, _SINGLE, _MANY], options.rounds)
        client, database, _ = zip(*found, strict=True)
        costs = Costs(cost_of(*client), cost_of(*database))
        for name, cost in (("central", costs.central), ("database", costs.database)):
            print(f"{name}: µs of CPU for a bet {cost.bet * 1e6:.2f},", end=" ")
            print(f"a batch {cost.batch * 1e6:.0f}, an agency {cost.agency * 1e6:.0f}")
        near = held_against(costs, found[0], CHECKED, rig.medians(CHECKED, options.rounds))
    raise SystemExit(0 if near else 1)


if __name__ == "__main__":
    main()
