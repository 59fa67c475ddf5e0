"""Writers as true processes: what is stored, what befalls them, and a disk without room.

Most are started by a true pool; where each byte counts, a test is the parent itself.
"""

from __future__ import annotations

import fcntl
import os
import re
import resource
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from fakes import MemoryLog
from twisted.internet.defer import DeferredQueue
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from writer_child import PATIENCE_SECONDS, writing
from writer_orders import (
    ANA,
    BO,
    EVE,
    again,
    classic,
    classic_end,
    classic_opening,
    close,
    closed,
    crc_of_rows,
    end_record,
    ended,
    held,
    lines,
    opening,
    record,
    stored,
)
from writer_rig import Notes

from lottery.errors import Code
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.files import FileDraw
from lottery.ledger.segment import Kind, Records, pack_close, pack_head
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.wire import classic as classic_dialect
from lottery.wire.lottery1 import encode
from lottery.wire.messages import Batch, ClassicBatch
from lottery.writer import LOCK_FD
from lottery.writer.disk import DiskWork
from lottery.writer.pipe import Exit, Refusal
from lottery.writer.pool import WriterPool, WriterTerms
from lottery.writer.process import WriterEnd
from lottery.writer.seat import Seat

ROW = b"Ana,Gil,1,2000-01-01,7\n"
KILLED = ("lost", "its writer was ended by signal 9")


