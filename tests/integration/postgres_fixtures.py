"""Fixtures with PostgreSQL, for a test module that says ``pytest_plugins = ["postgres_fixtures"]``.

A server's log is printed at the end of each test, so it is seen of a test that fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from postgres import Pair, Server
from postgres_client import Database, NewLedger


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server for all tests that leave it as it is."""
    with Server() as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: Server) -> Iterator[Database]:
    """An empty database of the shared server, for one test."""
    since = len(postgres_server.lines)
    try:
        with postgres_server.database() as database:
            yield database
    finally:
        print("\n".join(postgres_server.lines[since:]))


@pytest.fixture(params=["files", "database"])
def ledger_url(request: pytest.FixtureRequest) -> str | None:
    """Either kind of ledger: None for files, or the URL of a database."""
    if request.param == "files":
        return None
    database: Database = request.getfixturevalue("postgres_database")
    return database.dsn


@pytest.fixture(params=["files", "database"])
def new_ledger(request: pytest.FixtureRequest) -> NewLedger:
    """As ``ledger_url``, for a test that needs several."""
    if request.param == "files":
        return nullcontext
    server: Server = request.getfixturevalue("postgres_server")

    @contextmanager
    def database() -> Iterator[str]:
        with server.database() as made:
            yield made.dsn

    return database


@pytest.fixture
def postgres_pair() -> Iterator[Pair]:
    """A primary and a synchronous standby, for one test."""
    with Pair() as pair:
        yield pair
        print(pair.log)
