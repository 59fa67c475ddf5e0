"""The writer child: checks batches, appends them to its store, flushes, acknowledges.

Group commit: it takes whatever waits in its pipe, appends it, and looks again. When nothing
more waits, or the group is large enough, it flushes once and only then answers any of it.
So the busier the central, the larger the groups, and the cost of a flush is shared by
everyone who waits. While a group is checked, the pipe fills again: for that the parent is
told at once when much was taken. (Rejected: a flush per batch, which at ten bets a batch
would be nearly all that the machine does; a timer to make groups larger, which makes the
lonely agency wait for company that does not come; and a thread that flushes while the next
group is checked, which costs more in turns at the interpreter than it wins.)

No room on the disk is no end, nor is a database that is away: the group is taken back as if it
had never come (see :mod:`lottery.writer.desk`), and what has to wait here is tried again until it
can be stored. Every other error of the store is one.

Nothing of Twisted is here and nothing slow is imported: a child is up in a blink.
"""

from __future__ import annotations

import fcntl
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from select import select
from typing import Final, NamedTuple

from lottery.errors import LotteryError
from lottery.ledger.entry import DATABASE, Entry, Refused, Store, segment_store
from lottery.ledger.segment import NoRoom, NotNow
from lottery.writer.desk import Desk
from lottery.writer.pipe import Answer, Exit, PipeReader, PipeRecord, pack, pack_done

#: What the pipe is asked to hold, and what is taken out of it at once.
PIPE_BYTES = 256 << 10
#: A group is flushed when it has so many bytes of orders, be it that more wait.
GROUP_BYTES = 512 << 10
#: What is less is not worth to be told apart that it was taken: its answers come soon.
SOON_BYTES = 64 << 10
#: What agencies are told that can send again.
NO_ROOM: Final = "no room on the disk, send again"
AWAY: Final = "the central cannot store now, send again"
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


class StorePlan(NamedTuple):
    """Where to store what of which draw; ``min_free`` bytes stay free on its disk.

    ``where`` is the segment to make, or the word for a database.
    """

    where: str
    draw: int
    number: int
    min_free: int


