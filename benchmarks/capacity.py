"""How many centrals and how large a database a lottery needs; and what its last hour is like.

    python benchmarks/capacity.py [--agencies N] [--bets N] [--centrals N] [--peak SHARE] [--seed N]

The model is arithmetic over what ``benchmarks/scale_out.py`` has measured. The simulation lets each
agency send its bets over the day, with a share of them in the last minutes before the close, to
centrals that store so many in a second, and says when the last END is acknowledged.
"""

from __future__ import annotations

import argparse
import random
from typing import Final

from attrs import frozen

DAY_SECONDS: Final = 16 * 3600
PEAK_SECONDS: Final = 600


@frozen
class Speed:
    """What was measured, on two cores that have everything on them.

    :ivar central: bets per second that one central hands on.
    :ivar database: bets per second that the database stores, whoever hands them on.
    :ivar seal: bets per second that the seal reads.
    :ivar bet_bytes: of a bet in table and indexes; ``wal_bytes``: that it writes besides.
    :ivar hellos: agencies per second that one central lets in.
    """

    central: float = 100_000
    database: float = 150_000
    seal: float = 450_000
    bet_bytes: int = 250
    wal_bytes: int = 250
    hellos: float = 300


@frozen
class Lottery:
    """What is to be taken in: so many bets a day, of which a share in the last ten minutes."""

    agencies: int
    bets: int
    peak: float


@frozen
class Needs:
    """What that needs; rates are per second.

    :ivar backlog_seconds: how long after the close the last bet of the peak is stored, with one
        database of the measured speed.
    """

    peak_rate: float
    centrals: int
    databases: float
    disk_bytes: int
    wal_bytes: int
    seal_seconds: float
    hello_seconds: float
    backlog_seconds: float


def needs(lottery: Lottery, speed: Speed, centrals: int = 0) -> Needs:
    """Say what a lottery needs.

    :param centrals: so many there are; 0: as many as the peak needs.
    """
    rate = lottery.bets * lottery.peak / PEAK_SECONDS
    wanted = centrals or max(1, -int(-rate // speed.central))
    stored = min(wanted * speed.central, speed.database)
    late = lottery.bets * lottery.peak / stored - PEAK_SECONDS
    return Needs(
        peak_rate=rate,
        centrals=wanted,
        databases=rate / speed.database,
        disk_bytes=lottery.bets * speed.bet_bytes,
        wal_bytes=lottery.bets * speed.wal_bytes,
        seal_seconds=lottery.bets / speed.seal,
        hello_seconds=lottery.agencies / (wanted * speed.hellos),
        backlog_seconds=max(0.0, late),
    )


def simulated(lottery: Lottery, speed: Speed, centrals: int, seed: int) -> tuple[float, float]:
    """Give the largest backlog in seconds of work, and how long after the close all is stored.

    Each agency is another one in size (as 1 over its rank), sends what comes in a second in that
    second, and waits for no other.
    """
    rng = random.Random(seed)
    weights = [1 / rank for rank in range(1, min(lottery.agencies, 10_000) + 1)]
    rng.shuffle(weights)
    service = min(centrals * speed.central, speed.database)
    day, peak = lottery.bets * (1 - lottery.peak), lottery.bets * lottery.peak
    backlog = most = 0.0
    for second in range(DAY_SECONDS):
        base = day / DAY_SECONDS
        # Agencies are awake or not, minute by minute; together they make up the rate.
        if second % 60 == 0:
            total = sum(weights)
            awake = sum(each for each in weights if rng.random() < 0.5)
            share = 2 * awake / total
        late = second - (DAY_SECONDS - PEAK_SECONDS)
        # The peak rises to the close: twice its mean at the end, nothing at the begin.
        rush = 2 * peak / PEAK_SECONDS * (late / PEAK_SECONDS) if late >= 0 else 0.0
        backlog = max(0.0, backlog + (base + rush) * share - service)
        most = max(most, backlog)
    return most / service, backlog / service


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agencies", type=int, default=100_000)
    parser.add_argument("--bets", type=int, default=1_000_000_000, help="a day")
    parser.add_argument("--centrals", type=int, default=0, help="0: as many as it needs")
    parser.add_argument("--peak", type=float, default=0.1, help="share in the last 10 minutes")
    parser.add_argument("--seed", type=int, default=7574)
    options = parser.parse_args()
    lottery, speed = Lottery(options.agencies, options.bets, options.peak), Speed()
    need = needs(lottery, speed, options.centrals)
    print(f"peak: {need.peak_rate:,.0f} bets/s, {need.centrals} centrals,")
    print(f"{need.databases:.2f} databases of the measured speed")
    print(f"disk: {need.disk_bytes / 1e9:,.0f} GB, and {need.wal_bytes / 1e9:,.0f} GB of WAL a day")
    print(f"seal: {need.seal_seconds:,.0f} s; all agencies let in: {need.hello_seconds:,.0f} s")
    print(f"the last bet is stored {need.backlog_seconds:,.0f} s after the close, by arithmetic;")
    most, behind = simulated(lottery, speed, need.centrals, options.seed)
    print(f"{behind:,.0f} s by simulation, with {most:,.0f} s of work waiting at most")


if __name__ == "__main__":
    main()
