"""Whatever a crash leaves of a day, start-up makes of it what was promised.

With ``LOTTERY_SOAK=1`` a write is cut at every byte, and there are many more mixes and second
crashes. ``LOTTERY_SEED=N`` takes another seed.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp

import pytest
from counts import SOAK, dice
from enumeration import Depth
from planted import PLANTED
from recorded_day import Day, record_day
from second_crash import second_crashes
from start_up import StartUp
from strace_text import why_not_traceable
from survey import Crash, Survey, faults, table

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
#: Behind so many crashes there is a second one, within the start-up.
_SECOND_CRASHES = 1_000 if SOAK else 40
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


def _survey(day: Day) -> Survey:
    return Survey(day.root, day.calls, _DEPTH, dice("crashes"), day.parties)


def test_the_day_is_what_happened(day: Day):
    """The replay leads to the bytes on the real disk, and all who should have taken part did."""
    survey = _survey(day)
    assert survey.disk.tree({}, {}) == day.tree
    assert survey.promise.bets == {agency: len(rows) for agency, rows in day.facts.sent.items()}
    assert survey.promise.ended == {1, 5}
    assert survey.promise.drawn


def test_start_up_behind_every_crash(day: Day, workplace: Path):
    """Nothing that was told is lost, nothing is there that was not sent, one winning number."""
    survey = _survey(day)
    start_up = StartUp(day.facts, workplace / "tree")
    found = list(islice(faults(survey.crashes, start_up.try_on), _FAULTS_TOLD))
    print(f"{len(survey.crashes):,} crashes, {start_up.outcomes} outcomes")
    print(table(survey.kinds))
    assert not found, "\n".join(found)
    assert len(survey.crashes) >= _FEWEST


def test_a_second_crash_within_the_start_up(day: Day, workplace: Path):
    """A start-up that crashes leaves what another start-up stands, as if it was the first."""
    random = dice("second crashes")
    all_of_them = _survey(day).crashes
    first: list[Crash] = random.sample(all_of_them, min(_SECOND_CRASHES, len(all_of_them)))
    start_up = StartUp(day.facts, workplace / "tree")
    kinds: Counter[str] = Counter()
    found: list[str] = []
    for survey in second_crashes(first, day.facts, _SMALL_DEPTH, random, workplace):
        kinds.update(survey.kinds)
        found += faults(survey.crashes, start_up.try_on)
    print(f"{kinds.total():,} second crashes behind {len(first):,} crashes")
    print(table(kinds))
    assert not found, "\n".join(found[:_FAULTS_TOLD])


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(day: Day, workplace: Path, name: str):
    """A trace of a product that forgets something has a crash that start-up does not stand."""
    calls = PLANTED[name](day.calls)
    assert calls != day.calls
    survey = Survey(day.root, calls, _SMALL_DEPTH, dice(name), day.parties)
    found = next(faults(survey.crashes, StartUp(day.facts, workplace / "tree").try_on), "")
    print(found)
    assert found, f"{len(survey.crashes)} crashes, and not one of them shows that {name}"
