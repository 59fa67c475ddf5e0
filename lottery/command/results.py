"""``lottery results``: show who has won in a draw, and how each agency's part has ended."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import ClassVar, TextIO

from lottery.command.export import LATEST, DrawOptions, draws_in, find_draw, record_of
from lottery.errors import LotteryError, SettingsError
from lottery.ledger.checked import read_checked
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.record import AgencyPart, DrawRecord
from lottery.ledger.seal import winners_of

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
        "data directory; it is only read, and a central may be at work in it. Without --draw, "
        "it is the latest draw whose number is drawn."
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
    :raise SettingsError: if there is no such directory or draw.
    :raise DamagedLedger: if the draw's record or its winners are not what was published.
    :raise LotteryError: if the draw has no winners, or the agency had no place in it.
    :raise OSError: if a file cannot be read, or the rows cannot be written.
    """
    path = Path(options["directory"])
    if options["draw"] == LATEST:
        draw, record = _latest_drawn(path)
    else:
        draw = find_draw(path, draws_in(path), options["draw"])
        record = _drawn(draw)
    if options["agency"] == _ALL:
        parts = record.agencies
        rows = list(read_checked(draw.winners_csv, record.winners_csv))
    else:
        part = record.part_of(int(options["agency"]))
        if part is None:
            raise LotteryError(f"agency {options['agency']} had no place in draw {record.draw}")
        parts = (part,)
        rows = winners_of(draw, record, part.agency)
    number = record.winning_number
    sys.stderr.write(f"draw {record.draw} is {record.state}, the winning number is {number}\n")
    for part in parts:
        sys.stderr.write(f"{_how_it_ended(part)}\n")
    stdout.flush()
    stdout.buffer.writelines(rows)
    stdout.buffer.flush()
    return 0


def _latest_drawn(path: Path) -> tuple[DrawDirectory, DrawRecord]:
    for draw in reversed(draws_in(path)):
        record = record_of(draw)
        if record is not None and record.winners_csv is not None:
            return draw, record
    raise LotteryError(f"no draw in {path} has its winners yet")


def _drawn(draw: DrawDirectory) -> DrawRecord:
    """Give the record of a draw that has its winners."""
    record = record_of(draw)
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
