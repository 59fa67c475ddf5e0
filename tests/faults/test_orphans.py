"""One ledger, one central: writers of a dead one, second ones, and files that somebody holds."""

from __future__ import annotations

import ctypes
import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
from counts import count, dice
from day import Day, rows_of_agency
from live import LiveCentral, LiveProcess
from oracle import stored_rows
from writer_orders import ANA, BO, lines

from lottery.ledger.reading import SegmentReading
from lottery.ledger.salvage import salvage
from lottery.ledger.standing import Standing
from lottery.writer.child import StorePlan, serve
from lottery.writer.pipe import Answer, PipeReader, pack_open

pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 600
#: How long a central may wait for the lock before it gives up.
LOCK_SECONDS: Final = 15.0
_PIDFD_GETFD: Final = 438


@pytest.mark.parametrize("trial", range(count("stopped writers")))
def test_a_stopped_writer_of_a_killed_central(tmp_path: Path, trial: int) -> None:
    """It stands still, the central is killed and started again, it goes on: it adds no byte.

    The kernel kills it with its parent, also while it stands still.
    """
    rng = random.Random(f"{dice('stopped writers').random()} {trial}")
    with Day(tmp_path, 2, "--writers", 2, "--rejoin", 15, level="DEBUG") as day:
        for agency in (1, 2):
            day.recorder(agency, rows_of_agency(agency, BETS, rng), rng, sizes=(1, 3))
        moment = rng.uniform(1, BETS)
        assert day.reached(lambda: day.acknowledged >= moment)
        # A writer that is only just starting does not die with its central yet.
        assert day.reached(lambda: all(each.history.acknowledged for each in day.recorders))
        central, (writer, *_) = day.central, day.central.children
        os.kill(writer, signal.SIGSTOP)
        name = central.wait_for(rf"pid: {writer} \| draw: 1 \| segment: (\S+)")[1]
        segment = day.data_dir / "draws" / "000001" / Path(name).name
        day.kill_central()
        assert day.reached(lambda: len(day.lives) == 2)
        day.central.port  # noqa: B018 - asking waits until it listens
        size = segment.stat().st_size
        assert is_dead(writer)
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        assert segment.stat().st_size == size
        day.check()


def test_a_writer_that_outlives_its_salvage(tmp_path: Path) -> None:
    """Where the kernel does not kill it, what it appends is in a file that has no name any more.

    It stands still while its segment is salvaged; then it goes on, stores what was in its pipe,
    and says so to nobody.
    """
    path = tmp_path / "segment-0001.log"
    plan = StorePlan(str(path), 1, 1, 0)
    orders, down = os.pipe()
    up, answers = os.pipe()
    first = pack_open(1, 5, Standing()) + lines(1, 0, ANA)
    os.write(down, first)
    thread = Thread(
        target=serve, args=(orders, answers, plan, lambda: date(2026, 3, 17), lambda: 0.0)
    )
    thread.start()
    os.read(up, 1 << 16)
    torn = salvage(path, 1, 1, anew=True)
    content = path.read_bytes()
    os.write(down, lines(1, 1, BO))
    os.close(down)
    thread.join(30)
    assert not thread.is_alive()
    assert Answer.STORED in [each.kind for each in PipeReader().feed(os.read(up, 1 << 16))]
    for fd in (orders, up, answers):
        os.close(fd)
    assert torn is None
    assert path.read_bytes() == content
    assert [record.bets for record, _ in SegmentReading(path, 1, 1)] == [1]


def is_dead(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has reaped it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in ("Z", "X")


def test_a_second_central(tmp_path: Path) -> None:
    """It is refused with status 2, and says by whom; the first one goes on as if nothing was."""
    rng = dice("second central")
    with Day(tmp_path, 1, statuses=()) as day:
        recorder = day.recorder(
            1, rows_of_agency(1, BETS, rng), rng, sizes=(1,), before_end=lambda: second(day)
        )
        day.await_over()
        recorder.finish()
        assert len(day.lives) == 1
        assert recorder.sessions == 1
        day.check()


def second(day: Day) -> None:
    """Start a second central on the day's directory, and see it refused."""
    before = stored_rows(day.data_dir / "draws" / "000001")
    status, owners, _ = refused(day.directory, day.data_dir)
    assert status == 2
    # Its writers hold the lock, too.
    assert day.central.pid in owners
    assert set(owners) <= {day.central.pid, *day.central.children}
    assert day.central.running
    after = stored_rows(day.data_dir / "draws" / "000001")
    assert after[1][: len(before[1])] == before[1]


def refused(directory: Path, data_dir: Path) -> tuple[int, list[int], float]:
    """Start a central that has to be refused; gives its status, whom it names, and the seconds."""
    started = time.monotonic()
    command = (sys.executable, "-m", "lottery", "serve", "--data-dir", data_dir)
    with LiveProcess([*command, "--listen", "tcp:0:interface=127.0.0.1"], directory) as process:
        status = process.wait(LOCK_SECONDS)
        seconds = time.monotonic() - started
    named = re.search(r"is in use by process(?:es)? ([0-9, and]+)", process.log)
    assert named, process.log
    return status, [int(pid) for pid in re.findall(r"\d+", named[1])], seconds


def test_a_lock_that_an_orphan_holds(tmp_path: Path) -> None:
    """A process that inherited the lock outlives its central: it is waited for, then named."""
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        lock = lock_of(central.pid, central.data_dir / "lock")
        words = "import sys; print('here', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(lock,),
        ) as orphan:
            try:
                os.close(lock)
                assert orphan.stdout is not None
                assert orphan.stdout.readline() == b"here\n"
                central.send_signal(signal.SIGKILL)
                central.wait()
                status, owners, seconds = refused(tmp_path, central.data_dir)
            finally:
                orphan.kill()
        assert (status, owners) == (2, [orphan.pid])
        assert seconds > 1.5, "it did not wait"
        # The lock is free: now it starts.
        with LiveCentral(tmp_path, "--agencies", 1, data_dir=central.data_dir) as again:
            again.settle()


def lock_of(pid: int, path: Path) -> int:
    """A descriptor of the same open file as the one that a process has of this path."""
    wanted = next(
        int(name)
        for name in os.listdir(f"/proc/{pid}/fd")
        if os.readlink(f"/proc/{pid}/fd/{name}") == str(path)
    )
    process = os.pidfd_open(pid)
    try:
        fd = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, wanted, 0)
    finally:
        os.close(process)
    if fd < 0:
        pytest.skip(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
    os.set_inheritable(fd, True)
    return int(fd)
