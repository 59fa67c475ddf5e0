"""The rows of a draw as they would stand in ``bets.csv``, read out of the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from psycopg import Connection

from lottery.ledger.winners import NUMBER_DIGITS

_ALL: Final = (
    "SELECT agency, first_name, last_name, document, birthdate, number FROM lottery.bet "
    "WHERE draw = %s"
)
#: Rows are handed on so many at a time.
_ROWS: Final = 2000


def all_rows(connection: Connection, draw: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield all rows in order of agency and index, some of one agency at a time, LF after each."""
    query = f"{_ALL} ORDER BY agency, index"
    agency, prefix, rows = -1, b"", list[bytes]()
    for row in _copied(connection, query, (draw,)):
        if len(rows) >= _ROWS or not row.startswith(prefix):
            yield agency, rows
            rows = []
        if not rows:
            agency = int(row.partition(b",")[0])
            prefix = b"%d," % agency
        rows.append(row)
    if rows:
        yield agency, rows


def winning_rows(connection: Connection, draw: int, number: int) -> list[bytes]:
    """Give the rows with a number, however it was written, in order; as of agency and index."""
    widths = range(len(str(number)), NUMBER_DIGITS + 1)
    written = [f"{number:0{width}d}" for width in widths]
    query = f"{_ALL} AND number = ANY(%s) ORDER BY agency, index"
    return list(_copied(connection, query, (draw, written)))


def _copied(connection: Connection, query: str, arguments: tuple[object, ...]) -> Iterator[bytes]:
    text = f"COPY ({query}) TO STDOUT (FORMAT csv)"
    with connection.cursor() as cursor, cursor.copy(text.encode(), arguments) as copy:
        for row in copy:
            yield bytes(row)
