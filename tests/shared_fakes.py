"""A ledger that several centrals share, in memory: it does what a database would do for them.

A ``Table`` is one draw, as all of them find it. Each central has its own ``MemoryDraw`` of it,
with its own ``MemoryParts``, and its writers a ``TableStore``. ``MemoryLedgers`` are all draws.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from attrs import evolve
from central_fakes import House
from fakes import FakeDisk

from lottery.errors import Code, RemoteProtocolError
from lottery.ledger.checked import Measure
from lottery.ledger.entry import DATABASE, DATABASE_AT, Entry, Refused
from lottery.ledger.face import Attendance, Attendances, Unfinished, WriterPlan
from lottery.ledger.record import AgencyPart, DrawRecord, FileDigest, encode
from lottery.ledger.segment import Kind, NotNow
from lottery.ledger.standing import Standing
from lottery.settings import CentralSettings

SENTENCE = "the database is away, connection refused"


class Server:
    """Where the tables are.

    :ivar away: whether it answers nobody.
    :ivar silent: whether it does what it is asked, and then does not answer.
    :ivar beats: how often each central has looked.
    """

    def __init__(self) -> None:
        self.away = self.silent = False
        self.beats: dict[str, int] = {}

    def answer(self, work: Callable[[], None] | None = None) -> None:
        """Answer, or not."""
        if self.silent and work is not None:
            work()
        if self.away or self.silent:
            raise NotNow(errno.EAGAIN, SENTENCE)


class Table:
    """A draw.

    :ivar record: as it is published.
    :ivar parts: by agency, what is known of each; of one that is not decided that is not how
        much is stored.
    :ivar rows: by agency, what is stored, without the agency, LF after each.
    :ivar asked: what each central has asked for, but looks.
    """

    def __init__(self, places: int = 3, number: int = 4, server: Server | None = None) -> None:
        self.server = server or Server()
        self.record = DrawRecord(number, "open", places)
        self.admits = True
        self.parts: dict[int, Attendance] = {}
        self.rows: dict[int, list[bytes]] = {}
        self.crcs: dict[int, int] = {}
        self.arrivals: dict[str, int] = {}
        self.asked: list[tuple[object, ...]] = []

    @property
    def state(self) -> str:
        """How far it has come."""
        return self.record.state

    def at(self, central: str) -> MemoryDraw:
        """Give it as a central has it."""
        return MemoryDraw(self, central)

    def exact(self, agency: int) -> Attendance:
        """Give a part with what is stored of it."""
        part = self.parts[agency]
        if part.exact:
            return part
        standing = part.standing._replace(
            next_index=len(self.rows.get(agency, [])), crc=self.crcs.get(agency, 0)
        )
        return evolve(part, standing=standing, exact=True)

    def refusal(self, agency: int, session: int) -> tuple[Code, str] | None:
        """Say why a session may not store anything, if so."""
        part = self.parts.get(agency)
        if part is None:
            return Code.CLOSED, f"agency {agency} has no place in the draw"
        if part.left_out:
            return Code.LEFT_OUT, f"agency {agency} has no part in the draw any more"
        if part.standing.session != session:
            return Code.TAKEN, f"a newer session of agency {agency} has come"
        return (Code.CLOSED, f"agency {agency} has ended") if part.standing.ended else None


class MemoryParts:
    """The parts of a draw; as :class:`~lottery.ledger.face.SharedDraw` says."""

    def __init__(self, table: Table, central: str) -> None:
        self.central = central
        self._table = table

    def enter(self, agency: int) -> Attendance:
        """Let an agency come in."""
        self._ask("enter", agency, work=lambda: self._entered(agency))
        return self._entered(agency)

    def _entered(self, agency: int) -> Attendance:
        table = self._table
        if agency not in table.parts:
            self._come(agency, Standing())
        found = table.parts[agency]
        if found.standing.classic:
            sentence = f"agency {agency} is a classic one in draw {table.record.draw}"
            raise RemoteProtocolError(Code.TAKEN, sentence)
        return self._with_session(found)

    def enter_classic(self, arrival: str, reserved: Collection[int], most: int) -> Attendance:
        """Let a classic agency come in."""
        self._ask(
            "enter classic", most, work=lambda: self._entered_classic(arrival, reserved, most)
        )
        return self._entered_classic(arrival, reserved, most)

    def _entered_classic(self, arrival: str, reserved: Collection[int], most: int) -> Attendance:
        table = self._table
        self._hold_open()
        if arrival in table.arrivals:
            return table.exact(table.arrivals[arrival])
        if sum(part.standing.classic for part in table.parts.values()) >= most:
            raise RemoteProtocolError(Code.FULL, "all places of classic agencies are taken")
        taken = {*table.parts, *reserved}
        number = next(each for each in range(1, len(taken) + 2) if each not in taken)
        self._come(number, Standing(classic=True))
        table.arrivals[arrival] = number
        return self._with_session(table.parts[number])

    def _with_session(self, found: Attendance) -> Attendance:
        table, agency = self._table, found.agency
        if found.left_out:
            return found
        if not found.standing.ended:
            standing = found.standing._replace(session=found.standing.session + 1)
            found = evolve(found, standing=standing)
        table.parts[agency] = evolve(found, central=self.central)
        return table.exact(agency)

    def leave(self, agency: int, session: int) -> None:
        """Note that a session is over."""
        self._ask("leave", agency, session)
        part = self._table.parts[agency]
        if part.standing.session == session:
            self._table.parts[agency] = evolve(part, central=None)

    def leave_out(self, agency: int, session: int, reason: str) -> Attendance:
        """Decide that an agency has no part any more."""
        self._ask("leave out", agency, session)
        found = self._table.exact(agency)
        ends = found.standing.ended or found.left_out
        if not ends and found.standing.session == session:
            found = evolve(found, left_out=reason, central=None)
            self._table.parts[agency] = found
        return self._table.parts[agency]

    def admit_no_more(self) -> None:
        """Let no agency come in any more."""
        self._ask("admit no more")
        self._table.admits = False

    def note_told(self, agency: int, received: bool) -> None:
        """Note whether an agency has received its winners."""
        self._ask("told", agency, received)
        part = self._table.parts[agency]
        if not part.received:
            self._table.parts[agency] = evolve(part, received=received)

    def look(self) -> Attendances:
        """Give what is known, and count up."""
        table, beats = self._table, self._table.server.beats
        table.server.answer()
        beats[self.central] = beats.get(self.central, 0) + 1
        parts = [table.parts[agency] for agency in sorted(table.parts)]
        return Attendances(table.state, table.admits, parts, dict(beats))

    def _ask(self, *what: object, work: Callable[[], object] | None = None) -> None:
        def done() -> None:
            if work is not None:
                work()

        self._table.asked.append((self.central, *what))
        self._table.server.answer(done)

    def _come(self, agency: int, standing: Standing) -> None:
        table = self._table
        self._hold_open()
        places = table.record.places
        if len(table.parts) == places:
            sentence = f"all {places} places of draw {table.record.draw} are taken"
            raise RemoteProtocolError(Code.FULL, sentence)
        table.parts[agency] = Attendance(agency, standing, None, exact=False)

    def _hold_open(self) -> None:
        table = self._table
        what = "bets" if table.state != "open" else "" if table.admits else "agencies"
        if what:
            sentence = f"draw {table.record.draw} takes no more {what}"
            raise RemoteProtocolError(Code.CLOSED, sentence)


class TableStore:
    """A table as the store of a writer."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def append(self, entries: Sequence[Entry]) -> None:
        """Store entries for good, all or none."""
        table = self._table
        table.server.answer()
        why = {(each.agency, each.session): table.refusal(each.agency, each.session)
               for each in entries}  # fmt: skip
        refused = {each: refusal for each, refusal in why.items() if refusal is not None}
        if refused:
            raise Refused(refused)
        for each in entries:
            if each.kind == Kind.END:
                standing = Standing(
                    each.first, each.crc, True, each.classic, each.body, each.session
                )
                part = table.parts[each.agency]
                table.parts[each.agency] = evolve(part, standing=standing, exact=True)
                continue
            rows = table.rows.setdefault(each.agency, [])
            assert len(rows) == each.first
            agency = b"%d," % each.agency
            rows += [row.removeprefix(agency) for row in each.body.splitlines(keepends=True)]
            table.crcs[each.agency] = each.crc

    def flush(self) -> None:
        """Do nothing: it is there for good."""

    def close(self) -> None:
        """Do nothing."""


