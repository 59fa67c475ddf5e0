"""Loads on centrals that share a ledger in PostgreSQL, and what they cost.

The server is one of Debian's packages, started in a temporary directory, on the same machine and
durable: its commits are flushed.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import load
import psycopg
from attrs import frozen
from measures import QUIET, empty
from servers import central, spent_by
from streams import Stream

from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.postgres.store import BETS

# The server that the tests start, too.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "integration"))
from postgres import Server
from postgres_client import Database

#: As a server has them that is there for this.
SETTINGS: Final = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "wal_compression": "on",
    "max_connections": "200",
}


@frozen
class Taken:
    """What was taken in.

    :ivar seconds: until the last bet was acknowledged.
    :ivar client: CPU seconds of the centrals with their writers, or of what copies; and
        ``database`` those of the server.
    :ivar wal: bytes that were written to the log.
    """

    bets: int
    seconds: float
    client: float
    database: float
    wal: int

    @property
    def rate(self) -> float:
        """Bets per second."""
        return self.bets / self.seconds

    def __str__(self) -> str:
        client, database = (each / self.bets * 1e6 for each in (self.client, self.database))
        wal = self.wal / self.bets
        return f"{self.rate:,.0f} ({client:.1f} + {database:.1f} µs of CPU, {wal:.0f} B of WAL)"


class Meter:
    """What a server costs from now on."""

    def __init__(self, server: Server) -> None:
        server.sql("CHECKPOINT")
        self._server = server
        self._spent = spent_by(server.pid)
        ((self._position,),) = server.sql("SELECT pg_current_wal_lsn()::text")

    def taken(self, bets: int, seconds: float, client: float) -> Taken:
        """Say what it has cost."""
        database = spent_by(self._server.pid) - self._spent
        query = "SELECT pg_current_wal_lsn() - %s::pg_lsn"
        ((wal,),) = self._server.sql(query, self._position)
        return Taken(bets, seconds, client, database, int(wal))


def prepared(dsn: str) -> DatabaseLedgers:
    """Make the tables."""
    ledgers = DatabaseLedgers(dsn, provable=False)
    ledgers.own(lambda: False)
    return ledgers


def copied(server: Server, database: Database, stream: Stream, agencies: int) -> Taken:
    """Have all bets that agencies send taken in by one COPY, and its commit."""
    prepared(database.dsn).release()
    rows = rows_of(stream)
    text = b"".join(
        b"1,%d,%d,%s\n" % (agency, index, row)
        for agency in range(1, agencies + 1)
        for index, row in enumerate(rows)
    )
    with psycopg.connect(database.dsn) as connection:
        meter = Meter(server)
        spent, began = process_time(), perf_counter()
        with connection.cursor() as cursor, cursor.copy(BETS) as copy:
            copy.write(text)
        connection.commit()
        seconds = perf_counter() - began
        return meter.taken(agencies * len(rows), seconds, process_time() - spent)


def rows_of(stream: Stream) -> list[bytes]:
    """Give the rows of a stream of lottery/1."""
    begin, rows = 0, list[bytes]()
    for end in stream.ends[:-1]:
        # Behind the header of the frame (3 bytes), the first index (8) and the count (2).
        rows += stream.frames[begin + 13 : end].split(b"\n")[:-1]
        begin = end
    return rows


def played(
    server: Server,
    database: Database,
    stream: Stream,
    folder: Path,
    centrals: int,
    agencies: int,
    window: int = 0,
) -> Taken:
    """Have all bets of agencies taken in by so many centrals; the draw stays open.

    :param window: how many batches of an agency may be without an answer; 0: any number.
    """
    writers = max(1, (cpu_count() or 1) // centrals)  # as many in all as there are cores
    share, rest = divmod(agencies, centrals)
    shares = [share + (number < rest) for number in range(centrals)]
    with ExitStack() as stack:
        running = []
        for number in range(centrals):
            place = stack.enter_context(empty(folder / f"central-{number}"))
            # All of them come at once, and from one address.
            options = (
                *QUIET, "--ledger", database.dsn, "--strangers", "65536", "--per-address", "65536",
                "--writers", str(writers),
            )  # fmt: skip
            running.append(stack.enter_context(central(place, agencies, *options)))
        pool = stack.enter_context(ProcessPoolExecutor(centrals, get_context("fork")))
        firsts = [1 + sum(shares[:number]) for number in range(centrals)]
        meter = Meter(server)
        before = sum(each.cpu_seconds for each in running)
        began = perf_counter()
        plays = [
            pool.submit(load.play, each.port, stream, part, window, ends=False, first=first)
            for each, part, first in zip(running, shares, firsts, strict=True)
        ]
        # perf_counter has the same origin in all processes of a machine.
        last = max(play.result().acknowledged_at for play in plays)
        client = sum(each.cpu_seconds for each in running) - before
        return meter.taken(agencies * stream.total, last - began, client)
