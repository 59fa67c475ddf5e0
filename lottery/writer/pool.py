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

from lottery.ledger.face import DrawLedger, WriterPlan
from lottery.ledger.longwork import Interrupted
from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.writer import ANSWERS_FD, ORDERS_FD
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
    """

    limit: int
    timeout_seconds: float


class WriterPool:
    """The writers of one draw.

    A session gets a writer of its own at once while fewer than ``terms.limit`` run; beyond
    that, sessions share the least busy one. A writer that dies takes the sessions that
    it served with it and no others; the next session gets a new one.

    Of a writer that did not end well, the ledger says what it has stored before the seats at it
    are settled: nobody is welcomed to bets that are only thought to be on disk.

    :ivar draw: the number of the draw.
    """

    def __init__(
        self,
        reactor: ReactorForWriters,
        ledger: DrawLedger,
        terms: WriterTerms,
        disk: DiskWork,
        broken: Callable[[Failure], None],
        figures: Figures,
        log: ActionLog,
    ) -> None:
        """:param broken: told if the ledger is damaged, or cannot say what is stored."""
        self.draw = ledger.number
        self._reactor = reactor
        self._ledger = ledger
        self._terms = terms
        self._disk = disk
        self._broken = broken
        self._figures = figures
        self._log = log
        self._running: list[Writer] = []
        self._number = ledger.writers()
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
        plan = self._ledger.plan_writer(number)
        writer = Writer(
            self._reactor, plan.name, self._terms.timeout_seconds, self._figures, self._log
        )
        # -P: the package of this process, never one that happens to lie in the
        # directory where the central was started. An empty environment, which is Twisted's
        # default, would not do.
        words = map(str, (*plan.words, os.getpid()))
        command = (sys.executable, "-P", "-m", "lottery.writer", *words)
        environment = {**os.environ, **plan.environment} if plan.environment else None
        fds: dict[int, int | str] = {ORDERS_FD: "w", 1: "r", 2: "r", ANSWERS_FD: "r"}
        fds |= plan.inherits
        self._reactor.spawnProcess(writer, sys.executable, command, env=environment, childFDs=fds)
        self._number = number
        self._running.append(writer)
        self._log(
            "writer",
            "in_progress",
            LogLevel.debug,
            pid=writer.pid,
            draw=self.draw,
            segment=plan.name,
        )
        writer.gone.addCallback(self._note_end, writer)
        self._ends.append(writer.gone.addCallback(self._settle, writer, plan))
        return writer

    def _note_end(self, end: WriterEnd, writer: Writer) -> WriterEnd:
        self._running.remove(writer)
        done = end.status == Exit.DONE
        self._log(
            "writer",
            "success" if done else "fail",
            LogLevel.debug if done else LogLevel.error,
            pid=end.pid,
            draw=self.draw,
            segment=end.segment,
            status=end.status,
        )
        return end

    def _settle(self, end: WriterEnd, writer: Writer, plan: WriterPlan) -> Deferred[WriterEnd]:
        return Deferred.fromCoroutine(self._settled(end, writer, plan))

    async def _settled(self, end: WriterEnd, writer: Writer, plan: WriterPlan) -> WriterEnd:
        """Learn what a writer has stored without a word, if it did not end well."""
        if self._ledger.is_settled(plan, well=end.status == Exit.DONE):
            writer.settle({})
            return end
        told = {seat.agency: seat.standing for seat in writer.seats.values()}
        try:
            torn, standings = await self._disk.do(
                "salvage", lambda: self._ledger.settle(plan, told)
            )
        except Interrupted:
            return end  # the next start salvages it
        except Exception:  # noqa: BLE001 (whatever it is, the central has to hear of it)
            self._broken(Failure())
            return end
        self._log(
            "salvage",
            "success",
            LogLevel.warn,
            draw=self.draw,
            segment=plan.name,
            torn_bytes=torn.length if torn else 0,
        )
        writer.settle(standings)
        return end
