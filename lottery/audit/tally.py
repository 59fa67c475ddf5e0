"""What the tables of a database hold of a draw, counted row by row."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from typing import Final

from lottery.audit.copies import PartDigest, Recount
from lottery.audit.differences import Differs
from lottery.audit.record import NAME, Sum
from lottery.audit.rows import fault_of_rows, number_of
from lottery.audit.tables import BATCH, BET, BatchRow, BetRow

#: Bets are looked at so many at a time at most.
_MOST_BETS: Final = 1000


class Measure:
    """How many rows a file of them would have, how many bytes, and its SHA-256."""

    def __init__(self) -> None:
        self.rows = self.size = 0
        self._digest = hashlib.sha256()

    def add(self, rows: bytes) -> None:
        """Take the next rows."""
        self.rows += rows.count(b"\n")
        self.size += len(rows)
        self._digest.update(rows)

    def check(self, said: Sum | None) -> None:
        """Hold what was taken against the record, if that says anything.

        :raises Differs: if it says something else.
        """
        found = (self.rows, self.size, self._digest.hexdigest())
        if said is not None and (said.bets, said.size, said.sha256) != found:
            what = f"{said.name} would have {found[0]} bets, {found[1]} bytes, SHA-256 {found[2]}"
            raise Differs(NAME, what, line=said.line)


class Total:
    """The bets of all agencies.

    :ivar bets: what ``bets.csv`` would be.
    :ivar winners: what ``winners.csv`` would be.
    """

    def __init__(self, numbers: Counter[int] | None = None, recount: Recount | None = None) -> None:
        """:param numbers: where to count the bets on each number, if that is asked for.
        :param recount: tells which rows have won, if the number is drawn.
        """
        self.bets, self.winners = Measure(), Measure()
        self._numbers = numbers
        self._recount = recount

    def add(self, text: bytes) -> None:
        """Take the next rows, which were found in order."""
        self.bets.add(text)
        rows = text.splitlines(keepends=True)
        if self._recount:
            self.winners.add(b"".join(self._recount.winning(rows)))
        if self._numbers is not None:
            self._numbers.update(map(number_of, rows))


class Tally:
    """The batches and bets of one agency, which have to come in order.

    :ivar bets: how many there were.
    :ivar crc: CRC-32 of its rows as sent, 0 for a classic agency.
    :ivar digest: of its rows.
    """

    def __init__(self, agency: int, classic: bool, today: date, total: Total) -> None:
        """:param today: the day (UTC) that no birthdate may be after.

        :param total: takes its rows, too.
        """
        self.agency = agency
        self.bets = 0
        self.digest = PartDigest(agency, classic, "the tables")
        self._today = today
        self._total = total
        self._batch = BatchRow(agency, 0, 0, 0)
        self._texts: list[bytes] = []

    @property
    def crc(self) -> int:
        return self.digest.crc

    def add(self, row: BatchRow | BetRow) -> None:
        """Take the next row.

        :raises Differs: if it does not follow what came before.
        """
        if isinstance(row, BatchRow):
            self._begin(row)
        else:
            self._add(row)

    def end(self) -> None:
        """Nothing follows.

        :raises Differs: if something should.
        """
        if self.bets != self._until:
            first = self._batch.place
            what = f"bet {self.bets} of agency {self.agency} is missing, it is of batch {first}"
            raise Differs(BET, what)

    @property
    def _until(self) -> int:
        return self._batch.place + self._batch.bets

    def _begin(self, batch: BatchRow) -> None:
        if batch.place < self._until:
            what = f"batch {batch.place} of agency {self.agency} begins before the last one ends"
            raise Differs(BATCH, what)
        self.end()
        if batch.place > self._until:
            what = f"batch {self._until} of agency {self.agency} is missing"
            raise Differs(BATCH, f"{what}, batch {batch.place} is here")
        if batch.bets < 1:
            what = f"batch {batch.place} of agency {self.agency} has {batch.bets} bets"
            raise Differs(BATCH, what)
        self._batch = batch

    def _add(self, bet: BetRow) -> None:
        if self.bets == self._until:
            what = f"bet {bet.place} of agency {self.agency} is in no batch, see {BATCH}"
            raise Differs(BET, what)
        if bet.place != self.bets:
            what = f"bet {self.bets} of agency {self.agency} is missing, bet {bet.place} is here"
            raise Differs(BET, what)
        self._texts.append(bet.text)
        self.bets += 1
        if self.bets == self._until or len(self._texts) == _MOST_BETS:
            self._take()
        if self.bets == self._until and self.crc != self._batch.crc:
            what = f"the CRC-32 up to its end is {self.crc}, not {self._batch.crc}"
            raise Differs(BATCH, f"batch {self._batch.place} of agency {self.agency}, {what}")

    def _take(self) -> None:
        text, count = b"".join(self._texts), len(self._texts)
        fault = fault_of_rows(text, self.agency, count, self._today)
        if fault is not None:
            place = self.bets - count + fault.row - 1
            raise Differs(BET, f"bet {place} of agency {self.agency}, {fault.what}")
        self._texts.clear()
        self.digest.update(text)
        self._total.add(text)
