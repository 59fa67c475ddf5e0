"""What a ledger in PostgreSQL takes in, against a plain COPY of the same rows, and its draw.

    python benchmarks/scale_out.py [--rounds N] [--bets N] [--large N] [--folder DIR]

Each round has a plain COPY, one central and two centrals, each into tables of their own, all on
this machine. Then a draw over as many bets as ``--large`` says is sealed, and its winners are
found. If one central takes in less than half of what the COPY does, two less than one, or the
query of the draw reads more than its index and the winners, the exit status is 1.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import psycopg
from servers import spent_by
from shared_load import SETTINGS, Database, Server, Taken, copied, played, prepared
from streams import LOTTERY1, stream_of

from lottery.ledger.postgres.rows import WINNING, written

LEAST: Final = 0.5
AGENCIES: Final = 5
BATCH: Final = 140
NUMBER: Final = 7574
#: Of the large draw.
_PARTS: Final = 1000
#: Each agency has come with one batch after the other, in turns with all others.
_MAKE: Final = """
INSERT INTO lottery.bet
SELECT 1, 1 + at / 140 %% 1000, at / 140000 * 140 + at %% 140, 'Santiago Lionel', 'Lorca',
       (30000000 + at)::text, DATE '1999-03-17', ((at * 7919 + 17) %% 10000)::text
FROM generate_series(0::bigint, %s - 1) AS at
"""
_END: Final = """
UPDATE lottery.part SET ended = true, bets = (
    SELECT count(*) FROM lottery.bet WHERE bet.draw = part.draw AND bet.agency = part.agency
)
"""
_SIZES: Final = """
SELECT pg_table_size('lottery.bet'), pg_relation_size('lottery.bet_pkey'),
       pg_relation_size('lottery.bet_number')
"""


def rates(server: Server, folder: Path, rounds: int, bets: int) -> bool:
    """Measure all three in each round, in turns, and print them; whether they are good."""
    stream = stream_of(LOTTERY1, bets, BATCH)
    kinds: dict[str, Callable[[Database], Taken]] = {
        "plain COPY": lambda database: copied(server, database, stream, AGENCIES),
        "one central": lambda database: played(server, database, stream, folder, 1, AGENCIES),
        "two centrals": lambda database: played(server, database, stream, folder, 2, AGENCIES),
    }
    found: dict[str, list[Taken]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        # Whoever is first has another machine, if others use it, too.
        for kind in sorted(kinds, reverse=bool(number % 2)):
            with server.database() as database:
                found[kind].append(kinds[kind](database))
            print(f"round {number + 1}, {kind}: {found[kind][-1]} bets/s", flush=True)
    return judged(found)


def judged(found: Mapping[str, Sequence[Taken]]) -> bool:
    """Print the medians, and give whether they are what is wanted."""
    for kind, taken in found.items():
        rate = statistics.median(each.rate for each in taken)
        client = statistics.median(each.client / each.bets for each in taken) * 1e6
        database = statistics.median(each.database / each.bets for each in taken) * 1e6
        wal = statistics.median(each.wal / each.bets for each in taken)
        print(f"{kind}: {rate:,.0f} bets/s; for each, {client:.2f} µs of CPU outside")
        print(f"  and {database:.2f} in the database, {wal:.0f} bytes of WAL")
    plain, one, two = ([each.rate for each in taken] for taken in found.values())
    over_copy, over_one = _ratio(one, plain), _ratio(two, one)
    print(f"median: one central {over_copy:.2f} x plain COPY, at least {LEAST} is wanted;")
    print(f"two centrals {over_one:.2f} x one, at least 1 wanted")
    return over_copy >= LEAST and over_one >= 1


def _ratio(rates: Sequence[float], references: Sequence[float]) -> float:
    """Give the median of what was measured in the same round."""
    return statistics.median(one / other for one, other in zip(rates, references, strict=True))


def the_draw(server: Server, bets: int) -> bool:
    """Hold a draw over so many bets; whether only the index and the winners were read."""
    with server.database() as database, closing(psycopg.connect(database.dsn)) as connection:
        connection.autocommit = True
        ledgers = prepared(database.dsn)
        opened = ledgers.open(_PARTS)
        shared, record = opened.ledger.shared, opened.record
        assert shared is not None
        for agency in range(1, _PARTS + 1):
            shared.enter(agency)
        connection.execute(_MAKE, (bets,))
        connection.execute("VACUUM ANALYZE lottery.bet")
        connection.execute(_END)

        def timed(name: str, step: Callable[[], object]) -> None:
            cpu, inside, began = process_time(), spent_by(server.pid), perf_counter()
            step()
            seconds, cpu = perf_counter() - began, process_time() - cpu
            inside = spent_by(server.pid) - inside
            print(f"{name}: {seconds:.2f} s; {cpu:.2f} s of CPU here, {inside:.2f} in the database")

        steps = opened.ledger
        timed("closing", lambda: steps.close(record))
        timed(f"seal of {bets:,} bets", lambda: steps.seal(record, _never))
        timed("number and winners", lambda: steps.draw_number(record, NUMBER, _never))
        drawn = steps.read()
        plan = plan_of(connection)
        (sizes,) = connection.execute(_SIZES).fetchall()
        ledgers.release()
    print(plan)
    table, key, numbers = (size / bets for size in sizes)
    print(f"{drawn.winners_csv.bets if drawn.winners_csv else 0:,} winners; a bet has {table:.0f}")
    print(f"bytes in the table, {key:.0f} in its key, {numbers:.0f} in the index of the numbers")
    return "Seq Scan" not in plan and "Index Only Scan using bet_number" in plan


def _never() -> bool:
    return False


def plan_of(connection: psycopg.Connection) -> str:
    """Give how the server runs the query of the draw."""
    query = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {WINNING}"
    rows = connection.execute(query.encode(), (1, written(NUMBER))).fetchall()
    return "\n".join(re.sub(r"\(actual time=\S+ ", "(", line) for (line,) in rows)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bets", type=int, default=100_000, help="of each of the 5 agencies")
    parser.add_argument("--large", type=int, default=10_000_000, help="bets of the draw; 0: none")
    parser.add_argument("--folder", help="where the data go; it has to be on a disk")
    options = parser.parse_args()
    good = True
    if options.folder:
        tempfile.tempdir = options.folder
    with tempfile.TemporaryDirectory() as folder, Server(on_disk=True, **SETTINGS) as server:
        if options.rounds:
            good = rates(server, Path(folder), options.rounds, options.bets)
        if options.large:
            good = the_draw(server, options.large) and good
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
