"""The crashes of a trace, each tree once, and what start-up makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import NamedTuple

from disk_model import Disk, Node, Tree
from enumeration import Depth, Enumerator
from replay import Replay, Step
from strace_text import Call
from told import Promise, Told


class Crash(NamedTuple):
    """A tree that a crash may leave.

    :ivar kind: what sort of crash it is that left it first.
    :ivar last: what sort of crash it is that left it last.
    :ivar line: of the trace, behind which that may be.
    :ivar promise: what had been told by then, which is the most that this tree has to keep.
    """

    kind: str
    last: str
    tree: Tree
    line: int
    promise: Promise


class Survey:
    """What crashes leave of a disk, moment by moment.

    :ivar disk: how it is at present.
    :ivar told: who listens to what is told.
    """

    def __init__(self, root: str, disk: Disk, told: Told, depth: Depth, random: Random) -> None:
        """:param root: the directory of the trace that is the disk's root."""
        self.disk = disk
        self.told = told
        self._replay = Replay(root, disk)
        self._enumerator = Enumerator(depth, random)
        self._found: dict[tuple[tuple[str, bytes | None], ...], Crash] = {}

    def follow(self, calls: Iterable[Call]) -> Iterator[Step]:
        """Make calls, and look behind each that matters at what a crash there may leave.

        Yields the step behind which it has looked.
        """
        for step in self._replay.steps(calls):
            news = self.told.note(step.call, self.disk)
            if step.touched is not None or news:
                self.look(step.call.start, step.touched)
                yield step

    def look(self, line: int, touched: Node | None = None) -> None:
        """Look at what a crash at this moment may leave."""
        for kind, tree in self._enumerator.states(self.disk, touched):
            key = tuple(tree.items())
            first = self._found[key].kind if key in self._found else kind
            self._found[key] = Crash(first, kind, tree, line, self.told.promise)

    @property
    def crashes(self) -> list[Crash]:
        """All of them so far, in the order in which they became possible."""
        return list(self._found.values())

    @property
    def kinds(self) -> Counter[str]:
        """How many there are of each sort."""
        return Counter(crash.kind for crash in self._found.values())


def faults(crashes: Iterable[Crash], try_on: Callable[[Tree, Promise], str]) -> Iterator[str]:
    """Start up on every crash, and yield what was wrong."""
    for crash in crashes:
        wrong = try_on(crash.tree, crash.promise)
        if wrong:
            yield f"line {crash.line}, {crash.last}: {wrong}"


def table(kinds: Mapping[str, int]) -> str:
    """Give the figures for people."""
    rows = sorted(kinds.items(), key=lambda row: (-row[1], row[0]))
    return "\n".join(f"{count:>8,}  {kind}" for kind, count in rows)
