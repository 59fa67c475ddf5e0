"""Streams of events: each a page that is told what is new as long as it reads.

What a page costs is bounded. It is told the next piece when the last one has left; one that does
not read is told nothing meanwhile, and dropped after a while. Its first pieces and its later ones
are the same to us, so one that reads slowly sees fewer of the steps in between and no wrong one.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from lottery.ops.site import Folder
from lottery.ops.stalls import StallWatch
from lottery.ops.watch import Watch

#: So many pages may be told at once.
MOST_STREAMS: Final = 256
#: The kernel keeps no more for a page that does not read.
_SEND_BUFFER_BYTES: Final = 64 << 10


@implementer(IPushProducer)
class EventStream:
    """One page that is told."""

    def __init__(self, request: Request, watch: Watch, clock: IReactorTime) -> None:
        self._request = request
        self._watch = watch
        self._stall = StallWatch(request, clock)
        self._change = 0
        self._draw: int | None = None
        self._central = b""
        self._paused = False

    def begin(self) -> None:
        """Tell what there is, and from now on what is new, until the connection is gone."""
        transport: Any = self._request.transport
        with suppress(OSError, AttributeError):  # it may be no socket
            sent = transport.getHandle()
            sent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
        self._request.registerProducer(self, True)
        self._watch.pages.add(self.tell)
        self._request.notifyFinish().addBoth(self._gone)
        self._request.write(self._watch.history())
        self.tell()

    def tell(self) -> None:
        """Tell what is new, as much as the page takes."""
        if not self._paused and self._central != self._watch.central:
            self._central = self._watch.central
            self._request.write(self._central)
        if not self._paused and self._draw != self._watch.rows.draw:
            self._draw = self._watch.rows.draw
            self._request.write(self._watch.agencies_event(b""))
        while not self._paused:
            self._change, event = self._watch.agencies(self._change)
            if not event:
                return
            self._request.write(event)

    def pauseProducing(self) -> None:
        """Tell nothing: the page does not read."""
        self._paused = True
        self._stall.stalls()

    def resumeProducing(self) -> None:
        """Tell what is new: the page reads again."""
        self._paused = False
        self._stall.moves()
        self.tell()

    def stopProducing(self) -> None:
        """Tell nothing any more; that the connection is gone is heard soon."""
        self._paused = True

    def _gone(self, _: Failure | None) -> None:
        self._paused = True
        self._watch.pages.discard(self.tell)
        self._stall.end()


class Events(Folder):
    """``/events``: where a stream begins."""

    def __init__(self, watch: Watch, clock: IReactorTime) -> None:
        super().__init__()
        self._watch = watch
        self._clock = clock

    def render_GET(self, request: Request) -> bytes | int:
        """Begin a stream, unless there are too many."""
        if len(self._watch.pages) >= MOST_STREAMS:
            request.setResponseCode(SERVICE_UNAVAILABLE)
            request.setHeader(b"retry-after", b"10")
            return b"there are too many pages open\n"
        EventStream(request, self._watch, self._clock).begin()
        return NOT_DONE_YET

    def render_HEAD(self, request: Request) -> bytes:
        """Say what it would be."""
        request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
        return b""
