"""A peer that never reads what is acknowledged to it, on a real connection, until that is lost."""

from __future__ import annotations

import socket
import struct
from typing import cast

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from lottery.central.answers import Acknowledgements
from lottery.central.connection import Connection, IAgencyTransport
from lottery.central.speech import CLASSIC


class Owing(Protocol):
    """Acknowledges until the peer would have to read, and then once more."""

    def __init__(self, lost: Deferred[None]) -> None:
        self._lost = lost

    def connectionMade(self) -> None:
        """Fill whatever there is between us and the peer."""
        self.connection = Connection(
            cast(IAgencyTransport, self.transport), cast(IReactorTime, reactor), 5
        )
        owed = self.owed = Acknowledgements(self.connection, CLASSIC)
        while not owed.paused:
            owed.stored(50_000, 0)
        owed.stored(1, 0)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say the rest all the same, as who parts with an agency does."""
        try:
            self.connection.lost()
            for words in self.owed.rest():
                self.connection.write(words)
        except Exception:  # noqa: BLE001
            self._lost.errback()
        else:
            self._lost.callback(None)


@pytest_twisted.ensureDeferred
async def test_lost_with_acknowledgements_unread() -> None:
    """What is owed to it is dropped, and whoever parts with it can go on."""
    lost: Deferred[None] = Deferred()
    factory = Factory()
    factory.buildProtocol = lambda address: Owing(lost)  # type: ignore[method-assign]
    listening: IListeningPort = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.connect(("127.0.0.1", listening.getHost().port))
        # The reactor has its turn before the peer resets the connection.
        turn: Deferred[None] = Deferred()
        reactor.callLater(0, turn.callback, None)  # type: ignore[attr-defined]
        await turn
    await lost
    await listening.stopListening()
