"""Writers as true processes, started by a true pool: what is stored, and what befalls them."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from fakes import MemoryLog
from twisted.internet.defer import DeferredQueue
from writer_rig import Notes

from lottery.errors import Code, DamagedLedger
from lottery.ledger.bets_csv import Ledger
from lottery.ledger.directory import DrawDirectory
from lottery.writer.pipe import Refusal
from lottery.writer.pool import WriterPool
from lottery.writer.process import WriterEnd
from lottery.writer.seat import Seat

#: For any one thing to happen; only a failing test waits so long.
PATIENCE_SECONDS = 30.0

ROW = b"Ana,Gil,1,2000-01-01,7\n"
KILLED = ("lost", "its writer was ended by signal 9")


class Session(Notes):
    """A session that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: DeferredQueue[tuple[object, ...]] = DeferredQueue()

    def stored(self, next_index: int, bets: Sequence[int]) -> None:
        self._queue.put(("stored", next_index, *bets))

    def refused(self, refusal: Refusal) -> None:
        self._queue.put(("refused", refusal))

    def ended(self, total: int) -> None:
        self._queue.put(("ended", total))

    def lost(self, reason: str) -> None:
        self._queue.put(("lost", reason))

    @property
    def waits(self) -> bool:
        """Whether nothing has been heard that was not asked for."""
        return not self._queue.pending

    async def hears(self) -> tuple[object, ...]:
        """What it is told next."""
        from twisted.internet import reactor

        heard: tuple[object, ...] = await self._queue.get().addTimeout(PATIENCE_SECONDS, reactor)
        return heard


class Rig:
    """A pool on the true reactor."""

    def __init__(self, path: Path, limit: int, timeout_seconds: float) -> None:
        from twisted.internet import reactor

        self.draw = DrawDirectory(1, path)
        self.log = MemoryLog()
        self.pool = WriterPool(reactor, self.draw, limit, timeout_seconds, self.log)
        self.ends: list[WriterEnd] = []

    def sit(self, agency: int) -> tuple[Seat, Session]:
        """A new seat and its session."""
        session = Session()
        return self.pool.seat(session, agency, 0), session

    @property
    def pids(self) -> list[int]:
        """The writers that were started, in order."""
        return [int(line["pid"]) for line in self.log.of("writer") if line["result"][0] == "i"]

    async def close(self) -> list[WriterEnd]:
        """Let all end."""
        from twisted.internet import reactor

        ends: Any = self.pool.close(PATIENCE_SECONDS / 2).addTimeout(PATIENCE_SECONDS, reactor)
        self.ends = await ends
        return self.ends


def exists(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


def open_fds(pid: int) -> dict[str, str]:
    """What a process has open, by number."""
    return {fd.name: str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}


@asynccontextmanager
async def running(
    path: Path, limit: int = 2, timeout_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Rig]:
    """A pool that is closed, and its children reaped, however the block is left."""
    rig = Rig(path, limit, timeout_seconds)
    try:
        yield rig
    finally:
        if not rig.ends:
            await rig.close()
        for end in rig.ends:
            assert not exists(end.pid)


@pytest_twisted.ensureDeferred
async def test_stores_and_acknowledges(tmp_path: Path) -> None:
    """Both dialects and an END at one writer; what it refuses changes nothing; it ends with 0."""
    async with running(tmp_path, limit=1) as rig:
        (one, first), (two, second), (three, third) = rig.sit(7), rig.sit(3), rig.sit(9)
        one.rows(0, 2, ROW + ROW)
        assert await first.hears() == ("stored", 2, 2)
        two.classic(ROW.replace(b"\n", b","))
        two.end(None, b"")
        assert await second.hears() == ("stored", 1, 1)
        assert await second.hears() == ("ended", 1)
        three.rows(0, 1, ROW.replace(b"2000", b"3000"))
        name, refusal = await third.hears()
        assert name == "refused"
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.row, refusal.field) == (Code.FIELD, 1, 4)
        # What was handed on when the pool is closed is still stored and answered.
        one.rows(2, 1, ROW)
        one.end(3, bytes(32))
        (end,) = await rig.close()
        assert await first.hears() == ("stored", 3, 1)
        assert await first.hears() == ("ended", 3)
        assert end == WriterEnd(rig.pids[0], rig.draw.segment(1), 0)
    ledger = Ledger(rig.draw.segments())
    assert b"".join(ledger.rows()) == b"3," + ROW + (b"7," + ROW) * 3
    ledger.require(3, 1)
    ledger.require(7, 3)
    with pytest.raises(DamagedLedger):
        ledger.require(9, 0)
    assert ledger.torn == []
    assert rig.log.of("writer_output") == []


