"""The table of the first winners."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from screen import columns_of

from lottery.agency.winners_table import winners_table

ROWS = ["Ana,Gil,30904465,2000-01-01,7574", "José,Ñandú,000000000000042,1999-03-17,7574"]


def drawn(rows: list[str], width: int) -> list[str]:
    """The lines of a table, without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(winners_table(rows, width))
    return [line.rstrip() for line in capture.get().rstrip("\n").split("\n")]


def test_wide() -> None:
    """All columns."""
    assert drawn(ROWS, 80) == [
        "╭─────────────────┬────────────┬────────────┬────────╮",
        "│        document │ name       │ birthdate  │ number │",
        "├─────────────────┼────────────┼────────────┼────────┤",
        "│        30904465 │ Ana Gil    │ 2000-01-01 │   7574 │",
        "│ 000000000000042 │ José Ñandú │ 1999-03-17 │   7574 │",
        "╰─────────────────┴────────────┴────────────┴────────╯",
    ]


def test_narrow() -> None:
    """Whom to pay."""
    assert drawn(ROWS, 40) == [
        "╭─────────────────┬────────────╮",
        "│        document │ name       │",
        "├─────────────────┼────────────┤",
        "│        30904465 │ Ana Gil    │",
        "│ 000000000000042 │ José Ñandú │",
        "╰─────────────────┴────────────╯",
    ]


@pytest.mark.parametrize("width", [40, 59, 60, 80, 200])
@pytest.mark.parametrize(
    "name", ["A" * 64, "漢" * 64, "e\u0301x" * 32, "[red]", ":smile:", "\x1b[2J", "\u202e" * 64]
)
def test_long_names(name: str, width: int) -> None:
    """Only names are cut off; every line is as long as the others, and none fills the terminal."""
    lines = drawn([f"{name},{name},000000000000042,1999-03-17,7574"], width)
    assert len(lines) == 5
    assert len({sum(map(columns_of, line)) for line in lines}) == 1
    assert sum(map(columns_of, lines[0])) < width
    assert "│ 000000000000042 │ " in lines[3]
    assert not [c for line in lines for c in line if unicodedata.category(c)[0] == "C"]


@pytest.mark.parametrize("width", [40, 80])
def test_marks_with_columns_of_their_own(width: int) -> None:
    """A terminal that gives marks of Devanagari a column breaks no line of theirs."""
    name = "कि" * 32
    lines = drawn([f"{name},{name},1,1999-03-17,7574", *ROWS], width)
    assert max(sum(map(columns_of, line)) for line in lines) < width


@given(
    st.text(st.characters(codec=None, exclude_characters=",\n"), max_size=64),
    st.text(st.characters(codec="utf-8", exclude_characters=",\n"), max_size=64),
    st.integers(30, 100),
)
def test_any_fields(name: str, figure: str, width: int) -> None:
    """A central may tell anything: it stays within the terminal."""
    lines = drawn([f"{name},{name},{figure},{figure},7"], width)
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)
