"""How the parts of a draw have ended, for its record and for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import LogLevel

from lottery.central.place import Place
from lottery.ledger.record import AgencyPart
from lottery.ops.log import ActionLog

if TYPE_CHECKING:
    from lottery.central.draw import Draw


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


def log_outcome(place: Place, log: ActionLog) -> None:
    """Say how an agency's part has ended, with its total of bets."""
    bets = place.standing.next_index
    if log.enabled(LogLevel.debug):
        # Its batches have had lines of their own: never both, so they can be added up.
        if place.succeeded:
            log("agency", "success", LogLevel.debug, agency=place.agency, bets=bets)
    else:
        result = "success" if place.succeeded else "fail"
        log("apuesta_recibida", result, agency=place.agency, cantidad=bets)
