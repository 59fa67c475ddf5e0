"""``lottery.ledger.postgres.store``: what a writer child does in a real database."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic
from typing import Final
from zlib import crc32

import psycopg
import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres import Pair, Server
from postgres_client import Database, query
from psycopg.conninfo import make_conninfo
from strategies import rows as any_row

from lottery.errors import Code, LotteryError
from lottery.ledger.entry import Entry, Refused
from lottery.ledger.postgres.connection import Unknown, checked_dsn, connect
from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.postgres.store import DatabaseStore
from lottery.ledger.segment import Kind, NotNow

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.slow

AGENCY: Final = 5
NONCE: Final = bytes(range(32))
#: For any one thing to happen; only a failing test waits so long.
PATIENCE_SECONDS: Final = 30.0
ROWS: Final = ("Ana,Gil,01,1999-03-17,0042", "Bo \\. \\N,O'Neil %s,2,2000-02-29,7")


@frozen
class Table:
    """A draw that agency 5 has come to, with as many sessions as it has had."""

    dsn: str
    ledgers: DatabaseLedgers
    draw: int

    def enter(self, agency: int = AGENCY) -> int:
        """Let an agency come; gives its session."""
        ledger = self.ledgers.find(self.draw)
        assert ledger is not None
        return ledger.shared.enter(agency).standing.session

    def store(self) -> closing[DatabaseStore]:
        """A store of this draw."""
        return closing(DatabaseStore(checked_dsn(self.dsn), self.draw))

    def rows(self) -> bytes:
        """All bets as they would stand in ``bets.csv``."""
        bets = query(
            self.dsn,
            "SELECT concat_ws(',', agency, first_name, last_name, document, birthdate, number) "
            "FROM lottery.bet ORDER BY agency, index",
        )
        return "".join(f"{row}\n" for (row,) in bets).encode()

    def batches(self) -> list[tuple[object, ...]]:
        """Agency, first bet, bets and CRC-32 of each run of batches."""
        found = query(
            self.dsn, "SELECT agency, first, bets, crc FROM lottery.batch ORDER BY agency, first"
        )
        return [tuple(row) for row in found]


def table_in(dsn: str) -> Iterator[Table]:
    """Open a draw of three places."""
    ledgers = DatabaseLedgers(dsn, provable=False)
    ledgers.own(lambda: False)
    try:
        yield Table(dsn, ledgers, ledgers.open(3).record.draw)
    finally:
        ledgers.release()


@pytest.fixture
def table(postgres_database: Database) -> Iterator[Table]:
    """A draw in a database of its own."""
    yield from table_in(postgres_database.dsn)


def entry(session: int, first: int, *rows: str, agency: int = AGENCY) -> Entry:
    """Rows of an agency."""
    body = "".join(f"{agency},{row}\n" for row in rows).encode()
    crc = crc32("".join(f"{row}\n" for row in rows).encode())
    return Entry(Kind.ROWS, agency, first, len(rows), body, crc, False, session)


def end(session: int, total: int) -> Entry:
    """The END of an agency."""
    return Entry(Kind.END, AGENCY, total, 0, NONCE, 0xABCD, False, session)


def test_rows_and_an_end(table: Table) -> None:
    """To the byte, with a row for each run of batches; what is there is there for good."""
    session, other = table.enter(), table.enter(7)
    more = entry(other, 0, "Eve,Li,3,1990-01-01,9999", agency=7)
    with table.store() as store:
        store.append([entry(session, 0, *ROWS), more])
        store.append([entry(session, 2, ROWS[0]), end(session, 3)])
        store.flush()
    sent = [f"5,{row}\n" for row in (*ROWS, ROWS[0])]
    assert table.rows() == "".join([*sent, "7,Eve,Li,3,1990-01-01,9999\n"]).encode()
    assert table.batches() == [
        (5, 0, 2, entry(1, 0, *ROWS).crc),
        (5, 2, 1, entry(1, 2, ROWS[0]).crc),
        (7, 0, 1, more.crc),
    ]
    (part,) = query(table.dsn, "SELECT ended, bets, crc, nonce FROM lottery.part WHERE agency = 5")
    assert tuple(part) == (True, 3, 0xABCD, NONCE)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(any_row(), min_size=1, max_size=20))
def test_whatever_a_row_has(table: Table, rows: list[str]) -> None:
    """What the field rules let in comes out as it went in."""
    query(table.dsn, "TRUNCATE lottery.bet, lottery.batch")
    session = table.enter()
    with table.store() as store:
        store.append([entry(session, 0, *rows)])
    assert table.rows() == entry(session, 0, *rows).body


REFUSALS: Final[dict[str, tuple[Callable[[Table], object], Code, str]]] = {
    "a newer session": (
        Table.enter, Code.TAKEN, "a newer session of agency 5 has come",
    ),
    "left out": (
        lambda table: query(table.dsn, "UPDATE lottery.part SET left_out = 'late'"),
        Code.LEFT_OUT, "agency 5 has no part in the draw any more",
    ),
    "ended": (
        lambda table: query(table.dsn, "UPDATE lottery.part SET ended = true"),
        Code.CLOSED, "agency 5 has ended",
    ),
    "no place": (
        lambda table: query(table.dsn, "DELETE FROM lottery.part"),
        Code.CLOSED, "agency 5 has no place in the draw",
    ),
    "stored by another": (
        lambda table: query(table.dsn, "INSERT INTO lottery.batch VALUES (1, 5, 2, 9, 9)"),
        Code.CONFLICT, "bet 2 of agency 5 is stored already",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSALS)
def test_who_may_not_store(table: Table, why: str) -> None:
    """Nothing of the group is stored then, nor of others in it; the store goes on."""
    happens, code, sentence = REFUSALS[why]
    session, other = table.enter(), table.enter(7)
    theirs = entry(other, 0, ROWS[0], agency=7)
    with table.store() as store:
        store.append([entry(session, 0, *ROWS)])
        happens(table)
        with pytest.raises(Refused) as refused:
            store.append([theirs, entry(session, 2, ROWS[0])])
        assert refused.value.why[AGENCY, session] == (code, sentence)
        assert table.rows() == entry(session, 0, *ROWS).body
        if why not in ("ended", "left out", "no place"):  # these hold for both here
            assert set(refused.value.why) == {(AGENCY, session)}
            store.append([theirs])
            assert table.rows() == entry(session, 0, *ROWS).body + theirs.body


def test_a_connection_that_is_cut(table: Table) -> None:
    """Nothing is stored, and the next try is with a new one."""
    session = table.enter()
    with table.store() as store:
        store.append([entry(session, 0, ROWS[0])])
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        query(table.dsn, cut, "lottery writer")
        with pytest.raises(NotNow):
            store.append([entry(session, 1, ROWS[1])])
        store.append([entry(session, 1, ROWS[1])])
    assert table.rows() == entry(session, 0, *ROWS).body


def test_a_server_that_is_away(postgres_database: Database) -> None:
    """Nothing can be stored, also by one that comes new; and all goes on when it is back."""
    with Server() as server, server.database() as database:
        for table in table_in(database.dsn):
            session = table.enter()
            with table.store() as store:
                server.stop("immediate")
                for _ in range(2):
                    with pytest.raises(NotNow) as error:
                        store.append([entry(session, 0, *ROWS)])
                    assert "away" in str(error.value.strerror)
                with pytest.raises(NotNow):
                    table.store()
                server.start()
                store.append([entry(session, 0, *ROWS)])
            assert table.rows() == entry(session, 0, *ROWS).body


def test_a_password_that_is_wrong_is_not_told(postgres_database: Database) -> None:
    """It is no use to wait for another one; and nobody reads it in a log."""
    dsn = checked_dsn(re.sub("//lottery@", "//nobody:hunter2@", postgres_database.dsn))
    with pytest.raises(LotteryError) as error:
        DatabaseStore(dsn, 1)
    assert not isinstance(error.value, NotNow)
    assert "hunter2" not in str(error.value)
    assert "nobody" in str(error.value)


def be_patient(store: DatabaseStore) -> None:
    """Let a store wait for locks for longer than it does, else that would end what it does."""
    connection = store._connection
    assert connection is not None
    connection.execute("SET lock_timeout = '60s'")


def meanwhile(store: DatabaseStore, group: list[Entry], happens: Callable[[], object]) -> object:
    """Begin to store, and let something happen; gives how it ends: an exception or None."""
    with ThreadPoolExecutor(1) as thread:
        storing = thread.submit(store.append, group)
        happens()
        return storing.exception(PATIENCE_SECONDS)


def wait_until_it_waits(dsn: str, event: str) -> int:
    """Wait until a writer's connection waits for something; gives the pid of its backend."""
    text = (
        "SELECT pid FROM pg_stat_activity "
        "WHERE application_name = 'lottery writer' AND wait_event = %s"
    )
    end = monotonic() + PATIENCE_SECONDS
    while not (found := query(dsn, text, event)):
        assert monotonic() < end, f"no writer waits for {event}"
    return int(found[0][0])


