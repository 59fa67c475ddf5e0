"""``/api/draws`` and what is below it: the draws as JSON, and their records to keep."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Coroutine
from typing import Any, BinaryIO, Final

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import INTERNAL_SERVER_ERROR, NOT_FOUND, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from lottery.errors import DamagedLedger
from lottery.ledger.face import DrawLedger
from lottery.ledger.longwork import Interrupted
from lottery.ledger.segment import NotNow
from lottery.ops.archive import Archive, LongWork
from lottery.ops.site import NothingHere, say
from lottery.ops.stalls import StallWatch

_NUMBER: Final = re.compile(rb"[1-9][0-9]{0,8}")
_STEP_BYTES: Final = 64 << 10


#: So many may wait for their turn to have something read.
MOST_WAITING: Final = 64


class TooBusy(Exception):
    """Too many wait for the same already."""


class Away(Exception):
    """The ledger cannot be looked into at present; says why."""


@frozen
class Kept:
    """A file to be kept by whoever asks: open, with its kind and the name to keep it by."""

    file: BinaryIO
    kind: str
    name: str


#: JSON to be looked at, or a file to be kept; None: it is not there.
Answer = bytes | Kept | None


class Draws(Resource):
    """``/api/draws``, ``/api/draws/N`` and what there is of a draw."""

    def __init__(
        self, archive: Archive, disk: LongWork, clock: IReactorTime, *, documents: bool
    ) -> None:
        """:param documents: whether those of winners are told.

        Records and counts are read by one request at a time: many at once would only make the
        disk's work harder, and each of them wait longer.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._archive = archive
        self._disk = disk
        self._clock = clock
        self._documents = documents
        self._reading, self._counting = DeferredLock(), DeferredLock()

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Find a draw by its number, and then what is asked of it."""
        what = request.postpath.pop(0) if request.postpath else b""
        if not path and not what:
            return self
        if request.postpath or not _NUMBER.fullmatch(path):
            return NothingHere()
        found: dict[bytes, Callable[[int], Coroutine[Any, Any, Answer]]] = {
            b"": self._draw,
            b"numbers": self._numbers,
            b"record": self._record,
        }
        if self._documents:
            found[b"winners"] = self._winners
        ask = found.get(what)
        number = int(path)
        return Asked(lambda: ask(number), self._clock) if ask else NothingHere()

    def render_GET(self, request: Request) -> int:
        """List the draws."""
        return Asked(self._draws, self._clock).render_GET(request)

    async def _draws(self) -> Answer:
        return await self._read(lambda: _as_json(self._archive.draws()))

    async def _draw(self, number: int) -> Answer:
        return await self._read(lambda: _as_json(self._archive.draw(number)))

    async def _numbers(self, number: int) -> Answer:
        def count() -> Answer:
            return _as_json(self._archive.numbers(number, lambda: self._disk.stopped))

        return await self._alone(self._counting, "numbers", count)

    async def _record(self, number: int) -> Answer:
        name = f"draw-{number:06d}.json"
        return await self._kept(number, lambda draw: draw.record_file(), "application/json", name)

    async def _winners(self, number: int) -> Answer:
        name = f"winners-{number:06d}.csv"
        kind = "text/csv; charset=utf-8"
        return await self._kept(number, lambda draw: draw.winners_file(), kind, name)

    async def _kept(
        self, number: int, opened_of: Callable[[DrawLedger], BinaryIO], kind: str, name: str
    ) -> Answer:
        def opened() -> Answer:
            draw = self._archive.ledger(number)
            return None if draw is None else Kept(opened_of(draw), kind, name)

        return await self._read(opened)

    async def _read(self, read: Callable[[], Answer]) -> Answer:
        return await self._alone(self._reading, "status", read)

    async def _alone(self, lock: DeferredLock, what: str, work: Callable[[], Answer]) -> Answer:
        """Do work when it is its turn.

        :raises TooBusy: if too many wait already; who has gone since waits, too.
        :raises Away: if the ledger cannot be looked into at present.
        :raises Interrupted: if the central is being stopped.
        """
        if len(lock.waiting) >= MOST_WAITING:
            raise TooBusy

        def once() -> Answer:
            try:
                return work()
            except NotNow as error:  # who looks may look again, and others wait for their turn
                raise Away(error.strerror) from error

        await lock.acquire()
        try:
            if self._disk.stopped:
                raise Interrupted
            return await self._disk.do(what, once)
        finally:
            lock.release()


class Asked(Resource):
    """A resource that takes a while; who has gone meanwhile is told nothing."""

    isLeaf = True

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Answer]], clock: IReactorTime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ask = ask
        self._clock = clock

    def render_GET(self, request: Request) -> int:
        """Ask, and answer with what comes of it."""
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)

        def answer(found: Answer | Failure) -> None:
            if not gone:
                _answer(request, found, self._clock)
            elif isinstance(found, Kept):
                found.file.close()

        Deferred.fromCoroutine(self._ask()).addBoth(answer)
        return NOT_DONE_YET


def _answer(request: Request, found: Answer | Failure, clock: IReactorTime) -> None:
    if isinstance(found, Failure):
        _apologize(request, found)
    elif found is None:
        say(request, NOT_FOUND, "there is nothing here")
    elif isinstance(found, Kept):
        Sending(request, found, clock).begin()
    else:
        _begin(request, "application/json", len(found))
        if request.method != b"HEAD":
            request.write(found)
        request.finish()


def _apologize(request: Request, failure: Failure) -> None:
    if failure.check(FileNotFoundError):
        say(request, NOT_FOUND, "there is nothing here yet")
    elif failure.check(TooBusy):
        request.setHeader(b"retry-after", b"10")
        say(request, SERVICE_UNAVAILABLE, "too many ask at once")
    elif failure.check(Away):
        request.setHeader(b"retry-after", b"10")
        say(request, SERVICE_UNAVAILABLE, failure.getErrorMessage())
    elif failure.check(Interrupted):
        say(request, SERVICE_UNAVAILABLE, "the central is being stopped")
    elif failure.check(DamagedLedger, OSError):
        say(request, INTERNAL_SERVER_ERROR, failure.getErrorMessage())
    else:
        request.processingFailed(failure)


@implementer(IPushProducer)
class Sending:
    """Sends a file as fast as it is read: it is never in memory as a whole."""

    def __init__(self, request: Request, kept: Kept, clock: IReactorTime) -> None:
        self._request = request
        self._stall = StallWatch(request, clock)
        self._file = kept.file
        self._paused = False
        _begin(request, kept.kind, kept.file.seek(0, os.SEEK_END))
        kept.file.seek(0)
        disposition = f'attachment; filename="{kept.name}"'
        request.setHeader(b"content-disposition", disposition.encode())
        request.notifyFinish().addBoth(self._over)

    def begin(self) -> None:
        """Send it, or only what would be said of it."""
        if self._request.method == b"HEAD":
            self._request.finish()
            return
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """Send more, as much as is taken."""
        self._paused = False
        self._stall.moves()
        while not self._paused:
            data = self._file.read(_STEP_BYTES)
            if not data:
                self._request.unregisterProducer()
                self._request.finish()
                return
            self._request.write(data)

    def pauseProducing(self) -> None:
        """Send nothing for now."""
        self._paused = True
        self._stall.stalls()

    def stopProducing(self) -> None:
        """Send nothing any more."""
        self._paused = True

    def _over(self, _: object) -> None:
        self._paused = True
        self._stall.end()
        self._file.close()


def _begin(request: Request, kind: str, length: int) -> None:
    request.setHeader(b"content-type", kind.encode())
    request.setHeader(b"content-length", b"%d" % length)


def _as_json(members: dict[str, Any] | None) -> bytes | None:
    return None if members is None else json.dumps(members, separators=(",", ":")).encode()
