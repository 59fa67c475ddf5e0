"""The writers of one draw: who gets which, and how they end."""

from __future__ import annotations

import os
import sys
from typing import Any, cast

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.logger import LogLevel

from lottery.ledger.directory import DrawDirectory
from lottery.ops.log import ActionLog
from lottery.writer import ANSWERS_FD, ORDERS_FD
from lottery.writer.pipe import Exit
from lottery.writer.process import Writer, WriterEnd
from lottery.writer.seat import Seat, WriterClient

_CHILD_FDS: dict[int, int | str] = {ORDERS_FD: "w", 1: "r", 2: "r", ANSWERS_FD: "r"}


class ReactorForWriters(IReactorProcess, IReactorTime):
    """What a pool needs of a reactor."""


class WriterPool:
    """The writers of one draw.

    A session gets a writer of its own at once while fewer than ``limit`` run; beyond
    that, sessions share the least busy one. A writer that dies takes the sessions that
    it served with it and no others; the next session gets a new one.
    """

    def __init__(
        self,
        reactor: ReactorForWriters,
        directory: DrawDirectory,
        limit: int,
        timeout_seconds: float,
        log: ActionLog,
    ) -> None:
        self._reactor = reactor
        self._directory = directory
        self._limit = limit
        self._timeout_seconds = timeout_seconds
        self._log = log
        self._running: list[Writer] = []
        self._started = 0
        self._ends: list[Deferred[WriterEnd]] = []

    def seat(self, client: WriterClient, agency: int, next_index: int) -> Seat:
        """Give a session its seat.

        :raises OSError: if a writer is needed and cannot be started.
        """
        usable = [writer for writer in self._running if writer.usable]
        if len(usable) < self._limit:
            writer = self._start()
        else:
            writer = min(usable, key=lambda each: each.sessions)
        return writer.seat(client, agency, next_index)

    def close(self, grace_seconds: float) -> Deferred[list[WriterEnd]]:
        """Let all writers finish what they have, and end.

        :param grace_seconds: a writer that has not ended by then is killed.
        :returns: fires with how each writer of this pool ended, in order of their
            start, once the last one has been reaped; never fails.
        """
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
        segment = self._directory.segment(self._started + 1)
        writer = Writer(self._reactor, segment, self._timeout_seconds, self._log)
        # -P: the package of this process, never one that happens to lie in the
        # directory where the central was started. env=None: the parent's; Twisted's
        # default is an empty one.
        command = (sys.executable, "-P", "-m", "lottery.writer", str(segment), str(os.getpid()))
        self._reactor.spawnProcess(writer, sys.executable, command, env=None, childFDs=_CHILD_FDS)
        self._started += 1
        self._running.append(writer)
        self._log(
            "writer",
            "in_progress",
            LogLevel.debug,
            pid=writer.pid,
            draw=self._directory.number,
            segment=segment.name,
        )
        self._ends.append(writer.gone.addCallback(self._note_end, writer))
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
