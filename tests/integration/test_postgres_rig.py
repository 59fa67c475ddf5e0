"""The tests' own PostgreSQL servers: they start, keep what they confirmed, and leave nothing."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from live import PATIENCE_SECONDS, children_of
from postgres import STOP_SIGNALS, Pair, Server
from postgres_client import Database, query
from postgres_place import find_binaries
from postgres_remains import running_in, wait_for_end

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that the test may do anything to."""
    with Server() as server:
        yield server


def test_it_answers(postgres_server: Server) -> None:
    assert postgres_server.is_ready
    assert postgres_server.sql("SELECT current_user, current_database()") == [
        ("lottery", "lottery")
    ]
    assert postgres_server.sql("SELECT %s::int + 1", 41) == [(42,)]


def test_what_it_is(postgres_server: Server) -> None:
    of_database = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database"
    assert set(postgres_server.sql(of_database)) == {("UTF8", "C")}
    for setting, value in {"fsync": "on", "unix_socket_directories": ""}.items():
        assert postgres_server.sql(f"SHOW {setting}") == [(value,)]


@pytest.mark.parametrize("name", ["Ana", "Łucja"])
def test_each_test_has_an_empty_database(postgres_database: Database, name: str) -> None:
    postgres_database.sql("CREATE TABLE bets (name text PRIMARY KEY)")
    postgres_database.sql("INSERT INTO bets VALUES (%s)", name)
    assert postgres_database.sql("SELECT name FROM bets") == [(name,)]


def test_a_database_that_is_in_use_is_dropped(postgres_server: Server) -> None:
    with postgres_server.database() as database:
        client = psycopg.connect(database.dsn)
    with client, pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
    names = postgres_server.sql("SELECT datname FROM pg_database")
    assert (database.name,) not in names


def test_settings(server: Server) -> None:
    server.configure(work_mem="8MB", log_min_error_statement="panic", jit=False)
    assert server.sql("SHOW work_mem") == [("8MB",)]
    assert server.sql("SHOW jit") == [("off",)]
    server.configure(work_mem=None)
    assert server.sql("SHOW work_mem") == [("4MB",)]
    with Server(fsync=False, max_connections=7) as another:
        assert another.sql("SHOW fsync") == [("off",)]
        assert another.sql("SHOW max_connections") == [("7",)]


def test_it_keeps_its_data_and_its_port(server: Server) -> None:
    server.sql("CREATE TABLE bets AS SELECT 7574 AS number")
    for mode in STOP_SIGNALS:
        server.restart(mode)
        assert server.sql("SELECT number FROM bets") == [(7574,)]
    server.kill()
    assert not server.is_ready
    server.start()
    assert server.sql("SELECT number FROM bets") == [(7574,)]


def test_killed_with_all_its_processes(server: Server) -> None:
    with psycopg.connect(server.dsn) as client:
        backend = client.info.backend_pid
        assert {server.pid, backend} <= set(running_in(server.directory))
        server.kill()
        assert running_in(server.directory) == []
        assert not server.running
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(AssertionError, match='parameter "work_mem"'), Server(work_mem="much"):
        pytest.fail("it has started")


def shared_memory(server: Server) -> str:
    """The number of a server's shared memory."""
    return (server.directory / "postmaster.pid").read_text().splitlines()[6].split()[1]


