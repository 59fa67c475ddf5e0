"""What a writer child does in the database: one transaction for each group of entries.

In it, the rows of the agencies' parts are locked first. Whoever lets an agency in with a newer
session, or decides its part, does the same, so for as long as the transaction lasts each session
in it is the latest of its agency and its part is not decided, and so the draw is open.
(Rejected: to lock the row of the draw for sharing. Every transaction of every writer of every
central would write to that one row.)

Then come the rows of the batches, of which there can be only one for the same bet of the same
agency, and the bets themselves, copied as they are: a row of ``bets.csv`` with the draw and the
index put in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from psycopg import Connection

from lottery.errors import Code
from lottery.ledger.entry import Entry, Refused
from lottery.ledger.postgres.connection import Unknown, connect, transaction
from lottery.ledger.segment import Kind, NotNow

#: What the database calls us.
_NAME: Final = "lottery writer"
_PARTS: Final = b"""
SELECT agency, session, ended, left_out FROM lottery.part
WHERE draw = %s AND agency = ANY(%s) ORDER BY agency FOR UPDATE
"""
#: Where each agency goes on: behind its last batch. It has to be a statement of its own, for
#: one that has waited for a lock sees the other tables as they were before.
_NEXT: Final = b"""
SELECT agency, coalesce((
    SELECT first + bets FROM lottery.batch
    WHERE draw = %s AND batch.agency = asked.agency ORDER BY first DESC LIMIT 1
), 0) FROM unnest(%s::bigint[]) AS asked (agency)
"""
_BATCHES: Final = b"""
INSERT INTO lottery.batch (draw, agency, first, bets, crc)
SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::bigint[])
ON CONFLICT DO NOTHING RETURNING agency, first
"""
BETS: Final = b"""
COPY lottery.bet (draw, agency, index, first_name, last_name, document, birthdate, number)
FROM STDIN (FORMAT csv)
"""
_END: Final = b"""
UPDATE lottery.part SET ended = true, bets = %s, crc = %s, nonce = %s
WHERE draw = %s AND agency = %s
"""


class DatabaseStore:
    """A database as the store of a writer."""

    def __init__(self, dsn: str, draw: int) -> None:
        """Connect.

        :param dsn: where to.
        :param draw: of which draw the entries are.
        :raises NotNow: if that cannot be done now.
        :raises LotteryError: if the database does not let us in.
        """
        self._dsn = dsn
        self._draw = draw
        self._connection: Connection | None = connect(dsn, _NAME)
        # The latest session of each agency of which something was stored here: what more comes of
        # it follows that.
        self._known: dict[int, int] = {}

    def append(self, entries: Sequence[Entry]) -> None:
        """Store entries for good; as :class:`~lottery.ledger.entry.Store` says.

        :raises Unknown: if it is not known whether they are stored; nothing may be done with
            the store any more then.
        """
        if self._connection is None:
            self._connection = connect(self._dsn, _NAME)
        try:
            with transaction(self._connection) as connection:
                self._hold_parts(connection, entries)
                self._see_that_they_follow(connection, entries)
                self._add(connection, entries)
        except (NotNow, Unknown):
            self._connection.close()
            self._connection = None
            raise
        self._known.update((each.agency, each.session) for each in entries)

    def flush(self) -> None:
        """Do nothing: what was appended is there for good."""

    def close(self) -> None:
        """Part with the database."""
        if self._connection is not None:
            self._connection.close()

    def _hold_parts(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Lock the parts, and see that each entry may be stored.

        :raises Refused: if one may not.
        """
        sessions = {(entry.agency, entry.session) for entry in entries}
        agencies = sorted({agency for agency, _ in sessions})
        rows = connection.execute(_PARTS, (self._draw, agencies)).fetchall()
        parts = {agency: part for agency, *part in rows}
        _refuse({each: _refusal(each, parts.get(each[0])) for each in sessions})

    def _see_that_they_follow(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """See that a session which is new here goes on where its agency is.

        :raises Refused: if one does not; what its central was told is not so then.
        """
        firsts = {
            (each.agency, each.session): each.first
            for each in reversed(entries)
            if self._known.get(each.agency) != each.session
        }
        if firsts:
            agencies = [agency for agency, _ in firsts]
            rows = connection.execute(_NEXT, (self._draw, agencies)).fetchall()
            nexts: dict[int, int] = dict(rows)
            _refuse({who: _misplaced(who[0], at, nexts[who[0]]) for who, at in firsts.items()})

    def _add(self, connection: Connection, entries: Sequence[Entry]) -> None:
        rows = [entry for entry in entries if entry.kind == Kind.ROWS]
        if rows:
            columns = (
                [each.agency for each in rows], [each.first for each in rows],
                [each.bets for each in rows], [each.crc for each in rows],
            )  # fmt: skip
            added = connection.execute(_BATCHES, (self._draw, *columns)).fetchall()
            if len(added) != len(rows):
                self._refuse_others(rows, set(added))
            with connection.cursor() as cursor, cursor.copy(BETS) as copy:
                copy.write(b"".join([self._copied(entry) for entry in rows]))
        for end in (entry for entry in entries if entry.kind == Kind.END):
            values = (end.first, end.crc, end.body, self._draw, end.agency)
            connection.execute(_END, values)

    def _refuse_others(self, rows: Sequence[Entry], added: set[tuple[int, int]]) -> None:
        """Refuse whoever sends bets that are there already: its session should have known."""
        raise Refused({
            (each.agency, each.session): _stored_already(each.agency, each.first)
            for each in rows
            if (each.agency, each.first) not in added
        })  # fmt: skip

    def _copied(self, entry: Entry) -> bytes:
        """Give the rows of an entry with the draw in front, and the index behind the agency.

        It is one text to fill all indexes in at once, a third of the time of row after row.
        """
        agency = b"\n%d," % entry.agency
        rows = b"\n" + entry.body[:-1].replace(b"%", b"%%")
        text = rows.replace(agency, b"\n%d,%d,%%d," % (self._draw, entry.agency))
        return text[1:] % tuple(range(entry.first, entry.first + entry.bets)) + b"\n"


def _refuse(why: Mapping[tuple[int, int], tuple[Code, str] | None]) -> None:
    """Refuse those for whom there is a reason.

    :raises Refused: if there are some.
    """
    refused = {who: reason for who, reason in why.items() if reason is not None}
    if refused:
        raise Refused(refused)


def _refusal(who: tuple[int, int], part: list[object] | None) -> tuple[Code, str] | None:
    """Say why a session may not store anything, if so."""
    agency, session = who
    if part is None:
        return Code.CLOSED, f"agency {agency} has no place in the draw"
    latest, ended, left_out = part
    if left_out is not None:
        return Code.LEFT_OUT, f"agency {agency} has no part in the draw any more"
    if latest != session:
        return Code.TAKEN, f"a newer session of agency {agency} has come"
    return (Code.CLOSED, f"agency {agency} has ended") if ended else None


def _misplaced(agency: int, first: int, expected: int) -> tuple[Code, str] | None:
    """Say why what begins with a bet may not be stored where another one is expected, if so."""
    if first < expected:
        return _stored_already(agency, first)
    sentence = f"agency {agency} goes on with bet {first}, bet {expected} is next"
    return (Code.SEQ, sentence) if first > expected else None


def _stored_already(agency: int, first: int) -> tuple[Code, str]:
    return Code.CONFLICT, f"bet {first} of agency {agency} is stored already"
