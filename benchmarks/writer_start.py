"""How long a writer child takes from spawn to its first acknowledgement, flush included.

    python benchmarks/writer_start.py [ROUNDS]

A child has to be up within 60 ms; exit status 1 if the median is above that.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from twisted.internet import task
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lottery.ledger.directory import DataDirectory
from lottery.ledger.files import FileLedgers
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.wire import lottery1
from lottery.wire.messages import Batch
from lottery.writer import LOCK_FD
from lottery.writer.disk import DiskWork
from lottery.writer.pipe import Refusal
from lottery.writer.pool import WriterPool, WriterTerms

LIMIT_MS = 60.0
ROUNDS = 20
BATCH = lottery1.encode(Batch(0, 1, b"Ana,Quiroga,30904465,1999-03-17,7574\n"))


class FirstAnswer:
    """A session that waits for its first acknowledgement."""

    def __init__(self) -> None:
        self.stored_at: Deferred[float] = Deferred()

    def stored(self, next_index: int, batches: int) -> None:
        """Note the moment."""
        self.stored_at.callback(perf_counter())

    def refused(self, refusal: Refusal) -> None:
        """Fail: the batch is a good one."""
        self.stored_at.errback(RuntimeError(refusal.sentence))

    def held(self) -> None:
        """Never called: this is no classic agency."""

    def ended(self, total: int) -> None:
        """Never called: no END is handed on."""

    def lost(self, reason: str) -> None:
        """Fail, unless the writer was asked to end."""
        if not self.stored_at.called:
            self.stored_at.errback(RuntimeError(reason))

    def resume(self) -> None:
        """Never called: there is always room."""


async def measure(reactor: Any, rounds: int) -> None:
    """Start one writer after the other and print how long each took."""
    times_ms = []
    with tempfile.TemporaryDirectory() as folder:
        log = ActionLog("ERROR", Logger())
        ledgers = FileLedgers(DataDirectory(Path(folder)), 0, LOCK_FD)
        ledgers.own(lambda: False)
        terms = WriterTerms(rounds, 30.0)
        disk = DiskWork(maybeDeferred, reactor, log)
        draw, broken = ledgers.open(1).ledger, Failure.raiseException
        pool = WriterPool(reactor, draw, terms, disk, broken, Figures(), log)
        for _ in range(rounds):
            first = FirstAnswer()
            started = perf_counter()
            pool.seat(first, 1, Standing()).batches(BATCH, 1)
            times_ms.append((await first.stored_at - started) * 1e3)
        await pool.close(5.0)
        ledgers.release()
    median = statistics.median(times_ms)
    slowest = max(times_ms)
    print(f"writer start: {rounds} children, median {median:.1f} ms, slowest {slowest:.1f} ms")
    if median > LIMIT_MS:
        raise SystemExit(f"the median is above {LIMIT_MS:.0f} ms")


def main() -> None:
    """Run as a program."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    task.react(lambda reactor: Deferred.fromCoroutine(measure(cast(Any, reactor), rounds)))


if __name__ == "__main__":
    main()
