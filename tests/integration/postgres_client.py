"""What a client of the tests' PostgreSQL servers has: where to connect, and one statement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

#: Makes a ledger: gives None for files, or the URL of a database that is there in the block.
NewLedger = Callable[[], AbstractContextManager[str | None]]


def url(*ports: int, database: str = "lottery", options: str = "") -> str:
    """What a client connects to: servers at these ports, as one place.

    :param options: from the question mark on.
    """
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"postgresql://lottery@{hosts}/{database}{options}"


def query(dsn: str, text: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement in a connection and a transaction of its own; gives the rows, if any.

    :param values: what stands for each ``%s``.
    """
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(text, values or None)
        return cursor.fetchall() if cursor.description is not None else []


@dataclass(frozen=True)
class Database:
    """One database of a server.

    :ivar dsn: what a client connects to.
    """

    name: str
    dsn: str

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement; gives the rows, if any."""
        return query(self.dsn, text, *values)

    @contextmanager
    def held(self, text: str) -> Iterator[None]:
        """Keep what a statement locks until the block ends."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(text)
            yield

    def wait_for(self, text: str, wanted: list[tuple[Any, ...]], seconds: float) -> None:
        """Wait until a statement gives these rows: nothing tells when it would."""
        limit = time.monotonic() + seconds
        while (found := self.sql(text)) != wanted:
            assert time.monotonic() < limit, found
            time.sleep(0.005)
