"""A proxy for one connection, which it cuts behind any byte of either direction."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from types import TracebackType
from typing import Final, Self

#: To the central, and to the agency.
TO_CENTRAL, TO_AGENCY = 0, 1
#: Ways to cut: the end of both streams, or a reset.
FIN, RST = "FIN", "RST"
_CHUNK: Final = 65536
#: How long it waits for both ends to close after a FIN.
_CLOSE_SECONDS: Final = 30.0


class CuttingProxy:
    """Listens for one connection, and carries it on to a central.

    :ivar port: where it listens.
    :ivar carried: how many bytes went in each direction.
    :ivar cut: whether it has cut the connection.
    """

    def __init__(
        self,
        central_port: int,
        direction: int = TO_CENTRAL,
        after: int | None = None,
        how: str = FIN,
    ) -> None:
        """:param after: cut behind so many bytes of that direction; None: never."""
        self.carried = [0, 0]
        self.cut = False
        self._central_port, self._direction, self._after, self._how = (
            central_port,
            direction,
            after,
            how,
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_CLOSE_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            agency, _ = self._listener.accept()
        except OSError:
            return  # nobody came
        with agency:
            try:
                central = socket.create_connection(("127.0.0.1", self._central_port))
            except OSError:
                return
            with central:
                for each in (agency, central):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._carry(agency, central)

    def _carry(self, agency: socket.socket, central: socket.socket) -> None:
        ways = {agency: (central, TO_CENTRAL), central: (agency, TO_AGENCY)}
        with selectors.DefaultSelector() as selector:
            for each in ways:
                selector.register(each, selectors.EVENT_READ)
            if self._after == 0:
                self._cut_off(agency, central)
                return
            while selector.get_map():
                for key, _ in selector.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    target, direction = ways[source]
                    try:
                        data = source.recv(self._room(direction))
                        if data:
                            target.sendall(data)
                            self.carried[direction] += len(data)
                        else:
                            selector.unregister(source)
                            target.shutdown(socket.SHUT_WR)
                    except OSError:
                        return
                    if self._room(direction) == 0:
                        self._cut_off(agency, central)
                        return

    def _room(self, direction: int) -> int:
        """How many bytes may still go."""
        if self._after is None or direction != self._direction:
            return _CHUNK
        return self._after - self.carried[direction]

    def _cut_off(self, *ends: socket.socket) -> None:
        self.cut = True
        if self._how == RST:
            for each in ends:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        for each in ends:
            try:
                each.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it is gone already
        for each in ends:
            each.settimeout(_CLOSE_SECONDS)
            try:
                while each.recv(_CHUNK):
                    pass  # what is unread when a socket is closed makes a reset of the end
            except OSError:
                pass
