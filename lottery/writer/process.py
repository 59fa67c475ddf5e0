"""The parent's handle of one writer child.

Flow control. What has been handed to a writer and not yet been taken out of the pipe by it
has a budget in bytes, in our buffer and in the pipe; what the child holds because there is
no room on the disk counts, too. (What it takes it stores at once; so this bounds memory.)
A session that wants to hand on a batch when the budget is used up stops reading from
its agency and waits in line; as room comes, the line moves, one session at a time, and
one that fills the room again goes back to the end of it. So the memory that a writer
costs is the budget and, for every session, what one read brought; and no agency can
crowd the others out. (Rejected: the pipe's own producer, which knows when the kernel
has taken bytes, but not when the child has; and pausing all sessions at once, which
needs them all to be resumed at once, when each brings another read's worth.)

What is in the child's hands comes on top. It answers when it has nothing more to take, so who
sends on and on makes groups long, and whoever waits for each acknowledgement waits as long. So
long as there is one whose batches are answered before it sends the next ones, the seats share
what may be without an answer, and it is little. Who has its share in hand waits for answers, not
in line. (Rejected: shorter groups for all, which cost a fifth of what is stored in a second.)
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from typing import cast

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.writer import ANSWERS_FD, ORDERS_FD
from lottery.writer.output import ChildOutput
from lottery.writer.pipe import (
    Answer,
    Exit,
    Order,
    PipeReader,
    PipeRecord,
    flush_of,
    pack,
    pack_open,
    refusal_of,
    stored_of,
)
from lottery.writer.seat import Seat, WriterClient

#: What a writer may have in its pipe and before it, and held.
BUDGET_BYTES = 256 << 10
#: What its seats together may have without an answer, but each of them a batch at least, while
#: one of them waits for each of its answers, and for so long after that.
SHORT_BYTES = 48 << 10
SHORT_SECONDS = 1.0
LEAST_SHARE_BYTES = 9 << 10


@frozen
class WriterEnd:
    """How a writer ended: its exit status, or the negative number of a signal."""

    pid: int
    segment: str
    status: int


class Writer(ProcessProtocol):
    """One writer child, as its parent sees it.

    :ivar pid: the child's process id, once it has been started.
    :ivar usable: whether a session may still be given a seat.
    :ivar seats: the seats that are not settled, by number.
    :ivar last_flush: how long the child's last flush took, in seconds; None before the first.
    :ivar gone: fires with the :class:`WriterEnd` once the child has been reaped and
        all that it said has been heard; never fails.
    """

    def __init__(
        self,
        clock: IReactorTime,
        segment: str,
        timeout_seconds: float,
        figures: Figures,
        log: ActionLog,
    ) -> None:
        self._clock = clock
        self._segment = segment
        self._timeout_seconds = timeout_seconds
        self._figures = figures
        self._log = log
        self._answers = PipeReader()
        self._output = ChildOutput(log)
        self.seats: dict[int, Seat] = {}
        self._line: deque[Seat] = deque()
        self._numbers = 0
        self._sent = self._taken = self._done = 0
        self._answered_at = 0.0
        self._watch: IDelayedCall | None = None
        self._short_until = 0.0
        self._closing = False
        self.usable = True
        self.pid = 0
        self.last_flush: float | None = None
        self.gone: Deferred[WriterEnd] = Deferred()

    @property
    def sessions(self) -> int:
        """How many seats are taken."""
        return len(self.seats)

    @property
    def full(self) -> bool:
        """Whether the budget is used up."""
        return self.room <= 0

    @property
    def room(self) -> int:
        """How many bytes of the budget are left; below 0, how many too many were handed on."""
        return BUDGET_BYTES - (self._sent - self._taken)

    @property
    def queue(self) -> int:
        """How many bytes of orders it has not dealt with yet."""
        return self._sent - self._done

    @property
    def now(self) -> float:
        """What the time is, in seconds since whenever."""
        return self._clock.seconds()

    @property
    def share(self) -> int:
        """How many bytes of one seat may be without an answer."""
        if self._clock.seconds() >= self._short_until:
            return sys.maxsize
        return max(LEAST_SHARE_BYTES, SHORT_BYTES // max(1, self.sessions))

    def keep_short(self) -> None:
        """Note that somebody waits for each answer: others may have little in hand meanwhile."""
        self._short_until = self._clock.seconds() + SHORT_SECONDS

    def seat(self, client: WriterClient, agency: int, standing: Standing) -> Seat:
        """Give a session a seat; the writer will take no other index than the next one."""
        self._numbers += 1
        number = self._numbers
        seat = self.seats[number] = Seat(self, number, client, agency, standing)
        self.send(pack_open(number, agency, standing))
        return seat

    def send(self, order: bytes) -> None:
        """Hand an order on; once the child is gone, or to end, it is dropped."""
        if not self.usable or self._closing:
            return
        if self._sent == self._done:
            self._answered_at = self._clock.seconds()
        self._sent += len(order)
        if self._watch is None:
            self._watch = self._clock.callLater(self._timeout_seconds, self._look)
        self._child.writeToChild(ORDERS_FD, order)

    def wait(self, seat: Seat) -> None:
        """Put a seat at the end of the line for room."""
        self._line.append(seat)

    def leave(self, seat: Seat) -> None:
        """Take nothing more from a seat; it is settled when the child has answered."""
        if seat.number in self.seats:
            self.send(pack(Order.CLOSE, seat.number))
        if seat in self._line:
            self._line.remove(seat)

    def settle(self, standings: Mapping[int, Standing]) -> None:
        """Settle the seats that are left once the child is gone and its segment was salvaged.

        :param standings: where agencies stand, by number; one that is missing here stands
            where it was told.
        """
        while self.seats:
            _, seat = self.seats.popitem()
            seat.settle(standings.get(seat.agency))

    def close(self) -> None:
        """Let the child finish what it has, and end."""
        self._closing = True
        if self.usable:
            self._child.closeChildFD(ORDERS_FD)

    def kill(self) -> None:
        """End the child at once."""
        self.usable = False
        try:
            self._child.signalProcess("KILL")
        except ProcessExitedAlready:
            pass

    # What the child does.

    @property
    def _child(self) -> IProcessTransport:
        return cast(IProcessTransport, self.transport)

    def connectionMade(self) -> None:
        """Note the pid: the transport forgets it when the child has ended."""
        self.pid = self._child.pid or 0

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Take the child's answers, and note what it prints."""
        if childFD != ANSWERS_FD:
            self._output.take(childFD, data, self.pid)
            return
        self._answered_at = self._clock.seconds()
        for answer in self._answers.feed(data):
            if answer.kind == Answer.TAKEN:
                self._taken = answer.place
            elif answer.kind == Answer.DONE:
                self._taken = self._done = answer.place
                self._note_flush(flush_of(answer))
            else:
                self._hear(answer)
        self._move_line()

    def childConnectionLost(self, childFD: int) -> None:
        """End a child that lives on without its orders or its answers: it is of no use."""
        if childFD == ANSWERS_FD or (childFD == ORDERS_FD and not self._closing):
            self.kill()

    def processEnded(self, reason: Failure) -> None:
        """Tell the sessions that are still seated, and whoever waits for the end.

        Their seats are not settled by that: what the child has stored without a word is
        known when its segment has been looked at.
        """
        self.usable = False
        end = cast(ProcessTerminated, reason.value)  # or ProcessDone, which looks the same
        status = -end.signal if end.exitCode is None else end.exitCode
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._output.end(self.pid)
        why = _explain(status)
        self._line.clear()
        try:
            for seat in list(self.seats.values()):
                seat.client.lost(why)
        finally:
            # Whatever a session makes of it: the draw waits for this.
            self.gone.callback(WriterEnd(self.pid, self._segment, status))

    def _hear(self, answer: PipeRecord) -> None:
        seat = self.seats.get(answer.session)
        if seat is None:
            return  # it is settled: nothing can come of it any more
        if answer.kind == Answer.STORED:
            crc, batches = stored_of(answer)
            bets = answer.place - seat.standing.next_index
            self._figures.stored(bets, batches, seat.waiting(self._answered_at))
            seat.stored(answer.place, crc, batches)
            return
        if answer.kind == Answer.HELD:
            seat.client.held()
            return
        if answer.kind == Answer.REFUSED:
            refusal = refusal_of(answer)
            self._figures.refused += 1
            if refusal.again:
                seat.refused(refusal)
                return
        del self.seats[answer.session]
        if answer.kind == Answer.ENDED:
            seat.ended(answer.place)
        elif answer.kind == Answer.REFUSED:
            seat.refused(refusal)
        # Last: whoever waits for this must find the session told.
        seat.settle()

    def _note_flush(self, seconds: float | None) -> None:
        if seconds is not None:
            self.last_flush = seconds
            self._figures.flushed.took(seconds)

    def _move_line(self) -> None:
        while self._line and not self.full:
            self._line.popleft().client.resume()

    def _look(self) -> None:
        """Kill a child that has had something in hand for too long without a word."""
        self._watch = None
        if self._sent == self._done:
            return
        left = self._answered_at + self._timeout_seconds - self._clock.seconds()
        if left > 0:
            self._watch = self._clock.callLater(left, self._look)
            return
        self._log(
            "writer",
            "fail",
            LogLevel.warn,
            pid=self.pid,
            error=f"no answer for {self._timeout_seconds:g} s, killed",
        )
        self.kill()


def _explain(status: int) -> str:
    if status < 0:
        return f"its writer was ended by signal {-status}"
    name = Exit(status).name.lower() if status in Exit.__members__.values() else "unknown"
    name = "disk or database" if name == "disk" else name
    return f"its writer ended with status {status} ({name})"
