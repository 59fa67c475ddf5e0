"""``lottery.agency.sample_day``: the made-up day is valid, believable and repeatable."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest

from lottery.agency.sample_day import OLDEST, WINNING_NUMBER, YOUNGEST, AgencyDay, plan, rows
from lottery.bets import are_common_lines, fault_of, has_won

DAYS = [(5, 20000, 1), (1, 1, 1), (1, 3, 9), (3, 3, 2), (40, 47, 3), (2, 500, 0), (7, 3000, 12345)]


def written(agencies: int, bets: int, seed: int) -> list[list[str]]:
    """The rows of each agency."""
    return [list(rows(day)) for day in plan(agencies, bets, seed)]


def winners(agency: list[str]) -> int:
    """How many of an agency's rows have won."""
    return sum(has_won(row.rpartition(",")[2], WINNING_NUMBER) for row in agency)


@pytest.mark.parametrize(("agencies", "bets", "seed"), DAYS)
def test_every_bet_is_planned_and_written(agencies: int, bets: int, seed: int) -> None:
    """The sizes add up, no agency is without bets, and the files hold what was planned."""
    days = plan(agencies, bets, seed)
    assert [day.agency for day in days] == list(range(1, agencies + 1))
    assert sum(day.bets for day in days) == bets
    assert min(day.bets for day in days) >= 1
    files = written(agencies, bets, seed)
    assert [(len(file), winners(file)) for file in files] == [(d.bets, d.winners) for d in days]


@pytest.mark.parametrize(("agencies", "bets", "seed"), DAYS)
def test_rows_are_valid(agencies: int, bets: int, seed: int) -> None:
    """The central takes every row, by its fast check."""
    for file in written(agencies, bets, seed):
        assert are_common_lines("".join(f"{row}\n" for row in file).encode(), 2025)
        assert all(fault_of(row.split(","), YOUNGEST) is None for row in file)


@pytest.mark.parametrize(("agencies", "bets", "seed"), [day for day in DAYS if day[0] > 1])
def test_winners_are_spread_unequally(agencies: int, bets: int, seed: int) -> None:
    """Some agency has winners, and not all have the same number of them."""
    counts = [winners(file) for file in written(agencies, bets, seed)]
    assert max(counts) >= 1
    assert len(set(counts)) > 1


@pytest.mark.parametrize("seed", range(20))
def test_agencies_are_unequal(seed: int) -> None:
    """Of five agencies no two are of the same size, and the winners stay few."""
    days = plan(5, 20000, seed)
    assert len({day.bets for day in days}) == 5
    assert sum(day.winners for day in days) <= 12


def test_day_is_believable() -> None:
    """Names with accents, second names, doubled surnames; documents of seven and eight digits."""
    day = [row.split(",") for file in written(5, 20000, 1) for row in file]
    first_names, last_names, documents, birthdates, numbers = map(set, zip(*day, strict=True))
    assert any(not name.isascii() for name in first_names)
    assert any(not name.isascii() for name in last_names)
    assert any(" " in name for name in first_names)
    assert any(" " not in name for name in first_names)
    assert any(name.startswith("García ") for name in last_names)
    assert {len(document) for document in documents} == {7, 8}
    assert len(documents) > 19000
    assert min(map(date.fromisoformat, birthdates)) >= OLDEST
    assert max(map(date.fromisoformat, birthdates)) <= YOUNGEST
    assert len(numbers) > 8000


def test_same_seed_same_bytes() -> None:
    """The day is pinned: no Python version, platform or hash seed may change it."""
    text = "".join(f"{row}\n" for file in written(5, 20000, 1) for row in file)
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "11769267aac4c54fa87ec0f43b849b34787aa4666419154e926fbfd63ddcf180"
    )


def test_other_seed_other_day() -> None:
    """The seed decides names as well as sizes."""
    assert plan(5, 20000, 1) != plan(5, 20000, 2)
    one, two = AgencyDay(1, 5, 0, 1), AgencyDay(1, 5, 0, 2)
    assert list(rows(one)) != list(rows(two))
