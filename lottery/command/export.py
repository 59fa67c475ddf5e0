"""``lottery export``: write the ``bets.csv`` of a draw, also of one still open or void."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import ClassVar, Final, TextIO

from lottery.command.words import AnyOrderOptions
from lottery.errors import SettingsError
from lottery.ledger.bets_csv import Ledger, write_rows
from lottery.ledger.directory import DataDirectory, DrawDirectory

_LATEST: Final = "latest"


class Options(AnyOrderOptions):
    """What ``lottery export`` can be told; options may stand before and behind DIR.

    :raise SettingsError: while parsing, for a missing directory or a draw that is no number.
    """

    synopsis = "DIR [options]"
    longdesc = (
        "Writes bets.csv of a draw to standard output: agency, first name, last name, "
        "document, birthdate and number, in order of agency and of its file. DIR is the "
        "central's data directory; it is only read, and a central may be at work in it."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["draw", None, _LATEST, "which draw [number]"],
    ]

    def parseArgs(self, *words: str) -> None:
        """Take the one directory."""
        if len(words) != 1:
            raise SettingsError("one data directory is needed, as in lottery export DIR")
        self["directory"] = words[0]

    def postOptions(self) -> None:
        """Check the number of the draw."""
        if self["draw"] != _LATEST and not re.fullmatch("[0-9]{1,9}", self["draw"]):
            raise SettingsError(f"option --draw is {self['draw']!r}, it must be a number")


def run(options: Options, stdout: TextIO) -> int:
    """Write the rows to ``stdout``.

    :return: the exit status, 0.
    :raise SettingsError: if there is no such directory or draw.
    :raise DamagedLedger: if the bets of an agency do not follow each other.
    :raise OSError: if a file cannot be read, or the rows cannot be written.
    """
    draw = _find(Path(options["directory"]), options["draw"])
    ledger = Ledger(draw.segments())
    for tail in ledger.torn:
        sys.stderr.write(
            f"lottery: {tail.path}: the last {tail.length} bytes, from byte {tail.offset}, "
            "are no whole record and left out\n"
        )
    stdout.flush()
    write_rows(ledger, stdout.buffer)
    stdout.buffer.flush()
    return 0


def _find(path: Path, wanted: str) -> DrawDirectory:
    try:
        draws = DataDirectory(path).draws()
    except OSError as error:
        raise SettingsError(f"{path} is no data directory, {error.strerror}") from None
    for draw in reversed(draws):
        if wanted == _LATEST or int(wanted) == draw.number:
            return draw
    there = f"{draws[0].number} to {draws[-1].number}" if draws else "none"
    raise SettingsError(f"there is no draw {wanted} in {path}, there is {there}")
