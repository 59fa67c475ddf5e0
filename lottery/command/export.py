"""``lottery export``: write the ``bets.csv`` of a draw, also of one still open or void."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import ClassVar, Final, TextIO

from lottery.command.words import AnyOrderOptions
from lottery.errors import DamagedLedger, SettingsError
from lottery.ledger.bets_csv import write_rows
from lottery.ledger.checked import Measure, missing, read_steps
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.index import Ledger
from lottery.ledger.record import DrawRecord

LATEST: Final = "latest"
_LOOKS: Final = 3


class DrawOptions(AnyOrderOptions):
    """What a command can be told that reads a draw; options may stand before and behind DIR.

    :raise SettingsError: while parsing, for a missing directory or a draw that is no number.
    """

    command = ""
    synopsis = "DIR [options]"
    optParameters: ClassVar[list[list[str | None]]] = [
        ["draw", None, LATEST, "which draw [number]"],
    ]

    def parseArgs(self, *words: str) -> None:
        """Take the one directory."""
        if len(words) != 1:
            raise SettingsError(f"one data directory is needed, as in lottery {self.command} DIR")
        self["directory"] = words[0]

    def postOptions(self) -> None:
        """Check the number of the draw."""
        if self["draw"] != LATEST and not re.fullmatch("[0-9]{1,9}", self["draw"]):
            raise SettingsError(f"option --draw is {self['draw']!r}, it must be a number")


class Options(DrawOptions):
    """What ``lottery export`` can be told."""

    command = "export"
    longdesc = (
        "Writes bets.csv of a draw to standard output: agency, first name, last name, "
        "document, birthdate and number, in order of agency and of its file. DIR is the "
        "central's data directory; it is only read, and a central may be at work in it."
    )


def run(options: Options, stdout: TextIO) -> int:
    """Write the rows to ``stdout``.

    :return: the exit status, 0.
    :raise SettingsError: if there is no such directory or draw.
    :raise DamagedLedger: if the record or a segment is damaged, or the bets of an agency do not
        follow each other.
    :raise LotteryError: if a segment was cut back while it was read.
    :raise OSError: if a file cannot be read, or the rows cannot be written.
    """
    path = Path(options["directory"])
    draws = draws_in(path)
    draw = draws[-1] if draws and options["draw"] == LATEST else None
    draw = draw or find_draw(path, draws, options["draw"])
    _check_segments(draw)
    ledger = _look(draw)
    for tail in ledger.torn:
        sys.stderr.write(
            f"lottery: {tail.path}: the last {tail.length} bytes, from byte {tail.offset}, "
            "are no whole record and left out\n"
        )
    stdout.flush()
    write_rows(ledger, stdout.buffer)
    stdout.buffer.flush()
    return 0


def draws_in(path: Path) -> list[DrawDirectory]:
    """Give every draw in a data directory, in order.

    :raise SettingsError: if it is none.
    """
    try:
        return DataDirectory(path).draws()
    except OSError as error:
        raise SettingsError(f"{path} is no data directory, {error.strerror}") from None


def find_draw(path: Path, draws: list[DrawDirectory], wanted: str) -> DrawDirectory:
    """Give the draw with a number.

    :raise SettingsError: if there is none.
    """
    for draw in draws:
        if wanted != LATEST and int(wanted) == draw.number:
            return draw
    there = f"{draws[0].number} to {draws[-1].number}" if draws else "none"
    if wanted == LATEST:
        raise SettingsError(f"there is no draw in {path}")
    raise SettingsError(f"there is no draw {wanted} in {path}, there is {there}")


def record_of(draw: DrawDirectory) -> DrawRecord | None:
    """Give the record of a draw; None if the draw is only just being opened.

    :raise DamagedLedger: if it is damaged.
    :raise OSError: if it cannot be read.
    """
    try:
        return draw.read()
    except FileNotFoundError:
        return None


def _check_segments(draw: DrawDirectory) -> None:
    """See that the segments of a draw that takes no more bets are those that it was closed with.

    What may be torn while a draw is open is damage then.
    """
    record = record_of(draw)
    for digest in record.segments if record else ():
        path = draw.path / digest.name
        measure = Measure()
        try:
            for step in read_steps(path):
                measure.add(step)
        except FileNotFoundError:
            raise missing(path) from None
        if measure.segment(path.name) != digest:
            raise DamagedLedger(str(path), 0, "its SHA-256 is another one than draw.json says")


def _look(draw: DrawDirectory) -> Ledger:
    """Find all records of a draw, into which a central may be writing.

    Segments are read one after the other, and an agency that moves on from one to another
    meanwhile seems to have a gap. So damage is believed only when it stays.
    """
    for _ in range(_LOOKS - 1):
        try:
            return Ledger(draw)
        except DamagedLedger:
            pass
    return Ledger(draw)
