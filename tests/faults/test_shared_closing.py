"""The deadline passes while agencies stream to several centrals: acknowledged is in the seal."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Final

import pytest
from counts import count, dice
from day import rows_of_agency
from postgres import Server
from shared_day import SharedDay
from test_closing import Endless

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

ENDS, *STREAM = 1, 2, 3, 4, 5
SENT_AWAY: Final = ("TIMEOUT", "LEFT_OUT", "CLOSED")


def test_deadlines(tmp_path: Path, postgres_server: Server) -> None:
    """Each batch is in the seal, or was not acknowledged; who has ended gets its winners."""
    rng, acknowledged = dice("shared deadlines"), 0
    for number in range(count("shared deadlines")):
        directory = tmp_path / f"day-{number}"
        directory.mkdir()
        with postgres_server.database() as database:
            acknowledged += play(directory, database.dsn, random.Random(rng.random()))
        shutil.rmtree(directory)
    print(f"{acknowledged} bets were acknowledged to those who were left out")


def play(directory: Path, dsn: str, rng: random.Random) -> int:
    """Play a day; gives how many bets were acknowledged to those who were left out."""
    options = ("--agencies", 1 + len(STREAM), "--deadline", f"{rng.uniform(2, 3):.2f}")
    with SharedDay(directory, dsn, 2, rng, *options, sent_away=SENT_AWAY) as day:
        ends = day.recorder(ENDS, rows_of_agency(ENDS, 40, rng)).history
        day.reach(lambda: ends.ended or bool(ends.refused))  # on a busy machine it may be late
        for agency in STREAM:
            day.recorder(agency, Endless(agency), sizes=(1, 10, 40), windows=(1, 4, 16))
        assert day.finish() == (7574 if ends.ended else None)
        assert [each.agency for each in day.histories if each.received] == [ENDS] * ends.ended
        return day.acknowledged
