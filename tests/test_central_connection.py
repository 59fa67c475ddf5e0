"""``lottery.central.connection``: reading, writing, and leaving well."""

from __future__ import annotations

from typing import Any

import pytest
from central_fakes import FakeTransport
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.central.connection import Connection

LINGER_SECONDS = 5.0


@implementer(IHalfCloseableProtocol)
class Halves(Protocol):
    """A protocol that notes what befalls its transport, and knows of halves."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        self.events.append(f"data {data.decode()}")

    def readConnectionLost(self) -> None:
        self.events.append("peer closed")

    def writeConnectionLost(self) -> None:
        self.events.append("shut")

    def connectionLost(self, reason: Failure) -> None:
        self.events.append(reason.type.__name__)


class Rig:
    """A connection on a fake transport."""

    def __init__(self, peer: IAddress | None = None) -> None:
        self.clock = Clock()
        self.protocol = Halves()
        address = peer or IPv4Address("TCP", "10.0.0.7", 4711)
        self.transport = FakeTransport(self.clock, self.protocol, address)
        self.connection = Connection(self.transport, self.clock, LINGER_SECONDS)

    def settle(self) -> list[str]:
        """Let things happen; gives what did."""
        self.clock.advance(0)
        while self.transport.turn():
            pass
        events, self.protocol.events = self.protocol.events, []
        return events


@pytest.mark.parametrize(
    ("address", "details"),
    [
        (IPv4Address("TCP", "10.0.0.7", 4711), {"ip": "10.0.0.7", "port": 4711}),
        (IPv6Address("TCP", "::1", 4711), {"ip": "::1", "port": 4711}),
        (UNIXAddress(b"/run/lottery"), {"ip": "local"}),
    ],
)
def test_who_is_there(address: IAddress, details: dict[str, object]) -> None:
    """Host and port are two details of the log; a UNIX socket has neither."""
    assert Rig(address).connection.peer == details


def test_words_do_not_wait_for_company() -> None:
    """Small answers are sent at once; a transport that cannot is used as it is."""
    rig = Rig()
    assert rig.transport.no_delay is True
    rig.transport.no_delay = OSError("no Nagle here")
    Connection(rig.transport, rig.clock, LINGER_SECONDS)


def test_reading_and_writing() -> None:
    """Go straight to the transport."""
    rig = Rig()
    rig.connection.write(b"hello")
    rig.connection.pause()
    rig.transport.arriving += b"x"
    assert rig.settle() == []
    assert bytes(rig.transport.arrived) == b"hello"
    rig.connection.resume()
    assert rig.settle() == ["data x"]


class Sender(FakeTransport):
    """A transport that can be told to send, and notes what it was given by then."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sent: list[bytes] = []

    def doWrite(self) -> None:
        self.sent.append(bytes(self._unsent))


def test_what_is_sent_at_once() -> None:
    """The transport is told to send what it was just given; one that cannot sends in its turn."""
    clock = Clock()
    sender = Sender(clock, Halves(), IPv4Address("TCP", "10.0.0.7", 4711))
    connection = Connection(sender, clock, LINGER_SECONDS)
    connection.write(b"soon")
    assert sender.sent == []
    connection.write_at_once(b", now")
    assert sender.sent == [b"soon, now"]
    rig = Rig()
    rig.connection.write_at_once(b"in turn")
    rig.settle()
    assert bytes(rig.transport.arrived) == b"in turn"


def test_who_leaves_sends_in_turn() -> None:
    """What closes the connection is the reactor's to do when all is written."""
    clock = Clock()
    sender = Sender(clock, Halves(), IPv4Address("TCP", "10.0.0.7", 4711))
    connection = Connection(sender, clock, LINGER_SECONDS)
    connection.leave(b"good")
    connection.write_at_once(b"bye")
    assert sender.sent == []
    connection.lost()


def test_nothing_is_sent_when_it_is_gone() -> None:
    """A transport that has lost its socket cannot be told to send."""
    clock = Clock()
    sender = Sender(clock, Halves(), IPv4Address("TCP", "10.0.0.7", 4711))
    connection = Connection(sender, clock, LINGER_SECONDS)
    connection.lost()
    connection.write_at_once(b"too late")
    assert sender.sent == []


