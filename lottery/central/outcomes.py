"""How the parts of a draw have ended, for its record and for the log."""

from __future__ import annotations

from twisted.logger import LogLevel

from lottery.central.draw import Draw
from lottery.ledger.record import AgencyPart
from lottery.ops.log import ActionLog


def parts_of(draw: Draw) -> tuple[AgencyPart, ...]:
    """How the part of each agency has ended, in order."""
    return tuple(
        AgencyPart(
            agency=agency,
            dialect=place.dialect,
            outcome="succeeded" if place.succeeded else "left_out",
            reason=place.left_out.reason if place.left_out else "",
            bets=place.standing.next_index,
            crc32=place.standing.crc,
            nonce=place.standing.nonce,
        )
        for agency, place in sorted(draw.taken.items())
    )


def log_left_out(draw: Draw, log: ActionLog) -> None:
    """Name those who are left out, and why."""
    for place in draw.places:
        if place.left_out is not None:
            who = "nobody" if place.agency is None else place.agency
            details = {"draw": draw.number, "agency": who, "reason": place.left_out.reason}
            log("left_out", "success", LogLevel.warn, **details)
