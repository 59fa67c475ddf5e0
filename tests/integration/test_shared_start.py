"""A central whose database cannot be used does not start: one sentence says why.

The status is 2, or 1 if waiting may mend it.

Nothing that it says has a password in it.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import run
from typing import Final

import psycopg
import pytest
from live import PATIENCE_SECONDS, environment, run_lottery
from postgres import Pair, Server
from postgres_client import url
from postgres_place import reserved_port
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from lottery.errors import LotteryError, StartError
from lottery.ledger.postgres.connection import checked_dsn, connect
from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.postgres.schema import prepare

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.slow

PASSWORD: Final = "b1gsecret"
WRONG: Final = "wr0ngsecret"
NOWHERE: Final = "tcp:0:interface=127.0.0.1"
#: For how long it tries what may pass, with some time for a busy machine.
TRIES_SECONDS: Final = 15.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that asks one of its users for a password, and is soon out of connections."""
    with Server(max_connections=8) as server:
        server.sql(f"CREATE ROLE teller LOGIN PASSWORD '{PASSWORD}'")
        server.sql("CREATE ROLE nologin NOLOGIN")
        server.sql("CREATE ROLE noconnect LOGIN")
        server.sql("CREATE DATABASE private")
        server.sql("REVOKE ALL ON DATABASE private FROM PUBLIC")
        hba = server.directory / "pg_hba.conf"
        asks = "host all teller 127.0.0.1/32 scram-sha-256\n"
        hba.write_text(asks + hba.read_text())
        server.configure(work_mem="8MB")
        yield server


def told(directory: Path, dsn: str, *options: object, status: int = 2) -> str:
    """Start a central; gives the one sentence with which it does not start."""
    began = time.monotonic()
    words = ("--listen", NOWHERE, "--ledger", dsn, *options)
    done = run_lottery("serve", *words, cwd=directory)
    assert time.monotonic() - began < TRIES_SECONDS
    assert done.returncode == status, done
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("lottery: "), sentence
    for secret in (PASSWORD, WRONG, "secret"):
        assert secret not in done.stderr + done.stdout
    assert "Traceback" not in done.stdout
    return sentence


def as_teller(server: Server, password: str) -> str:
    """What somebody connects to who has to know a password."""
    return url(server.port).replace("lottery@", f"teller{password}@")


@pytest.mark.parametrize(
    ("given", "says"),
    [(f":{WRONG}", "password authentication failed for user"), ("", "no password supplied")],
    ids=["wrong", "none"],
)
def test_password(tmp_path: Path, server: Server, given: str, says: str) -> None:
    assert says in told(tmp_path, as_teller(server, given))


def test_no_right_to_make_the_tables(tmp_path: Path, server: Server) -> None:
    assert "permission denied for database" in told(tmp_path, as_teller(server, f":{PASSWORD}"))


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://teller:{PASSWORD}@127.0.0.1:port/lottery",
        f"postgresql://teller:{PASSWORD}@[::1/lottery",
        f"postgresql://teller:{PASSWORD}%zz@127.0.0.1/lottery",
        f"postgresql://teller@127.0.0.1/lottery?password={PASSWORD}&nonsense=1",
        f"postgresql://teller@127.0.0.1/lottery?sslmode=nonsense&password={PASSWORD}",
        f"postgresql://teller:{PASSWORD}@127.0.0.1:1,127.0.0.1/lottery?target_session_attrs=none",
        f"postgresql://teller:{PASSWORD}@{PASSWORD}/x@127.0.0.1/lottery",
        f"postgresql://teller:12/{PASSWORD}@127.0.0.1/lottery",
        f"host=127.0.0.1 password={PASSWORD} port",
        f"postgres:/teller:{PASSWORD}@127.0.0.1/lottery",
        f"https://teller:{PASSWORD}@127.0.0.1/lottery",
    ],
)
def test_no_connection_string(tmp_path: Path, text: str) -> None:
    told(tmp_path, text)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("service=nosuch", "definition of service"),
        ("port=99999", "invalid port number"),
        ("gssencmode=nonsense", "invalid gssencmode value"),
        ("channel_binding=nonsense", "invalid channel_binding value"),
        ("channel_binding=require", "channel binding required"),
        ("ssl_min_protocol_version=nonsense", 'invalid "ssl_min_protocol_version" value'),
        ("sslmode=require", "does not support SSL"),
        ("hostaddr=127.0.0.1,127.0.0.2", "could not match"),
        ("options='-c nonsense=1'", "unrecognized configuration parameter"),
        ("options='-c work_mem=much'", "invalid value for parameter"),
        ("options=-z", "invalid command-line argument"),
        ("user=nologin", "not permitted to log in"),
        ("user=noconnect dbname=private", "permission denied for database"),
    ],
)
def test_what_waiting_does_not_mend(server: Server, words: str, says: str) -> None:
    """It is told at once; the words are those of the client's library and of the server."""
    more = conninfo_to_dict(words)
    with pytest.raises(LotteryError) as error:
        connect(checked_dsn(make_conninfo(server.dsn, **more)), "lottery")
    assert says in str(error.value)


def test_nobody_there(tmp_path: Path) -> None:
    """Status 1: whatever supervises it may start it again."""
    with reserved_port() as port:
        sentence = told(tmp_path, url(port.getsockname()[1]), status=1)
    assert "the database is away" in sentence
    assert "Connection refused" in sentence


