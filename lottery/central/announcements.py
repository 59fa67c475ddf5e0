"""What a central says of itself in the log, before it takes a bet."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import LogLevel

from lottery.ledger.face import Ledgers, Unfinished
from lottery.ledger.record import DrawRecord
from lottery.ops.log import ActionLog
from lottery.settings import CentralSettings


def tell_settings(settings: CentralSettings, log: ActionLog) -> None:
    """Say what it runs with, in the words of the original, and what has no meaning here."""
    log(
        "config",
        "success",
        LogLevel.debug,
        port=settings.port,
        listen_backlog=settings.backlog,
        logging_level=settings.log_level,
    )
    for key in settings.ignored:
        log("ignored_setting", "success", LogLevel.debug, key=key)


def tell_where(ledgers: Ledgers, log: ActionLog) -> None:
    """Say which ledger is shared: one setting that was forgotten, or left over, changes it."""
    if not ledgers.alone:
        log("ledger", "success", place=ledgers.place)


def tell_if_open_to_others(ledgers: Ledgers, log: ActionLog) -> None:
    """Warn of a data directory that other users may look into."""
    if ledgers.open_to_others:
        details = {"data_dir": ledgers.open_to_others, "error": "others may use it"}
        log("data_directory", "fail", LogLevel.warn, **details)


def tell_kept_promises(
    unfinished: Iterable[Unfinished], winning_number: int | None, log: ActionLog
) -> None:
    """Say of which draws the number will be random, though a fixed one is wanted now.

    :param winning_number: the fixed one; None for a random one.
    """
    for record in (each.record for each in unfinished if each.record.winning_number is None):
        if record.commitment is not None and winning_number is not None:
            details = {"draw": record.draw, "wanted": winning_number}
            log("promise_kept", "success", LogLevel.warn, **details)


def tell_promise(record: DrawRecord, log: ActionLog) -> None:
    """Publish the hash of the secret of a draw in the log, if its number is to be random."""
    if record.commitment is not None:
        log("promise", "success", draw=record.draw, commitment=record.commitment)
