"""What it costs to flush before every acknowledgement: nearly nothing, as flushes are shared.

    python benchmarks/group_commit.py [--pairs N] [--bets N] [--folder DIR]

Five classic agencies send everything at once, in batches of 140. Each pair of rounds has one with
all flushes and one of the same central in which no process flushes anything; who comes first
alternates. The design wants the median of the paired ratios at 0.85 or above, else the exit
status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from lottery.agency.sample_day import AgencyDay, rows
from lottery.settings import CENTRAL

LIMIT: Final = 0.85
AGENCIES: Final = 5
BATCH: Final = 140
BETS: Final = 400_000
PAIRS: Final = 9
PATIENCE_SECONDS: Final = 60.0

#: A file system of memory has no flush that could cost anything.
_NO_DISK: Final = ("tmpfs", "ramfs")
_PROBE: Final = Path(__file__).parent / "flush_probe"
_LISTENING: Final = re.compile(r"accept_connections \| result: in_progress .*\| port: (\d+)")
_STORED: Final = b"\x02"
_SEND_BYTES: Final = 256 << 10


class Stream(NamedTuple):
    """What an agency sends: ``first`` is a batch of its own, ``rest`` are ``batches`` of them."""

    first: bytes
    rest: bytes
    batches: int
    bets: int


class Round(NamedTuple):
    """What came of one round.

    ``flush_seconds`` has a value for each flush of a writer.
    """

    bets_per_second: float
    writers: int
    flush_seconds: list[float]


def stream_of(bets: int) -> Stream:
    """Build the frames of so many bets."""
    day = list(rows(AgencyDay(agency=1, bets=bets, winners=bets // 1000, seed=1)))
    frames = []
    for start in range(0, bets, BATCH):
        payload = "".join(f"{row}," for row in day[start : start + BATCH]).encode()
        if len(payload) > 8192:
            raise SystemExit(f"{BATCH} bets take {len(payload)} bytes, a frame has 8192")
        frames.append(b"\x01" + len(payload).to_bytes(2, "big") + payload)
    return Stream(frames[0], b"".join(frames[1:]), len(frames) - 1, bets - len(day[:BATCH]))


class Agency:
    """A connection that sends all that it has as fast as it is taken, and reads meanwhile."""

    def __init__(self, port: int, stream: Stream) -> None:
        """Connect and have the first batch stored, so that the writer is up."""
        self._left = memoryview(stream.rest)
        self._unanswered = stream.batches
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(stream.first)
        if self.socket.recv(1) != _STORED:
            raise SystemExit("the first batch of an agency was not acknowledged")
        self.socket.setblocking(False)

    @property
    def interest(self) -> int:
        """What it waits for: to send, to read, or nothing (0) when all is acknowledged."""
        if not self._unanswered:
            return 0
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._left else 0)

    def move(self, events: int) -> None:
        """Send and read what is possible now."""
        if events & selectors.EVENT_WRITE:
            self._left = self._left[self.socket.send(self._left[:_SEND_BYTES]) :]
        if events & selectors.EVENT_READ:
            answers = self.socket.recv(65536)
            self._unanswered -= len(answers)
            if not answers or answers.strip(_STORED) or self._unanswered < 0:
                raise SystemExit("a batch was not acknowledged, or more than there are")


def upload(port: int, stream: Stream) -> tuple[list[Agency], float]:
    """Send everything; gives the agencies and the seconds to the last acknowledgement."""
    agencies = [Agency(port, stream) for _ in range(AGENCIES)]
    with selectors.DefaultSelector() as selector:
        for agency in agencies:
            selector.register(agency.socket, agency.interest, agency)
        started = perf_counter()
        while selector.get_map():
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                raise SystemExit(f"nothing moved for {PATIENCE_SECONDS:g} s")
            for key, events in ready:
                agency = key.data
                agency.move(events)
                if not agency.interest:
                    selector.unregister(agency.socket)
                elif agency.interest != key.events:
                    selector.modify(agency.socket, agency.interest, agency)
        return agencies, perf_counter() - started


@contextmanager
def central(folder: Path, flushes: bool) -> Iterator[int]:
    """Run a central in a folder and give its port; it has to end well."""
    ours = {name for setting in CENTRAL for name in setting.environment}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    paths = [str(_PROBE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **kept,
        "PYTHONPATH": os.pathsep.join(paths),
        "FLUSH_PROBE_REPORTS": str(folder),
        "FLUSH_PROBE_OFF": "0" if flushes else "1",
    }
    words = ("--listen", "tcp:0:interface=127.0.0.1", "--agencies", str(AGENCIES))
    command = (sys.executable, "-m", "lottery", "serve", *words, "--data-dir", str(folder / "data"))
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            assert process.stdout is not None
            found = next(filter(None, map(_LISTENING.search, process.stdout)), None)
            if found is None:
                raise SystemExit(f"the central has ended with {process.wait()}")
            yield int(found[1])
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            if process.wait(PATIENCE_SECONDS):
                raise SystemExit(f"the central has ended with {process.returncode}")
        finally:
            process.kill()


def play(folder: Path, stream: Stream, flushes: bool) -> Round:
    """Play one round in a folder that is not there yet, and leave nothing of it."""
    folder.mkdir()
    with central(folder, flushes) as port:
        agencies, seconds = upload(port, stream)
        # All at once, or the draw would begin to close for those who are gone already.
        for agency in agencies:
            agency.socket.close()
    reports = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    writers = [report["seconds"] for report in reports if report["program"] == "writer"]
    segments = list(folder.glob("data/draws/000001/segment-*.log"))
    # The probe has to have been in force in all of them, or the figures mean nothing.
    if not writers or len(writers) != len(segments) or not all(writers):
        raise SystemExit(f"{len(writers)} of {len(segments)} writers have counted their flushes")
    if sum(path.stat().st_size for path in segments) < AGENCIES * len(stream.rest):
        raise SystemExit("the segments have less than was acknowledged")
    shutil.rmtree(folder)
    flush_seconds = [each for writer in writers for each in writer]
    return Round(AGENCIES * stream.bets / seconds, len(writers), flush_seconds)


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


def measure(folder: Path, pairs: int, bets: int) -> float:
    """Play all rounds in a folder, print what came of them, and give the median ratio."""
    print(f"disk: {file_system_of(folder)}, 100 kB appended and flushed in ", end="")
    print(f"{flush_cost_ms(folder):.2f} ms (median)")
    stream = stream_of(bets)
    played: dict[bool, list[Round]] = {True: [], False: []}
    for pair in range(pairs):
        for flushes in (True, False) if pair % 2 else (False, True):
            played[flushes].append(play(folder / "round", stream, flushes))
        with_flush, without = played[True][-1].bets_per_second, played[False][-1].bets_per_second
        print(f"pair {pair + 1}: {with_flush:,.0f} bets/s with flush, {without:,.0f} without")
    rates = {flushes: [each.bets_per_second for each in played[flushes]] for flushes in played}
    ratios = [one / other for one, other in zip(rates[True], rates[False], strict=True)]
    costs = [each for round_ in played[True] for each in round_.flush_seconds]
    batches = pairs * AGENCIES * (stream.batches + 1)
    median = statistics.median(ratios)
    print(f"{AGENCIES} agencies, {bets:,} bets each, batches of {BATCH}, no window, {pairs} pairs")
    for flushes, name in ((True, "with flush"), (False, "without")):
        print(f"{name:<11} {statistics.median(rates[flushes]):>9,.0f} bets/s (median)")
    print(f"a flush     {statistics.median(costs) * 1e3:>9.2f} ms (median), ", end="")
    print(f"for {batches / len(costs):.1f} batches (mean)")
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
        if measure(Path(folder), options.pairs, options.bets) < LIMIT:
            raise SystemExit(f"the median ratio is below {LIMIT}")


if __name__ == "__main__":
    main()
