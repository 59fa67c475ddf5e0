"""Host names, asked for in threads that nobody waits for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from zope.interface import implementer
from zope.interface.verify import verifyObject

from lottery.agency.names import UnjoinedResolver

LIMIT_SECONDS = 10
FOUND = [
    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 5, 0, 0)),
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 5)),
    (socket.AF_UNIX, socket.SOCK_STREAM, 6, "", ("x",)),
]


class ThreadsReactor:
    """Keeps what a thread wants to be called until the test calls it."""

    def __init__(self) -> None:
        self.arrived = Event()
        self.calls: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:
        """Keep a call."""
        self.calls.append((function, args))
        self.arrived.set()

    def turn(self) -> None:
        """Wait for a thread and do what it wants."""
        assert self.arrived.wait(LIMIT_SECONDS)
        for function, args in self.calls:
            function(*args)


@implementer(IResolutionReceiver)
class Receiver:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """The question was asked."""
        assert verifyObject(IHostResolution, resolutionInProgress)
        self.told.append(resolutionInProgress.name)

    def addressResolved(self, address: object) -> None:
        """One answer."""
        self.told.append(address)

    def resolutionComplete(self) -> None:
        """No more answers."""
        self.told.append("complete")


def _resolver(
    reactor: ThreadsReactor, answer: Sequence[tuple[Any, ...]] | Exception
) -> UnjoinedResolver:
    def getaddrinfo(host: str, port: int, **_: object) -> Sequence[tuple[Any, ...]]:
        assert (host, port) == ("central", 5)
        if isinstance(answer, Exception):
            raise answer
        return answer

    resolver = UnjoinedResolver(reactor, getaddrinfo)  # type: ignore[arg-type]
    assert verifyObject(IHostnameResolver, resolver)
    return resolver


def test_addresses() -> None:
    """Those that TCP can use, in order."""
    reactor, receiver = ThreadsReactor(), Receiver()
    _resolver(reactor, FOUND).resolveHostName(receiver, "central", 5)
    assert receiver.told == ["central"]
    reactor.turn()

    addresses = [IPv6Address("TCP", "::1", 5), IPv4Address("TCP", "127.0.0.1", 5)]
    assert receiver.told == ["central", *addresses, "complete"]


def test_wanted_kinds() -> None:
    """Only what was asked for."""
    reactor, receiver = ThreadsReactor(), Receiver()
    _resolver(reactor, FOUND).resolveHostName(receiver, "central", 5, [IPv4Address])
    reactor.turn()

    assert receiver.told == ["central", IPv4Address("TCP", "127.0.0.1", 5), "complete"]


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_unknown(error: Exception) -> None:
    """A name that nobody knows has no addresses."""
    reactor, receiver = ThreadsReactor(), Receiver()
    _resolver(reactor, error).resolveHostName(receiver, "central", 5)
    reactor.turn()

    assert receiver.told == ["central", "complete"]


def test_cancelled() -> None:
    """Who has given up is told nothing."""
    reactor, receiver = ThreadsReactor(), Receiver()
    _resolver(reactor, FOUND).resolveHostName(receiver, "central", 5).cancel()
    reactor.turn()

    assert receiver.told == ["central"]
