"""Who takes part in a draw, at which central, and how it ended: the table ``part``.

Whoever lets an agency in locks the row of its part, as a writer does that stores something of it.
So a session that is let in waits for what an earlier one has under way, and finds all of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import evolve
from psycopg import Connection

from lottery.errors import Code, RemoteProtocolError
from lottery.ledger.face import Attendance, Attendances
from lottery.ledger.postgres.connection import Connections
from lottery.ledger.standing import Standing

_PART = (
    "agency, classic, session, central, ended, bets, crc, nonce, left_out, received "
    "FROM lottery.part WHERE draw = %s"
)
_END = """
SELECT first + bets, crc FROM lottery.batch
WHERE draw = %s AND agency = %s ORDER BY first DESC LIMIT 1
"""


class DatabaseParts:
    """The parts of one draw; as :class:`~lottery.ledger.face.SharedDraw` says."""

    def __init__(self, connections: Connections, draw: int, central: str) -> None:
        """:param central: what this one is called."""
        self._connections = connections
        self._draw = draw
        self.central = central

    def enter(self, agency: int) -> Attendance:
        def work(connection: Connection) -> Attendance:
            found = self._locked(connection, agency)
            if found is None:
                places, taken = self._hold_open(connection)
                # Behind that lock: it may have come to another central while we waited for it.
                found = self._locked(connection, agency)
                if found is None:
                    found = self._come(connection, agency, places, taken)
            if found.standing.classic:
                sentence = f"agency {agency} is a classic one in draw {self._draw}"
                raise RemoteProtocolError(Code.TAKEN, sentence)
            return self._with_session(connection, found)

        return self._connections.do(work)

    def enter_classic(self, arrival: str, reserved: Collection[int], most: int) -> Attendance:
        def work(connection: Connection) -> Attendance:
            places, taken = self._hold_open(connection)
            rows = connection.execute(
                "SELECT agency, classic, arrival FROM lottery.part WHERE draw = %s", (self._draw,)
            ).fetchall()
            for agency, _, earlier in rows:
                if earlier == arrival:
                    found = self._locked(connection, agency)
                    assert found is not None
                    return self._exact(connection, found)
            if sum(classic for _, classic, _ in rows) >= most:
                raise RemoteProtocolError(Code.FULL, "all places of classic agencies are taken")
            used = {agency for agency, _, _ in rows}.union(reserved)
            number = next(each for each in range(1, len(used) + 2) if each not in used)
            found = self._come(connection, number, places, taken, arrival)
            return self._with_session(connection, found)

        return self._connections.do(work)

    def leave(self, agency: int, session: int) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE lottery.part SET central = NULL "
                "WHERE draw = %s AND agency = %s AND session = %s",
                (self._draw, agency, session),
            )

        self._connections.do(work)

    def leave_out(self, agency: int, session: int, reason: str) -> Attendance:
        def work(connection: Connection) -> Attendance:
            found = self._locked(connection, agency)
            if found is None:
                raise RemoteProtocolError(Code.LEFT_OUT, f"agency {agency} has no place")
            if not _is_decided(found) and found.standing.session == session:
                found = self._exact(connection, found)
                connection.execute(
                    "UPDATE lottery.part SET left_out = %s, central = NULL, bets = %s, crc = %s "
                    "WHERE draw = %s AND agency = %s",
                    (
                        reason, found.standing.next_index, found.standing.crc,
                        self._draw, agency,
                    ),
                )  # fmt: skip
                found = self._locked(connection, agency)
                assert found is not None
            return found

        return self._connections.do(work)

    def admit_no_more(self) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE lottery.draw SET admits = false WHERE draw = %s AND admits", (self._draw,)
            )

        self._connections.do(work)

    def note_told(self, agency: int, received: bool) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE lottery.part SET received = %s "
                "WHERE draw = %s AND agency = %s AND received IS NOT TRUE",
                (received, self._draw, agency),
            )

        self._connections.do(work)

    def look(self) -> Attendances:
        def work(connection: Connection) -> Attendances:
            connection.execute(
                "INSERT INTO lottery.central (central, beat) VALUES (%s, 1) ON CONFLICT (central) "
                "DO UPDATE SET beat = lottery.central.beat + 1, seen = now()",
                (self.central,),
            )
            draw = connection.execute(
                "SELECT state, admits FROM lottery.draw WHERE draw = %s", (self._draw,)
            ).fetchone()
            assert draw is not None
            parts = connection.execute(f"SELECT {_PART}".encode(), (self._draw,)).fetchall()
            beats = connection.execute("SELECT central, beat FROM lottery.central").fetchall()
            state, admits = draw
            attendances = [_attendance(row) for row in parts]
            return Attendances(state, admits, attendances, dict(beats))

        return self._connections.do(work)

    def settled(self, told: Collection[int]) -> dict[int, Standing]:
        """Say where agencies stand when all that a writer had under way has come about, or not."""

        def work(connection: Connection) -> dict[int, Standing]:
            found = (self._locked(connection, agency) for agency in sorted(told))
            return {
                each.agency: self._exact(connection, each).standing
                for each in found
                if each is not None
            }

        return self._connections.do(work)

    def all_parts(self, connection: Connection) -> list[Attendance]:
        """Give all parts, in order."""
        query = f"SELECT {_PART} ORDER BY agency"
        return [_attendance(row) for row in connection.execute(query.encode(), (self._draw,))]

    def _locked(self, connection: Connection, agency: int) -> Attendance | None:
        """Give the part of an agency when nothing of it is under way, and keep it so."""
        query = f"SELECT {_PART} AND agency = %s FOR UPDATE"
        row = connection.execute(query.encode(), (self._draw, agency)).fetchone()
        return None if row is None else _attendance(row)

    def _come(
        self, connection: Connection, agency: int, places: int, taken: int, arrival: str = ""
    ) -> Attendance:
        """Give an agency a place in a draw that is held open.

        :param taken: so many of the places are taken.
        :param arrival: that of a classic agency.
        :raises RemoteProtocolError: FULL.
        """
        if taken >= places:
            sentence = f"all {places} places of draw {self._draw} are taken"
            raise RemoteProtocolError(Code.FULL, sentence)
        connection.execute(
            "INSERT INTO lottery.part (draw, agency, classic, session, arrival) "
            "VALUES (%s, %s, %s, 0, %s)",
            (self._draw, agency, bool(arrival), arrival or None),
        )
        connection.execute(
            "UPDATE lottery.draw SET taken = taken + 1 WHERE draw = %s", (self._draw,)
        )
        found = self._locked(connection, agency)
        assert found is not None
        return found

    def _hold_open(self, connection: Connection) -> tuple[int, int]:
        """Keep the draw as it is while an agency comes; one that comes first at a time.

        :returns: how many places it has, and how many of them are taken.
        :raises RemoteProtocolError: CLOSED.
        """
        query = "SELECT state, admits, places, taken FROM lottery.draw WHERE draw = %s"
        # First without a lock: a draw that is being sealed is locked for long.
        for lock in ("", " FOR UPDATE"):
            row = connection.execute((query + lock).encode(), (self._draw,)).fetchone()
            assert row is not None
            state, admits, places, taken = row
            if state != "open":
                sentence = f"draw {self._draw} takes no more bets"
                raise RemoteProtocolError(Code.CLOSED, sentence)
            if not admits:
                sentence = f"draw {self._draw} takes no more agencies"
                raise RemoteProtocolError(Code.CLOSED, sentence)
        return int(places), int(taken)

    def _with_session(self, connection: Connection, found: Attendance) -> Attendance:
        """Begin a session of an agency here; one that has ended comes for its winners only."""
        if found.left_out:
            return found
        if found.standing.ended:
            connection.execute(
                "UPDATE lottery.part SET central = %s WHERE draw = %s AND agency = %s",
                (self.central, self._draw, found.agency),
            )
            return evolve(found, central=self.central)
        connection.execute(
            "UPDATE lottery.part SET session = session + 1, central = %s "
            "WHERE draw = %s AND agency = %s",
            (self.central, self._draw, found.agency),
        )
        exact = self._exact(connection, found)
        standing = exact.standing._replace(session=found.standing.session + 1)
        return Attendance(found.agency, standing, self.central)

    def _exact(self, connection: Connection, found: Attendance) -> Attendance:
        """Say how much of a part that is locked is stored."""
        if _is_decided(found):
            return found
        row = connection.execute(_END.encode(), (self._draw, found.agency)).fetchone()
        bets, crc = row or (0, 0)
        standing = found.standing._replace(next_index=bets, crc=crc)
        return Attendance(found.agency, standing, found.central)


def _is_decided(found: Attendance) -> bool:
    return found.standing.ended or bool(found.left_out)


def _attendance(row: tuple[Any, ...]) -> Attendance:
    agency, classic, session, central, ended, bets, crc, nonce, left_out, received = row
    standing = Standing(bets, crc, ended, classic, bytes(nonce), session)
    exact = ended or left_out is not None
    return Attendance(agency, standing, central, left_out or "", received, exact)
