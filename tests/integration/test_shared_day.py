"""A day over several centrals that share a ledger: it is one draw, wherever its agencies come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from centrals import Centrals
from classic_agency import ClassicAgency, batches_of
from live import LiveAgency, documents, sample, winning
from lottery1_agency import Lottery1Agency, batch, end, received
from oracle import History
from postgres_client import Database
from relay import Relay, in_turn
from shared_oracle import check_shared_draw, record_in

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.slow

AGENCIES: Final = 5
#: Numbers that no classic agency is given: those begin with 1.
FIRST: Final = 11
PATIENCE_SECONDS: Final = 60.0

Rows = dict[int, list[str]]


@pytest.fixture(scope="module")
def day_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a made-up day."""
    return tmp_path_factory.mktemp("day")


@pytest.fixture(scope="module")
def day(day_dir: Path) -> Rows:
    """Its rows, by file."""
    rows = sample(day_dir, AGENCIES, 1000)
    assert sum(len(winning(each)) for each in rows) >= 3
    return dict(enumerate(rows, 1))


def _pinned(ports: Sequence[int]) -> Callable[[int], Sequence[int]]:
    """Bring everybody to the first one: the others only look on."""
    return lambda _: ports[:1]


def _apart(ports: Sequence[int]) -> Callable[[int], Sequence[int]]:
    """Bring one to the first central, and all others to the last one."""
    return lambda number: ports[:1] if number == 0 else ports[-1:]


SPREADS: Final = {"in turn": in_turn, "all at one": _pinned, "one apart": _apart}


@contextmanager
def agencies(
    directory: Path, port: int, files: Mapping[int, Path]
) -> Iterator[dict[int, LiveAgency]]:
    """Start ``lottery agency`` for each file."""
    with ExitStack() as stack:
        running = {}
        for agency, file in files.items():
            running[agency] = stack.enter_context(LiveAgency(directory, port, agency, file))
        yield running


def finished(agency: int, rows: Sequence[str], live: LiveAgency) -> History:
    """Wait for the good end of an agency; gives what it was told."""
    assert live.wait() == 0, live.log
    return all_told(agency, rows, live.winners())


def all_told(
    agency: int | None, rows: Sequence[str], winners: list[str], dialect: str = "lottery/1"
) -> History:
    """What somebody was told who has come to the end."""
    count = len(rows)
    return History(
        agency, rows, dialect, sent=count, acknowledged=count, ended=True, winners=winners,
        received=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spread", "count"), [("in turn", 2), ("in turn", 3), ("all at one", 3), ("one apart", 2)]
)
def test_a_day(
    tmp_path: Path,
    postgres_database: Database,
    day_dir: Path,
    day: Rows,
    spread: str,
    count: int,
) -> None:
    """Three agencies, a classic one, and one that falls silent: right winners, one record."""
    files = {FIRST + each: day_dir / f"agency-{each}.csv" for each in (1, 2, 3)}
    options = ("--agencies", AGENCIES, "--draws", 1, "--silence", 2)
    with (
        Centrals(tmp_path, postgres_database.dsn, count, *options) as centrals,
        Relay(SPREADS[spread](centrals.ports)) as relay,
        ThreadPoolExecutor(2) as threads,
        agencies(tmp_path, relay.port, files) as running,
    ):
        classic = threads.submit(whole_classic_day, relay.port, day[4])
        silent = threads.submit(falls_silent, relay.port, FIRST + 5, day[5])
        histories = [
            finished(agency, day[agency - FIRST], live) for agency, live in running.items()
        ]
        histories += [result_of(classic), result_of(silent)]
        centrals.wait()
        assert check_shared_draw(histories, postgres_database.dsn) == 7574
        assert_one_draw(centrals)
    parts = record_in(postgres_database.dsn)["agencies"]
    assert [part["agency"] for part in parts] == [1, *files, FIRST + 5]
    assert [part["outcome"] for part in parts] == ["succeeded"] * 4 + ["left_out"]
    assert parts[-1]["reason"] == "it was silent for too long"


def result_of(future: Future[History]) -> History:
    """Wait for what somebody in a thread was told."""
    return future.result(PATIENCE_SECONDS)


def whole_classic_day(port: int, rows: Sequence[str]) -> History:
    """Be a classic agency from the beginning to the end."""
    with ClassicAgency(port) as peer:
        told = peer.whole_day(batches_of(rows, 20), 5)
    assert told == documents(winning(rows))
    return all_told(None, rows, told, "classic")


