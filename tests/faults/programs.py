"""The programs of a day: one life of a central, and an agency that is started again."""

from __future__ import annotations

import random
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from live import LiveAgency, LiveCentral, LiveProcess
from oracle import History

if TYPE_CHECKING:
    from day import Day


class RestartedCentral(LiveCentral):
    """One life of a central, on a port that stays. Nothing is waited for when it starts."""

    def __init__(
        self,
        directory: Path,
        data_dir: Path,
        port: int,
        options: Sequence[object],
        program: Sequence[str],
    ) -> None:
        self.data_dir = data_dir
        places = ("--listen", f"tcp:{port}:interface=127.0.0.1", "--data-dir", data_dir)
        LiveProcess.__init__(self, [*program, *places, *options], directory)
        self._port = 0

    def end(self) -> None:
        """End it, if it runs, and close what it had."""
        self._end()


#: How a central is started.
PLAIN: Final = (sys.executable, "-m", "lottery", "serve")


def free_port() -> int:
    """A port that nobody listens at, and that no client's end is given by chance.

    A client that connects again and again to a port of the ephemeral range where nobody listens
    is one day connected to itself.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class AgencyProcess:
    """``lottery agency``, started again with another batch size when it was killed.

    :ivar history: made of its file, its log and its output when it has ended.
    :ivar runs: every process there was.
    """

    def __init__(self, day: Day, agency: int, rows: Sequence[str], rng: random.Random) -> None:
        self.history = History(agency, rows, sent=len(rows))
        self.runs: list[LiveAgency] = []
        self._day, self._rng = day, rng
        self._file = day.directory / f"agency-{agency}.csv"
        self._file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        day.others.append(self.history)
        self.start()

    def start(self) -> None:
        """Start it, with any batch size."""
        day = self._day
        options = ("--batch-size", self._rng.choice((1, 7, 20, 93)), "--retry-for", 60)
        agency = self.history.agency
        assert agency is not None
        process = LiveAgency(day.directory, day.port, agency, self._file, *options)
        self.runs.append(day.enter(process))

    def kill(self) -> bool:
        """Kill it and start it again; gives whether there was one to kill."""
        process = self.runs[-1]
        if not process.running:
            return False
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            return False
        self.start()
        return True

    def finish(self, seconds: float = 60.0) -> None:
        """Wait for its end, which has to be a good one, and read what it was told."""
        process, history = self.runs[-1], self.history
        if self._was_killed_behind_its_end():
            process.stop()
        else:
            status = process.wait(seconds)
            assert status == 0, process.log
            assert process.matches(
                rf"apuesta_enviada \| result: success \| client_id: {history.agency} "
                rf"\| cantidad: {len(history.rows)}\b"
            ), process.log
        LiveProcess.check(process)
        history.acknowledged, history.ended = len(history.rows), True
        history.winners, history.received = process.winners(), True

    def _was_killed_behind_its_end(self) -> bool:
        """Whether the last run but one had said RECEIVED when it was killed.

        The central need not keep it in mind then, and may be gone: the last run finds nobody.
        Its winners have to be in its file, which is what RECEIVED means.
        """
        if len(self.runs) == 1 or self.runs[-1].matches("action: connect .* result: success"):
            return False
        record = self._day.ledger.record()
        return any(
            part["agency"] == self.history.agency and part["received"]
            for part in record["agencies"]
        )
