"""Plays agencies against a server: many connections, one process, one selector.

Whatever is answered is checked: every batch acknowledged once and in order, every agency told as
many winners as it has, and nobody before all have ended. What is measured is what agencies see.
"""

from __future__ import annotations

import selectors
import socket
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import itemgetter
from time import perf_counter
from typing import Final

from attrs import frozen
from streams import LOTTERY1, Stream

from lottery.wire import lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import Ack, Hello, Received, Welcome, Winners

PATIENCE_SECONDS: Final = 30.0
_SEND_BYTES: Final = 256 << 10
_RECEIVE_BYTES: Final = 64 << 10
_STORED: Final = b"\x02"
_WINNERS: Final = 0x03


class Fault(Exception):
    """The server has not done what it has to."""


@frozen
class Played:
    """What agencies saw.

    :ivar seconds: from the first byte to the last acknowledgement of a batch.
    :ivar draw_seconds: from there to the last winners; None if there is no draw to be waited for.
    :ivar acknowledged_at: when the last of these came, on the clock of ``perf_counter``.
    :ivar together: for how many seconds no agency had all of its batches acknowledged.
    :ivar latencies: seconds from each batch to its acknowledgement, where there is a window.
    :ivar marks: (seconds, bets) at each acknowledgement of some agency.
    """

    bets: int
    seconds: float
    draw_seconds: float | None
    acknowledged_at: float
    together: float
    latencies: Sequence[float]
    marks: Sequence[tuple[float, int]]

    @property
    def bets_per_second(self) -> float:
        """How many bets were acknowledged in a second."""
        return self.bets / self.seconds

    def bets_at(self, moment: float) -> int:
        """Give how many bets were acknowledged so many seconds from the begin."""
        at = bisect_right(self.marks, moment, key=itemgetter(0))
        return self.marks[at - 1][1] if at else 0

    def moment_of(self, bets: int) -> float:
        """Give when so many bets were acknowledged, in seconds from the begin."""
        return self.marks[bisect_left(self.marks, bets, key=itemgetter(1))][0] if bets else 0.0

    def latency(self, share: float) -> float:
        """Give the latency in seconds that this share of all batches does not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Agency:
    """One connection: what it has sent, and what of it was answered.

    :ivar sent: bytes of its stream.
    :ivar answered: batches that are acknowledged.
    :ivar latencies: seconds from each batch to its acknowledgement, if there is a window.
    """

    def __init__(
        self,
        number: int,
        connection: socket.socket,
        stream: Stream,
        window: int,
        ends: bool,
        awaits: bool,
    ) -> None:
        """Say HELLO, where there is one.

        :param window: how many batches may be without an answer; 0: any number.
        :param ends: whether it sends its END.
        :param awaits: whether it waits for its winners then.
        """
        self.number, self.socket, self.stream = number, connection, stream
        self.sent = self.answered = 0
        self.acknowledged_at = self.told_at = 0.0
        self.latencies = array("d")
        self._window, self._ends, self._awaits = window, ends, awaits
        self._view = memoryview(stream.frames)
        self._sent_at: list[float] = []
        self._winners_frame = b""
        self._decoder = Decoder(lottery1.TO_AGENCY)
        self._welcome = stream.dialect != LOTTERY1
        if not self._welcome:
            connection.sendall(lottery1.encode(Hello(number)))

    @property
    def done(self) -> bool:
        """Whether there is nothing more to be waited for."""
        if not self.acknowledged_at or self.sent < self._may_send():
            return False
        return bool(self.told_at) or not (self._ends and self._awaits)

    @property
    def interest(self) -> int:
        """What it waits for."""
        if self._welcome and self.sent < self._may_send():
            return selectors.EVENT_READ | selectors.EVENT_WRITE
        return selectors.EVENT_READ

    def _may_send(self) -> int:
        """Give the offset up to which the window, and whether it ends, let it send."""
        ends, batches = self.stream.ends, self.stream.batches
        last = min(self.answered + self._window, batches) if self._window else batches
        # With a window the END is sent when all is acknowledged.
        if self._ends and last == batches and (self.answered == batches or not self._window):
            return ends[batches]
        return ends[last - 1] if last else 0

    def move(self, events: int, now: float) -> None:
        """Send and read what is possible."""
        if events & selectors.EVENT_READ:
            self._receive(now)
        if events & selectors.EVENT_WRITE:
            self._send(now)

    def _send(self, now: float) -> None:
        stop = min(self._may_send(), self.sent + _SEND_BYTES)
        try:
            self.sent += self.socket.send(self._view[self.sent : stop])
        except BlockingIOError:
            return
        if self._window:
            whole = min(bisect_right(self.stream.ends, self.sent), self.stream.batches)
            self._sent_at += [now] * (whole - len(self._sent_at))

    def _receive(self, now: float) -> None:
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise Fault(f"agency {self.number} was cut off, {self.answered} batches answered")
        if self.stream.dialect == LOTTERY1:
            self._hear(data, now)
        else:
            self._hear_classic(data, now)
        if self._window and not self.done and self.sent < self._may_send():
            self._send(now)

    def _hear_classic(self, data: bytes, now: float) -> None:
        winners = data if self._winners_frame else data.lstrip(_STORED)
        self._acknowledged(self.answered + len(data) - len(winners), now)
        self._winners_frame += winners
        if not self._winners_frame:
            return
        if self._winners_frame[0] != _WINNERS or self.answered != self.stream.batches:
            raise Fault(f"agency {self.number} was answered {self._winners_frame[:9]!r}")
        if len(self._winners_frame) >= 3 and len(self._winners_frame) == 3 + int.from_bytes(
            self._winners_frame[1:3], "big"
        ):
            documents = self._winners_frame[3:]
            self._winners(documents.count(b",") + 1 if documents else 0, now)

    def _hear(self, data: bytes, now: float) -> None:
        self._decoder.receive(data)
        while (message := self._decoder.next_message()) is not None:
            match message:
                case Welcome():
                    self._welcome = True
                case Ack(next_index, ended):
                    if not ended:
                        self._acknowledged(bisect_right(self.stream.bets, next_index), now)
                case Winners(draw, _, total, first, rows):
                    if first + rows.count(b"\n") == total:
                        self.socket.sendall(lottery1.encode(Received(draw, total)))
                        self._winners(total, now)
                case _:
                    raise Fault(f"agency {self.number} was answered {message}")

    def _acknowledged(self, batches: int, now: float) -> None:
        if not self.answered <= batches <= self.stream.batches:
            raise Fault(f"agency {self.number} has {batches} answers")
        if self._window:
            self.latencies.extend(now - each for each in self._sent_at[self.answered : batches])
        if batches == self.stream.batches and not self.acknowledged_at:
            self.acknowledged_at = now
        self.answered = batches

    def _winners(self, told: int, now: float) -> None:
        if told != self.stream.winners:
            raise Fault(f"agency {self.number} was told {told} winners of {self.stream.winners}")
        self.told_at = now


def connect(port: int) -> socket.socket:
    """Open a connection that does not wait to make larger segments."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def play(
    port: int,
    stream: Stream,
    agencies: int,
    window: int = 0,
    *,
    ends: bool = True,
    awaits: bool = True,
    first: int = 1,
) -> Played:
    """Have so many agencies send a stream each.

    :param ends: as of :class:`Agency`, as ``window`` and ``awaits``.
    :param first: the number of the first of them.
    :raises Fault: if an answer is wrong, or nothing moves any more.
    """
    connections = [connect(port) for _ in range(agencies)]
    started = perf_counter()
    players = [
        Agency(number, connection, stream, window, ends, awaits)
        for number, connection in enumerate(connections, first)
    ]
    for connection in connections:
        connection.setblocking(False)
    try:
        marks = _drive(players, started)
    finally:
        for connection in connections:
            connection.close()
    acknowledged = max(player.acknowledged_at for player in players)
    draw = max(player.told_at for player in players) - acknowledged if ends and awaits else None
    latencies = array("d", [each for player in players for each in player.latencies])
    together = min(player.acknowledged_at for player in players) - started
    bets, seconds = agencies * stream.total, acknowledged - started
    return Played(bets, seconds, draw, acknowledged, together, latencies, marks)


def _drive(players: Sequence[Agency], started: float) -> list[tuple[float, int]]:
    marks = []
    bets = 0
    with selectors.DefaultSelector() as selector:
        for player in players:
            selector.register(player.socket, player.interest, player)
        while selector.get_map():
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                raise Fault(f"nothing moved for {PATIENCE_SECONDS:g} s")
            now = perf_counter()
            for key, events in ready:
                player: Agency = key.data
                before = player.answered
                player.move(events, now)
                if player.answered != before:
                    each = player.stream.bets
                    bets += each[player.answered - 1] - (each[before - 1] if before else 0)
                    marks.append((now - started, bets))
                if player.done:
                    selector.unregister(player.socket)
                elif player.interest != key.events:
                    selector.modify(player.socket, player.interest, player)
    return marks
