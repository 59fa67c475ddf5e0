"""A connection as a session uses it: reading, writing, and above all leaving it well.

Leaving. A socket that is closed while bytes of the peer lie unread in it resets the
connection, and the reset overtakes what was written last: an agency that sends its
whole file before it reads would never learn why it was refused. So who leaves says
the last words, shuts its own direction, and throws away what still comes until the
peer closes or a grace is over. Then it aborts: ``loseConnection`` waits for ever on a
peer that does not read.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)


class IAgencyTransport(ITCPTransport, IConsumer, IPushProducer):
    """What is needed of a transport; Twisted's connections all have it."""


class Connection:
    """One connection to a peer.

    :ivar leaving: whether all is said; what still comes is to be thrown away.
    :ivar peer_closed: whether the peer has said that it will send no more.
    :ivar gone: whether the connection is no more.
    :ivar overdue: whether the peer was given up because it did not close in time.
    """

    def __init__(
        self, transport: IAgencyTransport, clock: IReactorTime, grace_seconds: float
    ) -> None:
        """:param grace_seconds: how long a peer may take to close after our last words."""
        self._grace_seconds = grace_seconds
        self.transport = transport
        self._clock = clock
        self._grace: IDelayedCall | None = None
        self.gone = False
        self.leaving = False
        self.peer_closed = False
        self.overdue = False
        with suppress(OSError):  # a UNIX socket has no Nagle to be switched off
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)

    @property
    def peer(self) -> dict[str, object]:
        """Who is at the other end, as details of the log."""
        # Its type says TCP only, but an endpoint may be a UNIX socket.
        address: object = self.transport.getPeer()
        if isinstance(address, IPv4Address | IPv6Address):
            return {"ip": address.host, "port": address.port}
        return {"ip": "local"}

    def write(self, words: bytes) -> None:
        """Say something."""
        self.transport.write(words)

    def write_at_once(self, words: bytes) -> None:
        """Say something, and have it sent now, as far as the peer reads.

        A transport sends what it is given in the reactor's next turn: two changes of what epoll
        looks for, and a turn, for a few bytes. Who waits for each acknowledgement before the
        next batch waits for that, too. Only a transport with a socket of its own, and still
        with it, can be told to send; what comes of that is the reactor's to deal with.
        """
        self.transport.write(words)
        if self.leaving or self.gone:
            return
        send = getattr(type(self.transport), "doWrite", None)  # TLS shows that of what it is on
        if send is not None and send(self.transport) is not None:
            cast(FileDescriptor, self.transport).startWriting()  # so that the reactor hears it, too

    def pause(self) -> None:
        """Read no more for now."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self.transport.resumeProducing()

    def leave(self, last_words: bytes = b"", grace_seconds: float | None = None) -> None:
        """Say the last words and wait, for a while, until the peer closes.

        :param grace_seconds: then the connection is aborted, whatever is still unwritten; None:
            as long as any peer has.
        """
        self.leaving = True
        if self.gone:
            return
        # As long as a producer is registered, a transport waits for what it has to say.
        self.transport.unregisterProducer()
        if last_words:
            self.transport.write(last_words)
        self.abort_within(self._grace_seconds if grace_seconds is None else grace_seconds)
        if self.peer_closed:
            self.transport.loseConnection()
            return
        # TLS has no half to shut: it says that it closes, and waits until the peer says so, too.
        # Its transport shows that half of what it is on, which is cut off with words unsaid.
        shut: Any = getattr(type(self.transport), "loseWriteConnection", None)
        if shut is None:
            self.transport.loseConnection()
        else:
            shut(self.transport)
        self.transport.resumeProducing()

    def abort_within(self, seconds: float) -> None:
        """End at that time at the latest; a time that was said before may be sooner."""
        if self.gone:
            return
        if self._grace is not None and self._grace.active():
            if self._grace.getTime() <= self._clock.seconds() + seconds:
                return
            self._grace.cancel()
        self._grace = self._clock.callLater(seconds, self._give_up)

    def abort(self) -> None:
        """End at once."""
        self.leaving = True
        self.transport.abortConnection()

    def close(self) -> None:
        """End: nobody has anything to say any more."""
        self.transport.loseConnection()

    def lost(self) -> None:
        """Note that the connection is no more: nothing can be said, or shut, any more."""
        self.gone = True
        if self._grace is not None and self._grace.active():
            self._grace.cancel()

    def _give_up(self) -> None:
        self.overdue = True
        self.abort()
