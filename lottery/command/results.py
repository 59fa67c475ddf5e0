"""``lottery results``: show who has won in a draw, and how each agency's part has ended."""

from __future__ import annotations

import re
import sys
from typing import ClassVar, TextIO

from lottery.command.export import DrawOptions
from lottery.command.places import LATEST, find_draw, in_words, ledgers_at
from lottery.errors import LotteryError, SettingsError
from lottery.ledger.directory import never
from lottery.ledger.face import DrawLedger, Ledgers
from lottery.ledger.record import AgencyPart, DrawRecord

_ALL = "all"


class Options(DrawOptions):
    """What ``lottery results`` can be told.

    :raise SettingsError: while parsing, for a missing directory, or for a draw or an agency
        that is no number.
    """

    command = "results"
    longdesc = (
        "Writes the winning rows of a draw to standard output: agency, first name, last name, "
        "document, birthdate and number; with --agency, those of that agency and without its "
        "number. How each agency's part has ended goes to standard error. DIR is the central's "
        "data directory, URL (postgresql://...) a database that centrals share; it is only "
        "read, and a central may be at work in it. Without --draw, it is the latest draw whose "
        "number is drawn."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["agency", None, _ALL, "which agency [number]"],
    ]

    def postOptions(self) -> None:
        """Check the numbers of draw and agency."""
        super().postOptions()
        if self["agency"] != _ALL and not re.fullmatch("[0-9]{1,10}", self["agency"]):
            raise SettingsError(f"option --agency is {self['agency']!r}, it must be a number")


def run(options: Options, stdout: TextIO) -> int:
    """Write the winning rows to ``stdout``, and how each part has ended to stderr.

    :return: the exit status, 0.
    :raise SettingsError: if there is no such directory, database or draw.
    :raise DamagedLedger: if the draw's record or its winners are not what was published.
    :raise LotteryError: if the draw has no winners, or the agency had no place in it.
    :raise OSError: if a file cannot be read, or the rows cannot be written; or the database
        goes away.
    """
    with ledgers_at(options["place"]) as ledgers:
        if options["draw"] == LATEST:
            draw, record = _latest_drawn(ledgers, in_words(options["place"]))
        else:
            draw = find_draw(ledgers, options["place"], options["draw"])
            record = _drawn(draw)
        parts = record.agencies
        if options["agency"] != _ALL:
            part = record.part_of(int(options["agency"]))
            if part is None:
                raise LotteryError(f"agency {options['agency']} had no place in draw {record.draw}")
            parts = (part,)
        winners = draw.winners(record, never)
    if options["agency"] == _ALL:
        rows = [b"%d,%s" % (agency, row) for agency in sorted(winners) for row in winners[agency]]
    else:
        rows = winners.get(parts[0].agency, [])
    number = record.winning_number
    sys.stderr.write(f"draw {record.draw} is {record.state}, the winning number is {number}\n")
    for part in parts:
        sys.stderr.write(f"{_how_it_ended(part)}\n")
    stdout.flush()
    stdout.buffer.writelines(rows)
    stdout.buffer.flush()
    return 0


def _latest_drawn(ledgers: Ledgers, place: str) -> tuple[DrawLedger, DrawRecord]:
    for number in reversed(ledgers.numbers()):
        draw = ledgers.find(number)
        record = None if draw is None else _record_of(draw)
        if draw is not None and record is not None and record.winners_csv is not None:
            return draw, record
    raise LotteryError(f"no draw in {place} has its winners yet")


def _record_of(draw: DrawLedger) -> DrawRecord | None:
    """Give the record of a draw; None if the draw is only just being opened."""
    try:
        return draw.read()
    except FileNotFoundError:
        return None


def _drawn(draw: DrawLedger) -> DrawRecord:
    """Give the record of a draw that has its winners."""
    record = _record_of(draw)
    if record is not None and record.state == "void":
        raise LotteryError(f"draw {draw.number} is void, no agency has ended in it")
    if record is None or record.winners_csv is None:
        state = "open" if record is None else record.state
        raise LotteryError(f"draw {draw.number} is {state}, its number is not drawn yet")
    return record


def _how_it_ended(part: AgencyPart) -> str:
    if not part.succeeded:
        reason = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in part.reason)
        return f"agency {part.agency} is left out, {part.bets} bets, {reason}"
    received = {True: "received", False: "not received", None: "not received yet"}
    return (
        f"agency {part.agency} succeeded, {part.bets} bets, {part.winners} winners, "
        f"{received[part.received]}"
    )