class Session(Notes):
    """A session that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: DeferredQueue[tuple[object, ...]] = DeferredQueue()

    def stored(self, next_index: int, batches: int) -> None:
        self._queue.put(("stored", next_index, batches))

    def refused(self, refusal: Refusal) -> None:
        self._queue.put(("refused", refusal))

    def held(self) -> None:
        self._queue.put(("held",))

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
        self.broken: list[Failure] = []
        self.lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        terms = WriterTerms(limit, timeout_seconds)
        ledger = FileDraw(self.draw, 0, {LOCK_FD: self.lock})
        disk = DiskWork(deferToThread, reactor, self.log)
        self.pool = WriterPool(
            reactor, ledger, terms, disk, self.broken.append, Figures(), self.log
        )
        self.ends: list[WriterEnd] = []

    def sit(self, agency: int, classic: bool = False) -> tuple[Seat, Session]:
        """A new seat and its session."""
        session = Session()
        return self.pool.seat(session, agency, Standing(classic=classic)), session

    @property
    def pids(self) -> list[int]:
        """The writers that were started, in order."""
        return [int(line["pid"]) for line in self.log.of("writer") if line["result"][0] == "i"]

    async def close(self) -> list[WriterEnd]:
        """Let all end."""
        from twisted.internet import reactor

        ends: Any = self.pool.close(PATIENCE_SECONDS / 2).addTimeout(PATIENCE_SECONDS, reactor)
        self.ends = await ends
        os.close(self.lock)
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
        for each in rig.ends:
            assert not exists(each.pid)
        assert rig.broken == []


def rows_in(segments: Iterable[Path]) -> bytes:
    """All rows of segments, in order of agency; those of each agency follow each other."""
    rows: dict[int, bytes] = {}
    bets: dict[int, int] = {}
    for path in segments:
        data = path.read_bytes()
        records = Records(data)
        for each in records:
            if each.kind == Kind.ROWS:
                assert each.first == bets.get(each.agency, 0)
                bets[each.agency] = each.first + each.bets
                body = data[each.offset : each.offset + each.length]
                rows[each.agency] = rows.get(each.agency, b"") + body
        assert records.end == len(data), "there is a torn tail"
    return b"".join(rows[agency] for agency in sorted(rows))


def ends_in(segments: Iterable[Path]) -> dict[int, int]:
    """The total of each agency that has ended."""
    records = (each for path in segments for each in Records(path.read_bytes()))
    return {each.agency: each.first for each in records if each.kind == Kind.END}


@pytest_twisted.ensureDeferred
async def test_stores_and_acknowledges(tmp_path: Path) -> None:
    """Both dialects and an END at one writer; what it refuses changes nothing; it ends with 0."""
    async with running(tmp_path, limit=1) as rig:
        (one, first), (two, second), (three, third) = rig.sit(7), rig.sit(3, True), rig.sit(9)
        one.batches(encode(Batch(0, 2, ROW + ROW)), 1)
        assert await first.hears() == ("stored", 2, 1)
        two.batches(classic_dialect.encode(ClassicBatch(ROW.replace(b"\n", b","))), 1)
        two.end(None, b"")
        assert await second.hears() == ("stored", 1, 1)
        assert await second.hears() == ("ended", 1)
        three.batches(encode(Batch(0, 1, ROW.replace(b"2000", b"3000"))), 1)
        name, refusal = await third.hears()
        assert name == "refused"
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.row, refusal.field) == (Code.FIELD, 1, 4)
        # What was handed on when the pool is closed is still stored and answered.
        one.batches(encode(Batch(2, 1, ROW)), 1)
        one.end(3, bytes(32))
        (how,) = await rig.close()
        assert await first.hears() == ("stored", 3, 1)
        assert await first.hears() == ("ended", 3)
        assert how == WriterEnd(rig.pids[0], "segment-0001.log", 0)
    assert rows_in(rig.draw.segments()) == b"3," + ROW + (b"7," + ROW) * 3
    assert ends_in(rig.draw.segments()) == {3: 1, 7: 3}
    assert rig.log.of("writer_output") == []


@pytest_twisted.ensureDeferred
async def test_far_more_than_the_pipe_holds(tmp_path: Path) -> None:
    """A megabyte handed on at once is stored in order, in fewer answers than batches."""
    batches, bets = 500, 100
    async with running(tmp_path, limit=1) as rig:
        seat, session = rig.sit(1)
        for number in range(batches):
            seat.batches(encode(Batch(number * bets, bets, ROW * bets)), 1)
        assert seat.full
        answered, answers = 0, 0
        while answered < batches:
            _, next_index, stored = await session.hears()
            assert isinstance(stored, int)
            answered += stored
            answers += 1
            assert next_index == answered * bets
        assert answers < batches
        assert seat.in_hand == 0
        await rig.close()
    assert rows_in(rig.draw.segments()) == (b"1," + ROW) * (batches * bets)


@pytest_twisted.ensureDeferred
async def test_killed_writer_fails_its_sessions_only(tmp_path: Path) -> None:
    """The others go on, the next session gets a new writer, acknowledged bets are there."""
    async with running(tmp_path) as rig:
        (one, first), (two, second) = rig.sit(1), rig.sit(2)
        _, third = rig.sit(3)
        one.batches(encode(Batch(0, 1, ROW)), 1)
        assert await first.hears() == ("stored", 1, 1)
        os.kill(rig.pids[0], signal.SIGKILL)
        assert await first.hears() == KILLED
        assert await third.hears() == KILLED
        two.batches(encode(Batch(0, 1, ROW)), 1)
        assert await second.hears() == ("stored", 1, 1)
        four, fourth = rig.sit(4)
        four.batches(encode(Batch(0, 1, ROW)), 1)
        assert await fourth.hears() == ("stored", 1, 1)
        assert [each.status for each in await rig.close()] == [-9, 0, 0]
        assert await second.hears() == ("lost", "its writer ended with status 0 (done)")
        assert first.waits
        assert third.waits
    assert len(set(rig.pids)) == 3
    assert rows_in(rig.draw.segments()) == b"1,%s2,%s4,%s" % (ROW, ROW, ROW)


@pytest_twisted.ensureDeferred
async def test_stopped_writer_is_killed_after_the_timeout(tmp_path: Path) -> None:
    """One that is stopped with a batch in hand is killed; a stopped one that is idle is not."""
    async with running(tmp_path, timeout_seconds=2) as rig:
        (one, first), (two, second) = rig.sit(1), rig.sit(2)
        for seat, session in ((one, first), (two, second)):
            seat.batches(encode(Batch(0, 1, ROW)), 1)
            assert await session.hears() == ("stored", 1, 1)
        for pid in rig.pids:
            os.kill(pid, signal.SIGSTOP)
        one.batches(encode(Batch(1, 1, ROW)), 1)
        assert await first.hears() == KILLED
        os.kill(rig.pids[1], signal.SIGCONT)
        two.batches(encode(Batch(1, 1, ROW)), 1)
        assert await second.hears() == ("stored", 2, 1)
        errors = [line["error"] for line in rig.log.of("writer") if "error" in line]
        assert errors == ["no answer for 2 s, killed"]
        assert [each.status for each in await rig.close()] == [-9, 0]


@pytest_twisted.ensureDeferred
async def test_signals_to_the_whole_service_are_ignored(tmp_path: Path) -> None:
    """SIGTERM and SIGINT are the parent's business: a writer stores on."""
    async with running(tmp_path) as rig:
        seat, session = rig.sit(1)
        seat.batches(encode(Batch(0, 1, ROW)), 1)
        assert await session.hears() == ("stored", 1, 1)
        os.kill(rig.pids[0], signal.SIGTERM)
        os.kill(rig.pids[0], signal.SIGINT)
        seat.batches(encode(Batch(1, 1, ROW)), 1)
        assert await session.hears() == ("stored", 2, 1)
        assert [each.status for each in await rig.close()] == [0]


