"""Rows that are left out are told once each, the first ones in full."""

from __future__ import annotations

from pathlib import Path

from agency_rig import NotedLog

from lottery.agency.failures import BadRow
from lottery.agency.skipped import SKIPPED_IN_FULL, SkippedRows, place_in_file


def _noted(skipped: SkippedRows, count: int) -> None:
    for line in range(1, count + 1):
        skipped.note(BadRow("bets.csv", line, "number", "is none"))


def test_the_first_ones_in_full() -> None:
    """Twenty in full; if there are more, one line says how many in all, once."""
    noted = NotedLog()
    skipped = SkippedRows(Path("bets.csv"), noted.log)
    _noted(skipped, 30)
    skipped.sum_up()
    skipped.sum_up()

    assert len(noted.told("skip_row")) == SKIPPED_IN_FULL == 20
    assert noted.told("skip_row")[19] == (
        "result: success | file: bets.csv | line: 20 | field: number | reason: is none"
    )
    assert noted.told("skip_rows") == ["result: success | file: bets.csv | cantidad: 30"]
    assert skipped.count == 30


def test_not_many() -> None:
    """If all were told, nothing is summed up."""
    noted = NotedLog()
    skipped = SkippedRows(Path("bets.csv"), noted.log)
    _noted(skipped, 20)
    skipped.sum_up()

    assert noted.told("skip_rows") == []


def test_file_read_again() -> None:
    """Rows of a file that is read again from its start are counted, but not told again."""
    noted = NotedLog()
    skipped = SkippedRows(Path("bets.csv"), noted.log)
    _noted(skipped, 3)
    skipped.start_over()
    _noted(skipped, 5)

    assert skipped.count == 5
    told = [line.split(" | ")[2] for line in noted.told("skip_row")]
    assert told == [f"line: {line}" for line in range(1, 6)]


def test_place() -> None:
    """What is not known is not told."""
    assert place_in_file(0, "") == {}
    assert place_in_file(3, "") == {"line": 3}
    assert place_in_file(3, "number") == {"line": 3, "field": "number"}
