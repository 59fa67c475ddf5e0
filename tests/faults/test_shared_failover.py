"""kill -9 of the database's primary under load: the standby takes over, and so do the centrals.

None of ours is started again. What was acknowledged was at the standby, too.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Final

import pytest
from counts import count, dice
from day import rows_of_agency
from oracle import History
from postgres import Pair
from shared_day import SharedDay

pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 4000
PROGRAM_BETS: Final = 40_000
RECORDERS: Final = (1, 2, 3, 4)
PROGRAM: Final = 5
TRIALS_IN_A_DAY: Final = 3
#: How soon bets are acknowledged again behind the promotion.
RESUMES_SECONDS: Final = 5.0
#: How long it is looked whether anything is acknowledged that may not be.
NOTHING_SECONDS: Final = 2.0


def test_takeovers(tmp_path: Path) -> None:
    """All go on within 5 s of the promotion; no bet is lost, and none is there twice."""
    rng, wanted, took = dice("takeovers"), count("takeovers"), list[float]()
    while len(took) < wanted:
        directory = tmp_path / f"day-{len(took)}"
        directory.mkdir()
        took += play(directory, random.Random(rng.random()), min(TRIALS_IN_A_DAY, wanted))
    print("resumed after", *(f"{seconds:.2f}" for seconds in took), "s")
    assert max(took) < RESUMES_SECONDS


def play(directory: Path, rng: random.Random, trials: int) -> list[float]:
    """Play a day with takeovers; gives how long it took all to go on behind each."""
    rejoin = ("--agencies", len(RECORDERS) + 1, "--rejoin", 60)
    took = []
    moments = sorted(rng.uniform(0, 0.9 * BETS * len(RECORDERS)) for _ in range(trials))
    with Pair() as pair, SharedDay(directory, pair.dsn, 2, rng, *rejoin) as day:
        rows = rows_of_agency(PROGRAM, PROGRAM_BETS, rng)
        day.agency(PROGRAM, rows, "--batch-size", 10)
        for agency in RECORDERS:
            day.recorder(agency, rows_of_agency(agency, BETS, rng))
        for moment in moments:
            if took:
                pair.rejoin()
            day.reach(lambda moment=moment: day.acknowledged >= moment)
            took.append(take_over(pair, day))
        assert day.finish() == 7574
        assert len(day.running) == len(day.centrals.lives) == 2
    return took


def test_without_the_standby(tmp_path: Path) -> None:
    """Nothing is acknowledged while there is none; writers that wait for it are given up."""
    rng = dice("no standby")
    options = ("--agencies", len(RECORDERS), "--rejoin", 60, "--writer-timeout", 1)
    with Pair() as pair, SharedDay(tmp_path, pair.dsn, 1, rng, *options) as day:
        for agency in RECORDERS:
            day.recorder(agency, rows_of_agency(agency, BETS, rng))
        day.reach(lambda: day.acknowledged >= BETS)
        pair.standby.kill()
        day.running[0].wait_for("no answer for 1 s, killed")
        # What was on its way when the standby was killed has arrived by now.
        before = day.acknowledged
        day.over.wait(NOTHING_SECONDS)
        assert day.acknowledged == before
        pair.standby.start()
        assert day.finish() == 7574


def take_over(pair: Pair, day: SharedDay) -> float:
    """Let the standby take over; gives how long it took from then until all had gone on."""
    promoted = pair.fail_over()
    stored, before = day.stored(PROGRAM), [each.acknowledged for each in day.histories]
    day.reach(lambda: all(map(has_gone_on, day.histories, before)))
    while stored < PROGRAM_BETS and day.stored(PROGRAM) == stored:
        assert time.monotonic() < promoted + 2 * RESUMES_SECONDS, "the program does not go on"
    return time.monotonic() - promoted


def has_gone_on(history: History, before: int) -> bool:
    """Whether bets were acknowledged since, or all are."""
    return history.acknowledged > before or history.ended
