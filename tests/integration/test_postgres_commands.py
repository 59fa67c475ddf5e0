"""``lottery audit``, ``results`` and ``export`` of a database, on a real server.

Draws in every state are stored once; a test that changes anything has a copy of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Final

import psycopg
import pytest
from audit_rig import WINNING_NUMBER, AgencyRig, resealed, rows_of
from postgres import Pair, Server
from postgres_client import Database
from stored_draws import (
    FIXED,
    LATE,
    LEFT_OUT,
    STATES,
    agencies_of,
    entries_of,
    store_draws,
    store_in_files,
)

from lottery.command import main
from lottery.errors import DamagedLedger
from lottery.ledger.postgres import export
from lottery.ledger.postgres.connection import checked_dsn
from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.postgres.rows import all_rows
from lottery.ledger.postgres.store import DatabaseStore
from lottery.ledger.record import DrawRecord, decode

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.slow

DELIVERED, DRAWN, SEALED, CLOSING, VOID, OPEN = (number + 1 for number in range(6))
DRAWS: Final = range(1, len(STATES) + 1)
TABLES: Final = ("draw", "part", "batch", "bet")
_COPIES: Final = count(1)


@pytest.fixture(scope="module")
def stored(postgres_server: Server) -> Iterator[Database]:
    """The draws, which nobody changes."""
    with postgres_server.database() as database:
        store_draws(database.dsn)
        yield database


@pytest.fixture
def copied(postgres_server: Server, stored: Database) -> Iterator[Database]:
    """A copy of them."""
    name = f"copy_{next(_COPIES)}"
    postgres_server.sql(f"CREATE DATABASE {name} TEMPLATE {stored.name}")
    try:
        yield Database(name, stored.dsn.replace(stored.name, name))
    finally:
        postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def lottery(capfdbinary: pytest.CaptureFixture[bytes]):
    """Runs a command; gives status, stdout and stderr."""

    def run(*words: object) -> tuple[int, bytes, str]:
        status = main([*map(str, words)])
        captured = capfdbinary.readouterr()
        return status, captured.out, captured.err.decode()

    return run


def record_of(database: Database, draw: int) -> DrawRecord:
    ((record,),) = database.sql("SELECT record FROM lottery.draw WHERE draw = %s", draw)
    return decode(record, f"draw {draw}")


def bets_csv(draw: int) -> bytes:
    return b"".join(agency.stored for agency in agencies_of(draw))


# Export.


@pytest.mark.parametrize("draw", DRAWS)
def test_same_bets_as_of_files(lottery, stored: Database, tmp_path: Path, draw: int) -> None:
    """To the byte, in every state; and it is what the draw's record has the digest of."""
    store_in_files(tmp_path, draw)
    status, rows, said = lottery("export", tmp_path)
    assert (status, rows, said) == (0, bets_csv(draw), "")
    assert lottery("export", stored.dsn, "--draw", draw) == (0, rows, "")
    digest = record_of(stored, draw).bets_csv
    assert (digest is not None) == (STATES[draw - 1] in ("delivered", "drawn", "sealed"))
    if digest is not None:
        assert (digest.bytes, digest.sha256) == (len(rows), sha256(rows).hexdigest())


def test_the_latest_draw(lottery, stored: Database) -> None:
    assert lottery("export", stored.dsn) == (0, bets_csv(OPEN), "")
    said = "lottery: there is no draw 7 in the database, there is 1 to 6\n"
    assert lottery("export", stored.dsn, "--draw", 7) == (2, b"", said)


