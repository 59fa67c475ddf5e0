"""A TCP load balancer for tests: it carries each connection on to one of several centrals."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 65536
#: For threads to end; only a failing test ever waits so long.
_PATIENCE_SECONDS: Final = 30.0


def in_turn(ports: Sequence[int]) -> Callable[[int], Sequence[int]]:
    """Spread connections over ports, one after the other; the rest of them if one is down."""
    return lambda number: [ports[(number + each) % len(ports)] for each in range(len(ports))]


class Relay:
    """Listens at a port that stays, and knows where else a connection may go.

    :ivar port: where it listens.
    """

    def __init__(self, choose: Callable[[int], Sequence[int]]) -> None:
        """:param choose: gives the ports to try, in order, for the n-th connection from 0 up."""
        self._choose = choose
        self._numbers = itertools.count()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name="relay", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # this wakes whoever accepts
        self._thread.join(_PATIENCE_SECONDS)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)

    def cut(self) -> None:
        """Cut all connections that it carries now."""
        for each in list(self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed:
            try:
                agency, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(
                target=self._carry, args=(agency, next(self._numbers)), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _carry(self, agency: socket.socket, number: int) -> None:
        with agency:
            central = self._connect(number)
            if central is None:
                return
            with central:
                self._ends |= {agency, central}
                for each in (agency, central):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back = threading.Thread(target=_pump, args=(central, agency), daemon=True)
                back.start()
                _pump(agency, central)
                back.join()
                self._ends -= {agency, central}

    def _connect(self, number: int) -> socket.socket | None:
        for port in self._choose(number):
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", port))
        return None


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way, and the end of the stream, or a reset."""
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, target):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
