"""Days on which everything happens, in any order: a central against a model.

Agencies send, send again, come back with batches of another size, end, are cut off, are fenced
by newer sessions of their own and fetch their winners; writers are stopped and killed; the disk is
full for a while; the central is stopped or killed and started again. Whatever comes of it:

- what was acknowledged is in the ledger, and what is in the ledger was sent;
- no bet is there twice, and those of an agency are in order;
- whoever has the acknowledgement of its END takes part;
- a draw has one number, and an agency is told its own winners and nobody else's;
- an audit with code of its own finds nothing.

It is so for every kind of ledger. A database is away when the disk has no room.

With ``LOTTERY_SOAK=1`` there are a hundred times as many days.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zlib import crc32

import pytest
from central_fakes import NONCE, NUMBER, Agency, House, batch, classic_batch
from fakes import TODAY, WorkingChild
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from ledger_kinds import LedgerKind

from lottery.errors import Code
from lottery.ledger.record import DrawRecord
from lottery.wire import classic, lottery1
from lottery.wire.messages import (
    OPEN_DRAW,
    Ack,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    DrawState,
    End,
    Error,
    Hello,
    Message,
    Received,
    Refused,
    Welcome,
    Winners,
)

pytest_plugins = ["ledger_kind_fixtures", "postgres_fixtures"]

SOAK: Final = os.environ.get("LOTTERY_SOAK") == "1"
DAYS: Final = 20_000 if SOAK else 200
STEPS: Final = 50

NUMBERS: Final = (11, 12, 13)
PLACES: Final = 4
SILENCE: Final = 60.0
REJOIN: Final = 30.0
DEADLINE: Final = 120.0

#: Why a session of an honest agency may be over, whatever it does.
HONEST_ENDS: Final = frozenset(
    {
        Code.CLOSED,
        Code.FULL,
        Code.STORAGE,
        Code.TIMEOUT,
        Code.TAKEN,
        Code.LEFT_OUT,
        Code.STOPPING,
    }
)


class Upload:
    """What is known outside of the central of an agency's part in a draw.

    Its bets are given by agency, draw and index, so what is sent again is the same again. Every
    third one wins.

    :ivar sent: how many bets may have reached the central.
    :ivar acked: how many were acknowledged.
    :ivar total: how many it has announced with its END; None before.
    :ivar ended: whether it was told that its END is stored.
    """

    def __init__(self, name: int, draw: int) -> None:
        self.name = name
        self.draw = draw
        self.sent = self.acked = 0
        self.total: int | None = None
        self.ended = False

    def row(self, index: int) -> str:
        """One of its bets."""
        number = index if index % 3 else NUMBER
        return f"Ana,Gil,{self.name:06d}{self.draw:03d}{index:05d},2000-01-01,{number}"

    def rows(self, first: int, last: int) -> list[str]:
        """Its bets from one to another."""
        return [self.row(index) for index in range(first, last)]

    def winners(self) -> list[str]:
        """Those of its bets that win, once it has ended."""
        assert self.total is not None
        return [self.row(index) for index in range(0, self.total, 3)]


class Session:
    """A connection of an agency, and how far that has come.

    :ivar upload: where it belongs; None before it is welcomed.
    :ivar may_send: whether it is its turn to send.
    :ivar next: the index of the bet that it sends next.
    :ivar rude: whether it has broken the protocol.
    :ivar batches: the sizes of the classic batches that are not acknowledged.
    :ivar spoke: whether it has said anything.
    :ivar rows: the winners that it was told so far.
    """

    def __init__(self, agency: Agency, upload: Upload | None = None) -> None:
        self.agency = agency
        self.upload = upload
        self.may_send = upload is not None
        self.next = 0
        self.rude = False
        self.batches: list[int] = []
        self.spoke = False
        self.rows: list[str] = []

    @property
    def sends(self) -> bool:
        """Whether it can send bets, or its END."""
        return self.may_send and self.agency.connected and not self.rude


class Client:
    """An agency of lottery/1, for all its days.

    :ivar draw: in which draw it thinks that it takes part; 0: it does not know.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.draw = 0
        self.uploads: dict[int, Upload] = {}
        self.sessions: list[Session] = []
        self.acknowledges = True

    def upload(self, draw: int) -> Upload:
        """Its part in a draw."""
        return self.uploads.setdefault(draw, Upload(self.number, draw))

    @property
    def session(self) -> Session | None:
        """The newest one, if it is connected."""
        return self.sessions[-1] if self.sessions and self.sessions[-1].agency.connected else None


