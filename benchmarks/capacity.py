"""How many centrals and how large a database a lottery needs; and what its last hour is like.

    python benchmarks/capacity.py [--agencies N] [--bets N] [--hour SHARE] [--minute SHARE] ...

The model is arithmetic over costs that were measured (``benchmarks/capacity_check.py`` measures
them, and holds the model against other loads). The simulation lets each agency send its batches in
the hour before the close, to centrals and a database that take so long for each, and says when the
last END is acknowledged.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from heapq import merge
from math import ceil
from typing import Final, NamedTuple

from attrs import frozen

DAY_SECONDS: Final = 16 * 3600
HOUR: Final = 3600
MINUTE: Final = 60
#: The share of a core that is planned with; the rest is for what nobody has thought of.
USE: Final = 0.7
#: Between two looks of a central at all agencies, in seconds: at least, and at most.
LOOK_SECONDS: Final = (0.5, 2.5)
#: A simulation has about so many events; each stands for several batches if there are more.
_EVENTS: Final = 500_000


@frozen
class Cost:
    """CPU seconds.

    :ivar bet: for each bet; ``batch`` for each batch besides, ``agency`` for each HELLO.
    """

    bet: float
    batch: float
    agency: float

    def of(self, bets: float, batch: float, agencies: float = 0) -> float:
        """Give what so many bets cost, in batches of that size, and so many HELLOs."""
        return bets * (self.bet + self.batch / batch) + agencies * self.agency


@frozen
class Costs:
    """What was measured, on one machine of two cores.

    :ivar look: CPU seconds of a central for each agency whenever it looks at all of them.
    :ivar enter: seconds for which nobody else comes in, when an agency does that has no place
        yet.
    :ivar seal: seconds for each bet, of one central that has the database to itself.
    :ivar disk: bytes of a bet in the table and both indexes, with its part of a batch.
    :ivar wal: bytes of a bet in the log of a database whose indexes are in memory.
    """

    central: Cost = Cost(1.4e-6, 120e-6, 2.2e-3)
    database: Cost = Cost(8.0e-6, 50e-6, 1.1e-3)
    look: float = 5e-6
    enter: float = 3e-3
    seal: float = 1.7e-6
    disk: float = 240.0
    wal: float = 300.0


@frozen
class Lottery:
    """What is to be taken in.

    :ivar bets: of a day.
    :ivar hour: the share of them that comes in the last hour before the close; ``minute``, in
        the last minute, which is a part of that hour.
    """

    agencies: int
    bets: int
    hour: float = 0.2
    minute: float = 0.01
    batch: int = 140

    @property
    def peak(self) -> float:
        """Bets per second when most of them come."""
        rates = (
            (1 - self.hour) / (DAY_SECONDS - HOUR),
            (self.hour - self.minute) / (HOUR - MINUTE),
            self.minute / MINUTE,
        )
        return self.bets * max(rates)


@frozen
class Machines:
    """What there is: cores of each central, and of the database."""

    central: int = 2
    database: int = 16


@frozen
class Needs:
    """What a lottery needs.

    :ivar central: bets per second that one central takes; ``database`` all of them together.
    :ivar cores: of the database.
    :ivar looks: the share of one core that each central needs to look at all agencies.
    :ivar coming: seconds that all agencies need until each has its place.
    """

    peak: float
    central: float
    database: float
    centrals: int
    cores: float
    looks: float
    coming: float
    disk: float
    wal: float
    seal: float


def needs(lottery: Lottery, machines: Machines, costs: Costs, centrals: int = 0) -> Needs:
    """Say what a lottery needs.

    :param centrals: so many there are; 0: as many as the peak needs.
    """
    look = lottery.agencies * costs.look
    looks = look / min(max(LOOK_SECONDS[0], 10 * look), LOOK_SECONDS[1])
    central = max(0.0, machines.central * USE - looks) / costs.central.of(1, lottery.batch)
    database = machines.database * USE / costs.database.of(1, lottery.batch)
    centrals = centrals or (max(1, ceil(lottery.peak / central)) if central else 0)
    hellos = max(costs.central.agency / max(centrals, 1), costs.enter)
    return Needs(
        peak=lottery.peak,
        central=central,
        database=database,
        centrals=centrals,
        cores=lottery.peak * costs.database.of(1, lottery.batch) / USE,
        looks=looks,
        coming=lottery.agencies * hellos,
        disk=lottery.bets * costs.disk,
        wal=lottery.bets * costs.wal,
        seal=lottery.bets * costs.seal,
    )


@frozen
class LastHour:
    """What came of a simulation, in seconds.

    :ivar wait: the longest from sending a batch to its acknowledgement; ``usual`` is the wait
        that 99 of 100 do not exceed.
    :ivar ended: from the close to the last acknowledgement of an END.
    """

    wait: float
    usual: float
    ended: float


class Work(NamedTuple):
    """What an agency has sent, and when."""

    sent: float
    bets: float
    batches: float


def served(
    queue: Iterable[tuple[float, Work]], cost: Cost, cores: float
) -> Iterator[tuple[float, Work]]:
    """Give when each of a queue is done: first come, first served."""
    free = 0.0
    for at, work in queue:
        free = max(free, at) + (work.bets * cost.bet + work.batches * cost.batch) / cores
        yield free, work


def simulated(
    lottery: Lottery, machines: Machines, costs: Costs, need: Needs, seed: int
) -> LastHour:
    """Play the hour before the close, and what comes behind it.

    Agencies are of different size (most small, few large); each sends its batches at times of its
    own, and within a second of the close what it has left, with its END. A central takes what its
    agencies send one after the other, and so does the database with what the centrals give it.
    """
    rng = random.Random(seed)
    sizes = [rng.paretovariate(1.5) for _ in range(lottery.agencies)]
    total, coming = sum(sizes), lottery.bets * lottery.hour / lottery.batch
    together = max(1.0, coming / _EVENTS)
    late = lottery.minute / lottery.hour
    queues: list[list[tuple[float, Work]]] = [[] for _ in range(need.centrals)]
    for agency, size in enumerate(sizes):
        queue, batches = queues[agency % need.centrals], coming * size / total / together
        for _ in range(int(batches + rng.random())):
            begin, seconds = (HOUR - MINUTE, MINUTE) if rng.random() < late else (0, HOUR - MINUTE)
            at = begin + rng.random() * seconds
            queue.append((at, Work(at, together * lottery.batch, together)))
        at = HOUR + rng.random()
        queue.append((at, Work(at, rng.random() * lottery.batch, 2)))
    cores = machines.central * USE - need.looks
    passed_on = [served(sorted(queue), costs.central, cores) for queue in queues]
    waits, ended = [], 0.0
    for done, work in served(merge(*passed_on), costs.database, machines.database * USE):
        waits.append(done - work.sent)
        ended = max(ended, done - HOUR)
    waits.sort()
    return LastHour(waits[-1], waits[len(waits) * 99 // 100], ended)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agencies", type=int, default=100_000)
    parser.add_argument("--bets", type=int, default=1_000_000_000, help="a day")
    parser.add_argument("--hour", type=float, default=0.2, help="share in the last hour")
    parser.add_argument("--minute", type=float, default=0.01, help="share in the last minute")
    parser.add_argument("--batch", type=int, default=140)
    parser.add_argument("--centrals", type=int, default=0, help="0: as many as are needed")
    parser.add_argument("--central-cores", type=int, default=2, help="of each")
    parser.add_argument("--database-cores", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7574)
    options = parser.parse_args()
    lottery = Lottery(options.agencies, options.bets, options.hour, options.minute, options.batch)
    machines = Machines(options.central_cores, options.database_cores)
    need = needs(lottery, machines, Costs(), options.centrals)
    print(f"peak: {need.peak:,.0f} bets/s, {need.centrals} centrals that take {need.central:,.0f},")
    print(f"{need.cores:.1f} cores of the database; with {machines.database}, it takes", end=" ")
    print(f"{need.database:,.0f}")
    print(f"looking at all agencies: {need.looks:.2f} of a core of each central;", end=" ")
    print(f"each has its place after {need.coming:,.0f} s")
    print(f"disk {need.disk / 1e9:,.0f} GB, WAL {need.wal / 1e9:,.0f} GB a day;", end=" ")
    print(f"at the peak {need.wal / lottery.bets * need.peak / 1e6:,.1f} MB/s of WAL")
    print(f"seal: {need.seal:,.0f} s")
    if need.centrals:
        last = simulated(lottery, machines, Costs(), need, options.seed)
        print(f"the last hour: a batch waits {last.usual:.3f} s (99 %), {last.wait:.1f} s at most;")
        print(f"the last END is acknowledged {last.ended:.1f} s after the close")


if __name__ == "__main__":
    main()
