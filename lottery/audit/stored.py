"""One draw in a database: which check comes when, and what was found.

As with files, the first difference ends the check, so what a check relies on has been found in
order by those before it: the draw's record, the parts, and then all batches and bets in one pass.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import date
from typing import Final

from psycopg import Connection

from lottery.audit.copies import Recount
from lottery.audit.differences import Difference, Differs
from lottery.audit.findings import AgencyReport, DrawReport
from lottery.audit.layout import NONCE_BYTES
from lottery.audit.proof import check_secret
from lottery.audit.record import NAME, DrawRecord, Part, parse
from lottery.audit.states import KEPT, check_record
from lottery.audit.tables import (
    BATCH,
    BET,
    DRAW,
    PART,
    BatchRow,
    DrawRow,
    PartRow,
    head_of,
    parts_of,
    snapshot,
    stored_in,
)
from lottery.audit.tally import Tally, Total

#: What is checked, in this order.
CHECKS: Final = ("record", "parts", "bets", "winners")
#: Where in the database that is what a draw's directory has as files.
_PLACES: Final = {NAME: f"{DRAW}, record", KEPT: f"{DRAW}, secret"}
_AGENCIES: Final = range(2**32)


def audit_stored(
    connection: Connection, number: int, today: date, in_detail: bool = False
) -> DrawReport | None:
    """Check one draw, as it is at one moment; None if there is none.

    :param today: the day (UTC) that no birthdate may be after.
    :param in_detail: count the bets on each number, too, and keep what the record says.
    :raises Unreadable: if the database goes away.
    """
    check = _Check(connection, number, today, Counter() if in_detail else None)
    difference = None
    with snapshot(connection):
        try:
            head = head_of(connection, number)
            if head is None:
                return None
            check.run(head)
        except Differs as differs:
            found = differs.difference
            difference = found._replace(file=_PLACES.get(found.file, found.file))
    return check.report(difference)


class _Check:
    """The check of one draw."""

    def __init__(
        self, connection: Connection, number: int, today: date, numbers: Counter[int] | None
    ) -> None:
        """:param numbers: where to count the bets on each number, if that is asked for."""
        self._connection = connection
        self._number = number
        self._today = today
        self._numbers = numbers
        self._state = "?"
        self._record: DrawRecord | None = None
        self._parts: dict[int, PartRow] = {}
        self._bets: dict[int, int] = {}
        self._total = Total()
        self._recount: Recount | None = None
        self._checked: list[str] = []

    def run(self, head: DrawRow) -> None:
        """Check all there is.

        :raises Differs: at the first difference.
        """
        record = parse(head.record)
        self._state = record.state
        check_record(record, self._number)
        self._record = record
        _check_head(head, record)
        self._checked.append("record")
        parts = parts_of(self._connection, self._number)
        _check_parts(parts, record)
        self._parts = {part.agency: part for part in parts}
        self._checked.append("parts")
        self._count(record)
        self._checked.append("bets")
        if self._recount:
            self._total.winners.check(record.winners_csv)
            self._recount.check(record)
            self._checked.append("winners")

    def _count(self, record: DrawRecord) -> None:
        """Count all batches and bets, and hold them against the parts and the record."""
        if record.winning_number is not None:
            self._recount = Recount(record, record.winning_number)
        self._total = Total(self._numbers, self._recount)
        of_record = {part.agency: part for part in record.parts}
        tally = None
        with closing(stored_in(self._connection, self._number)) as rows:
            for row in rows:
                if tally is None or tally.agency != row.agency:
                    if tally is not None:
                        self._end(tally, of_record)
                    tally = self._tally(row.agency, BATCH if isinstance(row, BatchRow) else BET)
                tally.add(row)
        if tally is not None:
            self._end(tally, of_record)
        for agency in self._parts:
            if agency not in self._bets:
                self._end(self._tally(agency, PART), of_record)
        self._total.bets.check(record.bets_csv)

    def _tally(self, agency: int, table: str) -> Tally:
        part = self._parts.get(agency)
        if part is None:
            raise Differs(table, f"agency {agency} is here, and has no part in the draw")
        return Tally(agency, part.classic, self._today, self._total)

    def _end(self, tally: Tally, of_record: dict[int, Part]) -> None:
        """No row of this agency follows."""
        tally.end()
        self._bets[tally.agency] = tally.bets
        part = self._parts[tally.agency]
        if part.decided and part.bets != tally.bets:
            raise _differs(part, "bets", part.bets, f"{tally.bets} are stored")
        if part.decided and part.crc != tally.crc:
            raise _differs(part, "crc", part.crc, f"{tally.crc} is that of the bets")
        if tally.agency in of_record:
            tally.digest.check(of_record[tally.agency])

    def report(self, difference: Difference | None) -> DrawReport:
        """Give what was found so far."""
        record = self._record
        counted = "bets" in self._checked
        won = self._recount.winners if self._recount and "winners" in self._checked else None
        agencies = []
        for part in self._parts.values():
            received = self._state == "delivered" and part.ended
            agencies.append(
                AgencyReport(
                    part.agency, part.classic, part.ended, _outcome(part, self._state),
                    self._bets.get(part.agency, part.bets),
                    won.get(part.agency) if won else None,
                    bool(part.received) if received else None,
                )
            )  # fmt: skip
        return DrawReport(
            self._number,
            self._state,
            tuple(agencies),
            self._total.bets.rows if counted else None,
            record.winning_number if record else None,
            sum(won.values()) if won is not None else None,
            0,
            self._total.bets.size,
            tuple(self._checked),
            (),
            difference,
            record if self._numbers is not None else None,
            numbers=self._numbers if counted else None,
            checks=CHECKS,
        )


def _check_head(head: DrawRow, record: DrawRecord) -> None:
    """Hold the row of a draw against the record in it."""
    for key, found, said in (
        ("state", head.state, record.state),
        ("places", head.places, record.places),
    ):
        if found != said:
            raise Differs(DRAW, f'"{key}" is {found}, the record says {said}')
    if head.secret is None and record.commitment is not None:
        raise Differs(_PLACES[KEPT], "it is missing, and the record promises it")
    if head.secret is not None and record.commitment is None:
        raise Differs(_PLACES[KEPT], "it is there, and the record promises none")
    if head.secret is not None and len(head.secret) != 32:
        raise Differs(_PLACES[KEPT], f"it has {len(head.secret)} bytes, not 32")
    check_secret(record, None if head.secret is None else b"%s\n" % head.secret.hex().encode())


def _check_parts(parts: list[PartRow], record: DrawRecord) -> None:
    """Hold the parts against themselves, and against the record once they are in it."""
    if len(parts) > record.places:
        raise Differs(PART, f"{len(parts)} agencies are here, there are {record.places} places")
    for part in parts:
        _check_part(part, record.state)
    if record.state == "open":
        return
    here = {part.agency: part for part in parts}
    for agency in sorted(here.keys() ^ {part.agency for part in record.parts}):
        where = "here, and not in the record" if agency in here else "in the record, and not here"
        raise Differs(PART, f"agency {agency} is {where}")
    for said in record.parts:
        _check_outcome(here[said.agency], said)


def _check_part(part: PartRow, state: str) -> None:
    """Hold a part against itself."""

    def require(holds: bool, key: str, what: str) -> None:
        if not holds:
            raise _differs(part, key, getattr(part, key), what)

    one = part.ended and not part.classic
    drawn = state in ("drawn", "delivered")
    require(part.agency in _AGENCIES, "agency", "no agency has that number")
    require(part.session > 0, "session", "whoever has a part has had a session")
    require(part.left_out != "", "left_out", "a reason should be there")
    require(not part.ended or part.left_out is None, "left_out", "it has ended")
    require(part.left_out is None or part.central is None, "central", "it is left out")
    require(part.decided or state == "open", "ended", f"it is not decided, and the draw is {state}")
    require(part.decided or part.bets == 0, "bets", "nothing is said before it is decided")
    require(part.decided or part.crc == 0, "crc", "nothing is said before it is decided")
    require(not part.classic or part.crc == 0, "crc", "must be 0 in the classic dialect")
    require(len(part.nonce) == (NONCE_BYTES if one else 0), "nonce", "its length does not fit")
    told = part.received is None or (drawn and part.ended)
    require(told, "received", "there are no winners for it")


def _check_outcome(part: PartRow, said: Part) -> None:
    """Hold a part against the record.

    Whether winners were received may be known here before the record says so.
    """
    for key, found, wanted in (
        ("classic", part.classic, said.classic),
        ("ended", part.ended, said.succeeded),
        ("left_out", part.left_out or "", said.reason),
        ("bets", part.bets, said.bets),
        ("crc", part.crc, said.crc32),
        ("nonce", part.nonce, said.nonce),
        ("received", bool(part.received) or not said.received, True),
    ):
        if found != wanted:
            what = f'the record has another one, "{_KEYS.get(key, key)}" in line'
            raise _differs(part, key, found, f"{what} {said.line_of(_KEYS.get(key, key))}")


#: What columns are called in the record, where that is another name.
_KEYS: Final = {"classic": "dialect", "ended": "outcome", "left_out": "reason", "crc": "crc32"}


def _outcome(part: PartRow, state: str) -> str:
    if part.left_out is not None:
        return f"left out, {part.left_out}"
    if not part.ended:
        return "at work"
    return "ended" if state == "open" else "succeeded"


def _differs(part: PartRow, key: str, found: object, what: str) -> Differs:
    shown = found.hex() if isinstance(found, bytes) else found
    return Differs(PART, f'"{key}" of agency {part.agency} is {shown}, {what}')
