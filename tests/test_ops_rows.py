"""``lottery.ops.rows``: every page gets to know every row, whatever it has heard of before."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lottery.ops.rows import MOST_ROWS, Rows
from lottery.ops.views import AgencyView

ANA = AgencyView(1, "Ana", "lottery/1", "sending", 0)
BO = AgencyView(2, 'Bo, "</script>', "classic", "sending", 7)


def told(rows: Rows, change: int = 0) -> tuple[int, list[Any]]:
    """A piece of what has changed."""
    change, text = rows.after(change)
    return change, json.loads(b"[" + text + b"]")


def test_a_new_page_is_told_all() -> None:
    """In the order in which it changed; what was there at first was acknowledged before."""
    rows = Rows()
    rows.look(3, [ANA, BO], 10.0)
    assert rows.draw == 3
    change, found = told(rows)
    assert found == [
        [1, "Ana", "lottery/1", "sending", 0, 0.0, None, "", None],
        [2, 'Bo, "</script>', "classic", "sending", 7, 0.0, None, "", None],
    ]
    assert told(rows, change) == (change, [])


def test_only_what_has_changed_is_told_again() -> None:
    """Bets that grow, and the speed that was and is not any more."""
    rows = Rows()
    rows.look(3, [ANA, BO], 10.0)
    change, _ = told(rows)
    rows.look(3, [evolve(ANA, bets=50), BO], 12.0)
    change, found = told(rows, change)
    assert found == [[1, "Ana", "lottery/1", "sending", 50, 25.0, 12.0, "", None]]
    rows.look(3, [evolve(ANA, bets=50), BO], 13.0)
    change, found = told(rows, change)
    assert found == [[1, "Ana", "lottery/1", "sending", 50, 0.0, 12.0, "", None]]
    rows.look(3, [evolve(ANA, bets=50), BO], 14.0)
    assert told(rows, change) == (change, [])


def test_another_draw() -> None:
    """Nothing of the one before is told any more, whatever a page has heard of."""
    rows = Rows()
    rows.look(3, [ANA, BO], 10.0)
    change, _ = told(rows)
    rows.look(4, [ANA], 11.0)
    assert rows.draw == 4
    assert [row[0] for row in told(rows, change)[1]] == [1]


def test_who_is_struck_off() -> None:
    """An agency that was expected, and is not on the roster any more."""
    rows = Rows()
    rows.look(3, [evolve(ANA, state="expected"), BO], 10.0)
    change, _ = told(rows)
    rows.look(3, [BO], 11.0)
    _, found = told(rows, change)
    assert [(row[0], row[3]) for row in found] == [(1, "gone")]
    rows.look(3, [evolve(ANA, state="expected"), BO], 12.0)
    assert [row[3] for row in told(rows)[1]] == ["sending", "expected"]


def test_pieces() -> None:
    """Many rows come in pieces that one after the other give all of them once."""
    rows = Rows()
    many = 2 * MOST_ROWS + 1
    rows.look(1, [evolve(ANA, agency=agency) for agency in range(many)], 1.0)
    change, pieces = 0, []
    while True:
        change, found = told(rows, change)
        if not found:
            break
        pieces.append([row[0] for row in found])
    assert [len(piece) for piece in pieces] == [MOST_ROWS, MOST_ROWS, 1]
    assert [agency for piece in pieces for agency in piece] == list(range(many))


@given(
    st.lists(st.dictionaries(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=8),
    st.data(),
)
def test_whenever_a_page_listens(looks: list[dict[int, int]], data: st.DataObject) -> None:
    """A page that skips any of the steps knows at the end what one knows that comes then."""
    rows = Rows()
    known: dict[int, Any] = {}
    change = 0
    for moment, bets in enumerate(looks):
        rows.look(1, [evolve(ANA, agency=each, bets=count) for each, count in bets.items()], moment)
        if data.draw(st.booleans()):
            change, found = told(rows, change)
            known.update({row[0]: row for row in found})
    _, found = told(rows, change)
    known.update({row[0]: row for row in found})
    assert known == {row[0]: row for row in told(rows)[1]}
