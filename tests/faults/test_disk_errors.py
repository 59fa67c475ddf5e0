"""EIO and ENOSPC from calls on the ledger and the record: no error becomes an acknowledgement."""

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
from oracle import draw_directory
from tracing import Call, files_of, most_calls, needs_strace, read_trace, traced

pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 40
#: What fails, and how.
ERRORS: Final = {
    "write": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC"),
    "openat": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO",),
}
#: A disk that fails for good is given this long; then it is mended, and the central killed.
BROKEN_SECONDS: Final = 2.0


@pytest.fixture(autouse=True)
def _where_it_works() -> None:
    needs_strace()


class Failure(NamedTuple):
    """The ``number``-th call of a name fails, or all from there on."""

    group: str
    name: str
    number: int
    error: str
    for_good: bool

    def __str__(self) -> str:
        behind = " and all behind it" if self.for_good else ""
        return f"{self.error} from {self.name} {self.number} of the {self.group}{behind}"

    def program(self, day: Path) -> list[str]:
        """The words that start a central to which that happens."""
        when = f"{self.number}+" if self.for_good else str(self.number)
        inject = f"{self.name}:error={self.error}:when={when}"
        return traced(day / "trace", inject, paths=files_of(day / "lottery-data", self.group))


def play(
    directory: Path,
    rng: random.Random,
    program: Sequence[str],
    broken_seconds: float | None = None,
) -> Day:
    """Play a small day to its end, and ask the oracle.

    :param broken_seconds: kill the first central when it has not held its draw by then.
    """
    # A central ends with 1 when its disk fails, and with 2 when it does so from the start.
    statuses = (1, 2, -signal.SIGKILL)
    options = ("--writers", 2, "--rejoin", 10, "--min-free", 0)
    with Day(directory, 2, *options, programs=[program], statuses=statuses) as day:
        for agency in (1, 2):
            rows = rows_of_agency(agency, BETS, rng)
            day.recorder(agency, rows, rng, sizes=(10,), windows=(1,))
        if broken_seconds is not None and not day.over.wait(broken_seconds) and len(day.lives) == 1:
            day.kill_central()
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.check()
    return day


def failures(directory: Path, rng: random.Random) -> list[Failure]:
    """Every way for a call to fail, by tracing a day without any."""
    found = []
    for group in ("segments", "record"):
        day = directory / f"traced-{group}"
        day.mkdir()
        play(day, rng, traced(day / "trace", paths=files_of(day / "lottery-data", group)))
        found += [
            Failure(group, name, number, error, for_good)
            for name, calls in sorted(most_calls(day / "trace").items())
            for number in range(1, calls + 1)
            for error in ERRORS.get(name, ())
            for for_good in (False, True)
        ]
        shutil.rmtree(day)
    return found


def test_errors_of_calls(tmp_path: Path) -> None:
    """Once or for good, from any call: acknowledged bets are there, and the day ends well."""
    rng = dice("disk errors")
    every = failures(tmp_path, rng)
    chosen = sample_of(rng, every, count("disk errors"), lambda each: (*each[:2], each.error))
    kinds = {each[:2] for each in chosen}
    assert kinds >= {("segments", "write"), ("segments", "fdatasync")}
    met = 0
    for failure in chosen:
        print(failure)
        day = tmp_path / "trial"
        day.mkdir()
        play(day, rng, failure.program(day), BROKEN_SECONDS if failure.for_good else None)
        met += "(INJECTED)" in (day / "trace").read_text()
        shutil.rmtree(day)
    print(f"{met} of {len(chosen)} failures were met; there are {len(every)} of them")
    assert met >= len(chosen) * 0.7


@pytest.mark.parametrize("flush", [2, 3])
def test_nothing_is_acknowledged_behind_a_failed_flush(tmp_path: Path, flush: int) -> None:
    """The writer says no word any more and touches nothing; the salvage writes the bytes anew."""
    trace = tmp_path / "trace"
    inject = f"fdatasync:error=EIO:when={flush}"
    day = play(tmp_path, dice("flush"), traced(trace, inject, bytes_in_hex=True))
    calls = list(read_trace(trace))
    failed = [call for call in calls if call.name == "fdatasync" and call.injected]
    assert failed
    for each in failed:
        behind = [call for call in calls[calls.index(each) + 1 :] if call.tid == each.tid]
        # It complains (descriptor 2), and that is all.
        assert [call for call in behind if not call.words.startswith("2<")] == [], behind
        check_salvage(calls, each, draw_directory(day.data_dir))
    assert any(recorder.sessions > 1 for recorder in day.recorders)


def check_salvage(calls: list[Call], failed: Call, directory: Path) -> None:
    """Behind the failed flush the segment is written anew, flushed, and only then renamed."""
    segment, copy = failed.path, f"{failed.path}.tmp"
    written = b"".join(
        call.data for call in calls if call.tid == failed.tid and call.path == segment
    )
    behind = calls[calls.index(failed) + 1 :]
    begin = next(place for place, call in enumerate(behind) if copy in call.paths)
    thread, behind = behind[begin].tid, behind[begin:]
    steps = [
        (step, call.data)
        for call in behind
        if call.tid == thread and (step := step_of(call, copy, str(directory)))
    ]
    names = [step for step, _ in steps]
    names = names[: names.index("flush directory", names.index("rename")) + 1]
    writes = names.count("write")
    assert writes, steps
    assert names == [*["write"] * writes, "flush", "rename", "flush directory"], names
    anew = b"".join(data for _, data in steps)
    assert anew.startswith(written), f"{len(anew)} bytes anew, {len(written)} were written"
    assert Path(segment).read_bytes() == anew


def step_of(call: Call, copy: str, directory: str) -> str:
    """What a call does for a salvage; nothing if it has no part in it."""
    if call.name.startswith("rename"):
        return "rename" if copy in call.paths else ""
    if call.name in ("fsync", "fdatasync"):
        return {copy: "flush", directory: "flush directory"}.get(call.path, "")
    return "write" if call.path == copy else ""
