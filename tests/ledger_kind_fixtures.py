"""The fixture ``ledger_kind``, with which a test is run with each kind of ledger.

That is once with files and once, as a slow test, with a PostgreSQL database, which needs a server.
A test module says ``pytest_plugins = ["ledger_kind_fixtures", "postgres_fixtures"]``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from central_fakes import House
from ledger_kinds import FILES, AuditedKind, InDatabase


@pytest.fixture(params=["files", pytest.param("postgresql", marks=pytest.mark.slow)])
def ledger_kind(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AuditedKind]:
    """Each kind in turn: that of every house of the test."""
    if request.param == "files":
        monkeypatch.setattr(House, "kind", FILES)
        yield FILES
        return
    kind = InDatabase(request.getfixturevalue("postgres_database").dsn)
    monkeypatch.setattr(House, "kind", kind)
    yield kind
    kind.close()