class MemoryDraw:
    """A draw as a central has it; as :class:`~lottery.ledger.face.DrawLedger` says."""

    path = None
    timeline = None

    def __init__(self, table: Table, central: str) -> None:
        self.number = table.record.draw
        self.shared = MemoryParts(table, central)
        self.table = table

    def read(self) -> DrawRecord:
        """Give the record that is published."""
        self.table.server.answer()
        return self.table.record

    def close(self, record: DrawRecord) -> DrawRecord:
        """Take no more bets."""
        if self.read().state != "open":
            return self.table.record
        parts = [_part(self.table.parts[agency]) for agency in sorted(self.table.parts)]
        return self._publish(state="closing", agencies=parts)

    def seal(self, record: DrawRecord, interrupted: Callable[[], bool]) -> DrawRecord:
        """Publish all digests."""
        found = self.read()
        if found.state != "closing":
            return found
        whole, parts = Measure(), []
        for part in found.agencies:
            measure = Measure()
            for row in self._rows(part.agency):
                whole.add(row)
                measure.add(row)
            digest = measure.digest(part.bets)
            parts.append(evolve(part, bytes=digest.bytes, sha256=digest.sha256))
        if not found.succeeded:
            return self._publish(state="void", agencies=parts)
        digest = whole.digest(sum(part.bets for part in parts))
        return self._publish(state="sealed", agencies=parts, bets_csv=digest)

    def draw_number(
        self, record: DrawRecord, winning_number: int | None, interrupted: Callable[[], bool]
    ) -> DrawRecord:
        """Publish the number."""
        found = self.read()
        if found.state != "sealed":
            return found
        assert winning_number is not None
        winners = self._winners(winning_number)
        parts = [
            evolve(each, winners=len(winners.get(each.agency, []))) if each.succeeded else each
            for each in found.agencies
        ]
        return self._publish(
            state="drawn",
            agencies=parts,
            winning_number=winning_number,
            winners_csv=self._digest(winners),
        )

    def winners(
        self, record: DrawRecord, interrupted: Callable[[], bool]
    ) -> dict[int, list[bytes]]:
        """Give the winning rows of each agency that has some."""
        self.table.server.answer()
        assert record.winning_number is not None
        return self._winners(record.winning_number)

    def note_delivered(self, record: DrawRecord, received: Collection[int]) -> DrawRecord:
        """Publish who has received its winners."""
        found, parts = self.read(), self.table.parts
        for agency in received:
            parts[agency] = evolve(parts[agency], received=True)
        told = [
            evolve(each, received=bool(parts[each.agency].received)) if each.succeeded else each
            for each in found.agencies
        ]
        return self._publish(state="delivered", agencies=told)

    def stamp(self) -> object:
        """Give the record itself."""
        return self.table.record

    def record_file(self) -> BinaryIO:
        """Open the bytes of the record."""
        return BytesIO(encode(self.table.record))

    def winners_file(self) -> BinaryIO:
        """Open all winning rows."""
        number = self.table.record.winning_number
        if number is None:
            raise FileNotFoundError
        winners = self._winners(number)
        return BytesIO(b"".join(b"%d,%s" % (who, row) for who in winners for row in winners[who]))

    def bets_on_numbers(self, rest: Callable[[], None]) -> Mapping[bytes, int]:
        """Count the bets on each number."""
        rows = [row for each in self.table.rows.values() for row in each]
        return Counter(row.rpartition(b",")[2].strip() for row in rows)

    def writers(self) -> int:
        """Nobody numbers them."""
        return 0

    def plan_writer(self, number: int) -> WriterPlan:
        """Say how a writer is started."""
        words = (DATABASE, self.number, number, 0)
        return WriterPlan(f"{DATABASE}-{number}", words, {DATABASE_AT: "memory"})

    def is_settled(self, plan: WriterPlan, *, well: bool) -> bool:
        """Whether a writer has told all."""
        return well

    def settle(
        self, plan: WriterPlan, told: Mapping[int, Standing]
    ) -> tuple[None, dict[int, Standing]]:
        """Learn where agencies stand."""
        self.table.server.answer()
        return None, {agency: self.table.exact(agency).standing for agency in told}

    def _rows(self, agency: int) -> list[bytes]:
        return [b"%d,%s" % (agency, row) for row in self.table.rows.get(agency, [])]

    def _winners(self, number: int) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        for part in self.table.record.succeeded:
            for row in self.table.rows.get(part.agency, []):
                if int(row.rpartition(b",")[2]) == number:
                    found.setdefault(part.agency, []).append(row)
        return found

    def _digest(self, winners: Mapping[int, Sequence[bytes]]) -> FileDigest:
        measure = Measure()
        for agency, rows in winners.items():
            for row in rows:
                measure.add(b"%d,%s" % (agency, row))
        return measure.digest(sum(map(len, winners.values())))

    def _publish(self, **changes: object) -> DrawRecord:
        self.table.record = evolve(self.table.record, **changes)
        return self.table.record


