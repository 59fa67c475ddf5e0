"""What is known of all draws, from their records; and how many bets each number has.

Everything here reads files, may take long, and is made for a thread of its own; one at a time.
"""

from __future__ import annotations

import re
import time
from array import array
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from typing import Protocol as Interface

from lottery.errors import DamagedLedger
from lottery.ledger.checked import read_steps
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.record import DrawRecord
from lottery.ledger.seal import all_winners
from lottery.ledger.winners import whole_rows

#: So many draws are listed, the latest ones.
MOST_DRAWS: Final = 200
#: So many agencies of a draw are told of; its record has them all.
MOST_PARTS: Final = 1000
#: What is remembered, of so many draws: their lines in the list, and the counts of their numbers.
_MOST_REMEMBERED: Final = 1000
_MOST_COUNTED: Final = 16
_NUMBERS: Final = 10_000
_NUMBER: Final = re.compile(rb",(\d{1,4})\n")
#: Counting works for a tenth of the time, for it takes turns with the intake.
_REST_FACTOR: Final = 9.0

Members = dict[str, Any]
T = TypeVar("T")


class LongWork(Interface):
    """Whoever does what may take long, in a thread."""

    @property
    def stopped(self) -> bool:
        """Whether work is to be left."""

    async def do(self, what: str, work: Callable[[], T]) -> T:
        """Give what the work gives.

        :param what: what it is, for the log.
        :raises Interrupted: if it was left.
        :raises Exception: what else the work raises.
        """


class Archive:
    """The draws of a data directory."""

    def __init__(
        self, data: DataDirectory, names: Callable[[], Mapping[int, str]], *, documents: bool
    ) -> None:
        """:param names: gives those of the agencies, as far as they are known.

        :param documents: whether those of winners are told.
        """
        self._data = data
        self._names = names
        self._documents = documents
        self._listed: OrderedDict[tuple[int, int, int], Members] = OrderedDict()
        self._counted: OrderedDict[int, array[int]] = OrderedDict()

    def draws(self) -> Members:
        """List the latest draws, the last one first.

        :raises OSError: if the data directory cannot be read.
        """
        there = self._data.draws()
        latest = [self._line(each) for each in reversed(there[-MOST_DRAWS:])]
        return {"draws": latest, "more": len(there) > MOST_DRAWS}

    def draw(self, number: int) -> Members | None:
        """Tell of one draw and of each agency in it; None if there is no such draw.

        :raises OSError: if it cannot be read.
        """
        directory = self.directory(number)
        if directory is None:
            return None
        try:
            record = directory.read()
            documents = self._documents_of(directory, record)
        except DamagedLedger as error:
            return _unreadable(directory, error)
        names = self._names()
        parts = []
        for part in record.agencies[:MOST_PARTS]:
            members: Members = {
                "agency": part.agency,
                "name": names.get(part.agency, ""),
                "dialect": part.dialect,
                "outcome": part.outcome,
                "reason": part.reason,
                "bets": part.bets,
                "winners": part.winners,
                "received": part.received,
                "sha256": part.sha256,
            }
            if documents is not None:
                members["documents"] = documents.get(part.agency, [])
            parts.append(members)
        return {**_summary(record), "parts": parts, "more_parts": len(record.agencies) - len(parts)}

    def numbers(self, number: int, interrupted: Callable[[], bool]) -> Members | None:
        """Count the bets on each number of a draw; None if it is not sealed, or there is none.

        :raises DamagedLedger: if its record is damaged.
        :raises OSError: if it cannot be read.
        :raises Interrupted: soon after ``interrupted()`` has become true.
        """
        counts = self._counted.get(number)
        if counts is None:
            directory = self.directory(number)
            record = directory.read() if directory is not None else None
            if directory is None or record is None or record.bets_csv is None:
                return None
            counts = self._counted[number] = count_numbers(directory, interrupted)
            while len(self._counted) > _MOST_COUNTED:
                self._counted.popitem(last=False)
        return {"draw": number, "bets": counts.tolist()}

    def directory(self, number: int) -> DrawDirectory | None:
        """Find a draw by its number.

        :raises OSError: if the data directory cannot be read.
        """
        return next((each for each in self._data.draws() if each.number == number), None)

    def _line(self, directory: DrawDirectory) -> Members:
        """Tell of a draw in a line; one whose record is what it was is not read again."""
        try:
            status = directory.record.stat()
            key = (directory.number, status.st_mtime_ns, status.st_ino)
            line = self._listed.get(key)
            if line is None:
                line = self._listed[key] = _summary(directory.read())
                while len(self._listed) > _MOST_REMEMBERED:
                    self._listed.popitem(last=False)
        except (DamagedLedger, OSError) as error:
            return _unreadable(directory, error)
        return line

    def _documents_of(
        self, directory: DrawDirectory, record: DrawRecord
    ) -> dict[int, list[str]] | None:
        if not self._documents or record.state not in ("drawn", "delivered"):
            return None
        winners = all_winners(directory, record)
        return {
            agency: [row.split(b",")[2].decode() for row in rows]
            for agency, rows in winners.items()
        }


def count_numbers(directory: DrawDirectory, interrupted: Callable[[], bool]) -> array[int]:
    """Count the bets on each of the 10,000 numbers in ``bets.csv``; written with zeros or not."""
    found: Counter[bytes] = Counter()
    steps = read_steps(directory.bets_csv, interrupted)
    began = time.perf_counter()
    for text in whole_rows(steps):
        found.update(_NUMBER.findall(text))
        time.sleep((time.perf_counter() - began) * _REST_FACTOR)
        began = time.perf_counter()
    counts = array("Q", bytes(8 * _NUMBERS))
    for digits, bets in found.items():
        counts[int(digits)] += bets
    return counts


def _summary(record: DrawRecord) -> Members:
    parts, winners = record.agencies, [part.winners for part in record.succeeded]
    return {
        "draw": record.draw,
        "state": record.state,
        "places": record.places,
        "agencies": len(parts),
        "succeeded": len(record.succeeded),
        "left_out": len(parts) - len(record.succeeded),
        "bets": sum(part.bets for part in parts) if record.state != "open" else None,
        "winning_number": record.winning_number,
        "winners": sum(each or 0 for each in winners) if record.winners_csv else None,
        "commitment": record.commitment,
        "secret": record.secret.hex() if record.secret is not None else None,
        "sha256": record.bets_csv.sha256 if record.bets_csv is not None else None,
    }


def _unreadable(directory: DrawDirectory, error: Exception) -> Members:
    return {"draw": directory.number, "state": "unreadable", "error": str(error)}