@pytest.mark.parametrize("table_name", ["part", "batch", "bet"])
def test_cut_in_the_middle(table: Table, table_name: str) -> None:
    """Wherever its connection ends before the COMMIT: nothing is stored, and it can be again."""
    session = table.enter()
    group = [entry(session, 0, *ROWS)]
    with table.store() as store, psycopg.connect(table.dsn) as other:
        be_patient(store)
        other.execute(f"LOCK TABLE lottery.{table_name} IN ACCESS EXCLUSIVE MODE".encode())

        def cut() -> None:
            pid = wait_until_it_waits(table.dsn, "relation")
            query(table.dsn, "SELECT pg_terminate_backend(%s)", pid)

        assert isinstance(meanwhile(store, group, cut), NotNow)
        other.rollback()
        assert table.rows() == b""
        assert table.batches() == []
        store.append(group)
    assert table.rows() == group[0].body


def test_a_part_that_somebody_holds(table: Table) -> None:
    """It is not waited for for long, and nothing is lost by that."""
    session = table.enter()
    with table.store() as store, psycopg.connect(table.dsn) as other:
        other.execute("SELECT FROM lottery.part FOR UPDATE")
        with pytest.raises(NotNow) as error:
            store.append([entry(session, 0, *ROWS)])
        assert error.value.strerror == "somebody else is at work on the same rows"
        other.rollback()
        store.append([entry(session, 0, *ROWS)])
    assert table.rows() == entry(session, 0, *ROWS).body


