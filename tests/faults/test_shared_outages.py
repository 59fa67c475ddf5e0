"""What befalls a database, under load: sessions are held or refused, and nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
import pytest
from centrals import Centrals
from counts import SOAK, count, dice
from day import rows_of_agency
from disks import memory_disk, needs_memory_disk
from live import resident_bytes
from lottery1_agency import ERROR, WELCOME, Lottery1Agency, batch, end, error_in, hello
from postgres import Server
from postgres_client import Database, url
from postgres_remains import running_in
from shared_day import SharedDay

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 3000
RECORDERS: Final = (1, 2, 3)
PROGRAM: Final = 4
LATE: Final = 5
#: How long the database is away.
AWAY_SECONDS: Final = 20.0 if SOAK else 3.0
#: How long somebody who comes meanwhile is kept waiting at most.
SILENCE: Final = 3
#: So many agencies wait for something at once, and how long others wait behind them at most.
MOST_HELD: Final = 16
HELD_SECONDS: Final = 5.0
#: What a central may need more while it waits; each session has its buffers.
MOST_MORE: Final = 32 << 20
_OURS: Final = "FROM pg_stat_activity WHERE application_name LIKE 'lottery%'"


@contextmanager
def under_load(
    directory: Path,
    dsn: str,
    rng: random.Random,
    *options: object,
    late: bool = False,
    bets: int = BETS,
) -> Iterator[SharedDay]:
    """A day of two centrals with agencies that have sent a part of their bets.

    All have their winners when the block is left.

    :param late: whether one is still to come.
    :param bets: how many each that notes all has.
    """
    agencies = len(RECORDERS) + 1 + late
    words = ("--agencies", agencies, "--rejoin", 60, *options)
    with SharedDay(directory, dsn, 2, rng, *words) as day:
        day.agency(PROGRAM, rows_of_agency(PROGRAM, 5 * BETS, rng), "--batch-size", 10)
        for agency in RECORDERS:
            day.recorder(agency, rows_of_agency(agency, bets, rng))
        day.reach(lambda: day.acknowledged >= BETS // 2)
        yield day
        assert day.finish() == 7574
        assert len(day.running) == 2


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that the test may do anything to."""
    with Server() as server:
        yield server


@pytest.mark.parametrize("how", ["killed", "stopped", "standing still"])
def test_away(tmp_path: Path, server: Server, how: str) -> None:
    """Who is there is held, who comes is told to come again, all of it in bounded memory."""
    with under_load(tmp_path, server.dsn, dice(how), "--silence", SILENCE, late=True) as day:
        before = {central.pid: resident_bytes(central.pid) for central in day.running}
        back = _take_away(server, how)
        began = time.monotonic()
        for central in day.running:
            _comes_in_vain(central.port)
        day.over.wait(max(0.0, began + AWAY_SECONDS - time.monotonic()))
        for pid, bytes_before in before.items():
            assert resident_bytes(pid) < bytes_before + MOST_MORE
        back()
        day.recorder(LATE, rows_of_agency(LATE, 100, dice("late")))


def _take_away(server: Server, how: str) -> Callable[[], None]:
    """Take a server away; gives what brings it back."""
    if how == "killed":
        server.kill()
        return server.start
    if how == "stopped":
        server.stop("immediate")
        return server.start
    stopped = running_in(server.directory)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)

    def go_on() -> None:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    return go_on


def _comes_in_vain(port: int) -> None:
    """Come while the database is away: the central says so, in good time."""
    began = time.monotonic()
    with Lottery1Agency(port) as peer:
        peer.send(hello(LATE))
        kind, payload = peer.message()
    assert kind == ERROR
    assert error_in(payload)[0] == "STORAGE"
    assert time.monotonic() - began < SILENCE + 2


@pytest.mark.parametrize("how", ["killed", "standing still"])
def test_stopped_while_it_is_away(tmp_path: Path, server: Server, how: str) -> None:
    """SIGTERM ends the centrals within 5 s all the same; others go on where they were."""
    rng = dice(f"stop {how}")
    with under_load(tmp_path, server.dsn, rng) as day:
        back = _take_away(server, how)
        try:
            for central in day.running:
                status, seconds = central.stop()
                assert (status, seconds < 5) == (0, True), central.log
        finally:
            back()
        day.kills += 2  # whoever has something to ask asks the new ones
        for _ in range(2):
            day.centrals.start()


