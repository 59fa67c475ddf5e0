"""Connections to a ledger in PostgreSQL, and what an error of the database means.

There are three kinds of errors. What passes (the database is away, is being taken over by its
standby, has no connection to spare, no room) is :class:`~lottery.ledger.segment.NotNow`: nothing
was done, and it may be tried again. A connection that ends within a COMMIT leaves open what was
done: :class:`Unknown`. All else is for somebody to mend.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus

from lottery.errors import LotteryError, SettingsError
from lottery.ledger.segment import Held, NoRoom, NotNow

#: What a connection string gets if it says nothing of it: which of several hosts takes
#: writes, and how soon one that is gone is given up. Seconds, but milliseconds at the last.
_DEFAULTS: Final = {
    "target_session_attrs": "read-write",
    "connect_timeout": "2",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
#: What it gets whatever it says; rows go to the database as the bytes that have come.
_ENCODING: Final = "UTF8"
#: A commit is known to be on disk, here and at a synchronous standby; dates are as in bets.csv.
#: Who waits for a row waits in turns: a central that stands still may keep it for long, and all
#: threads of another one must not be taken up by agencies that wait for theirs.
#: And what it kept, the database takes from it when it has been silent for so long, or is gone.
#: A seal takes as long as it takes. That a commit is in one place only is known by a warning.
#: All of it has to hold whatever a role, a database or a connection string has, so it comes last.
_OPTIONS: Final = (
    "-c synchronous_commit=on -c datestyle=ISO -c lock_timeout=500ms "
    "-c statement_timeout=0 -c client_min_messages=warning "
    "-c idle_in_transaction_session_timeout=10s -c tcp_user_timeout=10s "
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
)
_NO_ROOM: Final = "53100"
#: A row was locked for longer than we wanted to wait.
_HELD: Final = "55P03"
#: What passes, by the first two or all five characters of SQLSTATE: connections, resources, an
#: operator's doing, a standby that takes no writes, too long a silence of ours, deadlocks.
_PASSING: Final = ("08", "53", "57", "25006", "25P03", "40")
#: What a failure to connect says that waiting does not mend.
_FOR_SOMEBODY: Final = (
    "authentication failed", "does not exist", "no pg_hba.conf entry", "no password",
    "not permitted to log in", "permission denied for database", "invalid integer value",
    ' value: "', "invalid value for parameter", "unrecognized configuration parameter",
    "invalid command-line argument", "invalid port number", "definition of service",
    "could not match", "does not support SSL", "channel binding required",
    "GSSAPI encryption required", "authentication method requirement",
)  # fmt: skip
#: Whoever has waited for the lock of a row has to see what its former holder has stored; so it
#: must not be left to the role or the database, which may have another default.
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
#: Idle connections that are kept.
_MOST_IDLE: Final = 12

T = TypeVar("T")


class Unknown(LotteryError):
    """The database went away before it said whether it has stored what it was given."""


def checked_dsn(text: str, name: str = "--ledger") -> str:
    """Give a connection string with all that it does not say itself, and what it may not change.

    :param name: what it is called in a sentence.
    :raises SettingsError: if it is none, or a URL of which a part of the password might be taken
        for something else, and told.
    """
    if _is_unescaped(text):
        how = "in a password, @ is written %40 and / is written %2F"
        raise SettingsError(f"{name} has an @ where none can be: {how}")
    try:
        given = conninfo_to_dict(text)
    except psycopg.Error:
        given = {"port": "none"}
    host, port = str(given.get("host", "")), str(given.get("port", ""))
    # What the client's library has to say of it may quote it, password and all; and where an @ or
    # a slash in a password is not escaped, a part of that seems to be the host or the port.
    if re.search("[^,]@", host) or not re.fullmatch("[0-9,]*", port):
        raise SettingsError(f"{name} is no connection string that PostgreSQL knows")
    fixed = {"options": f"{given.get('options', '')} {_OPTIONS}".strip()}
    return make_conninfo("", **{**_DEFAULTS, **given, **fixed, "client_encoding": _ENCODING})


def _is_unescaped(text: str) -> bool:
    """Whether a URL has more than the one @ that is in front of the hosts."""
    kind, _, rest = text.partition("://")
    before, _, behind = rest.partition("/")
    return kind in {"postgresql", "postgres"} and (before.count("@") > 1 or "@" in behind)


def connect(dsn: str, name: str) -> Connection:
    """Open a connection; what is done there is in transactions of its own.

    :param name: what the database calls it.
    :raises NotNow: if the database cannot be reached, or takes no writes.
    :raises LotteryError: if it does not let us in.
    """
    try:
        connection = psycopg.connect(dsn, autocommit=True, application_name=name)
    except psycopg.Error as error:
        raise meaning(error) from error
    # The environment's wish comes behind ours; and with another form no digest would be right.
    if not (connection.info.parameter_status("DateStyle") or "").startswith("ISO"):
        connection.close()
        raise LotteryError("the database writes dates as PGDATESTYLE says, it has to be ISO")
    return connection


def meaning(error: psycopg.Error) -> NotNow | LotteryError:
    """Give what an error of the database means, of which nothing was done."""
    state, sentence = error.sqlstate or "", _one_line(error)
    if state == _HELD:
        return Held(errno.EAGAIN, "somebody else is at work on the same rows")
    if state == _NO_ROOM:
        return NoRoom(errno.ENOSPC, f"the database has no room, {sentence}")
    # Without a state it comes from the client's side: nobody has answered, or not to the end.
    passes = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if (passes and not _for_somebody(sentence)) or state.startswith(_PASSING):
        return NotNow(errno.EAGAIN, f"the database is away, {sentence}")
    return LotteryError(f"the database cannot be used, {sentence}")


def _for_somebody(sentence: str) -> bool:
    """Whether a failure to connect, which has no state, is one that waiting does not mend."""
    return any(word in sentence for word in _FOR_SOMEBODY)


def _one_line(error: psycopg.Error) -> str:
    """Give the text of an error; it may have several lines, and the password in none."""
    return ", ".join(line.strip() for line in str(error).splitlines() if line.strip())


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """Do what the block does, all or nothing.

    :raises NotNow: if nothing was done, and the same may succeed later.
    :raises Unknown: if the connection ended within the COMMIT.
    :raises LotteryError: if nothing was done for another reason.
    """
    committing = False
    try:
        connection.execute(_BEGIN)
        yield connection
        committing = True
        _commit(connection)
    except psycopg.Error as error:
        _roll_back(connection)
        if committing and (connection.closed or not error.sqlstate):
            raise Unknown(f"the database went away within a commit, {_one_line(error)}") from error
        raise meaning(error) from error
    except BaseException:
        _roll_back(connection)
        raise


def _commit(connection: Connection) -> None:
    """Commit.

    If somebody cancels a commit that waits for the standby, it succeeds with a warning: what it
    has stored is at the primary alone, and is lost if that is.

    :raises Unknown: then.
    """
    severities = []

    def note(notice: Diagnostic) -> None:
        severities.append(notice.severity_nonlocalized)  # it is gone when this has returned

    connection.add_notice_handler(note)
    try:
        connection.execute("COMMIT")
    finally:
        connection.remove_notice_handler(note)
    if "WARNING" in severities:
        raise Unknown("the database may have stored it in one place only")


def _roll_back(connection: Connection) -> None:
    if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()


class Connections:
    """Connections for threads, each of which has one for as long as it needs it.

    :ivar dsn: where to.
    """

    def __init__(self, dsn: str, name: str) -> None:
        """:param name: what the database calls them."""
        self.dsn = dsn
        self._name = name
        self._idle: deque[Connection] = deque()  # its ends are safe to use from any thread
        self._in_use: set[Connection] = set()
        self._closed = self._broken_off = False

    def do(self, work: Callable[[Connection], T]) -> T:
        """Do something in a transaction, and give what it gives.

        It must be such that to do it twice is harmless: after a takeover, a connection that
        was idle turns out to be gone, or it is not known whether a COMMIT came about; then it is
        done once more, with a new one.

        :raises NotNow: if it cannot be done now.
        :raises LotteryError: if it cannot be done, and what it raises itself.
        """
        while True:
            self._check()
            connection, fresh = self._take()
            self._in_use.add(connection)
            try:
                self._check()
                with transaction(connection):
                    result = work(connection)
            except (NotNow, Unknown) as error:
                self._in_use.discard(connection)
                connection.close()
                if not fresh and not self._closed:
                    continue
                if isinstance(error, Unknown):
                    raise NotNow(errno.EAGAIN, str(error)) from error
                raise
            except BaseException:
                self._give_back(connection)
                raise
            self._give_back(connection)
            return result

    def close(self) -> None:
        """Close those that are idle, and whichever become so."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _check(self) -> None:
        if self._broken_off:
            raise NotNow(errno.EAGAIN, "the central is being stopped")

    def _take(self) -> tuple[Connection, bool]:
        try:
            return self._idle.pop(), False
        except IndexError:
            return connect(self.dsn, self._name), True

    def break_off(self) -> None:
        """Cut the connections that are in use: who waits for an answer gets none, at once.

        A transaction that had not ended is taken back by the server; of a COMMIT on its way
        nobody hears. From now on, nothing is done any more.
        """
        self._closed = self._broken_off = True
        for connection in list(self._in_use):
            try:
                with socket.socket(fileno=os.dup(connection.fileno())) as cut:
                    cut.shutdown(socket.SHUT_RDWR)
            except (OSError, psycopg.Error):
                pass  # it has just ended by itself

    def _give_back(self, connection: Connection) -> None:
        self._in_use.discard(connection)
        if self._closed or connection.closed or len(self._idle) >= _MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)
