"""kill -9 of one of several centrals under load: its agencies go on at another one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import pytest
from counts import SOAK, count, dice
from day import rows_of_agency
from oracle import History
from postgres import Server
from postgres_client import Database
from shared_day import SharedDay

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 4000
RECORDERS: Final = (1, 2, 3, 4)
PROGRAMS: Final = (5, 6)
CENTRALS: Final = 3
TRIALS_IN_A_DAY: Final = 5
#: How soon its agencies go on: all they need is another central.
RESUMES_SECONDS: Final = 5.0
#: A central that stands still keeps what it has locked, until the database takes it back.
STOOD_STILL_SECONDS: Final = 15.0
#: Longer than a central is thought alive that says nothing.
STILL_SECONDS: Final = 12.0 if SOAK else 2.0


def test_kills(tmp_path: Path, postgres_server: Server) -> None:
    """All have their winners in the end, nothing acknowledged is lost, nothing is there twice."""
    rng, wanted, took = dice("central kills"), count("central kills"), list[float]()
    while len(took) < wanted:
        directory = tmp_path / f"day-{len(took)}"
        directory.mkdir()
        with postgres_server.database() as database:
            took += play(directory, database, random.Random(rng.random()))
        shutil.rmtree(directory)
    print(
        f"{len(took)} kills, resumed after {max(took):.2f} s at most, {sum(took) / len(took):.2f}"
    )
    assert max(took) < RESUMES_SECONDS


def play(directory: Path, database: Database, rng: random.Random) -> list[float]:
    """Play a day with kills; gives how long it took all to go on behind each."""
    options = ("--agencies", len(RECORDERS + PROGRAMS), "--rejoin", 60)
    took = []
    # The last one comes when all have ended: while the draw is sealed, held or told.
    total = BETS * len(RECORDERS)
    moments = sorted(rng.uniform(0, 0.9 * total) for _ in range(TRIALS_IN_A_DAY - 1))
    with SharedDay(directory, database.dsn, CENTRALS, rng, *options) as day:
        for agency in PROGRAMS:
            day.agency(agency, rows_of_agency(agency, 5 * BETS, rng), "--batch-size", 20)
        for agency in RECORDERS:
            day.recorder(agency, rows_of_agency(agency, BETS, rng))
        for moment in moments:
            day.reach(lambda moment=moment: day.acknowledged >= moment)
            took.append(kill(day))
            day.centrals.start()
        day.reach(lambda: all(history.ended for history in day.histories))
        day.over.wait(rng.uniform(0, 0.3))
        took.append(kill(day))
        assert day.finish() == 7574
        assert len(day.running) == CENTRALS - 1
    return took


def test_one_that_stands_still(tmp_path: Path, postgres_database: Database) -> None:
    """Its agencies go on at another for longer than it is thought alive; then it goes on, too."""
    rng = dice("stands still")
    options = ("--agencies", len(RECORDERS), "--rejoin", 60)
    with SharedDay(tmp_path, postgres_database.dsn, 2, rng, *options) as day:
        for agency in RECORDERS:
            day.recorder(agency, rows_of_agency(agency, BETS, rng))
        day.reach(lambda: day.acknowledged >= BETS)
        victim = rng.choice(day.running)
        pids = [victim.pid, *victim.children]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            before = [each.acknowledged for each in day.histories]
            day.shunned.add(victim.port)
            day.relay.cut()
            day.reach(lambda: all(map(has_gone_on, day.histories, before)), STOOD_STILL_SECONDS)
            day.over.wait(STILL_SECONDS)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        day.shunned.clear()
        day.kills += 1  # those who have their winners already ask for them once more
        assert day.finish() == 7574
        assert victim.running


def kill(day: SharedDay) -> float:
    """Kill a central; gives how long it took all to go on."""
    before = [each.acknowledged for each in day.histories]
    day.kill_central()
    killed = time.monotonic()
    day.reach(lambda: all(map(has_gone_on, day.histories, before)))
    return time.monotonic() - killed


def has_gone_on(history: History, before: int) -> bool:
    """Whether bets were acknowledged since, or all are."""
    return history.acknowledged > before or history.ended
