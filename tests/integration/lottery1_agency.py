"""An agency of lottery/1, written from ``docs/protocol.md`` alone, for tests that misbehave.

As in ``classic_agency``, nothing of the package is imported here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from classic_agency import Peer, frame

HELLO, BATCH, END, RECEIVED = b"\x10", b"\x11", b"\x12", b"\x13"
WELCOME, ACK, REFUSED, WINNERS, ERROR = 0x20, 0x21, 0x22, 0x23, 0x24

CODES: Final = {
    1: "PROTO",
    2: "SIZE",
    3: "STATE",
    4: "AUTH",
    5: "SEQ",
    6: "CONFLICT",
    7: "BATCH",
    8: "FIELD",
    9: "CLOSED",
    10: "FULL",
    11: "STORAGE",
    12: "TOTALS",
    13: "TIMEOUT",
    14: "TAKEN",
    15: "LEFT_OUT",
    16: "STOPPING",
    17: "BUSY",
}


class Refusal(NamedTuple):
    """What REFUSED says."""

    code: str
    again: int
    expected: int
    row: int
    field: int
    sentence: str


class Told(NamedTuple):
    """What all frames of WINNERS say together."""

    draw: int
    winning_number: int
    total: int
    rows: list[str]


def hello(agency: int, *, version: int = 1, draw: int = 0, acknowledged: int = 0) -> bytes:
    """The frame of a HELLO."""
    return frame(HELLO, struct.pack(">BIIQ", version, agency, draw, acknowledged))


def batch(first: int, rows: Iterable[str], count: int | None = None) -> bytes:
    """The frame of a BATCH; ``count`` is announced in place of the number of rows."""
    rows = list(rows)
    body = "".join(f"{row}\n" for row in rows).encode()
    return batch_of_bytes(first, len(rows) if count is None else count, body)


def batch_of_bytes(first: int, count: int, body: bytes) -> bytes:
    """The frame of a BATCH with any bytes for its rows."""
    return frame(BATCH, struct.pack(">QH", first, count) + body)


def end(total: int, nonce: bytes = bytes(32)) -> bytes:
    """The frame of an END."""
    return frame(END, struct.pack(">Q", total) + nonce)


def received(draw: int, total: int) -> bytes:
    """The frame of a RECEIVED."""
    return frame(RECEIVED, struct.pack(">IQ", draw, total))


def frames_in(data: bytes) -> list[tuple[int, bytes]]:
    """Cut bytes into frames: type and payload of each."""
    found = []
    while data:
        kind, length = struct.unpack_from(">BH", data)
        assert len(data) >= 3 + length, f"{data!r} ends within a frame"
        found.append((kind, data[3 : 3 + length]))
        data = data[3 + length :]
    return found


def refusal_in(payload: bytes) -> Refusal:
    """Read a REFUSED."""
    code, again, expected, row, field = struct.unpack_from(">BBQHB", payload)
    return Refusal(CODES[code], again, expected, row, field, payload[13:].decode())


def error_in(payload: bytes) -> tuple[str, str]:
    """Read an ERROR: code and sentence."""
    return CODES[payload[0]], payload[1:].decode()


class Lottery1Agency(Peer):
    """An agency of lottery/1."""

    def message(self) -> tuple[int, bytes]:
        """Read one frame: type and payload."""
        kind, length = struct.unpack(">BH", self.receive(3))
        return kind, self.receive(length)

    def greet(self, agency: int) -> int:
        """Say HELLO and read the WELCOME; gives the draw."""
        self.send(hello(agency))
        kind, payload = self.message()
        assert kind == WELCOME, (kind, payload)
        (draw,) = struct.unpack_from(">I", payload)
        return int(draw)

    def acknowledged(self, next_index: int, *, ended: bool = False) -> None:
        """Read ACKs up to the one that says that all of this is on disk."""
        while True:
            kind, payload = self.message()
            assert kind == ACK, (kind, payload)
            index, flag = struct.unpack(">QB", payload)
            assert index <= next_index
            if (index, flag) == (next_index, int(ended)):
                return

    def winners(self) -> Told:
        """Read all frames of the winners."""
        rows: list[str] = []
        while True:
            kind, payload = self.message()
            assert kind == WINNERS, (kind, payload)
            draw, number, total, first = struct.unpack_from(">IHQQ", payload)
            assert first == len(rows)
            rows += payload[22:].decode().splitlines()
            if len(rows) == total:
                return Told(draw, number, total, rows)

    def refusal(self) -> Refusal:
        """Read a final REFUSED, and that nothing follows it."""
        (kind, payload), *rest = frames_in(self.rest())
        assert (kind, rest) == (REFUSED, []), (kind, payload, rest)
        return refusal_in(payload)

    def error(self) -> tuple[str, str]:
        """Read an ERROR, and that nothing follows it; gives code and sentence."""
        (kind, payload), *rest = frames_in(self.rest())
        assert (kind, rest) == (ERROR, []), (kind, payload, rest)
        return error_in(payload)
