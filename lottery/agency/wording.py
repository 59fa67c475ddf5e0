"""Text for a terminal: names that harm nobody, numbers, times, and lines that fit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

#: A long form of something, and a short one.
Piece = tuple[str, str]

_BETWEEN = " | "
#: Signs that become one with another: variations, colours of skin, halves of flags, letters of
#: Hangul. Terminals do not agree on how wide that is.
_JOINING = re.compile(
    "[\ufe00-\ufe0f\U000e0100-\U000e01ef\U0001f3fb-\U0001f3ff\U0001f1e6-\U0001f1ff"
    "\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]"
)


def shown(text: str) -> str:
    """``text`` with everything that a terminal would not simply show written as an escape."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        c if c.isprintable() and not _JOINING.match(c) else c.encode("unicode_escape").decode()
        for c in composed
    )


def duration(seconds: float) -> str:
    """A time in words, as ``16 s``, ``1 min 05 s`` or ``2 h 07 min``."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02d} min"


def counted(number: int, thing: str) -> str:
    """``1 bet``, ``2,000 bets``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def about(number: int) -> int:
    """A guessed number in three digits: the others would flicker."""
    return round(number, min(3 - len(str(number)), 0))


def fitted(pieces: Sequence[Piece], width: int) -> str:
    """Put the pieces of a line together so that it fits, the first ones first."""
    for chosen in ([long for long, _ in pieces], [short for _, short in pieces]):
        if cell_len(line := _BETWEEN.join(chosen)) <= width:
            return line
    line, *others = [short for _, short in pieces]
    for other in others:
        if cell_len(line + _BETWEEN + other) <= width:
            line += _BETWEEN + other
    return line


def line_of(text: str, style: str = "") -> Text:
    """One line, cut off with an ellipsis if it does not fit."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")