def test_a_reader_that_pauses(lottery, stored: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long: while it does, the database neither gives it up nor thinks it idle."""
    found = []

    def watched(connection: psycopg.Connection, draw: int) -> object:
        found.append(connection.execute("SHOW tcp_user_timeout").fetchone())
        idle = connection.execute("SHOW idle_in_transaction_session_timeout")
        found.append(idle.fetchone())
        return all_rows(connection, draw)

    monkeypatch.setattr(export, "all_rows", watched)
    assert lottery("export", stored.dsn) == (0, bets_csv(OPEN), "")
    assert found == [("0",), ("0",)]


@pytest.mark.parametrize("draw", [DELIVERED, DRAWN, VOID])
def test_files_of_a_draw(lottery, stored: Database, tmp_path: Path, draw: int) -> None:
    """An audit of them finds nothing, and what they have in common with the database is equal."""
    data = tmp_path / "data"
    assert lottery("export", stored.dsn, "--draw", draw, "--data-dir", data) == (0, b"", "")
    status, table, _ = lottery("audit", data)
    assert (status, table.endswith(b"1 draw, 28 bets: nothing differs\n")) == (0, True)
    assert lottery("export", data) == (0, bets_csv(draw), "")
    if draw != VOID:
        words = ("--draw", draw)
        assert lottery("results", data, *words) == lottery("results", stored.dsn, *words)
    path = data / "draws" / f"{draw:06d}"
    assert (path / "bets.csv").exists() == (draw != VOID)
    record, made = record_of(stored, draw), decode((path / "draw.json").read_bytes(), "files")
    assert made.agencies == record.agencies
    assert (made.bets_csv, made.winners_csv) == (record.bets_csv, record.winners_csv)
    assert [each.name for each in made.segments] == ["segment-0001.log"]
    assert path.stat().st_mode & 0o777 == 0o700


def test_files_of_several_draws(lottery, stored: Database, tmp_path: Path) -> None:
    """They go beside each other; those that are there are not touched."""
    for draw in (DELIVERED, DRAWN):
        assert lottery("export", stored.dsn, "--draw", draw, "--data-dir", tmp_path)[0] == 0
    assert lottery("audit", tmp_path)[0] == 0
    said = f"lottery: {tmp_path / 'draws' / '000001'} is there already\n"
    words = ("--draw", 1, "--data-dir", tmp_path)
    assert lottery("export", stored.dsn, *words) == (2, b"", said)
    assert lottery("audit", tmp_path)[0] == 0


@pytest.mark.parametrize("draw", [SEALED, CLOSING, OPEN])
def test_no_files_before_the_number_is_drawn(
    lottery, stored: Database, tmp_path: Path, draw: int
) -> None:
    """A central that found them would go on with the draw, too."""
    state = STATES[draw - 1]
    said = f"lottery: draw {draw} is {state}, its files can be made once its number is drawn\n"
    words = ("--draw", draw, "--data-dir", tmp_path / "data")
    assert lottery("export", stored.dsn, *words) == (2, b"", said)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("whole", [False, True])
def test_export_of_changed_bets(lottery, copied: Database, tmp_path: Path, whole: bool) -> None:
    """Status 3, and no files are left."""
    copied.sql("UPDATE lottery.bet SET number = '1' WHERE draw = 1 AND agency = 2 AND index = 3")
    words = ("--data-dir", tmp_path) if whole else ()
    status, _, said = lottery("export", copied.dsn, "--draw", 1, *words)
    where = "draw 1 in the database is damaged at byte 0"
    assert said == f"lottery: {where}, the bets of agency 2 are not those of its record\n"
    assert status == 3
    assert list(tmp_path.glob("draws/*")) == []


# Results.


def test_results(lottery, stored: Database) -> None:
    """As of files: the rows, and how each part has ended."""
    status, rows, said = lottery("results", stored.dsn, "--draw", FIXED)
    winning = [each.winning for each in agencies_of(FIXED) if not each.left_out]
    assert (status, rows) == (0, b"".join(winning))
    assert said == (
        f"draw {FIXED} is drawn, the winning number is {WINNING_NUMBER}\n"
        "agency 1 succeeded, 13 bets, 1 winners, not received yet\n"
        "agency 2 succeeded, 9 bets, 2 winners, not received yet\n"
        "agency 7 succeeded, 0 bets, 0 winners, not received yet\n"
        f"agency {LEFT_OUT} is left out, 6 bets, {LATE}\n"
    )
    assert lottery("results", stored.dsn) == (0, rows, said)
    status, own, _ = lottery("results", stored.dsn, "--draw", FIXED, "--agency", 2)
    assert (status, own) == (0, b"".join(row[2:] for row in winning[1].splitlines(True)))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--draw", SEALED), 1, "draw 3 is sealed, its number is not drawn yet"),
        (("--draw", VOID), 1, "draw 5 is void, no agency has ended in it"),
        (("--draw", 9), 2, "there is no draw 9 in the database, there is 1 to 6"),
        (("--agency", 3), 1, "agency 3 had no place in draw 2"),
    ],
)
def test_no_results(
    lottery, stored: Database, words: tuple[object, ...], status: int, said: str
) -> None:
    assert lottery("results", stored.dsn, *words) == (status, b"", f"lottery: {said}\n")


# Audit.


def test_a_sound_database(lottery, stored: Database) -> None:
    """Nothing differs, in any state; the table is that of files."""
    status, table, said = lottery("audit", stored.dsn)
    assert (status, said) == (0, "")
    assert table.endswith(b"\n6 draws, 168 bets: nothing differs\n")
    lines = table.decode().splitlines()
    checked = ["record parts bets winners"] * 2 + ["record parts bets"] * 4
    for line, state, checks in zip(lines[1:7], STATES, checked, strict=True):
        assert re.fullmatch(rf" +\d  {state} +\d/4 +28 .* {checks} +clean", line), line
    status, one, _ = lottery("audit", stored.dsn, "--draw", OPEN)
    assert status == 0
    assert "4000000000  lottery/1     6        -  -         at work" in one.decode()


def test_a_page(lottery, stored: Database, tmp_path: Path) -> None:
    """It has what there is to say of a database, and no word of files that there are not."""
    page = tmp_path / "audit.html"
    assert lottery("audit", stored.dsn, "--html", page)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "<p>The database, checked at " in text
    assert "6 draws, 168 bets: nothing differs." in text
    assert text.count("Numbers with the most bets") == 6
    assert text.count("How the number was made") == 5
    for word in ("segment", "intake.csv", stored.name, "Files, "):
        assert word not in text


def test_no_such_draw(lottery, stored: Database) -> None:
    said = "lottery: there is no draw 9 in the database, there is 1 to 6\n"
    assert lottery("audit", stored.dsn, "--draw", 9) == (2, b"", said)


PART_1: Final = "WHERE draw = {draw} AND agency = 1"
BET: Final = "WHERE draw = {draw} AND agency = 1 AND index = 5"
BATCH: Final = "WHERE draw = {draw} AND agency = 1 AND first = 4"
#: What is done to any draw that has bets.
CHANGES: Final = (
    "UPDATE lottery.draw SET state = 'dr_wn' WHERE draw = {draw}",
    "UPDATE lottery.draw SET places = 6 WHERE draw = {draw}",
    "UPDATE lottery.draw SET record = set_byte(record, 40, 33) WHERE draw = {draw}",
    "UPDATE lottery.draw SET record = record || ' ' WHERE draw = {draw}",
    "UPDATE lottery.draw SET record = '' WHERE draw = {draw}",
    f"UPDATE lottery.part SET agency = 5 {PART_1}",
    f"UPDATE lottery.part SET classic = true {PART_1}",
    f"UPDATE lottery.part SET session = 0 {PART_1}",
    f"UPDATE lottery.part SET ended = NOT ended {PART_1}",
    f"UPDATE lottery.part SET bets = bets + 1 {PART_1}",
    f"UPDATE lottery.part SET crc = crc + 1 {PART_1}",
    f"UPDATE lottery.part SET nonce = nonce || ' ' {PART_1}",
    f"UPDATE lottery.part SET left_out = 'late' {PART_1}",
    f"UPDATE lottery.part SET left_out = '' {PART_1}",
    "DELETE FROM lottery.part WHERE draw = {draw} AND agency = 1",
    "UPDATE lottery.part SET draw = 9 WHERE draw = {draw} AND agency = 1",
    f"UPDATE lottery.batch SET draw = 9 {BATCH}",
    f"UPDATE lottery.batch SET agency = 5 {BATCH}",
    f"UPDATE lottery.batch SET agency = 7 {BATCH}",
    f"UPDATE lottery.batch SET first = 3 {BATCH}",
    f"UPDATE lottery.batch SET first = 5 {BATCH}",
    f"UPDATE lottery.batch SET bets = 3 {BATCH}",
    f"UPDATE lottery.batch SET bets = 5 {BATCH}",
    f"UPDATE lottery.batch SET bets = 0 {BATCH}",
    f"UPDATE lottery.batch SET bets = -1 {BATCH}",
    f"UPDATE lottery.batch SET crc = crc # 1 {BATCH}",
    "UPDATE lottery.batch SET crc = 1 WHERE draw = {draw} AND agency = 2 AND first = 4",
    f"DELETE FROM lottery.batch {BATCH}",
    "DELETE FROM lottery.batch WHERE draw = {draw} AND agency = 1 AND first = 12",
    "INSERT INTO lottery.batch VALUES ({draw}, 1, 13, 1, 0)",
    "INSERT INTO lottery.batch VALUES ({draw}, 5, 0, 1, 0)",
    f"UPDATE lottery.bet SET draw = 9 {BET}",
    f"UPDATE lottery.bet SET agency = 5 {BET}",
    f"UPDATE lottery.bet SET agency = 7 {BET}",
    f"UPDATE lottery.bet SET index = 13 {BET}",
    f"UPDATE lottery.bet SET index = -1 {BET}",
    f"UPDATE lottery.bet SET first_name = first_name || 'a' {BET}",
    f"UPDATE lottery.bet SET first_name = 'Ana,\"' {BET}",
    f"UPDATE lottery.bet SET first_name = E'A\\nna' {BET}",
    f"UPDATE lottery.bet SET first_name = '' {BET}",
    f"UPDATE lottery.bet SET last_name = last_name || 'a' {BET}",
    f"UPDATE lottery.bet SET document = '0' || document {BET}",
    f"UPDATE lottery.bet SET birthdate = birthdate + 1 {BET}",
    f"UPDATE lottery.bet SET birthdate = 'infinity' {BET}",
    f"UPDATE lottery.bet SET birthdate = '1999-01-01 BC' {BET}",
    f"UPDATE lottery.bet SET number = '1' {BET}",
    f"UPDATE lottery.bet SET number = '0' || number {BET}",
    f"UPDATE lottery.bet SET number = '10000' {BET}",
    f"DELETE FROM lottery.bet {BET}",
    "DELETE FROM lottery.bet WHERE draw = {draw} AND agency = 1 AND index = 12",
    "DELETE FROM lottery.bet WHERE draw = {draw} AND agency = 2",
    "INSERT INTO lottery.bet VALUES ({draw}, 1, 13, 'A', 'B', '1', '1999-01-01', '1')",
    "INSERT INTO lottery.bet VALUES ({draw}, 5, 0, 'A', 'B', '1', '1999-01-01', '1')",
)


@pytest.mark.parametrize("draw", [DELIVERED, CLOSING, VOID, OPEN])
def test_every_change(lottery, copied: Database, draw: int) -> None:
    """Of any column of any row, each on its own; and only that draw is said to differ."""
    for table in TABLES:
        copied.sql(f"CREATE TABLE lottery.kept_{table} AS TABLE lottery.{table}")
    for change in CHANGES:
        copied.sql(change.format(draw=draw))
        status, text, said = lottery("audit", copied.dsn)
        assert (status, said) == (1, ""), change
        assert f"\ndraw {draw}, table ".encode() in text, (change, text)
        assert text.count(b" DIFFERS\n") == 1, (change, text)
        for table in TABLES:
            copied.sql(f"DELETE FROM lottery.{table}")
            copied.sql(f"INSERT INTO lottery.{table} TABLE lottery.kept_{table}")
    assert lottery("audit", copied.dsn)[0] == 0


#: What is done to some draw, and the difference that is named.
SINGLE: Final = {
    "UPDATE lottery.draw SET secret = sha256(secret) WHERE draw = 6":
        "draw 6, table draw, secret: its SHA-256 is not the one promised in draw.json, line NUMBER",
    "UPDATE lottery.draw SET secret = NULL WHERE draw = 6":
        "draw 6, table draw, secret: it is missing, and the record promises it",
    "UPDATE lottery.draw SET secret = secret || ' ' WHERE draw = 1":
        "draw 1, table draw, secret: it has 33 bytes, not 32",
    "UPDATE lottery.draw SET secret = sha256('') WHERE draw = 2":
        "draw 2, table draw, secret: it is there, and the record promises none",
    "UPDATE lottery.part SET received = false WHERE draw = 1 AND agency = 1":
        'draw 1, table part: "received" of agency 1 is False, '
        'the record has another one, "received" in line NUMBER',
    "UPDATE lottery.part SET received = true WHERE draw = 3 AND agency = 1":
        'draw 3, table part: "received" of agency 1 is True, there are no winners for it',
    "UPDATE lottery.part SET received = true WHERE draw = 1 AND agency = 4000000000":
        'draw 1, table part: "received" of agency 4000000000 is True, there are no winners for it',
    "UPDATE lottery.part SET left_out = 'x' WHERE draw = 1 AND agency = 4000000000":
        'draw 1, table part: "left_out" of agency 4000000000 is x, '
        'the record has another one, "reason" in line NUMBER',
    "UPDATE lottery.part SET central = 'x' WHERE draw = 1 AND agency = 4000000000":
        'draw 1, table part: "central" of agency 4000000000 is x, it is left out',
    "UPDATE lottery.part SET nonce = sha256('') WHERE draw = 1 AND agency = 1":
        'draw 1, table part: "nonce" of agency 1 is '
        'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, '
        'the record has another one, "nonce" in line NUMBER',
    "UPDATE lottery.part SET bets = 5 WHERE draw = 6 AND agency = 1":
        'draw 6, table part: "bets" of agency 1 is 5, 13 are stored',
    "UPDATE lottery.part SET bets = 5 WHERE draw = 6 AND agency = 4000000000":
        'draw 6, table part: "bets" of agency 4000000000 is 5, '
        "nothing is said before it is decided",
    "INSERT INTO lottery.part (draw, agency, classic, session) VALUES (1, 5, false, 1)":
        'draw 1, table part: "ended" of agency 5 is False, '
        "it is not decided, and the draw is delivered",
    "INSERT INTO lottery.part (draw, agency, classic, session, left_out) "
    "VALUES (1, 5, false, 1, 'x')":
        "draw 1, table part: agency 5 is here, and not in the record",
    "DELETE FROM lottery.part WHERE draw = 1 AND agency = 7":
        "draw 1, table part: agency 7 is in the record, and not here",
    "INSERT INTO lottery.part (draw, agency, classic, session) "
    "SELECT 6, 10 + n, false, 1 FROM generate_series(1, 9) n":
        "draw 6, table part: 13 agencies are here, there are 5 places",
    "UPDATE lottery.bet SET number = '10000' WHERE draw = 2 AND agency = 1 AND index = 5":
        "draw 2, table bet: bet 5 of agency 1, its number is not 1 to 4 digits",
    "DELETE FROM lottery.bet WHERE draw = 2 AND agency = 1 AND index = 5":
        "draw 2, table bet: bet 5 of agency 1 is missing, bet 6 is here",
    "DELETE FROM lottery.batch WHERE draw = 2 AND agency = 1 AND first = 4":
        "draw 2, table bet: bet 4 of agency 1 is in no batch, see table batch",
    "UPDATE lottery.bet SET number = reverse(number) WHERE draw = 2 AND agency = 2 AND index = 3":
        "draw 2, table draw, record, line NUMBER: "
        '"sha256" of agency 2 is HEX in the tables',
    "DELETE FROM lottery.draw WHERE draw = 3":
        "table draw: draw 3 is missing, and draw 4 is there",
    "DELETE FROM lottery.draw WHERE draw = 6":
        "table part: draw 6 has rows here, and none in table draw",
    "UPDATE lottery.draw SET draw = 7 WHERE draw = 6":
        "draw 7, table draw, record, line 3: this is the record of draw 6",
    "INSERT INTO lottery.batch VALUES (9, 1, 0, 1, 0)":
        "table batch: draw 9 has rows here, and none in table draw",
    "INSERT INTO lottery.bet VALUES (9, 1, 0, 'A', 'B', '1', '1999-01-01', '1')":
        "table bet: draw 9 has rows here, and none in table draw",
    "ALTER TABLE lottery.bet RENAME COLUMN document TO paper":
        'draw 1, table batch or bet: it cannot be read, column "document" does not exist',
}  # fmt: skip


@pytest.mark.parametrize("change", SINGLE)
def test_a_change(lottery, copied: Database, change: str) -> None:
    """It is named with its place."""
    copied.sql(change)
    status, text, said = lottery("audit", copied.dsn)
    assert (status, said) == (1, "")
    wanted = re.escape(SINGLE[change]).replace("HEX", "[0-9a-f]{64}")
    wanted = wanted.replace("NUMBER", "[0-9]+")
    assert re.search(rf"^{wanted}$", text.decode(), re.MULTILINE), text.decode()


#: By column, what is said when one that must have a value has none.
EMPTIED: Final = {
    "draw.state": 'table draw: "state" is NULL',
    "draw.places": 'table draw: "places" is NULL',
    "draw.record": 'table draw: "record" is NULL',
    "part.classic": 'table part: "classic" of agency 1 is NULL',
    "part.session": 'table part: "session" of agency 1 is NULL',
    "part.ended": 'table part: "ended" of agency 1 is NULL',
    "part.bets": 'table part: "bets" of agency 1 is NULL',
    "part.crc": 'table part: "crc" of agency 1 is NULL',
    "part.nonce": 'table part: "nonce" of agency 1 is NULL',
    "part.agency": 'table part: "agency" of agency None is NULL',
    "batch.bets":
        "table batch: the row of bet 4 of agency 1 has no number where one has to be",
    "batch.crc":
        "table batch: the row of bet 4 of agency 1 has no number where one has to be",
    "batch.agency":
        "table bet: bet 4 of agency 1 is in no batch, see table batch",
    "bet.agency":
        "table bet: bet 5 of agency 1 is missing, bet 6 is here",
    "bet.index":
        "table bet: bet 5 of agency 1 is missing, bet 6 is here",
    "bet.first_name": "table bet: bet 5 of agency 1, its first name has 0 characters, not 1 to 64",
    "bet.last_name": "table bet: bet 5 of agency 1, its last name has 0 characters, not 1 to 64",
    "bet.document": "table bet: bet 5 of agency 1, its document is not 1 to 15 digits",
    "bet.birthdate": "table bet: bet 5 of agency 1, its birthdate is not written YYYY-MM-DD",
    "bet.number": "table bet: bet 5 of agency 1, its number is not 1 to 4 digits",
}  # fmt: skip


def empty(copied: Database, column: str, draw: int) -> None:
    """Let a column of a table take NULL, and put one there."""
    table, name = column.split(".")
    rows = {
        "draw": f"WHERE draw = {draw}",
        "part": f"WHERE draw = {draw} AND agency = 1",
        "batch": f"WHERE draw = {draw} AND agency = 1 AND first = 4",
        "bet": f"WHERE draw = {draw} AND agency = 1 AND index = 5",
    }
    copied.sql(f"ALTER TABLE lottery.{table} DROP CONSTRAINT {table}_pkey")
    copied.sql(f"ALTER TABLE lottery.{table} ALTER {name} DROP NOT NULL")
    copied.sql(f"UPDATE lottery.{table} SET {name} = NULL {rows[table]}")


@pytest.mark.parametrize("column", EMPTIED)
def test_audit_of_a_column_that_is_empty(lottery, copied: Database, column: str) -> None:
    """It is a difference."""
    empty(copied, column, DELIVERED)
    status, text, said = lottery("audit", copied.dsn)
    assert (status, said) == (1, "")
    assert f"\ndraw 1, {EMPTIED[column]}\n" in text.decode()


@pytest.mark.parametrize("column", EMPTIED)
def test_export_where_a_column_is_empty(
    lottery, copied: Database, tmp_path: Path, column: str
) -> None:
    """What it needs of it is damage; and no files are left."""
    empty(copied, column, DELIVERED)
    needed = column == "draw.record" or column.startswith("bet.")
    for words in ((), ("--data-dir", tmp_path)):
        status, _, said = lottery("export", copied.dsn, "--draw", DELIVERED, *words)
        assert status == (3 if needed else 0), said
        assert ("draw 1 in the database is damaged" in said) == (status == 3)
        if status == 3:
            assert list(tmp_path.glob("draws/*")) == []


def test_going_on_where_a_record_is_empty(copied: Database) -> None:
    """A central that starts does not go on with it."""
    empty(copied, "draw.record", OPEN)
    ledgers = DatabaseLedgers(copied.dsn, provable=True)
    try:
        with pytest.raises(DamagedLedger) as error:
            ledgers.recover(5)
    finally:
        ledgers.release()
    assert "draw 6 in the database is damaged" in str(error.value)


def test_winners_that_are_others(lottery, copied: Database) -> None:
    """The record is in good order with them, and is found out by the recount."""
    ((record,),) = copied.sql("SELECT record FROM lottery.draw WHERE draw = %s", FIXED)
    digest = record_of(copied, FIXED).winners_csv
    assert digest is not None
    changed = resealed(record, digest.sha256, "0" * 64)
    copied.sql("UPDATE lottery.draw SET record = %s WHERE draw = %s", changed, FIXED)
    status, text, _ = lottery("audit", copied.dsn)
    assert status == 1
    assert re.search(rb"\ndraw 2, table draw, record, line \d+: winners.csv would have", text)


def test_another_number(lottery, copied: Database) -> None:
    """The secret proves which one it had to be."""
    ((record,),) = copied.sql("SELECT record FROM lottery.draw WHERE draw = %s", DELIVERED)
    number = record_of(copied, DELIVERED).winning_number
    assert number is not None
    old, new = f'"winning_number": {number}', f'"winning_number": {(number + 1) % 10_000}'
    changed = resealed(record, old, new)
    copied.sql("UPDATE lottery.draw SET record = %s WHERE draw = %s", changed, DELIVERED)
    status, text, _ = lottery("audit", copied.dsn)
    assert status == 1
    assert b": the secret, the seal and the agencies' nonces give %d\n" % number in text


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE lottery.draw SET admits = NOT admits, taken = 0",
        "UPDATE lottery.part SET session = session + 1, arrival = 'x'",
        "UPDATE lottery.part SET central = 'x' WHERE left_out IS NULL",
        "UPDATE lottery.part SET received = true WHERE draw = 1 AND agency = 2",
        "DELETE FROM lottery.central",
        "; ".join(f"DELETE FROM lottery.{table} WHERE draw < 3" for table in TABLES),
    ],
)
def test_what_changes_while_centrals_work(lottery, copied: Database, change: str) -> None:
    """It says nothing of any bet, part or winner; and the first draws may be put away."""
    copied.sql(change)
    assert lottery("audit", copied.dsn)[0] == 0


def test_without_a_draw(lottery, postgres_database: Database) -> None:
    """No ledger, one without a draw, and one of another version."""
    url = postgres_database.dsn
    audit = "lottery: there is no ledger in the database\n"
    others = "lottery: the ledger cannot be used, there is no ledger in the database\n"
    assert lottery("audit", url) == (2, b"", audit)
    assert lottery("export", url) == (2, b"", others)
    assert lottery("results", url) == (2, b"", others)
    postgres_database.sql(
        "CREATE SCHEMA lottery; CREATE TABLE lottery.version AS SELECT 2 AS version"
    )
    for command in ("audit", "export", "results"):
        status, _, said = lottery(command, url)
        assert status == 2
        assert "the ledger in the database is of version 2, this " in said


def test_tables_of_somebody_else(lottery, postgres_database: Database) -> None:
    """They may be called as ours are."""
    postgres_database.sql("CREATE SCHEMA lottery; CREATE TABLE lottery.version (release text)")
    what = "the table lottery.version in the database is of no ledger"
    for command in ("audit", "export", "results"):
        where = "" if command == "audit" else "the ledger cannot be used, "
        assert lottery(command, postgres_database.dsn) == (2, b"", f"lottery: {where}{what}\n")


def test_empty_ledger(lottery, stored: Database, copied: Database) -> None:
    """A central has made the tables, and no draw yet."""
    for table in TABLES:
        copied.sql(f"TRUNCATE lottery.{table}")
    assert lottery("audit", copied.dsn) == (0, b"\nthere is no draw yet\n", "")
    said = "lottery: there is no draw in the database\n"
    assert lottery("export", copied.dsn) == (2, b"", said)
    said = "lottery: no draw in the database has its winners yet\n"
    assert lottery("results", copied.dsn) == (1, b"", said)


def test_nothing_is_touched(lottery, stored: Database, postgres_server: Server) -> None:
    """A role that may only read is enough."""
    postgres_server.sql("CREATE ROLE auditor LOGIN")
    stored.sql("GRANT USAGE ON SCHEMA lottery TO auditor")
    stored.sql("GRANT SELECT ON ALL TABLES IN SCHEMA lottery TO auditor")
    try:
        url = stored.dsn.replace("//lottery@", "//auditor@")
        for command in ("audit", "export", "results"):
            assert lottery(command, url)[0] == 0
    finally:
        stored.sql("DROP OWNED BY auditor")
        postgres_server.sql("DROP ROLE auditor")


def test_audit_beside_writers(lottery, copied: Database) -> None:
    """What a writer stores while an audit reads is no difference: it is all there, or not yet."""
    ledgers = DatabaseLedgers(copied.dsn, provable=True)
    try:
        draw = ledgers.find(OPEN)
        assert draw is not None
        draw.shared.enter(9)
        entries = list(entries_of(AgencyRig(9, rows_of(9, 2000))))
        with closing(DatabaseStore(checked_dsn(copied.dsn), OPEN)) as store:
            writer = Thread(target=lambda: [store.append([each]) for each in entries])
            writer.start()
            sizes = set()
            while writer.is_alive():
                status, table, _ = lottery("audit", copied.dsn, "--draw", OPEN)
                assert status == 0, table
                sizes.add(table.splitlines()[-1])
            writer.join()
    finally:
        ledgers.release()
    assert len(sizes) > 2
    assert b"1 draw, 2,028 bets: nothing differs" in lottery("audit", copied.dsn, "--draw", OPEN)[1]


@pytest.mark.parametrize("command", ["audit", "export"])
def test_a_connection_that_is_cut(lottery, copied: Database, command: str) -> None:
    """Status 1 and a sentence; nobody takes that for a difference, or for an end."""
    with psycopg.connect(copied.dsn) as holder:
        holder.execute("LOCK TABLE lottery.bet")
        found: list[tuple[int, bytes, str]] = []
        reader = Thread(target=lambda: found.append(lottery(command, copied.dsn)))
        reader.start()
        cut: list[tuple[object, ...]] = []
        while not cut:
            cut = copied.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE application_name = 'lottery {command}' AND wait_event_type = 'Lock'"
            )
        reader.join()
    ((status, rows, said),) = found
    assert (status, rows) == (1, b"")
    assert re.fullmatch(r"lottery: the database [^\n]*terminating connection[^\n]*\n", said), said


def test_a_standby(lottery, postgres_pair: Pair) -> None:
    """It will do for whoever only reads, and says so."""
    store_draws(postgres_pair.primary.dsn)
    # It has applied all that came before when this is done.
    postgres_pair.primary.sql(
        "BEGIN; SET LOCAL synchronous_commit = remote_apply; CREATE TABLE applied (); COMMIT"
    )
    url = postgres_pair.standby.dsn
    for command in ("audit", "export", "results"):
        assert lottery(command, f"{url}?target_session_attrs=any")[0] == 0
        status, rows, said = lottery(command, url)
        assert (status, rows) == (2, b"")
        assert "read-only" in said