def _part(found: Attendance) -> AgencyPart:
    standing = found.standing
    if not standing.ended and not found.left_out:
        raise NotNow(errno.EAGAIN, f"agency {found.agency} is not decided")
    return AgencyPart(
        agency=found.agency,
        dialect="classic" if standing.classic else "lottery/1",
        outcome="succeeded" if standing.ended else "left_out",
        reason=found.left_out,
        bets=standing.next_index,
        crc32=standing.crc,
        nonce=standing.nonce,
    )


class Tables:
    """All draws, in order."""

    def __init__(self) -> None:
        self.server = Server()
        self.draws: list[Table] = []


class MemoryLedgers:
    """All draws as a central has them; as :class:`~lottery.ledger.face.Ledgers` says.

    :ivar owned: whether they are in use.
    """

    alone = False
    open_to_others = ""
    place = "memory"

    def __init__(self, tables: Tables, central: str) -> None:
        self.owned = False
        self._tables = tables
        self._central = central

    def own(self, again: Callable[[], bool]) -> None:
        """Use them, beside others."""
        self.owned = True

    def interrupt(self) -> None:
        """Nobody waits."""

    def release(self) -> None:
        """Use them no more."""
        self.owned = False

    def recover(self, places: int) -> list[Unfinished]:
        """Give those that are not at their end."""
        self._tables.server.answer()
        return [
            Unfinished(table.at(self._central), table.record)
            for table in self._tables.draws
            if table.state not in ("delivered", "void")
        ]

    def unreceived(self) -> dict[int, int]:
        """Give the agencies whose winners are not acknowledged."""
        self._tables.server.answer()
        return {
            part.agency: table.record.draw
            for table in self._tables.draws
            if table.state in ("drawn", "delivered")
            for part in table.parts.values()
            if part.standing.ended and not part.standing.classic and not part.received
        }

    def open(self, places: int) -> Unfinished:
        """Open the next draw, or go along with whoever has done so."""
        self._tables.server.answer()
        draws = self._tables.draws
        if not draws or draws[-1].state != "open":
            draws.append(Table(places, len(draws) + 1, self._tables.server))
        return Unfinished(draws[-1].at(self._central), draws[-1].record)

    def numbers(self) -> list[int]:
        """Give the number of each draw there is."""
        return [table.record.draw for table in self._tables.draws]

    def find(self, number: int) -> MemoryDraw | None:
        """Give the draw of that number."""
        self._tables.server.answer()
        draws = self._tables.draws
        return draws[number - 1].at(self._central) if 0 < number <= len(draws) else None


