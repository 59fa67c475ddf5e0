"""kill -9 of processes at random moments under load: nothing acknowledged is lost, ever."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from classic_recorder import ClassicRecorder
from counts import count, dice
from day import Day, rows_of_agency
from postgres_client import NewLedger
from programs import AgencyProcess

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 1200
TRIALS_IN_A_DAY: Final = 5
#: Numbers that no classic agency is given: those begin with 1.
PROGRAM, *RECORDERS = 101, 102, 103
#: What is killed, and how often in comparison.
VICTIMS: Final = {"central": 4, "starting central": 2, "writer": 4, "both": 3, "agency": 3}


def test_kill_at_random_moments(
    tmp_path: Path, new_ledger: NewLedger, request: pytest.FixtureRequest
) -> None:
    """Central, writer, both, or an agency: the oracle has nothing to say, each agency finishes."""
    name = "kills" if "files" in request.node.name else "kills with a database"
    rng, wanted, done, days = dice(name), count(name), Counter[str](), 0
    while done.total() < wanted:
        days += 1
        directory = tmp_path / f"day-{days}"
        directory.mkdir()
        with new_ledger() as ledger:
            done += play(directory, random.Random(rng.random()), ledger, classic=days % 3 == 0)
        shutil.rmtree(directory)
    print(f"{done.total()} kills in {days} days: {dict(done)}")


def play(directory: Path, rng: random.Random, ledger: str | None, *, classic: bool) -> Counter[str]:
    """Play a day with kills; gives how often what was killed."""
    done = Counter[str]()
    options = ("--writers", rng.choice((1, 2, 3)), "--rejoin", 15)
    with Day(directory, 3 + classic, *options, ledger=ledger) as day:
        process = AgencyProcess(day, PROGRAM, rows_of_agency(PROGRAM, 3 * BETS, rng), rng)
        for agency in RECORDERS:
            day.recorder(agency, rows_of_agency(agency, BETS, rng), rng)
        other = start_classic(day, rng) if classic else None
        # The last one may come when all have ended: while the draw is sealed, held or told.
        moments = sorted(rng.uniform(0, 2 * BETS) for _ in range(TRIALS_IN_A_DAY - 1))
        for moment in [*moments, None]:
            if not day.reached(lambda moment=moment: reached(day, moment)):
                break
            day.over.wait(rng.uniform(0, 0.01 if moment is not None else 0.2))
            victim = rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            done[victim] += kill(day, process, victim, rng)
        day.await_over()
        process.finish()
        for recorder in day.recorders:
            recorder.finish()
        if other is not None:
            day.others += other.finish()
        day.check()
    return done


def reached(day: Day, moment: float | None) -> bool:
    """Whether so many bets are acknowledged; without a moment, whether all recorders have ended."""
    return day.ended == 2 if moment is None else day.acknowledged >= moment


def kill(day: Day, process: AgencyProcess, victim: str, rng: random.Random) -> bool:
    """Kill the victim; gives whether it was there."""
    if victim == "agency":
        return process.kill()
    if victim == "writer":
        return day.kill_writer(rng)
    if victim == "both" and rng.random() < 0.5:
        return day.kill_writer(rng) and day.kill_central()
    lives = len(day.lives)
    done = day.kill_central()
    if victim == "both":
        day.kill_writer(rng)
    if victim == "starting central" and day.reached(lambda: len(day.lives) > lives):
        day.over.wait(rng.uniform(0, 0.8))
        done = day.kill_central() and done
    return done


def start_classic(day: Day, rng: random.Random) -> ClassicRecorder:
    """Start a classic agency."""
    other = ClassicRecorder(
        lambda attempt: rows_of_agency(9, 400, rng, life=attempt),
        lambda: day.port,
        random.Random(rng.random()),
        over=day.over,
        lives=lambda: len(day.lives),
        ledger=lambda: day.ledger.rows().values(),
    )
    other.start()
    return other
