"""``lottery.ledger.postgres.parts`` and what is made of it: who has a place, in a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import pytest
from postgres_client import Database

from lottery.errors import Code, LotteryError, RemoteProtocolError, StartError
from lottery.ledger.face import SharedDraw, Unfinished
from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.segment import NotNow

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.slow

PLACES: Final = 3
PATIENCE_SECONDS: Final = 30.0

#: Makes the ledgers of another central.
Another = Callable[..., DatabaseLedgers]


@pytest.fixture
def another(postgres_database: Database) -> Iterator[Another]:
    """Centrals that share a database."""
    with ExitStack() as stack:

        def central(*, provable: bool = False) -> DatabaseLedgers:
            ledgers = DatabaseLedgers(postgres_database.dsn, provable=provable)
            stack.callback(ledgers.release)
            ledgers.own(lambda: False)
            return ledgers

        yield central


def shared(opened: Unfinished) -> SharedDraw:
    """What centrals agree upon in a draw."""
    assert opened.ledger.shared is not None
    return opened.ledger.shared


def parts_in(database: Database) -> list[tuple[object, ...]]:
    """Agency, dialect and session of each part."""
    return database.sql("SELECT agency, classic, session FROM lottery.part ORDER BY agency")


def test_a_classic_agency_whose_answer_was_lost(
    another: Another, postgres_database: Database
) -> None:
    """What comes again with the same arrival is the same agency, and has the place it had."""
    draw = shared(another().open(PLACES))
    first = draw.enter_classic("one", (), PLACES)
    assert draw.enter_classic("one", (), PLACES) == first
    assert (first.agency, first.standing.session, first.standing.classic) == (1, 1, True)
    assert draw.enter_classic("two", (), PLACES).agency == 2
    assert parts_in(postgres_database) == [(1, True, 1), (2, True, 1)]
    assert postgres_database.sql("SELECT taken FROM lottery.draw") == [(2,)]


def test_places_are_taken_once(another: Another, postgres_database: Database) -> None:
    """However often an agency comes; and when they are all taken, nobody else gets in."""
    draw = shared(another().open(PLACES))
    for agency in (5, 6, 5, 7, 6):
        draw.enter(agency)
    for late in (lambda: draw.enter(8), lambda: draw.enter_classic("one", (), PLACES)):
        with pytest.raises(RemoteProtocolError) as refused:
            late()
        assert refused.value.code is Code.FULL
    assert parts_in(postgres_database) == [(5, False, 2), (6, False, 2), (7, False, 1)]
    assert postgres_database.sql("SELECT taken FROM lottery.draw") == [(PLACES,)]


def test_one_agency_that_comes_to_two_centrals_at_once(
    another: Another, postgres_database: Database
) -> None:
    """It takes the last place once, and neither central says that all are taken."""
    one, two = (shared(another().open(1)) for _ in range(2))
    lock = "SELECT draw FROM lottery.draw FOR UPDATE"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(2) as threads:
        for _ in range(3):  # whoever has waited too long for the row comes again
            with postgres_database.held(lock):
                both = [threads.submit(draw.enter, 5) for draw in (one, two)]
                postgres_database.wait_for(waiting, [(2,)], PATIENCE_SECONDS)
            failures = [each.exception(PATIENCE_SECONDS) for each in both]
            if not any(isinstance(each, NotNow) for each in failures):
                break
            postgres_database.sql("DELETE FROM lottery.part")
            postgres_database.sql("UPDATE lottery.draw SET taken = 0")
        assert failures == [None, None]
        assert sorted(each.result().standing.session for each in both) == [1, 2]
    assert parts_in(postgres_database) == [(5, False, 2)]


def test_a_draw_is_not_closed_over_somebody_who_is_at_work(
    another: Another, postgres_database: Database
) -> None:
    """A central that has not heard of it would leave it out; it has to try again later."""
    opened = another().open(PLACES)
    draw = shared(opened)
    session = draw.enter(5).standing.session
    with pytest.raises(NotNow, match="agency 5 has come to another central, and is not decided"):
        opened.ledger.close(opened.record)
    assert postgres_database.sql("SELECT state FROM lottery.draw") == [("open",)]
    draw.leave_out(5, session, "late")
    (part,) = opened.ledger.close(opened.record).agencies
    assert (part.agency, part.outcome, part.reason) == (5, "left_out", "late")


def test_a_central_that_wants_a_random_number(
    another: Another, postgres_database: Database
) -> None:
    """It goes along with a draw that has promised none only as long as it can be promised."""
    fixed, provable = another(), another(provable=True)
    draw = shared(fixed.open(PLACES))
    record = provable.open(PLACES).record
    assert record.commitment
    assert fixed.open(PLACES).record == record
    postgres_database.sql("DELETE FROM lottery.draw")
    draw = shared(fixed.open(PLACES))
    draw.enter(5)
    with pytest.raises(StartError, match="has begun without a promised secret"):
        provable.open(PLACES)


def test_a_sealed_draw_without_promise_or_number(
    another: Another, postgres_database: Database
) -> None:
    """It stays as it is."""
    opened = another().open(1)
    ledger = opened.ledger
    shared(opened).enter(5)
    postgres_database.sql("UPDATE lottery.part SET ended = true, nonce = sha256('x')")
    sealed = ledger.seal(ledger.close(opened.record), lambda: False)
    assert sealed.state == "sealed"
    with pytest.raises(LotteryError, match="promised no secret, so it needs a fixed --winning"):
        ledger.draw_number(sealed, None, lambda: False)
    assert ledger.read() == sealed
