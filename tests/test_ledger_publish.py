"""``lottery.ledger.publish``: a file is there whole and on disk, or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from ledger_disk import no_room_for

import lottery.ledger.publish as publish_module
from lottery.ledger.publish import published, settle


def publish(path: Path, content: bytes = b"new") -> None:
    """Publish a file."""
    with published(path) as out:
        out.write(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file is to be."""
    return tmp_path / "bets.csv"


class Steps:
    """Notes flushes and renames by the names of their files, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        true_rename = os.rename

        def flush(fd: int) -> None:
            self.names.append(f"flush {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")

        def rename(old: Path, new: Path) -> None:
            self.names.append(f"rename {old.name} {new.name}")
            true_rename(old, new)

        monkeypatch.setattr(os, "fsync", flush)
        monkeypatch.setattr(os, "rename", rename)


def test_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written aside, flushed, renamed, and then the directory is flushed."""
    steps = Steps(monkeypatch)
    with published(path) as out:
        out.write(b"new")
        assert not path.exists()
        assert steps.names == []
    assert steps.names == [
        "flush bets.csv.tmp",
        "rename bets.csv.tmp bets.csv",
        f"flush {path.parent.name}",
    ]
    assert path.read_bytes() == b"new"


def test_all_of_it_is_written_before_it_is_flushed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits in a buffer of ours when the file is flushed."""

    def flush(fd: int) -> None:
        if not path.exists():
            assert path.with_name("bets.csv.tmp").read_bytes() == b"new"

    monkeypatch.setattr(os, "fsync", flush)
    publish(path)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277, 0o777])
@pytest.mark.parametrize("left", [False, True])
def test_mode_whatever_the_umask(path: Path, umask: int, left: bool) -> None:
    """The file is the operator's alone, also one that is made in place of an open leftover."""
    if left:
        for each in (path, path.with_name("bets.csv.tmp")):
            each.touch()
            each.chmod(0o666)
    before = os.umask(umask)
    try:
        with published(path) as out:
            modes = [os.fstat(out.fileno()).st_mode]
        modes.append(path.stat().st_mode)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(mode) for mode in modes] == [0o600, 0o600]


def test_a_link_is_not_followed(path: Path) -> None:
    """What stands there already is never written through; it is gone for the next try."""
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_bytes(b"kept")
    path.with_name("bets.csv.tmp").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        publish(path)
    assert sorted(path.parent.iterdir()) == [elsewhere]
    publish(path)
    assert (path.read_bytes(), elsewhere.read_bytes()) == (b"new", b"kept")


def test_leftovers_of_a_crash_are_replaced(path: Path) -> None:
    """A longer temporary file and an older result do not show through."""
    path.write_bytes(b"old" * 1000)
    path.with_name("bets.csv.tmp").write_bytes(b"half" * 1000)
    publish(path)
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_full_disk_leaves_nothing_behind(path: Path) -> None:
    """Without room there is no file, no temporary one either, and an older result stays."""
    path.write_bytes(b"old")
    with no_room_for(path), pytest.raises(OSError) as error:
        publish(path)
    assert error.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_block_that_fails_leaves_nothing_behind(path: Path) -> None:
    """What goes wrong while the file is made goes on, and an older result stays."""
    path.write_bytes(b"old")
    with pytest.raises(TypeError), published(path) as out:
        out.write("half")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("broken", ["fsync", "rename"])
def test_failed_step_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A flush or a rename that fails is an error, is not tried again, and no file is there."""
    calls = []

    def fail(*arguments: object) -> None:
        calls.append(arguments)
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="the disk is gone"):
        publish(path)
    assert len(calls) == 1
    assert list(path.parent.iterdir()) == []


def test_failed_directory_flush_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known to be on disk is an error; the file itself is whole."""

    def fail(path: str) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(publish_module, "flush_directory", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        publish(path)
    assert path.read_bytes() == b"new"


def test_unwritable_directory(path: Path) -> None:
    """A file that cannot even be made is an error."""
    with pytest.raises(FileNotFoundError):
        publish(path.parent / "missing" / "bets.csv")


def test_settle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are flushed, then the name; nothing is opened for long; nothing changes."""
    publish(path)
    inode, fds = path.stat().st_ino, len(os.listdir("/proc/self/fd"))
    steps = Steps(monkeypatch)
    settle(path)
    assert steps.names == ["flush bets.csv", f"flush {path.parent.name}"]
    assert path.stat().st_ino == inode
    assert len(os.listdir("/proc/self/fd")) == fds


def test_settle_what_is_missing(path: Path) -> None:
    """A file that is not there is an error."""
    with pytest.raises(FileNotFoundError):
        settle(path)
