"""A whole central in memory, and agencies that do to it whatever agencies do.

A ``House`` is a true central on a fake reactor: its clock is a ``Clock``, its writers are fake
children that store in true segments, its connections are ``FakeTransport``. Nothing happens by
itself. Every verb of a house or an agency ends in ``House.settle``, which lets transports, children
and calls that are due have their turns until nothing moves any more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from unittest.mock import patch
from zlib import crc32

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes import FakeChild, FakeDisk, FakeWriterReactor, MemoryLog, WorkingChild
from ledger_kinds import FILES, LedgerKind
from OpenSSL.crypto import X509
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IPullProducer,
    IPushProducer,
    IReactorTime,
    IStreamServerEndpoint,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.central.admission import Admission
from lottery.central.door import Door, Listener, ReadAgain
from lottery.central.draw import Draw
from lottery.central.place import LeftOut, Place
from lottery.central.roll import LEASE_SECONDS
from lottery.central.roster import Agency as ListedAgency
from lottery.central.roster import Roster
from lottery.central.service import Central
from lottery.errors import Code
from lottery.ledger.record import DrawRecord
from lottery.settings import CentralSettings
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import (
    Ack,
    Batch,
    ClassicBatch,
    ClassicEnd,
    ClassicStored,
    ClassicWinners,
    End,
    Hello,
    Message,
    Received,
    Welcome,
    Winners,
)
from lottery.writer.pipe import Refusal
from lottery.writer.seat import Seat

T = TypeVar("T")

NONCE = bytes(range(32))
NUMBER = 7574
"""The winning number of every house that is not told another one."""

BUFFER_BYTES = 65536
"""With more than that unsent, a transport pauses whoever writes to it; as Twisted has it."""

_DIALECTS = {
    classic.DIALECT: (classic.encode, classic.TO_AGENCY),
    lottery1.DIALECT: (lottery1.encode, lottery1.TO_AGENCY),
}


@implementer(ITCPTransport, IConsumer, IPushProducer)
class FakeTransport:
    """The central's end of a connection, with all of what Twisted's own does to a protocol.

    It reads and writes when it is given its ``turn``. What Twisted's cannot survive, it does not
    take either: a connection that is gone cannot be shut.

    :ivar arriving: what the peer has sent and the protocol was not given yet.
    :ivar arrived: what the peer was given.
    :ivar reading: whether the protocol is given what arrives.
    :ivar stuck: whether the peer takes nothing.
    :ivar shut: whether the peer has seen the end of what we say.
    :ivar aborted: whether the connection was aborted by us.
    :ivar no_delay: what ``setTcpNoDelay`` was told; an error: what it raises.
    """

    def __init__(self, clock: IReactorTime, protocol: IProtocol, peer: IAddress) -> None:
        self.arriving = bytearray()
        self.arrived = bytearray()
        self.connected = True
        self.reading = True
        self.stuck = False
        self.shut = False
        self.aborted = False
        self.no_delay: bool | OSError | None = None
        self.producer: IPushProducer | IPullProducer | None = None
        self.disconnecting = False
        self._clock = clock
        self._protocol = protocol
        self._peer = peer
        self._unsent = bytearray()
        self._writing = False
        self._streaming = False
        self._producer_paused = False
        self._shutting = False
        self._end_of_peer: Exception | None = None
        self._deaf_peer = False

    # What the peer does.

    def peer_half_closes(self) -> None:
        """The peer sends no more, but reads."""
        self._end_of_peer = ConnectionDone()

    def peer_closes(self) -> None:
        """The peer is gone; it has sent all of what it sent."""
        self._end_of_peer = ConnectionDone()
        self._deaf_peer = True

    def peer_resets(self) -> None:
        """The peer is gone, and what it sent last may be lost on the way."""
        self._end_of_peer = ConnectionLost()

    # What the reactor does.

    def turn(self) -> bool:
        """Read or write, if there is anything; gives whether there was."""
        if not self.connected or self.aborted:
            return False
        if isinstance(self._end_of_peer, ConnectionLost) and (self.reading or self._writing):
            self._lose(self._end_of_peer)
            return True
        if self._writing and not self.stuck:
            self._write()
            return True
        if not self.reading:
            return False
        if self.arriving:
            data = bytes(self.arriving[:BUFFER_BYTES])
            del self.arriving[:BUFFER_BYTES]
            self._protocol.dataReceived(data)
            return True
        if self._end_of_peer is None:
            return False
        self.reading = False
        if IHalfCloseableProtocol.providedBy(self._protocol):
            IHalfCloseableProtocol(self._protocol).readConnectionLost()
        else:
            self._lose(self._end_of_peer)
        return True

    def _write(self) -> None:
        if not self._deaf_peer:
            self.arrived += self._unsent
        elif self._unsent:
            self._end_of_peer = ConnectionLost()
        self._unsent.clear()
        self._writing = False
        if self.producer is not None and (self._producer_paused or not self._streaming):
            self._producer_paused = False
            self.producer.resumeProducing()
        elif self.disconnecting:
            self._closed()
        elif self._shutting:
            self.shut = True
            IHalfCloseableProtocol(self._protocol).writeConnectionLost()

    def _closed(self) -> None:
        """All is written, and we have closed."""
        self._lose(ConnectionDone())

    def vanish(self) -> None:
        """The process is gone, and what was unsent with it; the protocol hears nothing of that."""
        self.connected = self.reading = self._writing = False
        self.producer = None

    def _lose(self, why: Exception) -> None:
        self.connected = self.reading = self._writing = False
        if self.producer is not None:
            producer, self.producer = self.producer, None
            producer.stopProducing()
        self._protocol.connectionLost(Failure(why))

    # What the protocol does.

    def write(self, data: bytes) -> None:
        """Take bytes for the peer; behind the end they are dropped."""
        assert isinstance(data, bytes)
        if not self.connected or self.shut or not data:
            return
        self._unsent += data
        if self.producer is not None and self._streaming and len(self._unsent) > BUFFER_BYTES:
            self._producer_paused = True
            self.producer.pauseProducing()
        self._writing = True

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Take bytes for the peer."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once all is written; at once, if we have said that we say no more."""
        if not self.connected or self.disconnecting:
            return
        self.reading = False
        if self.shut:
            self._lose(ConnectionDone())
        else:
            self._writing = self.disconnecting = True

    def loseWriteConnection(self) -> None:
        """Say that we say no more, once all is written."""
        assert self.connected, "the socket is gone, the reactor cannot watch it"
        self._shutting = self._writing = True

    def abortConnection(self) -> None:
        """Close without any more words, a turn later."""
        if self.connected and not self.aborted:
            self.aborted = True
            self.reading = self._writing = False
            self._clock.callLater(0, self._lose, ConnectionAborted())

    def registerProducer(self, producer: IPushProducer | IPullProducer, streaming: bool) -> None:
        """Let a producer say when it has something, or ask it."""
        assert self.producer is None, "there is a producer already"
        if not self.connected:
            producer.stopProducing()
            return
        self.producer, self._streaming, self._producer_paused = producer, streaming, False
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """Do without a producer, if there is one."""
        self.producer = None
        if self.connected and self.disconnecting:
            self._writing = True

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Read again."""
        if self.connected and not self.disconnecting:
            self.reading = True

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getPeer(self) -> IAddress:
        """Who is at the other end."""
        return self._peer

    def getHost(self) -> IPv4Address:
        """Where the central listens."""
        return IPv4Address("TCP", "127.0.0.1", 12345)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Note it, or refuse."""
        if isinstance(self.no_delay, OSError):
            raise self.no_delay
        self.no_delay = enabled

    def getTcpNoDelay(self) -> bool:
        """What was noted."""
        return self.no_delay is True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Not used."""

    def getTcpKeepAlive(self) -> bool:
        """Not used."""
        return False


class FakeTlsTransport(FakeTransport):
    """The central's end of a connection over TLS, as it is to a protocol.

    Nothing is read or written before the handshake. Then no half of it can be shut: who closes says
    so, and waits until the peer does, too.
    """

    loseWriteConnection = None  # type: ignore[assignment]

    def __init__(self, clock: IReactorTime, protocol: IProtocol, peer: IAddress) -> None:
        super().__init__(clock, protocol, peer)
        self._certificate: object = None

    def peer_shakes_hands(self, certificate: object) -> None:
        """The peer has shown a certificate that OpenSSL takes."""
        assert self.connected
        assert self._certificate is None
        self._certificate = certificate
        IHandshakeListener(self._protocol).handshakeCompleted()

    def peer_breaks_off(self, why: Exception) -> None:
        """The handshake fails."""
        self._lose(why)

    def getPeerCertificate(self) -> object:
        """What the peer has shown."""
        return self._certificate

    def turn(self) -> bool:
        """Read or write, if there is anything; gives whether there was."""
        if not self.connected or self.aborted:
            return False
        if self._certificate is None:
            if self._end_of_peer is not None:
                self._lose(self._end_of_peer)
                return True
            return False
        may_write = self._writing and not self.stuck
        if self._end_of_peer is not None and self.reading and not self.arriving and not may_write:
            self._lose(self._end_of_peer)
            return True
        return super().turn()

    def _closed(self) -> None:
        self.shut = True

    def write(self, data: bytes) -> None:
        """Take bytes for the peer; behind the end they are dropped."""
        if not self.disconnecting or self.producer is not None:
            super().write(data)

    def loseConnection(self) -> None:
        """Say that we close, once all is written; in a handshake that cannot be said."""
        if not self.connected or self.disconnecting:
            return
        if self._certificate is None and not self._unsent:
            self.abortConnection()
        self._writing = self.disconnecting = True

    def resumeProducing(self) -> None:
        """Read again."""
        if self.connected:
            self.reading = True


@implementer(IListeningPort)
class MemoryPort:
    """A port that nobody can connect to but by ``House.arrive``."""

    def __init__(self, address: IAddress) -> None:
        self.address = address
        self.listening = True
        self.slow: Deferred[None] | None = None

    def startListening(self) -> None:
        """It listens from the start."""

    def stopListening(self) -> Deferred[None] | None:
        """Listen no more; fires when the test says so, if that is ``slow``."""
        self.listening = False
        return self.slow

    def getHost(self) -> IAddress:
        """Where it listens."""
        return self.address


@implementer(IStreamServerEndpoint)
class MemoryEndpoint:
    """An endpoint in memory.

    :ivar refusal: why nobody can listen here; None: one can.
    """

    def __init__(self, refusal: Exception | None = None, address: IAddress | None = None) -> None:
        self.refusal = refusal
        self.port = MemoryPort(address or IPv4Address("TCP", "127.0.0.1", 12345))
        self.factory: IProtocolFactory | None = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen, or refuse."""
        if self.refusal is not None:
            return fail(self.refusal)
        self.factory = protocolFactory
        return succeed(self.port)


