"""What the central is compared with: a process for each agency, one file, one lock.

    python benchmarks/baseline.py AGENCIES FOLDER

As the original program works: each batch is parsed into objects, and written to ``bets.csv`` under
a lock, which is opened for that and never flushed. When all processes have ended, the whole file is
read again for each agency, to find its winners. Nothing here is slow on purpose, nothing is clever.
"""

from __future__ import annotations

import csv
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from multiprocessing.synchronize import Lock
from pathlib import Path
from typing import Final

_BATCH, _STORED, _WINNERS, _END = b"\x01", b"\x02", b"\x03", b"\xff"
_COLUMNS: Final = 5
_WINNING_NUMBER: Final = 7574


@dataclass
class Bet:
    """A bet of an agency."""

    agency: int
    first_name: str
    last_name: str
    document: str
    birthdate: date
    number: int

    def columns(self) -> list[object]:
        """Give the row of ``bets.csv``."""
        names = [self.agency, self.first_name, self.last_name, self.document]
        return [*names, self.birthdate.isoformat(), self.number]


def bet_of(agency: int, columns: list[str]) -> Bet:
    """Make a bet of five columns."""
    first_name, last_name, document, birthdate, number = columns
    day = date.fromisoformat(birthdate)
    return Bet(agency, first_name, last_name, document, day, int(number))


def receive(connection: socket.socket, size: int) -> bytes:
    """Receive so many bytes."""
    return connection.recv(size, socket.MSG_WAITALL) if size else b""


def batches(connection: socket.socket, agency: int) -> Iterator[list[Bet]]:
    """Receive batches up to the END."""
    while (kind := receive(connection, 1)) != _END:
        if kind != _BATCH:
            raise ValueError(f"agency {agency} sent {kind!r}")
        size = int.from_bytes(receive(connection, 2), "big")
        columns = receive(connection, size).decode().split(",")[:-1]
        yield [
            bet_of(agency, columns[at : at + _COLUMNS]) for at in range(0, len(columns), _COLUMNS)
        ]


def store(path: Path, bets: list[Bet]) -> None:
    """Add bets to the file."""
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for bet in bets:
            writer.writerow(bet.columns())


def winners(path: Path, agency: int) -> list[str]:
    """Read the whole file and give the documents of an agency's winners."""
    with path.open(newline="", encoding="utf-8") as file:
        bets = (bet_of(int(row[0]), row[1:]) for row in csv.reader(file))
        return [
            bet.document for bet in bets if (bet.agency, bet.number) == (agency, _WINNING_NUMBER)
        ]


def take(connection: socket.socket, agency: int, path: Path, lock: Lock) -> None:
    """Do the work of an agency's process."""
    for bets in batches(connection, agency):
        with lock:
            store(path, bets)
        connection.sendall(_STORED)


def serve(agencies: int, path: Path) -> None:
    """Serve so many agencies, then draw."""
    fork = get_context("fork")
    lock = fork.Lock()
    listener = socket.create_server(("127.0.0.1", 0), backlog=agencies)
    served = []
    for agency in range(1, agencies + 1):
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        process = fork.Process(target=take, args=(connection, agency, path, lock))
        process.start()
        served.append((agency, connection, process))
    for _, _, process in served:
        process.join()
    for agency, connection, process in served:
        if process.exitcode == 0:
            documents = ",".join(winners(path, agency)).encode()
            connection.sendall(_WINNERS + len(documents).to_bytes(2, "big") + documents)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]) / "bets.csv")
