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

from collections.abc import Sequence
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
                self._add(connection, entries)
        except (NotNow, Unknown):
            self._connection.close()
            self._connection = None
            raise

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
        why = {each: _refusal(each, parts.get(each[0])) for each in sessions}
        refused = {each: refusal for each, refusal in why.items() if refusal is not None}
        if refused:
            raise Refused(refused)

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
            (each.agency, each.session): (
                Code.CONFLICT, f"bet {each.first} of agency {each.agency} is stored already"
            )
            for each in rows
            if (each.agency, each.first) not in added
        })  # fmt: skip

    def _copied(self, entry: Entry) -> bytes:
        """Give the rows of an entry with the draw in front, and the index behind the agency."""
        agency = b"%d," % entry.agency
        rows = entry.body[len(agency) : -1].split(b"\n" + agency)
        head = b"%d,%s" % (self._draw, agency)
        return b"".join([
            b"%s%d,%s\n" % (head, index, row) for index, row in enumerate(rows, entry.first)
        ])  # fmt: skip


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
