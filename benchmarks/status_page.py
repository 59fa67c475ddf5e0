"""What the status page costs the intake: row 2's load with 200 pages open, and without a page.

    python benchmarks/status_page.py [--pairs N] [--folder DIR]

In each pair the central takes the bets of 5 agencies twice, once with ``--status`` and 200 streams
of events that are read, once without. The median of the ratios has to be above 0.95, else the exit
status is 1.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
import tempfile
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

import load
import servers
from measures import QUIET, empty
from streams import CLASSIC, stream_of

LIMIT: Final = 0.95
PAIRS: Final = 11
PAGES: Final = 200
_AGENCIES: Final = 5
_BETS: Final = 400_000
_REQUEST: Final = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def free_port() -> int:
    """Give a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def read_pages(port: int, open_: Event, over: Event) -> None:
    """Open the pages and read what they are told, until it is over."""
    with selectors.DefaultSelector() as selector:
        pages = [socket.create_connection(("127.0.0.1", port)) for _ in range(PAGES)]
        for page in pages:
            page.sendall(_REQUEST)
            assert page.recv(1 << 16).startswith(b"HTTP/1.1 200"), "no stream"
            selector.register(page, selectors.EVENT_READ)
        open_.set()
        while not over.is_set():
            for key, _ in selector.select(0.1):
                assert isinstance(key.fileobj, socket.socket)
                assert key.fileobj.recv(1 << 16), "a page was dropped"
        for page in pages:
            page.close()


def rate(folder: Path, *, watched: bool) -> float:
    """Give the bets per second that are taken in."""
    stream = stream_of(CLASSIC, _BETS, 140)
    status = free_port()
    options = ("--status", f"tcp:{status}") if watched else ()
    fork = get_context("fork")
    open_, over = fork.Event(), fork.Event()
    with (
        empty(folder / "central") as place,
        servers.central(place, _AGENCIES, *QUIET, *options, beside=status) as server,
    ):
        reader = fork.Process(target=read_pages, args=(status, open_, over))
        if watched:
            reader.start()
            assert open_.wait(30), "the pages do not open"
        try:
            return load.play(server.port, stream, _AGENCIES, 0).bets_per_second
        finally:
            over.set()
            if watched:
                reader.join()
                assert reader.exitcode == 0, "the pages were not read to the end"


def measure(folder: Path, pairs: int) -> float:
    """Play all pairs, print them, and give the median of their ratios."""
    rate(folder, watched=True)  # what is read from the disk for the first time
    ratios = []
    for number in range(pairs):
        order = (False, True) if number % 2 else (True, False)
        found = {watched: rate(folder, watched=watched) for watched in order}
        ratios.append(found[True] / found[False])
        print(f"pair {number + 1}: {found[True]:,.0f} bets/s watched, {found[False]:,.0f} not")
    return statistics.median(ratios)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of rounds")
    parser.add_argument("--folder", help="where the data goes; it has to be on a disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        ratio = measure(Path(folder), options.pairs)
    print(f"ratio {ratio:.3f} (median), above {LIMIT:g} is wanted")
    if ratio <= LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
