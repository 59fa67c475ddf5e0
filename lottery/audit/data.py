"""All draws of a data directory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from lottery.audit.differences import Difference, Differs
from lottery.audit.draw import audit_draw
from lottery.audit.files import listing
from lottery.audit.findings import DrawReport

_NAME: Final = re.compile("[0-9]{6,18}")


class NotThere(Exception):
    """There is no such directory or draw; says which."""


class Audit(NamedTuple):
    """What was found in a data directory, or a database: ``place`` says in which, in words.

    ``draws`` are in order, ``differences`` those that are of no draw.
    """

    draws: tuple[DrawReport, ...]
    differences: tuple[Difference, ...]
    place: str = "the data directory"

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.differences and all(draw.difference is None for draw in self.draws)


def audit(
    path: Path,
    today: date,
    draw: int | None = None,
    pause: Callable[[float], object] = time.sleep,
    in_detail: bool = False,
) -> Audit:
    """Check every draw of a data directory, or one.

    :param path: the data directory; it is only read, and a central may be at work in it.
    :param today: the day (UTC) that no birthdate may be after.
    :param draw: which one; None for all of them.
    :param pause: waits for so many seconds; only if files change while they are checked.
    :param in_detail: count the bets on each number, too, and keep what the record says.
    :raises NotThere: if there is no such directory or draw.
    """
    root = path / "draws"
    if not root.is_dir():
        raise NotThere(f"{path} is no data directory, there is no directory draws in it")
    try:
        names = [entry.name for entry in listing(root)]
    except Differs as differs:
        return Audit((), (differs.difference._replace(file="draws"),))
    numbers = {number: name for name in names if (number := number_of_draw(name))}
    if draw is not None and draw not in numbers:
        there = f"{min(numbers)} to {max(numbers)}" if numbers else "none"
        raise NotThere(f"there is no draw {draw} in {path}, there is {there}")
    wanted = sorted(numbers) if draw is None else [draw]
    found = [
        audit_draw(root / numbers[number], number, today, pause, in_detail) for number in wanted
    ]
    return Audit(tuple(found), () if draw else tuple(_differences(names, sorted(numbers))))


def number_of_draw(name: str) -> int | None:
    """Give the number of the draw whose directory has this name; None, if it is none's."""
    number = int(name) if _NAME.fullmatch(name) else 0
    return number if number and name == f"{number:06d}" else None


def _differences(names: list[str], numbers: list[int]) -> list[Difference]:
    """Find what is missing or too much beside the draws.

    Draws before the first one there is may have been put away.
    """
    differences = [
        Difference(f"draws/{name}", "it belongs to nothing")
        for name in names
        if number_of_draw(name) is None
    ]
    for before, number in pairwise(numbers):
        if number != before + 1:
            what = f"it is missing, and draws/{number:06d} is there"
            differences.append(Difference(f"draws/{before + 1:06d}", what))
    return differences
