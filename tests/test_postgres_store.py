"""``lottery.ledger.postgres.store``: what it says to a database, and what it makes of errors."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any, Final, Self

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from psycopg.pq import TransactionStatus
from strategies import rows as any_row

from lottery.errors import Code, LotteryError
from lottery.ledger.entry import Entry, Refused
from lottery.ledger.postgres import store as module
from lottery.ledger.postgres.connection import Unknown
from lottery.ledger.postgres.store import DatabaseStore
from lottery.ledger.segment import Kind, NotNow

DRAW: Final = 7
SESSION: Final = 3
NONCE: Final = bytes(range(32))

Part = tuple[int, bool, str | None]


class FakeDatabase:
    """A database with a connection at a time, that knows the statements of a store.

    :ivar connections: how many were made.
    :ivar parts: by agency, its latest session, whether it has ended, why it is left out.
    :ivar nexts: where each agency goes on; 0 if it is not here.
    :ivar there: batches that somebody else has stored.
    :ivar said: the statements, by their first words.
    :ivar copied: the bytes that came, by COPY.
    :ivar ends: the values of each END.
    :ivar failing: by the first words of a statement, what it raises.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.parts: dict[int, Part] = {5: (SESSION, False, None), 6: (SESSION, False, None)}
        self.nexts: dict[int, int] = {}
        self.there: set[tuple[int, int]] = set()
        self.said: list[str] = []
        self.copied: list[bytes] = []
        self.ends: list[Sequence[Any]] = []
        self.failing: dict[str, Exception] = {}

    def connect(self, dsn: str, name: str) -> FakeConnection:
        """Connect."""
        assert (dsn, name) == ("host=h", "lottery writer")
        self.fail("CONNECT")
        self.connections += 1
        return FakeConnection(self)

    def fail(self, what: str) -> None:
        """Raise what it has to."""
        if what in self.failing:
            raise self.failing.pop(what)