def falls_silent(port: int, agency: int, rows: Sequence[str]) -> History:
    """Send two batches, and no more, until the central has had enough."""
    with Lottery1Agency(port) as peer:
        peer.greet(agency)
        for first in (0, 20):
            peer.send(batch(first, rows[first : first + 20]))
        peer.acknowledged(40)
        assert peer.error()[0] == "TIMEOUT"
    return History(agency, rows, sent=40, acknowledged=40, refused="TIMEOUT")


def assert_one_draw(centrals: Centrals) -> None:
    """All centrals have told the same of the draw, and each of its end."""
    assert len(set(centrals.told(r"action: sorteo \| result: success"))) == 1
    delivered = centrals.told(r"action: delivered \| result: success")
    assert len(set(delivered)) == 1, delivered


def test_one_that_never_comes(
    tmp_path: Path, postgres_database: Database, day_dir: Path, day: Rows
) -> None:
    """At the deadline of whichever central, the draw is held with those who have come."""
    files = {each: day_dir / f"agency-{each}.csv" for each in (1, 2, 3, 4)}
    options = ("--agencies", AGENCIES, "--draws", 1, "--deadline", 4)
    with (
        Centrals(tmp_path, postgres_database.dsn, 3, *options) as centrals,
        Relay(in_turn(centrals.ports)) as relay,
        agencies(tmp_path, relay.port, files) as running,
    ):
        histories = [finished(agency, day[agency], live) for agency, live in running.items()]
        centrals.wait()
        assert check_shared_draw(histories, postgres_database.dsn) == 7574
        assert_one_draw(centrals)
    assert [part["agency"] for part in record_in(postgres_database.dsn)["agencies"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("count", [2, 3])
def test_a_random_number(
    tmp_path: Path, postgres_database: Database, day_dir: Path, day: Rows, count: int
) -> None:
    """All centrals make one promise, and tell one number, which the promise holds for."""
    files = {each: day_dir / f"agency-{each}.csv" for each in range(1, AGENCIES + 1)}
    options = ("--agencies", AGENCIES, "--draws", 1, "--winning-number", "random")
    with (
        Centrals(tmp_path, postgres_database.dsn, count, *options) as centrals,
        Relay(in_turn(centrals.ports)) as relay,
        agencies(tmp_path, relay.port, files) as running,
    ):
        histories = [finished(agency, day[agency], live) for agency, live in running.items()]
        centrals.wait()
        number = check_shared_draw(histories, postgres_database.dsn)
        assert_one_draw(centrals)
        secrets = centrals.told(r"action: secret \| result: success")
        assert len(set(secrets)) == 1, secrets
    record = record_in(postgres_database.dsn)
    assert record["winning_number"] == number
    assert secrets[0].count(record["secret"]) == 1


def test_draw_after_draw(tmp_path: Path, postgres_database: Database, day: Rows) -> None:
    """Two draws over two centrals, each agency at the other central the second time."""
    rows = {agency: day[agency][:200] for agency in (1, 2)}
    with Centrals(tmp_path, postgres_database.dsn, 2, "--agencies", 2, "--draws", 2) as centrals:
        first, second = centrals.ports
        for draw, ports in enumerate([(first, second), (second, first)], 1):
            both = threading.Barrier(2)
            with ThreadPoolExecutor(2) as threads:
                told = [
                    threads.submit(whole_day, port, agency, rows[agency], both)
                    for agency, port in zip((1, 2), ports, strict=True)
                ]
                histories = [result_of(each) for each in told]
            for central in centrals.lives:
                central.wait_for(rf"action: delivered \| result: success \| draw: {draw} ")
            assert check_shared_draw(histories, postgres_database.dsn, draw) == 7574
        centrals.wait()


def whole_day(port: int, agency: int, rows: Sequence[str], both: threading.Barrier) -> History:
    """Be an agency from the beginning to the end; the END waits for others."""
    with Lottery1Agency(port) as peer:
        peer.greet(agency)
        for first in range(0, len(rows), 50):
            peer.send(batch(first, rows[first : first + 50]))
        peer.acknowledged(len(rows))
        both.wait(PATIENCE_SECONDS)
        peer.send(end(len(rows)))
        peer.acknowledged(len(rows), ended=True)
        told = peer.winners()
        peer.send(received(told.draw, told.total))
        peer.rest()
    history = all_told(agency, rows, told.rows)
    history.number = told.winning_number
    return history
