"""How the number of a draw will be found is told before its first bet, and stays so."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import LogLevel

from lottery.ledger.record import DrawRecord
from lottery.ledger.recovery import UnfinishedDraw
from lottery.ops.log import ActionLog


def tell_kept_promises(
    unfinished: Iterable[UnfinishedDraw], winning_number: int | None, log: ActionLog
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
