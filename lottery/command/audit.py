"""``lottery audit``: check a data directory or a database, and recount the winners."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, TextIO

from lottery.audit.data import Audit, NotThere, audit
from lottery.audit.page import page_of
from lottery.audit.report import lines_of
from lottery.command.places import dsn_of, is_database
from lottery.command.words import AnyOrderOptions
from lottery.errors import LotteryError, SettingsError
from lottery.ledger.publish import published


class Options(AnyOrderOptions):
    """What ``lottery audit`` can be told; options may stand before and behind DIR.

    :raise SettingsError: while parsing, for a missing directory or a draw that is no number.
    """

    synopsis = "DIR|URL [options]"
    longdesc = (
        "Checks the segments, bets.csv, winners.csv and the record of every draw, with all "
        "digests and totals, recounts the winners, and prints a table. DIR is a central's data "
        "directory, or a copy of one; it is only read, and a central may be at work in it. URL "
        "(postgresql://...) is a database that centrals share, or a copy of one: its tables are "
        "checked in the same way. Of the agencies, the table has how many have ended, of all "
        "that take part. Exit status 0: nothing differs; 1: something does, and the first "
        "difference of each draw is named, or the page cannot be written, or the database goes "
        "away; 2: there is no such directory, database or draw, or a wrong option."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["draw", None, None, "only this one [number, default all]"],
        ["html", None, None, "write a report of it to this file, as a page to be looked at [file]"],
    ]
    optFlags: ClassVar[list[list[str | None]]] = [
        ["agencies", None, "Show every agency, also of many draws."],
    ]

    def parseArgs(self, *words: str) -> None:
        """Take the one directory, or URL."""
        if len(words) != 1:
            raise SettingsError("one data directory is needed, as in lottery audit DIR")
        self["place"] = words[0]

    def postOptions(self) -> None:
        """Check the number of the draw."""
        draw = self["draw"]
        if draw is not None and not re.fullmatch("[0-9]{1,9}", draw):
            raise SettingsError(f"option --draw is {draw!r}, it must be a number")
        if self["html"] is not None:
            self["html"] = _page_path(self["html"], self["place"])


def _page_path(text: str, place: str) -> Path:
    """Give where a page can be written: beside what is checked, which stays as it is.

    :raise SettingsError: if it can not be there.
    """
    path = Path(text)
    if not path.name or path.is_dir() or not path.parent.is_dir():
        what = "it must be a file in a directory that is there"
    elif not is_database(place) and path.resolve().is_relative_to(Path(place).resolve()):
        what = "it must not be in the directory that is checked"
    else:
        return path
    raise SettingsError(f"option --html is {text!r}, {what}")


def run(options: Options, stdout: TextIO) -> int:
    """Print what was found to ``stdout``.

    :return: the exit status, 0 or 1.
    :raise SettingsError: if there is no such directory, database or draw.
    :raise LotteryError: if the database goes away.
    :raise OSError: if the page cannot be written; nothing is left of it then.
    """
    draw = None if options["draw"] is None else int(options["draw"])
    try:
        found = _audit(options["place"], draw, in_detail=options["html"] is not None)
    except NotThere as error:
        raise SettingsError(str(error)) from None
    # Whatever stdout can show: a reason may be in any script.
    encoding = stdout.encoding or "utf-8"
    # Who reads may have seen enough, as head has; the verdict stays.
    with suppress(BrokenPipeError):
        for line in lines_of(found, bool(options["agencies"])):  # noqa: FURB122 - see suppress
            stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stdout.flush()
    if options["html"] is not None:
        with published(options["html"]) as out:
            for piece in page_of(found, _in_words(options["place"]), datetime.now(UTC)):
                out.write(piece.encode(errors="backslashreplace"))
    return 0 if found.is_clean else 1


def _audit(place: str, draw: int | None, *, in_detail: bool) -> Audit:
    today = datetime.now(UTC).date()
    if not is_database(place):
        return audit(Path(place), today, draw, in_detail=in_detail)
    dsn = dsn_of(place)
    from lottery.audit.database import audit_database
    from lottery.audit.tables import Unreadable

    try:
        return audit_database(dsn, today, draw, in_detail)
    except Unreadable as error:
        raise LotteryError(str(error)) from None


def _in_words(place: str) -> str:
    return "The database" if is_database(place) else f"Data directory {place}"
