"""``lottery.ledger.postgres.connection``: what an error of the database means, without one."""

from __future__ import annotations

import errno
import socket
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from lottery.errors import LotteryError, SettingsError
from lottery.ledger.postgres import connection as module
from lottery.ledger.postgres.connection import (
    Connections,
    Unknown,
    checked_dsn,
    connect,
    meaning,
    transaction,
)
from lottery.ledger.segment import Held, NoRoom, NotNow

OPTIONS = module._OPTIONS
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
DEFAULTS = {
    "target_session_attrs": "read-write",
    "connect_timeout": "2",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "client_encoding": "UTF8",
    "options": OPTIONS,
}


# What an error means.


@pytest.mark.parametrize(
    "error",
    [
        errors.AdminShutdown("terminating connection due to administrator command"),
        errors.CrashShutdown("terminating connection because of crash of another process"),
        errors.CannotConnectNow("the database system is starting up"),
        errors.QueryCanceled("canceling statement due to user request"),
        errors.ConnectionFailure("connection failure"),
        errors.TooManyConnections("sorry, too many clients already"),
        errors.OutOfMemory("out of memory"),
        errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
        errors.IdleInTransactionSessionTimeout("terminating connection"),
        errors.DeadlockDetected("deadlock detected"),
        errors.SerializationFailure("could not serialize access"),
        psycopg.OperationalError("connection failed: connection refused"),
        psycopg.OperationalError("server closed the connection unexpectedly"),
        psycopg.OperationalError("session is read-only"),
        psycopg.OperationalError('FATAL:  too many connections for role "x"'),
        psycopg.OperationalError("failed to resolve host 'x': Name or service not known"),
        psycopg.errors.ConnectionTimeout("connection timeout expired"),
        psycopg.InterfaceError("the connection is closed"),
    ],
    ids=lambda error: f"{error.sqlstate} {error}",
)
def test_what_passes(error: psycopg.Error) -> None:
    """The database is away, or busy: nothing was done, and the same may be tried again."""
    found = meaning(error)
    assert type(found) is NotNow
    assert found.errno == errno.EAGAIN
    assert found.strerror == f"the database is away, {error}"


def test_no_room() -> None:
    """It is told as on a disk of our own."""
    found = meaning(errors.DiskFull("could not extend file"))
    assert type(found) is NoRoom
    assert found.errno == errno.ENOSPC
    assert found.strerror == "the database has no room, could not extend file"


def test_a_row_that_is_held() -> None:
    """Another central is at a step of the draw."""
    found = meaning(errors.LockNotAvailable("canceling statement due to lock timeout"))
    assert type(found) is Held
    assert found.strerror == "somebody else is at work on the same rows"


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidPassword("password authentication failed"),
        errors.InvalidCatalogName('database "x" does not exist'),
        errors.UndefinedTable('relation "lottery.draw" does not exist'),
        errors.InsufficientPrivilege("permission denied for schema lottery"),
        errors.UniqueViolation("duplicate key value"),
        errors.CheckViolation("violates check constraint"),
        psycopg.OperationalError('FATAL: password authentication failed for user "x"'),
        psycopg.OperationalError('FATAL: role "x" does not exist'),
        psycopg.OperationalError("FATAL: no pg_hba.conf entry for host"),
        psycopg.OperationalError("fe_sendauth: no password supplied"),
        psycopg.OperationalError('invalid integer value "x" for connection option "port"'),
        psycopg.OperationalError('invalid sslmode value: "x"'),
        psycopg.OperationalError('invalid target_session_attrs value: "x"'),
        psycopg.OperationalError('invalid gssencmode value: "x"'),
        psycopg.OperationalError('invalid channel_binding value: "x"'),
        psycopg.OperationalError('invalid load_balance_hosts value: "x"'),
        psycopg.OperationalError('invalid "ssl_min_protocol_version" value: "x"'),
        psycopg.OperationalError('invalid port number: "99999"'),
        psycopg.OperationalError('definition of service "x" not found'),
        psycopg.OperationalError("could not match 1 host names with 2 hostaddr values"),
        psycopg.OperationalError('FATAL:  unrecognized configuration parameter "x"'),
        psycopg.OperationalError('FATAL:  invalid value for parameter "work_mem": "x"'),
        psycopg.OperationalError("FATAL:  invalid command-line argument for server process: -z"),
        psycopg.OperationalError('FATAL:  permission denied for database "x"'),
        psycopg.OperationalError('FATAL:  role "x" is not permitted to log in'),
        psycopg.OperationalError("server does not support SSL, but SSL was required"),
        psycopg.OperationalError("channel binding required, but server authenticated client"),
        psycopg.OperationalError("GSSAPI encryption required but no credential cache"),
        psycopg.OperationalError('authentication method requirement "password" failed'),
        psycopg.ProgrammingError("the query has 1 placeholder but 2 parameters were passed"),
        psycopg.DataError("a bug"),
    ],
    ids=lambda error: f"{error.sqlstate} {error}",
)
def test_what_does_not_pass(error: psycopg.Error) -> None:
    """It is for somebody to mend."""
    found = meaning(error)
    assert type(found) is LotteryError
    assert str(found) == f"the database cannot be used, {error}"


