"""The log of a compose project, read strictly: what does not keep the grammar is an error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

#: What compose puts before a line: ``client1_1  | `` (version 1) or ``client1-1  | ``, and a time;
#: version 2.26 clears the line of a terminal that is none.
_PREFIX: Final = re.compile(r"(?:\x1b\[2K)?([a-z]+[0-9]*)[-_][0-9]+ +\| (\S+\.[0-9]{9}Z) (.*)")
_HEAD: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} "
    r"(?:DEBUG   |INFO    |WARNING |ERROR   |CRITICAL) (.*)"
)
_RESULTS: Final = frozenset({"success", "fail", "in_progress"})
_TAKEN: Final = frozenset({"source", "action", "result"})


@frozen
class Line:
    """An ``action:`` line.

    :ivar time: of the engine, RFC 3339 with nanoseconds; it sorts as text.
    """

    service: str
    time: str
    action: str
    result: str
    details: dict[str, str]


def lines_of(log: str) -> list[Line]:
    """The ``action:`` lines of ``logs -t``, in order of time.

    :raises ValueError: naming the first line that does not keep the grammar.
    """
    return sorted(_lines(log.splitlines()), key=lambda line: line.time)


def _lines(log: Iterable[str]) -> Iterator[Line]:
    for text in log:
        prefix = _PREFIX.fullmatch(text)
        if prefix is None:
            if text.startswith("Attaching to "):
                continue
            raise ValueError(f"not of a container: {text!r}")
        head = _HEAD.fullmatch(prefix[3])
        if head is None:
            raise ValueError(f"no time and level: {text!r}")
        if "action:" in head[1]:
            yield _line(prefix[1], prefix[2], head[1])


def _line(service: str, time: str, message: str) -> Line:
    parts = [part.strip() for part in message.split("|")]
    details = {}
    for part in parts:
        name, colon, value = part.partition(": ")
        if not re.fullmatch("[a-z_]+", name) or not colon:
            raise ValueError(f"no name and value in {part!r}: {message!r}")
        if not value.strip() or ":" in value:
            raise ValueError(f"no value or a colon in {part!r}: {message!r}")
        if name in details:
            raise ValueError(f"{name!r} stands twice: {message!r}")
        details[name] = value
    if [part.partition(":")[0] for part in parts[:2]] != ["action", "result"]:
        raise ValueError(f"action and result do not come first: {message!r}")
    action, result = details.pop("action"), details.pop("result")
    if result not in _RESULTS or _TAKEN & details.keys():
        raise ValueError(f"a result or a detail that is none: {message!r}")
    return Line(service, time, action, result, details)
