"""An agency of the classic dialect, written from the table of its bytes alone.

Nothing of the package is imported here: what these classes say and understand is what agencies
in the field say and understand. All of it is blocking sockets with a time limit on every step.

==========  =====================  ==============================================
agency      ``01``, u16, payload   a batch: every field followed by a comma
agency      ``FF``                 all bets are sent
central     ``02``                 a batch is stored
central     ``FF``                 refused; the session ends
central     ``03``, u16, payload   the documents of the winners, joined by commas
==========  =====================  ==============================================
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, Self

BATCH: Final = b"\x01"
STORED: Final = b"\x02"
WINNERS: Final = b"\x03"
END: Final = b"\xff"
REFUSED: Final = b"\xff"

LONGEST_PAYLOAD: Final = 8192
#: For one step of the other end; only a failing test ever waits so long.
PATIENCE_SECONDS: Final = 60.0


class Closed(AssertionError):
    """The other end closed the connection where something was still to come."""


def frame(kind: bytes, payload: bytes) -> bytes:
    """The bytes of a frame with a payload."""
    return kind + struct.pack(">H", len(payload)) + payload


def payload_of(rows: Iterable[str]) -> bytes:
    """What a batch with these rows has behind its header."""
    return "".join(f"{row}," for row in rows).encode()


def batch_of(rows: Iterable[str]) -> bytes:
    """The frame of a batch with these rows."""
    return frame(BATCH, payload_of(rows))


def batches_of(rows: Sequence[str], size: int) -> list[bytes]:
    """The frames of all rows: at most ``size`` in each, fewer where they would not fit."""
    frames: list[bytes] = []
    part: list[str] = []
    length = 0
    for row in rows:
        more = len(row.encode()) + 1
        if part and (len(part) == size or length + more > LONGEST_PAYLOAD):
            frames.append(batch_of(part))
            part, length = [], 0
        part.append(row)
        length += more
    return [*frames, batch_of(part)] if part else frames


class Peer:
    """A connection to a central, and all that one can do to it.

    :ivar address: this end's host and port, as the central's log names it.
    """

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        """:param receive_buffer: bytes that may wait unread at this end; the system's if None."""
        self._socket = socket.socket()
        try:
            if receive_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.settimeout(PATIENCE_SECONDS)
            self._socket.connect(("127.0.0.1", port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self._socket.close()
            raise
        self.address: tuple[str, int] = self._socket.getsockname()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, however long that takes the other end."""
        self._socket.sendall(data)

    def receive(self, length: int) -> bytes:
        """Read exactly so many bytes."""
        data = b""
        while len(data) < length:
            more = self._socket.recv(length - len(data))
            if not more:
                raise Closed(f"closed after {data!r}, where {length} bytes were due")
            data += more
        return data

    def rest(self) -> bytes:
        """Read until the other end closes; a reset counts as closing."""
        data = b""
        while True:
            try:
                more = self._socket.recv(65536)
            except ConnectionError:
                return data
            if not more:
                return data
            data += more

    def finish_sending(self) -> None:
        """Close this direction: the other end sees the end of the stream (FIN)."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Tear the connection down with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close; doing it twice is harmless."""
        self._socket.close()


class ClassicAgency(Peer):
    """An agency of the classic dialect.

    :ivar stored: how many batches were acknowledged so far.
    """

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        super().__init__(port, receive_buffer=receive_buffer)
        self.stored = 0

    # What it says.

    def batch(self, rows: Iterable[str]) -> None:
        """Send a batch, without waiting for its acknowledgement."""
        self.send(batch_of(rows))

    def end(self) -> None:
        """Say that all bets are sent."""
        self.send(END)

    def header(self, length: int) -> None:
        """Announce a batch of so many bytes, and send nothing of them."""
        self.send(BATCH + struct.pack(">H", length))

    def part_of_batch(self, rows: Iterable[str]) -> None:
        """Send a batch but for its last bytes."""
        self.send(batch_of(rows)[:-7])

    # What it is told.

    def acknowledged(self, count: int = 1) -> None:
        """Read the acknowledgements of so many batches, and fail on anything else."""
        for _ in range(count):
            answer = self.receive(1)
            assert answer == STORED, f"{answer!r} after {self.stored} acknowledgements"
            self.stored += 1

    def refused(self) -> None:
        """Read the refusal, and that nothing follows it."""
        answer = self.rest()
        assert answer == REFUSED, f"{answer!r} instead of a refusal"

    def winners(self) -> list[str]:
        """Read the winners' documents, in order; then it is for the agency to close."""
        kind = self.receive(1)
        assert kind == WINNERS, f"{kind!r} where the winners were due"
        (length,) = struct.unpack(">H", self.receive(2))
        text = self.receive(length).decode()
        return text.split(",") if text else []

    # A whole upload.

    def upload(self, frames: Sequence[bytes], window: int | None) -> None:
        """Send frames of batches and collect their acknowledgements.

        :param window: how many may be unacknowledged; None: all are sent before anything is read.
        """
        if window is None:
            self.send(b"".join(frames))
            self.acknowledged(len(frames))
            return
        waiting = 0
        for each in frames:
            if waiting == window:
                self.acknowledged()
                waiting -= 1
            self.send(each)
            waiting += 1
        self.acknowledged(waiting)

    def whole_day(self, frames: Sequence[bytes], window: int | None) -> list[str]:
        """Send frames of batches and the end, and give the winners.

        Without a window the end, too, is sent before anything is read.
        """
        if window is None:
            self.send(b"".join(frames) + END)
            self.acknowledged(len(frames))
        else:
            self.upload(frames, window)
            self.end()
        found = self.winners()
        self.close()
        return found
