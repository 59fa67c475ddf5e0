"""``lottery sample``: write a made-up day of agencies' files, the same for the same seed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final, TextIO

from lottery.agency import sample_day
from lottery.command.words import AnyOrderOptions
from lottery.errors import SettingsError

_MOST: Final = 999_999_999


def _whole_number(option: str) -> Callable[[str], int]:
    """The coercion of an option that takes a number, 0 to ``_MOST``."""

    def coerce(value: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", value):
            raise SettingsError(f"--{option} must be a whole number from 0 to {_MOST}")
        return int(value)

    return coerce


class Options(AnyOrderOptions):
    """What ``lottery sample`` can be told; options may stand before and behind DIR.

    :raise SettingsError: while parsing, for a value that is no number or a missing directory.
    """

    synopsis = "DIR [options]"
    longdesc = "Writes DIR/agency-1.csv, DIR/agency-2.csv, ... as input for a day of the lottery."
    optParameters: ClassVar[list[list[object]]] = [
        ["agencies", None, 5, "agencies [number]", _whole_number("agencies")],
        ["bets", None, 20000, "of all agencies together [bets]", _whole_number("bets")],
        ["seed", None, 1, "the same seed, the same day [number]", _whole_number("seed")],
    ]

    def parseArgs(self, *words: str) -> None:
        """Take the one directory."""
        if len(words) != 1:
            raise SettingsError("one directory is needed, as in lottery sample DIR")
        self["directory"] = words[0]


def run(options: Options, stdout: TextIO) -> int:
    """Write the files and print a line for each.

    Files of the same names are replaced, others in the directory are left alone.

    :return: the exit status.
    :raise SettingsError: for numbers that make no day, or a directory that cannot be written.
    """
    agencies, bets, directory = options["agencies"], options["bets"], Path(options["directory"])
    if agencies < 1:
        raise SettingsError("--agencies must be at least 1")
    if bets < agencies:
        raise SettingsError(f"--bets must be at least {agencies}, one for each agency, not {bets}")
    for day in sample_day.plan(agencies, bets, options["seed"]):
        path = directory / f"agency-{day.agency}.csv"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(f"{row}\r\n" for row in sample_day.rows(day))
        except OSError as error:
            where = error.filename or directory
            raise SettingsError(f"cannot write to {where}, {error.strerror}") from error
        # Outside: what goes wrong here is not the directory's fault.
        stdout.write(f"{path}  {day.bets} bets\n")
    return 0
