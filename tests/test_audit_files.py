"""``lottery.audit.files``: anything may stand where a file should, and nothing of it is a crash."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lottery.audit import files as files_module
from lottery.audit.differences import Difference, Differs
from lottery.audit.files import AuditedFile, OpenFiles, listing


def difference(tmp_path: Path, name: str = "file") -> Difference:
    """Why a file cannot be opened."""
    with pytest.raises(Differs) as raised:
        AuditedFile(tmp_path, name)
    return raised.value.difference


def test_reading(tmp_path) -> None:
    """Anywhere, and no further than there is."""
    (tmp_path / "file").write_bytes(b"0123456789")
    with AuditedFile(tmp_path, "file") as file:
        assert (file.name, file.size) == ("file", 10)
        assert file.read(2, 3) == b"234"
        assert file.read(8, 100) == b"89"
        assert file.read(10, 1) == file.read(50, 1) == file.read(0, 0) == b""


def test_short_reads(tmp_path, monkeypatch) -> None:
    """A read that gives less than it could is no end."""
    (tmp_path / "file").write_bytes(b"0123456789")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 3), offset))
    with AuditedFile(tmp_path, "file") as file:
        assert file.read(1, 8) == b"12345678"


def test_a_link(tmp_path) -> None:
    """A link to a file is as good as the file."""
    (tmp_path / "other").write_bytes(b"x")
    (tmp_path / "file").symlink_to("other")
    with AuditedFile(tmp_path, "file") as file:
        assert file.read(0, 9) == b"x"


def test_what_is_no_file(tmp_path) -> None:
    """Neither opened nor waited for."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name, what in {
        "directory": "it should be a file, and is a directory",
        "pipe": "it should be a file, and is something else",
        "device": "it should be a file, and is something else",
        "nowhere": "it cannot be read, No such file or directory",
        "round": "it cannot be read, Too many levels of symbolic links",
        "missing": "it cannot be read, No such file or directory",
    }.items():
        assert difference(tmp_path, name) == Difference(name, what)
    assert len(listing(tmp_path)) == 5


def test_what_becomes_a_pipe_meanwhile(tmp_path, monkeypatch) -> None:
    """It is not waited for, and closed again."""
    (tmp_path / "file").write_bytes(b"x")
    about = os.stat(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(files_module.os, "stat", lambda path: about)
    before = len(os.listdir("/proc/self/fd"))
    assert difference(tmp_path, "pipe").what == "it should be a file, and is something else"
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_may_not_be_read(tmp_path, monkeypatch) -> None:
    """The system's reason is given."""
    (tmp_path / "file").write_bytes(b"x")

    def refuse(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied", "file")

    monkeypatch.setattr(files_module.os, "open", refuse)
    assert difference(tmp_path) == Difference("file", "it cannot be read, Permission denied")
    monkeypatch.setattr(files_module.os, "scandir", refuse)
    with pytest.raises(Differs) as raised:
        listing(tmp_path)
    what = "the directory cannot be read, Permission denied"
    assert raised.value.difference == Difference("", what)


def test_a_bad_disk(tmp_path, monkeypatch) -> None:
    """The byte where it cannot be read is named."""
    (tmp_path / "file").write_bytes(b"0123456789")
    pread = os.pread

    def bad(fd, length, offset):
        if offset >= 4:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, min(length, 4), offset)

    monkeypatch.setattr(files_module.os, "pread", bad)
    with AuditedFile(tmp_path, "file") as file, pytest.raises(Differs) as raised:
        file.read(0, 10)
    assert raised.value.difference == Difference("file", "it cannot be read, Input/output error", 4)


def test_a_listing(tmp_path) -> None:
    """Equal listings are of the same files; a change of size or time shows."""
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"xy")
    (tmp_path / "nowhere").symlink_to("nothing")
    before = listing(tmp_path)
    assert [(entry.name, entry.bytes) for entry in before] == [
        ("a", 1), ("nowhere", 0), ("\udcff", 2),
    ]  # fmt: skip
    assert listing(tmp_path) == before
    os.utime(tmp_path / "a", ns=(1, 1))
    assert listing(tmp_path) != before


def test_many_files(tmp_path) -> None:
    """More than may be open at once; those that are needed again stay open."""
    names = [str(number) for number in range(200)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    before = len(os.listdir("/proc/self/fd"))
    files = OpenFiles(tmp_path)
    for name in [*names, *names]:
        assert files.read(name, 0, 9) == name.encode()
        assert len(os.listdir("/proc/self/fd")) <= before + 64
    files.close()
    assert len(os.listdir("/proc/self/fd")) == before