def test_no_such_database(tmp_path: Path, postgres_server: Server) -> None:
    sentence = told(tmp_path, url(postgres_server.port, database="nowhere"))
    assert 'database "nowhere" does not exist' in sentence


def test_no_connection_to_spare(tmp_path: Path, server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(psycopg.connect(server.dsn))
        sentence = told(tmp_path, server.dsn, status=1)
    assert "too many clients already" in sentence


def test_another_encoding(tmp_path: Path, postgres_server: Server) -> None:
    postgres_server.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        sentence = told(tmp_path, url(postgres_server.port, database="latin"))
    finally:
        postgres_server.sql("DROP DATABASE latin WITH (FORCE)")
    assert "the database has the encoding LATIN1, it needs UTF8" in sentence


def test_one_that_does_not_flush(tmp_path: Path) -> None:
    with Server(fsync=False) as server:
        assert "fsync is off" in told(tmp_path, server.dsn)
        assert server.sql("SELECT to_regclass('lottery.version')") == [(None,)]


@pytest.mark.parametrize("value", ["off", "local", "remote_write", "on", "remote_apply"])
def test_one_that_commits_too_soon(postgres_server: Server, value: str) -> None:
    """It is asked for another one, but something between may not hand that on."""
    with postgres_server.database() as database, psycopg.connect(database.dsn) as connection:
        connection.execute(f"SET synchronous_commit = {value}")
        if value in {"on", "remote_apply"}:
            prepare(connection)
            return
        with pytest.raises(StartError) as error:
            prepare(connection)
        said = "the database says that it keeps what it may still lose"
        assert str(error.value) == f"{said}: synchronous_commit is {value}"
        assert database.sql("SELECT to_regclass('lottery.version')") == [(None,)]


@pytest.mark.parametrize("version", ["99", "0"])
def test_another_version(tmp_path: Path, postgres_server: Server, version: str) -> None:
    with postgres_server.database() as database:
        database.sql("CREATE SCHEMA lottery")
        database.sql(f"CREATE TABLE lottery.version AS SELECT {version} AS version")
        sentence = told(tmp_path, database.dsn)
        assert f"the ledger in the database is of version {version}" in sentence
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'lottery'"
        assert database.sql(tables) == [("version",)]


#: What is done to a database with the tables of a ledger, or without: and what is said then.
DAMAGES: Final = {
    "DELETE FROM lottery.version":
        "the ledger in the database is damaged: its table version is empty",
    "ALTER TABLE lottery.version RENAME version TO release":
        "the table lottery.version in the database is of no ledger",
    "DROP TABLE lottery.version":
        "the database has a schema called lottery that is no ledger, it needs another database",
    **{
        f"DROP TABLE lottery.{name}":
            f"the ledger in the database is damaged: its table {name} is missing"
        for name in ("draw", "part", "batch", "bet", "central")
    },
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_tables_that_are_no_ledger(postgres_server: Server, damage: str) -> None:
    """Nothing is made or changed, and the sentence says what is the matter."""
    with postgres_server.database() as database:
        ledgers = DatabaseLedgers(database.dsn, provable=False)
        try:
            ledgers.own(lambda: False)
            database.sql(damage)
            before = database.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'lottery'")
            with pytest.raises(StartError) as error:
                ledgers.own(lambda: False)
            assert str(error.value) == f"the ledger cannot be used, {DAMAGES[damage]}"
            after = database.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'lottery'")
            assert after == before
        finally:
            ledgers.release()


def test_a_table_that_is_missing(tmp_path: Path, postgres_server: Server) -> None:
    """Status 2, as for all with which a central cannot start."""
    with postgres_server.database() as database:
        ledgers = DatabaseLedgers(database.dsn, provable=False)
        ledgers.own(lambda: False)
        ledgers.release()
        database.sql("DROP TABLE lottery.part")
        assert "its table part is missing" in told(tmp_path, database.dsn)
        database.sql(
            "CREATE TABLE lottery.part (draw integer)"
        )  # that there is, but not its columns
        assert "column part.agency does not exist" in told(tmp_path, database.dsn)


def test_a_standby_alone(tmp_path: Path, postgres_pair: Pair) -> None:
    assert "session is read-only" in told(tmp_path, postgres_pair.standby.dsn, status=1)


WITHOUT: Final = """
import sys
sys.modules["psycopg"] = None
from lottery.command import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("words", [["serve"], ["--help"]], ids=["wanted", "not-wanted"])
def test_not_installed(tmp_path: Path, words: Sequence[str]) -> None:
    """It says what to install; and all else goes without it."""
    options = ["--listen", NOWHERE, "--ledger", f"postgresql://teller:{PASSWORD}@127.0.0.1/x"]
    wanted = words == ["serve"]
    done = run(
        [sys.executable, "-c", WITHOUT, *words, *(options if wanted else [])],
        cwd=tmp_path, env=environment(), capture_output=True, encoding="utf-8",
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    if not wanted:
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 2, done
    assert re.fullmatch(
        r"lottery: a ledger in PostgreSQL needs one more package: "
        r"pip install 'lottery-central\[postgres\]'\n",
        done.stderr,
    ), done.stderr