class OffThread:
    """Runs what belongs off the reactor's thread at once, or when the test says so.

    :ivar hold: whether work waits for ``run``.
    :ivar free: a module whose work does not wait.
    """

    def __init__(self, free: str = "") -> None:
        self.hold = False
        self.free = free
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """Take work."""
        if not self.hold or work.__module__ == self.free:
            return maybeDeferred(work)
        done: Deferred[T] = Deferred()
        self._waiting.append((work, done))
        return done

    @property
    def waiting(self) -> int:
        """How much work waits."""
        return len(self._waiting)

    def run(self) -> None:
        """Do what waits."""
        waiting, self._waiting = self._waiting, []
        for work, done in waiting:
            maybeDeferred(work).chainDeferred(done)

    def lose(self) -> None:
        """Do what waits when nobody will hear of it any more: its process is about to die."""
        waiting, self._waiting = self._waiting, []
        for work, _ in waiting:
            work()


def settings_in(directory: Path, **others: Any) -> CentralSettings:
    """Settings of a central that keeps its bets below ``directory``."""
    values: dict[str, Any] = {
        "listen": ("memory",),
        "host": "127.0.0.1",
        "port": 12345,
        "backlog": 128,
        "log_level": "DEBUG",
        "agencies": 1,
        "data_dir": directory / "data",
        "writers": 5,
        "draws": 0,
        "silence": 60.0,
        "rejoin": 0.0,
        "deadline": 0.0,
        "writer_timeout": 30.0,
        "min_free": 0,
        "winning_number": NUMBER,
        "hello_timeout": 5.0,
        "frame_timeout": 30.0,
        "close_grace": 5.0,
        "strangers": 512,
        "strangers_per_address": 256,
        "reconnects": 0,
        "most_bets": 0,
        "insecure": False,
        "allow_classic": False,
    }
    return CentralSettings(**(values | others))


