"""Finds the winning rows of a draw: one pass over ``bets.csv`` for all agencies at once.

Made for a thread of its own: it reads in steps, each far below a millisecond, so the
thread that it shares the interpreter with is never kept waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lottery.ledger.bets_csv import Interrupted, never

#: A number has one to four digits (the field rule), and 0042 is 42.
_NUMBER_DIGITS = 4
_STEP_BYTES = 256 << 10


def find_winners(
    path: Path, winning_number: int, interrupted: Callable[[], bool] = never
) -> dict[int, list[bytes]]:
    """Give the winning rows by agency, without the agency, in the order of the file.

    A row keeps its LF. An agency without a winner has no entry.

    :raises OSError: if the file cannot be read.
    :raises Interrupted: soon after ``interrupted()`` has become true.
    """
    digits = str(winning_number).encode()
    padded = (digits.rjust(width, b"0") for width in range(len(digits), _NUMBER_DIGITS + 1))
    endings = [b",%s\n" % number for number in padded]
    winners: dict[int, list[bytes]] = {}
    with path.open("rb", buffering=0) as file:
        rest = b""
        while step := file.read(_STEP_BYTES):
            if interrupted():
                raise Interrupted
            text = rest + step
            whole = text.rfind(b"\n") + 1
            rest = text[whole:]
            for row in _rows_ending(text[:whole], endings):
                agency, _, bet = row.partition(b",")
                winners.setdefault(int(agency), []).append(bet)
    return winners


def _rows_ending(text: bytes, endings: list[bytes]) -> list[bytes]:
    """Give the whole rows with one of these endings, in order."""
    found = []
    for ending in endings:
        at = text.find(ending)
        while at >= 0:
            end = at + len(ending)
            found.append((at, text[text.rfind(b"\n", 0, at) + 1 : end]))
            at = text.find(ending, end)
    return [row for _, row in sorted(found)]
