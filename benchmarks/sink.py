"""The physical limit of the classic dialect: bytes from sockets to one file, and nothing else.

    python benchmarks/sink.py AGENCIES FOLDER

It does not look at what it gets before an agency has ended; then it flushes, counts the agency's
frames to acknowledge as many batches, and tells nobody any winners. So it can serve only agencies
that do not wait for acknowledgements.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
from pathlib import Path
from typing import Final

_BUFFER_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 3
_END: Final = b",\xff"  # behind a comma; nowhere else in UTF-8 and lengths of up to 8192


class Sender:
    """An agency's connection, and which pieces of the file are its bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pieces: list[tuple[int, int]] = []
        self.last = b""

    def batches(self, file: int) -> int:
        """Count its frames."""
        data = b"".join(os.pread(file, size, at) for at, size in self.pieces)
        at = found = 0
        while at < len(data) - 1:
            at += _HEADER_BYTES + int.from_bytes(data[at + 1 : at + _HEADER_BYTES], "big")
            found += 1
        return found


def serve(agencies: int, path: Path) -> None:
    """Take in all that so many agencies send."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    selector = selectors.DefaultSelector()
    listener = socket.create_server(("127.0.0.1", 0), backlog=agencies)
    selector.register(listener, selectors.EVENT_READ)
    senders: list[Sender] = []
    left, at = agencies, 0
    while left:
        ended = []
        for key, _ in selector.select():
            if key.data is None:
                sender = Sender(listener.accept()[0])
                senders.append(sender)
                selector.register(sender.connection, selectors.EVENT_READ, sender)
                continue
            sender = key.data
            size = sender.connection.recv_into(buffer)
            if not size:
                raise SystemExit("an agency left before it had ended")
            os.write(file, buffer[:size])
            sender.pieces.append((at, size))
            at += size
            sender.last = (sender.last + bytes(buffer[max(0, size - 2) : size]))[-2:]
            if sender.last == _END:
                ended.append(sender)
        if ended:
            os.fdatasync(file)
        for sender in ended:
            selector.unregister(sender.connection)
            sender.connection.sendall(b"\x02" * sender.batches(file))
        left -= len(ended)
    for sender in senders:
        sender.connection.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]) / "sunk")
