"""What surrounds an agency in tests: frames to the byte, a central by hand, a log to look at."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport, StringTransportWithDisconnection
from twisted.logger import LogEvent, Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.agency.client import AgencyClient
from lottery.ops.log import ActionLog

ROW = b"Ana,Gil,1,2000-01-01,7\n"
NONCE = bytes(range(32))


def frame(*parts: str | bytes) -> bytes:
    """Put a frame together: hexadecimal parts and literal ones; the first is the type."""
    kind, *rest = (bytes.fromhex(part) if isinstance(part, str) else part for part in parts)
    payload = b"".join(rest)
    return kind + len(payload).to_bytes(2, "big") + payload


HELLO_7 = frame("10", "01 00000007 00000000 0000000000000000")
WELCOME = frame("20", "00000003 01 00 0000000000000000 00000000 2000 0000003c")
END_0 = frame("12", "0000000000000000", NONCE)
RECEIVED_0 = frame("13", "00000003 0000000000000000")
ENDED_0 = frame("21", "0000000000000000 01")


def batch_frame(first: int, rows: bytes) -> bytes:
    """A BATCH of these rows."""
    count = rows.count(b"\n")
    return frame("11", first.to_bytes(8, "big"), count.to_bytes(2, "big"), rows)


def ack(next_index: int, ended: bool = False) -> bytes:
    """An ACK."""
    return frame("21", next_index.to_bytes(8, "big"), bytes([ended]))


def winners(total: int, first: int, rows: bytes, draw: int = 3, number: int = 7) -> bytes:
    """A WINNERS frame, by default of draw 3, number 7."""
    head = draw.to_bytes(4, "big") + number.to_bytes(2, "big")
    return frame("23", head, total.to_bytes(8, "big"), first.to_bytes(8, "big"), rows)


class Connection:
    """A connection as the central sees it."""

    def __init__(self, client: AgencyClient, transport: StringTransport) -> None:
        self.client = client
        self.transport = transport

    def said(self) -> bytes:
        """What the agency wrote since the last time."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def say(self, *data: bytes) -> None:
        """Answer, in one piece."""
        self.client.dataReceived(b"".join(data))

    def cut(self, why: Exception | None = None) -> None:
        """End the connection."""
        self.client.connectionLost(Failure(why or ConnectionDone()))


@implementer(IStreamClientEndpoint)
class FakeEndpoint:
    """A central that answers when the test says so."""

    def __init__(self) -> None:
        self.attempts: deque[tuple[IProtocolFactory, Deferred[AgencyClient]]] = deque()
        self.raises: Exception | None = None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[AgencyClient]:
        """Note that somebody wants to connect; ``raises`` is for endpoints that raise at once."""
        if self.raises is not None:
            raise self.raises
        connecting: Deferred[AgencyClient] = Deferred()
        self.attempts.append((protocolFactory, connecting))
        return connecting

    def accept(self, transport: StringTransport | None = None) -> Connection:
        """Take the oldest attempt; a transport of its own need not close when it is told to."""
        factory, connecting = self.attempts.popleft()
        client = factory.buildProtocol(None)
        assert isinstance(client, AgencyClient)
        if transport is None:
            transport = StringTransportWithDisconnection()
            transport.protocol = client
        client.makeConnection(transport)
        connecting.callback(client)
        return Connection(client, transport)

    def refuse(self, why: Exception) -> None:
        """Let the oldest attempt fail."""
        _, connecting = self.attempts.popleft()
        connecting.errback(why)


class NotedLog:
    """An action log, and what it wrote."""

    def __init__(self, level_name: str = "INFO") -> None:
        self.events: list[LogEvent] = []
        self.log = ActionLog(level_name, Logger(observer=self.events.append))

    @property
    def lines(self) -> list[str]:
        """The lines, without time and level."""
        return [event["line"] for event in self.events]

    def told(self, action: str) -> list[str]:
        """The lines of one action, without that."""
        start = f"action: {action} | "
        return [line.removeprefix(start) for line in self.lines if line.startswith(start)]
