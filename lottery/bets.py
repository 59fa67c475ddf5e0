"""A bet, its field rules, and whether it has won.

A batch is checked as a whole, twice at most. :func:`fast_rows` knows the common bet (a name of
Latin letters, a birthdate before this year) and runs one pattern over the batch; what it does
not know goes to the exact check, which is Python per row and names row, field and reason. The
fast check never takes what the exact one refuses.

No clock here: today's date (UTC) is always an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Final
from unicodedata import category

from lottery.errors import Code, LotteryError

FIELDS: Final = ("first_name", "last_name", "document", "birthdate", "number")
COLUMNS: Final = len(FIELDS)

CLASSIC_END: Final = ","
"""What ends a row in the classic dialect, where every field is followed by a comma."""
LINE_END: Final = "\n"
"""What ends a row in lottery/1."""

_NAME_RULE: Final = "1 to 64 characters"
_DOCUMENT_RULE: Final = "1 to 15 digits"
_NUMBER_RULE: Final = "1 to 4 digits, 0 to 9999"
_BIRTHDATE_RULE: Final = "a day written YYYY-MM-DD"

_DIGITS: Final = frozenset("0123456789")
_EARLIEST: Final = date(1900, 1, 1)
_WRITTEN_DATE: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")

_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format, surrogate, private, unassigned; line and paragraph separators."""

# What the fast check knows of names: ASCII and the Latin blocks, with the combining accents.
# All of it is assigned and allowed in every Unicode version; the soft hyphen U+00AD is left out.
_LATIN: Final = "\u00a1-\u00ac\u00ae-\u024f\u0300-\u036f\u1e00-\u1eff"
_NAME: Final = f"[!#-*.-<>?A-~{_LATIN}][ !#-+\\--~{_LATIN}]{{0,63}}+"

# Looked back upon after a year, to let 29 February pass.
_LEAP_YEAR: Final = "(?<=[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"


class BadBatch(LotteryError):
    """A batch that is refused for good, whole.

    :ivar code: ``BATCH`` for a wrong structure, ``FIELD`` for a field that breaks its rule.
    :ivar row: which row of the batch, from 1; 0 = none.
    :ivar field: which of ``FIELDS``, from 1; 0 = none.
    :ivar reason: what to mend, the rest of a sentence that starts with the row or field. Short
        whatever was sent, without ``|``, colon or control characters; text of the batch is
        never quoted in it.
    :ivar bets: how many bets the batch seems to hold.
    """

    def __init__(self, code: Code, row: int, field: int, reason: str, bets: int) -> None:
        super().__init__(code, row, field, reason, bets)
        self.code = code
        self.row = row
        self.field = field
        self.reason = reason
        self.bets = bets

    def __str__(self) -> str:
        if self.field:
            return f"row {self.row}, {FIELDS[self.field - 1]} {self.reason}"
        return f"row {self.row} {self.reason}" if self.row else f"the batch {self.reason}"


def classic_rows(payload: bytes, today: date) -> list[str]:
    """The rows of a batch of the classic dialect, in order.

    :param payload: UTF-8, ``first,last,document,birthdate,number,`` repeated; may be empty.
    :param today: in UTC; nobody is born after it.
    :return: ``first,last,document,birthdate,number`` each, as they were sent.
    :raise BadBatch: for bytes that are not UTF-8 before all else, then for the first bad row.
    """
    text = _text(payload, CLASSIC_END)
    rows = fast_rows(text, CLASSIC_END, today.year)
    return exact_classic_rows(text, today) if rows is None else rows


