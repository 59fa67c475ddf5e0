"""A disk that remembers what it holds: every state that a crash may leave, for small days."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import pytest

Tree = dict[str, bytes | None]
"""The files below a directory with their bytes; None is a directory."""


def look(root: Path) -> Tree:
    """What is seen below a directory."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def put(root: Path, tree: Tree) -> None:
    """Make a directory hold this and nothing else."""
    root.mkdir()
    for name, content in tree.items():
        if content is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(content)


class Crash(NamedTuple):
    """What is left: ``seen`` after a kill, ``certain`` after a power cut.

    ``flushed`` are the bytes that the disk holds of the files that are seen, whether or not
    it holds their names.
    """

    seen: Tree
    certain: Tree
    flushed: Tree


class Disk:
    """Watches what is done below a directory, and keeps what a crash before each step leaves.

    What was seen, as after a kill; and what is on disk for certain, as after a power cut that
    spares nothing else: entries of a directory since its last flush, bytes of a file since
    its own.

    :ivar states: all of them, without doubles.
    """

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, crash: Crash | None = None
    ) -> None:
        """:param crash: what has left that which stands below it; None: all of it is on disk."""
        self._root = root
        self.states: list[Crash] = []
        self._bytes: dict[int, bytes] = {}
        self._entries: dict[str, dict[str, int | None]] = {}
        self._held: list[IO[bytes]] = []
        if crash is None:
            for path in [root, *root.rglob("*")]:
                self._flushed(path)
        else:
            self._start_from(crash)
        self._watch(monkeypatch)

    def keep(self) -> None:
        """Keep what a crash now would leave."""
        flushed: Tree = {}
        for path in self._root.rglob("*"):
            if path.stat().st_ino in self._bytes:
                flushed[str(path.relative_to(self._root))] = self._bytes[path.stat().st_ino]
        state = Crash(look(self._root), self.certain(), flushed)
        if state not in self.states:
            self.states.append(state)

    def close(self) -> None:
        """Let go of all files."""
        for file in self._held:
            file.close()

    def certain(self, where: str = ".") -> Tree:
        """What is on disk for certain."""
        tree: Tree = {}
        for name, inode in self._entries.get(where, {}).items():
            path = os.path.normpath(f"{where}/{name}")
            tree[path] = None if inode is None else self._bytes.get(inode, b"")
            if inode is None:
                tree |= self.certain(path)
        return dict(sorted(tree.items()))

    def _start_from(self, crash: Crash) -> None:
        """Let files be other ones than are seen, with numbers that no file has."""
        for path, content in crash.flushed.items():
            self._hold(self._root / path, content or b"")
        self._entries["."] = {}
        for number, (path, content) in enumerate(crash.certain.items(), 1):
            where, name = os.path.split(path)
            if content is None:
                self._entries[path] = {}
            else:
                self._bytes[-number] = content
            self._entries[where or "."][name] = None if content is None else -number

    def _flushed(self, path: Path) -> None:
        if path.is_dir():
            name = str(path.relative_to(self._root))
            self._entries[name] = {
                each.name: None if each.is_dir() else each.stat().st_ino for each in path.iterdir()
            }
        else:
            self._hold(path, path.read_bytes())

    def _hold(self, path: Path, content: bytes) -> None:
        self._bytes[path.stat().st_ino] = content
        self._held.append(path.open("rb"))  # so that its inode is not given to another file

    def _watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def flush(fd: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{fd}"))
            if path.is_relative_to(self._root):
                self.keep()
                self._flushed(path)

        monkeypatch.setattr(os, "fsync", flush)
        for name in ("rename", "unlink", "mkdir"):
            monkeypatch.setattr(os, name, self._kept_before(getattr(os, name)))

    def _kept_before(self, call: Callable[..., object]) -> Callable[..., object]:
        def watched(*arguments: object, **named: object) -> object:
            self.keep()
            return call(*arguments, **named)

        return watched
