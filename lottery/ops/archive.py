"""What is known of all draws, from their records; and how many bets each number has.

Everything here reads ledgers, may take long, and is made for a thread of its own; one at a time.
"""

from __future__ import annotations

import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from typing import Protocol as Interface

from lottery.errors import DamagedLedger
from lottery.ledger.directory import never
from lottery.ledger.face import DrawLedger, Ledgers
from lottery.ledger.longwork import Interrupted
from lottery.ledger.record import DrawRecord

#: So many draws are listed, the latest ones.
MOST_DRAWS: Final = 200
#: So many agencies of a draw are told of; its record has them all.
MOST_PARTS: Final = 1000
#: What is remembered, of so many draws: their lines in the list, and the counts of their numbers.
_MOST_REMEMBERED: Final = 1000
_MOST_COUNTED: Final = 16
_NUMBERS: Final = 10_000
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
    """The draws of a central."""

    def __init__(
        self, ledgers: Ledgers, names: Callable[[], Mapping[int, str]], *, documents: bool
    ) -> None:
        """:param names: gives those of the agencies, as far as they are known.

        :param documents: whether those of winners are told.
        """
        self._ledgers = ledgers
        self._names = names
        self._documents = documents
        self._listed: OrderedDict[tuple[int, object], Members] = OrderedDict()
        self._counted: OrderedDict[int, array[int]] = OrderedDict()

    def draws(self) -> Members:
        """List the latest draws, the last one first.

        :raises OSError: if they cannot be read.
        """
        there = self._ledgers.numbers()
        found = [self.ledger(number) for number in reversed(there[-MOST_DRAWS:])]
        latest = [self._line(each) for each in found if each is not None]
        return {"draws": latest, "more": len(there) > MOST_DRAWS}

    def draw(self, number: int) -> Members | None:
        """Tell of one draw and of each agency in it; None if there is no such draw.

        :raises OSError: if it cannot be read.
        """
        ledger = self.ledger(number)
        if ledger is None:
            return None
        try:
            record = ledger.read()
            documents = self._documents_of(ledger, record)
        except DamagedLedger as error:
            return _unreadable(ledger, error)
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
            ledger = self.ledger(number)
            record = ledger.read() if ledger is not None else None
            if ledger is None or record is None or record.bets_csv is None:
                return None
            counts = self._counted[number] = count_numbers(ledger, interrupted)
            while len(self._counted) > _MOST_COUNTED:
                self._counted.popitem(last=False)
        return {"draw": number, "bets": counts.tolist()}

    def ledger(self, number: int) -> DrawLedger | None:
        """Find a draw by its number.

        :raises OSError: if that cannot be read.
        """
        return self._ledgers.find(number)

    def _line(self, ledger: DrawLedger) -> Members:
        """Tell of a draw in a line; one whose record is what it was is not read again."""
        try:
            key = (ledger.number, ledger.stamp())
            line = self._listed.get(key)
            if line is None:
                line = self._listed[key] = _summary(ledger.read())
                while len(self._listed) > _MOST_REMEMBERED:
                    self._listed.popitem(last=False)
        except (DamagedLedger, OSError) as error:
            return _unreadable(ledger, error)
        return line

    def _documents_of(self, ledger: DrawLedger, record: DrawRecord) -> dict[int, list[str]] | None:
        if not self._documents or record.state not in ("drawn", "delivered"):
            return None
        winners = ledger.winners(record, never)
        return {
            agency: [row.split(b",")[2].decode() for row in rows]
            for agency, rows in winners.items()
        }


def count_numbers(ledger: DrawLedger, interrupted: Callable[[], bool]) -> array[int]:
    """Count the bets on each of the 10,000 numbers; written with zeros or not."""
    began = time.perf_counter()

    def rest() -> None:
        nonlocal began
        if interrupted():
            raise Interrupted
        time.sleep((time.perf_counter() - began) * _REST_FACTOR)
        began = time.perf_counter()

    counts = array("Q", bytes(8 * _NUMBERS))
    for digits, bets in ledger.bets_on_numbers(rest).items():
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


def _unreadable(ledger: DrawLedger, error: Exception) -> Members:
    return {"draw": ledger.number, "state": "unreadable", "error": str(error)}
