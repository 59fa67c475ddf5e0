"""What a ledger in PostgreSQL takes in, against a plain COPY of the same rows, and its draw.

    python benchmarks/scale_out.py [--rounds N] [--bets N] [--large N] [--folder DIR]

The server is one of Debian's packages, started for this in a temporary directory, on the same
machine and durable: its commits are flushed. Each round has a plain COPY, one central and two
centrals, each into tables of their own. Then the query of the draw runs over as many bets as
``--large`` says. If one central takes in less than half of what the COPY does, two less than one,
or the query reads more than its index and the winners, the exit status is 1.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Final

import load
import psycopg
import servers
from measures import QUIET, empty
from streams import LOTTERY1, Stream, stream_of

from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.postgres.rows import winning_rows
from lottery.ledger.postgres.store import BETS

# The server that the tests start, too.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "integration"))
from postgres import Server

LEAST: Final = 0.5
AGENCIES: Final = 5
BATCH: Final = 140
NUMBER: Final = 7574
#: As a server has them that is there for this.
_SETTINGS: Final = {"shared_buffers": "512MB", "max_wal_size": "8GB", "wal_compression": "on"}
_MAKE: Final = """
INSERT INTO lottery.bet
SELECT 1, 1 + at %% 1000, at / 1000, 'Santiago Lionel', 'Lorca', (30000000 + at)::text,
       DATE '1999-03-17', ((at * 7919 + 17) %% 10000)::text
FROM generate_series(0::bigint, %s - 1) AS at
"""


def prepared(dsn: str) -> None:
    """Make the tables."""
    ledgers = DatabaseLedgers(dsn, provable=False)
    ledgers.own(lambda: False)
    ledgers.release()


def copied(dsn: str, stream: Stream) -> float:
    """Give the bets per second of one COPY of what all agencies send, and its commit."""
    prepared(dsn)
    rows = rows_of(stream)
    text = b"".join(
        b"1,%d,%d,%s\n" % (agency, index, row)
        for agency in range(1, AGENCIES + 1)
        for index, row in enumerate(rows)
    )
    with psycopg.connect(dsn) as connection:
        began = perf_counter()
        with connection.cursor() as cursor, cursor.copy(BETS) as copy:
            copy.write(text)
        connection.commit()
        return AGENCIES * len(rows) / (perf_counter() - began)


def rows_of(stream: Stream) -> list[bytes]:
    """Give the rows of a stream of lottery/1."""
    begin, rows = 0, list[bytes]()
    for end in stream.ends[:-1]:
        # Behind the header of the frame (3 bytes), the first index (8) and the count (2).
        rows += stream.frames[begin + 13 : end].split(b"\n")[:-1]
        begin = end
    return rows


def played(dsn: str, stream: Stream, folder: Path, centrals: int) -> float:
    """Give the bets per second that so many centrals take in, of all agencies together."""
    share, rest = divmod(AGENCIES, centrals)
    shares = [share + (number < rest) for number in range(centrals)]
    with ExitStack() as stack:
        ports = []
        for number in range(centrals):
            place = stack.enter_context(empty(folder / f"central-{number}"))
            options = (*QUIET, "--ledger", dsn, "--draws", "1")
            ports.append(stack.enter_context(servers.central(place, AGENCIES, *options)).port)
        pool = stack.enter_context(ProcessPoolExecutor(centrals, get_context("fork")))
        firsts = [1 + sum(shares[:number]) for number in range(centrals)]
        began = perf_counter()
        plays = [
            pool.submit(load.play, port, stream, agencies, first=first)
            for port, agencies, first in zip(ports, shares, firsts, strict=True)
        ]
        # perf_counter has the same origin in all processes of a machine.
        last = max(play.result().acknowledged_at for play in plays)
    return AGENCIES * stream.total / (last - began)


def rates(server: Server, stream: Stream, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Measure all three in each round, in turns, and print them."""
    kinds: dict[str, Callable[[str], float]] = {
        "plain COPY": lambda dsn: copied(dsn, stream),
        "one central": lambda dsn: played(dsn, stream, folder, 1),
        "two centrals": lambda dsn: played(dsn, stream, folder, 2),
    }
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind, measure in kinds.items():
            with server.database() as database:
                server.sql("CHECKPOINT")
                found[kind].append(measure(database.dsn))
        line = ", ".join(f"{kind} {found[kind][-1]:,.0f}" for kind in kinds)
        print(f"round {number + 1}, bets/s: {line}", flush=True)
    return found


def the_draw(server: Server, bets: int) -> bool:
    """Look for the winners of so many bets; whether only the index and the winners were read."""
    with server.database() as database, psycopg.connect(database.dsn) as connection:
        prepared(database.dsn)
        connection.execute(_MAKE, (bets,))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE lottery.bet")
        began = perf_counter()
        rows = winning_rows(connection, 1, NUMBER)
        seconds = perf_counter() - began
        plan = plan_of(connection)
        (sizes,) = connection.execute(
            "SELECT pg_table_size('lottery.bet'), pg_relation_size('lottery.bet_pkey'), "
            "pg_relation_size('lottery.bet_number')"
        ).fetchall()
    print(plan)
    bytes_of = ", ".join(f"{size / bets:.0f}" for size in sizes)
    print(f"draw: {len(rows):,} winners of {bets:,} bets in {seconds * 1e3:.1f} ms; bytes of a bet")
    print(f"in the table, its key and the index of the numbers: {bytes_of}")
    return "Seq Scan" not in plan and "Index Only Scan using bet_number" in plan


def plan_of(connection: psycopg.Connection) -> str:
    """Give how the server runs the query of the draw."""
    from lottery.ledger.postgres.rows import WINNING, written

    query = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {WINNING}"
    rows = connection.execute(query.encode(), (1, written(NUMBER))).fetchall()
    return "\n".join(re.sub(r"\(actual time=\S+ ", "(", line) for (line,) in rows)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bets", type=int, default=100_000, help="of each of the 5 agencies")
    parser.add_argument("--large", type=int, default=10_000_000, help="bets of the draw; 0: none")
    parser.add_argument("--folder", help="where the data goes; it has to be on a disk")
    options = parser.parse_args()
    stream = stream_of(LOTTERY1, options.bets, BATCH)
    good = True
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        Server(on_disk=True, **_SETTINGS) as server,
    ):
        if options.rounds:
            found = rates(server, stream, Path(folder), options.rounds)
            plain, one, two = (statistics.median(each) for each in found.values())
            print(
                f"median: one central {one / plain:.2f} x plain COPY, at least {LEAST} is wanted;"
            )
            print(f"two centrals {two / one:.2f} x one, at least 1 wanted")
            good = one >= LEAST * plain and two >= one
        if options.large:
            good = the_draw(server, options.large) and good
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
