"""The strict check of every row: ``agency,first_name,last_name,document,birthdate,number``, LF.

Most rows are common ones, and one pattern over all rows of a record knows them. What it does
not know is looked at field by field, which is slow, exact, and finds the place of a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple
from unicodedata import category

#: The shortest row there can be, without the agency: ``A,B,1,1999-03-17,0`` and LF.
SHORTEST_ROW_BYTES: Final = 19

_COMMON_NAME: Final = "[A-Za-zÀ-ÖØ-öø-ɏ'][A-Za-zÀ-ÖØ-öø-ɏ'. -]{0,63}+"
_COMMON_DATE: Final = (
    "(?:(?:19(?:0[48]|[2468][048]|[13579][26])|20(?:0[048]|1[26]))-02-29|"
    "(?:19[0-9][0-9]|20[01][0-9])-"
    "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    "|(?:0[13578]|1[02])-31))"
)
_COMMON_ROWS: Final = re.compile(
    f"(?:[0-9]++,{_COMMON_NAME},{_COMMON_NAME},[0-9]{{1,15}}+,{_COMMON_DATE},[0-9]{{1,4}}+\n)+"
)
#: From this day on every birthdate of the pattern is in the past.
_COMMON_FROM: Final = date(2020, 1, 1)

_EARLIEST: Final = date(1900, 1, 1)
_DATE: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AGENCY: Final = re.compile("0|[1-9][0-9]{0,9}")
#: Control, format, surrogate, private; line and paragraph separators. Not what is unassigned:
#: that depends on the Python, and an older one here must not accuse a newer one there.
_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


class RowFault(NamedTuple):
    """What is wrong with a row; ``row`` counts from 1, ``offset`` is where it begins."""

    row: int
    offset: int
    what: str


def fault_of_rows(rows: bytes, agency: int, bets: int, today: date) -> RowFault | None:
    """Find the first row that is none, or None.

    :param rows: all of a record's body.
    :param agency: with whose number each row has to begin.
    :param bets: how many rows there should be.
    :param today: the day (UTC) that no birthdate may be after.
    """
    begin = b"%d," % agency
    if (
        rows.count(b"\n") == bets
        and rows.startswith(begin)
        and rows.count(b"\n" + begin) == bets - 1
        and today >= _COMMON_FROM
    ):
        try:
            if _COMMON_ROWS.fullmatch(rows.decode()):
                return None
        except UnicodeDecodeError:
            pass  # where, the loop below will tell
    *lines, rest = rows.split(b"\n")
    offset = 0
    for row, line in enumerate(lines, 1):
        what = fault_of_row(line, agency, today)
        if what:
            return RowFault(row, offset, what)
        offset += len(line) + 1
    if rest:
        return RowFault(len(lines) + 1, offset, "it does not end in a line feed")
    if len(lines) != bets:
        return RowFault(len(lines), 0, f"{len(lines)} rows are here, the record says {bets}")
    return None


def fault_of_row(line: bytes, agency: int, today: date) -> str:
    """Say what is wrong with a row without its LF; nothing, if it is one."""
    try:
        fields = line.decode().split(",")
    except UnicodeDecodeError as error:
        return f"it is no UTF-8 at its byte {error.start}"
    if len(fields) != 6:
        return f"it has {len(fields)} fields, not 6"
    number_of_agency, first_name, last_name, document, birthdate, number = fields
    if not _AGENCY.fullmatch(number_of_agency) or int(number_of_agency) != agency:
        return f"it does not begin with agency {agency}"
    for name, value, rule in (
        ("first name", first_name, _name_fault),
        ("last name", last_name, _name_fault),
        ("document", document, _digits_fault(15)),
        ("birthdate", birthdate, _date_fault(today)),
        ("number", number, _digits_fault(4)),
    ):
        what = rule(value)
        if what:
            return f"its {name} {what}"
    return ""


def number_of(row: bytes) -> int:
    """Give the number of a row that was found in order; ``0042`` is 42."""
    return int(row.rpartition(b",")[2])


def _name_fault(name: str) -> str:
    if not 1 <= len(name) <= 64:
        return f"has {len(name)} characters, not 1 to 64"
    if name.isspace():
        return "is blank"
    if name[0] in "=+-@":
        return "begins like a formula"
    for character in name:
        if character == '"' or category(character) in _FORBIDDEN or _is_none(ord(character)):
            return f"holds U+{ord(character):04X}"
    return ""


def _is_none(code_point: int) -> bool:
    """Whether it is one of the code points that will never be a character."""
    return 0xFDD0 <= code_point <= 0xFDEF or code_point & 0xFFFE == 0xFFFE


def _digits_fault(most: int) -> Callable[[str], str]:
    pattern = re.compile(f"[0-9]{{1,{most}}}")
    return lambda value: "" if pattern.fullmatch(value) else f"is not 1 to {most} digits"


def _date_fault(today: date) -> Callable[[str], str]:
    def fault(value: str) -> str:
        if not _DATE.fullmatch(value):
            return "is not written YYYY-MM-DD"
        try:
            day = date(int(value[:4]), int(value[5:7]), int(value[8:]))
        except ValueError:
            return "is no day of the calendar"
        return "" if _EARLIEST <= day <= today else f"is not from {_EARLIEST} to {today}"

    return fault