def test_a_sentence_is_one_line() -> None:
    """The client's library has an error for each host, on lines of their own."""
    found = meaning(psycopg.OperationalError("one\n  two\n\nMultiple attempts\n"))
    assert isinstance(found, NotNow)
    assert found.strerror == "the database is away, one, two, Multiple attempts"


# A connection string.


def test_what_a_connection_string_does_not_say() -> None:
    """It has what a ledger needs; neither a host nor a name is made up."""
    assert conninfo_to_dict(checked_dsn("")) == DEFAULTS
    assert conninfo_to_dict(checked_dsn("postgresql://me:secret@h:5433/d")) == {
        **DEFAULTS, "user": "me", "password": "secret", "host": "h", "port": "5433", "dbname": "d",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(DEFAULTS.keys() - {"options", "client_encoding"}))
def test_what_a_connection_string_says_itself(name: str) -> None:
    """It holds."""
    value = {"target_session_attrs": "primary"}.get(name, "77")
    found = conninfo_to_dict(checked_dsn(f"postgresql://h/d?{name}={value}"))
    assert found == {**DEFAULTS, "host": "h", "dbname": "d", name: value}


def test_several_hosts() -> None:
    """They stay as they are: whichever takes writes is used."""
    found = conninfo_to_dict(checked_dsn("postgresql://a,b:5433,c/d?connect_timeout=1"))
    assert (found["host"], found["port"]) == ("a,b,c", ",5433,")
    assert (found["target_session_attrs"], found["connect_timeout"]) == ("read-write", "1")


def test_options_of_its_own() -> None:
    """Ours come behind them, so that those count."""
    assert OPTIONS.startswith("-c synchronous_commit=on -c datestyle=ISO ")
    assert "lock_timeout=" in OPTIONS
    assert "idle_in_transaction_session_timeout=" in OPTIONS
    found = conninfo_to_dict(checked_dsn("host=h options='-c synchronous_commit=off'"))
    assert found["options"] == f"-c synchronous_commit=off {OPTIONS}"


def test_an_encoding_of_its_own() -> None:
    """The rows are UTF-8, whatever it says."""
    found = conninfo_to_dict(checked_dsn("postgresql://h/d?client_encoding=LATIN1"))
    assert found == {**DEFAULTS, "host": "h", "dbname": "d"}


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:geheim@h:port/d?what=ever",
        "postgresql://me:geheim@h/d?sslmode",
        "postgresql://me:geheim@[::1/d",
        "password=geheim host",
        "password=geheim nothing=7",
        "password='geheim",
        "postgresql://me:%gheim@h/d",
    ],
)
def test_what_is_no_connection_string(text: str) -> None:
    """The sentence says so, and has no password in it, nor has what leads to it."""
    with pytest.raises(SettingsError) as error:
        checked_dsn(text)
    told = "".join(traceback.format_exception_only(error.value))
    assert "heim" not in told
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:geheim@daheim/x@h/d",
        "postgresql://me:12/daheim@h/d",
        "postgres://me:geheim@daheim@h/d",
        "postgresql://me:geheim@daheim@h",
        "postgresql://me:geheim@h/d?user=geheim@daheim",
    ],
)
def test_an_at_sign_too_many(text: str) -> None:
    """What is behind it may be a part of a password: it is not told, but what to do about it."""
    with pytest.raises(SettingsError) as error:
        checked_dsn(text, "this")
    how = "in a password, @ is written %40 and / is written %2F"
    assert str(error.value) == f"this has an @ where none can be: {how}"


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("postgresql://me:ge%40he%2Fim@h/d", "ge@he/im"),
        ("postgresql://me:geheim?#@h/d", "geheim?#"),
        ("host=h user=me dbname=d password=ge@he/im@", "ge@he/im@"),
    ],
)
def test_a_password_that_is_escaped(text: str, password: str) -> None:
    """It may have any character; and in what is no URL none is special."""
    found = conninfo_to_dict(checked_dsn(text))
    assert (found["host"], found["password"]) == ("h", password)


