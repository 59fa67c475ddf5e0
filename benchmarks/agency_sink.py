"""A central that only acknowledges: it takes the batches of one agency and stores nothing.

    python benchmarks/agency_sink.py [--port N]

Prints ``port: N`` once it listens on 127.0.0.1, serves one agency of lottery/1 to its end, tells
it that nobody has won, and prints a line of JSON: how many bets and batches came, in how many
reads, and the seconds from the first byte of the first batch to the END. Exit status 1, with a
sentence, if the agency says something else than it should.

It reads as much as there is, looks at nothing but the header of each batch, and acknowledges once
for each read, so that it is never what an agency waits for.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import struct
from time import perf_counter
from typing import Final, NamedTuple

from lottery.errors import RemoteProtocolError
from lottery.wire import lottery1
from lottery.wire.frames import HEADER_BYTES, PAYLOAD_LIMIT
from lottery.wire.messages import Ack, DrawState, End, Message, Welcome, Winners

DRAW: Final = 1
WINNING_NUMBER: Final = 7574
PATIENCE_SECONDS: Final = 60.0

_BUFFER_BYTES: Final = 1 << 20
_FRAME: Final = struct.Struct(">BH")  # type, length of the payload
_BATCH: Final = struct.Struct(">BHQH")  # and, of a batch, first index and count
_LEAST_BYTES: Final = _BATCH.size - HEADER_BYTES


class Upload(NamedTuple):
    """What came of it, as it is printed."""

    bets: int
    batches: int
    reads: int
    seconds: float


class Agency:
    """The connection of the agency, and what has come on it and is not looked at yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.reads = 0
        self._socket = connection
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._data = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._data)
        self._start = self._end = 0

    def read(self) -> bool:
        """Read what there is, behind what is not looked at yet; False: it has closed."""
        rest = self._data[self._start : self._end]
        self._data[: len(rest)] = rest
        self._start, self._end = 0, len(rest)
        if not self._selector.select(PATIENCE_SECONDS):
            raise SystemExit(f"the agency has said nothing for {PATIENCE_SECONDS:g} s")
        count = self._socket.recv_into(self._view[self._end :])
        self._end += count
        self.reads += 1
        return count > 0

    def say(self, *messages: Message) -> None:
        """Answer; what is said here always fits the buffer of a socket that is read."""
        data = b"".join(map(lottery1.encode, messages))
        if self._socket.send(data) != len(data):
            raise SystemExit("the agency does not read its acknowledgements")

    def hear(self, kind: int) -> Message:
        """Give the next message, which has to be of this type."""
        while self._end - self._start < HEADER_BYTES or self._end < self._frame_end():
            if not self.read():
                raise SystemExit(f"the agency has closed where 0x{kind:02x} should follow")
        if self._data[self._start] != kind:
            raise SystemExit(f"the agency says 0x{self._data[self._start]:02x}, not 0x{kind:02x}")
        start, self._start = self._start, self._frame_end()
        payload = bytes(self._data[start + HEADER_BYTES : self._start])
        return lottery1.TO_CENTRAL.framed[kind](payload)

    def _frame_end(self) -> int:
        _, length = _FRAME.unpack_from(self._data, self._start)
        if length > PAYLOAD_LIMIT:
            raise SystemExit(f"the agency announces {length} bytes, at most {PAYLOAD_LIMIT} fit")
        return self._start + HEADER_BYTES + int(length)

    def batches(self, expected: int) -> tuple[int, int]:
        """Pass over the whole batches that stand here.

        :param expected: index of the bet that the first of them has to begin with.
        :return: index of the bet that follows them, and how many there are.
        """
        data, place, last = self._data, self._start, self._end - _BATCH.size
        count = 0
        while place <= last and data[place] == lottery1.BATCH:
            _, length, first, bets = _BATCH.unpack_from(data, place)
            if not _LEAST_BYTES <= length <= PAYLOAD_LIMIT:
                raise SystemExit(f"the agency sends a batch of {length} bytes")
            if first != expected:
                raise SystemExit(f"the agency sends bets from {first} on, not from {expected}")
            end = place + HEADER_BYTES + length
            if end > self._end:
                break
            place, expected, count = end, expected + bets, count + 1
        self._start = place
        return expected, count

    @property
    def at_other_frame(self) -> bool:
        """Whether something stands here that is no batch."""
        return self._start < self._end and self._data[self._start] != lottery1.BATCH


def serve(agency: Agency) -> Upload:
    """Take all that an agency has, up to its RECEIVED."""
    agency.hear(lottery1.HELLO)
    agency.say(Welcome(DRAW, DrawState.OPEN, False, 0, 0, PAYLOAD_LIMIT, 0))
    bets = batches = 0
    reads, started = agency.reads, 0.0
    while not agency.at_other_frame:
        if not agency.read():
            raise SystemExit(f"the agency has closed after {bets} bets, without an END")
        started = started or perf_counter()
        bets, more = agency.batches(bets)
        batches += more
        if more:
            agency.say(Ack(bets))
    end = agency.hear(lottery1.END)
    seconds = perf_counter() - started
    assert isinstance(end, End)
    if end.total != bets:
        raise SystemExit(f"the agency ends with {end.total} bets, {bets} have come")
    upload = Upload(bets, batches, agency.reads - reads, seconds)
    agency.say(Ack(bets, ended=True), Winners(DRAW, WINNING_NUMBER, 0, 0, b""))
    agency.hear(lottery1.RECEIVED)
    return upload


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="to listen on, 0 for any")
    options = parser.parse_args()
    try:
        with socket.create_server(("127.0.0.1", options.port)) as listening:
            listening.settimeout(PATIENCE_SECONDS)
            print(f"port: {listening.getsockname()[1]}", flush=True)
            connection, _ = listening.accept()
        with connection:
            print(json.dumps(serve(Agency(connection))._asdict()))
    except RemoteProtocolError as error:
        raise SystemExit(f"the agency breaks the protocol, {error}") from None
    except OSError as error:
        raise SystemExit(f"the agency cannot be served, {error}") from None


if __name__ == "__main__":
    main()
