"""PostgreSQL servers of a test's own: one, or a primary with a synchronous standby.

They are real processes on free ports of the loopback, and gone when their block is left, whatever
happened in it. What is waited for is a line of a server's log or the end of a process.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from live import PATIENCE_SECONDS, LiveProcess
from postgres_client import Database, query, url
from postgres_place import as_server, copy_template, find_binaries, place, reserved_port, run
from postgres_remains import remove, running_in, wait_for_end

#: How a server is asked to stop.
STOP_SIGNALS: Final = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
#: Clients get their answers, at the primary and, a moment later, at the standby.
_READY: Final = r"ready to accept (read-only )?connections"
#: How the standby, whichever that is, is known to its primary.
_STANDBY: Final = "s1"
_OF_PAIRS: Final = {
    "cluster_name": _STANDBY,
    # How long a standby that has lost its primary may sleep, deaf to its promotion: else 5 s.
    "wal_retrieve_retry_interval": "100ms",
}
_NUMBERS: Final = itertools.count(1)


def _quoted(value: object) -> str:
    """A setting's value as PostgreSQL takes it, in its file and in a statement."""
    text = "on" if value is True else "off" if value is False else str(value)
    return "'" + text.replace("'", "''") + "'"


class Server:
    """One PostgreSQL server on the loopback, with the superuser and the database ``lottery``.

    It asks for no password, and reaches nothing but its directory and its port.

    :ivar directory: its data.
    :ivar port: where it listens; stays its own while it is down, until it is closed.
    """

    def __init__(self, *, fsync: bool = True, on_disk: bool = False, **settings: object) -> None:
        """:param on_disk: where flushing takes its time; else in memory, if there is room."""
        self._place = place(on_disk=on_disk)
        self.directory = self._place / str(next(_NUMBERS))
        self._reservation = reserved_port()
        self.port: int = self._reservation.getsockname()[1]
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",  # in its directory, where it is found
            "shared_buffers": "16MB",
            "fsync": fsync,
            **settings,
        }
        self._process: LiveProcess | None = None
        self._earlier: list[str] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            print(self.log)
        self.close()

    @property
    def dsn(self) -> str:
        """What a client connects to."""
        return url(self.port)

    @property
    def running(self) -> bool:
        """Whether its first process has not ended yet."""
        return self._process is not None and self._process.running

    @property
    def is_ready(self) -> bool:
        """Whether it answers a client."""
        try:
            return query(self.dsn, "SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    @property
    def pid(self) -> int:
        """Its first process, the postmaster, to which the others are children."""
        return self._live.pid

    @property
    def lines(self) -> list[str]:
        """What it has said so far, over all its starts."""
        return self._earlier + (self._process.lines if self._process is not None else [])

    @property
    def log(self) -> str:
        """What it has said so far, as one text with a heading."""
        return "\n".join([f"--- PostgreSQL on port {self.port}", *self.lines])

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement in the database ``lottery``; gives the rows, if any."""
        return query(self.dsn, text, *values)

    def start(self) -> None:
        """Start it, and wait until it takes clients; makes its data if it has none."""
        assert not self.running, self.log
        if self._process is not None:
            self._ended()  # by itself
        if not self.directory.exists():
            copy_template(self.directory)
        settings = [f"{name} = {_quoted(value)}\n" for name, value in self._settings.items()]
        (self.directory / "postgresql.conf").write_text("".join(settings))
        words = [*as_server(), find_binaries() / "postgres", "-D", self.directory]
        self._process = LiveProcess(["setsid", *words], self._place)  # Ctrl-C is for the tests
        self.wait_for(_READY)

    def stop(self, mode: str = "fast") -> None:
        """Stop it in one of PostgreSQL's three ways, and wait until it is gone."""
        self._live.send_signal(STOP_SIGNALS[mode])
        status = self._ended()
        assert status == 0, self.log

    def kill(self) -> None:
        """Kill its first process (SIGKILL), and wait until that and all others are gone."""
        self._live.send_signal(signal.SIGKILL)
        self._ended()
        left = wait_for_end(running_in(self.directory), PATIENCE_SECONDS)
        assert left == [], self.log

    def restart(self, mode: str = "fast") -> None:
        """Stop and start it."""
        self.stop(mode)
        self.start()

    def promote(self) -> float:
        """Make a standby a primary; gives the (monotonic) time at which it was one."""
        since = len(self.lines)
        assert self.sql("SELECT pg_promote(wait => false)") == [(True,)], self.log
        self.wait_for("ready to accept connections", since=since)
        return time.monotonic()

    def configure(self, **settings: object) -> None:
        """Change settings that take no restart; they hold for every statement from now on.

        :param settings: ``None`` sets one back.
        """
        for name, value in settings.items():
            wanted = f"RESET {name}" if value is None else f"SET {name} = {_quoted(value)}"
            self.sql(f"ALTER SYSTEM {wanted}")
        since = len(self.lines)
        self.sql("SELECT pg_reload_conf()")
        self.wait_for("received SIGHUP", since=since)  # new clients come after what it does then

    def wait_for(self, pattern: str, *, since: int = 0) -> None:
        """Wait for a line of its log since its last start.

        :param since: how many of its lines, over all its starts, are of no interest.
        """
        self._live.wait_for(pattern, since=max(0, since - len(self._earlier)))

    @contextmanager
    def database(self, name: str = "") -> Iterator[Database]:
        """An empty database, that is dropped afterwards, whoever still uses it."""
        name = name or f"test_{next(_NUMBERS)}"
        self.sql(f"CREATE DATABASE {name}")
        try:
            yield Database(name, url(self.port, database=name))
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def follow(self, primary: Server, slot: str) -> None:
        """Become a copy of another one, that follows it by means of a slot made for it.

        Its own data are thrown away. It has to be down, and is not started. Its primary knows it
        by its ``cluster_name``; not so the copying, which would else pass for a standby.
        """
        assert not self.running, self.log
        remove(self.directory)
        run(
            "pg_basebackup", "--pgdata", self.directory, "--dbname", primary.dsn,
            "--wal-method", "stream", "--write-recovery-conf", "--create-slot", "--slot", slot,
            "--checkpoint", "fast", "--no-sync",
        )  # fmt: skip

    def close(self) -> None:
        """End it at once, in whatever state it is, and remove its data."""
        try:
            remove(self.directory)
            if self._process is not None:
                self._ended()
        finally:
            self._reservation.close()

    @property
    def _live(self) -> LiveProcess:
        assert self._process is not None, "it is not started"
        return self._process

    def _ended(self) -> int:
        """Wait for the end of its processes; gives the status of the first."""
        with self._live as process:
            status = process.wait()
        self._earlier += process.lines
        self._process = None
        return status


class Pair:
    """A primary and a standby, to which all is copied before a commit is confirmed.

    :ivar primary: the one that takes writes; after :meth:`fail_over`, the former standby.
    :ivar standby: the other one.
    :ivar dsn: what a client connects to: whichever of the two takes writes.
    """

    def __init__(self, *, fsync: bool = True, on_disk: bool = False, **settings: object) -> None:
        """:param settings: those of both, as of a server."""
        settings = {**_OF_PAIRS, **settings}
        self.primary = Server(fsync=fsync, on_disk=on_disk, **settings)
        self.standby = Server(fsync=fsync, on_disk=on_disk, **settings)
        options = "?target_session_attrs=read-write&connect_timeout=2"
        self.dsn = url(self.primary.port, self.standby.port, options=options)

    def __enter__(self) -> Self:
        try:
            self.primary.start()
            self.rejoin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            print(self.log)
        self.close()

    @property
    def log(self) -> str:
        """What both have said so far."""
        return f"{self.primary.log}\n{self.standby.log}"

    def fail_over(self) -> float:
        """Kill the primary and put the standby in its place; gives the (monotonic) time of that.

        The new primary confirms commits alone, until there is a standby again.
        """
        self.primary.kill()
        self.standby.configure(synchronous_standby_names=None)
        promoted = self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        return promoted

    def rejoin(self) -> None:
        """Make the one that is down a synchronous standby, from nothing; its own data are lost."""
        self.primary.configure(synchronous_standby_names=f"FIRST 1 ({_STANDBY})")
        self.standby.follow(self.primary, _STANDBY)
        since = len(self.primary.lines)
        self.standby.start()
        self.primary.wait_for("is now a synchronous standby", since=since)
        state = self.primary.sql("SELECT application_name, sync_state FROM pg_stat_replication")
        assert state == [(_STANDBY, "sync")], self.log

    def close(self) -> None:
        """End both, in whatever state they are, and remove their data."""
        with closing(self.primary), closing(self.standby):
            pass