def test_a_newer_session_waits_for_what_is_under_way(table: Table) -> None:
    """It is told all of it; the older one stores nothing more."""
    session = table.enter()
    with table.store() as store, ThreadPoolExecutor(1) as thread:
        be_patient(store)
        with psycopg.connect(table.dsn) as other:
            # The part is locked by the time that the store waits for this.
            other.execute("LOCK TABLE lottery.bet IN ACCESS EXCLUSIVE MODE")
            storing = thread.submit(store.append, [entry(session, 0, *ROWS)])
            wait_until_it_waits(table.dsn, "relation")
            with pytest.raises(NotNow):
                table.enter()
        assert storing.exception(PATIENCE_SECONDS) is None
        ledger = table.ledgers.find(table.draw)
        assert ledger is not None
        standing = ledger.shared.enter(AGENCY).standing
        assert (standing.next_index, standing.session) == (2, session + 1)
        with pytest.raises(Refused):
            store.append([entry(session, 2, ROWS[0])])
    assert table.rows() == entry(session, 0, *ROWS).body


def test_dates_of_another_form(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's library asks for what the environment wants, behind all that we ask for."""
    monkeypatch.setenv("PGDATESTYLE", "German")
    with pytest.raises(LotteryError, match="PGDATESTYLE says, it has to be ISO"):
        connect(checked_dsn(postgres_database.dsn), "lottery")


@pytest.mark.parametrize("of_the_role", [False, True])
def test_what_always_holds(postgres_server: Server, of_the_role: bool) -> None:
    """Whatever is set for the role, or in the connection string."""
    others = {
        "synchronous_commit": ("off", "on"),
        "datestyle": ("German", "ISO"),
        "client_min_messages": ("error", "warning"),
        "statement_timeout": ("10s", "0"),
        "client_encoding": ("LATIN1", "UTF8"),
    }
    postgres_server.sql("CREATE ROLE other LOGIN")
    try:
        options = ""
        for name, (value, _) in others.items():
            if of_the_role:
                postgres_server.sql(f"ALTER ROLE other SET {name} = '{value}'")
            else:
                options += f" -c {name}={value}"
        dsn = make_conninfo(postgres_server.dsn, user="other", options=options)
        with closing(connect(checked_dsn(dsn), "lottery")) as connection:
            for name, (_, wanted) in others.items():
                row = connection.execute(f"SHOW {name}".encode()).fetchone()
                assert row is not None
                assert row[0].split(",")[0] == wanted
    finally:
        postgres_server.sql("DROP ROLE other")


def test_a_role_with_an_isolation_of_its_own(table: Table) -> None:
    """Who has waited for a part sees what was stored meanwhile, also if the default is another."""
    session = table.enter()
    query(table.dsn, "CREATE ROLE repeating LOGIN SUPERUSER")
    try:
        query(
            table.dsn, "ALTER ROLE repeating SET default_transaction_isolation = 'repeatable read'"
        )
        dsn = checked_dsn(table.dsn.replace("//lottery@", "//repeating@"))
        with closing(DatabaseStore(dsn, table.draw)) as store, psycopg.connect(table.dsn) as other:
            be_patient(store)
            other.execute("SELECT FROM lottery.part FOR UPDATE")
            other.execute("INSERT INTO lottery.batch VALUES (1, 5, 0, 2, 9)")

            def commit() -> None:
                wait_until_it_waits(table.dsn, "transactionid")
                other.commit()

            assert meanwhile(store, [entry(session, 2, ROWS[0])], commit) is None
    finally:
        query(table.dsn, "DROP ROLE repeating")


@pytest.mark.parametrize("end_it", ["pg_cancel_backend", "pg_terminate_backend", "kill"])
def test_a_commit_that_is_not_confirmed(postgres_pair: Pair, end_it: str) -> None:
    """Stored at the primary alone is not stored: nothing may be said of it, and nothing is."""
    pair = postgres_pair
    # A warning tells that a commit was cancelled; a role may be one that hears of none.
    pair.primary.sql("ALTER ROLE lottery SET client_min_messages = 'error'")
    for table in table_in(pair.dsn):
        session = table.enter()
        with table.store() as store:
            pair.standby.stop()

            def ends() -> None:
                pid = wait_until_it_waits(pair.primary.dsn, "SyncRep")
                if end_it == "kill":
                    pair.primary.kill()
                else:
                    pair.primary.sql(f"SELECT {end_it}(%s)", pid)

            assert isinstance(meanwhile(store, [entry(session, 0, *ROWS)], ends), Unknown)
        if end_it == "kill":
            pair.primary.start()
        pair.primary.configure(synchronous_standby_names="")
        # It has come about: whoever asks is told so, although the store could not.
        assert table.rows() == entry(session, 0, *ROWS).body


@pytest.mark.parametrize(
    ("stored", "first", "code"), [(2, 1, Code.CONFLICT), (2, 3, Code.SEQ), (0, 1, Code.SEQ)]
)
def test_a_session_that_was_told_wrong(table: Table, stored: int, first: int, code: Code) -> None:
    """A store that sees it for the first time leaves it no hole, and stores nothing twice."""
    session = table.enter()
    before = [entry(session, 0, *ROWS)] if stored else []
    with table.store() as store:
        store.append(before or [entry(table.enter(7), 0, ROWS[0], agency=7)])
    rows = table.rows()
    with table.store() as store:
        for wrong in (entry(session, first, ROWS[0]), end(session, first)):
            with pytest.raises(Refused) as refused:
                store.append([wrong])
            assert refused.value.why[AGENCY, session][0] is code
        assert table.rows() == rows
        store.append([entry(session, stored, ROWS[0]), end(session, stored + 1)])


def test_two_stores_race_for_a_batch(table: Table) -> None:
    """One has stored it; the other is refused."""
    session = table.enter()
    barrier, ends = threading.Barrier(2), list[Code | None]()

    def work() -> None:
        with table.store() as store:
            barrier.wait()
            try:
                store.append([entry(session, 0, *ROWS)])
                ends.append(None)
            except Refused as refused:
                ends.append(refused.why[AGENCY, session][0])

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends, key=str) == [Code.CONFLICT, None]
    assert table.rows() == entry(session, 0, *ROWS).body
