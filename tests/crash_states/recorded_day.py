"""One small day of a real central under trace: what it did to its disk, and what it told.

Three agencies and two writers at first. The writer of agency 5 is killed between a write and
its flush, so its segment is salvaged while the day goes on. Then the central is killed and
started again, which salvages what is left. Agency 1 speaks the classic dialect, agency 2 does
not come back and is left out. Agency 5 fetches its winners from a third central, when the draw
is delivered already and the next one open.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final, NamedTuple

from classic_agency import ClassicAgency
from disk_model import Tree
from live import LiveProcess, children_of, made_up
from lottery1_agency import Lottery1Agency, batch, end, hello, received
from start_up import Facts
from strace_text import Call, read_trace, tracing
from told import Party
from trees import harvest

DATA_DIR: Final = "lottery-data"
_WINNING: Final = 7574
_ROWS_IN_A_BATCH: Final = 3
_BATCHES: Final = {5: 10, 2: 2, 1: 2}
#: By this flush a writer is killed: the other ones of that central flush less often.
_LAST_FLUSH: Final = 6
#: How long the central waits for agency 2, which does not come back, and then for agency 5.
_REJOIN_SECONDS: Final = 2
_PORT: Final = r"accept_connections \| result: in_progress \| ip: \S+ \| port: (\d+)"


class Day(NamedTuple):
    """A day that was traced.

    :ivar root: the directory that held the data directory.
    :ivar tree: what was there at the end.
    """

    root: str
    calls: list[Call]
    parties: dict[int, Party]
    facts: Facts
    tree: Tree


def rows_of(agency: int) -> list[str]:
    """The rows that an agency sends; some of them win."""
    count = _BATCHES[agency] * _ROWS_IN_A_BATCH
    rows = made_up(count, number=4000 + agency, name=f"Ana {agency}")
    rows[1] = rows[1].rpartition(",")[0] + f",{_WINNING}"
    rows[-1] = rows[-1].rpartition(",")[0] + f",{_WINNING}"
    return rows


class _TracedCentral(LiveProcess):
    """A central under trace; what is waited for is what it says."""

    def __init__(self, root: Path, trace: Path, kill_at_flush: int = 0) -> None:
        words = ("-m", "lottery", "serve", "--listen", "tcp:0:interface=127.0.0.1")
        terms = (
            "--draws",
            "1",
            "--writers",
            "2",
            "--agencies",
            "3",
            "--rejoin",
            str(_REJOIN_SECONDS),
        )
        places = ("--data-dir", str(root / DATA_DIR), "--min-free", "0", "--log-level", "DEBUG")
        command = (*tracing(trace, kill_at_flush), sys.executable, *words, *terms, *places)
        super().__init__(command, root.parent)
        self.trace = trace
        self.port = int(self.wait_for(_PORT)[1])

    def _end(self) -> None:
        """End the central, too: strace alone would let it go."""
        for pid in children_of(self.pid):
            os.kill(pid, signal.SIGKILL)
        super()._end()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Ask the central to end, not strace."""
        (central,) = children_of(self.pid)
        os.kill(central, number)
        status = self.wait()
        assert status == 0, self.log
        return status, 0.0

    def leave(self) -> None:
        """Nothing is left to be stopped."""

    def die(self) -> None:
        """Kill the central at once, while it and its writers do nothing."""
        (central,) = children_of(self.pid)
        for writer in children_of(central):
            os.kill(writer, signal.SIGSTOP)  # or the end of its orders would wake it up
        os.kill(central, signal.SIGKILL)
        self.wait()


