"""Every tree that a crash may leave, moment by moment; or as many of them as are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from random import Random
from typing import Final, NamedTuple

from disk_model import Change, Cut, Directory, Disk, File, Node, Tree, Write, changed

#: All subsets of so many pending changes are tried; of more, as many as that would be.
_ALL_SUBSETS: Final = 4
#: The disk writes this much whole or not at all.
_SECTOR_BYTES: Final = 512
#: In a mix, how likely a file is in another state than the latest.
_OLDER: Final = 0.75


class CrashState(NamedTuple):
    """What a crash may leave, and what sort of crash that is."""

    kind: str
    tree: Tree


class Depth(NamedTuple):
    """How many states are enumerated.

    :ivar cuts: at how many bytes of a write it is cut; 0: at every one.
    :ivar mixes: at each moment, so many random mixes of what each file and directory may be.
    """

    cuts: int
    mixes: int


class Enumerator:
    """Gives the states that a disk may be in after a crash."""

    def __init__(self, depth: Depth, random: Random) -> None:
        self._depth = depth
        self._random = random

    def states(self, disk: Disk, touched: Node | None) -> Iterator[CrashState]:
        """Yield the states of this moment; some may be the same, or have been there before.

        :param touched: what the last step changed: the state of this one is looked at closely,
            as that of the others was when they were touched.
        """
        nodes = [node for _, node in disk.nodes() if node.pending]
        files = [node for node in nodes if isinstance(node, File)]
        directories = [node for node in nodes if isinstance(node, Directory)]
        variants = {id(file): list(self._variants(file, file is touched)) for file in files}
        names = {id(each): self._subsets(len(each.pending)) for each in directories}
        no_names = {id(each): [False] * len(each.pending) for each in directories}
        no_data = {id(file): file.durable for file in files}
        yield CrashState("all is there", disk.tree({}, {}))
        yield CrashState("all that was not flushed is lost", disk.tree(no_names, no_data))
        yield CrashState("names are lost", disk.tree(no_names, {}))
        yield CrashState("bytes are lost", disk.tree({}, no_data))
        for file in files:
            others = {key: content for key, content in no_data.items() if key != id(file)}
            for kind, content in variants[id(file)]:
                yield CrashState(kind, disk.tree({}, {id(file): content}))
                yield CrashState(kind, disk.tree({}, {**others, id(file): content}))
        for key, choices in names.items():
            for applied in choices:
                yield CrashState("some names are lost", disk.tree({key: applied}, {}))
                yield CrashState("some names are lost", disk.tree({key: applied}, no_data))
                only = {**no_names, key: applied}
                yield CrashState("some names are lost", disk.tree(only, {}))
        if len(nodes) > 1:
            for _ in range(self._depth.mixes):
                yield CrashState("a mix", self._mix(disk, names, variants))

    def _mix(
        self,
        disk: Disk,
        names: Mapping[int, Sequence[Sequence[bool]]],
        variants: Mapping[int, Sequence[tuple[str, bytes]]],
    ) -> Tree:
        """Give what is there if everything is in some state of its own."""
        pick = self._random
        applied = {key: pick.choice(choices) for key, choices in names.items() if choices}
        contents = {}
        for key, contents_of_one in variants.items():
            if pick.random() < _OLDER:
                contents[key] = pick.choice(contents_of_one)[1]
        return disk.tree(applied, contents)

    def _variants(self, file: File, closely: bool) -> Iterator[tuple[str, bytes]]:
        """Yield what may be in a file, apart from its latest content."""
        yield "NULs in place of bytes", _nuls(file.durable, len(file.latest))
        for applied in self._subsets(len(file.pending)):
            content = file.durable
            for change, done in zip(file.pending, applied, strict=True):
                if done:
                    content = changed(content, change)
            yield _kind_of_subset(file.pending, applied), content
        if len(file.latest) > _SECTOR_BYTES:
            yield from self._lost_sectors(file)
        last = file.pending[-1]
        if isinstance(last, Write):
            before = file.durable
            for change in file.pending[:-1]:
                before = changed(before, change)
            yield from self._parts(before, last, closely)

    def _subsets(self, count: int) -> list[list[bool]]:
        """Give which of so many changes may have got to the disk, if not all."""
        if count <= _ALL_SUBSETS:
            return [list(each) for each in product((False, True), repeat=count)][:-1]
        subsets = [[at < whole for at in range(count)] for whole in range(count)]
        subsets += [[at != lost for at in range(count)] for lost in range(count)]
        for _ in range(1 << _ALL_SUBSETS):
            subsets.append([self._random.random() < 0.5 for _ in range(count)])
        return subsets

    def _parts(self, before: bytes, write: Write, closely: bool) -> Iterator[tuple[str, bytes]]:
        """Yield a write of which only the first bytes are what they should be."""
        offset, data, _ = write
        for place in self._places(len(data), closely):
            rest = len(data) - place
            kept = changed(before, write._replace(data=data[:place]))
            yield "a cut at a byte", kept
            yield "a NUL tail", changed(before, Write(offset, data[:place] + bytes(rest), 0))
            garbage = self._random.randbytes(rest)
            yield "a garbage tail", changed(before, Write(offset, data[:place] + garbage, 0))
            lost = bytes(place) + data[place:]
            yield "NULs in front of bytes", changed(before, Write(offset, lost, 0))

    def _places(self, length: int, closely: bool) -> Sequence[int]:
        cuts = self._depth.cuts
        if not closely:
            return sorted({length // 2, length - 1})
        if not cuts or length <= cuts:
            return range(1, length)
        return sorted({1, length - 1, *self._random.sample(range(1, length), cuts - 2)})

    def _lost_sectors(self, file: File) -> Iterator[tuple[str, bytes]]:
        """Yield what is there if one sector was not written and the others were."""
        old = _nuls(file.durable, len(file.latest))
        for start in range(0, len(file.latest), _SECTOR_BYTES):
            end = start + _SECTOR_BYTES
            if old[start:end] != file.latest[start:end]:
                yield "a lost sector", file.latest[:start] + old[start:end] + file.latest[end:]


def _nuls(content: bytes, length: int) -> bytes:
    """Give a content at the size of another: cut, or with NULs behind it."""
    return content[:length].ljust(length, b"\0")


def _kind_of_subset(changes: Sequence[Change], applied: Sequence[bool]) -> str:
    for change, done in zip(changes, applied, strict=True):
        if isinstance(change, Cut) and not done:
            return "a cut is undone"
    return "a write is dropped"
