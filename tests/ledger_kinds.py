"""The kinds of ledgers that a house may have."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from fakes import FakeDisk

from lottery.audit.data import Audit, audit
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.face import Ledgers
from lottery.ledger.files import FileLedgers
from lottery.ledger.index import Ledger
from lottery.ledger.record import DrawRecord, decode, read_record
from lottery.ledger.segment import NotNow
from lottery.settings import CentralSettings
from lottery.writer import LOCK_FD

if TYPE_CHECKING:
    from psycopg import Connection

    from lottery.ledger.postgres.database import DatabaseLedgers


T = TypeVar("T")


class LedgerKind(Protocol):
    """A kind of ledger, and what there is to see of it from outside.

    :ivar shared: whether several centrals may have it.
    :ivar died: whether a central has died of which another one has to learn that.
    :ivar gone: why an agency is away that was there when the central ended.
    """

    shared: bool
    died: bool
    gone: str

    def ledgers(self, settings: CentralSettings, disk: FakeDisk) -> Ledgers:
        """Make what a central uses; for another directory, from nothing.

        :param disk: without room on it, nothing can be done.
        """

    def record(self, settings: CentralSettings, draw: int) -> DrawRecord:
        """Give the record of a draw as it is published."""

    def numbers(self, settings: CentralSettings) -> list[int]:
        """Give the draws that have a record."""

    def bets_csv(self, settings: CentralSettings, draw: int) -> str:
        """Give all rows of a draw that is sealed."""

    def stored(self, settings: CentralSettings, draw: int) -> str:
        """Give all rows of a draw that nobody is at work on."""

    def nothing_is_left(self, settings: CentralSettings) -> None:
        """Fail if a central that has stopped has left anything behind."""


class AuditedKind(LedgerKind, Protocol):
    """One that stays when all centrals have ended."""

    def audit(self, settings: CentralSettings, today: date) -> Audit:
        """Recount everything."""


class Files:
    """A data directory."""

    shared = died = False
    gone = "the central was started again"

    def ledgers(self, settings: CentralSettings, disk: FakeDisk) -> Ledgers:
        """Make them in the directory, whatever there is."""
        data = DataDirectory(settings.data_dir, provable=settings.winning_number is None)
        return FileLedgers(data, settings.min_free, LOCK_FD)

    def record(self, settings: CentralSettings, draw: int) -> DrawRecord:
        """Read it."""
        return read_record(self._of(settings, draw) / "draw.json")

    def numbers(self, settings: CentralSettings) -> list[int]:
        """Look for their directories."""
        found = sorted((settings.data_dir / "draws").iterdir())
        return [int(path.name) for path in found if (path / "draw.json").exists()]

    def bets_csv(self, settings: CentralSettings, draw: int) -> str:
        """Read it."""
        return (self._of(settings, draw) / "bets.csv").read_text(encoding="utf-8")

    def stored(self, settings: CentralSettings, draw: int) -> str:
        """Look into the segments."""
        directory = DrawDirectory(draw, self._of(settings, draw))
        return b"".join(Ledger(directory).rows()).decode()

    def audit(self, settings: CentralSettings, today: date) -> Audit:
        """Look into the directory."""
        return audit(settings.data_dir, today)

    def nothing_is_left(self, settings: CentralSettings) -> None:
        """There are only the files that there should be."""
        files = (path for path in settings.data_dir.rglob("*") if path.is_file())
        usual = {"lock", "bets.csv", "draw.json", "winners.csv", "secret", "intake.csv"}
        assert [p for p in files if p.name not in usual and p.suffix != ".log"] == []

    def _of(self, settings: CentralSettings, draw: int) -> Path:
        return settings.data_dir / "draws" / f"{draw:06d}"


class InDatabase:
    """A PostgreSQL database, which has what one directory would have at a time."""

    shared = True
    gone = "it is away from all centrals"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.died = False
        self._directory: Path | None = None
        self._connection: Connection | None = None
        self._ledgers: DatabaseLedgers | None = None

    def ledgers(self, settings: CentralSettings, disk: FakeDisk) -> Ledgers:
        """Make them in the database, which is emptied for another directory.

        It is away as long as there is no room on the disk.
        """
        from lottery.ledger.postgres.database import DatabaseLedgers

        if self._directory != settings.data_dir:
            self._directory = settings.data_dir
            self.died = False
            self._query("DROP SCHEMA IF EXISTS lottery CASCADE")
        provable = settings.winning_number is None
        self._ledgers = DatabaseLedgers(self._dsn, provable=provable)
        connections = self._ledgers._connections
        do = connections.do

        def do_if_there(work: Callable[[Connection], T]) -> T:
            if not disk.room:
                raise NotNow(errno.EAGAIN, "the database is away")
            return do(work)

        connections.do = do_if_there  # type: ignore[method-assign]
        return self._ledgers

    def record(self, settings: CentralSettings, draw: int) -> DrawRecord:
        """Ask for it."""
        ((data,),) = self._query("SELECT record FROM lottery.draw WHERE draw = %s", draw)
        assert isinstance(data, bytes)
        return decode(data, f"draw {draw}")

    def numbers(self, settings: CentralSettings) -> list[int]:
        """Ask for them."""
        return [int(str(draw)) for (draw,) in self._query("SELECT draw FROM lottery.draw")]

    def stored(self, settings: CentralSettings, draw: int) -> str:
        """Whoever looks sees only what is stored for good."""
        return self.bets_csv(settings, draw)

    def bets_csv(self, settings: CentralSettings, draw: int) -> str:
        """Put it together."""
        rows = self._query(
            "SELECT concat_ws(',', agency, first_name, last_name, document, birthdate, number) "
            "FROM lottery.bet WHERE draw = %s ORDER BY agency, index",
            draw,
        )
        return "".join(f"{row}\n" for (row,) in rows)

    def audit(self, settings: CentralSettings, today: date) -> Audit:
        """Look into the tables."""
        from lottery.audit.database import audit_database

        return audit_database(self._dsn, today)

    def nothing_is_left(self, settings: CentralSettings) -> None:
        """There is no connection that is open."""
        assert self._ledgers is not None
        connections = self._ledgers._connections
        assert [*connections._idle, *connections._in_use] == []

    def close(self) -> None:
        """Look no more."""
        if self._connection is not None:
            self._connection.close()

    def _query(self, text: str, *values: object) -> list[tuple[object, ...]]:
        from psycopg import connect

        if self._connection is None:
            self._connection = connect(self._dsn, autocommit=True)
        cursor = self._connection.execute(text.encode(), values or None)
        return cursor.fetchall() if cursor.description is not None else []


FILES = Files()
