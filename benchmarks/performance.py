"""The table of what is asked of the central, measured.

    python benchmarks/performance.py [--full] [--folder DIR]

Without ``--full``: rows 1 to 5, 7 and 13 in one reduced round, within minutes. With it: every row,
five rounds for those that compare, the hostile agencies and two plots, written into
``docs/performance.md`` between its marks and beside it. Figures that do not keep their limit are
named as such; the exit status is 1 only if something did not work at all.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import rows
from group_commit import file_system_of, flush_cost_ms
from measures import measure
from plots import svg
from rows import Figure, Size
from streams import CLASSIC, LOTTERY1, stream_of

FULL: Final = Size(1.0, 5)
REDUCED: Final = Size(0.2, 1)
DOCS: Final = Path(__file__).parent.parent / "docs"
BEGIN: Final = "<!-- measured by make bench-full: begin -->\n"
END: Final = "<!-- measured by make bench-full: end -->\n"
_BATCHES: Final = (1, 3, 10, 30, 70, 140)


def reduced(folder: Path) -> list[Figure]:
    """Measure the rows that a change may spoil unseen."""
    figures, _, _ = rows.throughput(folder, REDUCED)
    figures += rows.hundred_agencies(folder, REDUCED)
    figures += rows.stop_and_wait(folder, REDUCED)
    return [*figures, writer_started()]


def full(folder: Path) -> tuple[list[Figure], dict[str, str]]:
    """Measure everything; gives the plots by the name of their file, too."""
    figures, small, large = rows.throughput(folder, FULL)
    for row in (rows.hundred_agencies, rows.large_draw, rows.stop_and_wait):
        figures += row(folder, FULL)
    figures += rows.thousand_agencies(folder, FULL, large.rate("central"))
    figures += rows.idle_agencies(folder, FULL, small.rate("central"))
    grown, costs = rows.many_bets(folder, FULL)
    figures += grown
    figures += agency_sent()
    figures += rows.start_up(folder, FULL)
    figures.append(writer_started())
    figures.append(beside_hostile())
    figures.append(watched())
    plots = {
        "throughput.svg": throughput_plot(folder),
        "cost.svg": svg(
            "What a million bets cost as bets grow",
            "million bets stored",
            "CPU seconds a million, all processes",
            {"central": [(round(bets, 2), round(cost, 3)) for bets, cost in costs]},
        ),
    }
    return figures, plots


def throughput_plot(folder: Path) -> str:
    """Draw bets per second against the bets of a batch."""
    lines: dict[str, list[tuple[float, float]]] = {CLASSIC: [], LOTTERY1: [], "baseline": []}
    for batch in _BATCHES:
        for name, points in lines.items():
            bets = min(20_000 if name == "baseline" else 400_000, batch * 20_000)
            server = "baseline" if name == "baseline" else "central"
            stream = stream_of(LOTTERY1 if name == LOTTERY1 else CLASSIC, bets, batch)
            rates = [measure(server, folder, stream, 5).rate for _ in range(3)]
            points.append((batch, round(statistics.median(rates) / 1e6, 3)))
    return svg(
        "How fast bets are taken in, 5 agencies, no window",
        "bets in a batch",
        "million bets a second",
        lines,
    )


def writer_started() -> Figure:
    """Row 13: a writer child."""
    (median,) = said_by("writer_start", r"median ([0-9.]+) ms")
    return Figure(13, "spawn to first acknowledgement", median, 60.0, "ms")


def agency_sent() -> list[Figure]:
    """Row 11: the agency's own speed and memory."""
    rate, peak, part = said_by(
        "agency_speed", r"sent +([0-9,]+) bets/s.*memory +([0-9.]+) MiB.*, ([0-9.]+) MiB"
    )
    return [
        Figure(11, "lottery agency sends, bets/s", rate, 700_000, at_least=True),
        Figure(11, "memory beyond what a hundredth takes", peak - part, 2.0, "MiB"),
    ]


def beside_hostile() -> Figure:
    """What hostile agencies cost the others."""
    (ratio,) = said_by("hostile", r"ratio ([0-9.]+)")
    return Figure(0, "p99 beside hostile agencies, over without", ratio, 2.0, "x")


def watched() -> Figure:
    """What the status page with 200 open pages costs the intake."""
    (ratio,) = said_by("status_page", r"ratio ([0-9.]+)")
    return Figure(0, "row 2 with 200 pages open, over without", ratio, 0.95, "x", at_least=True)


def said_by(program: str, pattern: str) -> list[float]:
    """Run a benchmark on its own and give the figures that it prints.

    What it measures of its children would have this process in it: how much memory they take,
    how long a fork lasts; and a reactor runs once in a process.
    """
    command = [sys.executable, str(Path(__file__).with_name(f"{program}.py"))]
    said = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False).stdout
    print(said)
    found = re.search(pattern, said, re.DOTALL)
    if found is None:
        raise SystemExit(f"{program} has said {said!r}")
    return [float(each.replace(",", "")) for each in found.groups()]


def line(figure: Figure) -> str:
    """Write a figure as a row of a table."""
    wanted = f"{'at least' if figure.at_least else 'at most'} {figure.limit:,g}"
    value = f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:.3g}"
    verdict = "" if figure.holds else "**missed**"
    row = figure.row or ""
    return f"| {row} | {figure.what} | {value} {figure.unit} | {wanted} | {verdict} |"


def table(folder: Path, figures: list[Figure]) -> str:
    """Write all figures, and what they were measured on."""
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    flush = f"100 kB appended and flushed in {flush_cost_ms(folder):.2f} ms"
    disk = f"{file_system_of(folder)} ({flush})"
    head = f"{when}, {machine}, {disk}; the load from the same machine.\n"
    rule = "| row | what | measured | wanted | |\n|---|---|---|---|---|"
    return "\n".join([head, rule, *map(line, figures), ""])


def write_docs(text: str, plots: dict[str, str]) -> None:
    """Put the table into the page, and the plots beside it."""
    page = DOCS / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    images = "".join(f"\n![{name.removesuffix('.svg')}]({name})\n" for name in plots)
    page.write_text(f"{before}{BEGIN}{text}{images}{END}{after}", encoding="utf-8")
    for name, drawing in plots.items():
        (DOCS / name).write_text(drawing, encoding="utf-8")


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="every row, for minutes, into docs/")
    parser.add_argument("--folder", help="where the data goes; it has to be on a disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if options.full:
            figures, plots = full(folder)
            text = table(folder, figures)
            write_docs(text, plots)
        else:
            text = table(folder, reduced(folder))
    print(text)


if __name__ == "__main__":
    main()
