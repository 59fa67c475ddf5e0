"""The rows of the table: what is asked of the central, each as a function that measures it.

A row that compares does it in rounds, in each of which every server has its turn under the same
load; who comes first alternates. What counts is the median of the rounds' ratios.
"""

from __future__ import annotations

import resource
import statistics
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Final

import load
import servers
from attrs import frozen
from measures import QUIET, Measured, Sampler, StallProbe, empty, measure, median_ratio
from streams import CLASSIC, LOTTERY1, stream_of

from lottery.wire import lottery1
from lottery.wire.messages import Hello

_MIB: Final = 1 << 20
_HERE: Final = Path(__file__).parent


@frozen
class Size:
    """How much is measured: all of it, or so little that it is done in minutes.

    ``share`` of the bets of each row, in so many rounds.
    """

    share: float
    rounds: int

    def bets(self, whole: int) -> int:
        """Give how many bets of each agency stand for so many."""
        return max(1, int(whole * self.share))


@frozen
class Figure:
    """A figure of a row: its value, and the limit that it has to keep."""

    row: int
    what: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it keeps its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


Figures = Iterator[Figure]


class Rounds:
    """The rounds of rows 1 to 4: several servers and dialects, one after the other."""

    def __init__(self, folder: Path, size: Size, bets: int, batch: int) -> None:
        # All but the baseline, which needs none of it, have full streams: they take less than
        # a second, of which starting a writer must not be half.
        whole = stream_of(CLASSIC, bets, batch)
        streams = {"baseline": stream_of(CLASSIC, size.bets(bets), batch), "sink": whole}
        streams |= {"central": whole, "lottery/1": stream_of(LOTTERY1, bets, batch)}
        self.measured: dict[str, list[Measured]] = {name: [] for name in streams}
        for number in range(size.rounds):
            for name in list(streams) if number % 2 else reversed(list(streams)):
                server = "central" if name == "lottery/1" else name
                self.measured[name].append(measure(server, folder, streams[name], 5))

    def rate(self, name: str) -> float:
        """Give the median of a server's bets per second."""
        return statistics.median(each.rate for each in self.measured[name])

    def ratio(self, what: str, name: str, other: str) -> float:
        """Give the median of the ratios of two servers."""
        values = {
            each: [getattr(one, what) for one in self.measured[each]] for each in (name, other)
        }
        return median_ratio(values[name], values[other])

    def cpu(self) -> float:
        """Give by how much less processor time the central takes than the baseline."""
        return self.ratio("cpu", "baseline", "central")


def throughput(folder: Path, size: Size) -> tuple[list[Figure], Rounds, Rounds]:
    """Rows 1 to 4; gives the rounds, too."""
    small = Rounds(folder, size, 200_000, 10)
    large = Rounds(folder, size, 400_000, 140)
    ratio, over = "times the baseline's bets/s", "times the sink's bets/s"
    return (
        [
            Figure(1, ratio, small.ratio("rate", "central", "baseline"), 14, "x", at_least=True),
            Figure(2, ratio, large.ratio("rate", "central", "baseline"), 6, "x", at_least=True),
            Figure(2, over, large.ratio("rate", "central", "sink"), 0.25, "x", at_least=True),
            Figure(
                3,
                "times row 2",
                large.ratio("rate", "lottery/1", "central"),
                1.3,
                "x",
                at_least=True,
            ),
            Figure(4, "row 1: the baseline's CPU time is", small.cpu(), 14, "x", at_least=True),
            Figure(4, "row 2: the baseline's CPU time is", large.cpu(), 14, "x", at_least=True),
        ],
        small,
        large,
    )


def hundred_agencies(folder: Path, size: Size) -> Figures:
    """Row 5: the draw of many agencies."""
    stream = stream_of(CLASSIC, size.bets(5_000), 140)
    ours, theirs = (measure(name, folder, stream, 100).draw for name in ("central", "baseline"))
    yield Figure(5, "last acknowledgement to last winners", ours, 0.3, "s")
    yield Figure(5, "times faster than the baseline", theirs / ours, 200, "x", at_least=True)


def large_draw(folder: Path, size: Size) -> Figures:
    """Row 6: the draw over many bets, and whether the reactor goes on meanwhile."""
    stream = stream_of(CLASSIC, size.bets(2_000_000), 140)
    with empty(folder / "large") as place, servers.central(place, 5, *QUIET) as server:
        with StallProbe(server.port) as probe:
            played = load.play(server.port, stream, 5)
        assert played.draw_seconds is not None
        told_at = played.acknowledged_at + played.draw_seconds
        longest = probe.longest(played.acknowledged_at, told_at)
    yield Figure(6, f"draw over {played.bets:,} bets", played.draw_seconds, 2.0, "s")
    yield Figure(6, "longest wait for the reactor meanwhile", longest * 1e3, 20.0, "ms")