@pytest_twisted.ensureDeferred
async def test_far_more_than_the_pipe_holds(tmp_path: Path) -> None:
    """A megabyte handed on at once is stored in order, in fewer answers than batches."""
    batches, bets = 500, 100
    async with running(tmp_path, limit=1) as rig:
        seat, session = rig.sit(1)
        for number in range(batches):
            seat.rows(number * bets, bets, ROW * bets)
        assert seat.full
        answered, answers = 0, 0
        while answered < batches:
            _, next_index, *sizes = await session.hears()
            answered += len(sizes)
            answers += 1
            assert next_index == answered * bets
            assert set(sizes) == {bets}
        assert answers < batches
        assert seat.in_hand == 0
        await rig.close()
    assert Ledger(rig.draw.segments()).bets_of(1) == batches * bets


@pytest_twisted.ensureDeferred
async def test_killed_writer_fails_its_sessions_only(tmp_path: Path) -> None:
    """The others go on, the next session gets a new writer, acknowledged bets are there."""
    async with running(tmp_path) as rig:
        (one, first), (two, second) = rig.sit(1), rig.sit(2)
        _, third = rig.sit(3)
        one.rows(0, 1, ROW)
        assert await first.hears() == ("stored", 1, 1)
        os.kill(rig.pids[0], signal.SIGKILL)
        assert await first.hears() == KILLED
        assert await third.hears() == KILLED
        two.rows(0, 1, ROW)
        assert await second.hears() == ("stored", 1, 1)
        four, fourth = rig.sit(4)
        four.rows(0, 1, ROW)
        assert await fourth.hears() == ("stored", 1, 1)
        assert [end.status for end in await rig.close()] == [-9, 0, 0]
        assert await second.hears() == ("lost", "its writer ended with status 0 (done)")
        assert first.waits
        assert third.waits
    assert len(set(rig.pids)) == 3
    assert b"".join(Ledger(rig.draw.segments()).rows()) == b"1,%s2,%s4,%s" % (ROW, ROW, ROW)


@pytest_twisted.ensureDeferred
async def test_stopped_writer_is_killed_after_the_timeout(tmp_path: Path) -> None:
    """One that is stopped with a batch in hand is killed; a stopped one that is idle is not."""
    async with running(tmp_path, timeout_seconds=2) as rig:
        (one, first), (two, second) = rig.sit(1), rig.sit(2)
        for seat, session in ((one, first), (two, second)):
            seat.rows(0, 1, ROW)
            assert await session.hears() == ("stored", 1, 1)
        for pid in rig.pids:
            os.kill(pid, signal.SIGSTOP)
        one.rows(1, 1, ROW)
        assert await first.hears() == KILLED
        os.kill(rig.pids[1], signal.SIGCONT)
        two.rows(1, 1, ROW)
        assert await second.hears() == ("stored", 2, 1)
        errors = [line["error"] for line in rig.log.of("writer") if "error" in line]
        assert errors == ["no answer for 2 s, killed"]
        assert [end.status for end in await rig.close()] == [-9, 0]


@pytest_twisted.ensureDeferred
async def test_signals_to_the_whole_service_are_ignored(tmp_path: Path) -> None:
    """SIGTERM and SIGINT are the parent's business: a writer stores on."""
    async with running(tmp_path) as rig:
        seat, session = rig.sit(1)
        seat.rows(0, 1, ROW)
        assert await session.hears() == ("stored", 1, 1)
        os.kill(rig.pids[0], signal.SIGTERM)
        os.kill(rig.pids[0], signal.SIGINT)
        seat.rows(1, 1, ROW)
        assert await session.hears() == ("stored", 2, 1)
        assert [end.status for end in await rig.close()] == [0]


@pytest_twisted.ensureDeferred
async def test_disk_without_room(tmp_path: Path) -> None:
    """Nothing of a group that does not fit is acknowledged; status and log say what it was."""
    async with running(tmp_path) as rig:
        seat, session = rig.sit(1)
        # Much, so that a measurement of coverage, which is smaller, has room at the end.
        for number in range(200):
            seat.rows(number * 100, 100, ROW * 100)
        while seat.in_hand:
            assert (await session.hears())[0] == "stored"
        size = rig.draw.segment(1).stat().st_size + 10
        resource.prlimit(rig.pids[0], resource.RLIMIT_FSIZE, (size, size))
        seat.rows(20000, 1, ROW)
        assert await session.hears() == ("lost", "its writer ended with status 3 (disk)")
        assert session.waits
        (printed,) = rig.log.of("writer_output")
        assert "segment-0001.log cannot be written, only 10 of " in printed["text"]
        assert [end.status for end in await rig.close()] == [3]
    ledger = Ledger(rig.draw.segments())
    assert ledger.bets_of(1) == 20000
    assert [tail.length for tail in ledger.torn] == [10]