@pytest_twisted.ensureDeferred
async def test_disk_without_room(tmp_path: Path) -> None:
    """Who can send again is asked to, who cannot waits; when there is room, both go on."""
    async with running(tmp_path, limit=1) as rig:
        (one, first), (two, second) = rig.sit(1), rig.sit(2, classic=True)
        one.batches(encode(Batch(0, 1, ROW)), 1)
        assert await first.hears() == ("stored", 1, 1)
        size = rig.draw.segment(1).stat().st_size
        limit = resource.prlimit(rig.pids[0], resource.RLIMIT_FSIZE, (size + 10, -1))
        one.batches(encode(Batch(1, 1, ROW)), 1)
        name, refusal = await first.hears()
        assert (name, refusal) == (
            "refused",
            Refusal(Code.STORAGE, True, 1, 0, 0, "no room on the disk, send again", 0),
        )
        two.batches(classic_dialect.encode(ClassicBatch(ROW.replace(b"\n", b","))), 1)
        assert await second.hears() == ("held",)
        assert rig.draw.segment(1).stat().st_size == size
        resource.prlimit(rig.pids[0], resource.RLIMIT_FSIZE, limit)
        assert await second.hears() == ("stored", 1, 1)
        one.batches(encode(Batch(1, 1, ROW)), 1)
        assert await first.hears() == ("stored", 2, 1)
        assert [each.status for each in await rig.close()] == [0]
    assert rows_in(rig.draw.segments()) == b"1,%s1,%s2,%s" % (ROW, ROW, ROW)
    assert rig.log.of("writer_output") == []


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
        other.end(0, bytes(32))
        assert await heard.hears() == ("ended", 0)


@pytest_twisted.ensureDeferred
async def test_child_holds_its_pipes_its_segment_and_the_lock_only(tmp_path: Path) -> None:
    """No socket and no file of the central is open in it; its segment is locked for its life."""
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        async with running(tmp_path) as rig:
            seat, session = rig.sit(1)
            seat.batches(encode(Batch(0, 1, ROW)), 1)
            await session.hears()
            fds = open_fds(rig.pids[0])
            pipes = [fds.pop(str(fd)).partition(":")[0] for fd in range(4)]
            assert pipes == ["pipe"] * 4
            assert fds.pop(str(LOCK_FD)) == str(tmp_path / "lock")
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
import os, sys
from pathlib import Path
from fakes import MemoryLog
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from writer_rig import Notes
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.files import FileDraw
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.wire.lottery1 import encode
from lottery.wire.messages import Batch
from lottery.writer import LOCK_FD
from lottery.writer.disk import DiskWork
from lottery.writer.pool import WriterPool, WriterTerms

