"""Carries a draw on from the step that start-up has found, and looks at what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping

from ledger_reader import Holding

from lottery.ledger.directory import DrawDirectory
from lottery.ledger.record import AgencyPart, DrawRecord, publish
from lottery.ledger.recovery import UnfinishedDraw
from lottery.ledger.seal import draw_number, note_delivered, seal, winners_of
from lottery.ledger.standing import Standing


class Wrong(Exception):
    """Something is not as it was promised."""


def hold(holds: bool, sentence: str) -> None:
    """Say what is wrong unless something holds."""
    if not holds:
        raise Wrong(sentence)


def carry_on(draw: UnfinishedDraw, held: Mapping[int, Holding], number: int) -> None:
    """Go on from the step that was reached to the end of the draw.

    :param held: what its segments hold.
    :param number: the winning number, if none is drawn yet.
    :raises Wrong: if what becomes of it is not what is held.
    """
    directory, record = draw.directory, draw.record
    if record.state == "open":
        stand = {each: (at.next_index, at.ended) for each, at in draw.standings.items()}
        there = {each: (len(has.rows), has.ended) for each, has in held.items()}
        hold(stand == there, f"agencies stand at {stand}, there is {there}")
        record = _closing(record, draw.standings)
        publish(record, directory.record)
    if record.state == "closing":
        record = seal(directory, record)
    if record.state == "sealed":
        record = draw_number(directory, record, number)
    if record.state == "drawn":
        record = note_delivered(directory, record, ())
    hold_results(directory, directory.read(), held)


def _closing(record: DrawRecord, standings: Mapping[int, Standing]) -> DrawRecord:
    """Close an open draw: who has ended has succeeded."""
    parts = tuple(
        AgencyPart(
            agency,
            "classic" if stands.classic else "lottery/1",
            "succeeded" if stands.ended else "left_out",
            "" if stands.ended else "it has not come back",
            stands.next_index,
            stands.crc,
            stands.nonce,
        )
        for agency, stands in standings.items()
    )
    return DrawRecord(record.draw, "closing", record.places, parts)


def hold_results(directory: DrawDirectory, record: DrawRecord, held: Mapping[int, Holding]) -> None:
    """Look at what was made of a draw that is at its end.

    :raises Wrong: if it is not what its segments hold.
    """
    if record.state == "void":
        hold(not directory.bets_csv.exists(), "a void draw has a bets.csv")
        return
    rows = {
        agency: [b"%d,%s\n" % (agency, row) for row in holding.rows]
        for agency, holding in sorted(held.items())
    }
    whole = b"".join(b"".join(each) for each in rows.values())
    hold(directory.bets_csv.read_bytes() == whole, "bets.csv is not what the segments hold")
    number = record.winning_number
    taking_part = {part.agency for part in record.succeeded}
    won = {
        agency: [row for row in each if int(row.rpartition(b",")[2]) == number]
        for agency, each in rows.items()
        if agency in taking_part
    }
    winners = b"".join(b"".join(each) for each in won.values())
    hold(directory.winners_csv.read_bytes() == winners, "winners.csv is not right")
    for agency in taking_part:
        own = [row.partition(b",")[2] for row in won.get(agency, [])]
        hold(winners_of(directory, record, agency) == own, f"wrong winners of {agency}")