def line_rows(payload: bytes, count: int, today: date) -> list[str]:
    r"""The rows of a batch of lottery/1, in order.

    :param payload: UTF-8, ``first,last,document,birthdate,number\n`` repeated.
    :param count: how many rows the header announces; only ever compared.
    :param today: in UTC; nobody is born after it.
    :return: ``first,last,document,birthdate,number`` each, as they were sent.
    :raise BadBatch: for bytes that are not UTF-8 before all else, then for the first bad row,
        then for another number of rows than announced. No rows are always refused.
    """
    text = _text(payload, LINE_END)
    rows = fast_rows(text, LINE_END, today.year)
    if not rows or len(rows) != count:
        return exact_line_rows(text, count, today)
    return rows


def fast_rows(text: str, end: str, year: int) -> list[str] | None:
    """The rows of a batch of common bets, at C speed, in time linear in the text.

    :param end: what ends a row, ``CLASSIC_END`` or ``LINE_END``.
    :param year: the running one; birthdates in it are left to the exact check.
    :return: the rows without their end, or None: not known here, ask the exact check.
    """
    if year <= _EARLIEST.year:
        return None
    rows: list[str] = _common_rows(end, year - 1).findall(text)
    return None if rows and not rows[-1] else rows


def common_run(text: str, end: str, bets: Sequence[int], year: int) -> list[str] | None:
    """The rows of several batches of common bets that follow each other, as :func:`fast_rows`.

    The caller has seen that each of them ends where a row may end.

    :param bets: how many each of them has.
    :return: the rows of all, or None: some batch has to be looked at alone.
    """
    rows = fast_rows(text, end, year)
    return rows if rows is not None and len(rows) == sum(bets) else None


def exact_classic_rows(text: str, today: date) -> list[str]:
    """What :func:`classic_rows` does once the payload is text.

    :raise BadBatch: for the first whole row that breaks a rule, else for an unfinished last row.
    """
    bets = _bets_in(text, CLASSIC_END)
    *fields, tail = text.split(",")
    whole, rest = divmod(len(fields), COLUMNS)
    rows = [fields[row * COLUMNS : (row + 1) * COLUMNS] for row in range(whole)]
    _refuse_faults(rows, today, bets)
    if rest or tail:
        reason = f"ends after {rest} of its 5 fields, each of which needs a comma behind it"
        raise BadBatch(Code.BATCH, whole + 1, 0, reason, bets)
    return [",".join(row) for row in rows]


def exact_line_rows(text: str, count: int, today: date) -> list[str]:
    """What :func:`line_rows` does once the payload is text.

    :raise BadBatch: as :func:`line_rows`.
    """
    bets = _bets_in(text, LINE_END)
    if not count:
        raise BadBatch(Code.BATCH, 0, 0, "has a row count of 0, must be at least 1", bets)
    *rows, tail = text.split("\n")
    _refuse_faults((row.split(",") for row in rows), today, bets)
    if tail:
        reason = "does not end in a line feed"
        raise BadBatch(Code.BATCH, len(rows) + 1, 0, reason, bets)
    if len(rows) != count:
        reason = f"has a row count of {count} in its header, but {len(rows)} in its payload"
        raise BadBatch(Code.BATCH, 0, 0, reason, bets)
    return rows


def fault_of(fields: Sequence[str], today: date) -> tuple[int, str] | None:
    """The first rule that a row breaks: the exact check.

    Which characters are unassigned follows the Unicode version of the running Python.

    :param fields: the columns in the order of ``FIELDS``.
    :param today: in UTC; nobody is born after it.
    :return: None for a valid row; else the field, from 1, or 0 for a wrong number of columns,
        and the reason as in :class:`BadBatch`.
    """
    if len(fields) != COLUMNS:
        return 0, f"must have {COLUMNS} columns, not {len(fields)}"
    first_name, last_name, document, birthdate, number = fields
    reasons = (
        _name_fault(first_name),
        _name_fault(last_name),
        _digits_fault(document, 15, _DOCUMENT_RULE),
        _birthdate_fault(birthdate, today),
        _digits_fault(number, 4, _NUMBER_RULE),
    )
    return next(((field, reason) for field, reason in enumerate(reasons, 1) if reason), None)


