"""The writers of one draw: who gets which, and how they end."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.ledger.directory import DrawDirectory
from lottery.ledger.longwork import Interrupted
from lottery.ledger.reading import TornTail
from lottery.ledger.salvage import extend, salvage
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.writer import ANSWERS_FD, LOCK_FD, ORDERS_FD
from lottery.writer.disk import DiskWork
from lottery.writer.pipe import Exit
from lottery.writer.process import Writer, WriterEnd
from lottery.writer.seat import Seat, WriterClient


class ReactorForWriters(IReactorProcess, IReactorTime):
    """What a pool needs of a reactor."""


@frozen
class WriterTerms:
    """What holds for every writer of a pool.

    :ivar limit: how many may run at once.
    :ivar timeout_seconds: one that has something in hand and says nothing for so long is killed.
    :ivar min_free_bytes: what it has to leave free on the disk.
    :ivar lock_fd: of the data directory; every writer inherits it, so that the directory
        stays locked as long as one of them lives.
    """

    limit: int
    timeout_seconds: float
    min_free_bytes: int
    lock_fd: int


class WriterPool:
    """The writers of one draw.

    A session gets a writer of its own at once while fewer than ``terms.limit`` run; beyond
    that, sessions share the least busy one. A writer that dies takes the sessions that
    it served with it and no others; the next session gets a new one.

    The segment of a writer that did not end well is salvaged before the seats at it are
    settled: nobody is welcomed to bets that are only thought to be on disk.

    :ivar draw: the number of the draw.
    """

    def __init__(
        self,
        reactor: ReactorForWriters,
        directory: DrawDirectory,
        terms: WriterTerms,
        disk: DiskWork,
        broken: Callable[[Failure], None],
        figures: Figures,
        log: ActionLog,
    ) -> None:
        """:param broken: told of a segment that is damaged, or that cannot be salvaged."""
        self.draw = directory.number
        self._reactor = reactor
        self._directory = directory
        self._terms = terms
        self._disk = disk
        self._broken = broken
        self._figures = figures
        self._log = log
        self._running: list[Writer] = []
        self._number = directory.highest_segment()
        self._ends: list[Deferred[WriterEnd]] = []
        self._closed = False

    def seat(self, client: WriterClient, agency: int, standing: Standing) -> Seat:
        """Give a session its seat.

        :raises OSError: if a writer is needed and cannot be started, or all are to end.
        """
        if self._closed:
            raise OSError(errno.ESHUTDOWN, "the writers of the draw are to end")
        usable = [writer for writer in self._running if writer.usable]
        if len(usable) < self._terms.limit:
            writer = self._start()
        else:
            writer = min(usable, key=lambda each: each.sessions)
        return writer.seat(client, agency, standing)

    @property
    def writers(self) -> tuple[Writer, ...]:
        """Those that have not ended."""
        return tuple(self._running)

    def close(self, grace_seconds: float) -> Deferred[list[WriterEnd]]:
        """Let all writers finish what they have, and end.

        :param grace_seconds: a writer that has not ended by then is killed.
        :returns: fires with how each writer of this pool ended, in order of their
            start, once the last one has been reaped and what had to be salvaged is; never
            fails.
        """
        self._closed = True
        for writer in self._running:
            writer.close()
        kill = self._reactor.callLater(grace_seconds, self._kill)
        everyone = DeferredList(self._ends)

        def ended(results: list[tuple[bool, WriterEnd]]) -> list[WriterEnd]:
            if kill.active():
                kill.cancel()
            return [end for _, end in results]

        return everyone.addCallback(cast(Any, ended))

    def _kill(self) -> None:
        for writer in self._running:
            self._log("writer", "fail", LogLevel.warn, pid=writer.pid, error="killed at the end")
            writer.kill()

    def _start(self) -> Writer:
        number = self._number + 1
        segment = self._directory.segment(number)
        timeout = self._terms.timeout_seconds
        writer = Writer(self._reactor, segment, timeout, self._figures, self._log)
        # -P: the package of this process, never one that happens to lie in the
        # directory where the central was started. env=None: the parent's; Twisted's
        # default is an empty one.
        words = (segment, self._directory.number, number, self._terms.min_free_bytes, os.getpid())
        command = (sys.executable, "-P", "-m", "lottery.writer", *map(str, words))
        fds: dict[int, int | str] = {ORDERS_FD: "w", 1: "r", 2: "r", ANSWERS_FD: "r"}
        fds[LOCK_FD] = self._terms.lock_fd
        self._reactor.spawnProcess(writer, sys.executable, command, env=None, childFDs=fds)
        self._number = number
        self._running.append(writer)
        self._log(
            "writer",
            "in_progress",
            LogLevel.debug,
            pid=writer.pid,
            draw=self._directory.number,
            segment=segment.name,
        )
        writer.gone.addCallback(self._note_end, writer)
        self._ends.append(writer.gone.addCallback(self._settle, writer, number))
        return writer

    def _note_end(self, end: WriterEnd, writer: Writer) -> WriterEnd:
        self._running.remove(writer)
        done = end.status == Exit.DONE
        self._log(
            "writer",
            "success" if done else "fail",
            LogLevel.debug if done else LogLevel.error,
            pid=end.pid,
            draw=self._directory.number,
            segment=end.segment.name,
            status=end.status,
        )
        return end

    def _settle(self, end: WriterEnd, writer: Writer, number: int) -> Deferred[WriterEnd]:
        return Deferred.fromCoroutine(self._settled(end, writer, number))

    async def _settled(self, end: WriterEnd, writer: Writer, number: int) -> WriterEnd:
        """Learn what a writer has stored without a word, if it did not end well."""
        if end.status == Exit.DONE and end.segment.exists():
            writer.settle({})
            return end
        told = {seat.agency: seat.standing for seat in writer.seats.values()}
        draw = self._directory.number

        def work() -> tuple[TornTail | None, dict[int, Standing]]:
            # Anew, whatever it looks like: if a flush has failed, looks say nothing.
            torn = salvage(end.segment, draw, number, anew=True)
            return torn, extend(end.segment, told)

        try:
            torn, standings = await self._disk.do("salvage", work)
        except Interrupted:
            return end  # the next start salvages it
        except Exception:  # noqa: BLE001 (whatever it is, the central has to hear of it)
            self._broken(Failure())
            return end
        self._log(
            "salvage",
            "success",
            LogLevel.warn,
            draw=draw,
            segment=end.segment.name,
            torn_bytes=torn.length if torn else 0,
        )
        writer.settle(standings)
        return end
