"""What it costs to flush before every acknowledgement: nearly nothing, as flushes are shared.

    python benchmarks/group_commit.py [--pairs N] [--bets N] [--folder DIR]

Five classic agencies send everything at once, in batches of 140. Each pair of rounds has one with
all flushes and one of the same central in which no process flushes anything; who comes first
alternates. The design wants the median of the paired ratios at 0.85 or above, else the exit
status is 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

from measures import Measured, measure, median_ratio
from streams import CLASSIC, stream_of

LIMIT: Final = 0.85
AGENCIES: Final = 5
BATCH: Final = 140
BETS: Final = 400_000
PAIRS: Final = 9

#: A file system of memory has no flush that could cost anything.
_NO_DISK: Final = ("tmpfs", "ramfs")


def file_system_of(folder: Path) -> str:
    """Name the file system that a folder is on."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == wanted:
            return source.split()[0]
    return "unknown"


def flush_cost_ms(folder: Path, size: int = 100_000, times: int = 50) -> float:
    """Give the median of what it takes to append so many bytes and flush them, in ms."""
    path, costs = folder / "flushed", []
    with path.open("ab", buffering=0) as file:
        for _ in range(times):
            started = perf_counter()
            file.write(bytes(size))
            os.fdatasync(file.fileno())
            costs.append((perf_counter() - started) * 1e3)
    path.unlink()
    return statistics.median(costs)


def compare(folder: Path, pairs: int, bets: int) -> float:
    """Play all rounds in a folder, print what came of them, and give the median ratio."""
    print(f"disk: {file_system_of(folder)}, 100 kB appended and flushed in ", end="")
    print(f"{flush_cost_ms(folder):.2f} ms (median)")
    stream = stream_of(CLASSIC, bets, BATCH)
    played: dict[bool, list[Measured]] = {True: [], False: []}
    for pair in range(pairs):
        for flushes in (True, False) if pair % 2 else (False, True):
            found = measure("central", folder, stream, AGENCIES, flushes=flushes)
            # The probe has to have been in force, or the figures mean nothing.
            if not found.flushes:
                raise SystemExit("the writers have not counted their flushes")
            played[flushes].append(found)
        with_flush, without = played[True][-1].rate, played[False][-1].rate
        print(f"pair {pair + 1}: {with_flush:,.0f} bets/s with flush, {without:,.0f} without")
    rates = {flushes: [each.rate for each in played[flushes]] for flushes in played}
    ratios = [one / other for one, other in zip(rates[True], rates[False], strict=True)]
    costs = [each for found in played[True] for each in found.flushes]
    print(f"{AGENCIES} agencies, {bets:,} bets each, batches of {BATCH}, no window, {pairs} pairs")
    for flushes, name in ((True, "with flush"), (False, "without")):
        print(f"{name:<11} {statistics.median(rates[flushes]):>9,.0f} bets/s (median)")
    print(f"a flush     {statistics.median(costs) * 1e3:>9.2f} ms (median), ", end="")
    print(f"for {pairs * AGENCIES * stream.batches / len(costs):.1f} batches (mean)")
    median = median_ratio(rates[True], rates[False])
    print(f"ratio       {median:>9.3f} (median), from {min(ratios):.3f} to {max(ratios):.3f}")
    return median


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of rounds")
    parser.add_argument("--bets", type=int, default=BETS, help="of each agency")
    parser.add_argument("--folder", help="where the data goes; it has to be on a disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if file_system_of(Path(folder)) in _NO_DISK:
            raise SystemExit(f"{folder} is in memory, --folder has to name one that is on a disk")
        if compare(Path(folder), options.pairs, options.bets) < LIMIT:
            raise SystemExit(f"the median ratio is below {LIMIT}")


if __name__ == "__main__":
    main()
