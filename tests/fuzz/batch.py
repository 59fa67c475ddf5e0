"""The check of batches: the fast way takes nothing that the exact way refuses, or otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from unicodedata import category

from lottery.bets import (
    BadBatch,
    are_common_lines,
    classic_rows,
    common_classic_rows,
    exact_classic_rows,
    exact_line_rows,
    line_rows,
)

# The pattern of the fast way is made for the year before: its last digits, and a leap day.
_DAYS = (date(2026, 11, 25), date(2030, 1, 1), date(2024, 2, 29), date(2100, 3, 1))
_FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

Outcome = list[bytes] | tuple[int, int, int, str, int]


def fuzz(data: bytes) -> None:
    """Take the first byte for dialect and day, the second for the count, the rest for the batch.

    In the classic dialect a byte FF, which is never UTF-8, parts the batches of a run.

    :raises AssertionError: if the two ways differ, a row that is taken is none, or it is not
        taken a second time.
    """
    if len(data) < 2:
        return
    today, count, payload = _DAYS[data[0] // 2 % len(_DAYS)], data[1], data[2:]
    if data[0] % 2:
        exact = _outcome(lambda: exact_classic_rows(payload, today))
        assert _outcome(lambda: classic_rows(payload, today)) == exact
        run = payload.split(b"\xff")
        fast = common_classic_rows(run, today.year)
        assert fast is None or fast == [
            row for each in run for row in exact_classic_rows(each, today)
        ]
    else:
        exact = _outcome(lambda: exact_line_rows(payload, count, today))
        assert _outcome(lambda: line_rows(payload, count, today)) == exact
        if payload and are_common_lines(payload, today.year):
            rows = payload.count(b"\n")
            taken = _outcome(lambda: exact_line_rows(payload, rows, today))
            assert taken == payload.split(b"\n")[:-1]
    if isinstance(exact, list) and exact:
        for row in exact:
            assert _is_bet(row.decode(), today), row
        lines = b"".join(row + b"\n" for row in exact)
        assert line_rows(lines, len(exact), today) == exact
        assert classic_rows(b"".join(row + b"," for row in exact), today) == exact


def _outcome(check: Callable[[], list[bytes]]) -> Outcome:
    """The rows, or what is said of why there are none."""
    try:
        return check()
    except BadBatch as error:
        assert error.reason.isprintable()
        assert len(str(error)) < 300
        assert not {"|", ":"} & set(str(error))
        return int(error.code), error.row, error.field, error.reason, error.bets


def _is_bet(row: str, today: date) -> bool:
    """What may be stored: the rules of the fields, written down once more."""
    first_name, last_name, document, birthdate, number = row.split(",")
    return (
        all(_is_name(name) for name in (first_name, last_name))
        and re.fullmatch("[0-9]{1,15}", document) is not None
        and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", birthdate) is not None
        and date(1900, 1, 1) <= date(*map(int, birthdate.split("-"))) <= today
        and re.fullmatch("[0-9]{1,4}", number) is not None
    )


def _is_name(name: str) -> bool:
    return (
        1 <= len(name) <= 64
        and bool(name.strip())
        and name[0] not in "=+-@"
        and not any(each == '"' or category(each) in _FORBIDDEN for each in name)
    )
