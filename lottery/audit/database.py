"""All draws of a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from psycopg import Connection
from psycopg.errors import UndefinedColumn

from lottery.audit.data import Audit, NotThere
from lottery.audit.differences import Difference, Differs
from lottery.audit.stored import audit_stored
from lottery.audit.tables import (
    BATCH,
    BET,
    DRAW,
    PART,
    VERSION,
    Unreadable,
    connect,
    draws_in,
    snapshot,
    version_of,
)

_PLACE = "the database"


def audit_database(
    dsn: str, today: date, draw: int | None = None, in_detail: bool = False
) -> Audit:
    """Check every draw in a database, or one, each as it is at one moment.

    :param dsn: the connection string; the database is only read, and centrals may be at work.
    :param today: the day (UTC) that no birthdate may be after.
    :param draw: which one; None for all of them.
    :param in_detail: count the bets on each number, too, and keep what the record says.
    :raises NotThere: if it is not there, or no ledger or draw is in it.
    :raises Unreadable: if it goes away.
    """
    try:
        connection = connect(dsn)
    except Unreadable as error:
        raise NotThere(str(error)) from error
    with connection:
        with snapshot(connection):
            try:
                version = version_of(connection)
            except UndefinedColumn as error:
                sentence = "the table lottery.version in the database is of no ledger"
                raise NotThere(sentence) from error
            if not version:
                raise NotThere("there is no ledger in the database")
            if version != str(VERSION):
                known = f"this audit knows version {VERSION}"
                raise NotThere(f"the ledger in the database is of version {version}, {known}")
            try:
                numbers = list(draws_in(connection, DRAW))
                differences = () if draw is not None else tuple(_differences(connection, numbers))
            except Differs as differs:
                return Audit((), (differs.difference,), _PLACE)
        wanted = numbers if draw is None else [draw]
        reports = [audit_stored(connection, number, today, in_detail) for number in wanted]
    found = tuple(report for report in reports if report is not None)
    if draw is not None and not found:
        there = f"{min(numbers)} to {max(numbers)}" if numbers else "none"
        raise NotThere(f"there is no draw {draw} in the database, there is {there}")
    return Audit(found, differences, _PLACE)


def _differences(connection: Connection, numbers: list[int]) -> Iterator[Difference]:
    """Find draws that are missing or too much.

    Draws before the first one there is may have been put away.
    """
    for before, number in pairwise(numbers):
        if number != before + 1:
            yield Difference(DRAW, f"draw {before + 1} is missing, and draw {number} is there")
    for table in (PART, BATCH, BET):
        for number in draws_in(connection, table):
            if number not in numbers:
                yield Difference(table, f"draw {number} has rows here, and none in {DRAW}")
