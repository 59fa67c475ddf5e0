"""A central on real TCP with real writer children; trial looks that nothing is left.

Agencies are written from the bytes of ``docs/protocol.md``; they use nothing of ``lottery.wire``.
"""

# ruff: noqa: PT009, PT027 - under trial only its own assertions say what was compared

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from lottery.central.service import Central
from lottery.errors import StartError
from lottery.settings import CentralSettings
from lottery.tap import make_central

STORED, REFUSED = b"\x02", b"\xff"
TIMEOUT_SECONDS = 60


class Agency(Protocol):
    """An agency that is told what to send, and waits for bytes."""

    def __init__(self) -> None:
        self._data = b""
        self._wanted = 0
        self._waiting: Deferred[bytes] | None = None
        self._gone = False

    def dataReceived(self, data: bytes) -> None:
        """Keep what came."""
        self._data += data
        self._look()

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        """There will be no more."""
        reason.trap(ConnectionDone, ConnectionLost)
        self._gone = True
        self._look()

    def read(self, count: int) -> Deferred[bytes]:
        """Wait for so many bytes; -1: for the end, and all before it."""
        self._wanted = count
        waiting = self._waiting = Deferred()
        self._look()
        return waiting

    def _look(self) -> None:
        if self._waiting is None:
            return
        enough = self._gone if self._wanted < 0 else len(self._data) >= self._wanted
        if not enough and not self._gone:
            return
        count = len(self._data) if self._wanted < 0 else self._wanted
        data, self._data = self._data[:count], self._data[count:]
        waiting, self._waiting = self._waiting, None
        if enough:
            waiting.callback(data)
        else:
            waiting.errback(AssertionError(f"the end came behind {data!r}"))

    def send(self, *words: bytes) -> None:
        """Say something."""
        self.transport.write(b"".join(words))

    async def frame(self) -> tuple[int, bytes]:
        """Read a frame: its type and its payload."""
        kind, length = struct.unpack(">BH", await self.read(3))
        return kind, await self.read(length)

    async def close(self) -> None:
        """Close, and wait until that is done."""
        self.transport.loseConnection()
        await self.read(-1)


def framed(kind: int, payload: bytes) -> bytes:
    """A frame."""
    return struct.pack(">BH", kind, len(payload)) + payload


def hello(number: int, acknowledged: int = 0) -> bytes:
    """HELLO."""
    return framed(0x10, struct.pack(">BIIQ", 1, number, 0, acknowledged))


def batch(first: int, *rows: str) -> bytes:
    """BATCH."""
    body = "".join(f"{row}\n" for row in rows).encode()
    return framed(0x11, struct.pack(">QH", first, len(rows)) + body)


def end(total: int) -> bytes:
    """END."""
    return framed(0x12, struct.pack(">Q", total) + os.urandom(32))


def ack(next_index: int, ended: bool) -> tuple[int, bytes]:
    """ACK, as it is read."""
    return 0x21, struct.pack(">QB", next_index, ended)


def classic_batch(*rows: str) -> bytes:
    """A batch of the classic dialect."""
    return framed(0x01, "".join(f"{row}," for row in rows).encode())


