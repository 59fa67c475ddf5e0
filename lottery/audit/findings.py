"""What was found of a draw."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from lottery.audit.differences import Difference
from lottery.audit.files import Entry
from lottery.audit.intake import Intake
from lottery.audit.record import DrawRecord

#: What is checked of a draw in files, in this order.
CHECKS: Final = ("record", "segments", "bets.csv", "winners.csv")


class AgencyReport(NamedTuple):
    """What was found of an agency; ``winners`` and ``received`` are None where there is none.

    ``outcome`` is in words; it may quote what was found, so it may hold anything.
    """

    agency: int
    classic: bool
    ended: bool
    outcome: str
    bets: int
    winners: int | None = None
    received: bool | None = None


class Unfinished(NamedTuple):
    """Bytes at the end of a segment that are being written, or were cut."""

    segment: str
    at: int
    length: int


class DrawReport(NamedTuple):
    """What was found of a draw, up to the first difference if there is one.

    ``state`` is "new" if there is no record yet and "?" if it cannot be read. ``segments``
    is how many there are, ``size`` their bytes, or those of all rows where there are none;
    ``checked`` is what was found in order, of ``checks``, which is all that is to be checked.
    In detail there are ``record``, ``entries`` for the files, ``numbers``: the bets on each
    number, if all of them were counted, and ``intake``: when bets came, if there is a sound file
    of that.
    """

    number: int
    state: str
    agencies: tuple[AgencyReport, ...]
    bets: int | None
    winning_number: int | None
    winners: int | None
    segments: int
    size: int
    checked: tuple[str, ...]
    unfinished: tuple[Unfinished, ...]
    difference: Difference | None
    record: DrawRecord | None = None
    entries: tuple[Entry, ...] = ()
    numbers: Counter[int] | None = None
    intake: Intake | None = None
    checks: tuple[str, ...] = CHECKS
