"""``lottery.ledger.directory``: names, numbers, and one owner at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lottery.ledger.directory as directory_module
from lottery.errors import DamagedLedger, StartError
from lottery.ledger.directory import DataDirectory, DrawDirectory, never, segment_number
from lottery.ledger.record import DrawRecord, publish, read_record


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDirectory]:
    """A data directory of our own, not there yet."""
    directory = DataDirectory(tmp_path / "state" / "data")
    yield directory
    directory.release()


def test_names_of_a_draw(tmp_path: Path) -> None:
    """Where the files of a draw are."""
    draw = DrawDirectory(3, tmp_path)
    assert draw.record == tmp_path / "draw.json"
    assert draw.bets_csv == tmp_path / "bets.csv"
    assert draw.winners_csv == tmp_path / "winners.csv"
    assert draw.intake_csv == tmp_path / "intake.csv"
    assert draw.segment(1) == tmp_path / "segment-0001.log"
    assert draw.segment(12345) == tmp_path / "segment-12345.log"


def test_segments_in_order_of_their_numbers(tmp_path: Path) -> None:
    """They are found in order of their numbers, also when these get longer."""
    draw = DrawDirectory(1, tmp_path)
    assert draw.segments() == []
    numbers = [1, 2, 10, 9999, 10000, 10001]
    for number in reversed(numbers):
        draw.segment(number).touch()
    assert draw.segments() == [draw.segment(number) for number in numbers]
    assert [segment_number(path) for path in draw.segments()] == numbers
    assert draw.highest_segment() == 10001


def test_highest_segment_of_none(tmp_path: Path) -> None:
    """The next one is number 1 then."""
    assert DrawDirectory(1, tmp_path).highest_segment() == 0


def test_temporaries(tmp_path: Path) -> None:
    """What a crash leaves of our own files, and nothing of others."""
    ours = ["bets.csv.tmp", "draw.json.tmp", "segment-0007.log.tmp", "winners.csv.tmp"]
    for name in (
        *ours,
        "draw.json",
        "segment-0007.log",
        "notes.tmp",
        ".tmp",
        "bets.csv.tmp.tmp",
        "intake.csv",
    ):
        (tmp_path / name).touch()
    assert [path.name for path in DrawDirectory(1, tmp_path).temporaries()] == ours


def test_record_of_another_draw(tmp_path: Path) -> None:
    """A record that was copied from another draw is damage."""
    draw = DrawDirectory(3, tmp_path)
    publish(DrawRecord(3, "open", 5), draw.record)
    assert draw.read() == DrawRecord(3, "open", 5)
    publish(DrawRecord(4, "open", 5), draw.record)
    with pytest.raises(DamagedLedger, match="it is the record of draw 4"):
        draw.read()


def test_foreign_files_are_no_segments(tmp_path: Path) -> None:
    """What somebody else has put there is not read as bets."""
    draw = DrawDirectory(1, tmp_path)
    draw.segment(1).touch()
    for name in (
        "bets.csv",
        "segment-0001.log.tmp",
        "segment-0001 (copy).log",
        "segment-x.log",
        "segment-001.log",
        "segment-00001.log",
        "Xsegment-0002.log",
        ".segment-0002.log",
    ):
        (tmp_path / name).touch()
    assert draw.segments() == [draw.segment(1)]


def test_segments_of_a_missing_draw(tmp_path: Path) -> None:
    """A directory that is not there is an error, not an empty draw."""
    with pytest.raises(FileNotFoundError):
        DrawDirectory(1, tmp_path / "missing").segments()


def test_own_makes_a_private_directory(data: DataDirectory) -> None:
    """All of it is made, for the operator's eyes only."""
    data.own()
    assert data.path.stat().st_mode & 0o7777 == 0o700
    assert (data.path / "draws").stat().st_mode & 0o7777 == 0o700
    assert (data.path / "lock").stat().st_mode & 0o7777 == 0o600
    assert (data.path / "lock").read_text() == f"{os.getpid()}\n"
    assert data.draws() == []


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277, 0o777])
def test_private_whatever_the_umask(data: DataDirectory, umask: int) -> None:
    """A umask neither gives others a right nor takes one from the owner; all is made below it."""
    before = os.umask(umask)
    try:
        data.own()
        data.new_draw(5)
    finally:
        os.umask(before)
    assert not data.open_to_others
    found = {path: path.stat().st_mode & 0o7777 for path in data.path.parent.parent.rglob("*")}
    assert {path.name for path in found} >= {"state", "data", "draws", "000001", "draw.json"}
    for path, mode in found.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    ("mode", "is_open"),
    [(0o755, True), (0o770, True), (0o1777, True), (0o701, True), (0o700, False), (0o2700, False)],
)
def test_a_directory_that_was_there_before(data: DataDirectory, mode: int, is_open: bool) -> None:
    """It keeps its mode, which is told; ``draws`` and the lock are closed to others in any case.

    What stands in ``draws`` keeps its mode, too: nobody else gets there.
    """
    older = data.path / "draws" / "000001"
    older.mkdir(parents=True)
    (older / "draw.json").touch(mode=0o644)
    (data.path / "lock").touch()
    for path in (data.path, older.parent, older):
        path.chmod(mode)
    (data.path / "lock").chmod(0o666)
    data.own()
    assert data.open_to_others is is_open
    assert data.path.stat().st_mode & 0o7777 == mode
    assert older.stat().st_mode & 0o7777 == mode
    assert older.parent.stat().st_mode & 0o777 == 0o700
    assert (data.path / "lock").stat().st_mode & 0o7777 == 0o600


