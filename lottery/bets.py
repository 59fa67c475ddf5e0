"""A bet, its field rules, and whether it has won.

Batches are checked as a whole, twice at most. The fast check knows the common bet (names of Latin
letters, a birthdate before this year) and runs one pattern over the bytes of many batches; what
it does not know goes to the exact check of one batch, which is Python per row and names row,
field and reason. The fast check never takes what the exact one refuses.

The pattern reads UTF-8 as the bytes it is, so that nothing is decoded but to see that it is valid,
and nothing is encoded. (Rejected: a pattern over text, which is no faster itself, and whose rows
would have to become bytes again; bytes of two in the pattern, which cost more than decoding.)

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

# What the fast check knows of names, once their bytes are known to be UTF-8: ASCII, U+00C0 to
# U+023F (these begin with C3 to C8) and the accents U+0300 to U+033F (CC). All of it is assigned
# and allowed in every Unicode version. A name of up to 64 bytes has no more characters.
_NAME: Final = rb"[!#-*.-<>?A-~\xc3-\xc8][ !#-+\--~\xc3-\xc8\xcc\x80-\xbf]{0,63}+"

# Looked back upon before the day, to let 29 February pass.
_LEAP_FEBRUARY: Final = (
    rb"(?<=(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-)"
)


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


def classic_rows(payload: bytes, today: date) -> list[bytes]:
    """The rows of a batch of the classic dialect, in order.

    :param payload: UTF-8, ``first,last,document,birthdate,number,`` repeated; may be empty.
    :param today: in UTC; nobody is born after it.
    :return: ``first,last,document,birthdate,number`` each, as they were sent.
    :raise BadBatch: for bytes that are not UTF-8 before all else, then for the first bad row.
    """
    rows = common_classic_rows([payload], today.year)
    return exact_classic_rows(payload, today) if rows is None else rows


def line_rows(payload: bytes, count: int, today: date) -> list[bytes]:
    r"""The rows of a batch of lottery/1, in order.

    :param payload: UTF-8, ``first,last,document,birthdate,number\n`` repeated.
    :param count: how many rows the header announces; only ever compared.
    :param today: in UTC; nobody is born after it.
    :return: ``first,last,document,birthdate,number`` each, as they were sent.
    :raise BadBatch: for bytes that are not UTF-8 before all else, then for the first bad row,
        then for another number of rows than announced. No rows are always refused.
    """
    if payload and payload.count(b"\n") == count and are_common_lines(payload, today.year):
        return payload[:-1].split(b"\n")
    return exact_line_rows(payload, count, today)


def common_classic_rows(payloads: Sequence[bytes], year: int) -> list[bytes] | None:
    """The rows of batches of common bets in the classic dialect, at C speed.

    The time is linear in the bytes. That each batch ends where a row does is seen by a line feed
    between them, which stands nowhere in a good one, and which the pattern lets stand behind a
    row only.

    :param payloads: each as for :func:`classic_rows`.
    :param year: the running one; birthdates in it are left to the exact check.
    :return: the rows of all, without their end; None: not known here, ask the exact check.
    """
    run = b"".join(payloads)
    if year <= _EARLIEST.year or b"\n" in run or not _is_utf8(run):
        return None
    rows: list[bytes] = _classic_pattern(year - 1).findall(b"\n".join(payloads))
    return None if rows and not rows[-1] else rows


def are_common_lines(lines: bytes, year: int) -> bool:
    """Whether all is rows of common bets, LF behind each, at C speed as the other.

    :param year: as for :func:`common_classic_rows`.
    """
    if year <= _EARLIEST.year or not _is_utf8(lines):
        return False
    return _line_pattern(year - 1).fullmatch(lines) is not None


def exact_classic_rows(payload: bytes, today: date) -> list[bytes]:
    """What :func:`classic_rows` does, one row after the other.

    :raise BadBatch: as :func:`classic_rows`; for the first whole row that breaks a rule before
        an unfinished last row.
    """
    text = _text(payload, CLASSIC_END)
    bets = _bets_in(text, CLASSIC_END)
    *fields, tail = text.split(",")
    whole, rest = divmod(len(fields), COLUMNS)
    rows = [fields[row * COLUMNS : (row + 1) * COLUMNS] for row in range(whole)]
    _refuse_faults(rows, today, bets)
    if rest or tail:
        reason = f"ends after {rest} of its 5 fields, each of which needs a comma behind it"
        raise BadBatch(Code.BATCH, whole + 1, 0, reason, bets)
    return [",".join(row).encode() for row in rows]


def exact_line_rows(payload: bytes, count: int, today: date) -> list[bytes]:
    """What :func:`line_rows` does, one row after the other.

    :raise BadBatch: as :func:`line_rows`.
    """
    text = _text(payload, LINE_END)
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
    return [row.encode() for row in rows]


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


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=4)
def _classic_pattern(last_year: int) -> re.Pattern[bytes]:
    """The pattern behind :func:`common_classic_rows`.

    Matches follow each other without gaps: where no row can be read, one last match swallows
    all that is left, and its row, the only group, is empty.
    """
    return re.compile(rb"(%b),\n*+|(?s:.)++" % _row(last_year))


@lru_cache(maxsize=4)
def _line_pattern(last_year: int) -> re.Pattern[bytes]:
    """The pattern behind :func:`are_common_lines`.

    The repetition gives back, row by row: Python 3.11.2 does not notice where a possessive one of
    a group ends, and takes what is left over for a part of it.
    """
    return re.compile(rb"(?:%b\n)*" % _row(last_year))


def _row(last_year: int) -> bytes:
    """The pattern of a common bet, for birthdates from 1900 through ``last_year``."""
    century, decade, year = last_year // 100, last_year // 10 % 10, last_year % 10
    years = "|".join(
        [f"{earlier}[0-9][0-9]" for earlier in range(19, century)]
        + [f"{century}(?:{decade}[0-{year}]|(?!{decade})[0-{decade}][0-9])"]
    ).encode()
    day = rb"0[1-9]|1[0-9]|2[0-8]|(?<!02-)(?:29|30)|(?<=0[13578]-|1[02]-)31|%b29" % _LEAP_FEBRUARY
    birthdate = rb"(?:%b)-(?:0[1-9]|1[0-2])-(?:%b)" % (years, day)
    return rb"%b,%b,[0-9]{1,15}+,%b,[0-9]{1,4}+" % (_NAME, _NAME, birthdate)
