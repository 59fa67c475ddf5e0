"""A file system that is really full, with two writers at once; then there is room again."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from classic_recorder import ClassicRecorder
from counts import count, dice
from day import Day, rows_of_agency
from disks import Mounted, memory_disk, needs_memory_disk
from tracing import files_of, needs_strace, read_trace, traced

pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 1500
#: Bytes that a bet takes in the ledger, about.
BET_BYTES: Final = 45


@pytest.fixture(autouse=True)
def _where_it_works() -> None:
    needs_memory_disk()


def fill(disk: Mounted, leave: int) -> Path:
    """Fill a disk, but for so many bytes; gives the file that does it."""
    filler = disk.path / "filler"
    with filler.open("wb") as file:
        file.write(bytes(disk.free_bytes() - leave))
    return filler


@pytest.mark.parametrize("trial", range(count("full disks")))
def test_two_writers_fill_the_disk(tmp_path: Path, trial: int) -> None:
    """Both are refused for lack of room, and go on when there is some; no row is glued to another.

    The room comes and goes a few times, at any byte, and lacks in the end for ``bets.csv``, too.
    """
    rng = random.Random(f"{dice('full disks').random()} {trial}")
    options = ("--writers", 2, "--min-free", 0, "--rejoin", 30)
    with (
        memory_disk(tmp_path / "disk", "1m") as disk,
        Day(tmp_path, 3, *options, data_dir=disk.path / "data", statuses=()) as day,
    ):
        day.reached_log("draw_open")
        filler = fill(disk, rng.randrange(3 * BETS * BET_BYTES // 4))
        for agency in (101, 102):  # the classic one is 1
            day.recorder(agency, rows_of_agency(agency, BETS, rng), rng, sizes=(1, 5, 20, 60))
        other = start_classic(day, rng, lambda attempt: rows_of_agency(9, BETS, rng, life=attempt))
        for _ in range(3):
            refused = [recorder.history.refusals for recorder in day.recorders]
            assert day.reached(
                lambda refused=refused: all(
                    recorder.history.refusals > before or recorder.history.ended
                    for recorder, before in zip(day.recorders, refused, strict=True)
                )
            )
            size = filler.stat().st_size
            with filler.open("r+b") as file:
                file.truncate(max(size - rng.randrange(BETS * BET_BYTES), 0))
        filler.unlink()
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.others += other.finish()
        assert all(history.ended for history in day.others), day.others
        day.check()
        refusals = [recorder.history.refusals for recorder in day.recorders]
        print(f"refused for lack of room: {refusals}")
        assert any(refusals)
        assert len(day.lives) == 1


def start_classic(
    day: Day, rng: random.Random, rows_of: Callable[[int], list[str]]
) -> ClassicRecorder:
    """Start a classic agency."""
    other = ClassicRecorder(
        rows_of,
        lambda: day.port,
        random.Random(rng.random()),
        over=day.over,
        lives=lambda: len(day.lives),
        ledger=lambda: day.ledger.rows().values(),
    )
    other.start()
    return other


@pytest.mark.parametrize("error", ["signal=SIGKILL", "error=EIO"])
def test_a_cut_back_that_does_not_come_about(tmp_path: Path, error: str) -> None:
    """Half a record is written, and the writer is killed or fails before it is taken back."""
    needs_strace()
    rng = dice(f"cut back {error}")
    options, data = ("--writers", 2, "--min-free", 0), tmp_path / "disk" / "data"
    program = traced(
        tmp_path / "trace", f"ftruncate:{error}:when=1", paths=files_of(data, "segments")
    )
    with (
        memory_disk(tmp_path / "disk", "1m") as disk,
        Day(tmp_path, 1, *options, data_dir=data, programs=[program], statuses=()) as day,
    ):
        day.reached_log("draw_open")
        # Of one agency: a second one might find a disk that is full, and no byte to take back.
        filler = fill(disk, BETS * BET_BYTES // 2)
        day.recorder(1, rows_of_agency(1, BETS, rng), rng, sizes=(37,))
        day.reached_log(r"action: writer \| result: fail .* status: (-9|3)")
        filler.unlink()
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.check()
        assert len(day.lives) == 1
    calls = list(read_trace(tmp_path / "trace"))
    cut = next(place for place, call in enumerate(calls) if call.name == "ftruncate")
    (last,) = [call for call in calls[:cut] if call.tid == calls[cut].tid][-1:]
    assert last.name == "write", last
    assert (last.result or 0) > 0, "nothing was there to take back"


def test_no_room_for_the_seal(tmp_path: Path) -> None:
    """All bets are stored, there is no room for ``bets.csv``: it waits, and then is made."""
    rng = dice("full at the seal")
    options = ("--writers", 2, "--min-free", 0)
    with (
        memory_disk(tmp_path / "disk", "1m") as disk,
        Day(tmp_path, 1, *options, data_dir=disk.path / "data", statuses=()) as day,
    ):
        day.reached_log("draw_open")
        filler = None

        def fill_up() -> None:
            nonlocal filler
            filler = filler or fill(disk, 8192)

        rows = rows_of_agency(1, BETS, rng)
        day.recorder(1, rows, rng, windows=(1,), before_end=fill_up)
        assert day.reached(lambda: day.ended == 1)
        day.reached_log(r"No space left|no room|lack of room")
        assert not day.over.is_set()
        assert filler is not None
        filler.unlink()
        day.await_over()
        day.recorders[0].finish()
        day.check()
        assert len(day.lives) == 1


def test_no_inode_for_a_segment(tmp_path: Path) -> None:
    """No file can be made for a new writer: agencies wait, and go on when one can."""
    rng = dice("inodes")
    options = ("--writers", 2, "--min-free", 0)
    with (
        memory_disk(tmp_path / "disk", "1m", inodes=64) as disk,
        Day(tmp_path, 2, *options, data_dir=disk.path / "data", statuses=()) as day,
    ):
        day.reached_log("draw_open")
        fillers = []
        try:
            for number in range(100):
                fillers.append(disk.path / f"filler-{number}")
                fillers[-1].touch()
        except OSError:
            fillers.pop()
        assert fillers
        for agency in (1, 2):
            day.recorder(agency, rows_of_agency(agency, 100, rng), rng)
        assert day.reached(lambda: all(recorder.history.refusals > 2 for recorder in day.recorders))
        assert day.acknowledged == 0
        for each in fillers:
            each.unlink()
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.check()
        assert len(day.lives) == 1


def test_what_has_to_stay_free(tmp_path: Path) -> None:
    """``--min-free`` refuses before the disk is full, and takes bets again when there is room."""
    rng = dice("min free")
    keep = 512 << 10
    options = ("--writers", 2, "--min-free", keep)
    with (
        memory_disk(tmp_path / "disk", "1500k") as disk,
        Day(tmp_path, 2, *options, data_dir=disk.path / "data", statuses=()) as day,
    ):
        day.reached_log("draw_open")
        filler = fill(disk, keep + BETS * BET_BYTES)
        for agency in (1, 2):
            day.recorder(agency, rows_of_agency(agency, BETS, rng), rng, windows=(1, 8))
        # One of them may have found room for all of its bets.
        assert day.reached(
            lambda: all(
                recorder.history.refusals > 2 or recorder.history.ended
                for recorder in day.recorders
            )
        )
        assert keep - 8192 <= disk.free_bytes() <= keep + 65536
        stored = day.acknowledged
        assert 0 < stored < 2 * BETS
        filler.unlink()
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.check()
        assert len(day.lives) == 1
