"""``/api/draws`` and what is below it: the draws as JSON, and their records to keep."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure
from twisted.web.http import INTERNAL_SERVER_ERROR, NOT_FOUND, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from lottery.errors import DamagedLedger
from lottery.ledger.longwork import Interrupted
from lottery.ops.archive import Archive, LongWork
from lottery.ops.site import NothingHere, say

_NUMBER: Final = re.compile(rb"[1-9][0-9]{0,8}")

#: A body with its kind and the name to keep it by, empty if it is to be looked at; None: not there.
Answer = tuple[bytes, str, str]


class Draws(Resource):
    """``/api/draws``, ``/api/draws/N`` and what there is of a draw."""

    def __init__(self, archive: Archive, disk: LongWork, *, documents: bool) -> None:
        """:param documents: whether those of winners are told.

        Records and counts are read by one request at a time: many at once would only make the
        disk's work harder, and each of them wait longer.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._archive = archive
        self._disk = disk
        self._documents = documents
        self._reading, self._counting = DeferredLock(), DeferredLock()

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Find a draw by its number, and then what is asked of it."""
        what = request.postpath.pop(0) if request.postpath else b""
        if not path and not what:
            return self
        if request.postpath or not _NUMBER.fullmatch(path):
            return NothingHere()
        found: dict[bytes, Callable[[int], Coroutine[Any, Any, Answer | None]]] = {
            b"": self._draw,
            b"numbers": self._numbers,
            b"record": self._record,
        }
        if self._documents:
            found[b"winners"] = self._winners
        ask = found.get(what)
        number = int(path)
        return Asked(lambda: ask(number)) if ask is not None else NothingHere()

    def render_GET(self, request: Request) -> int:
        """List the draws."""
        return Asked(self._draws).render_GET(request)

    async def _draws(self) -> Answer:
        return _as_json(await self._read(self._archive.draws))

    async def _draw(self, number: int) -> Answer | None:
        members = await self._read(lambda: self._archive.draw(number))
        return _as_json(members) if members is not None else None

    async def _numbers(self, number: int) -> Answer | None:
        def count() -> dict[str, Any] | None:
            return self._archive.numbers(number, lambda: self._disk.stopped)

        await self._counting.acquire()
        try:
            members = await self._disk.do("numbers", count)
        finally:
            self._counting.release()
        return _as_json(members) if members is not None else None

    async def _record(self, number: int) -> Answer | None:
        directory = await self._read(lambda: self._archive.directory(number))
        if directory is None:
            return None
        body = await self._read(directory.record.read_bytes)
        return body, "application/json", f"draw-{number:06d}.json"

    async def _winners(self, number: int) -> Answer | None:
        directory = await self._read(lambda: self._archive.directory(number))
        if directory is None:
            return None
        body = await self._read(directory.winners_csv.read_bytes)
        return body, "text/csv; charset=utf-8", f"winners-{number:06d}.csv"

    async def _read(self, read: Callable[[], Any]) -> Any:
        await self._reading.acquire()
        try:
            return await self._disk.do("status", read)
        finally:
            self._reading.release()


class Asked(Resource):
    """A resource that takes a while; who has gone meanwhile is told nothing."""

    isLeaf = True

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Answer | None]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ask = ask

    def render_GET(self, request: Request) -> int:
        """Ask, and answer with what comes of it."""
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)

        def answer(found: Answer | Failure | None) -> None:
            if not gone:
                _answer(request, found)

        Deferred.fromCoroutine(self._ask()).addBoth(answer)
        return NOT_DONE_YET


def _answer(request: Request, found: Answer | Failure | None) -> None:
    if isinstance(found, Failure):
        if found.check(FileNotFoundError):
            say(request, NOT_FOUND, "there is nothing here yet")
        elif found.check(Interrupted):
            say(request, SERVICE_UNAVAILABLE, "the central is being stopped")
        elif found.check(DamagedLedger, OSError):
            say(request, INTERNAL_SERVER_ERROR, found.getErrorMessage())
        else:
            request.processingFailed(found)
    elif found is None:
        say(request, NOT_FOUND, "there is nothing here")
    else:
        body, kind, name = found
        request.setHeader(b"content-type", kind.encode())
        if name:
            request.setHeader(b"content-disposition", f'attachment; filename="{name}"'.encode())
        request.setHeader(b"content-length", b"%d" % len(body))
        if request.method != b"HEAD":
            request.write(body)
        request.finish()


def _as_json(members: dict[str, Any]) -> Answer:
    return json.dumps(members, separators=(",", ":")).encode(), "application/json", ""
