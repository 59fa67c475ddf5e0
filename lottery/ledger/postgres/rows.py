"""The rows of a draw as they would stand in ``bets.csv``, read out of the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from psycopg import Connection

from lottery.errors import DamagedLedger
from lottery.ledger.winners import NUMBER_DIGITS

_ALL: Final = """
SELECT agency, first_name, last_name, document, birthdate, number FROM lottery.bet
WHERE draw = %s ORDER BY agency, index
"""
#: Which bets have won is in the index of the numbers alone; only their rows are fetched then.
#: (Left to itself, the planner may fetch the pages of all rows with the number in one go, or go
#: through the whole key in order, as it thinks best.)
WINNING: Final = """
WITH won AS MATERIALIZED (
    SELECT draw, agency, index FROM lottery.bet WHERE draw = %s AND number = ANY(%s)
)
SELECT agency, bet.first_name, bet.last_name, bet.document, bet.birthdate, bet.number
FROM won JOIN lottery.bet AS bet USING (draw, agency, index) ORDER BY agency, index
"""
#: Rows are handed on so many at a time.
_ROWS: Final = 2000


def all_rows(connection: Connection, draw: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield all rows in order of agency and index, some of one agency at a time, LF after each.

    :raises DamagedLedger: if one is of no agency.
    """
    agency, prefix, rows = -1, b"", list[bytes]()
    for row in _copied(connection, _ALL, (draw,)):
        if len(rows) >= _ROWS or not row.startswith(prefix):
            yield agency, rows
            rows = []
        if not rows:
            number = row.partition(b",")[0]
            if not number:
                raise DamagedLedger(f"draw {draw} in the database", 0, "a bet is of no agency")
            agency = int(number)
            prefix = b"%d," % agency
        rows.append(row)
    if rows:
        yield agency, rows


def winning_rows(connection: Connection, draw: int, number: int) -> list[bytes]:
    """Give the rows with a number, in order of agency and index, LF after each."""
    return list(_copied(connection, WINNING, (draw, written(number))))


def written(number: int) -> list[str]:
    """Give all ways to write a number: 42 may also be ``042`` and ``0042``."""
    widths = range(len(str(number)), NUMBER_DIGITS + 1)
    return [f"{number:0{width}d}" for width in widths]


def _copied(connection: Connection, query: str, arguments: tuple[object, ...]) -> Iterator[bytes]:
    text = f"COPY ({query}) TO STDOUT (FORMAT csv)"
    with connection.cursor() as cursor, cursor.copy(text.encode(), arguments) as copy:
        for row in copy:
            yield bytes(row)