def test_connections_cut_by_an_administrator(tmp_path: Path, postgres_database: Database) -> None:
    """All of the centrals' connections, again and again."""
    cut = 0
    with under_load(tmp_path, postgres_database.dsn, dice("cuts of connections")) as day:
        for _ in range(count("administrator's cuts")):
            before = day.acknowledged
            terminated = postgres_database.sql(f"SELECT pg_terminate_backend(pid) {_OURS}")
            cut += len(terminated)
            day.reach(
                lambda before=before: (
                    day.acknowledged > before or all(each.ended for each in day.histories)
                )
            )
    print(f"{cut} connections were cut")
    assert cut


def test_out_of_connections(tmp_path: Path) -> None:
    """Somebody else has them all; when they are given back, all goes on."""
    with (
        Server(max_connections=12) as server,
        under_load(tmp_path, server.dsn, dice("connections"), late=True) as day,
        ExitStack() as others,
    ):
        _take_all_connections(server, others)
        day.recorder(LATE, rows_of_agency(LATE, 100, dice("late")))
        for central in day.running:
            central.wait_for("too many clients already")


def _take_all_connections(server: Server, others: ExitStack) -> None:
    """Take all there are, and cut those that centrals have until they have none."""
    mine = others.enter_context(psycopg.connect(server.dsn, autocommit=True))
    while True:
        with suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(server.dsn))
        if mine.execute(f"SELECT count(*) {_OURS}").fetchone() == (0,):
            return
        mine.execute(f"SELECT pg_terminate_backend(pid) {_OURS}")


def test_rows_that_somebody_holds(tmp_path: Path, server: Server) -> None:
    """Whose part is held elsewhere has to wait, more of them than there are threads; others not."""
    held, rows = range(101, 101 + MOST_HELD), rows_of_agency(LATE, 40, dice("held"))
    options = ("--agencies", MOST_HELD + 1, "--silence", 0, "--rejoin", 60)
    with Centrals(tmp_path, server.dsn, 2, *options) as centrals, ExitStack() as stack:

        def come() -> Lottery1Agency:
            return stack.enter_context(Lottery1Agency(centrals.ports[0]))

        for agency in held:
            with come() as peer:
                peer.greet(agency)
        with psycopg.connect(server.dsn) as somebody:
            somebody.execute("SELECT FROM lottery.part FOR UPDATE")
            waiting = [come() for _ in held]
            for agency, peer in zip(held, waiting, strict=True):
                peer.send(hello(agency))
            began = time.monotonic()
            late = come()
            late.greet(LATE)
            late.send(batch(0, rows) + end(len(rows)))
            late.acknowledged(len(rows), ended=True)
            assert time.monotonic() - began < HELD_SECONDS
        for peer in waiting:
            assert peer.message()[0] == WELCOME


def test_full_disk(tmp_path: Path, server: Server) -> None:
    """Agencies are told to send again until there is room; all that was acknowledged is there."""
    needs_memory_disk()
    disk = server.directory.parent / "small"
    owner = server.directory.stat()
    with memory_disk(disk, "64m"):
        os.chown(disk, owner.st_uid, owner.st_gid)
        tables = disk / "tables"
        tables.mkdir(mode=0o700)
        os.chown(tables, owner.st_uid, owner.st_gid)
        server.sql(f"CREATE TABLESPACE small LOCATION '{tables}'")
        server.sql("CREATE DATABASE cramped TABLESPACE small")
        place = url(server.port, database="cramped")
        # So many that some are left when the disk is full, which takes a moment.
        with under_load(tmp_path, place, dice("full"), bets=6 * BETS) as day:
            filler = disk / "filler"
            _fill(filler)
            day.reach(lambda: any(each.refusals for each in day.histories))
            stood = day.acknowledged
            day.over.wait(1)  # for whoever might be acknowledged all the same
            print(f"{day.acknowledged - stood} bets were acknowledged on the full disk")
            filler.unlink()
        server.sql("DROP DATABASE cramped WITH (FORCE)")
        server.sql("DROP TABLESPACE small")
        shutil.rmtree(tables, ignore_errors=True)
        server.stop()


def _fill(filler: Path) -> None:
    """Take all the room there is."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
