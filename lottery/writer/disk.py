"""Work on the disk that takes long: in a thread, and tried again when there is room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import LogLevel

from lottery.ledger.longwork import Interrupted
from lottery.ledger.segment import NO_ROOM, Held, NoRoom, NotNow
from lottery.ops.log import ActionLog

#: How long to wait for room before it is tried again.
ROOM_SECONDS = 1.0
#: How often it is told that the database is away.
TELL_SECONDS = 10.0

T = TypeVar("T")


class OffThread(Interface):
    """Runs a function in another thread."""

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        """Fires with the function's result, or fails as it does."""


def always() -> bool:
    """Say yes: whatever happens meanwhile, it is to be done."""
    return True


class DiskWork:
    """Runs work off the reactor's thread; a full disk, or a database that is away, makes it wait.

    The work has to leave nothing behind when it fails for lack of room.

    :ivar away: why the database cannot be used at present; empty if it can, or there is none.
    """

    def __init__(self, off_thread: OffThread, clock: IReactorTime, log: ActionLog) -> None:
        self._off_thread = off_thread
        self._clock = clock
        self._log = log
        self._stopped = False
        self.away = ""
        self._told: float | None = None
        self._waiting: set[Deferred[None]] = set()
        self._working: set[Deferred[None]] = set()

    @property
    def stopped(self) -> bool:
        """Whether work is to be left; long work asks now and then, from its thread."""
        return self._stopped

    def stop(self) -> None:
        """Wait for room no more, and leave what is under way."""
        self._stopped = True
        for waiting in list(self._waiting):
            waiting.cancel()

    async def idle(self) -> None:
        """Wait until no thread is at work any more; what begins meanwhile is not waited for."""
        await DeferredList(list(self._working))

    async def do(self, what: str, work: Callable[[], T], wanted: Callable[[], bool] = always) -> T:
        """Give what the work gives, as soon as there is room for it.

        :param what: what it is, for the log.
        :param wanted: whether it is worth another try.
        :raises Interrupted: if it was left because of :meth:`stop`, or is not wanted any more.
        :raises Exception: what else the work raises.
        """
        while True:
            working: Deferred[None] = Deferred()
            self._working.add(working)
            try:
                done = await self._off_thread(work)
                self.away = ""
                return done
            except OSError as error:
                self._note(what, error)
            finally:
                self._working.discard(working)
                working.callback(None)
            await self.pause()
            if not wanted():
                raise Interrupted

    async def do_here(self, what: str, work: Callable[[], T]) -> T:
        """Do the same in this thread: what is over in the time of a flush."""
        while True:
            try:
                return work()
            except OSError as error:
                self._note(what, error)
            await self.pause()

    def _note(self, what: str, error: OSError) -> None:
        """Say that something has to wait.

        :raises OSError: the same, if waiting does not help.
        """
        if not passes(error):
            raise error
        if isinstance(error, NoRoom) or not isinstance(error, NotNow):
            self._log("room", "in_progress", LogLevel.warn, work=what, error=error.strerror)
            return
        if not isinstance(error, Held):
            self.away = error.strerror or "the database is away"
        # A database that is away keeps everybody waiting: one line is enough for all of them.
        now = self._clock.seconds()
        if self._told is None or now - self._told >= TELL_SECONDS:
            self._told = now
            self._log("database", "in_progress", LogLevel.warn, work=what, error=error.strerror)

    async def pause(self, seconds: float = ROOM_SECONDS) -> None:
        """Wait until it is worth a try again.

        :raises Interrupted: if :meth:`stop` was called before.
        """
        if self._stopped:
            raise Interrupted
        waiting: Deferred[None] = deferLater(self._clock, seconds)
        self._waiting.add(waiting)
        try:
            await waiting
        except CancelledError:
            raise Interrupted from None
        finally:
            self._waiting.discard(waiting)


def passes(error: OSError) -> bool:
    """Whether the same might succeed later: when there is room, or the database is back."""
    return isinstance(error, NotNow) or error.errno in NO_ROOM
