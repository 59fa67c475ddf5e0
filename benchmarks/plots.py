"""Draws lines into an SVG: small enough to be read, and the same for the same values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Final
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]

_WIDTH: Final = 640
_HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 130, 40, 50
_COLOURS: Final = ("#1b6ca8", "#c0392b", "#2e7d32", "#8e44ad")


def step_of(highest: float) -> float:
    """Give the distance of lines across: 1, 2 or 5 times a power of ten, five lines or so."""
    rough = highest / 5
    power: float = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def svg(title: str, across: str, up: str, lines: Mapping[str, Points]) -> str:
    """Draw lines by name, both axes from 0.

    :param across: what the values of the horizontal axis are, ``up`` those of the other.
    """
    most_x = max(x for points in lines.values() for x, _ in points)
    step_x, step_y = step_of(most_x), step_of(max(y for each in lines.values() for _, y in each))
    steps = int(max(y for each in lines.values() for _, y in each) / step_y) + 1
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + wide * x / most_x, _TOP + high * (1 - y / (steps * step_y))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        f"<title>{escape(title)}</title>",
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, "start", ' font-size="15"'),
        _text(_LEFT + wide / 2, _HEIGHT - 12, across),
        f'<g transform="rotate(-90 16 {_TOP + high / 2})">{_text(16, _TOP + high / 2, up)}</g>',
    ]
    for number in range(steps + 1):
        x, y = place(0, number * step_y)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{wide}" stroke="#ddd"/>')
        parts.append(_text(x - 6, y + 4, f"{number * step_y:g}", "end"))
    for number in range(int(most_x / step_x) + 1):
        x, y = place(number * step_x, 0)
        parts.append(_text(x, y + 18, f"{number * step_x:g}"))
    for (name, points), colour in zip(lines.items(), _COLOURS, strict=False):
        places = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        parts.append(_text(x + 8, y + 4, name, "start", f' fill="{colour}"'))
    return "\n".join([*parts, "</g>", "</svg>\n"])


def _text(x: float, y: float, words: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'
