"""How many connections there may be."""

from __future__ import annotations

import resource

import pytest

from lottery.central.open_files import connections_limit

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "connections"),
    [
        (1024, 4096, 4096, 4096 - 52),
        (4096, 4096, None, 4096 - 52),
        (64, 64, None, 12),
        (16, 16, None, 1),
        (1024, INFINITE, 65536, 65536 - 52),
        (1024, 1 << 30, 65536, 65536 - 52),
        (INFINITE, INFINITE, None, 65536 - 52),
        (1 << 20, 1 << 20, None, 65536 - 52),
    ],
)
def test_limit(
    soft: int,
    hard: int,
    raised: int | None,
    connections: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The soft limit is raised as far as we may and need; two writers need 20 files."""
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    assert connections_limit(2) == connections
    assert limits == ([] if raised is None else [(raised, hard)])