@pytest_twisted.ensureDeferred
async def test_segment_that_is_there(tmp_path: Path) -> None:
    """A writer never touches a segment of somebody else."""
    async with running(tmp_path) as rig:
        rig.draw.segment(1).write_bytes(b"somebody's")
        _, session = rig.sit(1)
        assert await session.hears() == ("lost", "its writer ended with status 4 (segment)")
        assert "File exists" in rig.log.of("writer_output")[0]["text"]
        assert rig.draw.segment(1).read_bytes() == b"somebody's"
        other, heard = rig.sit(1)
        other.end(0, b"")
        assert await heard.hears() == ("ended", 0)


@pytest_twisted.ensureDeferred
async def test_child_holds_its_pipes_and_its_segment_only(tmp_path: Path) -> None:
    """No socket and no file of the central is open in it; its segment is locked for its life."""
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        async with running(tmp_path) as rig:
            seat, session = rig.sit(1)
            seat.rows(0, 1, ROW)
            await session.hears()
            fds = open_fds(rig.pids[0])
            pipes = [fds.pop(str(fd)).partition(":")[0] for fd in range(4)]
            assert pipes == ["pipe"] * 4
            # Beside its segment, a measurement of coverage has its own file.
            mine = [path for path in fds.values() if path.startswith(str(tmp_path))]
            assert mine == [str(rig.draw.segment(1))]
            assert not [path for path in fds.values() if path.startswith(("pipe:", "socket:"))]
            with rig.draw.segment(1).open("rb") as file:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                await rig.close()
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(read)
        os.close(write)


PARENT = """
import sys
from pathlib import Path
from fakes import MemoryLog
from twisted.internet import reactor
from writer_rig import Notes
from lottery.ledger.directory import DrawDirectory
from lottery.writer.pool import WriterPool

log = MemoryLog()
pool = WriterPool(reactor, DrawDirectory(1, Path(sys.argv[1])), 1, 30, log)
client = Notes()
client.stored = lambda next_index, bets: print(log.actions[0]["pid"], flush=True)
reactor.callWhenRunning(lambda: pool.seat(client, 1, 0).rows(0, 1, b"Ana,Gil,1,2000-01-01,7\\n"))
reactor.run()
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_writer_does_not_outlive_its_parent(tmp_path: Path, stopped: bool) -> None:
    """A parent that is killed takes its writer along, also one that cannot see its pipe end."""
    # Not measured: who is killed while it notes its coverage leaves half a file.
    environment = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        try:
            assert select.select([parent.stdout], [], [], PATIENCE_SECONDS)[0]
            writer = os.pidfd_open(int(parent.stdout.readline()))
            try:
                if stopped:
                    signal.pidfd_send_signal(writer, signal.SIGSTOP)
                assert select.select([writer], [], [], 0)[0] == []
                parent.kill()
                assert select.select([writer], [], [], PATIENCE_SECONDS)[0] == [writer]
            finally:
                if not select.select([writer], [], [], 0)[0]:
                    signal.pidfd_send_signal(writer, signal.SIGKILL)
                os.close(writer)
        finally:
            parent.kill()
    with (tmp_path / "segment-0001.log").open("rb") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert Ledger([tmp_path / "segment-0001.log"]).bets_of(1) == 1


def test_child_imports_nothing_slow() -> None:
    """It is up in a blink because it knows neither Twisted nor attrs nor anything of that size."""
    command = [sys.executable, "-X", "importtime", "-P", "-m", "lottery.writer"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert result.returncode == 2
    imported = set(re.findall(r"\| +([\w.]+)$", result.stderr, re.MULTILINE))
    assert {"lottery.writer.child", "lottery.bets", "lottery.ledger.segment"} <= imported
    rooms = {name.partition(".")[0] for name in imported}
    assert not rooms & {"twisted", "attr", "attrs", "zope", "constantly", "yaml", "rich"}
    if "coverage" not in rooms:  # which a child imports when it is measured
        assert not rooms & {"asyncio", "logging", "socket", "subprocess", "typing_extensions"}