class Clerk:
    """Does a writer's work, from bytes of orders to bytes of answers."""

    def __init__(
        self,
        plan: StorePlan,
        today: Callable[[], date],
        seconds: Callable[[], float],
        make: Callable[[str, int, int, int], Store] = segment_store,
    ) -> None:
        """Make the store; if that cannot be done now, it is made with a later group.

        :param today: gives the day (UTC) that no birthdate may be after.
        :param seconds: a clock that never goes back.
        :raises CannotGoOn: if it cannot be made for another reason.
        """
        self._plan = plan
        self._today = today
        self._seconds = seconds
        self._make = make
        self._desk, self._reader = Desk(), PipeReader()
        self._orders: list[PipeRecord] = []
        self._answers = b""
        self._read = self._in_hand = 0
        self._unflushed = False
        self._made: Store | None = None
        self._why_not = ""
        with suppress(NotNow):
            self._store()

    @property
    def holds(self) -> bool:
        """Whether orders wait for room: then they are to be tried again now and then."""
        return self._desk.holds

    def take(self, data: bytes) -> bytes:
        """Take orders out of the pipe; give what is to be said of it at once.

        :param data: what came, cut anywhere; nothing, to try again what waits.
        """
        self._read += len(data)
        self._in_hand += len(data)
        self._orders = self._reader.feed(data)
        if len(data) < SOON_BYTES:
            return b""
        return pack(Answer.TAKEN, 0, self._read - self._desk.held_bytes)

    def store(self) -> bool:
        """Append what was taken, and what waits for room; gives whether the group is full.

        :raises CannotGoOn: then nothing that was not answered may be answered, ever.
        """
        orders, self._orders = self._orders, []
        try:
            entries, answers = self._desk.take(orders, self._today())
        except ValueError as error:
            raise CannotGoOn(Exit.ORDERS, str(error)) from error
        while entries:
            try:
                self._append(entries)
            except NotNow as error:
                answers = self._desk.no_room(self._tell(error))
            except Refused as refused:
                refusals, entries, answers = self._desk.refuse(refused.why, self._today())
                self._answers += refusals
                continue
            else:
                self._unflushed, self._why_not = True, ""
            break
        self._answers += answers
        return self._in_hand >= GROUP_BYTES

    def answer(self) -> bytes:
        """Have on disk what was appended since the last call, and give the answers to it.

        :raises CannotGoOn: then nothing that was not answered may be answered, ever.
        """
        began, took = self._seconds(), None
        try:
            if self._unflushed:
                self._store().flush()
                took = self._seconds() - began
        except (OSError, LotteryError) as error:
            # Whether the bytes are on disk is not known any more, and asking again
            # would not tell: nothing of this group may be acknowledged, ever.
            raise self._failed(Exit.DISK, "written", error) from error
        answers, self._answers = self._answers, b""
        self._in_hand, self._unflushed = 0, False
        done = self._read - self._reader.unread - self._desk.held_bytes
        return answers + pack_done(done, took)

    def end(self) -> None:
        """Close the store: the orders have ended, and what waits for room is dropped.

        One that could not be made up to now is not made any more.

        :raises CannotGoOn: if the orders ended within one, or the store cannot be closed.
        """
        if self._reader.unread:
            raise CannotGoOn(Exit.ORDERS, "the orders ended within one")
        if self._made is not None:
            try:
                self._made.close()
            except OSError as error:
                raise self._failed(Exit.DISK, "closed", error) from error

    def _append(self, entries: list[Entry]) -> None:
        try:
            self._store().append(entries)
        except (NotNow, Refused):
            raise
        except (OSError, LotteryError) as error:
            raise self._failed(Exit.DISK, "written", error) from error

    def _store(self) -> Store:
        if self._made is None:
            try:
                self._made = self._make(*self._plan)
            except NotNow:
                raise
            except (OSError, LotteryError) as error:
                raise self._failed(Exit.SEGMENT, "made", error) from error
        return self._made

    def _tell(self, error: NotNow) -> str:
        """Give what agencies are told of it; what it is about is for the operator, and once."""
        if isinstance(error, NoRoom):
            return NO_ROOM
        why_not = str(error.strerror)
        if self._why_not != why_not:
            self._why_not = why_not
            os.write(2, f"{why_not}\n".encode(errors="replace"))
        return AWAY

    def _failed(self, status: Exit, what: str, error: Exception) -> CannotGoOn:
        where = self._plan.where
        # What comes of a database says itself what it is about.
        told = "" if where == DATABASE else f"the segment {where} cannot be {what}, "
        return CannotGoOn(status, f"{told}{error}")


def serve(
    orders_fd: int,
    answers_fd: int,
    plan: StorePlan,
    today: Callable[[], date],
    seconds: Callable[[], float],
    make: Callable[[str, int, int, int], Store] = segment_store,
) -> Exit:
    """Serve one parent until its orders end.

    :param plan: where to store.
    :param today: gives the day (UTC) that no birthdate may be after.
    :param seconds: a clock that never goes back.
    :param make: makes the store of the plan.
    :returns: the exit status; why, if it is not DONE, has been written to stderr.
    """
    try:
        clerk = Clerk(plan, today, seconds, make)
        while (data := _next(orders_fd, clerk.holds)) is not None:
            _write_all(answers_fd, clerk.take(data))
            if clerk.store() or not _waits(orders_fd):
                _write_all(answers_fd, clerk.answer())
        clerk.end()
    except BrokenPipeError:
        return Exit.ORDERS  # nobody is there to be answered any more
    except CannotGoOn as reason:
        os.write(2, f"{reason.sentence}\n".encode(errors="replace"))
        return reason.status
    return Exit.DONE


def _next(orders_fd: int, impatient: bool) -> bytes | None:
    """Give orders; nothing, if none come and it is time to try again; None at their end."""
    if impatient and not select([orders_fd], [], [], RETRY_SECONDS)[0]:
        return b""
    return os.read(orders_fd, PIPE_BYTES) or None


def _waits(orders_fd: int) -> bool:
    """Whether there are orders in the pipe; that they have ended is not looked for."""
    return any(fcntl.ioctl(orders_fd, termios.FIONREAD, bytes(4)))


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