class _Agency5:
    """The agency that comes back again and again."""

    def __init__(self, parties: dict[int, Party]) -> None:
        self._parties = parties
        self._rows = rows_of(5)
        self.peer: Lottery1Agency

    def connect(self, port: int, expected: int) -> None:
        """Come, and be welcomed to go on with the batch that is expected."""
        self.peer = Lottery1Agency(port)
        self._parties[self.peer.address[1]] = Party(5)
        self.peer.send(hello(5))
        _, payload = self.peer.message()
        assert int.from_bytes(payload[6:14], "big") == expected * _ROWS_IN_A_BATCH, payload

    def send(self, number: int) -> None:
        """Send a batch."""
        first = number * _ROWS_IN_A_BATCH
        self.peer.send(batch(first, self._rows[first : first + _ROWS_IN_A_BATCH]))

    def store(self, *numbers: int) -> None:
        """Send batches, one when the other is stored."""
        for number in numbers:
            self.send(number)
            self.peer.acknowledged((number + 1) * _ROWS_IN_A_BATCH)

    def end(self) -> None:
        """Send the END."""
        self.peer.send(end(len(self._rows), bytes(range(32))))
        self.peer.acknowledged(len(self._rows), ended=True)

    def fetch_winners(self) -> None:
        """Take the winners, and say so."""
        told = self.peer.winners()
        assert (told.draw, told.winning_number, told.total) == (1, _WINNING, 2)
        self.peer.send(received(told.draw, told.total))
        assert self.peer.rest() == b""


def record_day(directory: Path) -> Day:
    """Let the day happen, and give what it was."""
    root = directory / "root"
    root.mkdir()
    parties: dict[int, Party] = {}
    traces = [directory / f"trace-{number}" for number in (1, 2, 3)]
    agency = _Agency5(parties)
    with _TracedCentral(root, traces[0], _LAST_FLUSH) as central:
        _first_part(central, agency, parties)
    with _TracedCentral(root, traces[1]) as central:
        agency.connect(central.port, 8)
        agency.store(8, 9)
        agency.end()
        agency.peer.close()
        assert central.wait() == 0, central.log
    with _TracedCentral(root, traces[2]) as central:
        agency.connect(central.port, 10)
        agency.fetch_winners()
        agency.peer.close()
        central.stop()
    lines = [line for trace in traces for line in trace.read_text().splitlines()]
    sent = {each: [row.encode() for row in rows_of(each)] for each in _BATCHES}
    facts = Facts(DATA_DIR, 3, sent, _WINNING)
    return Day(str(root), read_trace(lines), parties, facts, harvest(root))


def _first_part(central: _TracedCentral, agency: _Agency5, parties: dict[int, Party]) -> None:
    """Everything up to the death of the central."""
    agency.connect(central.port, 0)
    agency.store(0, 1)
    _classic_agency(central, parties)
    with Lottery1Agency(central.port) as other:
        parties[other.address[1]] = Party(2)
        assert other.greet(2) == 1
        rows = rows_of(2)
        for number in (0, 1):  # two writers at work at once
            first = number * _ROWS_IN_A_BATCH
            other.send(batch(first, rows[first : first + _ROWS_IN_A_BATCH]))
            agency.store(2 + number)
            other.acknowledged(first + _ROWS_IN_A_BATCH)
        agency.store(4)
        agency.send(5)  # its writer is killed over this one
        central.wait_for(r"action: salvage \| result: success")
        agency.peer.close()
        agency.connect(central.port, 6)
        agency.store(6, 7)
        central.die()
    agency.peer.close()


def _classic_agency(central: _TracedCentral, parties: dict[int, Party]) -> None:
    """Let the classic agency send all that it has; it does not stay for its winners."""
    with ClassicAgency(central.port) as classic:
        parties[classic.address[1]] = Party(1, (_ROWS_IN_A_BATCH,) * _BATCHES[1])
        rows = rows_of(1)
        classic.batch(rows[:_ROWS_IN_A_BATCH])
        classic.batch(rows[_ROWS_IN_A_BATCH:])
        classic.end()
        classic.acknowledged(2)
        central.wait_for(r"apuesta_recibida .*result: success .*agency: 1 ")
