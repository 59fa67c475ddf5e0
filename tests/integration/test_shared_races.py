"""Four centrals race in one ledger for each step of a draw, and for one batch: one wins.

They are threads with a ledger each: so many races as processes could not have in that time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, TypeVar
from zlib import crc32

import pytest
from counts import count, dice
from live import made_up
from postgres_client import Database
from shared_oracle import record_in, stored_in

from lottery.errors import Code
from lottery.ledger.entry import Entry, Refused
from lottery.ledger.face import SharedDraw, Unfinished
from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.postgres.store import DatabaseStore
from lottery.ledger.record import DrawRecord
from lottery.ledger.segment import Kind, NotNow
from lottery.ledger.standing import Standing

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.soak]

CENTRALS: Final = 4
#: Each central would draw another one: the first to draw counts.
NUMBERS: Final = (7574, 42, 1, 9999)
RESENT, STREAMING, LAST = 1, 2, 3
ROWS: Final = made_up(20, number=42) + made_up(20, number=7574)
NONCE: Final = bytes(range(32))
PATIENCE_SECONDS: Final = 60.0

T = TypeVar("T")


def sure(work: Callable[[], T]) -> T:
    """Do it again while another central is at work on the draw."""
    while True:
        try:
            return work()
        except NotNow:
            continue


class Race:
    """Lets all centrals do something at the same time."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    def run(self, *works: Callable[[], T]) -> list[T]:
        """Begin all at once; gives what each gives."""
        begin = threading.Barrier(len(works))

        def one(work: Callable[[], T]) -> T:
            begin.wait(PATIENCE_SECONDS)
            return sure(work)

        running = [self._threads.submit(one, work) for work in works]
        return [each.result(PATIENCE_SECONDS) for each in running]


@pytest.fixture
def race() -> Iterator[Race]:
    """A race that all centrals take part in."""
    with ThreadPoolExecutor(CENTRALS) as threads:
        yield Race(threads)


@pytest.fixture
def ledgers(postgres_database: Database, race: Race) -> Iterator[list[DatabaseLedgers]]:
    """A ledger for each central; the tables are made in a race, too."""
    made = [DatabaseLedgers(postgres_database.dsn, provable=False) for _ in range(CENTRALS)]
    race.run(*(lambda each=each: each.own(lambda: False) for each in made))
    yield made
    for each in made:
        each.release()


def rows_of(agency: int, rows: Sequence[str]) -> bytes:
    """Rows as they are stored."""
    return "".join(f"{agency},{row}\n" for row in rows).encode()


def batch_of(agency: int, first: int, rows: Sequence[str], session: int) -> Entry:
    """A batch as a writer's desk gives it to its store."""
    crc = crc32("".join(f"{row}\n" for row in ROWS[: first + len(rows)]).encode())
    return Entry(Kind.ROWS, agency, first, len(rows), rows_of(agency, rows), crc, False, session)


def end_of(agency: int, total: int, session: int) -> Entry:
    """An END, likewise."""
    crc = crc32("".join(f"{row}\n" for row in ROWS[:total]).encode())
    return Entry(Kind.END, agency, total, 0, NONCE, crc, False, session)


def refused(store: DatabaseStore, *entries: Entry) -> Code | None:
    """Store something; gives with which code it is refused, if it is."""
    try:
        sure(lambda: store.append(entries))
    except Refused as why:
        ((code, _),) = why.why.values()
        return code
    return None


def shared_of(draw: Unfinished) -> SharedDraw:
    """Who takes part in a draw."""
    shared = draw.ledger.shared
    assert shared is not None
    return shared


def test_races(postgres_database: Database, ledgers: list[DatabaseLedgers], race: Race) -> None:
    """Of each step there is one, and all centrals know it; no bet is lost or there twice."""
    dsn, rng = postgres_database.dsn, dice("races")
    for number in range(1, count("races") + 1):
        draws = race.run(*(lambda each=each: each.open(3) for each in ledgers))
        assert {each.ledger.number for each in draws} == {number}
        for each in draws:
            shared_of(each).look()
        resend(dsn, draws, race, same=rng.random() < 0.5)
        streamed = stream_into_the_close(dsn, draws, race, rng)
        ended = end_or_leave_out(dsn, draws, race)
        record = conclude(draws, race)
        hold(dsn, record, streamed, ended=ended)
    assert postgres_database.sql("SELECT count(*) FROM lottery.draw") == [(number,)]