batch = encode(Batch(0, 1, b"Ana,Gil,1,2000-01-01,7\\n"))
log = MemoryLog()
terms = WriterTerms(1, 30)
lock = os.open(os.devnull, os.O_RDWR)
ledger = FileDraw(DrawDirectory(1, Path(sys.argv[1])), 0, {LOCK_FD: lock})
disk = DiskWork(deferToThread, reactor, log)
pool = WriterPool(reactor, ledger, terms, disk, print, Figures(), log)
client = Notes()
client.stored = lambda next_index, bets: print(log.actions[0]["pid"], flush=True)
reactor.callWhenRunning(
    lambda: pool.seat(client, 1, Standing()).batches(batch, 1)
)
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
    assert rows_in([tmp_path / "segment-0001.log"]) == b"1," + ROW


# A test that is the parent itself, and disks without room.


def test_lock_is_held_as_long_as_a_writer_lives(tmp_path: Path) -> None:
    """It inherits the lock of the data directory; its parent may close it, or die."""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (
        writing(tmp_path / "segment-0001.log", lock=lock) as child,
        (tmp_path / "lock").open("rb") as ours,
    ):
        os.close(lock)
        assert child.asks(opening(1, 5), lines(1, 0, ANA)) == [stored(1, 1, crc_of_rows(ANA), 1)]
        with pytest.raises(BlockingIOError):
            fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert child.ends() == Exit.DONE
        fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_no_room_at_every_byte_of_a_group(tmp_path: Path) -> None:
    """Wherever in three batches it ends, nothing stays of them; with room they are stored.

    So it is with the first write of all, which has the HEAD before them, and with a later one.
    """
    batches = [(ANA,), (BO, EVE), (EVE,)]
    crc, before = 0, b""
    with writing(tmp_path / "segment-0001.log") as child:
        child.asks(opening(1, 5), answers=0)
        for first in (0, 4):
            places = list(zip((first, first + 1, first + 3), batches, strict=True))
            orders = b"".join(lines(1, place, *rows) for place, rows in places)
            whole = before or pack_head(1, 1)
            for place, rows in places:
                whole += record(5, place, *rows, flushed=len(before))
            for size in range(len(before), len(whole)):
                child.limit(size)
                assert child.asks(orders) == [again(1, first)]
                assert child.path.read_bytes() == before
            child.limit(len(whole))
            crc = crc_of_rows(*[ANA, BO, EVE, EVE] * (first // 4 + 1))
            assert child.asks(orders) == [stored(1, first + 4, crc, 1, 2, 1)]
            assert child.path.read_bytes() == whole
            before = whole
        child.limit(-1)
        assert child.ends() == Exit.DONE
    assert child.path.read_bytes() == before + pack_close(len(before))


def test_classic_session_waits_for_room(tmp_path: Path) -> None:
    """It is held, with a sign of life now and then, and goes on by itself when there is room."""
    with writing(tmp_path / "segment-0001.log") as child:
        child.limit(50)
        orders = (classic(1, ANA), classic(1), classic_end(1))
        assert child.asks(classic_opening(1, 5), *orders) == [held(1)]
        assert child.asks(classic_opening(2, 6), classic(2, BO)) == [held(2)]
        assert all(child.gives_a_sign() for _ in range(2))
        assert child.asks(close(2)) == [closed(2, 0)]
        assert child.path.read_bytes() == b""
        child.limit(-1)
        assert child.hears(2) == [stored(1, 1, 0, 1, 0), ended(1, 1)]
        assert child.ends() == Exit.DONE
    whole = pack_head(1, 1) + record(5, 0, ANA, classic=True)
    whole += end_record(5, 1, b"", classic=True)
    assert child.path.read_bytes() == whole + pack_close(len(whole))


def test_orders_that_end_without_room(tmp_path: Path) -> None:
    """What is held is dropped then; without room for a CLOSE the segment does without."""
    # Not measured: what it notes of its coverage would have no room, either.
    with writing(tmp_path / "segment-0001.log", measured=False) as child:
        assert child.asks(opening(1, 5), lines(1, 0, ANA)) == [stored(1, 1, crc_of_rows(ANA), 1)]
        whole = pack_head(1, 1) + record(5, 0, ANA)
        child.limit(len(whole) + len(pack_close(0)) - 1)
        assert child.asks(classic_opening(2, 6), classic(2, BO)) == [held(2)]
        assert child.ends() == Exit.DONE
    assert child.path.read_bytes() == whole


@contextmanager
def small_disk(path: Path, options: str) -> Iterator[Path]:
    """A file system in memory; whoever is root must be able to mount it."""
    if os.geteuid():
        pytest.skip("not root: only root may mount the small disk that this test needs")
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "lottery-test", str(path)]
    assert subprocess.run(mount, timeout=PATIENCE_SECONDS).returncode == 0
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], timeout=PATIENCE_SECONDS, check=True)


