"""Faults for a recorded trace: what it would look like if the product forgot something.

Each takes calls away, or tells before its time. The survey of such a trace has to find a crash
that start-up does not stand, or it would not find the same fault in the product either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from replay import FLUSHES
from strace_text import Call, fd_of, text_of

#: Changes a trace.
Planted = Callable[[Sequence[Call]], list[Call]]

_DRAW: Final = r".*/draws/\d+"


def _flushed(call: Call) -> str:
    """Give the path that a call flushes; nothing if it flushes none."""
    return fd_of(call.words[0])[1] if call.name in FLUSHES else ""


def without_flush(path: str, *, only: int | None = None) -> Planted:
    """Forget flushes of files, or of directories, with such a path.

    :param only: which one, counted from 0; None: all of them.
    """
    wanted = re.compile(path)

    def plant(calls: Sequence[Call]) -> list[Call]:
        forgotten = [call for call in calls if wanted.fullmatch(_flushed(call))]
        if only is not None:
            forgotten = forgotten[only : only + 1]
        return [call for call in calls if call not in forgotten]

    return plant


def _without_flush_of_directory(behind: str, *, only: int | None = None) -> Planted:
    """Forget the flush of the draw's directory if what the thread did before makes it due.

    :param only: as for :func:`without_flush`.
    """
    wanted, directory = re.compile(behind), re.compile(_DRAW)

    def plant(calls: Sequence[Call]) -> list[Call]:
        forgotten: list[Call] = []
        before: dict[int, str] = {}
        for call in calls:
            if directory.fullmatch(_flushed(call)):
                if wanted.fullmatch(before.pop(call.thread, "")):
                    forgotten.append(call)
            elif call.done and (about := _about(call)):
                before[call.thread] = about
        if only is not None:
            forgotten = forgotten[only : only + 1]
        return [call for call in calls if call not in forgotten]

    return plant


def _about(call: Call) -> str:
    """Say what a call makes of a name: "new PATH" or "moved PATH"."""
    if call.name == "openat" and "O_EXCL" in str(call.words[2:]):
        return f"new {text_of(call.words[1]).decode()}"
    if call.name == "rename":
        return f"moved {text_of(call.words[1]).decode()}"
    return ""


def _answer_before_flush(calls: Sequence[Call]) -> list[Call]:
    """Let every writer answer before the flush that its answer is about."""
    flushes: dict[int, Call] = {}
    changed: list[Call] = []
    for call in calls:
        if call.name == "fdatasync" and call.done:
            flushes[call.process] = call
        elif call.name == "write" and call.process in flushes and fd_of(call.words[0])[0] == 3:
            flush = flushes.pop(call.process)
            changed.remove(flush)
            changed.append(call._replace(start=flush.start, end=flush.start))
            changed.append(flush._replace(start=call.end, end=call.end))
            continue
        changed.append(call)
    return changed


PLANTED: Final[Mapping[str, Planted]] = {
    "batches are not flushed": without_flush(rf"{_DRAW}/segment-\d+\.log"),
    "one batch is not flushed": without_flush(rf"{_DRAW}/segment-0001\.log", only=2),
    "batches are answered before their flush": _answer_before_flush,
    "the name of a new segment is not flushed": _without_flush_of_directory(r"new .*"),
    "a salvaged segment is not flushed": without_flush(rf"{_DRAW}/segment-\d+\.log\.tmp"),
    "the name of a salvaged segment is not flushed": _without_flush_of_directory(
        r"moved .*/segment-\d+\.log"
    ),
    "a record is not flushed": without_flush(rf"{_DRAW}/draw\.json\.tmp"),
    "the name of a record is not flushed": _without_flush_of_directory(r"moved .*/draw\.json"),
    "the name of the record with the number is not flushed": _without_flush_of_directory(
        r"moved .*/draw\.json", only=3
    ),
    "bets.csv is not flushed": without_flush(rf"{_DRAW}/bets\.csv\.tmp"),
    "winners.csv is not flushed": without_flush(rf"{_DRAW}/winners\.csv\.tmp"),
    "the directory of a draw is not flushed": without_flush(r".*/draws"),
    "the data directory is not flushed": without_flush(r".*/lottery-data"),
    "no directory is flushed": without_flush(r".*/(root|lottery-data|draws|\d{6})"),
}

#: The same for what a start-up does; it is seen only if it comes behind a kill.
PLANTED_AT_START: Final[Mapping[str, Planted]] = {
    "a salvaged segment is not flushed": without_flush(rf"{_DRAW}/segment-\d+\.log\.tmp"),
    "the names in a draw are not flushed": without_flush(_DRAW),
}