# Connect.


class Styled:
    """A connection of which the server says how it writes dates."""

    def __init__(self, dates: str) -> None:
        self.closed, self.info, self._dates = False, self, dates

    def parameter_status(self, name: str) -> str:
        """What it says."""
        return {"DateStyle": self._dates}[name]

    def close(self) -> None:
        """Part with it."""
        self.closed = True


def test_dates_of_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be done with them; the connection is closed."""
    made = Styled("German, DMY")
    monkeypatch.setattr(psycopg, "connect", lambda dsn, **more: made)
    with pytest.raises(LotteryError, match="dates as PGDATESTYLE says, it has to be ISO"):
        connect("host=h", "lottery x")
    assert made.closed


def test_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its transactions are its own business; the database can tell whose it is."""
    asked: list[tuple[object, ...]] = []
    made = Styled("ISO, MDY")

    def fake(dsn: str, **more: object) -> Any:
        asked.append((dsn, more))
        return made

    monkeypatch.setattr(psycopg, "connect", fake)
    assert connect("host=h", "lottery x") is made  # type: ignore[comparison-overlap]
    assert asked == [("host=h", {"autocommit": True, "application_name": "lottery x"})]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("connection refused"), NotNow),
        (psycopg.OperationalError("password authentication failed"), LotteryError),
    ],
)
def test_connect_in_vain(
    error: psycopg.Error, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told what that means."""

    def fake(*_: object, **__: object) -> Any:
        raise error

    monkeypatch.setattr(psycopg, "connect", fake)
    with pytest.raises(kind) as found:
        connect("host=h", "x")
    assert found.value.__cause__ is error


# A transaction.


class FakeConnection:
    """A connection whose statements do what the test says.

    :ivar said: the statements.
    :ivar failing: by statement, what it raises.
    :ivar cuts: whether the connection is gone then.
    :ivar notice: what the database remarks at a COMMIT: how severe it is.
    """

    def __init__(self, **failing: psycopg.Error) -> None:
        self.said: list[str] = []
        self.failing = failing
        self.closed = False
        self.cuts = False
        self.notice = ""
        self.listening: list[Callable[[Any], None]] = []
        self.info = self
        self.transaction_status = TransactionStatus.IDLE
        self._pair = socket.socketpair()

    def execute(self, text: str) -> None:
        """Run a statement."""
        assert not self.closed
        self.said.append(text)
        if text in self.failing:
            if self.cuts:
                self.closed = True
            raise self.failing[text]
        if text == "COMMIT" and self.notice:
            for listener in self.listening:
                listener(SimpleNamespace(severity_nonlocalized=self.notice))
        idle = text in ("COMMIT", "ROLLBACK")
        self.transaction_status = TransactionStatus.IDLE if idle else TransactionStatus.INTRANS

    def add_notice_handler(self, listener: Callable[[Any], None]) -> None:
        """Tell somebody of notices."""
        self.listening.append(listener)

    def remove_notice_handler(self, listener: Callable[[Any], None]) -> None:
        """Tell it no more."""
        self.listening.remove(listener)

    def close(self) -> None:
        """Be gone."""
        self.closed = True
        for end in self._pair:
            end.close()

    def fileno(self) -> int:
        """Its socket."""
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        return self._pair[0].fileno()

    def hears_the_end(self) -> bool:
        """Whether its other end sees that it is cut."""
        self._pair[1].setblocking(False)
        try:
            return self._pair[1].recv(1) == b""
        except BlockingIOError:
            return False


def test_a_transaction() -> None:
    """All of it is between BEGIN and COMMIT."""
    connection: Any = FakeConnection()
    with transaction(connection) as within:
        within.execute("ONE")
    assert connection.said == [BEGIN, "ONE", "COMMIT"]
    assert connection.listening == []
    connection.close()


@pytest.mark.parametrize("severity", ["NOTICE", "WARNING"])
def test_a_commit_with_a_remark(severity: str) -> None:
    """A warning says that it is not where a commit has to be; nobody may rely on it."""
    connection: Any = FakeConnection()
    connection.notice = severity
    if severity == "WARNING":
        with pytest.raises(Unknown), transaction(connection):
            pass
    else:
        with transaction(connection):
            pass
    assert connection.said == [BEGIN, "COMMIT"]
    assert connection.listening == []
    connection.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.AdminShutdown("away"), NotNow),
        (errors.DiskFull("full"), NoRoom),
        (errors.UndefinedTable("no table"), LotteryError),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("statement", [BEGIN, "ONE"])
def test_a_transaction_that_fails(
    statement: str, cut: bool, error: psycopg.Error, kind: type[Exception]
) -> None:
    """Nothing was done; it is rolled back, if there is anything to be rolled back."""
    connection: Any = FakeConnection(**{statement: error})
    connection.cuts = cut
    with pytest.raises(kind) as found, transaction(connection):
        connection.execute("ONE")
    assert type(found.value) is kind
    begun = statement == "ONE"
    assert connection.said == [
        BEGIN, *["ONE"] * begun, *["ROLLBACK"] * (begun and not cut),
    ]  # fmt: skip
    connection.close()


@pytest.mark.parametrize(
    ("error", "cut", "kind"),
    [
        (psycopg.OperationalError("server closed the connection"), True, Unknown),
        (psycopg.OperationalError("no answer"), False, Unknown),
        (errors.AdminShutdown("terminating connection"), True, Unknown),
        (errors.SerializationFailure("could not serialize"), False, NotNow),
        (errors.DiskFull("full"), False, NoRoom),
        (errors.UniqueViolation("deferred"), False, LotteryError),
    ],
)
def test_a_commit_that_fails(error: psycopg.Error, cut: bool, kind: type[Exception]) -> None:
    """Without an answer it is not known whether it came about; with one it did not."""
    connection: Any = FakeConnection(COMMIT=error)
    connection.cuts = cut
    with pytest.raises(kind) as found, transaction(connection):
        pass
    assert type(found.value) is kind
    if kind is Unknown:
        assert str(found.value) == f"the database went away within a commit, {error}"
    connection.close()


@pytest.mark.parametrize("error", [LotteryError("no"), KeyboardInterrupt()])
def test_what_else_ends_a_transaction(error: BaseException) -> None:
    """It is rolled back, and the error is what it was."""
    connection: Any = FakeConnection()
    with pytest.raises(type(error)) as found, transaction(connection):
        raise error
    assert found.value is error
    assert connection.said == [BEGIN, "ROLLBACK"]
    connection.close()


def test_a_rollback_that_fails() -> None:
    """The connection is of no more use."""
    away = errors.AdminShutdown("away")
    connection: Any = FakeConnection(ONE=errors.DiskFull("full"), ROLLBACK=away)
    with pytest.raises(NoRoom), transaction(connection):
        connection.execute("ONE")
    assert connection.closed


# Connections.


class Made:
    """Makes connections.

    :ivar all: those that were made.
    :ivar next: what the next ones are; others are good.
    """

    def __init__(self) -> None:
        self.all: list[FakeConnection] = []
        self.next: list[FakeConnection | Exception] = []

    def __call__(self, dsn: str, name: str) -> FakeConnection:
        """Connect."""
        assert (dsn, name) == ("host=h", "x")
        made = self.next.pop(0) if self.next else FakeConnection()
        if isinstance(made, Exception):
            raise made
        self.all.append(made)
        return made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What makes the connections of the test; all are closed behind it."""
    maker = Made()
    monkeypatch.setattr(module, "connect", maker)
    yield maker
    for each in maker.all:
        each.close()


def one(connection: Any) -> int:
    """Do something."""
    connection.execute("ONE")
    return 7


def test_work_in_a_transaction(made: Made) -> None:
    """It gives what it gives; the connection is kept for the next one."""
    connections = Connections("host=h", "x")
    assert [connections.do(one) for _ in range(3)] == [7, 7, 7]
    (connection,) = made.all
    assert connection.said == [BEGIN, "ONE", "COMMIT"] * 3
    connections.close()
    assert connection.closed


def test_threads_have_connections_of_their_own(made: Made) -> None:
    """As many as there are at work; a few are kept."""
    connections = Connections("host=h", "x")

    def within(depth: int) -> Callable[[Any], int]:
        return lambda connection: connections.do(within(depth - 1)) if depth else one(connection)

    depth = module._MOST_IDLE + 2
    assert connections.do(within(depth)) == 7
    assert len(made.all) == depth + 1
    assert [each.closed for each in made.all].count(False) == module._MOST_IDLE
    connections.close()
    assert all(each.closed for each in made.all)


@pytest.mark.parametrize(
    "failing",
    [
        {BEGIN: psycopg.OperationalError("server closed the connection")},
        {"ONE": errors.AdminShutdown("terminating connection")},
        {"COMMIT": psycopg.OperationalError("server closed the connection")},
    ],
    ids=["begin", "work", "commit"],
)
def test_an_idle_connection_that_is_gone(made: Made, failing: dict[str, psycopg.Error]) -> None:
    """It is done once more with a new one, and all idle ones are gone at once behind a takeover."""
    connections = Connections("host=h", "x")
    connections.do(lambda _: connections.do(lambda _: connections.do(one)))
    for stale in made.all:
        stale.failing, stale.cuts = failing, True
    assert connections.do(one) == 7
    assert len(made.all) == 4
    assert [each.closed for each in made.all] == [True, True, True, False]
    assert made.all[3].said == [BEGIN, "ONE", "COMMIT"]
    connections.close()


def test_a_new_connection_that_is_gone(made: Made) -> None:
    """It is not done again here: whoever asked waits a little first."""
    connections = Connections("host=h", "x")
    made.next = [FakeConnection(ONE=errors.AdminShutdown("away"))]
    with pytest.raises(NotNow):
        connections.do(one)
    assert len(made.all) == 1
    assert made.all[0].closed


def test_a_commit_of_a_new_connection_without_an_answer(made: Made) -> None:
    """It may have come about: to do it twice is harmless, so it may be tried again."""
    connections = Connections("host=h", "x")
    lost = FakeConnection(COMMIT=psycopg.OperationalError("gone"))
    lost.cuts = True
    made.next = [lost]
    with pytest.raises(NotNow) as error:
        connections.do(one)
    assert type(error.value) is NotNow
    assert error.value.strerror == "the database went away within a commit, gone"
    assert isinstance(error.value.__cause__, Unknown)


def test_nobody_lets_us_in(made: Made) -> None:
    """What connecting says is what there is to say."""
    connections = Connections("host=h", "x")
    made.next = [LotteryError("no such role"), NotNow(errno.EAGAIN, "away")]
    with pytest.raises(LotteryError, match="no such role"):
        connections.do(one)
    with pytest.raises(NotNow):
        connections.do(one)


def test_work_that_raises(made: Made) -> None:
    """Its connection is as good as before."""
    connections = Connections("host=h", "x")

    def fails(connection: Any) -> None:
        raise LotteryError("refused")

    with pytest.raises(LotteryError, match="refused"):
        connections.do(fails)
    assert connections.do(one) == 7
    (connection,) = made.all
    assert connection.said == [BEGIN, "ROLLBACK", BEGIN, "ONE", "COMMIT"]
    connections.close()


def test_closed_while_at_work(made: Made) -> None:
    """It is not kept."""
    connections = Connections("host=h", "x")
    connections.do(lambda _: connections.close())
    assert [each.closed for each in made.all] == [True]


def test_broken_off(made: Made) -> None:
    """Who waits for an answer gets none; it is not tried again, and nothing else is."""
    connections = Connections("host=h", "x")
    assert connections.do(one) == 7

    def waits(connection: Any) -> None:
        connections.break_off()
        assert connection.hears_the_end()
        connection.cuts = True
        connection.failing = {"ONE": psycopg.OperationalError("server closed the connection")}
        connection.execute("ONE")

    with pytest.raises(NotNow, match="server closed"):
        connections.do(waits)
    assert len(made.all) == 1
    assert made.all[0].closed
    with pytest.raises(NotNow, match="the central is being stopped"):
        connections.do(one)
    assert len(made.all) == 1


def test_broken_off_while_it_connects(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed at once, and nothing is done with it."""
    connections = Connections("host=h", "x")

    def connecting(dsn: str, name: str) -> Any:
        connections.break_off()
        return made(dsn, name)

    monkeypatch.setattr(module, "connect", connecting)
    with pytest.raises(NotNow, match="the central is being stopped"):
        connections.do(one)
    (connection,) = made.all
    assert connection.closed
    assert connection.said == []


def test_broken_off_when_it_has_just_ended(made: Made) -> None:
    """One that is gone by itself cannot be cut, which is no error."""
    connections = Connections("host=h", "x")

    def ends(connection: Any) -> None:
        connection.close()
        connections.break_off()
        raise errors.AdminShutdown("terminating connection")

    with pytest.raises(NotNow):
        connections.do(ends)
    connections.break_off()
    connections.close()