def stop_and_wait(folder: Path, size: Size) -> Figures:
    """Row 7: each agency waits for an acknowledgement before its next batch of 10."""
    stream = stream_of(CLASSIC, size.bets(20_000), 10)
    ratios, halves, tails = [], [], []
    flush = 0.0
    for number in range(size.rounds):
        names = ("central", "baseline") if number % 2 else ("baseline", "central")
        found = {name: measure(name, folder, stream, 5, 1) for name in names}
        ours = found["central"]
        ratios.append(ours.rate / found["baseline"].rate)
        flush = statistics.median(ours.flushes)
        halves.append(ours.played.latency(0.5) - flush)
        tails.append(ours.played.latency(0.99) / ours.played.latency(0.5))
    over = f"p50 of the latency over one flush ({flush * 1e3:.2f} ms)"
    yield Figure(7, over, statistics.median(halves) * 1e3, 0.3, "ms")
    yield Figure(7, "p99 of the latency is its p50", statistics.median(tails), 3.0, "x")
    yield Figure(
        7, "times the baseline's bets/s", statistics.median(ratios), 0.8, "x", at_least=True
    )


def thousand_agencies(folder: Path, size: Size, rate: float) -> Figures:
    """Row 8: a thousand agencies at once; ``rate`` is row 2's bets/s."""
    allow_files(4096)
    stream = stream_of(CLASSIC, size.bets(1_000), 140)
    found = measure("central", folder, stream, 1000, 0, "--writers", "2")
    yield Figure(8, "memory of the central's own process", found.peak_bytes / _MIB, 120, "MiB")
    yield Figure(8, "times row 2's bets/s", found.rate / rate, 0.5, "x", at_least=True)


def idle_agencies(folder: Path, size: Size, rate: float) -> Figures:
    """Row 9: many agencies that said HELLO and nothing more; ``rate`` is row 1's bets/s."""
    idle = size.bets(10_000)
    allow_files(2 * idle + 1000)
    stream = stream_of(CLASSIC, size.bets(200_000), 10)
    with (
        empty(folder / "idle") as place,
        servers.central(place, idle + 5, *QUIET, "--silence", "0", "--rejoin", "0") as server,
    ):
        before = server.resident_bytes()[server.process.pid]
        connections = [load.connect(server.port) for _ in range(idle)]
        for number, connection in enumerate(connections, 100_000):
            connection.sendall(lottery1.encode(Hello(number)))
            connection.recv(64)
        each = (server.resident_bytes()[server.process.pid] - before) / idle
        played = load.play(server.port, stream, 5, ends=False)
        for connection in connections:
            connection.close()
    share = played.bets_per_second / rate
    yield Figure(9, f"times row 1's bets/s, {idle:,} idle", share, 0.8, "x", at_least=True)
    yield Figure(9, "memory of an idle session", each / 1000, 8, "kB")


def many_bets(folder: Path, size: Size) -> tuple[list[Figure], list[tuple[float, float]]]:
    """Row 10: what changes as the bets grow; gives (million bets, CPU seconds a million), too."""
    stream = stream_of(CLASSIC, size.bets(4_000_000), 140)
    with (
        empty(folder / "many") as place,
        servers.central(place, 5, *QUIET) as server,
        Sampler(server) as sampler,
    ):
        started = perf_counter()
        played = load.play(server.port, stream, 5, ends=False)
    million = played.bets // 20
    # While all are at it: who is done leaves its writer with less to do than the other one has.
    most = played.bets_at(played.together)
    last = played.moment_of(most) - played.moment_of(most - million)
    taken = [each for each in sampler.samples if 0 <= each[0] - started <= played.seconds]
    # A writer needs some million bets to have had buffers of every size that it ever has.
    second, last_quarter = (
        [memory for moment, _, memory in taken if since <= moment - started <= until]
        for since, until in (
            (played.moment_of(played.bets // 4), played.moment_of(played.bets // 2)),
            (played.moment_of(3 * played.bets // 4), played.seconds),
        )
    )
    growths = [
        statistics.median(each[pid] for each in last_quarter)
        / statistics.median(each[pid] for each in second)
        for pid in second[0]
    ]
    costs = []
    for (since, spent, _), (until, total, _) in pairwise(taken[::4]):
        bets = [played.bets_at(moment - started) for moment in (since, until)]
        if bets[1] > bets[0]:
            costs.append((bets[1] / 1e6, (total - spent) / (bets[1] - bets[0]) * 1e6))
    what = f"bets/s of the last of {most / million:.1f} million is the first's"
    return [
        Figure(10, what, played.moment_of(million) / last, 0.9, "x", at_least=True),
        Figure(
            10, "memory of a process in the last quarter is the second's", max(growths), 1.1, "x"
        ),
    ], costs


def start_up(folder: Path, size: Size) -> Figures:
    """Row 12: from the command to listening, with nothing and with much to check."""
    with empty(folder / "started") as place:
        yield Figure(12, "start with an empty folder", _start_seconds(place), 0.6, "s")
    stream = stream_of(LOTTERY1, size.bets(2_000_000), 140)
    with empty(folder / "stopped") as place:
        with servers.central(place, 5, *QUIET) as server:
            # One batch at a time, so that each makes a record of its own.
            played = load.play(server.port, stream, 5, 1, ends=False)
        seconds = _start_seconds(place)
    yield Figure(12, f"start with {played.bets:,} bets to check", seconds, 4.0, "s")


def _start_seconds(place: Path) -> float:
    started = perf_counter()
    with servers.central(place, 5, *QUIET):
        return perf_counter() - started


def allow_files(wanted: int) -> None:
    """Let this process, and those that it starts, have so many files open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
