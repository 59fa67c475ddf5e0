"""The terminal of the tests shows what a true one would, and refuses the rest."""

from __future__ import annotations

import pytest
from screen import Screen


def test_lines_are_broken_where_they_end() -> None:
    """At the last column, signs of two columns included, and marks of none."""
    screen = Screen(4)
    screen.write("abcdef\n漢字漢\ne\u0301e\u0301e\u0301e\u0301")
    assert screen.lines == ["abcd", "ef", "漢字", "漢", "e\u0301" * 4]


def test_cursor() -> None:
    """Lines are gone back to, cleared and written anew; colours are not seen."""
    screen = Screen(20)
    screen.write("one\ntwo\nthree")
    screen.write("\r\x1b[2K\x1b[1A\x1b[2K\x1b[1;31mTWO\x1b[0m\nTHREE")
    assert screen.lines == ["one", "TWO", "THREE"]
    assert screen.isatty()


@pytest.mark.parametrize(
    "text", ["\x07", "\t", "\x1b[?25l", "\x1b[2J", "\x1b[0K", "\x1b[9A", "\x1b"]
)
def test_refused(text: str) -> None:
    """What the display has no use for, or a terminal would do something else for."""
    with pytest.raises(AssertionError):
        Screen(20).write(text)
