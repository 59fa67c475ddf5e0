"""What the rows of the table are made of: one load on one server, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Final, Self

import load
import servers
from attrs import field, frozen
from streams import Stream

#: The log of a load is of no interest, and what a stall probe says would fill it.
QUIET: Final = ("--log-level", "ERROR")
FLUSH_PROBE: Final = Path(__file__).parent / "flush_probe"


@frozen
class Measured:
    """A load on a server.

    :ivar cpu: seconds of processor time that a million bets took, of all its processes.
    :ivar peak_bytes: the most memory of the server's own process.
    :ivar flushes: how many seconds each flush of a writer took, where that was asked for.
    """

    played: load.Played
    cpu: float
    peak_bytes: int
    flushes: list[float] = field(factory=list)

    @property
    def rate(self) -> float:
        """Bets per second."""
        return self.played.bets_per_second

    @property
    def draw(self) -> float:
        """Seconds from the last acknowledgement to the last winners."""
        assert self.played.draw_seconds is not None
        return self.played.draw_seconds


@contextmanager
def empty(folder: Path) -> Iterator[Path]:
    """Give a folder that is made for the block."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def measure(
    name: str,
    folder: Path,
    stream: Stream,
    agencies: int,
    window: int = 0,
    *options: str,
    flushes: bool = True,
) -> Measured:
    """Play a load on a server of this name, of which nothing is left.

    :param name: ``central``, or ``baseline`` or ``sink``.
    :param options: of the central.
    :param flushes: whether the central's processes flush what they write.
    """
    with empty(folder / name) as place:
        if name == "central":
            server = servers.central(
                place, agencies, *QUIET, *options, environment=_probe(place, flushes)
            )
        else:
            server = servers.other(name, place, agencies)
        with server as running:
            before = running.cpu_seconds
            played = load.play(running.port, stream, agencies, window, awaits=name != "sink")
            cpu = (running.cpu_seconds - before) / played.bets * 1e6
            peak = running.peak_bytes()
        return Measured(played, cpu, peak, _flushes(place))


def _probe(folder: Path, flushes: bool) -> dict[str, str]:
    paths = [str(FLUSH_PROBE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "FLUSH_PROBE_REPORTS": str(folder),
        "FLUSH_PROBE_OFF": "0" if flushes else "1",
    }


def _flushes(folder: Path) -> list[float]:
    reports = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return [
        each for report in reports if report["program"] == "writer" for each in report["seconds"]
    ]


class Watch:
    """Does something again and again in a thread of its own, as long as the block lasts."""

    every_seconds: float

    def __init__(self) -> None:
        self._over = Event()
        self._thread = Thread(target=self._watch)

    def look(self) -> None:
        """Do it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.every_seconds):
            self.look()


class StallProbe(Watch):
    """Knocks at a server, and notes how long it takes to be answered.

    A byte that begins no frame gets an answer from the reactor's thread alone, so who waits long
    for it knows that this thread was kept from its work.
    """

    every_seconds = 0.01

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self.knocks: list[tuple[float, float]] = []

    def longest(self, start: float, stop: float) -> float:
        """Give the longest time in seconds that began between two moments."""
        return max(took for began, took in self.knocks if start <= began <= stop)

    def look(self) -> None:
        """Knock."""
        began = perf_counter()
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.sendall(b"G")
            while connection.recv(4096):
                pass
        self.knocks.append((began, perf_counter() - began))


class Sampler(Watch):
    """Looks at a server: (moment, its CPU seconds, memory of each process)."""

    every_seconds = 0.1

    def __init__(self, server: servers.Server) -> None:
        super().__init__()
        self._server = server
        self.samples: list[tuple[float, float, dict[int, int]]] = []

    def look(self) -> None:
        """Take a sample."""
        memory = self._server.resident_bytes()
        self.samples.append((perf_counter(), self._server.cpu_seconds, memory))


def median_ratio(values: list[float], references: list[float]) -> float:
    """Give the median of the ratios of values that were measured in pairs."""
    return statistics.median(one / other for one, other in zip(values, references, strict=True))
