"""The tables of a ledger in PostgreSQL, and their version.

No sequence, no trigger, no foreign key, and the agency in every key of what there is much of: the
keys are made for an engine that distributes rows by agency, such as Citus, but none was tried. The
statements that lock or store for several agencies at once would have to be sent there one agency
at a time.

``draw``
    One row a draw: its state, how many places it has and how many of them are taken (to count
    the parts would take long, while all who come wait), whether agencies that have no place yet
    may still come, the secret that was promised, and its record: the bytes that ``draw.json``
    would have.
``part``
    One row for each agency that has a place in a draw. ``session`` grows with each of its
    sessions, at whichever central: only the latest may store anything. ``central`` is where that
    one is, NULL if the agency is away. ``arrival`` is of a classic one, so that it has its place
    once. ``ended`` with ``nonce`` is its END, ``left_out`` the
    reason why it has no part any more; a part that has neither is not decided, and only of one
    that is do ``bets`` and ``crc`` say how much there is. The draw can close when all are
    decided, so whoever locks the row of a part and finds it undecided knows that the draw is
    open, and stays so until the lock is given back.
``batch``
    One row for each run of batches, in the transaction of its bets: from which of the agency's
    bets on, how many, and the CRC-32 of its rows as sent up to the last of them. The key says
    once and for all who has stored the bets that begin there.
``bet``
    One row a bet, as it was sent. The index of the numbers has all that finding winners needs; it
    is not in the order of the agencies, or each bet would go to a page of its own.
``central``
    One row for each central that runs: it counts up as long as it lives. ``seen`` is for removing
    those that have ended long ago.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg.errors import UndefinedColumn, UndefinedFunction

from lottery.errors import StartError

if TYPE_CHECKING:
    from psycopg import Connection

#: What these tables are called together; another number is another form.
VERSION: Final = 1

#: So that centrals which start at once do not make the same table twice.
_LOCK: Final = 7574_0001
_VERSION_TABLE: Final = "SELECT to_regclass('lottery.version')::text"

_MISSING: Final = """
SELECT name FROM unnest('{draw,part,batch,bet,central}'::text[]) AS name
WHERE to_regclass('lottery.' || name) IS NULL LIMIT 1
"""

TABLES: Final = """
CREATE SCHEMA lottery;
CREATE TABLE lottery.version (version integer PRIMARY KEY);
CREATE TABLE lottery.draw (
    draw integer PRIMARY KEY,
    state text NOT NULL,
    places integer NOT NULL,
    taken integer NOT NULL DEFAULT 0,
    admits boolean NOT NULL,
    secret bytea,
    record bytea NOT NULL
);
CREATE TABLE lottery.part (
    draw integer,
    agency bigint,
    classic boolean NOT NULL,
    session bigint NOT NULL,
    arrival text,
    central text,
    ended boolean NOT NULL DEFAULT false,
    bets bigint NOT NULL DEFAULT 0,
    crc bigint NOT NULL DEFAULT 0,
    nonce bytea NOT NULL DEFAULT '',
    left_out text,
    received boolean,
    PRIMARY KEY (draw, agency)
);
CREATE TABLE lottery.batch (
    draw integer,
    agency bigint,
    first bigint,
    bets integer NOT NULL,
    crc bigint NOT NULL,
    PRIMARY KEY (draw, agency, first)
);
CREATE TABLE lottery.bet (
    draw integer,
    agency bigint,
    index bigint,
    first_name text NOT NULL,
    last_name text NOT NULL,
    document text NOT NULL,
    birthdate date NOT NULL,
    number text COLLATE "C" NOT NULL,
    PRIMARY KEY (draw, agency, index)
);
CREATE INDEX bet_number ON lottery.bet (draw, number) INCLUDE (agency, index);
CREATE TABLE lottery.central (
    central text PRIMARY KEY,
    beat bigint NOT NULL,
    seen timestamptz NOT NULL DEFAULT now()
);
"""


def prepare(connection: Connection) -> None:
    """Make the tables if there are none, and see that they are those that this version knows.

    :raises StartError: if they are of another version, or the database is of no use for them.
    :raises psycopg.Error: if that cannot be found out.
    """
    with connection.transaction():  # within that of the caller, if there is one
        encoding = _word(connection, "SHOW server_encoding")
        if encoding != "UTF8":
            raise StartError(f"the database has the encoding {encoding}, it needs UTF8")
        if _word(connection, "SHOW fsync") != "on":
            raise StartError("the database does not keep what it says it keeps: fsync is off")
        waits = _word(connection, "SHOW synchronous_commit")
        if waits not in {"on", "remote_apply"}:  # a pooler may not have handed on what we ask for
            said = "the database says that it keeps what it may still lose"
            raise StartError(f"{said}: synchronous_commit is {waits}")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if _word(connection, _VERSION_TABLE) is None:
            if _word(connection, "SELECT to_regnamespace('lottery')::text") is not None:
                there = "the database has a schema called lottery that is no ledger"
                raise StartError(f"{there}, it needs another database")
            connection.execute(TABLES.encode())
            connection.execute("INSERT INTO lottery.version VALUES (%s)", (VERSION,))
        check(connection)


def check(connection: Connection) -> None:
    """See that the tables are there, and are those that this version knows.

    :raises StartError: if they are not.
    :raises psycopg.Error: if that cannot be found out.
    """
    if _word(connection, _VERSION_TABLE) is None:
        raise StartError("there is no ledger in the database")
    try:
        found = _word(connection, "SELECT max(version.version) FROM lottery.version")
    except (UndefinedColumn, UndefinedFunction) as error:
        raise StartError("the table lottery.version in the database is of no ledger") from error
    if found is None:
        raise StartError("the ledger in the database is damaged: its table version is empty")
    if found != VERSION:
        raise StartError(
            f"the ledger in the database is of version {found}, this central knows "
            f"version {VERSION}: use the central that made it, or a newer one"
        )
    missing = _word(connection, _MISSING)
    if missing is not None:
        raise StartError(f"the ledger in the database is damaged: its table {missing} is missing")


def _word(connection: Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None