class CentralTests(TestCase):
    """``make_central`` on the reactor that there is."""

    timeout = TIMEOUT_SECONDS

    def setUp(self) -> None:
        """Nobody runs yet; the log is looked at."""
        self.actions: list[str] = []
        globalLogPublisher.addObserver(self._note)
        self.addCleanup(globalLogPublisher.removeObserver, self._note)

    def _note(self, event: LogEvent) -> None:
        if "action" in event:
            self.actions.append(event["line"])

    def start(self, directory: str | None = None, **others: Any) -> Central:
        """Start a central, which is stopped when the test ends."""
        values: dict[str, Any] = {
            "listen": ("tcp:0:interface=127.0.0.1",),
            "host": "127.0.0.1",
            "port": 12345,
            "backlog": 128,
            "log_level": "DEBUG",
            "agencies": 3,
            "data_dir": Path(directory or self.mktemp()),
            "writers": 2,
            "draws": 0,
            "silence": 60.0,
            "rejoin": 30.0,
            "deadline": 0.0,
            "writer_timeout": 30.0,
            "min_free": 0,
            "winning_number": 7574,
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
        self.settings = CentralSettings(**(values | others))
        central = make_central(self.settings, reactor)
        central.startService()
        self.addCleanup(central.stopService)
        return central

    async def connect(self, central: Central) -> Agency:
        """Connect to a central."""
        port = central._door.ports[0].getHost().port
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        agency: Agency = await endpoint.connect(Factory.forProtocol(Agency))
        return agency

    def bets_csv(self, draw: int) -> str:
        """What was sealed."""
        path = self.settings.data_dir / "draws" / f"{draw:06d}" / "bets.csv"
        return path.read_text(encoding="utf-8")

    async def welcomed(self, central: Central, number: int) -> Agency:
        """Connect, say who it is, and be welcomed."""
        agency = await self.connect(central)
        agency.send(hello(number))
        kind, payload = await agency.frame()
        self.assertEqual((kind, len(payload)), (0x20, 24))
        return agency

    async def winners(self, agency: Agency, draw: int) -> str:
        """Read the one frame of winners, acknowledge it, and see the central close."""
        kind, payload = await agency.frame()
        self.assertEqual(kind, 0x23)
        told, number, total, first = struct.unpack_from(">IHQQ", payload)
        self.assertEqual((told, number, first), (draw, 7574, 0))
        agency.send(framed(0x13, struct.pack(">IQ", draw, total)))
        self.assertEqual(await agency.read(-1), b"")
        return payload[22:].decode()

    async def play(self, central: Central, draw: int) -> None:
        """A day of two agencies of lottery/1 and a classic one, at once on one port."""
        ten = await self.welcomed(central, 10)
        twenty = await self.welcomed(central, 20)
        classic = await self.connect(central)
        classic.send(classic_batch("Ana,Gil,1,1999-03-17,7574", "Eva,Paz,2,1999-03-17,1"))
        ten.send(batch(0, "Iñaki,Núñez,3,1999-03-17,7574"), batch(1, "Leo,Sol,4,1999-03-17,07"))
        twenty.send(batch(0, "Luz,Mar,5,1999-03-17,1"))
        self.assertEqual(await classic.read(1), STORED)
        classic.send(classic_batch(), b"\xff")
        self.assertEqual(await classic.read(1), STORED)
        ten.send(end(2))
        twenty.send(end(1))
        for agency, total in ((ten, 2), (twenty, 1)):
            while (heard := await agency.frame()) != ack(total, True):
                self.assertEqual(heard[0], 0x21)
        self.assertEqual(await classic.read(4), b"\x03\0\x01" + b"1")
        await classic.close()
        self.assertEqual(await self.winners(ten, draw), "Iñaki,Núñez,3,1999-03-17,7574\n")
        self.assertEqual(await self.winners(twenty, draw), "")
        self.assertEqual(
            self.bets_csv(draw),
            "1,Ana,Gil,1,1999-03-17,7574\n1,Eva,Paz,2,1999-03-17,1\n"
            "10,Iñaki,Núñez,3,1999-03-17,7574\n10,Leo,Sol,4,1999-03-17,07\n"
            "20,Luz,Mar,5,1999-03-17,1\n",
        )

    def acted(self, action: str) -> list[str]:
        """The lines of an action."""
        return [line for line in self.actions if line.startswith(f"action: {action} |")]

    async def test_a_day(self) -> None:
        """Both dialects on one port, each gets its own winners, and all is clean behind it."""
        central = self.start()
        await self.play(central, 1)
        await central.stopService()
        self.assertEqual(len(self.acted("sorteo")), 1)
        results = self.acted("consulta_ganadores")
        self.assertEqual(len([line for line in results if "result: success" in line]), 3)
        self.assertEqual(len(self.acted("shutdown")), 1)

    async def test_a_draw_after_a_draw(self) -> None:
        """The same agencies may come again, and nothing of the first draw is in the second."""
        central = self.start()
        await self.play(central, 1)
        await self.play(central, 2)

    async def test_the_end_of_its_draws(self) -> None:
        """Done with status 0 when the last one is delivered."""
        central = self.start(draws=1)
        await self.play(central, 1)
        self.assertEqual(await central.done, 0)
        late = await self.connect(central)
        late.send(hello(7))
        kind, payload = await late.frame()
        self.assertEqual((kind, payload[0]), (0x24, 9))  # ERROR, CLOSED
        await late.close()

    async def test_refusals(self) -> None:
        """FULL in lottery/1, FF in classic; who is there goes on."""
        central = self.start(agencies=2)
        first = await self.welcomed(central, 1)
        second = await self.welcomed(central, 2)
        third = await self.connect(central)
        third.send(hello(3))
        kind, payload = await third.frame()
        self.assertEqual((kind, payload[0]), (0x24, 10))  # ERROR, FULL
        await third.close()
        fourth = await self.connect(central)
        # It sends all that it has before it reads: the refusal must arrive all the same.
        fourth.send(*[classic_batch("Ana,Gil,1,1999-03-17,7574")] * 2000, b"\xff")
        self.assertEqual(await fourth.read(1), REFUSED)
        await fourth.close()
        first.send(batch(0, "Luz,Mar,5,1999-03-17,1"))
        self.assertEqual(await first.frame(), ack(1, False))
        await first.close()
        await second.close()

    async def test_a_newer_session(self) -> None:
        """The older one hears what became of its batch, and TAKEN; the newer one goes on there."""
        central = self.start(agencies=1, draws=1)
        row = "Ana,Gil,1,1999-03-17,7574"
        older = await self.welcomed(central, 1)
        older.send(batch(0, row))
        self.assertEqual(await older.frame(), ack(1, False))
        newer = await self.connect(central)
        newer.send(hello(1, acknowledged=1))
        kind, payload = await older.frame()
        self.assertEqual((kind, payload[0]), (0x24, 14))  # ERROR, TAKEN
        await older.close()
        kind, payload = await newer.frame()
        self.assertEqual(kind, 0x20)
        _, state, ended, next_index, crc = struct.unpack_from(">IBBQI", payload)
        expected = (1, 0, 1, zlib.crc32(f"{row}\n".encode()))
        self.assertEqual((state, ended, next_index, crc), expected)
        newer.send(end(1))
        self.assertEqual(await newer.frame(), ack(1, True))
        self.assertEqual(await self.winners(newer, 1), f"{row}\n")
        self.assertEqual(await central.done, 0)

    async def test_back_after_a_reset(self) -> None:
        """It is welcomed where it was, though its writer had the batch in hand at the reset."""
        central = self.start(agencies=1)
        for index in range(3):
            agency = await self.welcomed(central, 1)
            agency.send(batch(index, f"Ana,Gil,{index},1999-03-17,7574"))
            self.assertEqual(await agency.frame(), ack(index + 1, False))
            agency.transport.abortConnection()
            await agency.read(-1)
        agency = await self.welcomed(central, 1)
        agency.send(end(3))
        self.assertEqual(await agency.frame(), ack(3, True))
        self.assertEqual((await self.winners(agency, 1)).count("\n"), 3)

    async def test_a_reset(self) -> None:
        """An agency that is reset within a frame is left out, and the draw is held without it."""
        central = self.start(agencies=2)
        first = await self.connect(central)
        first.send(classic_batch("Ana,Gil,1,1999-03-17,7574"), b"\x01\0")
        self.assertEqual(await first.read(1), STORED)
        first.transport.abortConnection()
        await first.read(-1)
        second = await self.connect(central)
        second.send(classic_batch("Eva,Paz,2,1999-03-17,7574"), b"\xff")
        self.assertEqual(await second.read(5), STORED + b"\x03\0\x01" + b"2")
        await second.close()
        (left_out,) = self.acted("left_out")
        self.assertIn("agency: 1 | reason: the connection was lost", left_out)

    async def test_a_stop_in_the_middle(self) -> None:
        """Everybody is told, every child is reaped, and the port is free."""
        central = self.start()
        agency = await self.welcomed(central, 1)
        classic = await self.connect(central)
        classic.send(classic_batch("Ana,Gil,1,1999-03-17,7574"))
        self.assertEqual(await classic.read(1), STORED)
        stopped = central.stopService()
        kind, payload = await agency.frame()
        self.assertEqual((kind, payload[0]), (0x24, 16))  # ERROR, STOPPING
        self.assertEqual(await classic.read(1), REFUSED)
        await agency.close()
        await classic.close()
        await stopped
        central = self.start(str(self.settings.data_dir))
        self.assertEqual(len(self.acted("draw_open")), 1)
        self.assertIn("draw: 1 | state: open", self.acted("draw_resumed")[-1])
        again = await self.welcomed(central, 1)
        await again.close()

    def test_a_directory_in_use(self) -> None:
        """A second central is refused and leaves nothing open."""
        self.start()
        directory = str(self.settings.data_dir)
        error: StartError = self.assertRaises(StartError, self.start, directory)
        self.assertIn("is in use by process ", str(error))
