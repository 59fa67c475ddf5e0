"""The check of batches: the fast way takes nothing that the exact way refuses, or otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from lottery.bets import (
    BadBatch,
    are_common_lines,
    classic_rows,
    common_classic_rows,
    exact_classic_rows,
    exact_line_rows,
    line_rows,
)

TODAY = date(2026, 11, 25)
#: What a stored row has to be, written down once more and not so finely.
_NAME = r"[^,\"\x00-\x1f\x7f=+@-][^,\"\x00-\x1f\x7f]{0,63},"
_ROW = re.compile(_NAME + _NAME + r"[0-9]{1,15},(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9],[0-9]{1,4}")


def fuzz(data: bytes) -> None:
    """Take the first byte for the dialect, the second for the count, the rest for the batch.

    :raises AssertionError: if the two ways differ, or a row that is taken is none.
    """
    if len(data) < 2:
        return
    count, payload = data[1], data[2:]
    if data[0] % 2:
        exact = _outcome(lambda: exact_classic_rows(payload, TODAY))
        assert _outcome(lambda: classic_rows(payload, TODAY)) == exact
        fast = common_classic_rows([payload], TODAY.year)
        assert fast is None or fast == exact
    else:
        exact = _outcome(lambda: exact_line_rows(payload, count, TODAY))
        assert _outcome(lambda: line_rows(payload, count, TODAY)) == exact
        if payload and are_common_lines(payload, TODAY.year):
            rows = payload.count(b"\n")
            taken = _outcome(lambda: exact_line_rows(payload, rows, TODAY))
            assert taken == payload.split(b"\n")[:-1]
    if isinstance(exact, list):
        for row in exact:
            assert _ROW.fullmatch(row.removesuffix(b"\n").decode()), row


def _outcome(check: Callable[[], list[bytes]]) -> list[bytes] | tuple[int, int, int, str, int]:
    """The rows, or what is said of why there are none."""
    try:
        return check()
    except BadBatch as error:
        assert error.reason.isprintable()
        assert len(str(error)) < 300
        assert not {"|", ":"} & set(str(error))
        return int(error.code), error.row, error.field, error.reason, error.bets
