"""Text for a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lottery.agency.wording import about, counted, duration, fitted, line_of, shown


class TestShown:
    """What others have written."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("José Ñandú", "José Ñandú"),
            ("Jose\u0301", "José"),
            ("山田 太郎", "山田 太郎"),
            ("[red]Ana[/red] :smile:", "[red]Ana[/red] :smile:"),
            ("\x1b[2J", "\\x1b[2J"),
            ("a\r\nb\tc\x07", "a\\r\\nb\\tc\\x07"),
            ("\x9b31m", "\\x9b31m"),
            ("\u202egnp", "\\u202egnp"),
            ("a\u200db", "a\\u200db"),
            ("\u2028", "\\u2028"),
            ("x\ufe0f", "x\\ufe0f"),
            ("\U0001f44d\U0001f3fd", "\U0001f44d\\U0001f3fd"),
            ("\u1112\u1161\u11ab", "한"),
            ("\u1161", "\\u1161"),
            ("\udcff", "\\udcff"),
        ],
    )
    def test_text(self, text: str, expected: str) -> None:
        """Signs stay, what steers a terminal or deceives the eye is told by its number."""
        assert shown(text) == expected

    @given(st.text(st.characters(codec=None)))
    def test_nothing_steers(self, text: str) -> None:
        """Whatever it is, nothing is left that a terminal would not simply show."""
        assert shown(text).isprintable()
        assert not [c for c in shown(text) if unicodedata.category(c)[0] == "C"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-0.1, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 00 s"),
        (65, "1 min 05 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (4_000_000, "1,111 h 06 min"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    """Two units at most."""
    assert duration(seconds) == words


def test_counted() -> None:
    """One is one, and thousands are marked."""
    assert [counted(number, "bet") for number in (0, 1, 2000)] == ["0 bets", "1 bet", "2,000 bets"]


def test_about() -> None:
    """Three digits of a guess are enough."""
    guesses = (0, 7, 999, 1004, 1006, 269_693, 1_299_999)
    assert [about(guess) for guess in guesses] == [0, 7, 999, 1000, 1010, 270_000, 1_300_000]


class TestFitted:
    """A line of pieces."""

    PIECES = (("1,000 bets/s", "1,000/s"), ("5 seconds left", "5 s left"), ("2 back", "2"))

    @pytest.mark.parametrize(
        ("width", "line"),
        [
            (38, "1,000 bets/s | 5 seconds left | 2 back"),
            (37, "1,000/s | 5 s left | 2"),
            (22, "1,000/s | 5 s left | 2"),
            (21, "1,000/s | 5 s left"),
            (17, "1,000/s | 2"),
            (10, "1,000/s"),
            (1, "1,000/s"),
        ],
    )
    def test_width(self, width: int, line: str) -> None:
        """Long if there is room, else short, else fewer; the first one always."""
        assert fitted(self.PIECES, width) == line

    def test_wide_signs(self) -> None:
        """Columns are counted, not characters."""
        assert fitted((("漢字漢字", "漢字"),), 7) == "漢字"
        assert cell_len(fitted((("漢字漢字", "漢字"),), 8)) == 8


def test_line_of() -> None:
    """A line is text: no markup, no second line."""
    line = line_of("[bold]x", "red")
    assert (line.plain, line.no_wrap, line.overflow) == ("[bold]x", True, "ellipsis")