def roster_of(*agencies: int) -> Roster:
    """A roster of these, each known by the name in its :func:`certificate_of`."""
    found = {number: ListedAgency(number, f"Agency {number}") for number in agencies}
    return Roster(found, {f"uri:{_name_of(number)}": found[number] for number in agencies})


@cache
def certificate_of(agency: int) -> X509:
    """A certificate that is made out for an agency, as OpenSSL hands it over."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"agency {agency}")])
    uri = x509.UniformResourceIdentifier(_name_of(agency))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return X509.from_cryptography(made)


def _name_of(agency: int) -> str:
    return f"urn:lottery:agency:{agency}"


class FakeSession:
    """What a draw knows of a session: it has a place, is told things, and hands on to a seat.

    :ivar told: why it is over, code and sentence, each time that it was told so.
    :ivar welcomes: what it was welcomed with.
    :ivar heard: what its writer said: the name, then what came with it.
    :ivar deliveries: the winners that it was told: draw, number, rows.
    :ivar delivered: what the last delivery fires with, when the test says so.
    :ivar over: whether it is gone, or told to go, before it has a place.
    """

    def __init__(self) -> None:
        self.over = False
        self.place: Place | None = None
        self.seat: Seat | None = None
        self.told: list[tuple[Code, str]] = []
        self.welcomes: list[Welcome] = []
        self.heard: list[tuple[object, ...]] = []
        self.deliveries: list[tuple[int, int, list[bytes]]] = []
        self.delivered: Deferred[str] = Deferred()

    # What happens to it.

    def goes(self, why: str = "cut") -> None:
        """Its connection is cut."""
        self._leaves(LeftOut(Code.LEFT_OUT, why), may_return=True)

    def ends(self, total: int = 0) -> None:
        """Its agency says that this is all."""
        assert self.seat is not None
        if self.seat.standing.classic:
            self.seat.end(None, b"")
        else:
            self.seat.end(total, NONCE)

    def _leaves(self, why: LeftOut, *, may_return: bool) -> None:
        if self.seat is not None:
            self.seat.leave()
        self.over = True
        assert self.place is not None
        self.place.left(self, why, may_return=may_return)

    # What a draw asks of it.

    def join(self, place: Place) -> None:
        """Speak for a place."""
        self.place = place

    def expected(self) -> None:
        """Be let in, which takes a moment."""

    def is_over(self) -> bool:
        """It is there until the test says otherwise."""
        return self.over

    def seated(self, seat: Seat) -> None:
        """Get a seat."""
        self.seat = seat

    def welcome(self, welcome: Welcome, seat: Seat | None) -> None:
        """Be told where to go on."""
        self.welcomes.append(welcome)
        self.seat = seat

    def fail(self, code: Code, sentence: str, *, may_return: bool = False) -> None:
        """Be told that it is over, and leave."""
        self.told.append((code, sentence))
        self.over = True
        if self.place is not None:
            self._leaves(LeftOut(code, sentence), may_return=may_return)

    def deliver(self, draw: int, number: int, rows: Sequence[bytes]) -> Deferred[str]:
        """Be told winners."""
        self.deliveries.append((draw, number, list(rows)))
        self.delivered = Deferred()
        return self.delivered

    # What its writer says.

    def stored(self, next_index: int, batches: int) -> None:
        """Batches are on disk."""
        self.heard.append(("stored", next_index, batches))

    def refused(self, refusal: Refusal) -> None:
        """A batch was not stored."""
        self.heard.append(("refused", refusal))

    def held(self) -> None:
        """A batch waits for room."""
        self.heard.append(("held",))

    def ended(self, total: int) -> None:
        """The END is on disk."""
        self.heard.append(("ended", total))

    def lost(self, reason: str) -> None:
        """The writer is gone."""
        self.heard.append(("lost", reason))
        self._leaves(LeftOut(Code.STORAGE, reason), may_return=True)

    def resume(self) -> None:
        """There is room."""
        self.heard.append(("resume",))


class House:
    """A central with all that is around it; as a block, it starts and must end well.

    :cvar kind: of which kind its ledger is; a test may change it for all of its houses.
    :ivar central: the service.
    :ivar reactor: its clock and its writers.
    :ivar log: what it said.
    :ivar agencies: everybody who ever came.
    :ivar endpoint: where it listens.
    :ivar off_thread: what runs beside the reactor.
    """

    kind: LedgerKind = FILES

    def __init__(
        self,
        directory: Path,
        *,
        kind: LedgerKind | None = None,
        real: bool = True,
        connections: int = 1000,
        admission: Admission | None = None,
        read_again: ReadAgain | None = None,
        over: Callable[[IProtocolFactory, IReactorTime], IProtocolFactory] | None = None,
        **settings: Any,
    ) -> None:
        """:param kind: if it has its own.

        :param real: whether the writers do their work by themselves.

        :param over: what goes between connections and sessions, as true TLS does.
        """
        self.settings = settings_in(directory, **settings)
        self.reactor = FakeWriterReactor(real=real)
        self.log = MemoryLog(self.settings.log_level)
        self.endpoint = MemoryEndpoint()
        self.kind = kind or self.kind
        # What centrals have to agree upon is no step of a draw, and goes on.
        self.off_thread = OffThread("lottery.central.roll")
        self.agencies: list[Agency] = []
        self.crashed = False
        self._ports = count(50001)
        self._patches = ExitStack()
        listener = Listener(self.endpoint)
        if over is not None:
            listener = Listener(self.endpoint, lambda sessions: over(sessions, self.reactor))
        self.ledgers = self.kind.ledgers(self.settings, self.reactor.disk)
        self.central = Central(
            self.settings,
            self.ledgers,
            self.reactor,
            Door([listener], admission or Admission(), read_again),
            self.off_thread,
            lambda: False,
            self.log,
            connections,
        )

    def __enter__(self) -> Self:
        # Nobody pulls the plug here, and flushes take long.
        self._patches.enter_context(patch.object(os, "fsync", self.disk.fsync))
        self._patches.enter_context(patch.object(os, "fdatasync", lambda fd: None))
        try:
            self.central.startService()
        except BaseException:
            self._patches.close()
            raise
        if self.kind.died:
            self.kind.died = False
            self.advance(LEASE_SECONDS + 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None and not self.crashed:
                self.stop()
                self.nothing_is_left()
        finally:
            self._patches.close()
            self.reactor.end_all()
            self.ledgers.release()

    # What happens.

    def arrive(
        self,
        dialect: str = lottery1.DIALECT,
        peer: IAddress | None = None,
        kind: type[FakeTransport] = FakeTransport,
    ) -> Agency:
        """Let somebody connect."""
        assert self.endpoint.factory is not None
        assert self.endpoint.port.listening, "nobody listens"
        peer = peer or IPv4Address("TCP", "127.0.0.1", next(self._ports))
        protocol = self.endpoint.factory.buildProtocol(peer)
        assert protocol is not None
        transport = kind(self.reactor, protocol, peer)
        protocol.makeConnection(transport)
        agency = Agency(self, transport, dialect)
        self.agencies.append(agency)
        return agency

    def half_arrived(self, peer: IAddress | None = None) -> Agency:
        """Let somebody connect who begins a handshake and does not end it."""
        return self.arrive(peer=peer, kind=FakeTlsTransport)

    def arrived_as(
        self, number: int, dialect: str = lottery1.DIALECT, early: bytes = b""
    ) -> Agency:
        """Let somebody connect who has an agency's certificate.

        :param early: what it sends right behind its handshake.
        """
        agency = self.arrive(dialect, kind=FakeTlsTransport)
        agency.transport.arriving += early
        agency.shake_hands(number)
        return agency

    def greeted(self, number: int) -> Agency:
        """Let an agency of lottery/1 connect, say who it is, and be welcomed."""
        agency, _ = self.welcomed(number)
        return agency

    def welcomed(self, number: int, draw: int = 0, acknowledged: int = 0) -> tuple[Agency, Welcome]:
        """The same; gives also what it was told. With a roster it has its certificate."""
        known = self.central._door.admission.roster is not None
        agency = self.arrived_as(number) if known else self.arrive()
        agency.say(Hello(number, draw, acknowledged))
        (welcome,) = agency.heard()
        assert isinstance(welcome, Welcome), welcome
        return agency, welcome

    def settle(self) -> None:
        """Let everybody have their turns until nothing moves."""
        moved = True
        while moved:
            before = len(self.reactor.getDelayedCalls())
            self.reactor.advance(0)
            moved = len(self.reactor.getDelayedCalls()) < before
            for agency in self.agencies:
                moved |= agency.turn()
            for child in list(self.reactor.children):
                moved |= getattr(child, "work", bool)()

    def advance(self, seconds: float) -> None:
        """Let time pass, half a second at most between two turns."""
        until = self.reactor.seconds() + seconds
        while (left := until - self.reactor.seconds()) > 1e-9:
            self.reactor.advance(min(left, 0.5))
            for child in self.children:
                if isinstance(child, WorkingChild):
                    child.try_again()
            self.settle()

    def stop(self) -> None:
        """Stop the central; that must be done within 5 seconds."""
        began = self.reactor.seconds()
        stopped: list[object] = []
        self.central.stopService().addBoth(stopped.append)
        self.settle()
        while not stopped and self.reactor.seconds() < began + 5:
            self.advance(0.5)
        assert stopped == [None], stopped

    def crash(self) -> None:
        """Die as by kill -9, the writers too: nobody says or does anything any more.

        Another house may be made in the same directory then. Where several centrals may share a
        ledger, it takes a while until it knows of the death.
        """
        self.crashed = True
        self.kind.died = self.kind.shared
        for child in self.children:
            child.vanish()
        for agency in self.agencies:
            agency.transport.vanish()
        self.endpoint.port.listening = False
        self.ledgers.release()
        self._patches.close()

    # What there is to see.

    @property
    def disk(self) -> FakeDisk:
        """Where all is written."""
        return self.reactor.disk

    @property
    def children(self) -> list[FakeChild]:
        """The writers, in order of their start."""
        return self.reactor.children

    @property
    def draw(self) -> Draw:
        """The draw that takes bets."""
        draw = self.central._rounds.open
        assert draw is not None
        return draw

    def draw_file(self, draw: int, name: str = "bets.csv") -> Path:
        """A file of a draw, if the ledger has files."""
        return self.settings.data_dir / "draws" / f"{draw:06d}" / name

    def bets_csv(self, draw: int = 1) -> str:
        """What was sealed."""
        return self.kind.bets_csv(self.settings, draw)

    def record(self, draw: int = 1) -> DrawRecord:
        """A draw's record as it is published."""
        return self.kind.record(self.settings, draw)

    def left_out(self, draw: int) -> dict[str, str]:
        """Who was left out of a draw, and why."""
        lines = [line for line in self.log.of("left_out") if line["draw"] == str(draw)]
        return {line["agency"]: line["reason"] for line in lines}

    def nothing_is_left(self) -> None:
        """Fail if anything is left of what has happened: calls, children, connections, files."""
        looks = self.kind.shared and self.central.running  # now and then, as long as it runs
        calls = [call.func for call in self.reactor.getDelayedCalls()]
        assert [call for call in calls if not (looks and call.__name__ == "callback")] == []
        assert [child for child in self.children if not child.ended] == []
        assert [agency for agency in self.agencies if agency.transport.connected] == []
        assert [agency for agency in self.agencies if agency.transport.producer] == []
        assert self.central._factory._sessions == set()
        if not self.central.running:
            self.kind.nothing_is_left(self.settings)


