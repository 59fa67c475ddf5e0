"""Host names to addresses, in threads that nobody has to wait for.

The reactor's own threads are joined when it stops, and a name server that does not
answer would hold up a program that was told to end by half a minute.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

from attrs import define
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorFromThreads,
    IResolutionReceiver,
)
from zope.interface import implementer

#: What ``socket.getaddrinfo`` takes and gives.
GetAddrInfo = Callable[..., Sequence[tuple[Any, ...]]]

_FAMILIES = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}


@implementer(IHostResolution)
@define
class _Resolution:
    """One question.

    :ivar name: the host.
    """

    name: str
    cancelled: bool = False

    def cancel(self) -> None:
        """Take no interest in the answer any more."""
        self.cancelled = True


@implementer(IHostnameResolver)
class UnjoinedResolver:
    """Asks the system, each question in a thread that does not outlive the program."""

    def __init__(
        self, reactor: IReactorFromThreads, getaddrinfo: GetAddrInfo = socket.getaddrinfo
    ) -> None:
        self._reactor = reactor
        self._getaddrinfo = getaddrinfo

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",  # noqa: ARG002 (the interface's; only TCP is used)
    ) -> IHostResolution:
        """Tell the receiver of the TCP addresses of a host; of none if it has none."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)

        def ask() -> None:
            try:
                found = self._getaddrinfo(hostName, portNumber, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                found = ()
            self._reactor.callFromThread(tell, found)

        def tell(found: Sequence[tuple[Any, ...]]) -> None:
            if resolution.cancelled:
                return
            for family, _type, _protocol, _name, address in found:
                kind = _FAMILIES.get(family)
                if kind is not None and (addressTypes is None or kind in addressTypes):
                    resolutionReceiver.addressResolved(kind("TCP", *address))
            resolutionReceiver.resolutionComplete()

        Thread(target=ask, name=f"resolving {hostName}", daemon=True).start()
        return resolution