numbers = st.sampled_from(NUMBERS)
sizes = st.integers(1, 5)


class DayMachine(RuleBasedStateMachine):
    """A house, its agencies, and what must be true of them."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()
        self.clients = {number: Client(number) for number in NUMBERS}
        self.classics: list[Session] = []
        self.drawn: dict[int, int] = {}
        self.states: dict[int, str] = {}
        self.never_made: set[str] = set()
        self._start()

    def _start(self) -> None:
        """Start a central in the directory, whatever the one before has left there."""
        self.house = House(
            Path(self._directory.name),
            agencies=PLACES,
            writers=2,
            silence=SILENCE,
            rejoin=REJOIN,
            deadline=DEADLINE,
            writer_timeout=20.0,
            winning_number=NUMBER,
        )
        self.house.__enter__()

    def teardown(self) -> None:
        """Let all that stands still go on, stop, and check everything once more."""
        try:
            self._let_all_go_on()
            self._listen()
            self.house.advance(1)
            self._listen()
            self.house.__exit__(None, None, None)
            self._listen()
            self._check_log()
            self._check_draws(everything=True)
            self._audit()
        finally:
            if not self.house.crashed:
                self.house.crash()
            self._directory.cleanup()

    # What agencies of lottery/1 do.

    def _come(self, client: Client, draw: int, acknowledged: int = 0) -> Session:
        """Connect and say who it is; an older session is fenced by that."""
        session = Session(self.house.arrive())
        client.sessions.append(session)
        session.agency.say(Hello(client.number, draw, acknowledged))
        self._listen()
        return session

    def _come_to_work(self, client: Client, knows: bool = True) -> Session:
        """Come to the draw that it thinks that it takes part in."""
        if client.draw:
            acknowledged = client.upload(client.draw).acked if knows else 0
            return self._come(client, client.draw, acknowledged)
        return self._come(client, 0 if knows else OPEN_DRAW)

    def _at_work(self, number: int) -> Session:
        """Give an agency's session, a new one if it has none that is of any use."""
        client = self.clients[number]
        session = client.session
        if session is None or session.rude:
            session = self._come_to_work(client)
        return session

    @rule(number=numbers, knows=st.booleans(), acknowledges=st.booleans())
    def comes(self, number: int, knows: bool, acknowledges: bool) -> None:
        """Come, or come once more; what it was told it may have forgotten."""
        client = self.clients[number]
        client.acknowledges = acknowledges
        self._come_to_work(client, knows)

    @rule(number=numbers, draw=st.integers(1, 3))
    def fetches(self, number: int, draw: int) -> None:
        """Ask for the winners of any draw."""
        self._come(self.clients[number], draw)

    @rule(number=numbers, sizes=st.lists(sizes, min_size=1, max_size=4))
    def sends(self, number: int, sizes: list[int]) -> None:
        """Send batches, without waiting for an answer."""
        self._send(self._at_work(number), sizes)

    @rule(number=numbers, size=sizes)
    def sends_one(self, number: int, size: int) -> None:
        """Send a batch."""
        self._send(self._at_work(number), [size])

    def _send(self, session: Session, sizes: list[int]) -> None:
        if not session.sends:
            return
        upload = session.upload
        assert upload is not None
        words = []
        for size in sizes:
            last = session.next + size
            if upload.total is not None:
                last = min(last, upload.total)
            if last > session.next:
                words.append(batch(upload.rows(session.next, last), session.next))
            session.next = last
        upload.sent = max(upload.sent, session.next)
        session.agency.say(*words)

    @rule(number=numbers)
    def ends(self, number: int) -> None:
        """Say that this is all."""
        self._end(self._at_work(number))

    @rule(classics=st.integers(0, 1))
    def all_end(self, classics: int) -> None:
        """The evening has come."""
        for number in NUMBERS:
            self._end(self._at_work(number))
        for _ in range(classics):
            self._send_classic(self._classic(), [2, 1], ends=True)

    def _end(self, session: Session) -> None:
        """Send what is left, and the END; what was all before stays all."""
        if not session.sends:
            return
        upload = session.upload
        assert upload is not None
        if upload.total is None:
            upload.total = max(upload.sent, session.next)
        words: list[Message] = []
        if session.next < upload.total:
            words.append(batch(upload.rows(session.next, upload.total), session.next))
        session.next = upload.total
        session.may_send = False  # unless it is told to send again
        session.agency.say(*words, End(upload.total, NONCE))

    @rule(
        number=numbers, way=st.sampled_from(["close", "reset", "half_close"]), within=st.booleans()
    )
    def is_cut_off(self, number: int, way: str, within: bool) -> None:
        """End the connection, perhaps within a frame."""
        session = self.clients[number].session
        if session is None:
            return
        if within and session.sends:
            upload = session.upload
            assert upload is not None
            frame = lottery1.encode(
                batch(upload.rows(session.next, session.next + 2), session.next)
            )
            session.agency.say(frame[: len(frame) // 2])
        session.may_send = False
        getattr(session.agency, way)()

    @rule(number=numbers, reads=st.booleans())
    def stops_reading(self, number: int, reads: bool) -> None:
        """Take nothing that the central says; or all read again."""
        session = self.clients[number].session
        if reads:
            self._all_read()
        elif session is not None:
            session.agency.stop_reading()

    @rule(
        number=numbers,
        kind=st.sampled_from([*["nothing"] * 10, "twice", "gap", "bad", "nonsense", "total"]),
    )
    def breaks_the_rules(self, number: int, kind: str) -> None:
        """Now and then send what must be refused for good: it has no part in the draw then."""
        session = self.clients[number].session
        if session is None or not session.sends or kind == "nothing":
            return
        upload = session.upload
        assert upload is not None
        if kind == "twice" and not session.next:
            return
        session.rude = True
        session.agency.say(
            {
                "twice": batch(upload.rows(session.next - 1, session.next + 1), session.next - 1),
                "gap": batch(upload.rows(session.next + 1, session.next + 2), session.next + 1),
                "bad": batch(["Ana,Gil,x,2000-01-01,1"], session.next),
                "nonsense": b"\0",
                "total": End(session.next + 7, NONCE),
            }[kind]
        )

    # What classic agencies do.

    def _classic(self) -> Session:
        """Give the classic session that is at work, or a new one."""
        for session in self.classics:
            upload = session.upload
            if session.sends and upload is not None and upload.total is None:
                return session
        name = 900000 + len(self.classics)
        session = Session(self.house.arrive(classic.DIALECT), Upload(name, 0))
        self.classics.append(session)
        return session

    @rule(sizes=st.lists(st.integers(0, 4), max_size=3), ends=st.booleans(), cut=st.booleans())
    def a_classic_one_sends(self, sizes: list[int], ends: bool, cut: bool) -> None:
        """Send batches, and perhaps the end; perhaps it is cut off then."""
        session = self._classic()
        self._send_classic(session, sizes, ends=ends)
        if cut and session.agency.connected:
            session.agency.reset()

    def _send_classic(self, session: Session, sizes: list[int], *, ends: bool) -> None:
        upload = session.upload
        assert upload is not None
        words: list[Message] = []
        for size in sizes:
            words.append(classic_batch(upload.rows(session.next, session.next + size)))
            session.batches.append(size)
            session.next += size
        upload.sent = session.next
        if ends:
            upload.total = session.next
            words.append(ClassicEnd())
        session.spoke |= bool(words)
        session.agency.say(*words)

    # What befalls them all.

    def _writers(self) -> list[WorkingChild]:
        return [
            child
            for child in self.house.children
            if isinstance(child, WorkingChild) and not child.ended
        ]

    @rule(index=st.integers(0, 3), what=st.sampled_from(["stop", "go on", "kill", "kill unheard"]))
    def a_writer(self, index: int, what: str) -> None:
        """Stop, go on, all of them, or be killed; perhaps with what it stored not heard of."""
        writers = self._writers()
        if not writers:
            return
        writer = writers[index % len(writers)]
        if what == "stop":
            writer.stopped = True
        elif what == "go on":
            for each in writers:
                each.stopped = False
        else:
            if what == "kill unheard":
                writer.mute, writer.stopped = True, False
                writer.work()
            if not writer.ended:
                writer.die(9)
        self.house.settle()

    @rule(room=st.booleans())
    def the_disk_fills_or_empties(self, room: bool) -> None:
        """There is no room, or there is again."""
        self.house.disk.room = room

    @rule(hold=st.booleans())
    def threads_are_slow(self, hold: bool) -> None:
        """What is done beside the reactor stands still, or a step of it is done."""
        self.house.off_thread.hold = hold
        self.house.off_thread.run()
        self.house.settle()

    @rule(seconds=st.sampled_from([0.5, 0.5, 5.0, 5.0, REJOIN + 1, SILENCE + 1]))
    def time_passes(self, seconds: float) -> None:
        """Clocks run out."""
        self.house.advance(seconds)

    @rule(way=st.sampled_from(["kill", "kill unheard", "kill it and its writers later", "stop"]))
    def the_central_ends(self, way: str) -> None:
        """At whatever it is, and is started again."""
        if way == "stop":
            self._let_all_go_on()
            self.house.__exit__(None, None, None)
        else:
            if way != "kill":
                for writer in self._writers():
                    writer.mute = True
                    writer.work()
            if way == "kill unheard" and self.house.disk.room:
                self.house.off_thread.lose()
            self.never_made |= {
                str(writer.segment) for writer in self._writers() if not writer.segment.exists()
            }
            self.house.crash()
        self._again()

    def _all_read(self) -> None:
        for session in self._all_sessions():
            if session.agency.connected:
                session.agency.read()

    def _again(self) -> None:
        self._listen()
        self._check_log()
        for client in self.clients.values():
            client.sessions.clear()
        for session in self.classics:
            session.rude = True  # it cannot come back
        self._start()

    def _let_all_go_on(self) -> None:
        self.house.disk.room = True
        for writer in self._writers():
            writer.stopped = False
        self.house.off_thread.hold = False
        while self.house.off_thread.waiting:
            self.house.off_thread.run()
            self.house.settle()
        self._all_read()
        self.house.advance(1)

    # What agencies hear.

    def _all_sessions(self) -> Iterator[Session]:
        for client in self.clients.values():
            yield from client.sessions
        yield from self.classics

    @invariant()
    def all_is_well(self) -> None:
        """Whatever was heard is true, and what is published too."""
        self._listen()
        self._check_draws(everything=False)

    def _listen(self) -> None:
        """Let agencies hear what there is, and answer, until nothing comes."""
        moved = True
        while moved:
            moved = False
            for client in self.clients.values():
                for session in list(client.sessions):
                    for message in session.agency.heard():
                        moved = True
                        self._hear(client, session, message)
            for session in self.classics:
                # Who has said nothing is spoken to in lottery/1, which it does not know.
                for message in session.agency.heard() if session.spoke else []:
                    moved = True
                    self._hear_classic(session, message)

    def _hear(self, client: Client, session: Session, message: Message) -> None:
        match message:
            case Welcome():
                self._welcomed(client, session, message)
            case Ack(next_index, ended):
                upload = session.upload
                assert upload is not None
                assert next_index <= upload.sent
                # One that was fenced may read late what was acknowledged to it before.
                assert upload.acked <= next_index or session is not client.sessions[-1]
                upload.acked = max(upload.acked, next_index)
                if ended:
                    assert next_index == upload.total
                    upload.ended = True
            case Refused(code, True, expected):
                assert code is Code.STORAGE
                assert session.upload is not None
                assert expected >= session.upload.acked
                session.next, session.may_send = expected, True
            case Refused(code):
                assert session.rude, message
            case Error(code, sentence):
                assert session.rude or code in HONEST_ENDS, message
                self._over(client, session, code, sentence)
            case Winners():
                self._told(client, session, message)
            case _:
                raise AssertionError(message)

    def _welcomed(self, client: Client, session: Session, welcome: Welcome) -> None:
        upload = client.upload(welcome.draw)
        assert upload.acked <= welcome.next_index <= upload.sent
        rows = "".join(f"{row}\n" for row in upload.rows(0, welcome.next_index))
        assert welcome.crc == crc32(rows.encode())
        upload.acked = welcome.next_index  # for a welcome is an acknowledgement, too
        session.upload = upload
        if welcome.ended:
            assert welcome.next_index == upload.total
            upload.ended = True
        else:
            assert welcome.state is DrawState.OPEN
            assert not upload.ended
            session.next, session.may_send = welcome.next_index, True
        client.draw = welcome.draw

    def _over(self, client: Client, session: Session, code: Code, sentence: str) -> None:
        session.may_send = False
        if code is Code.TAKEN:
            assert session is not client.sessions[-1] or "classic" in sentence
        if found := re.search(r"no part in draw (\d+) any more", sentence):
            assert not client.upload(int(found[1])).ended, sentence
        if code in (Code.LEFT_OUT, Code.CLOSED, Code.FULL):
            client.draw = 0

    def _told(self, client: Client, session: Session, winners: Winners) -> None:
        number = self.drawn.setdefault(winners.draw, winners.winning_number)
        assert winners.winning_number == number == NUMBER
        upload = client.upload(winners.draw)
        assert upload.ended
        assert winners.first == len(session.rows)
        session.rows += winners.rows.decode().splitlines()
        if len(session.rows) == winners.total:
            assert session.rows == upload.winners()
            if client.acknowledges:
                session.agency.say(Received(winners.draw, winners.total))
                if client.draw == winners.draw:
                    client.draw = 0

    def _hear_classic(self, session: Session, message: Message) -> None:
        upload = session.upload
        assert upload is not None
        match message:
            case ClassicStored():
                upload.acked += session.batches.pop(0)
                assert upload.acked <= upload.sent
            case ClassicRefused():
                session.rude = True
            case ClassicWinners(documents):
                assert upload.acked == upload.total
                upload.ended = True
                told = documents.decode().split(",") if documents else []
                assert told == [row.split(",")[2] for row in upload.winners()]
                session.agency.close()
            case _:
                raise AssertionError(message)

    # What is published.

    def _check_log(self) -> None:
        assert self.house.log.failures == []
        for action in ("damage", "central"):
            assert self.house.log.of(action) == []
        drawn = [line["draw"] for line in self.house.log.of("sorteo")]
        assert len(drawn) == len(set(drawn))
        assert not self.house.central.done.called

    def _audit(self) -> None:
        """Let it all be recounted; that a segment is missing which never was is a false alarm."""
        found = self.house.kind.audit(self.house.settings, TODAY)
        if found.is_clean:
            return
        for report in found.draws:
            if report.difference is not None:
                path = self.house.draw_file(report.number, report.difference.file)
                assert str(path) in self.never_made, found
        assert found.differences == (), found

    def _check_draws(self, *, everything: bool) -> None:
        for number in self.house.kind.numbers(self.house.settings):
            record = self.house.record(number)
            if everything or self.states.get(record.draw) != record.state:
                self.states[record.draw] = record.state
                self._check_draw(record, settled=everything)

    def _check_draw(self, record: DrawRecord, settled: bool) -> None:
        if record.bets_csv is not None:
            lines = self.house.bets_csv(record.draw)
        elif settled or record.state == "void":
            lines = self.house.kind.stored(self.house.settings, record.draw)
        else:
            return  # writers are at work on it
        found: dict[int, list[str]] = {}
        for line in lines.splitlines():
            agency, _, row = line.partition(",")
            found.setdefault(int(agency), []).append(row)
        for number, client in self.clients.items():
            upload = client.uploads.get(record.draw)
            rows = found.pop(number, [])
            if upload is None:
                assert rows == []
                continue
            assert upload.acked <= len(rows) <= upload.sent
            assert rows == upload.rows(0, len(rows))
            if upload.ended:
                assert len(rows) == upload.total
                if record.state != "open":
                    part = record.part_of(number)
                    assert part is not None
                    assert part.succeeded
        self._check_classics(found, record)
        if record.winning_number is not None:
            assert self.drawn.setdefault(record.draw, record.winning_number) == NUMBER

    def _check_classics(self, found: dict[int, list[str]], record: DrawRecord) -> None:
        """Hold what is left against the classic agencies, whose numbers nobody is told."""
        uploads = {each.upload.name: each.upload for each in self.classics if each.upload}
        for agency, rows in found.items():
            upload = uploads.pop(int(rows[0].split(",")[2][:6]))
            assert agency < min(NUMBERS)
            assert upload.acked <= len(rows) <= upload.sent
            assert rows == upload.rows(0, len(rows))
            part = record.part_of(agency)
            if part is not None and part.succeeded:
                assert len(rows) == upload.total


@pytest.mark.slow
@pytest.mark.soak
def test_any_day(ledger_kind: LedgerKind) -> None:
    """Whatever happens in whatever order."""
    days = DAYS // 4 if ledger_kind.shared else DAYS
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        DayMachine,
        settings=settings(
            max_examples=days,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