class Agency:
    """Somebody who is connected to the central.

    :ivar polite: whether it closes when the central has said its last words.
    """

    def __init__(self, house: House, transport: FakeTransport, dialect: str) -> None:
        self.transport = transport
        self.polite = True
        self._house = house
        self._encode, vocabulary = _DIALECTS[dialect]
        self._decoder = Decoder(vocabulary)
        self._raw_seen = self._decoded = 0
        self._sent = 0

    # What it does.

    def shake_hands(self, number: int) -> None:
        """End a handshake, with the certificate of an agency."""
        assert isinstance(self.transport, FakeTlsTransport)
        self.transport.peer_shakes_hands(certificate_of(number))
        self._house.settle()

    def break_off(self, why: Exception) -> None:
        """End a handshake before it is complete."""
        assert isinstance(self.transport, FakeTlsTransport)
        self.transport.peer_breaks_off(why)
        self._house.settle()

    def say(self, *words: Message | bytes) -> None:
        """Send messages, or any bytes, in one piece."""
        pieces = (word if isinstance(word, bytes) else self._encode(word) for word in words)
        self.transport.arriving += b"".join(pieces)
        self._house.settle()

    def half_close(self) -> None:
        """Send no more, but go on reading."""
        self.transport.peer_half_closes()
        self._house.settle()

    def close(self) -> None:
        """Close the connection."""
        self.transport.peer_closes()
        self._house.settle()

    def reset(self) -> None:
        """End the connection with a reset."""
        self.transport.peer_resets()
        self._house.settle()

    def stop_reading(self) -> None:
        """Take nothing that the central says."""
        self.transport.stuck = True

    def read(self) -> None:
        """Take again what the central says."""
        self.transport.stuck = False
        self._house.settle()

    def turn(self) -> bool:
        """What its end of the connection does by itself; gives whether anything happened."""
        moved = self.transport.turn()
        if self.polite and self.transport.shut and self.transport._end_of_peer is None:
            self.transport.peer_closes()
            moved = True
        return moved

    # What it has heard.

    @property
    def connected(self) -> bool:
        """Whether the connection is there."""
        return self.transport.connected

    def bytes_heard(self) -> bytes:
        """The bytes since the last time that these were asked for."""
        data = bytes(self.transport.arrived[self._raw_seen :])
        self._raw_seen += len(data)
        return data

    def heard(self) -> list[Message]:
        """The messages since the last time that these were asked for."""
        self._decoder.receive(bytes(self.transport.arrived[self._decoded :]))
        self._decoded = len(self.transport.arrived)
        messages = []
        while (message := self._decoder.next_message()) is not None:
            messages.append(message)
        assert not self._decoder.unread, "the central stopped within a frame"
        return messages


