"""The tables of a ledger in PostgreSQL, read with caution: anything may stand there.

This and the modules that use it need psycopg, which the rest of this room does without.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import psycopg
from psycopg import Connection

from lottery.audit.differences import Differs

DRAW: Final = "table draw"
PART: Final = "table part"
BATCH: Final = "table batch"
BET: Final = "table bet"

#: The version of the tables that is known here.
VERSION: Final = 1

#: Errors that say of a table that it is not as it should be, by how their SQLSTATE begins: data
#: that cannot be read, a table or column that is none or not for us, and what is damaged.
_OF_THE_TABLE: Final = ("22", "42", "XX")

#: What may stand in the columns of a row; a column may have been altered to take anything.
_TYPES_OF_HEAD: Final = (str, int, bytes | None, bytes)
_TYPES_OF_PART: Final = (
    int, bool, int, str | None, bool, int, int, bytes, str | None, bool | None,
)  # fmt: skip

_HEAD: Final = b"SELECT state, places, secret, record FROM lottery.draw WHERE draw = %s"
_PARTS: Final = b"""
SELECT agency, classic, session, central, ended, bets, crc, nonce, left_out, received
FROM lottery.part WHERE draw = %s ORDER BY agency
"""
#: A batch stands right before the first of its bets.
_STORED: Final = b"""
COPY (
    SELECT first AS place, 0 AS kind, agency,
           bets::text, crc::text, NULL::text, NULL::date, NULL::text
    FROM lottery.batch WHERE draw = %s
    UNION ALL
    SELECT index, 1, agency, first_name, last_name, document, birthdate, number
    FROM lottery.bet WHERE draw = %s
    ORDER BY agency, place, kind
) TO STDOUT (FORMAT csv)
"""


class Unreadable(Exception):
    """The database cannot be read, or not to the end; says why."""


class DrawRow(NamedTuple):
    """The row of a draw; ``record`` is what ``draw.json`` would be."""

    state: str
    places: int
    secret: bytes | None
    record: bytes


class PartRow(NamedTuple):
    """The row of an agency's part; ``left_out`` is the reason, None if it is not."""

    agency: int
    classic: bool
    session: int
    central: str | None
    ended: bool
    bets: int
    crc: int
    nonce: bytes
    left_out: str | None
    received: bool | None

    @property
    def decided(self) -> bool:
        """Whether it is known how it has ended."""
        return self.ended or self.left_out is not None


class BatchRow(NamedTuple):
    """A row of ``batch``, for the bets from ``place`` on."""

    agency: int
    place: int
    bets: int
    crc: int


class BetRow(NamedTuple):
    """A row of ``bet`` with the index ``place``, and as it would stand in ``bets.csv``."""

    agency: int
    place: int
    text: bytes


def connect(dsn: str) -> Connection:
    """Open a connection for reading.

    :raises Unreadable: if the database does not let us in.
    """
    try:
        connection = psycopg.connect(
            dsn, autocommit=True, application_name="lottery audit", client_encoding="UTF8"
        )
        connection.execute("SET datestyle = ISO")
    except psycopg.Error as error:
        raise Unreadable(f"the database cannot be read, {_one_line(error)}") from error
    return connection


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Let all that the block reads be of one moment, whatever centrals do meanwhile.

    :raises Unreadable: if the database goes away.
    """
    try:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            if not connection.closed:
                connection.execute("ROLLBACK")
    except psycopg.Error as error:
        raise Unreadable(f"the database cannot be read, {_one_line(error)}") from error


def version_of(connection: Connection) -> str:
    """Give the version of the tables, nothing if there are none.

    :raises psycopg.Error: if that cannot be found out.
    """
    there = connection.execute("SELECT to_regclass('lottery.version')").fetchone()
    if there is None or there[0] is None:
        return ""
    query = "SELECT version.version FROM lottery.version ORDER BY 1"
    rows = connection.execute(query).fetchall()
    return " and ".join(str(version) for (version,) in rows) or "none"


def draws_in(connection: Connection, table: str) -> Iterator[int]:
    """Yield the numbers of all draws that have rows in a table, in order; each is a quick look.

    :param table: one of those named above.
    :raises Differs: if the table cannot be read.
    """
    name = table.removeprefix("table ")
    number = None
    while True:
        later = "" if number is None else f"WHERE draw > {number}"
        query = f"SELECT min(draw) FROM lottery.{name} {later}"  # noqa: S608 - nobody's words
        with _reading(connection, table):
            row = connection.execute(query.encode()).fetchone()
        if row is None or row[0] is None:
            return
        number = int(row[0])
        yield number


def head_of(connection: Connection, draw: int) -> DrawRow | None:
    """Give the row of a draw; None if there is none.

    :raises Differs: if it cannot be read.
    """
    with _reading(connection, DRAW):
        row = connection.execute(_HEAD, (draw,)).fetchone()
    if row is None:
        return None
    head = DrawRow(*row)
    _check_types(head, _TYPES_OF_HEAD, DRAW, "")
    return head


def parts_of(connection: Connection, draw: int) -> list[PartRow]:
    """Give the rows of all parts of a draw, in order of agency.

    :raises Differs: if they cannot be read.
    """
    with _reading(connection, PART):
        parts = [PartRow(*row) for row in connection.execute(_PARTS, (draw,))]
    for part in parts:
        _check_types(part, _TYPES_OF_PART, PART, f" of agency {part.agency}")
    return parts


def stored_in(connection: Connection, draw: int) -> Generator[BatchRow | BetRow, None, None]:
    """Yield all batches and bets of a draw, by agency and index; of a batch, it before its bets.

    :raises Differs: if they cannot be read.
    """
    with (
        _reading(connection, f"{BATCH} or {BET.removeprefix('table ')}"),
        connection.cursor() as cursor,
        cursor.copy(_STORED, (draw, draw)) as rows,
    ):
        for row in rows:
            place, kind, text = bytes(row).split(b",", 2)
            agency, _, rest = text.partition(b",")
            found: BatchRow | BetRow
            try:
                if kind == b"1":
                    found = BetRow(int(agency), int(place), text)
                else:
                    bets, crc = rest.split(b",")[:2]
                    found = BatchRow(int(agency), int(place), int(bets), int(crc))
            except ValueError:  # of NULL, there is nothing
                of, at = (number.decode() or "NULL" for number in (agency, place))
                what = f"the row of bet {at} of agency {of} has no number where one has to be"
                raise Differs(BET if kind == b"1" else BATCH, what) from None
            yield found


def _check_types(row: DrawRow | PartRow, types: tuple[object, ...], table: str, whose: str) -> None:
    """See that in each column stands something that may.

    :raises Differs: if not.
    """
    for key, value, kind in zip(row._fields, row, types, strict=True):
        if not isinstance(value, kind):  # type: ignore[arg-type]
            what = "NULL" if value is None else f"of type {type(value).__name__}"
            raise Differs(table, f'"{key}"{whose} is {what}')


@contextmanager
def _reading(connection: Connection, table: str) -> Iterator[None]:
    """Tell what is wrong with a table from a database that is away."""
    try:
        yield
    except psycopg.Error as error:
        if connection.closed or not (error.sqlstate or "").startswith(_OF_THE_TABLE):
            raise
        raise Differs(table, f"it cannot be read, {_one_line(error)}") from error


def _one_line(error: psycopg.Error) -> str:
    """Give what the server says of an error, or the client's library, on one line."""
    if error.diag.message_primary:
        return error.diag.message_primary
    return ", ".join(line.strip() for line in str(error).splitlines() if line.strip())
