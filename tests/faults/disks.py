"""File systems of a test's own: of memory, to be really full, and ext4 whose power can be cut."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

#: ioctl of ext4 and XFS: stop the file system where it stands.
_FS_IOC_SHUTDOWN: Final = 0x8004587D
#: The journal is written, what is not yet in it is lost: what a power cut leaves at best.
LOG_FLUSHED: Final = 1
#: Nothing more is written at all.
NOTHING_FLUSHED: Final = 2
#: A process that was killed gives its files back within this time.
_BUSY_SECONDS: Final = 10.0


def _run(*words: object) -> None:
    done = subprocess.run(list(map(str, words)), capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"{words}: {done.stderr}"


class Mounted:
    """A file system at a directory, from ``__enter__`` to ``__exit__``.

    :ivar path: where it is mounted.
    """

    def __init__(self, path: Path, words: tuple[object, ...]) -> None:
        self.path = path
        self._words = words
        self._mounted = False

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        self.mount()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._mounted:
            self.unmount()

    def mount(self) -> None:
        """Mount it."""
        _run("mount", *self._words, self.path)
        self._mounted = True

    def unmount(self) -> None:
        """Unmount it; whoever still has a file open there is waited for."""
        waiting, waited = threading.Event(), 0.0
        while True:
            done = subprocess.run(["umount", str(self.path)], capture_output=True, encoding="utf-8")
            if done.returncode == 0:
                self._mounted = False
                return
            assert waited < _BUSY_SECONDS, done.stderr
            waiting.wait(0.05)  # nothing tells when a file system is not busy any more
            waited += 0.05

    def free_bytes(self) -> int:
        """How much room there is."""
        system = os.statvfs(self.path)
        return system.f_bavail * system.f_frsize


def memory_disk(path: Path, size: str, inodes: int = 0) -> Mounted:
    """A file system of memory.

    :param size: as ``mount`` takes it, as ``64k``.
    :param inodes: how many files there may be; 0: as many as there is room for.
    """
    options = f"size={size},mode=700" + (f",nr_inodes={inodes}" if inodes else "")
    return Mounted(path, ("-t", "tmpfs", "-o", options, "tmpfs"))


class PowerCutDisk(Mounted):
    """An ext4 image whose power can be cut."""

    def __init__(self, directory: Path, size: int = 32 << 20) -> None:
        image = directory / "disk.img"
        with image.open("wb") as file:
            file.truncate(size)
        _run("mkfs.ext4", "-q", "-F", image)
        super().__init__(directory / "disk", ("-o", "loop", image))

    def cut_power(self, flag: int, before: Callable[[], None] = lambda: None) -> None:
        """Stop the file system at once; everything on it fails from now on.

        :param before: called as shortly before as can be.
        """
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            argument = flag.to_bytes(4, "little")
            before()
            fcntl.ioctl(fd, _FS_IOC_SHUTDOWN, argument)
        finally:
            os.close(fd)


@functools.cache
def _can_mount_memory() -> bool:
    with tempfile.TemporaryDirectory() as name:
        try:
            with memory_disk(Path(name) / "m", "64k"):
                return True
        except (AssertionError, OSError):
            return False


@functools.cache
def _can_cut_power() -> bool:
    if shutil.which("mkfs.ext4") is None:
        return False
    with tempfile.TemporaryDirectory() as name:
        try:
            with PowerCutDisk(Path(name), 8 << 20) as disk:
                disk.cut_power(NOTHING_FLUSHED)
                return True
        except (AssertionError, OSError):
            return False


def needs_memory_disk() -> None:
    """Skip a test of full disks where that cannot be had."""
    if not _can_mount_memory():
        pytest.skip("a tmpfs cannot be mounted here: that needs root")


def needs_power_cut() -> None:
    """Skip a test of power cuts where that cannot be had."""
    if not _can_cut_power():
        pytest.skip("an ext4 image cannot be mounted and stopped here: that needs root")