class InMemory:
    """The kind of ledger that a house has with others, in memory."""

    shared = True
    gone = "it is away from all centrals"

    def __init__(self, tables: Tables, central: str) -> None:
        self.central = central
        self.died = False
        self._tables = tables

    def ledgers(self, settings: CentralSettings, disk: FakeDisk) -> MemoryLedgers:
        """Use the tables."""
        return MemoryLedgers(self._tables, self.central)

    def record(self, settings: CentralSettings, draw: int) -> DrawRecord:
        """Give what is published."""
        return self._tables.draws[draw - 1].record

    def numbers(self, settings: CentralSettings) -> list[int]:
        """Give the draws that have a record."""
        return [table.record.draw for table in self._tables.draws]

    def stored(self, settings: CentralSettings, draw: int) -> str:
        """It is all there is."""
        return self.bets_csv(settings, draw)

    def bets_csv(self, settings: CentralSettings, draw: int) -> str:
        """Put it together."""
        rows = self._tables.draws[draw - 1].rows
        return b"".join(
            b"%d,%s" % (agency, row) for agency in sorted(rows) for row in rows[agency]
        ).decode()

    def nothing_is_left(self, settings: CentralSettings) -> None:
        """There is nothing that could be."""

    def store(self, dsn: str, draw: int) -> TableStore:
        """Open a draw as the store of a writer."""
        return TableStore(self._tables.draws[draw - 1])


def house_of(tables: Tables, central: str, directory: Path, **settings: Any) -> House:
    """Make one of several houses that share tables."""
    kind = InMemory(tables, central)
    house = House(directory / central, kind=kind, **settings)
    house.reactor.database = kind.store
    return house
