"""The writer child: checks batches, appends them to its segment, flushes, acknowledges.

Group commit: it takes whatever waits in its pipe, stores all of it with one write and
one flush, and only then answers any of it. While it flushes, the pipe fills again, so
the busier the central, the larger the groups, and the cost of a flush is shared by
everyone who waits. (Rejected: a flush per batch, which at ten bets a batch would be
nearly all that the machine does; and a timer to make groups larger, which makes the
lonely agency wait for company that does not come.)

No room on the disk is no end: the group is taken back as if it had never come (see
:mod:`lottery.writer.desk`), and what has to wait here is tried again until there is room.
Every other error of the disk is one.

Nothing of Twisted is here and nothing slow is imported: a child is up in a blink.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from select import select
from typing import NamedTuple

from lottery.ledger.segment import NoRoom, Segment
from lottery.writer.desk import Desk
from lottery.writer.pipe import Answer, Exit, PipeReader, pack

#: One group at most, beside what is held; also what the pipe is asked to hold.
GROUP_BYTES = 256 << 10
#: How often orders that wait for room on the disk are tried again.
RETRY_SECONDS = 0.5


class CannotGoOn(Exception):
    """The writer has to end.

    :ivar status: its exit status.
    :ivar sentence: why.
    """

    def __init__(self, status: Exit, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence


class SegmentPlan(NamedTuple):
    """Which segment to make, of which draw; ``min_free`` bytes stay free on its disk."""

    path: str
    draw: int
    number: int
    min_free: int


class Clerk:
    """Does a writer's work, from bytes of orders to bytes of answers."""

    def __init__(
        self,
        plan: SegmentPlan,
        today: Callable[[], date],
        make: Callable[[str, int, int, int], Segment] = Segment,
    ) -> None:
        """Make the segment; if there is no room for it, it is made with a later group.

        :param today: gives the day (UTC) that no birthdate may be after.
        :raises CannotGoOn: if it cannot be made for another reason.
        """
        self._plan = plan
        self._today = today
        self._make = make
        self._desk, self._reader, self._read = Desk(), PipeReader(), 0
        self._made: Segment | None = None
        with suppress(NoRoom):
            self._segment()

    @property
    def holds(self) -> bool:
        """Whether orders wait for room: then :meth:`work` is to be called now and then."""
        return self._desk.holds

    def work(self, data: bytes) -> bytes:
        """Take one group of orders, and those that wait for room; give the answers.

        :param data: what came, cut anywhere; nothing, to try again what waits.
        :raises CannotGoOn: then nothing of this group may be answered, ever.
        """
        self._read += len(data)
        flushed = self._made.flushed if self._made else 0
        try:
            records, answers = self._desk.take(self._reader.feed(data), flushed, self._today())
        except ValueError as error:
            raise CannotGoOn(Exit.ORDERS, str(error)) from error
        if records and not self._store(records):
            answers = self._desk.no_room()
        taken = self._read - self._reader.unread - self._desk.held_bytes
        return answers + pack(Answer.TAKEN, 0, taken)

    def end(self) -> None:
        """Close the segment: the orders have ended, and what waits for room is dropped.

        A segment that there never was room for is not made any more.

        :raises CannotGoOn: if the orders ended within one, or the segment cannot be closed.
        """
        if self._reader.unread:
            raise CannotGoOn(Exit.ORDERS, "the orders ended within one")
        if self._made is not None:
            try:
                self._made.close()
            except OSError as error:
                raise self._failed(Exit.DISK, "closed", error) from error

    def _store(self, records: bytes) -> bool:
        """Have records on disk; gives whether there was room for them."""
        try:
            segment = self._segment()
            segment.append(records)
        except NoRoom:
            return False
        except OSError as error:
            raise self._failed(Exit.DISK, "written", error) from error
        try:
            segment.flush()
        except OSError as error:
            # Whether the bytes are on disk is not known any more, and asking again
            # would not tell: nothing of this group may be acknowledged, ever.
            raise self._failed(Exit.DISK, "written", error) from error
        return True

    def _segment(self) -> Segment:
        if self._made is None:
            try:
                self._made = self._make(*self._plan)
            except NoRoom:
                raise
            except OSError as error:
                raise self._failed(Exit.SEGMENT, "made", error) from error
        return self._made

    def _failed(self, status: Exit, what: str, error: OSError) -> CannotGoOn:
        return CannotGoOn(status, f"the segment {self._plan.path} cannot be {what}, {error}")


def serve(orders_fd: int, answers_fd: int, plan: SegmentPlan, today: Callable[[], date]) -> Exit:
    """Serve one parent until its orders end.

    :param plan: the segment to make.
    :param today: gives the day (UTC) that no birthdate may be after.
    :returns: the exit status; why, if it is not DONE, has been written to stderr.
    """
    try:
        clerk = Clerk(plan, today)
        while (data := _next(orders_fd, clerk.holds)) is not None:
            try:
                _write_all(answers_fd, clerk.work(data))
            except BrokenPipeError:
                return Exit.ORDERS  # nobody is there to be answered any more
        clerk.end()
    except CannotGoOn as reason:
        os.write(2, f"{reason.sentence}\n".encode(errors="replace"))
        return reason.status
    return Exit.DONE


def _next(orders_fd: int, impatient: bool) -> bytes | None:
    """Give orders; nothing, if none come and it is time to try again; None at their end."""
    if impatient and not select([orders_fd], [], [], RETRY_SECONDS)[0]:
        return b""
    return os.read(orders_fd, GROUP_BYTES) or None


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
