"""What hostile agencies cost the others: the latency of four that wait for each acknowledgement.

    python benchmarks/hostile.py [--pairs N] [--folder DIR]

Beside them are one that sends a byte a second, one that has batch after batch refused and connects
again, and one that sends on and on and never reads its acknowledgements; in the other round of each
pair they are not there. The design wants the p99 of the four within twice what it is without
them, as the median of the pairs, else the exit status is 1.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from socket import socket
from time import sleep
from typing import Final

import load
import servers
from measures import QUIET, empty
from streams import CLASSIC, stream_of

from lottery.wire import lottery1
from lottery.wire.messages import Batch, Hello

LIMIT: Final = 2.0
PAIRS: Final = 5
_BETS: Final = 15_000
_REFUSED: Final = b"Ana,Quiroga,30904465,1999-03-17,no number\n"

Hostile = Callable[[int, Event], None]


def trickle(port: int, over: Event) -> None:
    """Send a frame byte by byte, one a second."""
    with load.connect(port) as connection:
        for byte in stream_of(CLASSIC, 10, 10).frames:
            connection.sendall(bytes((byte,)))
            if over.wait(1.0):
                return


def flood(port: int, over: Event) -> None:
    """Have batches refused, one connection after the other."""
    batch = lottery1.encode(Batch(0, 1, _REFUSED))
    while not over.is_set():
        with load.connect(port) as connection:
            connection.sendall(lottery1.encode(Hello(4_000_000_000)))
            if connection.recv(4096)[:1] == b"\x20":
                connection.sendall(batch * 100)
            while connection.recv(4096):
                pass


def never_read(port: int, over: Event) -> None:
    """Send batches as fast as they are taken, and read nothing."""
    stream = stream_of(CLASSIC, 140_000, 140)
    batches = memoryview(stream.frames)[: stream.ends[-2]]
    with load.connect(port) as connection:
        connection.settimeout(0.2)
        while not over.is_set():
            send_all(connection, batches, over)


def send_all(connection: socket, data: memoryview, over: Event) -> None:
    """Send all of it, or what is taken before it is over."""
    while data and not over.is_set():
        try:
            data = data[connection.send(data[: 64 << 10]) :]
        except TimeoutError:
            continue


def p99(folder: Path, hostile: list[Hostile]) -> float:
    """Give the p99 in seconds of the four, with these beside them."""
    stream = stream_of(CLASSIC, _BETS, 10)
    fork = get_context("fork")
    over = fork.Event()
    with empty(folder / "central") as place, servers.central(place, 40, *QUIET) as server:
        processes = [fork.Process(target=each, args=(server.port, over)) for each in hostile]
        try:
            for process in processes:
                process.start()
            sleep(0.3 if processes else 0.0)
            played = load.play(server.port, stream, 4, 1, ends=False)
        finally:
            over.set()
            for process in processes:
                process.join()
    return played.latency(0.99)


def measure(folder: Path, pairs: int) -> float:
    """Play all pairs, print them, and give the median of their ratios."""
    ratios = []
    for number in range(pairs):
        order: list[list[Hostile]] = [[], [trickle, flood, never_read]]
        found = {len(each): p99(folder, each) for each in (order if number % 2 else order[::-1])}
        ratios.append(found[3] / found[0])
        alone, beside = found[0] * 1e3, found[3] * 1e3
        print(f"pair {number + 1}: p99 {beside:.2f} ms beside them, {alone:.2f} ms alone")
    return statistics.median(ratios)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of rounds")
    parser.add_argument("--folder", help="where the data goes; it has to be on a disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        ratio = measure(Path(folder), options.pairs)
    print(f"ratio {ratio:.2f} (median), at most {LIMIT:g} is wanted")
    if ratio > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