def test_a_lock_that_is_a_link(data: DataDirectory, tmp_path: Path) -> None:
    """Who may write to the directory cannot have another file cut to nothing."""
    data.path.mkdir(parents=True)
    (tmp_path / "precious").write_text("kept")
    (data.path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StartError, match=r"cannot be used, .* symbolic links"):
        data.own()
    assert (tmp_path / "precious").read_text() == "kept"


def test_draws_of_somebody_else(data: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``draws`` cannot be closed to others, a sentence says so, and nothing is begun."""

    def fail(path: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    (data.path / "draws").mkdir(parents=True)
    (data.path / "draws").chmod(0o770)
    monkeypatch.setattr(Path, "chmod", fail)
    with pytest.raises(StartError, match=r"cannot be used, .* not permitted: .*draws"):
        data.own()
    assert [path.name for path in data.path.iterdir()] == ["draws"]


def test_own_what_is_there(data: DataDirectory) -> None:
    """What an earlier run has left stays, and a longer pid of it leaves nothing behind."""
    (data.path / "draws" / "000002").mkdir(parents=True)
    (data.path / "lock").write_text("12345678901234567890\n")
    data.own()
    assert (data.path / "lock").read_text() == f"{os.getpid()}\n"
    assert [draw.number for draw in data.draws()] == [2]


def test_second_owner_is_refused_and_told_who_the_first_is(data: DataDirectory) -> None:
    """Another process cannot own it; it is told the owner's pid, and opens nothing for long."""
    data.own()
    program = (
        "import sys; from pathlib import Path\n"
        "from lottery.ledger.directory import DataDirectory\n"
        "DataDirectory(Path(sys.argv[1])).own()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(data.path)], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1
    sentence = f"the data directory {data.path} is in use by process {os.getpid()}\n"
    assert result.stderr.endswith(sentence)
    assert (data.path / "lock").read_text() == f"{os.getpid()}\n"


def test_second_owner_within_the_process(data: DataDirectory) -> None:
    """A second handle is refused, too, its fd is closed; the first one keeps the lock."""
    data.own()
    fds = len(os.listdir("/proc/self/fd"))
    second = DataDirectory(data.path)
    with pytest.raises(StartError, match=r"in use by process unknown$"):
        second.own()
    assert len(os.listdir("/proc/self/fd")) == fds
    second.release()
    with pytest.raises(StartError):
        second.own()


ORPHAN = """
import os, sys
from pathlib import Path
from lottery.ledger.directory import DataDirectory
data = DataDirectory(Path(sys.argv[1]))
data.own()
os.set_inheritable(data.lock_fd, True)
words = "import os, sys; os.write(1, b'ready' + bytes([10])); sys.stdin.read()"
for _ in range(2):
    if not os.fork():
        os.execv(sys.executable, [sys.executable, "-c", words])
    sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


def test_children_that_outlive_the_owner(data: DataDirectory) -> None:
    """They hold the lock on, and are named; when the last has ended, the directory is free."""
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(data.path)], stdin=read, stdout=subprocess.PIPE
    ) as owner:
        os.close(read)
        assert owner.stdout is not None
        assert [owner.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
        assert owner.wait(60) == -9
        with pytest.raises(StartError) as error:
            data.own()
        said = str(error.value)
        pids = [int(word) for word in said.rpartition("process ")[2].split(" and ")]
        assert len(pids) == 2
        assert owner.pid not in pids
        assert ": " not in said
        os.close(write)
        assert owner.stdout.read() == b""  # both have ended
    data.own()


def test_waiting_for_the_lock(data: DataDirectory) -> None:
    """It is tried as long as the caller says so, and taken as soon as it is free."""
    first = DataDirectory(data.path)
    first.own()
    answers = iter([True, True, False])
    with pytest.raises(StartError, match="in use"):
        data.own(lambda: next(answers))
    assert list(answers) == []
    calls = []

    def again() -> bool:
        calls.append(None)
        if len(calls) == 3:
            first.release()
        return True

    data.own(again)
    assert len(calls) == 3
    assert (data.path / "lock").read_text() == f"{os.getpid()}\n"


def test_nobody_is_asked_when_it_is_free(data: DataDirectory) -> None:
    """And without anybody to ask, the first try counts."""
    data.own(pytest.fail)
    assert never() is False


def test_caller_that_gives_up(data: DataDirectory) -> None:
    """An error of the caller's ends the waiting, and nothing stays open."""
    first = DataDirectory(data.path)
    first.own()
    fds = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ZeroDivisionError):
        data.own(lambda: 1 // 0 == 0)
    assert len(os.listdir("/proc/self/fd")) == fds
    first.release()


def test_lock_fd(data: DataDirectory) -> None:
    """Whoever inherits it holds the lock, also after we have given back our own."""
    data.own()
    assert os.path.samestat(os.fstat(data.lock_fd), (data.path / "lock").stat())
    assert not os.get_inheritable(data.lock_fd)
    inherited = os.dup(data.lock_fd)
    data.release()
    second = DataDirectory(data.path)
    with pytest.raises(StartError, match="in use"):
        second.own()
    os.close(inherited)
    second.own()
    second.release()


def test_unknown_owner(data: DataDirectory) -> None:
    """An owner that cannot be found out holds the lock, too."""
    data.path.mkdir(parents=True)
    with (data.path / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StartError, match=r"in use by process unknown$"):
            data.own()


def test_lock_that_fails(data: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no locks, a sentence says so, and nobody is waited for."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    fds = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(StartError, match=r"cannot be used, .* No locks available"):
        data.own(pytest.fail)
    assert len(os.listdir("/proc/self/fd")) == fds


def test_what_a_killed_process_has_made_is_flushed(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been killed between making the directory and flushing what is above it."""
    (data.path / "draws").mkdir(parents=True)
    flushed: list[str] = []
    monkeypatch.setattr(directory_module, "flush_directory", flushed.append)
    data.own()
    assert flushed == [str(data.path), str(data.path.parent)]


@pytest.mark.parametrize(
    ("code", "starts"), [(errno.EACCES, True), (errno.EINVAL, True), (errno.EIO, False)]
)
def test_directory_above_that_cannot_be_flushed(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch, code: int, starts: bool
) -> None:
    """One that is not ours is no obstacle; a disk that fails is."""
    (data.path / "draws").mkdir(parents=True)

    def fail(path: str) -> None:
        if path == str(data.path.parent):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(directory_module, "flush_directory", fail)
    if starts:
        data.own()
    else:
        with pytest.raises(StartError, match="cannot be used"):
            data.own()


def test_release(data: DataDirectory) -> None:
    """Given back, once or twice, it can be owned again."""
    data.own()
    data.release()
    data.release()
    second = DataDirectory(data.path)
    second.own()
    second.release()


def test_equal_handles(tmp_path: Path) -> None:
    """Two handles of one path are equal whoever of them owns it."""
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.own()
    assert first == second
    assert repr(first) == repr(second)
    first.release()


@pytest.mark.parametrize("obstacle", ["data", "data/draws", "data/lock"])
def test_unusable_directory(tmp_path: Path, obstacle: str) -> None:
    """A file where a directory has to be, or the reverse, is said in a sentence."""
    (tmp_path / obstacle).parent.mkdir(exist_ok=True)
    if obstacle == "data/lock":
        (tmp_path / obstacle).mkdir()
    else:
        (tmp_path / obstacle).touch()
    directory = DataDirectory(tmp_path / "data")
    with pytest.raises(StartError) as error:
        directory.own()
    assert str(error.value).startswith(f"the data directory {tmp_path / 'data'} cannot be used, ")
    directory.release()


def test_unwritable_directory() -> None:
    """Where nothing can be made, also by root, a sentence says so."""
    with pytest.raises(StartError, match=r"^the data directory /proc/nothing cannot be used, "):
        DataDirectory(Path("/proc/nothing")).own()


def test_no_room_for_the_pid(data: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is said in a sentence, and the lock is not kept."""

    def fail(fd: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    fds = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with pytest.raises(StartError, match=r"cannot be used, .* No space left on device"):
            data.own()
    assert len(os.listdir("/proc/self/fd")) == fds
    data.own()


def test_draws_in_order_and_no_foreign_names(data: DataDirectory) -> None:
    """Only numbers of at least six digits are draws; they are in order of these numbers."""
    data.own()
    for name in (
        "000010",
        "000002",
        "1000000",
        "12345",
        "000003.tmp",
        "x",
        "\u0660" * 6,
        "000000",
        "0000002",
        " 000004",
    ):
        (data.path / "draws" / name).mkdir()
    assert [(draw.number, draw.path.name) for draw in data.draws()] == [
        (2, "000002"),
        (10, "000010"),
        (1000000, "1000000"),
    ]


def test_draws_of_a_missing_directory(tmp_path: Path) -> None:
    """A directory that is not there is an error."""
    with pytest.raises(FileNotFoundError):
        DataDirectory(tmp_path / "missing").draws()


def test_new_draws_follow_the_last_one(data: DataDirectory) -> None:
    """The first is 1, a gap is not filled; each is private and has its open record."""
    data.own()
    first = data.new_draw(5)
    assert first == DrawDirectory(1, data.path / "draws" / "000001")
    assert first.path.stat().st_mode & 0o7777 == 0o700
    assert first.read() == DrawRecord(1, "open", 5)
    assert data.new_draw(6).read() == DrawRecord(2, "open", 6)
    (data.path / "draws" / "000041").mkdir()
    (data.path / "draws" / "000041" / "segment-0001.log").touch()
    assert data.new_draw(5).number == 42
    assert [draw.number for draw in data.draws()] == [1, 2, 41, 42]
    (data.path / "draws" / "999999").mkdir()
    (data.path / "draws" / "999999" / "draw.json").touch()
    assert data.new_draw(5).path.name == "1000000"
    assert data.new_draw(5).path.name == "1000001"


def test_a_new_draw_is_on_disk(data: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """First its name, then its record: so a record is never in a directory that may vanish."""
    data.own()
    steps: list[str] = []

    def flush(fd: int) -> None:
        steps.append(str(Path(os.readlink(f"/proc/self/fd/{fd}")).relative_to(data.path)))

    monkeypatch.setattr(os, "fsync", flush)
    data.new_draw(5)
    assert steps == ["draws", "draws/000001/draw.json.tmp", "draws/000001"]


@pytest.mark.parametrize("broken", ["rename", "fsync"])
def test_new_draw_that_fails_is_made_with_the_next_try(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """What was made of it is used, so that no draw is left without a record."""
    data.own()
    data.new_draw(5)

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(os, broken, fail)
            with pytest.raises(OSError, match="No space left"):
                data.new_draw(5)
        assert [draw.number for draw in data.draws()] == [1, 2]
        assert list(data.draws()[1].path.iterdir()) == []
    assert data.new_draw(5).number == 2
    assert read_record(data.draws()[1].record) == DrawRecord(2, "open", 5)
