"""A draw in PostgreSQL: what is made of it once it closes, and by whichever central gets there.

A step is one transaction that holds the row of the draw from the beginning to the end: whoever
comes second finds the step done, and who dies on the way leaves the row to others as it was. So
each step is taken once, and nobody needs a lease or a clock for it.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from typing import BinaryIO, TypeVar

from attrs import evolve
from psycopg import Connection

from lottery.errors import DamagedLedger, LotteryError
from lottery.ledger.checked import Measure
from lottery.ledger.entry import DATABASE, DATABASE_AT
from lottery.ledger.face import Attendance, WriterPlan
from lottery.ledger.fairness import commitment_of, number_of
from lottery.ledger.longwork import Interrupted
from lottery.ledger.postgres.connection import Connections
from lottery.ledger.postgres.parts import DatabaseParts
from lottery.ledger.postgres.rows import all_rows, winning_rows
from lottery.ledger.record import AgencyPart, DrawRecord, FileDigest, decode, encode
from lottery.ledger.segment import Held
from lottery.ledger.standing import Standing

T = TypeVar("T")


class DatabaseDraw:
    """One draw; as :class:`~lottery.ledger.face.DrawLedger` says."""

    path = None
    timeline = None

    def __init__(self, connections: Connections, draw: int, central: str) -> None:
        """:param central: what this one is called."""
        self.number = draw
        self._connections = connections
        self.shared = DatabaseParts(connections, draw, central)

    def read(self) -> DrawRecord:
        def work(connection: Connection) -> DrawRecord:
            return self._record(connection, b"")

        return self._connections.do(work)

    def close(self, record: DrawRecord) -> DrawRecord:
        """Publish it with the parts that all centrals know of, which may be more than we do."""

        def work(connection: Connection) -> DrawRecord:
            found = self._record(connection, _HELD)
            if found.state != "open":
                return found
            parts = [_part(each) for each in self.shared.all_parts(connection)]
            return self._publish(connection, evolve(found, state="closing", agencies=parts))

        return self._connections.do(work)

    def seal(self, record: DrawRecord, interrupted: Callable[[], bool]) -> DrawRecord:
        def work(connection: Connection) -> DrawRecord:
            found = self._record(connection, _HELD)
            if found.state != "closing":
                return found
            whole, parts = self._digests(connection, found, interrupted)
            state = "sealed" if found.succeeded else "void"
            sealed = evolve(found, state=state, agencies=parts)
            return self._publish(
                connection, evolve(sealed, bets_csv=whole if found.succeeded else None)
            )

        return self._connections.do(work)

    def draw_number(
        self, record: DrawRecord, winning_number: int | None, interrupted: Callable[[], bool]
    ) -> DrawRecord:
        def work(connection: Connection) -> DrawRecord:
            found = self._record(connection, _HELD)
            if found.state != "sealed":
                return found
            number, secret = winning_number, None
            if found.commitment is not None and found.bets_csv is not None:
                secret = self._secret(connection, found.commitment)
                number = number_of(secret, found.bets_csv.sha256, found.nonces)
            if number is None:
                sentence = "so it needs a fixed --winning-number"
                raise LotteryError(f"draw {self.number} has promised no secret, {sentence}")
            counts = {part.agency: 0 for part in found.succeeded}
            measure = Measure()
            for agency, row in self._winning_rows(connection, found, number):
                counts[agency] += 1
                measure.add(row)
            parts = [evolve(each, winners=counts.get(each.agency)) for each in found.agencies]
            digest = measure.digest(sum(counts.values()))
            drawn = evolve(
                found, state="drawn", agencies=parts, winning_number=number, winners_csv=digest
            )
            return self._publish(connection, evolve(drawn, secret=secret))

        return self._connections.do(work)

    def winners(
        self, record: DrawRecord, interrupted: Callable[[], bool]
    ) -> dict[int, list[bytes]]:
        number = record.winning_number
        assert number is not None

        def work(connection: Connection) -> dict[int, list[bytes]]:
            winners: dict[int, list[bytes]] = {}
            measure = Measure()
            for agency, row in self._winning_rows(connection, record, number):
                measure.add(row)
                winners.setdefault(agency, []).append(row.partition(b",")[2])
            if measure.digest(sum(map(len, winners.values()))) != record.winners_csv:
                raise self._damage("its winners are not those that were drawn")
            return winners

        return self._connections.do(work)

    def note_delivered(self, record: DrawRecord, received: Collection[int]) -> DrawRecord:
        def work(connection: Connection) -> DrawRecord:
            found = self._record(connection, _HELD)
            connection.execute(
                "UPDATE lottery.part SET received = true "
                "WHERE draw = %s AND agency = ANY(%s) AND received IS NOT TRUE",
                (self.number, list(received)),
            )
            rows = connection.execute(
                "SELECT agency FROM lottery.part WHERE draw = %s AND received", (self.number,)
            ).fetchall()
            have = {agency for (agency,) in rows}
            parts = [
                evolve(each, received=each.agency in have) if each.succeeded else each
                for each in found.agencies
            ]
            delivered = evolve(found, state="delivered", agencies=parts)
            return found if delivered == found else self._publish(connection, delivered)

        return self._connections.do(work)

    # For those who look.

    def stamp(self) -> object:
        def work(connection: Connection) -> object:
            query = "SELECT md5(record) FROM lottery.draw WHERE draw = %s"
            return connection.execute(query, (self.number,)).fetchone()

        return self._connections.do(work)

    def record_file(self) -> BinaryIO:
        return BytesIO(encode(self.read()))

    def winners_file(self) -> BinaryIO:
        def work(connection: Connection) -> bytes:
            record = self._record(connection, b"")
            if record.winning_number is None:
                raise FileNotFoundError(errno.ENOENT, "the number is not drawn yet")
            rows = self._winning_rows(connection, record, record.winning_number)
            return b"".join(row for _, row in rows)

        return BytesIO(self._connections.do(work))

    def bets_on_numbers(self, rest: Callable[[], None]) -> Mapping[bytes, int]:
        def work(connection: Connection) -> dict[bytes, int]:
            query = "SELECT number, count(*) FROM lottery.bet WHERE draw = %s GROUP BY number"
            found = connection.execute(query, (self.number,)).fetchall()
            return {number.encode(): bets for number, bets in found}

        return self._connections.do(work)

    # Writers.

    def writers(self) -> int:
        return 0

    def plan_writer(self, number: int) -> WriterPlan:
        environment = {DATABASE_AT: self._connections.dsn}
        return WriterPlan(f"{DATABASE}-{number}", (DATABASE, self.number, number, 0), environment)

    def is_settled(self, plan: WriterPlan, *, well: bool) -> bool:
        return well

    def settle(
        self, plan: WriterPlan, told: Mapping[int, Standing]
    ) -> tuple[None, dict[int, Standing]]:
        return None, self.shared.settled(told)

    # What it is made of.

    def _record(self, connection: Connection, held: bytes) -> DrawRecord:
        """Give the record, and hold its row if asked for.

        :raises NotNow: if another central holds it for long.
        """
        if held:
            connection.execute(_HELD_FOR)
        row = connection.execute(_RECORD + held, (self.number,)).fetchone()
        if row is None:
            raise self._damage("it is missing")
        record = decode(bytes(row[0] or b""), self._where)
        if record.draw != self.number:
            raise self._damage(f"it has the record of draw {record.draw}")
        return record

    def _publish(self, connection: Connection, record: DrawRecord) -> DrawRecord:
        connection.execute(
            "UPDATE lottery.draw SET state = %s, record = %s WHERE draw = %s",
            (record.state, encode(record), self.number),
        )
        return record

    def _digests(
        self, connection: Connection, record: DrawRecord, interrupted: Callable[[], bool]
    ) -> tuple[FileDigest, list[AgencyPart]]:
        """Give the digest of what would be ``bets.csv``, and the parts with theirs."""
        whole, size = hashlib.sha256(), 0
        own = {part.agency: hashlib.sha256() for part in record.agencies}
        bets, sizes = dict.fromkeys(own, 0), dict.fromkeys(own, 0)
        for agency, rows in all_rows(connection, self.number):
            if interrupted():
                raise Interrupted
            if agency not in own:
                raise self._damage(f"agency {agency} has bets, and no part in it")
            text = b"".join(rows)
            whole.update(text)
            own[agency].update(text)
            size += len(text)
            sizes[agency] += len(text)
            bets[agency] += len(rows)
        for part in record.agencies:
            if bets[part.agency] != part.bets:
                sentence = f"{part.bets} bets were stored, {bets[part.agency]} are found"
                raise self._damage(f"of agency {part.agency}, {sentence}")
        parts = [
            evolve(part, bytes=sizes[part.agency], sha256=own[part.agency].hexdigest())
            for part in record.agencies
        ]
        return FileDigest(sum(bets.values()), size, whole.hexdigest()), parts

    def _winning_rows(
        self, connection: Connection, record: DrawRecord, number: int
    ) -> list[tuple[int, bytes]]:
        """Give the winning rows of all that take part, each behind its agency."""
        taking_part = {part.agency for part in record.succeeded}
        rows = winning_rows(connection, self.number, number)
        all_of_them = ((int(row.partition(b",")[0]), row) for row in rows)
        return [each for each in all_of_them if each[0] in taking_part]

    def _secret(self, connection: Connection, commitment: str) -> bytes:
        query = "SELECT secret FROM lottery.draw WHERE draw = %s"
        row = connection.execute(query.encode(), (self.number,)).fetchone()
        secret = bytes(row[0] or b"") if row else b""
        if commitment_of(secret) != commitment:
            raise self._damage("its secret is another one than the one that was promised")
        return secret

    @property
    def _where(self) -> str:
        return f"draw {self.number} in the database"

    def _damage(self, sentence: str) -> DamagedLedger:
        return DamagedLedger(self._where, 0, sentence)


_HELD = b" FOR UPDATE"
#: A step may take another central long: whoever waits for it waits in turns, and can be stopped.
_HELD_FOR = b"SET LOCAL lock_timeout = '1s'"
_RECORD = b"SELECT record FROM lottery.draw WHERE draw = %s"


def _part(found: Attendance) -> AgencyPart:
    standing = found.standing
    if not standing.ended and not found.left_out:
        sentence = f"agency {found.agency} has come to another central, and is not decided"
        raise Held(errno.EAGAIN, sentence)
    return AgencyPart(
        agency=found.agency,
        dialect="classic" if standing.classic else "lottery/1",
        outcome="succeeded" if standing.ended else "left_out",
        reason=found.left_out,
        bets=standing.next_index,
        crc32=standing.crc,
        nonce=standing.nonce,
    )
