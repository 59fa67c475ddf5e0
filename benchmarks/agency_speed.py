"""How fast an agency sends its bets, and how much memory that takes, however many they are.

    python benchmarks/agency_speed.py [--bets N] [--rounds N]

``lottery agency`` sends a file to ``agency_sink.py``, which only acknowledges: what is measured is
the agency alone, with the batch size and the window that it has when nothing is said about them.
The file is sent ``--rounds`` times, and a hundredth of it as often. The design wants the median at
700,000 bets/s or above, and for the whole file no more than 2 MiB of memory beyond what the
hundredth takes, else the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from lottery.agency.sample_day import AgencyDay, rows
from lottery.settings_table import AGENCY

LIMIT: Final = 700_000
FLAT_MIB: Final = 2.0
BETS: Final = 2_000_000
ROUNDS: Final = 3
PART: Final = 100
PATIENCE_SECONDS: Final = 60.0

#: As many different rows are made up; a larger file has them over and over.
_DIFFERENT: Final = 100_000
_SINK: Final = Path(__file__).with_name("agency_sink.py")
_LISTENING: Final = re.compile(r"port: (\d+)\n")


class Round(NamedTuple):
    """What came of one errand."""

    bets_per_second: float
    peak_kib: int


def write_bets(path: Path, bets: int) -> None:
    """Write a file of so many bets."""
    day = [f"{row}\n" for row in rows(AgencyDay(1, min(bets, _DIFFERENT), 0, seed=1))]
    with path.open("w", encoding="utf-8", newline="") as file:
        for start in range(0, bets, _DIFFERENT):
            file.writelines(day[: bets - start])


def send(path: Path, bets: int) -> Round:
    """Have an agency send a file to a sink; both have to end well."""
    command = (sys.executable, str(_SINK))
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as sink:
        try:
            assert sink.stdout is not None
            found = _LISTENING.fullmatch(sink.stdout.readline())
            if found is None:
                raise SystemExit("the sink does not listen")
            peak_kib = run_agency(path, int(found[1]))
            answer, _ = sink.communicate(timeout=PATIENCE_SECONDS)
        finally:
            sink.kill()
    if sink.returncode:
        raise SystemExit(f"the sink has ended with {sink.returncode}")
    came = json.loads(answer)
    if came["bets"] != bets:
        raise SystemExit(f"{came['bets']} bets have come, not {bets}")
    return Round(bets / came["seconds"], peak_kib)


def run_agency(path: Path, port: int) -> int:
    """Run the errand of a file; gives the most memory that it took, in KiB."""
    ours = {name for setting in AGENCY for name in setting.environment}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    words = ("--id", "1", "--server", f"127.0.0.1:{port}", "--log-level", "WARNING")
    ways = ("--output", str(path.with_suffix(".winners")), "--retry-for", "1")
    command = (sys.executable, "-m", "lottery", "agency", str(path), *words, *ways)
    process = os.posix_spawn(sys.executable, command, environment)
    # Only here the kernel tells what this child alone has taken.
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"the agency has ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss


def measure(folder: Path, bets: int = BETS, rounds: int = ROUNDS) -> tuple[float, float]:
    """Send both files so often; gives the median of bets/s, and by how many MiB memory grows."""
    part = max(1, bets // PART)
    whole_file, part_file = folder / "whole.csv", folder / "part.csv"
    write_bets(whole_file, bets)
    write_bets(part_file, part)
    parts = [send(part_file, part) for _ in range(rounds)]
    wholes = [send(whole_file, bets) for _ in range(rounds)]
    rates = [each.bets_per_second for each in wholes]
    peak, part_peak = (max(each.peak_kib for each in some) for some in (wholes, parts))
    print(f"sent        {statistics.median(rates):>9,.0f} bets/s (median), ", end="")
    print(f"from {min(rates):,.0f} to {max(rates):,.0f}, {rounds} times {bets:,} bets")
    print(f"peak memory {peak / 1024:>9.1f} MiB for {bets:,} bets, ", end="")
    print(f"{part_peak / 1024:.1f} MiB for {part:,}")
    return statistics.median(rates), (peak - part_peak) / 1024


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bets", type=int, default=BETS, help="in the file")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of both files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rate, growth = measure(Path(folder), options.bets, options.rounds)
    if rate < LIMIT:
        raise SystemExit(f"the median is below {LIMIT:,} bets/s")
    if growth > FLAT_MIB:
        raise SystemExit(f"the peak grows by {growth:.1f} MiB, more than {FLAT_MIB:g}")


if __name__ == "__main__":
    main()
