"""A crash or a kill, a start-up behind it, and a crash of the machine within that or behind it.

When the processes are killed and the machine goes on, start-up sees also what is not on disk.
What it has found at its end is told to agencies, so it has to be there behind any later crash.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import start_up_program
from disk_model import Disk, Tree
from enumeration import Depth
from ledger_reader import holdings_in, record_in
from planted import Planted
from start_up import DRAW, Facts
from strace_text import Call, read_trace, tracing
from survey import Survey
from told import Promise, Told
from trees import harvest, plant

_DIGITS: Final = 5
#: The lines of a start-up's trace come behind those of any day.
_LATER: Final = 100_000_000


class Before(NamedTuple):
    """What a start-up finds.

    :ivar disk: the processes are gone; what is not flushed may be lost later on.
    :ivar promise: what had been told.
    """

    disk: Disk
    promise: Promise


def second_crashes(
    found: Sequence[Before],
    facts: Facts,
    depth: Depth,
    random: Random,
    directory: Path,
    plant_fault: Planted = list,
) -> Iterator[Survey]:
    """Yield the survey of a start-up on each of these.

    :param plant_fault: changes the trace of each.
    :raises AssertionError: if the replay of a start-up does not lead to what it has left.
    """
    base = directory / "trees"
    traced = _start_up_on([each.disk.tree({}, {}) for each in found], facts, base)
    for number, (disk, promise) in enumerate(found):
        root = base / _name(number)
        told = Told(str(root), {}, promise)
        survey = Survey(str(root), disk, told, depth, random)
        for _ in survey.follow(plant_fault(traced[number])):
            pass
        left = harvest(root)
        assert disk.tree({}, {}) == left
        told.promise = _all_that_is_there(left, facts, promise)
        survey.look(2 * _LATER)
        yield survey


def _start_up_on(trees: Sequence[Tree], facts: Facts, base: Path) -> list[list[Call]]:
    """Start up on each tree, and give the calls that were made on each."""
    for number, tree in enumerate(trees):
        plant(tree, base / _name(number))
    trace = base.with_name("trace")
    program = (sys.executable, start_up_program.__file__, base, facts.data_dir, facts.places)
    done = subprocess.run(
        [*tracing(trace), *map(str, program)], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    with trace.open() as lines:
        calls = _by_tree(read_trace(lines), base)
    return [calls.get(number, []) for number in range(len(trees))]


def _by_tree(calls: Iterable[Call], base: Path) -> dict[int, list[Call]]:
    """Put calls to the tree that they are about; those about none are left out."""
    start = "".join(f"\\x{byte:02x}" for byte in f"{base}/".encode())
    digits = re.compile(re.escape(start) + rf"((?:\\x3[0-9]){{{_DIGITS}}})")
    found: dict[int, list[Call]] = {}
    for call in calls:
        match = digits.search(" ".join(call.words))
        if match:
            number = int(bytes.fromhex(match[1].replace("\\x", "")))
            later = call._replace(start=call.start + _LATER, end=call.end and call.end + _LATER)
            found.setdefault(number, []).append(later)
    return found


def _name(number: int) -> str:
    return f"{number:0{_DIGITS}d}"


def _all_that_is_there(tree: Tree, facts: Facts, promise: Promise) -> Promise:
    """Give what a central tells whoever asks when it has started up."""
    draw = f"{facts.data_dir}/{DRAW}"
    held = holdings_in(tree, draw)
    drawn = record_in(tree, draw).get("winning_number") is not None
    return Promise(
        {**promise.bets, **{agency: len(holding.rows) for agency, holding in held.items()}},
        promise.ended | {agency for agency, holding in held.items() if holding.ended},
        promise.drawn or drawn,
    )