def resend(dsn: str, draws: Sequence[Unfinished], race: Race, *, same: bool) -> None:
    """Have one batch sent at all centrals: as one session, or as one of each of them."""
    stores = [DatabaseStore(dsn, draws[0].ledger.number) for _ in draws]
    session = sure(lambda: shared_of(draws[0]).enter(RESENT)).standing.session

    def send(draw: Unfinished, store: DatabaseStore) -> Code | None:
        standing = Standing(session=session)
        if not same:
            standing = sure(lambda: shared_of(draw).enter(RESENT)).standing
        if standing.next_index:
            assert standing.next_index == len(ROWS)
            return Code.CONFLICT  # it is stored already, and nothing is sent
        return refused(store, batch_of(RESENT, 0, ROWS, standing.session))

    works = [
        (lambda draw=draw, store=store: send(draw, store))
        for draw, store in zip(draws, stores, strict=True)
    ]
    codes = race.run(*works)
    assert codes.count(None) == 1, codes
    assert set(codes) <= ({None, Code.CONFLICT} if same else {None, Code.CONFLICT, Code.TAKEN})
    last = sure(lambda: shared_of(draws[0]).enter(RESENT)).standing
    assert last.next_index == len(ROWS)
    assert refused(stores[0], end_of(RESENT, len(ROWS), last.session)) is None
    for store in stores:
        store.close()


def stream_into_the_close(
    dsn: str, draws: Sequence[Unfinished], race: Race, rng: random.Random
) -> int:
    """Have an agency left out while it sends batches; gives how many bets were acknowledged."""
    session = sure(lambda: shared_of(draws[0]).enter(STREAMING)).standing.session
    store = DatabaseStore(dsn, draws[0].ledger.number)
    size, begun = rng.choice((1, 3, 10)), threading.Event()
    wanted = rng.randrange(3)

    def stream() -> int:
        for place, first in enumerate(range(0, len(ROWS), size)):
            if place == wanted:
                begun.set()
            code = refused(store, batch_of(STREAMING, first, ROWS[first : first + size], session))
            if code is not None:
                assert code is Code.LEFT_OUT
                return first
        return len(ROWS)

    def leave_out(draw: Unfinished) -> int:
        begun.wait(PATIENCE_SECONDS)
        known = shared_of(draw).leave_out(STREAMING, session, "it is late")
        assert known.left_out == "it is late"
        return known.standing.next_index

    with closing(store):
        streamed, *known = race.run(
            stream,
            *(lambda draw=draw: leave_out(draw) for draw in draws[1:]),
        )
    assert set(known) == {streamed}
    return streamed


def end_or_leave_out(dsn: str, draws: Sequence[Unfinished], race: Race) -> bool:
    """Have an agency left out while its END comes; gives whether that was stored."""
    session = sure(lambda: shared_of(draws[0]).enter(LAST)).standing.session
    with closing(DatabaseStore(dsn, draws[0].ledger.number)) as store:
        assert refused(store, batch_of(LAST, 0, ROWS[:5], session)) is None
        ended, *left_out = race.run(
            lambda: refused(store, end_of(LAST, 5, session)) is None,
            *(
                lambda draw=draw: bool(shared_of(draw).leave_out(LAST, session, "late").left_out)
                for draw in draws[1:]
            ),
        )
    assert set(left_out) == {not ended}
    return ended


def conclude(draws: Sequence[Unfinished], race: Race) -> DrawRecord:
    """Have all centrals take every step; gives the record that all of them have then."""
    record = draws[0].record

    def step(take: Callable[[int, Unfinished], DrawRecord]) -> DrawRecord:
        works = [
            (lambda number=number, draw=draw: take(number, draw))
            for number, draw in enumerate(draws)
        ]
        records = race.run(*works)
        assert all(each == records[0] for each in records), records
        return records[0]

    def never() -> bool:
        return False

    record = step(lambda _, draw: draw.ledger.close(record))
    record = step(lambda _, draw: draw.ledger.seal(record, never))
    record = step(lambda number, draw: draw.ledger.draw_number(record, NUMBERS[number], never))
    received = dict(zip(range(CENTRALS), ([RESENT], [], [LAST], []), strict=True))
    works = [
        (lambda draw=draw, told=received[number]: draw.ledger.note_delivered(record, told))
        for number, draw in enumerate(draws)
    ]
    race.run(*works)
    return sure(draws[0].ledger.read)


def hold(dsn: str, record: DrawRecord, streamed: int, *, ended: bool) -> None:
    """What is stored is what was acknowledged, and what the record says."""
    stored = stored_in(dsn, record.draw)
    expected = {RESENT: ROWS, STREAMING: ROWS[:streamed], LAST: ROWS[:5]}
    assert stored == {agency: rows for agency, rows in expected.items() if rows}
    parts = {part.agency: part for part in record.agencies}
    assert {agency: part.bets for agency, part in parts.items()} == {
        agency: len(rows) for agency, rows in expected.items()
    }
    assert [part.succeeded for part in parts.values()] == [True, False, ended]
    assert parts[RESENT].received
    assert parts[LAST].received is (True if ended else None)
    assert record.state == "delivered"
    assert record.winning_number in NUMBERS
    assert record_in(dsn, record.draw)["winning_number"] == record.winning_number
