"""Hypothesis strategies for bets: valid names, rows and batches, and batches with damage.

A row is the text ``first,last,document,birthdate,number`` without its end. ``TODAY`` is the day
on which all of it happens.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from hypothesis import strategies as st

TODAY: Final = date(2026, 3, 17)

NASTY: Final = (
    ',"\n\r\t\0\x0b\x1c\x1b\x7f\x85\xad\u2028\u202e\u200b\ue000\u0378'
    "\u00a0\u3000=+-@ 0aé\u00b2\u0663\uff18Ω"
)
"""Characters that parsers stumble over, with a few that are fine."""

_ASCII = "".join(chr(point) for point in range(0x20, 0x7F) if chr(point) not in ',"')
_LATIN = "áéíóúüñÁÉÍÓÚÜÑçãõßøŁőǅÿĀ\u023f\u0301\u0303\u033f"
_RARE_LATIN = "¡«»\u024f\u036f\u1e00ệ\u1eff"
_OTHER_SCRIPTS = "ΩжШ中村あ한العब\u0308😀\u00a0\u2003\u3000"


def _is_name(text: str) -> bool:
    return not text.isspace() and text[0] not in "=+-@"


def common_names() -> st.SearchStrategy[str]:
    """Names of Latin letters in up to 64 bytes that start with one: the fast check knows them."""
    names = st.text(_ASCII + _LATIN, min_size=1, max_size=64)
    return names.filter(
        lambda name: (
            _is_name(name) and name[0] not in " \u0301\u0303\u033f" and len(name.encode()) <= 64
        )
    )


def names() -> st.SearchStrategy[str]:
    """Any valid name, also in other scripts, with leading blanks and blanks beyond ASCII."""
    anything = st.text(_ASCII + _LATIN + _RARE_LATIN + _OTHER_SCRIPTS, min_size=1, max_size=64)
    return st.one_of(common_names(), anything.filter(_is_name))


def digits(most: int) -> st.SearchStrategy[str]:
    """One to ``most`` ASCII digits, leading zeros included."""
    return st.text("0123456789", min_size=1, max_size=most)


def common_birthdates() -> st.SearchStrategy[str]:
    """Real days from 1900 to the end of last year, leap days more often than chance has them."""
    leap_days = st.integers(1904 // 4, 2024 // 4).map(lambda year: date(4 * year, 2, 29))
    days = st.dates(date(1900, 1, 1), date(TODAY.year - 1, 12, 31))
    return st.one_of(days, leap_days).map(date.isoformat)


def birthdates() -> st.SearchStrategy[str]:
    """Real days from 1900 up to today."""
    this_year = st.dates(date(TODAY.year, 1, 1), TODAY).map(date.isoformat)
    return st.one_of(common_birthdates(), this_year)


def _rows(names: st.SearchStrategy[str], days: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(names, names, digits(15), days, digits(4)).map(",".join)


def common_rows() -> st.SearchStrategy[str]:
    """Valid rows that the fast check has to know."""
    return _rows(common_names(), common_birthdates())


def rows() -> st.SearchStrategy[str]:
    """Any valid row."""
    return _rows(names(), birthdates())


def row_lists(row: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[list[str]]:
    """The rows of a batch, none to twelve of them."""
    return st.lists(rows() if row is None else row, max_size=12)


def batch(rows: list[str], end: str) -> str:
    """The rows as the text of a batch: each followed by ``end``."""
    return "".join(row + end for row in rows)


@st.composite
def damaged_batches(draw: st.DrawFn, end: str) -> str:
    """The text of a batch with up to three pieces cut out, put in or replaced.

    Some of the damage does no harm: what comes out may be valid.
    """
    text = batch(draw(row_lists()), end)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 3)))
        piece = draw(st.one_of(st.text(NASTY, max_size=3), st.text(max_size=2)))
        text = text[:start] + piece + text[stop:]
    return text


@st.composite
def damaged_payloads(draw: st.DrawFn, end: str) -> bytes:
    """The bytes of a batch, damaged byte by byte, so that they may be no UTF-8 at all."""
    payload = bytearray(batch(draw(row_lists()), end).encode())
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(payload)))
        payload[start : start + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(payload)
