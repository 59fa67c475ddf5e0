"""What surrounds an agency in tests: frames to the byte, a central by hand, a log to look at."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zlib import crc32

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import (
    MemoryReactorClock,
    StringTransport,
    StringTransportWithDisconnection,
)
from twisted.logger import LogEvent, Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.agency.bets_file import Guard
from lottery.agency.client import AgencyClient
from lottery.agency.reader import FileBatch
from lottery.agency.run import AgencyRun
from lottery.agency.source import open_source
from lottery.ops.log import ActionLog
from lottery.settings import AgencySettings

ROW = b"Ana,Gil,1,2000-01-01,7\n"
NONCE = bytes(range(32))


def frame(*parts: str | bytes) -> bytes:
    """Put a frame together: hexadecimal parts and literal ones; the first is the type."""
    kind, *rest = (bytes.fromhex(part) if isinstance(part, str) else part for part in parts)
    payload = b"".join(rest)
    return kind + len(payload).to_bytes(2, "big") + payload


def hello(draw: int = 0, acknowledged: int = 0) -> bytes:
    """A HELLO of agency 7."""
    return frame("10", "01 00000007", draw.to_bytes(4, "big"), acknowledged.to_bytes(8, "big"))


def welcome(
    stored: bytes = b"",
    *,
    draw: int = 3,
    state: int = 1,
    ended: bool = False,
    next_index: int | None = None,
    crc: int | None = None,
    silence: int = 60,
) -> bytes:
    """A WELCOME to a draw that has these rows, by default of an open draw 3."""
    next_index = stored.count(b"\n") if next_index is None else next_index
    crc = crc32(stored) if crc is None else crc
    head = draw.to_bytes(4, "big") + bytes([state, ended]) + next_index.to_bytes(8, "big")
    return frame("20", head, crc.to_bytes(4, "big"), "2000", silence.to_bytes(4, "big"))


def end(total: int) -> bytes:
    """An END."""
    return frame("12", total.to_bytes(8, "big"), NONCE)


def received(total: int, draw: int = 3) -> bytes:
    """A RECEIVED."""
    return frame("13", draw.to_bytes(4, "big"), total.to_bytes(8, "big"))


def refused(code: str, expected: int, sentence: bytes = b"no room", *, again: bool = True) -> bytes:
    """A REFUSED of a whole batch."""
    return frame("22", code, bytes([again]), expected.to_bytes(8, "big"), "0000 00", sentence)


def error(code: str, sentence: bytes = b"later") -> bytes:
    """An ERROR."""
    return frame("24", code, sentence)


HELLO_7 = hello()
WELCOME = welcome()
END_0 = end(0)
RECEIVED_0 = received(0)
ENDED_0 = frame("21", "0000000000000000 01")
STORAGE, STOPPING, FULL, CLOSED = "0b", "10", "0a", "09"
OPEN_DRAW = 0xFFFFFFFF
OPEN, CLOSING, SEALED, DRAWN, DELIVERED, VOID = range(1, 7)


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


def frames_of(data: bytes) -> Iterator[bytes]:
    """Cut bytes into whole frames."""
    while data:
        length = 3 + int.from_bytes(data[1:3], "big")
        assert len(data) >= length
        yield data[:length]
        data = data[length:]


class TcpTransport(StringTransport):
    """TLS says that it is TCP, too, and relies on what is below."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Take it."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Take it."""


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

    def frames(self) -> list[bytes]:
        """What the agency wrote since the last time, frame by frame."""
        return list(frames_of(self.said()))

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


class ListedFile:
    """A file whose batches the test names; see :class:`lottery.agency.bets_file.BetsFile`."""

    def __init__(self, *batches: FileBatch) -> None:
        self.batches = list(batches)
        self.given = 0
        self.rewound = 0

    async def next_batch(self, guard: Guard) -> FileBatch | None:
        """The next one of the list."""
        if self.given == len(self.batches):
            return None
        self.given += 1
        return self.batches[self.given - 1]

    def rewind(self) -> None:
        """Begin the list again."""
        self.given = 0
        self.rewound += 1


def file_batch(rows: bytes, first_line: int = 1) -> FileBatch:
    """A batch of lines that follow each other."""
    return FileBatch(rows, range(first_line, first_line + rows.count(b"\n")))


def settings_of(directory: Path, **changes: object) -> AgencySettings:
    """Settings of agency 7."""
    values: dict[str, object] = {
        "agency": 7,
        "input": directory / "bets.csv",
        "output": directory / "winners.csv",
        "host": "central",
        "port": 12345,
        "batch_size": 2,
        "window": 2,
        "retry_for": 10.0,
        "draw": 0,
        "skip_bad": False,
        "log_level": "INFO",
    }
    return AgencySettings(**{**values, **changes})  # type: ignore[arg-type]


class Errand:
    """An errand, and all that is around it.

    :param bets: the file; None: whatever is there.
    :param chance: what the dice give, from 0 up to 1.
    """

    def __init__(
        self, directory: Path, bets: bytes | None, *, chance: float = 0.0, **changes: object
    ) -> None:
        self.settings = settings_of(directory, **changes)
        if bets is not None:
            self.settings.input.write_bytes(bets)
        self.directory = directory
        self.reactor = MemoryReactorClock()
        self.endpoint = FakeEndpoint()
        self.log = NotedLog(self.settings.log_level)
        self.statuses: list[int] = []
        self.errand = AgencyRun(
            self.settings,
            self.endpoint,
            self.reactor,
            self.log.log,
            open_input=lambda: open_source(self.settings.input, self.reactor, self.reactor),
            today=date(2026, 1, 1),
            random_bytes=lambda count: NONCE[:count],
            jitter=lambda: chance,
        )
        self.running = Deferred.fromCoroutine(self.errand.run())
        self.running.addCallback(self.statuses.append)
        self.read()

    def welcomed(
        self,
        transport: StringTransport | None = None,
        *,
        greeting: bytes = HELLO_7,
        **terms: object,
    ) -> Connection:
        """Get over the start of a session, and read on in the file."""
        connection = self.endpoint.accept(transport)
        assert connection.said() == greeting
        connection.say(welcome(**terms))  # type: ignore[arg-type]
        self.read()
        return connection

    def read(self) -> None:
        """Give the file its turns of the reactor."""
        for _ in range(5):
            self.reactor.advance(0)

    def until_next_attempt(self) -> float:
        """Let the time pass that the agency waits; gives how long that was."""
        assert not self.endpoint.attempts
        (call,) = self.reactor.getDelayedCalls()
        seconds = call.getTime() - self.reactor.seconds()
        self.reactor.advance(seconds)
        return seconds

    def stop(self) -> int:
        """Stop it as a signal does; gives the exit status."""
        self.running.cancel()
        return self.status()

    def status(self) -> int:
        """The exit status; by then nothing is left behind but the results."""
        (status,) = self.statuses
        assert self.reactor.getDelayedCalls() == []
        assert self.reactor.getReaders() == []
        assert [name for name in os.listdir(self.directory) if name.startswith(".")] == []
        return status

    @property
    def output(self) -> bytes:
        """The results."""
        return self.settings.output.read_bytes()
