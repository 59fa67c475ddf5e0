"""The day of the real data, if the environment says where it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from centrals import Centrals
from live import LiveCentral, rows_of, union, winning
from postgres_client import Database
from relay import Relay
from test_day import expected_documents, play_agencies, play_classic
from test_shared_day import SPREADS, agencies

pytest_plugins = ["postgres_fixtures"]

DATA = os.environ.get("LOTTERY_DATA", "")
WINNERS = {1: 2, 2: 3, 3: 3, 4: 2, 5: 0}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not DATA, reason="LOTTERY_DATA names no folder with the agency-N.csv of the real day"
    ),
]


@pytest.fixture(scope="module")
def files() -> dict[int, Path]:
    """The file of each agency."""
    return {agency: Path(DATA).absolute() / f"agency-{agency}.csv" for agency in WINNERS}


@pytest.fixture(scope="module")
def day(files: dict[int, Path]) -> dict[int, list[str]]:
    """The rows of each agency."""
    day = {agency: rows_of(file) for agency, file in files.items()}
    assert {agency: len(winning(rows)) for agency, rows in day.items()} == WINNERS
    assert sum(map(len, day.values())) == 78697
    return day


@pytest.mark.parametrize("window", [1, None], ids=["stop-and-wait", "all-before-reading"])
@pytest.mark.parametrize("size", [1, 10, 140])
def test_classic_agencies(
    tmp_path: Path, day: dict[int, list[str]], size: int, window: int | None
) -> None:
    """Five classic connections get 2, 3, 3, 2 and 0 winners, and every row is in the list."""
    with LiveCentral(tmp_path, "--agencies", 5, level="INFO") as central:
        told = play_classic(central, day, size, window)
        assert told == expected_documents(day)
        assert {agency: len(found) for agency, found in told.items()} == WINNERS
        assert central.bets_csv(1) == union(day)


@pytest.mark.parametrize("writers", [1, 5])
def test_agencies_of_lottery1(
    tmp_path: Path, files: dict[int, Path], day: dict[int, list[str]], writers: int
) -> None:
    """``lottery agency`` five times does the same, with one writer and with five."""
    options = ("--agencies", 5, "--draws", 1, "--writers", writers)
    with LiveCentral(tmp_path, *options, level="INFO") as central:
        told = play_agencies(central, tmp_path, files)
        assert told == {agency: winning(rows) for agency, rows in day.items()}
        assert central.wait() == 0
        assert central.bets_csv(1) == union(day)
        assert central.bets_csv(1).count(b"\n") == 78697


@pytest.mark.parametrize("spread", ["in turn", "one apart"])
@pytest.mark.parametrize("count", [2, 3])
def test_several_centrals(
    tmp_path: Path,
    postgres_database: Database,
    files: dict[int, Path],
    day: dict[int, list[str]],
    count: int,
    spread: str,
) -> None:
    """However the agencies are spread over them: right winners, every bet once, the same file."""
    options = ("--agencies", 5, "--draws", 1)
    with (
        Centrals(tmp_path, postgres_database.dsn, count, *options) as centrals,
        Relay(SPREADS[spread](centrals.ports)) as relay,
        agencies(tmp_path, relay.port, files) as running,
    ):
        for agency, live in running.items():
            assert live.wait() == 0, live.log
            assert live.winners() == winning(day[agency])
        centrals.wait()
    assert postgres_database.sql("SELECT count(*) FROM lottery.bet") == [(78697,)]
    exported = subprocess.run(
        [sys.executable, "-m", "lottery", "export", postgres_database.dsn],
        capture_output=True,
        check=True,
    )
    assert exported.stdout == union(day)