def bets(agency: int, count: int, number: int = 1) -> list[str]:
    """Rows of an agency, all different and told apart from those of others."""
    return [f"Ana,Gil,{agency:03d}{index:05d},2000-01-01,{number}" for index in range(count)]


def batch(rows: Iterable[str], first: int = 0) -> Batch:
    """A batch of lottery/1."""
    rows = list(rows)
    return Batch(first, len(rows), "".join(f"{row}\n" for row in rows).encode())


def classic_batch(rows: Iterable[str]) -> ClassicBatch:
    """A batch of the classic dialect."""
    return ClassicBatch("".join(f"{row}," for row in rows).encode())


class Day:
    """What an agency does on a good day, step by step, whatever it speaks.

    :ivar agency: the connection.
    """

    def __init__(self, house: House, dialect: str, number: int) -> None:
        """:param number: the agency's own; a classic one must come when it gets just that."""
        self.agency = house.arrive(dialect)
        self._house = house
        self.number = number
        self.rows: list[str] = []
        self._classic = dialect == classic.DIALECT

    def begin(self, *rows: str) -> None:
        """Come and send the first batch."""
        if not self._classic:
            self.agency.say(Hello(self.number))
            assert len(self.agency.heard()) == 1
        self.send(*rows)
        expected: Message = ClassicStored() if self._classic else Ack(len(rows))
        assert self.agency.heard() == [expected]

    def come_back(self, *lost: str) -> None:
        """Come with another session, and send again what is not stored, one bet at a time.

        :param lost: what was sent behind ``rows`` and may be stored or not.
        """
        agency, welcome = self._house.welcomed(self.number, acknowledged=len(self.rows))
        rows = [*self.rows, *lost]
        assert len(self.rows) <= welcome.next_index <= len(rows)
        self.agency = agency
        self.rows = rows[: welcome.next_index]
        assert welcome.crc == crc32("".join(f"{row}\n" for row in self.rows).encode())
        for row in rows[welcome.next_index :]:
            self.send(row)

    def send(self, *rows: str) -> None:
        """Send another batch."""
        self.agency.say(self.message(*rows))
        self.rows += rows

    def message(self, *rows: str) -> Message:
        """The next batch."""
        return classic_batch(rows) if self._classic else batch(rows, len(self.rows))

    def frame(self, *rows: str) -> bytes:
        """The bytes of the next batch."""
        message = self.message(*rows)
        return classic.encode(message) if self._classic else lottery1.encode(message)

    def end(self) -> None:
        """Say that this is all."""
        self.agency.say(ClassicEnd() if self._classic else End(len(self.rows), NONCE))

    def documents(self, draw: int, number: int = NUMBER) -> list[str] | None:
        """The winners' documents that it was told of, and taken; None: it was told nothing."""
        told: list[str] | None = None
        for message in self.agency.heard():
            match message:
                case ClassicWinners(documents):
                    assert told is None
                    told = documents.decode().split(",") if documents else []
                    self.agency.close()
                case Winners():
                    assert (message.draw, message.winning_number) == (draw, number)
                    told = [*(told or []), *_documents(message.rows)]
                    if len(told) == message.total:
                        self.agency.say(Received(draw, message.total))
        return told

    def winning(self) -> list[str]:
        """The documents that it has to be told of."""
        return [row.split(",")[2] for row in self.rows if row.endswith(f",{NUMBER}")]


def _documents(rows: bytes) -> list[str]:
    return [row.split(",")[2] for row in rows.decode().splitlines()]
