"""kill -9 at every single call that changes the ledger or the draw's record, and once more.

With files these are calls on them, with a database those by which anything is sent or heard: the
moments before and behind each answer, be it that of a COMMIT.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from counts import count, dice, sample_of
from day import Day, rows_of_agency
from postgres import Server
from programs import PLAIN
from tracing import RECEIVES, SENDS, files_of, most_calls, needs_strace, traced

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 30
GROUPS: Final = ("segments", "record")
#: All that is said to the database, and to agencies.
CONNECTIONS: Final = "connections"


@pytest.fixture(autouse=True)
def _where_it_works() -> None:
    needs_strace()


class Point(NamedTuple):
    """The ``number``-th call of a name on the files of a group, or on connections."""

    group: str
    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} {self.number} of the {self.group}"

    def program(self, day: Path) -> list[str]:
        """The words that start a central which is killed there."""
        return watched(day, self.group, f"{self.name}:signal=SIGKILL:when={self.number}")


def watched(day: Path, group: str, *inject: str) -> list[str]:
    """The words that start a central whose calls on a group are traced."""
    if group == CONNECTIONS:
        return traced(day / "trace", *inject, calls=(*SENDS, *RECEIVES))
    return traced(day / "trace", *inject, paths=files_of(day / "lottery-data", group))


def play(
    directory: Path,
    rng: random.Random,
    programs: Sequence[Sequence[str]],
    kill: bool = False,
    ledger: str | None = None,
) -> Day:
    """Play a small day to its end, and ask the oracle.

    :param kill: kill the first central in the middle of it.
    """
    options = ("--writers", 2, "--rejoin", 5)
    with Day(directory, 2, *options, programs=programs, ledger=ledger) as day:
        for agency in (1, 2):
            rows = rows_of_agency(agency, BETS, rng)
            day.recorder(agency, rows, rng, sizes=(10,), windows=(1,))
        if kill:
            day.reached(lambda: day.acknowledged >= BETS)
            day.kill_central()
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.check()
    return day


def points(
    directory: Path,
    rng: random.Random,
    groups: Sequence[str],
    life: int,
    ledger: str | None = None,
) -> list[Point]:
    """Every call there is in a life of a central, by tracing one: 0 is the first, 1 the second."""
    found = []
    for group in groups:
        day = directory / f"traced-{group}"
        day.mkdir()
        program = watched(day, group)
        play(day, rng, [program] if life == 0 else [PLAIN, program], life > 0, ledger)
        found += [
            Point(group, name, number)
            for name, calls in sorted(most_calls(day / "trace").items())
            for number in range(1, calls + 1)
        ]
        shutil.rmtree(day)
    return found


def kind(point: Point) -> tuple[str, str]:
    """Those of one kind are the same call on the same files."""
    return point.group, point.name


def test_a_kill_at_every_call(tmp_path: Path) -> None:
    """One winning number and the same winners, wherever the central or a writer is killed."""
    rng = dice("calls")
    every = points(tmp_path, rng, GROUPS, 0)
    chosen = sample_of(rng, every, count("calls"), kind)
    met = sum(trial(tmp_path, rng, [point]) for point in chosen)
    print(f"{met} of {len(chosen)} kills befell somebody; there are {len(every)} calls")
    assert met >= len(chosen) * 0.7


def test_a_kill_at_every_call_on_a_database(tmp_path: Path, postgres_server: Server) -> None:
    """So it is when nobody hears what has become of a COMMIT, or of a step of the draw."""
    rng = dice("calls on a database")
    with postgres_server.database() as database:
        every = points(tmp_path, rng, [CONNECTIONS], 0, database.dsn)
    chosen = sample_of(rng, every, count("calls on a database"), kind)
    met = 0
    for point in chosen:
        with postgres_server.database() as database:
            met += trial(tmp_path, rng, [point], database.dsn)
    print(f"{met} of {len(chosen)} kills befell somebody; there are {len(every)} calls")
    assert met >= len(chosen) * 0.7


def test_a_second_kill_at_every_call_of_the_start(tmp_path: Path) -> None:
    """The central is killed, and again at a call of the start that follows: of the salvage, too."""
    rng = dice("second kills")
    first, every = points(tmp_path, rng, ["record"], 0), points(tmp_path, rng, ["all"], 1)
    chosen = sample_of(rng, every, count("second kills"), kind)
    met = sum(trial(tmp_path, rng, [None, point]) for point in chosen)
    met += sum(trial(tmp_path, rng, [rng.choice(first), point]) for point in chosen)
    print(f"{met} of {2 * len(chosen)} trials killed somebody; there are {len(every)} calls")
    assert met >= len(chosen)


def trial(
    directory: Path, rng: random.Random, kills: Sequence[Point | None], ledger: str | None = None
) -> bool:
    """Play a day with these kills, one for each life; None: in the middle of the day.

    :returns: whether the last one befell somebody.
    """
    print(*kills, sep=", then ")
    day = directory / "trial"
    day.mkdir()
    programs = [point.program(day) if point else list(PLAIN) for point in kills]
    done = play(day, rng, programs, kills[0] is None, ledger)
    shutil.rmtree(day)
    lives = done.lives[len(kills) - 1 :]
    statuses = done.statuses[len(kills) - 1 :]
    return -signal.SIGKILL in statuses or any(
        life.matches(r"action: writer .* status: -9") for life in lives
    )
