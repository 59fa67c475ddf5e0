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
from lottery.errors import StartError
from lottery.ledger.directory import DataDirectory, DrawDirectory


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDirectory]:
    """A data directory of our own, not there yet."""
    directory = DataDirectory(tmp_path / "state" / "data")
    yield directory
    directory.release()


def test_names_of_a_draw(tmp_path: Path) -> None:
    """Where the files of a draw are."""
    draw = DrawDirectory(3, tmp_path)
    assert draw.bets_csv == tmp_path / "bets.csv"
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
    with pytest.raises(StartError, match=f"process {os.getpid()}$"):
        second.own()
    assert len(os.listdir("/proc/self/fd")) == fds
    second.release()
    with pytest.raises(StartError):
        second.own()


def test_unknown_owner(data: DataDirectory) -> None:
    """An owner that has not said who it is holds the lock, too."""
    data.path.mkdir(parents=True)
    with (data.path / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StartError, match=r"in use by process unknown$"):
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


def test_new_draws_follow_the_last_one(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is 1, a gap is not filled; each is private and on disk under its name."""
    data.own()
    flushed: list[str] = []
    monkeypatch.setattr(directory_module, "flush_directory", flushed.append)
    first = data.new_draw()
    assert first == DrawDirectory(1, data.path / "draws" / "000001")
    assert first.path.stat().st_mode & 0o7777 == 0o700
    assert flushed == [str(data.path / "draws")]
    assert data.new_draw().number == 2
    (data.path / "draws" / "000041").mkdir()
    assert data.new_draw().number == 42
    assert [draw.number for draw in data.draws()] == [1, 2, 41, 42]
    (data.path / "draws" / "999999").mkdir()
    assert data.new_draw().path.name == "1000000"
    assert data.new_draw().path.name == "1000001"
