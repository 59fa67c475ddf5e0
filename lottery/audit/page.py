"""The report of an audit as one page of HTML, which needs nothing else and asks nobody.

It holds no names and no documents of people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from lottery.audit.data import Audit
from lottery.audit.findings import AgencyReport, DrawReport
from lottery.audit.markup import NOTHING, escaped, table
from lottery.audit.proof import derived_number, seed_of
from lottery.audit.record import DrawRecord
from lottery.audit.report import summary
from lottery.audit.timeline import timeline

#: Bars of the chart; each is for so many numbers of the 10,000.
_BARS: Final = 100
_NUMBERS: Final = 10_000
_MOST_SHOWN: Final = 10

_STYLE: Final = """
:root { color-scheme: light dark; --bar: #2563a8; --bad: #b3261e; --good: #1b6e3c; --line: #8886; }
@media (prefers-color-scheme: dark) { :root { --bar: #7db3ee; --bad: #ff8a80; --good: #7fd6a0; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .good, .bad { font-weight: bold; }
svg { width: 100%; height: 10rem; }
svg rect { fill: var(--bar); } svg rect.won { fill: var(--bad); }
svg polygon { fill: var(--bar); }
svg line { stroke: var(--line); vector-effect: non-scaling-stroke; }
.ends { display: flex; justify-content: space-between; gap: 1rem; margin: .2rem 0;
  font-variant-numeric: tabular-nums; }
""".strip()

#: Nothing is loaded and nothing runs, whatever was found in a ledger.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page_of(audit: Audit, place: str, now: datetime) -> Iterator[str]:
    """Yield the page, piece by piece.

    :param place: what was checked, in words.
    :param now: when.
    """
    verdict, kind = ("Nothing differs", "good") if audit.is_clean else ("Something differs", "bad")
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{verdict}: audit of a lottery</title>\n<style>\n{_STYLE}\n</style>\n"
        "</head>\n<body>\n<main>\n"
    )
    yield f'<h1>Audit: <span class="{kind}">{verdict.lower()}</span></h1>\n'
    when = f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    said = escaped(summary(audit))
    yield f"<p>{escaped(place)}, checked at {when}. {said}.</p>\n"
    found = [str(each) for each in audit.differences]
    found += [f"draw {each.number}, {each.difference}" for each in audit.draws if each.difference]
    if found:
        items = "".join(f"<li>{escaped(each)}</li>\n" for each in found)
        note = "The check of a draw ends at its first one."
        yield f"<h2>Differences</h2>\n<p>{note}</p>\n<ul>{items}</ul>\n"
    for draw in audit.draws:
        yield from _draw(draw)
    yield "</main>\n</body>\n</html>\n"


def _draw(draw: DrawReport) -> Iterator[str]:
    yield f"<section>\n<h2>Draw {draw.number}: {escaped(draw.state)}</h2>\n"
    if draw.difference is not None:
        yield f'<p class="bad">{escaped(str(draw.difference))}</p>\n'
    yield table(
        "What was checked",
        ("check", "result"),
        [(name, "in order" if name in draw.checked else "not reached, or not there yet")
         for name in draw.checks],
    )  # fmt: skip
    for tail in draw.unfinished:
        place = f"{tail.segment}, byte {tail.at}"
        yield f"<p>{escaped(place)}: {tail.length:,} bytes are being written, or were cut.</p>\n"
    if draw.agencies:
        columns = ("agency", "dialect", "bets", "winners", "received", "outcome")
        yield table("Agencies", columns, map(_agency, draw.agencies), totals=_totals(draw))
    if draw.record is not None:
        yield from _seal(draw.record)
        yield from _proof(draw.record)
    if draw.numbers:
        yield from _chart(draw.numbers, draw.winning_number)
    if draw.entries:
        yield from timeline(draw)
    yield "<p>The ledger keeps no time of any one bet.</p>\n"
    if draw.entries:
        yield from _files(draw)
    yield "</section>\n"


def _files(draw: DrawReport) -> Iterator[str]:
    yield table(
        "Files, by the time when they were last written",
        ("UTC", "file", "bytes"),
        [(_moment(each.modified), each.name, each.bytes)
         for each in sorted(draw.entries, key=lambda entry: entry.modified)],
    )  # fmt: skip


def _agency(agency: AgencyReport) -> Sequence[object]:
    received = {None: None, True: "yes", False: "no"}[agency.received]
    dialect = "classic" if agency.classic else "lottery/1"
    bets, winners = agency.bets, agency.winners
    return (str(agency.agency), dialect, bets, winners, received, agency.outcome)


def _totals(draw: DrawReport) -> Sequence[object]:
    return ("all", None, draw.bets, draw.winners, None, None)


def _seal(record: DrawRecord) -> Iterator[str]:
    sealed = [each for each in (record.bets_csv, record.winners_csv) if each is not None]
    if sealed:
        rows = [(each.name, each.bets, each.size, each.sha256) for each in sealed]
        yield table("The seal", ("file", "bets", "bytes", "SHA-256"), rows)
        parts = [(str(part.agency), part.bets, part.sha256) for part in record.parts]
        yield table("Rows of each agency in bets.csv", ("agency", "bets", "SHA-256"), parts)


def _proof(record: DrawRecord) -> Iterator[str]:
    if record.commitment is None:
        if record.winning_number is not None:
            yield f"<h3>The number</h3>\n<p>{record.winning_number}, a fixed one.</p>\n"
        return
    rows: list[Sequence[object]] = [("promised: SHA-256 of the secret", record.commitment)]
    if record.secret is not None and record.bets_csv is not None:
        rows += [
            ("the secret", record.secret.hex()),
            ("SHA-256 of bets.csv", record.bets_csv.sha256),
            *((f"random bytes of agency {part.agency}", part.nonce.hex())
              for part in record.parts if part.succeeded and not part.classic),
            ("the seed", seed_of(record, record.secret).hex()),
            ("the number that it gives", str(derived_number(record, record.secret))),
            ("the number that was drawn", str(record.winning_number)),
        ]  # fmt: skip
    yield table("How the number was made", ("what", "value"), rows)


def _chart(numbers: Counter[int], winning_number: int | None) -> Iterator[str]:
    width = _NUMBERS // _BARS
    heights = [
        sum(numbers[number] for number in range(first, first + width))
        for first in range(0, _NUMBERS, width)
    ]
    most = max(heights)
    yield "<h3>Bets per number</h3>\n"
    label = f"Bets on each {width} numbers, from 0 to 9999; the tables below have the figures"
    box = f'viewBox="0 0 {_BARS} 100" preserveAspectRatio="none"'
    yield f'<svg {box} role="img" aria-label="{label}">\n'
    for bar, bets in enumerate(heights):
        first, height = bar * width, 100 * bets / most
        has_won = winning_number is not None and first <= winning_number < first + width
        size = f'x="{bar + 0.1:.1f}" y="{100 - height:.2f}" width="0.8" height="{height:.2f}"'
        title = f"<title>{first} to {first + width - 1}: {bets:,} bets</title>"
        yield f"<rect {size}{' class=won' if has_won else ''}>{title}</rect>\n"
    yield "</svg>\n"
    shown_numbers = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SHOWN]
    rows: list[Sequence[object]] = [(str(number), bets) for number, bets in shown_numbers]
    if winning_number is not None and winning_number not in dict(shown_numbers):
        rows.append((f"{winning_number}, the one that won", numbers[winning_number]))
    yield table("Numbers with the most bets", ("number", "bets"), rows)
    every = "\n".join(f"{number},{bets}" for number, bets in sorted(numbers.items()))
    yield (
        f"<details><summary>All {len(numbers):,} numbers with bets</summary>\n"
        f"<pre>number,bets\n{every}</pre>\n</details>\n"
    )


def _moment(nanoseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(nanoseconds / 1e9, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return NOTHING  # no day of any calendar; a file can be given any time
