"""``lottery export``: write the ``bets.csv`` of a draw, also of one still open or void.

Of a database, it can also make the files that a draw there would have.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import ClassVar, Final, TextIO

from lottery.command.places import LATEST, dsn_of, find_draw, is_database, ledgers_at
from lottery.command.words import AnyOrderOptions
from lottery.errors import DamagedLedger, SettingsError
from lottery.ledger.bets_csv import write_rows
from lottery.ledger.checked import Measure, missing, read_steps
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.index import Ledger

_LOOKS: Final = 3


class DrawOptions(AnyOrderOptions):
    """What a command can be told that reads a draw; options may stand before and behind DIR.

    :raise SettingsError: while parsing, for a missing directory, or for a draw that is no number.
    """

    command = ""
    synopsis = "DIR|URL [options]"
    optParameters: ClassVar[list[list[str | None]]] = [
        ["draw", None, LATEST, "which draw [number]"],
    ]

    def parseArgs(self, *words: str) -> None:
        """Take the one directory, or URL."""
        if len(words) != 1:
            raise SettingsError(f"one data directory is needed, as in lottery {self.command} DIR")
        self["place"] = words[0]

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
        "central's data directory, URL (postgresql://...) a database that centrals share; it "
        "is only read, and a central may be at work in it. With --data-dir, a draw of a database "
        "whose number is drawn, or that is void, is written there as files, all that it would "
        "have if a data directory were its ledger; what is made is held against its record."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["data-dir", None, None, "make the files of a draw of a database here [directory]"],
    ]

    def postOptions(self) -> None:
        """Check the number of the draw, and where files can be made of it."""
        super().postOptions()
        if self["data-dir"] is not None and not is_database(self["place"]):
            raise SettingsError("option --data-dir is for a draw in a database")
        if self["data-dir"] == "":
            raise SettingsError("option --data-dir is '', it must be a directory")


def run(options: Options, stdout: TextIO) -> int:
    """Write the rows to ``stdout``, or the files.

    :return: the exit status, 0.
    :raise SettingsError: if there is no such directory, database or draw, or no files can be
        made of it.
    :raise DamagedLedger: if the record, a segment or the bets in a database are damaged, or the
        bets of an agency do not follow each other.
    :raise LotteryError: if a segment was cut back while it was read.
    :raise OSError: if a file cannot be read, or the rows cannot be written; or the database
        goes away.
    """
    with ledgers_at(options["place"]) as ledgers:
        draw = find_draw(ledgers, options["place"], options["draw"])
    if draw.path is not None:
        _write_files(DrawDirectory(draw.number, draw.path), stdout)
        return 0
    from lottery.ledger.postgres.export import make_files, read_bets

    dsn = dsn_of(options["place"])
    if options["data-dir"] is not None:
        make_files(dsn, draw.number, Path(options["data-dir"]))
        return 0
    stdout.flush()
    read_bets(dsn, draw.number, lambda _, rows: stdout.buffer.writelines(rows))
    stdout.buffer.flush()
    return 0


def _write_files(draw: DrawDirectory, stdout: TextIO) -> None:
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


def _check_segments(draw: DrawDirectory) -> None:
    """See that the segments of a draw that takes no more bets are those that it was closed with.

    What may be torn while a draw is open is damage then.
    """
    try:
        segments = draw.read().segments
    except FileNotFoundError:
        return  # it is only just being opened
    for digest in segments:
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
