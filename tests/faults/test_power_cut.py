"""The power fails: on a real ext4 file system, what was acknowledged is there afterwards."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Final

import pytest
from counts import count, dice
from day import Day, rows_of_agency
from disks import LOG_FLUSHED, NOTHING_FLUSHED, PowerCutDisk, needs_power_cut

pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 2000
CUTS_IN_A_DAY: Final = 4
#: How a central may end whose disk fails under it.
STATUSES: Final = (-signal.SIGKILL, 1, 2)


@pytest.fixture(autouse=True)
def _where_it_works() -> None:
    needs_power_cut()


def test_power_cuts(tmp_path: Path) -> None:
    """At random moments, with and without the journal written: the oracle has nothing to say."""
    rng, wanted, done, days = dice("power cuts"), count("power cuts"), 0, 0
    while done < wanted:
        days += 1
        directory = tmp_path / f"day-{days}"
        directory.mkdir()
        done += play(directory, random.Random(rng.random()))
        (directory / "disk.img").unlink()
    print(f"{done} power cuts in {days} days")


def play(directory: Path, rng: random.Random) -> int:
    """Play a day with power cuts; gives how many there were."""
    done = 0
    options = ("--writers", rng.choice((1, 2)), "--rejoin", 15, "--min-free", 0)
    with (
        PowerCutDisk(directory) as disk,
        Day(directory, 3, *options, data_dir=disk.path / "data", statuses=STATUSES) as day,
    ):
        for agency in (1, 2, 3):
            rows = rows_of_agency(agency, BETS, rng)
            day.recorder(agency, rows, rng, sizes=(1, 3, 10), windows=(1, 2, 8))
        moments = sorted(rng.uniform(0, 3 * BETS) for _ in range(CUTS_IN_A_DAY - 1))
        for moment in [*moments, 3 * BETS]:
            if not day.reached(lambda moment=moment: day.acknowledged >= moment):
                break
            if moment == 3 * BETS:
                day.over.wait(rng.uniform(0, 0.2))
            elif rng.random() < 0.3:  # else at once: an acknowledgement has just been heard
                day.over.wait(rng.uniform(0, 0.002))
            if day.over.is_set():
                break
            cut(day, disk, rng.choice((LOG_FLUSHED, NOTHING_FLUSHED)))
            done += 1
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.check()
    return done


def cut(day: Day, disk: PowerCutDisk, flag: int) -> None:
    """Cut the power and have it back; nobody outlives that but the agencies.

    A flush that is under way when ext4 is stopped may report success although nothing of it is on
    disk (a bare loop of write and fdatasync showed that in one of ten trials). No real power cut
    can do that: there, nobody is left to pass it on. So here nobody hears of it.
    """
    lives = len(day.lives)
    day.gate.clear()
    try:
        disk.cut_power(flag, day.deafen)
        day.kill_central()
        day.central.wait()
        disk.unmount()  # its writers give their files back as they die
        disk.mount()
    finally:
        day.progress.deaf = False
        day.gate.set()
    day.reached(lambda: len(day.lives) > lives)  # or the draw was over
