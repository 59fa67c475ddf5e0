"""The ledgers of all draws in one PostgreSQL database, which several centrals share."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from attrs import evolve
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from lottery.errors import LotteryError, StartError, Unreachable
from lottery.ledger.face import Unfinished
from lottery.ledger.fairness import SECRET_BYTES, commitment_of
from lottery.ledger.postgres.connection import Connections, checked_dsn
from lottery.ledger.postgres.draw import DatabaseDraw
from lottery.ledger.postgres.schema import check, prepare
from lottery.ledger.record import DrawRecord, decode, encode
from lottery.ledger.segment import NotNow


class DatabaseLedgers:
    """A database; as :class:`~lottery.ledger.face.Ledgers` says."""

    alone = False
    open_to_others = ""

    def __init__(self, dsn: str, *, provable: bool) -> None:
        """:param provable: whether draws that are opened have a random number.

        :raises SettingsError: if the connection string is none.
        """
        self._provable = provable
        self._central = secrets.token_hex(8)
        self._connections = Connections(checked_dsn(dsn), f"lottery {self._central}")

    @property
    def place(self) -> str:
        given = conninfo_to_dict(self._connections.dsn)
        hosts = given.get("host") or "this host"
        return f"database {given.get('dbname') or given.get('user') or ''} at {hosts}"

    def own(self, again: Callable[[], bool]) -> None:
        """Have the tables there, and be one of the centrals; others may own them, too."""

        def work(connection: Connection) -> None:
            prepare(connection)
            connection.execute("DELETE FROM lottery.central WHERE seen < now() - interval '1 hour'")
            connection.execute(
                "INSERT INTO lottery.central (central, beat) VALUES (%s, 0) ON CONFLICT DO NOTHING",
                (self._central,),
            )

        while True:
            try:
                self._connections.do(work)
            except NotNow as error:
                if not again():
                    raise Unreachable(f"the ledger cannot be used, {error.strerror}") from error
            except LotteryError as error:
                raise StartError(f"the ledger cannot be used, {error}") from error
            else:
                return

    def check(self) -> None:
        """See that the tables are there, for who only looks.

        :raises StartError: if they are not, or the database cannot be used.
        """
        try:
            self._connections.do(check)
        except NotNow as error:
            raise StartError(f"the ledger cannot be used, {error.strerror}") from error
        except LotteryError as error:
            raise StartError(f"the ledger cannot be used, {error}") from error

    def interrupt(self) -> None:
        self._connections.break_off()

    def release(self) -> None:
        self._connections.close()

    def recover(self, places: int) -> list[Unfinished]:
        def work(connection: Connection) -> list[Unfinished]:
            rows = connection.execute(
                "SELECT draw, record FROM lottery.draw "
                "WHERE state NOT IN ('delivered', 'void') ORDER BY draw"
            ).fetchall()
            found = [self._unfinished(draw, bytes(record or b"")) for draw, record in rows]
            return [evolve(each, record=self._promised(connection, each.record)) for each in found]

        return self._connections.do(work)

    def _promised(self, connection: Connection, record: DrawRecord) -> DrawRecord:
        """Have a secret promised of a draw that is to have a random number, if nobody has come.

        :raises StartError: if somebody has: its secret would come after the bets.
        """
        number = record.draw
        if not self._provable or record.commitment or record.winning_number is not None:
            return record
        if record.state == "open":
            query = "SELECT state FROM lottery.draw WHERE draw = %s FOR UPDATE"
            connection.execute(query, (number,))
            query = "SELECT count(*) FROM lottery.part WHERE draw = %s"
            if connection.execute(query, (number,)).fetchone() == (0,):
                secret = secrets.token_bytes(SECRET_BYTES)
                record = evolve(record, commitment=commitment_of(secret))
                connection.execute(
                    "UPDATE lottery.draw SET secret = %s, record = %s WHERE draw = %s",
                    (secret, encode(record), number),
                )
                return record
        elif not record.succeeded:
            return record
        how = "so its number cannot be random: end it with a fixed --winning-number"
        raise StartError(f"draw {number} has begun without a promised secret, {how}")

    def unreceived(self) -> dict[int, int]:
        def work(connection: Connection) -> dict[int, int]:
            rows = connection.execute(
                "SELECT part.agency, max(part.draw) FROM lottery.part JOIN lottery.draw "
                "ON draw.draw = part.draw AND draw.state IN ('drawn', 'delivered') "
                "WHERE part.ended AND NOT part.classic AND part.received IS NOT TRUE "
                "GROUP BY part.agency"
            ).fetchall()
            return dict(rows)

        return self._connections.do(work)

    def open(self, places: int) -> Unfinished:
        def work(connection: Connection) -> Unfinished:
            last = _last(connection)
            if last is None or last[1] != "open":
                number = last[0] + 1 if last else 1
                secret = secrets.token_bytes(SECRET_BYTES) if self._provable else None
                promised = commitment_of(secret) if secret else None
                record = DrawRecord(number, "open", places, commitment=promised)
                connection.execute(
                    "INSERT INTO lottery.draw (draw, state, places, admits, secret, record) "
                    "VALUES (%s, 'open', %s, true, %s, %s) ON CONFLICT (draw) DO NOTHING",
                    (number, places, secret, encode(record)),
                )
                last = _last(connection)
                assert last is not None
            opened = self._unfinished(last[0], last[2])
            return evolve(opened, record=self._promised(connection, opened.record))

        return self._connections.do(work)

    def numbers(self) -> list[int]:
        def work(connection: Connection) -> list[int]:
            rows = connection.execute("SELECT draw FROM lottery.draw ORDER BY draw").fetchall()
            return [draw for (draw,) in rows]

        return self._connections.do(work)

    def find(self, number: int) -> DatabaseDraw | None:
        def work(connection: Connection) -> bool:
            query = "SELECT draw FROM lottery.draw WHERE draw = %s"
            return connection.execute(query, (number,)).fetchone() is not None

        return self._draw(number) if self._connections.do(work) else None

    def _unfinished(self, draw: int, record: bytes) -> Unfinished:
        return Unfinished(self._draw(draw), decode(record, f"draw {draw} in the database"))

    def _draw(self, number: int) -> DatabaseDraw:
        return DatabaseDraw(self._connections, number, self._central)


def _last(connection: Connection) -> tuple[int, str, bytes] | None:
    query = "SELECT draw, state, record FROM lottery.draw ORDER BY draw DESC LIMIT 1"
    row = connection.execute(query).fetchone()
    return None if row is None else (row[0], row[1], bytes(row[2] or b""))