def shared_memory_there_is() -> set[str]:
    """The numbers of all shared memory."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {line.split()[1] for line in lines}


@pytest.mark.parametrize("how", ["as it is", "stopped", "killed", "standing still"])
def test_nothing_is_left(how: str) -> None:
    with Server() as server:
        memory = shared_memory(server)
        assert memory in shared_memory_there_is()
        if how == "stopped":
            server.stop()
        elif how == "killed":
            server.kill()
        elif how == "standing still":
            for pid in running_in(server.directory):
                os.kill(pid, signal.SIGSTOP)
    assert running_in(server.directory) == []
    assert not server.directory.exists()
    assert memory not in shared_memory_there_is()


#: Starts a server, says where, and waits for its own end.
PROGRAM = """
import signal
from postgres import Server
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs us in the background ignores it
with Server() as server:
    print(server.directory, flush=True)
    input()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_by_tests_that_are_killed(postgres_server: Server, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        assert program.stdout is not None
        directory = Path(program.stdout.readline().decode().strip())
        processes = {*children_of(program.pid), *running_in(directory)}
        assert (directory / "postmaster.pid").exists()
        program.send_signal(number)
        program.wait(PATIENCE_SECONDS)
    assert wait_for_end(processes, PATIENCE_SECONDS) == []
    assert not directory.parent.exists()
    assert postgres_server.is_ready


def test_a_pair_is_in_step(postgres_pair: Pair) -> None:
    state = "SELECT application_name, state, sync_state FROM pg_stat_replication"
    assert query(postgres_pair.dsn, state) == [("s1", "streaming", "sync")]
    assert postgres_pair.standby.sql("SELECT pg_is_in_recovery()") == [(True,)]
    assert query(postgres_pair.dsn, "SELECT inet_server_port()") == [(postgres_pair.primary.port,)]


def answers_within(client: psycopg.Connection, seconds: float) -> bool:
    """Whether there is an answer to what a client has sent."""
    return bool(select.select([client.pgconn.socket], [], [], seconds)[0])


def test_no_commit_without_the_standby(postgres_pair: Pair) -> None:
    postgres_pair.standby.kill()
    with psycopg.connect(postgres_pair.dsn, autocommit=True) as client:
        client.pgconn.send_query(b"CREATE TABLE bets (number int)")
        assert not answers_within(client, 0.3)
        postgres_pair.standby.start()
        assert answers_within(client, PATIENCE_SECONDS), postgres_pair.log
        while client.pgconn.get_result() is not None:
            pass


def test_a_row_survives_the_primary(postgres_pair: Pair) -> None:
    query(postgres_pair.dsn, "CREATE TABLE bets AS SELECT 7574 AS number")
    former, standby = postgres_pair.primary, postgres_pair.standby
    killed = time.monotonic()
    promoted = postgres_pair.fail_over()
    assert query(postgres_pair.dsn, "SELECT number FROM bets") == [(7574,)]
    assert killed < promoted < time.monotonic() < killed + 5
    assert postgres_pair.primary is standby
    assert not former.running
    query(postgres_pair.dsn, "INSERT INTO bets VALUES (1)")


def test_over_and_back(postgres_pair: Pair) -> None:
    query(postgres_pair.dsn, "CREATE TABLE bets (number int)")
    for number in range(2):
        query(postgres_pair.dsn, "INSERT INTO bets VALUES (%s)", number)
        postgres_pair.fail_over()
        postgres_pair.rejoin()
    assert query(postgres_pair.dsn, "SELECT number FROM bets ORDER BY 1") == [(0,), (1,)]
    assert "sync" in str(postgres_pair.primary.sql("SELECT sync_state FROM pg_stat_replication"))


def programs(directory: Path) -> Path:
    """A directory that looks as if PostgreSQL were there."""
    directory.mkdir(parents=True)
    (directory / "initdb").touch(mode=0o755)
    return directory


def test_the_newest_version_is_taken(tmp_path: Path) -> None:
    for version in ("9.6", "15", "17"):
        programs(tmp_path / version / "bin")
    assert find_binaries(tmp_path) == tmp_path / "17" / "bin"


def test_else_that_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs(tmp_path / "somewhere")))
    assert find_binaries(tmp_path / "nowhere") == tmp_path / "somewhere"


@pytest.mark.parametrize(
    ("wanted", "outcome"), [("", pytest.skip.Exception), ("required", RuntimeError)]
)
def test_else_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOTTERY_POSTGRES", wanted)
    with pytest.raises(outcome, match="there is no PostgreSQL server"):
        find_binaries(tmp_path)
