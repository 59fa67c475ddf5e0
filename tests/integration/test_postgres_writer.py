"""Writers as true processes that store in a real database: what they answer, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic

import pytest
from postgres import Pair, Server
from postgres_client import query
from writer_child import PATIENCE_SECONDS, Child, writing
from writer_orders import (
    ANA,
    BO,
    EVE,
    away,
    classic,
    classic_end,
    classic_opening,
    close,
    closed,
    crc_of_rows,
    end,
    ended,
    held,
    lines,
    opening,
    refused,
    stored,
)

from lottery.errors import Code
from lottery.ledger.entry import DATABASE, DATABASE_AT
from lottery.ledger.face import SharedDraw
from lottery.ledger.postgres.connection import checked_dsn
from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.writer.pipe import Exit

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.slow


def draw_in(dsn: str) -> Iterator[SharedDraw]:
    """Open draw 1, of three places."""
    ledgers = DatabaseLedgers(dsn, provable=False)
    ledgers.own(lambda: False)
    try:
        assert ledgers.open(3).record.draw == 1
        ledger = ledgers.find(1)
        assert ledger is not None
        yield ledger.shared
    finally:
        ledgers.release()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that the test may do anything to."""
    with Server() as server:
        yield server


@pytest.fixture
def draw(server: Server) -> Iterator[SharedDraw]:
    """A draw in its database."""
    yield from draw_in(server.dsn)


def storing(dsn: str) -> AbstractContextManager[Child]:
    """A writer of draw 1 in a database."""
    return writing(DATABASE, **{DATABASE_AT: checked_dsn(dsn)})


def agencies_and_names(dsn: str) -> list[tuple[object, ...]]:
    """Agency, index and first name of all that is stored."""
    text = "SELECT agency, index, first_name FROM lottery.bet ORDER BY agency, index"
    return [tuple(row) for row in query(dsn, text)]


def test_stores_and_answers(server: Server, draw: SharedDraw) -> None:
    """Both dialects, with nothing of the connection string where others can read it."""
    one, two = (draw.enter(agency).standing.session for agency in (5, 6))
    number = draw.enter_classic("one", (), 1)
    three = number.standing.session
    dsn = f"{server.dsn}?password=geheim"
    with storing(dsn) as child:
        assert child.asks(opening(1, 5, latest=one), lines(1, 0, ANA, BO)) == [
            stored(1, 2, crc_of_rows(ANA, BO), 2)
        ]
        assert child.asks(
            opening(2, 6, latest=two),
            classic_opening(3, number.agency, latest=three),
            lines(2, 0, EVE),
            lines(1, 2, EVE),
            classic(3, BO),
            close(2),
            end(1, 3),
            classic_end(3),
            answers=6,
        ) == [
            stored(2, 1, crc_of_rows(EVE), 1),
            stored(1, 3, crc_of_rows(ANA, BO, EVE), 1),
            stored(3, 1, 0, 1),
            closed(2, 1, crc_of_rows(EVE)),
            ended(1, 3),
            ended(3, 1),
        ]
        command = Path(f"/proc/{child.pid}/cmdline").read_bytes().split(b"\0")
        assert b"postgresql" in command
        assert not [word for word in command if b"geheim" in word or b"127.0.0.1" in word]
        assert child.ends() == Exit.DONE
    assert agencies_and_names(server.dsn) == [
        (1, 0, "Bo"), (5, 0, "Ana"), (5, 1, "Bo"), (5, 2, "Evë"), (6, 0, "Evë"),
    ]  # fmt: skip
    parts = "SELECT agency, ended, bets, nonce FROM lottery.part WHERE ended ORDER BY agency"
    assert query(server.dsn, parts) == [(1, True, 1, b""), (5, True, 3, bytes(range(32)))]