def test_what_ends_the_connection_is_heard_by_the_reactor() -> None:
    """What sending comes to, other than to go on, is not ours to deal with."""

    class Ended(Sender):
        started = 0

        def doWrite(self) -> Exception:  # type: ignore[override]
            return ConnectionLost()

        def startWriting(self) -> None:
            self.started += 1

    clock = Clock()
    sender = Ended(clock, Halves(), IPv4Address("TCP", "10.0.0.7", 4711))
    Connection(sender, clock, LINGER_SECONDS).write_at_once(b"now")
    assert sender.started == 1


def test_leaving_waits_for_the_peer() -> None:
    """Last words, then our half is shut; what still comes is read, until the peer closes."""
    rig = Rig()
    rig.connection.pause()
    rig.connection.leave(b"goodbye")
    assert rig.connection.leaving
    rig.transport.arriving += b"too late"
    assert rig.settle() == ["shut", "data too late"]
    assert bytes(rig.transport.arrived) == b"goodbye"
    assert rig.transport.shut
    rig.transport.peer_half_closes()
    assert rig.settle() == ["peer closed"]
    rig.connection.close()
    assert rig.settle() == ["ConnectionDone"]
    rig.connection.lost()
    assert rig.clock.getDelayedCalls() == []
    assert not rig.connection.overdue


def test_leaving_without_a_word() -> None:
    """Nothing is written then, and our half is shut all the same."""
    rig = Rig()
    rig.connection.leave()
    assert rig.settle() == ["shut"]
    assert bytes(rig.transport.arrived) == b""
    rig.connection.lost()


def test_leaving_does_without_a_producer() -> None:
    """A transport would wait for what it still has to say."""
    rig = Rig()
    rig.transport.registerProducer(StringTransport(), True)
    rig.connection.leave()
    assert rig.transport.producer is None
    rig.connection.lost()


def test_leaving_has_an_end() -> None:
    """A peer that does not close, or does not even read, is aborted after the grace."""
    for stuck in (False, True):
        rig = Rig()
        rig.transport.stuck = stuck
        rig.connection.leave(b"goodbye")
        rig.settle()
        rig.clock.advance(LINGER_SECONDS - 0.1)
        assert rig.settle() == []
        assert not rig.connection.overdue
        rig.clock.advance(0.1)
        assert rig.connection.overdue
        assert rig.transport.aborted
        assert rig.settle() == ["ConnectionAborted"]
        rig.connection.lost()
        assert rig.clock.getDelayedCalls() == []


def test_leaving_a_peer_that_has_closed() -> None:
    """It gets the last words, and the connection is closed."""
    rig = Rig()
    rig.connection.peer_closed = True
    rig.connection.leave(b"goodbye")
    assert rig.settle() == ["ConnectionDone"]
    assert bytes(rig.transport.arrived) == b"goodbye"
    rig.connection.lost()
    assert rig.clock.getDelayedCalls() == []


def test_leaving_a_peer_that_has_closed_and_does_not_read() -> None:
    """What it does not read is not waited for any longer than from others."""
    rig = Rig()
    rig.connection.peer_closed = True
    rig.transport.stuck = True
    rig.connection.leave(b"goodbye")
    rig.clock.advance(LINGER_SECONDS)
    assert rig.settle() == ["ConnectionAborted"]


def test_leaving_what_is_gone() -> None:
    """Nothing is asked of a transport without a socket: Twisted's could not bear it."""
    rig = Rig()
    rig.transport.peer_resets()
    assert rig.settle() == ["ConnectionLost"]
    rig.connection.lost()
    rig.connection.leave(b"goodbye")
    assert rig.connection.leaving
    assert rig.clock.getDelayedCalls() == []


def test_leaving_without_halves() -> None:
    """A transport that has no half to shut, such as TLS, is closed once all is written."""
    clock, transport = Clock(), StringTransport(lenient=True)
    transport.setTcpNoDelay = transport.setTcpKeepAlive = lambda _: None
    transport.unregisterProducer = lambda: None
    # As TLS shows that of the connection which it is on.
    transport.loseWriteConnection = lambda: pytest.fail("that would cut off what TLS has to say")
    connection = Connection(transport, clock, LINGER_SECONDS)
    connection.leave(b"goodbye")
    assert transport.value() == b"goodbye"
    assert transport.disconnecting
    connection.lost()
    assert clock.getDelayedCalls() == []


def test_abort() -> None:
    """It ends at once, whatever is unwritten."""
    rig = Rig()
    rig.connection.write(b"never read")
    rig.connection.abort()
    assert rig.connection.leaving
    assert rig.settle() == ["ConnectionAborted"]
    assert bytes(rig.transport.arrived) == b""
