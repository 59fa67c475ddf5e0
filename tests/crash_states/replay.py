"""Makes the calls of a trace once more, on the model of a disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from disk_model import Cut, Directory, Disk, File, Moved, Named, Node, Write
from strace_text import Call, UnreadableTrace, buffers_of, fd_of, text_of

#: They put on disk what was done before to a file, or to the entries of a directory.
FLUSHES: Final = ("fsync", "fdatasync")
_UNKNOWN_FLAGS = ("O_SYNC", "O_DSYNC", "O_TMPFILE", "O_DIRECT|")
#: Nothing that is replayed does this; whoever begins to must tell the model what it means.
_NOT_MODELLED: Final = {
    *("pwritev", "pwritev2", "splice", "sendfile", "copy_file_range", "fallocate"),
    *("syncfs", "sync_file_range", "link", "linkat", "symlink", "symlinkat"),
}


class Step(NamedTuple):
    """A moment after which the machine may crash.

    :ivar touched: the file or directory that was changed or flushed by this step, if any.
    """

    call: Call
    touched: Node | None


class _Opened:
    """What a process has opened for itself: a file and its place in it."""

    def __init__(self, file: File, append: bool) -> None:
        self.file = file
        self.append = append
        self.place = 0

    def write(self, data: bytes, end: int, offset: int | None = None) -> File:
        place = self.place if offset is None else offset
        if self.append:
            place = len(self.file.latest)
        if data:
            self.file.change(Write(place, data, end))
        if offset is None:
            self.place = place + len(data)
        return self.file


class Replay:
    """Makes calls on a disk, step by step.

    :ivar disk: what they have led to so far.
    """

    def __init__(self, root: str, disk: Disk) -> None:
        """:param root: the directory of the trace that is the disk's root; all else is ignored."""
        self.disk = disk
        self._root = root.rstrip("/") + "/"
        self._opened: dict[tuple[int, int], _Opened] = {}

    def steps(self, calls: Iterable[Call]) -> Iterator[Step]:
        """Yield step after step, each when it has been made.

        A change may be on disk from the begin of its call on; a flush has flushed at its end,
        and only what had been done before it began. What is told is told at its begin.

        :raises UnreadableTrace: if a call's effect is not known.
        """
        moments = [(_moment(call), call) for call in calls if call.end]
        moments += [(call.start, call) for call in calls if not call.end]
        for _, call in sorted(moments, key=lambda moment: moment[0]):
            if call.result < 0:
                self._look_at_failed(call)
            yield Step(call, self._make(call) if call.result >= 0 else None)

    # Single calls.

    def _make(self, call: Call) -> Node | None:
        name, words = call.name, call.words
        if name in ("openat", "open", "creat"):
            return self._open(call)
        if name in ("write", "writev", "pwrite64"):
            return self._write(call)
        if name in FLUSHES:
            return self._flush(call)
        if name in ("ftruncate", "lseek"):
            return self._at_descriptor(call)
        if name in ("rename", "renameat", "renameat2"):
            return self._rename(call)
        if name in ("mkdir", "mkdirat"):
            return self._enter(self._path(words), Directory(), call)
        if name in ("unlink", "unlinkat", "rmdir"):
            return self._enter(self._path(words), None, call)
        if name == "truncate":
            node = self._node(self._path(words))
            if isinstance(node, File):
                node.change(Cut(int(words[1]), call.end))
            return node
        if name == "sync" or (name in _NOT_MODELLED and self._within(call)):
            raise UnreadableTrace(f"line {call.start}: {name} is not modelled")
        return None

    def _look_at_failed(self, call: Call) -> None:
        """Look at a call that failed, or that has not ended when its process did."""
        telling = (*FLUSHES, "openat", "open", "sendto", "sendmsg", "lseek")
        if not call.end and call.name not in telling and self._within(call):
            raise UnreadableTrace(f"line {call.start}: it is not known what {call.name} has done")

    def _open(self, call: Call) -> Node | None:
        path = self._path(call.words)
        if path is None:
            return None
        flags = "O_CREAT|O_TRUNC" if call.name == "creat" else "|".join(call.words[1:])
        if any(flag in flags for flag in _UNKNOWN_FLAGS):
            raise UnreadableTrace(f"line {call.start}: {flags} is not modelled")
        node, touched = self._node(path), None
        if node is None and "O_CREAT" in flags:
            node = File()
            touched = self._enter(path, node, call)
        if isinstance(node, File):
            if "O_TRUNC" in flags and node.latest:
                node.change(Cut(0, call.end))
                touched = node
            self._opened[call.process, call.result] = _Opened(node, "O_APPEND" in flags)
        return touched

    def _write(self, call: Call) -> Node | None:
        if self._descriptor(call.words[0]) is None:
            return None
        data = buffers_of(call.words[1]) if call.name == "writev" else text_of(call.words[1])
        offset = int(call.words[3]) if call.name == "pwrite64" else None
        return self._file(call).write(data[: call.result], call.end, offset)

    def _at_descriptor(self, call: Call) -> Node | None:
        path = self._descriptor(call.words[0])
        if path is None or isinstance(self._node(path), Directory):
            return None
        opened = self._file(call)
        if call.name == "lseek":
            opened.place = call.result
            return None
        opened.file.change(Cut(int(call.words[1]), call.end))
        return opened.file

    def _flush(self, call: Call) -> Node | None:
        path = self._descriptor(call.words[0])
        if path is None:
            return None
        node = self._node(path)
        flushed = node if isinstance(node, Directory) else self._file(call).file
        flushed.flush(call.start)
        return flushed

    def _rename(self, call: Call) -> Node | None:
        words = call.words
        at = 2 if call.name != "rename" else 1
        old, new = self._path(words[:at]), self._path(words[at : 2 * at])
        if old is None and new is None:
            return None
        if old is None or new is None or os.path.dirname(old) != os.path.dirname(new):
            raise UnreadableTrace(f"line {call.start}: a renaming to elsewhere is not modelled")
        directory, node = self._node(os.path.dirname(new)), self._node(old)
        assert isinstance(directory, Directory) and node is not None  # noqa: PT018
        directory.change(Moved(os.path.basename(old), os.path.basename(new), node, call.end))
        return directory

    def _enter(self, path: str | None, node: Node | None, call: Call) -> Node | None:
        if path is None:
            return None
        directory = self._node(os.path.dirname(path))
        assert isinstance(directory, Directory)
        directory.change(Named(os.path.basename(path), node, call.end))
        return directory

    # Paths and descriptors.

    def _path(self, words: Sequence[str]) -> str | None:
        """Give the path that a call names, from the root on; None if it is not below it."""
        start = ""
        if not words[0].startswith('"'):
            start, words = fd_of(words[0])[1], words[1:]
        path = os.path.normpath(os.path.join(start, text_of(words[0]).decode()))
        if not path.startswith("/"):
            raise UnreadableTrace(f"{path} is relative to what is not known")
        return self._below(path)

    def _below(self, path: str) -> str | None:
        return f"{path}/".removeprefix(self._root)[:-1] if self._is_below(path) else None

    def _is_below(self, path: str) -> bool:
        return f"{path}/".startswith(self._root)

    def _descriptor(self, word: str) -> str | None:
        return self._below(fd_of(word)[1])

    def _within(self, call: Call) -> bool:
        """Whether any word of a call is about what is below the root."""
        about = [fd_of(word)[1] for word in call.words if word[:1].isdigit() and "<" in word]
        about += [text_of(word).decode("latin-1") for word in call.words if word[:1] == '"']
        return any(map(self._is_below, about))

    def _node(self, path: str | None) -> Node | None:
        return None if path is None else self.disk.node(path)

    def _file(self, call: Call) -> _Opened:
        number, path = fd_of(call.words[0])
        opened = self._opened.get((call.process, number))
        node = self._node(self._below(path))
        if opened is None or (node is not None and node is not opened.file):
            raise UnreadableTrace(f"line {call.start}: nobody has seen {path} being opened")
        return opened


def _moment(call: Call) -> int:
    return call.end if call.name in FLUSHES else call.start
