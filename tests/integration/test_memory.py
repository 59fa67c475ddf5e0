"""Memory under load: a writer that stands still stops its agencies, not the central."""

from __future__ import annotations

import os
import select
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from classic_agency import STORED, ClassicAgency, batch_of
from live import LiveCentral, made_up, resident_bytes

pytestmark = pytest.mark.slow

LIMIT_BYTES: Final = 150 << 20
SAMPLE_SECONDS: Final = 0.2
#: Small batches: much to do for the central, and little for the disk.
BETS: Final = 5
BATCH: Final = batch_of(made_up(BETS))
#: Batches that are sent in one go, without reading anything in between.
BURST: Final = 500


class Load:
    """Agencies that send for as long as they are let, each in a thread of its own."""

    def __init__(self, central: LiveCentral, agencies: int) -> None:
        self._central = central
        self._threads = ThreadPoolExecutor(agencies)
        self._enough = threading.Event()
        self._peers = [ClassicAgency(central.port) for _ in range(agencies)]
        self.results: list[Future[int]] = []

    def start(self) -> None:
        """Let each begin, one after the other, so that their numbers are those of the list."""
        for agency, peer in enumerate(self._peers, 1):
            peer.send(BATCH)
            self._central.arrived(agency)
        self.results = [self._threads.submit(self._upload, peer) for peer in self._peers]

    def _upload(self, peer: ClassicAgency) -> int:
        """Send and read in bursts until it is enough; gives the bets that were acknowledged."""
        sent = 1
        while not self._enough.is_set():
            peer.send(BATCH * BURST)
            sent += BURST
            peer.acknowledged(BURST)
        peer.end()
        peer.acknowledged(sent - peer.stored)
        assert peer.winners() == []
        peer.close()
        return sent * BETS

    def finish(self) -> None:
        """Let everybody come to an end."""
        self._enough.set()

    def close(self) -> None:
        """End all connections and threads."""
        self.finish()
        for peer in self._peers:
            peer.close()
        self._threads.shutdown()


@contextmanager
def load_on(central: LiveCentral, agencies: int) -> Iterator[Load]:
    """Agencies at work."""
    load = Load(central, agencies)
    try:
        load.start()
        yield load
    finally:
        load.close()


def sampled(central: LiveCentral, seconds: float) -> list[int]:
    """The central's own memory, sampled for a while; a signal of its end would end it, too."""
    waiting, found = select.poll(), []
    end = time.monotonic() + seconds
    descriptor = os.pidfd_open(central.pid)
    try:
        waiting.register(descriptor, select.POLLIN)
        while time.monotonic() < end:
            assert waiting.poll(SAMPLE_SECONDS * 1000) == [], central.log
            found.append(resident_bytes(central.pid))
    finally:
        os.close(descriptor)
    return found


def writers_of(central: LiveCentral, count: int) -> list[int]:
    """The first writers, in order of their start."""
    pattern = r"action: writer \| result: in_progress \| pid: (\d+) "
    return [int(central.wait_for(pattern, count=each)[1]) for each in range(1, count + 1)]


def test_a_writer_that_stands_still_for_a_while(tmp_path: Path) -> None:
    """200 agencies at once with two writers, one of them stopped for 10 s: nobody fails."""
    agencies = 200
    options = ("--agencies", agencies, "--writers", 2, "--draws", 1, "--silence", 5)
    with LiveCentral(tmp_path, *options, level="INFO") as central:
        with load_on(central, agencies) as load:
            # At INFO, for at DEBUG every batch has a line; so the writers are found as children.
            stopped, _ = central.children
            before = sampled(central, 1)
            os.kill(stopped, signal.SIGSTOP)
            try:
                during = sampled(central, 10)
            finally:
                os.kill(stopped, signal.SIGCONT)
            after = sampled(central, 1)
            load.finish()
            stored = sum(result.result(120) for result in load.results)
            assert central.wait() == 0
            highest = max(before + during + after)
            print(f"{stored} bets, {min(before) >> 20} to {highest >> 20} MiB")
            assert highest < LIMIT_BYTES
            assert len(during) >= 20
        assert central.matches("result: fail|left_out: [^0]") == []
        central.wait_for(rf"sorteo \| result: success .* agencies: {agencies} \| left_out: 0")
        assert central.bets_csv(1).count(b"\n") == stored
    shutil.rmtree(central.data_dir)


def test_a_writer_that_stands_still_for_too_long(tmp_path: Path) -> None:
    """It is killed and replaced; its sessions fail, the rest succeed."""
    options = ("--agencies", 21, "--writers", 2, "--draws", 1, "--writer-timeout", 3)
    with LiveCentral(tmp_path, *options) as central, load_on(central, 20) as load:
        stopped, other = writers_of(central, 2)
        central.stop_child(stopped)
        central.wait_for(rf"action: writer .* pid: {stopped} \| error: no answer for 3 s, killed")
        central.wait_for(rf"action: writer \| result: fail \| pid: {stopped} .* status: -9")
        with ClassicAgency(central.port) as late:
            late.send(BATCH)
            assert late.receive(1) == STORED
            (replaced,) = set(writers_of(central, 3)) - {stopped, other}
            assert set(central.children) == {other, replaced}
            late.end()
            load.finish()
            assert late.winners() == []
        failed = [result for result in load.results if result.exception(60) is not None]
        assert len(failed) == 10
        assert central.wait() == 0
        lost = central.matches(r"left_out .* agency: (\d+) \| reason: its writer was ended by")
        assert len(lost) == 10
        central.wait_for(r"sorteo \| result: success .* agencies: 11 \| left_out: 10")
