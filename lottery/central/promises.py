"""How the number of a draw will be found is told before its first bet, and stays so."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import LogLevel

from lottery.errors import StartError
from lottery.ledger.record import DrawRecord
from lottery.ledger.recovery import UnfinishedDraw
from lottery.ops.log import ActionLog


def hold_promises(
    unfinished: Iterable[UnfinishedDraw], winning_number: int | None, log: ActionLog
) -> None:
    """Hold what was promised of draws against the number that is wanted now.

    :param winning_number: the fixed one; None for a random one.
    :raises StartError: if one should be random that no secret was promised for: its agencies
        were told nothing that could prove it.
    """
    for record in (each.record for each in unfinished if each.record.winning_number is None):
        if record.commitment is None and winning_number is None:
            how = "so its number cannot be random: end it with a fixed --winning-number"
            raise StartError(f"draw {record.draw} has begun without a promised secret, {how}")
        if record.commitment is not None and winning_number is not None:
            details = {"draw": record.draw, "wanted": winning_number}
            log("promise_kept", "success", LogLevel.warn, **details)


def tell_promise(record: DrawRecord, log: ActionLog) -> None:
    """Publish the hash of the secret of a draw in the log, if its number is to be random."""
    if record.commitment is not None:
        log("promise", "success", draw=record.draw, commitment=record.commitment)