def fill(path: Path) -> None:
    """Make a file of all the room that there is."""

    def write() -> None:
        while True:
            file.write(bytes(4096))

    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        write()


MANY = [ANA] * 100  # more than half a page


def test_two_writers_on_a_full_disk(tmp_path: Path) -> None:
    """What is acknowledged stays, nothing else is there, and both go on when there is room."""
    crcs = [crc_of_rows(*MANY * times) for times in range(3)]
    with (
        small_disk(tmp_path / "disk", "size=64k") as disk,
        writing(disk / "segment-0001.log") as one,
        writing(disk / "segment-0002.log") as two,
    ):
        start = (opening(1, 5), lines(1, 0, *MANY))
        for child in (one, two):
            assert child.asks(*start) == [stored(1, 100, crcs[1], 100)]
        before = one.path.read_bytes()
        fill(disk / "filler")
        for child in (one, two) * 3:
            assert child.asks(lines(1, 100, *MANY), lines(1, 200, ANA)) == [again(1, 100)]
        assert two.asks(classic_opening(2, 6), classic(2, *MANY)) == [held(2)]
        assert one.path.read_bytes() == two.path.read_bytes() == before
        (disk / "filler").unlink()
        batch = lines(1, 100, *MANY)
        assert one.asks(batch) == [stored(1, 200, crcs[2], 100)]
        assert two.asks(batch, answers=2) == [
            stored(2, 100, 0, 100),
            stored(1, 200, crcs[2], 100),
        ]
        assert one.ends() == two.ends() == Exit.DONE
        rows = "".join(f"5,{row}\n" for row in MANY * 2)
        assert rows_in([one.path]) == rows.encode()
        rows += "".join(f"6,{row}\n" for row in MANY)
        assert rows_in([two.path]) == rows.encode()


def test_disk_without_room_for_a_segment(tmp_path: Path) -> None:
    """A writer that cannot make its segment lives, and makes it when there is room."""
    with small_disk(tmp_path / "disk", "size=64k,nr_inodes=2") as disk:
        (disk / "filler").touch()
        with writing(disk / "segment-0001.log") as child:
            assert child.asks(opening(1, 5), lines(1, 0, ANA)) == [again(1, 0)]
            assert not child.path.exists()
            (disk / "filler").unlink()
            assert child.asks(lines(1, 0, ANA)) == [stored(1, 1, crc_of_rows(ANA), 1)]
            assert child.ends() == Exit.DONE
            assert rows_in([child.path]) == f"5,{ANA}\n".encode()


def test_some_of_the_disk_stays_free(tmp_path: Path) -> None:
    """A writer leaves free what it is asked to: a disk is not full of bets only."""
    with (
        small_disk(tmp_path / "disk", "size=64k") as disk,
        writing(disk / "segment-0001.log", min_free=32 << 10) as child,
    ):
        (disk / "filler").write_bytes(bytes(36 << 10))
        assert child.asks(opening(1, 5), lines(1, 0, ANA)) == [again(1, 0)]
        assert child.path.read_bytes() == b""
        (disk / "filler").write_bytes(bytes(16 << 10))
        assert child.asks(lines(1, 0, ANA)) == [stored(1, 1, crc_of_rows(ANA), 1)]
        assert child.ends() == Exit.DONE


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
