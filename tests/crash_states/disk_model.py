"""What a disk is known to hold, and what it may hold, while the calls of a trace are made.

The promises of a file system on which nothing but these is relied:

- ``fsync`` and ``fdatasync`` of a file put all bytes on disk that were written to it before,
  and its size. Until then every write and every cut may be there or not, alone or with others,
  whole or in part.
- ``fsync`` of a directory puts its entries on disk. Until then every change to them (a new
  name, a renaming, a removal) may be there or not, whatever becomes of the others; but a name
  changes in one step.
- The name of a file and its bytes are two things. The flush of one is none of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

#: A tree: every path below the root with its bytes, or None for a directory.
Tree = Mapping[str, bytes | None]


class Write(NamedTuple):
    """Bytes that were written to a file; ``end`` is the line by which that was done."""

    offset: int
    data: bytes
    end: int


class Cut(NamedTuple):
    """A file that was made as long as ``size``."""

    size: int
    end: int


class Named(NamedTuple):
    """A name that was given to a node, or taken away (None)."""

    name: str
    node: Node | None
    end: int


class Moved(NamedTuple):
    """A node that got another name in its directory instead of the one it had."""

    old: str
    new: str
    node: Node
    end: int


Change = Write | Cut
Entry = Named | Moved


class File:
    """A file, whatever it is called.

    :ivar durable: what the disk is known to hold.
    :ivar pending: what was done to it since, in order.
    :ivar latest: what processes see.
    """

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = self.latest = durable
        self.pending: list[Change] = []

    def change(self, change: Change) -> None:
        """Note a write or a cut."""
        self.pending.append(change)
        self.latest = changed(self.latest, change)

    def flush(self, since: int) -> None:
        """Note that the disk holds what was done before the line ``since``."""
        while self.pending and self.pending[0].end < since:
            self.durable = changed(self.durable, self.pending.pop(0))


class Directory:
    """A directory.

    :ivar durable: the entries that the disk is known to hold.
    :ivar pending: what was done to them since, in order.
    :ivar latest: what processes see.
    """

    def __init__(self) -> None:
        self.durable: dict[str, Node] = {}
        self.latest: dict[str, Node] = {}
        self.pending: list[Entry] = []

    def change(self, entry: Entry) -> None:
        """Note a change of an entry."""
        self.pending.append(entry)
        _enter(self.latest, entry)

    def flush(self, since: int) -> None:
        """Note that the disk holds the entries as they were at the line ``since``."""
        while self.pending and self.pending[0].end < since:
            _enter(self.durable, self.pending.pop(0))

    def entries(self, applied: Sequence[bool]) -> dict[str, Node]:
        """Give the entries if these of the pending changes have got to the disk."""
        entries = dict(self.durable)
        for entry, done in zip(self.pending, applied, strict=True):
            if done:
                _enter(entries, entry)
        return entries


Node = File | Directory


class Disk:
    """All files and directories below a root.

    :ivar root: the directory that is always there.
    """

    def __init__(self, tree: Tree | None = None) -> None:
        """:param tree: what the disk is known to hold at first."""
        self.root: Final = Directory()
        for path, content in sorted((tree or {}).items()):
            above, _, name = path.rpartition("/")
            directory = self.node(above)
            assert isinstance(directory, Directory)
            node = Directory() if content is None else File(content)
            directory.durable[name] = directory.latest[name] = node

    def node(self, path: str) -> Node | None:
        """Give what has a path now, from the root on; the root's own is empty."""
        node: Node | None = self.root
        for name in path.split("/") if path else ():
            if not isinstance(node, Directory):
                return None
            node = node.latest.get(name)
        return node

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """Yield everything that has or may have a path, each once, with one path of it."""
        seen: set[int] = set()
        waiting: list[tuple[str, Node]] = [("", self.root)]
        while waiting:
            path, node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield path, node
            if isinstance(node, Directory):
                found = [*node.durable.items(), *node.latest.items()]
                found += [
                    (entry.name, entry.node)
                    for entry in node.pending
                    if isinstance(entry, Named) and entry.node is not None
                ]
                start = f"{path}/" if path else ""
                waiting += [(start + name, each) for name, each in reversed(found)]

    def tree(
        self, applied: Mapping[int, Sequence[bool]], contents: Mapping[int, bytes]
    ) -> dict[str, bytes | None]:
        """Give the tree of one crash.

        :param applied: by ``id`` of a directory, which of its pending changes got through.
        :param contents: by ``id`` of a file, what is in it. For what is missing in either: the
            latest.
        """
        tree: dict[str, bytes | None] = {}
        self._plant(tree, "", self.root, applied, contents)
        return tree

    def _plant(
        self,
        tree: dict[str, bytes | None],
        start: str,
        directory: Directory,
        applied: Mapping[int, Sequence[bool]],
        contents: Mapping[int, bytes],
    ) -> None:
        done = applied.get(id(directory))
        entries = directory.latest if done is None else directory.entries(done)
        for name in sorted(entries):
            node, path = entries[name], start + name
            if isinstance(node, File):
                tree[path] = contents.get(id(node), node.latest)
            else:
                tree[path] = None
                self._plant(tree, f"{path}/", node, applied, contents)


def changed(content: bytes, change: Change) -> bytes:
    """Give what a file holds behind a change; what was never written is NUL."""
    if isinstance(change, Cut):
        return content[: change.size].ljust(change.size, b"\0")
    before = content[: change.offset].ljust(change.offset, b"\0")
    return before + change.data + content[change.offset + len(change.data) :]


def _enter(entries: dict[str, Node], entry: Entry) -> None:
    if isinstance(entry, Moved):
        entries[entry.new] = entry.node
        if entries.get(entry.old) is entry.node:
            del entries[entry.old]
    elif entry.node is None:
        entries.pop(entry.name, None)
    else:
        entries[entry.name] = entry.node
