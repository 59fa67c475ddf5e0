"""Whatever a crash leaves of a day, start-up makes of it what was promised.

With ``LOTTERY_SOAK=1`` a write is cut at every byte, and there are many more mixes and second
crashes. ``LOTTERY_SEED=N`` takes another seed.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp

import pytest
from counts import SOAK, dice
from disk_model import Disk
from enumeration import Depth
from planted import PLANTED, PLANTED_AT_START
from recorded_day import Day, record_day
from second_crash import Before, second_crashes
from start_up import StartUp
from strace_text import why_not_traceable
from survey import Survey, faults, table
from told import Told

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.soak,
    pytest.mark.skipif(bool(why_not_traceable()), reason=why_not_traceable()),
]

#: At least so many different crashes of one day.
_FEWEST = 5_000
_DEPTH = Depth(cuts=0, mixes=500) if SOAK else Depth(cuts=30, mixes=30)
#: Of a start-up behind a crash, and of a trace with a fault in it.
_SMALL_DEPTH = Depth(cuts=12, mixes=12) if SOAK else Depth(cuts=3, mixes=4)
#: Behind so many crashes, or kills, there is a second one, within the start-up or behind it.
_SECOND_CRASHES = 1_000 if SOAK else 30
_FAULTS_TOLD = 5
_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """The day that all crashes are of."""
    return record_day(tmp_path_factory.mktemp("day"))


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A directory for many small files, in memory if there is one for that."""
    place = Path(mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else tmp_path))
    yield place
    shutil.rmtree(place)


def _begin(day: Day, depth: Depth, name: str) -> Survey:
    return Survey(day.root, Disk(), Told(day.root, day.parties), depth, dice(name))


def _survey(day: Day, depth: Depth = _DEPTH, name: str = "crashes") -> Survey:
    survey = _begin(day, depth, name)
    for _ in survey.follow(day.calls):
        pass
    return survey


def _kills(day: Day) -> list[Before]:
    """What a start-up finds if all processes are killed, at any moment of the day."""
    survey = _begin(day, Depth(cuts=2, mixes=0), "kills")
    return [Before(deepcopy(survey.disk), survey.told.promise) for _ in survey.follow(day.calls)]


def test_the_day_is_what_happened(day: Day) -> None:
    """The replay leads to the bytes on the real disk, and all who should have taken part did."""
    survey = _survey(day)
    promise = survey.told.promise
    assert survey.disk.tree({}, {}) == day.tree
    assert promise.bets == {agency: len(rows) for agency, rows in day.facts.sent.items()}
    assert promise.ended == {1, 5}
    assert promise.drawn


def test_start_up_behind_every_crash(day: Day, workplace: Path) -> None:
    """Nothing that was told is lost, nothing is there that was not sent, one winning number."""
    survey = _survey(day)
    start_up = StartUp(day.facts, workplace / "tree")
    found = list(islice(faults(survey.crashes, start_up.try_on), _FAULTS_TOLD))
    print(f"{len(survey.crashes):,} crashes, {start_up.outcomes} outcomes")
    print(table(survey.kinds))
    assert not found, "\n".join(found)
    assert len(survey.crashes) >= _FEWEST


@pytest.mark.parametrize("first", ["crash", "kill"])
def test_a_second_crash(day: Day, workplace: Path, first: str) -> None:
    """A crash within a start-up, or behind it, takes nothing away either.

    The first time the machine crashes, or else all processes are killed and it goes on: then
    what start-up finds may be lost later on, unless it sees to that.
    """
    random = dice(f"second crashes, {first}")
    if first == "kill":
        before = _kills(day)
    else:
        before = [Before(Disk(crash.tree), crash.promise) for crash in _survey(day).crashes]
    before = random.sample(before, min(_SECOND_CRASHES, len(before)))
    start_up = StartUp(day.facts, workplace / "tree")
    kinds: Counter[str] = Counter()
    found: list[str] = []
    for survey in second_crashes(before, day.facts, _SMALL_DEPTH, random, workplace):
        kinds.update(survey.kinds)
        found += faults(survey.crashes, start_up.try_on)
    print(f"{kinds.total():,} crashes within or behind {len(before):,} start-ups behind a {first}")
    print(table(kinds))
    assert not found, "\n".join(found[:_FAULTS_TOLD])


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(day: Day, workplace: Path, name: str) -> None:
    """A trace of a product that forgets something has a crash that start-up does not stand."""
    calls = PLANTED[name](day.calls)
    assert calls != day.calls
    survey = _survey(day._replace(calls=calls), _SMALL_DEPTH, name)
    found = next(faults(survey.crashes, StartUp(day.facts, workplace / "tree").try_on), "")
    print(found)
    assert found, f"{len(survey.crashes)} crashes, and not one of them shows that {name}"


@pytest.mark.parametrize("name", PLANTED_AT_START)
def test_a_fault_planted_in_the_start_up_is_found(day: Day, workplace: Path, name: str) -> None:
    """A start-up that forgets to flush what it has found loses it in a later crash."""
    start_up = StartUp(day.facts, workplace / "tree")
    plant = PLANTED_AT_START[name]
    surveys = second_crashes(_kills(day), day.facts, _SMALL_DEPTH, dice(name), workplace, plant)
    found = next((fault for each in surveys for fault in faults(each.crashes, start_up.try_on)), "")
    print(found)
    assert found, f"not one crash shows that {name}"