class FakeConnection:
    """One connection: to itself it is also its information, its cursors and its COPY."""

    def __init__(self, database: FakeDatabase) -> None:
        self._database = database
        self.closed = False
        self.info = self
        self.transaction_status = TransactionStatus.IDLE

    def parameter_status(self, name: str) -> str:
        """What the server says of itself."""
        return {"DateStyle": "ISO, MDY"}[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str | bytes, values: Sequence[Any] = ()) -> Any:
        """Run a statement; gives something to fetch its rows from."""
        assert not self.closed
        text = statement if isinstance(statement, str) else statement.decode()
        words = " ".join(text.split()[:2])
        here = self._database
        here.said.append(words)
        if isinstance(here.failing.get(words), psycopg.OperationalError):
            self.closed = True
        here.fail(words)
        idle = words in ("COMMIT", "ROLLBACK")
        self.transaction_status = TransactionStatus.IDLE if idle else TransactionStatus.INTRANS
        self._rows: list[tuple[Any, ...]] = []
        if words == "SELECT agency,":
            assert values[0] == DRAW
            if "FOR UPDATE" in text:
                assert values[1] == sorted(set(values[1]))
                found = {agency: here.parts.get(agency) for agency in values[1]}
                self._rows = [(agency, *part) for agency, part in found.items() if part]
            else:
                self._rows = [(agency, here.nexts.get(agency, 0)) for agency in values[1]]
        elif words == "INSERT INTO":
            draw, agencies, firsts, *_ = values
            assert draw == DRAW
            each = zip(agencies, firsts, strict=True)
            self._rows = [batch for batch in each if batch not in here.there]
        elif words == "UPDATE lottery.part":
            here.ends.append(values)
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows of the last statement."""
        return self._rows

    def cursor(self) -> Self:
        """Something to copy with."""
        return self

    def copy(self, statement: bytes) -> Self:
        """Copy in."""
        self.execute(statement)
        return self

    def write(self, data: bytes) -> None:
        """Copy bytes."""
        self._database.copied.append(data)

    def add_notice_handler(self, listener: object) -> None:
        """There are no notices."""

    def remove_notice_handler(self, listener: object) -> None:
        """There are no notices."""

    def close(self) -> None:
        """Be gone."""
        self.closed = True


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    """What all stores connect to."""
    fake = FakeDatabase()
    monkeypatch.setattr(module, "connect", fake.connect)
    return fake


def store_at(database: FakeDatabase) -> DatabaseStore:
    """A store that has connected."""
    return DatabaseStore("host=h", DRAW)


def entry(agency: int, first: int, *rows: str, session: int = SESSION) -> Entry:
    """Rows of an agency."""
    body = "".join(f"{agency},{row}\n" for row in rows).encode()
    return Entry(Kind.ROWS, agency, first, len(rows), body, 0xABCD, False, session)


def end(agency: int, total: int) -> Entry:
    """The END of an agency."""
    return Entry(Kind.END, agency, total, 0, NONCE, 0xABCD, False, SESSION)


ANA: Final = "Ana,Gil,1,2000-01-01,7"
BO: Final = "Bo %d %%,5,02,1999-12-31,0042"
#: Of a first group with an END in it, and of later ones of the same sessions without.
FIRST: Final = [
    "BEGIN ISOLATION", "SELECT agency,", "SELECT agency,", "INSERT INTO", "COPY lottery.bet",
    "UPDATE lottery.part", "COMMIT",
]  # fmt: skip
LATER: Final = ["BEGIN ISOLATION", "SELECT agency,", "INSERT INTO", "COPY lottery.bet", "COMMIT"]


def test_a_group_is_one_transaction(database: FakeDatabase) -> None:
    """Few statements, however many entries; where a session is, is asked once."""
    store = store_at(database)
    store.append([entry(5, 0, ANA), entry(6, 0, BO, ANA), entry(5, 1, BO), end(5, 2)])
    assert database.said == FIRST
    assert b"".join(database.copied) == (
        b"7,5,0,Ana,Gil,1,2000-01-01,7\n"
        b"7,6,0,Bo %d %%,5,02,1999-12-31,0042\n"
        b"7,6,1,Ana,Gil,1,2000-01-01,7\n"
        b"7,5,1,Bo %d %%,5,02,1999-12-31,0042\n"
    )
    assert database.ends == [(2, 0xABCD, NONCE, DRAW, 5)]
    database.said.clear()
    store.append([entry(6, 2, ANA), entry(6, 3, ANA)])
    store.flush()
    assert database.said == LATER
    assert database.copied[1:] == [b"7,6,2,Ana,Gil,1,2000-01-01,7\n7,6,3,Ana,Gil,1,2000-01-01,7\n"]
    assert database.connections == 1


def test_an_end_alone(database: FakeDatabase) -> None:
    """There are no rows to be stored then."""
    database.nexts = {5: 9}
    store_at(database).append([end(5, 9)])
    assert database.said == [*FIRST[:3], *FIRST[5:]]


@given(
    st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.lists(any_row(), min_size=1, max_size=9)
)
def test_what_is_copied(agency: int, first: int, rows: list[str]) -> None:
    """Each row as it is, with the draw and the index put in."""
    with pytest.MonkeyPatch.context() as patch:
        database = FakeDatabase()
        patch.setattr(module, "connect", database.connect)
        database.parts = {agency: (SESSION, False, None)}
        database.nexts = {agency: first}
        store_at(database).append([entry(agency, first, *rows)])
    expected = [f"{DRAW},{agency},{index},{row}\n" for index, row in enumerate(rows, first)]
    assert database.copied == ["".join(expected).encode()]


def test_an_entry_that_is_not_what_it_says(database: FakeDatabase) -> None:
    """A bug of ours never gives rows another index."""
    wrong = entry(5, 0, ANA, BO)._replace(bets=1)
    with pytest.raises(TypeError):
        store_at(database).append([wrong])
    assert database.said[-1] == "ROLLBACK"


PLACED = [
    (0, 1, (Code.SEQ, "agency 5 goes on with bet 1, bet 0 is next")),
    (7, 9, (Code.SEQ, "agency 5 goes on with bet 9, bet 7 is next")),
    (7, 6, (Code.CONFLICT, "bet 6 of agency 5 is stored already")),
    (7, 0, (Code.CONFLICT, "bet 0 of agency 5 is stored already")),
]


@pytest.mark.parametrize("kind", [Kind.ROWS, Kind.END])
@pytest.mark.parametrize(("stored", "first", "why"), PLACED)
def test_a_session_that_was_told_wrong(
    database: FakeDatabase, stored: int, first: int, why: tuple[Code, str], kind: Kind
) -> None:
    """Neither leaves it a hole nor does it store anything twice; others are not to blame."""
    database.nexts = {5: stored}
    store = store_at(database)
    begins = entry(5, first, ANA) if kind == Kind.ROWS else end(5, first)
    with pytest.raises(Refused) as refused:
        store.append([entry(6, 0, ANA), begins])
    assert refused.value.why == {(5, SESSION): why}
    assert database.said == [*FIRST[:3], "ROLLBACK"]
    assert database.copied == []
    database.nexts = {5: first}
    store.append([entry(6, 0, ANA), begins])
    assert database.said[-1] == "COMMIT"


def test_a_newer_session_is_looked_at_anew(database: FakeDatabase) -> None:
    """What is known of an older one says nothing of it."""
    store = store_at(database)
    store.append([entry(5, 0, ANA)])
    database.parts[5] = (SESSION + 1, False, None)
    database.nexts = {5: 1}
    database.said.clear()
    store.append([entry(5, 1, ANA, session=SESSION + 1)])
    assert database.said.count("SELECT agency,") == 2


def test_what_was_taken_back_is_looked_at_anew(database: FakeDatabase) -> None:
    """Only a session of which something is stored is known."""
    store = store_at(database)
    database.failing["COPY lottery.bet"] = errors.DiskFull("full")
    with pytest.raises(NotNow):
        store.append([entry(5, 0, ANA)])
    database.nexts = {5: 1}
    with pytest.raises(Refused):
        store.append([entry(5, 0, ANA)])


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (None, (Code.CLOSED, "agency 5 has no place in the draw")),
        ((SESSION + 1, False, None), (Code.TAKEN, "a newer session of agency 5 has come")),
        ((SESSION, True, None), (Code.CLOSED, "agency 5 has ended")),
        (
            (SESSION, False, "late"),
            (Code.LEFT_OUT, "agency 5 has no part in the draw any more"),
        ),
        (
            (SESSION + 1, True, ""),
            (Code.LEFT_OUT, "agency 5 has no part in the draw any more"),
        ),
    ],
)
def test_who_may_not_store(
    database: FakeDatabase, part: Part | None, why: tuple[Code, str]
) -> None:
    """It is found out before anything is written, and the connection is as good as before."""
    database.parts.pop(5)
    if part is not None:
        database.parts[5] = part
    store = store_at(database)
    with pytest.raises(Refused) as refused:
        store.append([entry(6, 0, ANA), entry(5, 0, ANA)])
    assert refused.value.why == {(5, SESSION): why}
    assert str(refused.value) == why[1]
    assert database.said == [*FIRST[:2], "ROLLBACK"]
    store.append([entry(6, 0, ANA)])
    assert database.connections == 1


def test_bets_that_are_there_although_the_session_is_ours(database: FakeDatabase) -> None:
    """Each that has some is refused; none is copied."""
    store = store_at(database)
    database.there = {(5, 1), (6, 0)}
    with pytest.raises(Refused) as refused:
        store.append([entry(5, 0, ANA), entry(6, 0, ANA), entry(5, 1, ANA)])
    assert refused.value.why == {
        (5, SESSION): (Code.CONFLICT, "bet 1 of agency 5 is stored already"),
        (6, SESSION): (Code.CONFLICT, "bet 0 of agency 6 is stored already"),
    }
    assert database.said[-2:] == ["INSERT INTO", "ROLLBACK"]


ALL = dict.fromkeys(FIRST)  # without what is there twice


@pytest.mark.parametrize("statement", [each for each in ALL if each != "COMMIT"])
@pytest.mark.parametrize(
    "error", [errors.AdminShutdown("away"), errors.LockNotAvailable("held")], ids=["cut", "held"]
)
def test_not_now(database: FakeDatabase, statement: str, error: psycopg.Error) -> None:
    """Whatever it was at: nothing was done; the next try has a connection of its own, and one."""
    store = store_at(database)
    database.failing[statement] = error
    group = [entry(5, 0, ANA), end(5, 1)]
    with pytest.raises(NotNow):
        store.append(group)
    assert "COMMIT" not in database.said
    database.failing["CONNECT"] = NotNow(errno.EAGAIN, "away")
    with pytest.raises(NotNow):
        store.append(group)
    assert database.connections == 1
    database.said.clear()
    store.append(group)
    assert database.connections == 2
    assert database.said == FIRST


def test_a_commit_without_an_answer(database: FakeDatabase) -> None:
    """It is not known what is stored."""
    store = store_at(database)
    database.failing["COMMIT"] = psycopg.OperationalError("server closed the connection")
    with pytest.raises(Unknown):
        store.append([entry(5, 0, ANA)])


def test_what_is_for_somebody_to_mend(database: FakeDatabase) -> None:
    """It is neither of them."""
    store = store_at(database)
    database.failing["INSERT INTO"] = errors.UndefinedTable("no table")
    with pytest.raises(LotteryError) as error:
        store.append([entry(5, 0, ANA)])
    assert type(error.value) is LotteryError


@pytest.mark.parametrize("lost", [False, True])
def test_close(database: FakeDatabase, lost: bool) -> None:
    """Also one that has no connection now."""
    store = store_at(database)
    connection: Any = store._connection
    if lost:
        database.failing["BEGIN ISOLATION"] = errors.AdminShutdown("away")
        with pytest.raises(NotNow):
            store.append([entry(5, 0, ANA)])
    store.close()
    assert connection.closed
