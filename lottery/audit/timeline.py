"""The part of the page that is about the intake: how many bets were stored by when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Final

from lottery.audit.findings import DrawReport
from lottery.audit.intake import CHART_LINES, NAME, Intake
from lottery.audit.markup import table

#: The chart, in units of its own; it is stretched to the width of the page.
_WIDTH: Final = 1000
_HEIGHT: Final = 100
#: How often a central looks whether there is something to be noted.
_LOOK_SECONDS: Final = 10

_CAUTION: Final = (
    f"This is what {NAME} says. No seal covers that file and nothing is made of it: it may lack "
    "lines after a crash, and one that was changed and is still plausible can not be told from "
    "the true one. An audit finds only lines that are none, moments or counts that go down, and "
    "more bets than there are."
)


def timeline(draw: DrawReport) -> Iterator[str]:
    """Yield the section, if the draw was checked in detail."""
    if draw.record is None:
        return
    yield "<h3>Timeline of the intake</h3>\n"
    intake = draw.intake
    if intake is None:
        there = any(entry.name == NAME for entry in draw.entries)
        yield (
            f"<p>{NAME} is not as it should be, so there is nothing to be shown.</p>\n"
            if there
            else f"<p>There is none: the draw has no {NAME}, as one of an earlier version.</p>\n"
        )
        return
    if not intake.lines:
        yield f"<p>{NAME} has no line yet.</p>\n"
    else:
        yield f"<p>{_in_words(intake)}</p>\n"
        if intake.chart[0].second < intake.chart[-1].second:
            yield from _chart(intake)
    yield f"<p>{_CAUTION}</p>\n"
    if "segments" not in draw.checked:
        yield "<p>It was not held against the bets, for the check ended before that.</p>\n"
    if intake.torn:
        yield f"<p>{intake.torn:,} bytes at its end are no lines; a crash may leave such.</p>\n"
    if intake.lines:
        yield from _details(intake)


def _in_words(intake: Intake) -> str:
    first, last = intake.chart[0], intake.chart[-1]
    if intake.steepest is None:
        return f"One line: {last.bets:,} bets were stored by {last.moment} UTC."
    took = timedelta(seconds=last.second - first.second)
    said = (
        f"{first.bets:,} bets were stored by {first.moment} UTC, "
        f"{last.bets:,} by {last.moment} UTC, {took} later."
    )
    before, after = intake.steepest
    bets, seconds = after.bets - before.bets, after.second - before.second
    if first.bets == last.bets:
        return f"{said} None came in between."
    if not bets or not seconds:
        return said
    rate = bets / seconds
    speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:,.2g}"
    return (
        f"{said} The highest rate from line to line is {speed} bets a second, "
        f"between {before.moment} and {after.moment}: {bets:,} bets in {seconds:,} s."
    )


def _chart(intake: Intake) -> Iterator[str]:
    first, last = intake.chart[0], intake.chart[-1]
    span, most = last.second - first.second, max(last.bets, 1)

    def corner(second: float, bets: int) -> str:
        x, y = _WIDTH * (second - first.second) / span, _HEIGHT - _HEIGHT * bets / most
        return f"{x:.1f},{y:.2f}"

    label = f"Bets stored by when, from {first.bets:,} to {last.bets:,}; the table has the lines"
    yield f'<p class="ends"><span>{last.bets:,} bets</span></p>\n'
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none"'
    yield f'<svg {box} role="img" aria-label="{label}">\n'
    for part in range(5):
        at = _HEIGHT * part // 4
        yield f'<line x1="0" x2="{_WIDTH}" y1="{at}" y2="{at}"/>\n'
    # A central at work looks that often. Where a line is longer in coming, nothing came before.
    step = max(_LOOK_SECONDS, span / CHART_LINES)
    points = [corner(first.second, 0), corner(*first)]
    for before, line in pairwise(intake.chart):
        if line.second - before.second > step:
            points.append(corner(line.second - step, before.bets))
        points.append(corner(*line))
    points.append(corner(last.second, 0))
    yield f'<polygon points="{" ".join(points)}"/>\n</svg>\n'
    ends = f"<span>{first.moment}</span><span>{last.moment} UTC</span>"
    yield f'<p class="ends">{ends}</p>\n'


def _details(intake: Intake) -> Iterator[str]:
    count, shown = intake.lines, len(intake.table)
    every = f"All {count:,} lines" if count > 1 else "The line"
    summary = every if shown == count else f"{shown} of {count:,} lines, evenly chosen"
    yield f"<details><summary>{summary}</summary>\n"
    rows = [(line.moment, line.bets) for line in intake.table]
    yield table(f"{summary} of {NAME}", ("UTC", "bets"), rows)
    yield "</details>\n"
