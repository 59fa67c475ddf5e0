"""Where a command finds draws: in a data directory, or in a database that centrals share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lottery.errors import SettingsError
from lottery.ledger.directory import DataDirectory
from lottery.ledger.face import DrawLedger, Ledgers
from lottery.ledger.files import FileLedgers
from lottery.ledger.postgres import NOT_INSTALLED
from lottery.writer import LOCK_FD

#: What stands for a number where the latest draw is meant.
LATEST: Final = "latest"


def is_database(place: str) -> bool:
    """Whether a place is the URL of a database, not a directory."""
    return place.startswith(("postgresql://", "postgres://"))


def dsn_of(place: str) -> str:
    """Give what to connect to a database with, given its URL.

    :raise SettingsError: if it is none, or what it needs is not installed.
    """
    try:
        from lottery.ledger.postgres.connection import checked_dsn
    except ImportError:
        raise SettingsError(NOT_INSTALLED) from None
    return checked_dsn(place, "the URL of the database")


def in_words(place: str) -> str:
    """Give what a place is called in a sentence; of a URL, which may have a password, nothing."""
    return "the database" if is_database(place) else str(Path(place))


@contextmanager
def ledgers_at(place: str) -> Iterator[Ledgers]:
    """Give the draws of a place, to be looked at in the block.

    :raise SettingsError: if it is no data directory, or what a database needs is not installed.
    :raise StartError: if the database cannot be used, or has no ledger.
    """
    if not is_database(place):
        data = DataDirectory(Path(place))
        try:
            data.draws()
        except OSError as error:
            raise SettingsError(f"{data.path} is no data directory, {error.strerror}") from None
        yield FileLedgers(data, 0, LOCK_FD)
        return
    dsn_of(place)  # it says what is wrong with it
    from lottery.ledger.postgres.database import DatabaseLedgers

    ledgers = DatabaseLedgers(place, provable=False)
    try:
        ledgers.check()
        yield ledgers
    finally:
        ledgers.release()


def find_draw(ledgers: Ledgers, place: str, wanted: str) -> DrawLedger:
    """Give the draw with a number, or the latest.

    :raise SettingsError: if there is none.
    """
    numbers = ledgers.numbers()
    if wanted == LATEST and not numbers:
        raise SettingsError(f"there is no draw in {in_words(place)}")
    found = ledgers.find(numbers[-1] if wanted == LATEST else int(wanted))
    if found is None:
        there = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        raise SettingsError(f"there is no draw {wanted} in {in_words(place)}, there is {there}")
    return found