def has_won(number: str, winning_number: int) -> bool:
    """Whether a bet's number is the winning one; ``0042`` is 42.

    :param number: of a valid bet.
    """
    return int(number) == winning_number


def _name_fault(name: str) -> str:
    if not name:
        return f"is empty, must be {_NAME_RULE}"
    if len(name) > 64:
        return f"has {len(name)} characters, must be {_NAME_RULE}"
    for character in name:
        if character in ',"' or category(character) in _FORBIDDEN:
            return f"holds {_code_point(character)}, which no name may hold"
    if name.isspace():
        return f"is blank, must be {_NAME_RULE}"
    if name[0] in "=+-@":
        return "must not start with = + - or @"
    return ""


def _digits_fault(value: str, most: int, rule: str) -> str:
    if not value:
        return f"is empty, must be {rule}"
    if len(value) > most:
        return f"has {len(value)} characters, must be {rule}"
    for character in value:
        if character not in _DIGITS:
            return f"holds {_code_point(character)}, must be {rule}"
    return ""


def _birthdate_fault(birthdate: str, today: date) -> str:
    if not _WRITTEN_DATE.fullmatch(birthdate):
        return f"must be {_BIRTHDATE_RULE}"
    try:
        day = date.fromisoformat(birthdate)
    except ValueError:
        return f"is no day of the calendar, must be {_BIRTHDATE_RULE}"
    if not _EARLIEST <= day <= today:
        return f"must be from {_EARLIEST} up to today, {today} UTC"
    return ""


def _code_point(character: str) -> str:
    """How a character is named to people and logs, whatever it would do if it were shown."""
    return f"U+{ord(character):04X}"


def _refuse_faults(rows: Iterable[Sequence[str]], today: date, bets: int) -> None:
    for row, fields in enumerate(rows, 1):
        fault = fault_of(fields, today)
        if fault is not None:
            field, reason = fault
            raise BadBatch(Code.FIELD if field else Code.BATCH, row, field, reason, bets)


def _text(payload: bytes, end: str) -> str:
    """The payload as text; the place of a byte that is not UTF-8 is found by the separators."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        before = payload[: error.start]
        if end == CLASSIC_END:
            row, column = divmod(before.count(b","), COLUMNS)
        else:
            row, column = before.count(b"\n"), before.rpartition(b"\n")[2].count(b",")
        field = column + 1 if column < COLUMNS else 0
        reason = f"is not UTF-8 at byte {error.start} of the batch, counted from 0"
        bets = _bets_in(payload.decode(errors="replace"), end)
        raise BadBatch(Code.FIELD, row + 1, field, reason, bets) from None


def _bets_in(text: str, end: str) -> int:
    if end == CLASSIC_END:
        return -(-text.count(",") // COLUMNS)
    return text.count("\n")


@lru_cache(maxsize=4)
def _common_rows(end: str, last_year: int) -> re.Pattern[str]:
    """The pattern behind :func:`fast_rows`, for birthdates from 1900 through ``last_year``.

    Matches follow each other without gaps: where no row can be read, one last match swallows
    all that is left, and its row, the only group, is empty.
    """
    century, decade, year = last_year // 100, last_year // 10 % 10, last_year % 10
    years = "|".join(
        [f"{earlier}[0-9][0-9]" for earlier in range(19, century)]
        + [f"{century}(?:{decade}[0-{year}]|(?!{decade})[0-{decade}][0-9])"]
    )
    days = (
        "(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
        "|(?:0[13-9]|1[0-2])-(?:29|30)"
        "|(?:0[13578]|1[02])-31"
    )
    birthdate = f"(?:{years})(?:-(?:{days})|{_LEAP_YEAR}-02-29)"
    row = f"{_NAME},{_NAME},[0-9]{{1,15}}+,{birthdate},[0-9]{{1,4}}+"
    return re.compile(f"({row}){end}|(?s:.)++")