def test_one_whose_agency_has_come_to_another_central(server: Server, draw: SharedDraw) -> None:
    """It has its last word; who is stored with it does not notice."""
    older, other = (draw.enter(agency).standing.session for agency in (5, 6))
    newer = draw.enter(5).standing.session
    with storing(server.dsn) as child:
        assert child.asks(
            opening(1, 5, latest=older),
            opening(2, 6, latest=other),
            opening(3, 5, latest=newer),
            lines(1, 0, ANA),
            lines(2, 0, BO),
            lines(3, 0, EVE),
            answers=3,
        ) == [
            refused(1, Code.TAKEN, "a newer session of agency 5 has come"),
            stored(2, 1, crc_of_rows(BO), 1),
            stored(3, 1, crc_of_rows(EVE), 1),
        ]
        assert child.ends() == Exit.DONE
    assert agencies_and_names(server.dsn) == [(5, 0, "Evë"), (6, 0, "Bo")]


def test_held_until_the_server_is_back(
    server: Server, draw: SharedDraw, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who can send again is asked to, who cannot waits and goes on by itself."""
    one = draw.enter(5).standing.session
    number = draw.enter_classic("one", (), 1)
    two = number.standing.session
    with storing(server.dsn) as child:
        start = (opening(1, 5, latest=one), classic_opening(2, number.agency, latest=two))
        assert child.asks(*start, lines(1, 0, ANA)) == [stored(1, 1, crc_of_rows(ANA), 1)]
        server.stop("immediate")
        assert child.asks(lines(1, 1, BO), classic(2, EVE), classic_end(2), answers=2) == [
            away(1, 1),
            held(2),
        ]
        assert all(child.gives_a_sign() for _ in range(3))
        server.start()
        assert child.hears(2) == [stored(2, 1, 0, 1), ended(2, 1)]
        assert child.asks(lines(1, 1, BO)) == [stored(1, 2, crc_of_rows(ANA, BO), 1)]
        assert child.ends() == Exit.DONE
    assert agencies_and_names(server.dsn) == [(1, 0, "Evë"), (5, 0, "Ana"), (5, 1, "Bo")]
    assert "the database is away" in capfd.readouterr().err


def test_started_while_the_server_is_away(server: Server, draw: SharedDraw) -> None:
    """It connects when it has something to store, and there is somebody."""
    one = draw.enter(5).standing.session
    server.stop()
    with storing(server.dsn) as child:
        assert child.asks(opening(1, 5, latest=one), lines(1, 0, ANA)) == [away(1, 0)]
        server.start()
        assert child.asks(lines(1, 0, ANA)) == [stored(1, 1, crc_of_rows(ANA), 1)]
        assert child.ends() == Exit.DONE


def test_a_commit_without_an_answer(postgres_pair: Pair, capfd: pytest.CaptureFixture[str]) -> None:
    """It ends, without a word to its parent, which has to ask what is stored: here, all of it."""
    pair = postgres_pair
    for draw in draw_in(pair.dsn):
        session = draw.enter(5).standing.session
        with storing(pair.dsn) as child:
            assert child.asks(opening(1, 5, latest=session), lines(1, 0, ANA)) == [
                stored(1, 1, crc_of_rows(ANA), 1)
            ]
            pair.standby.stop()
            child.asks(lines(1, 1, BO), answers=0)
            end_it = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'lottery writer' AND wait_event = 'SyncRep'"
            )
            patience = monotonic() + PATIENCE_SECONDS
            while not pair.primary.sql(end_it):
                assert monotonic() < patience
            assert child.ends() == Exit.DISK
        pair.primary.configure(synchronous_standby_names="")
        assert agencies_and_names(pair.dsn) == [(5, 0, "Ana"), (5, 1, "Bo")]
    told = "the database went away within a commit, "
    assert told in capfd.readouterr().err


def test_a_database_that_does_not_let_it_in(
    server: Server, draw: SharedDraw, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ends at once and says why, without the password."""
    with storing(server.dsn.replace("lottery@", "nobody:geheim@")) as child:
        assert child.ends() == Exit.SEGMENT
    told = capfd.readouterr().err
    assert told.startswith("the database cannot be used, ")
    assert 'role "nobody" does not exist' in told
    assert "geheim" not in told
