"""``lottery.writer.disk``: long work beside the reactor, tried again when there is room."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from central_fakes import OffThread
from fakes import MemoryLog
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lottery.ledger.longwork import Interrupted
from lottery.ledger.segment import NotNow
from lottery.writer.disk import ROOM_SECONDS, DiskWork, passes

FULL = OSError(errno.ENOSPC, "No space left on device")


class Rig:
    """Disk work, its clock and its log, and how what was begun has ended."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log = MemoryLog()
        self.off_thread = OffThread()
        self.disk = DiskWork(self.off_thread, self.clock, self.log)
        self.ends: list[object] = []
        self.tries = 0

    def do(self, work: Callable[[], object]) -> None:
        """Begin some work."""

        def counted() -> object:
            self.tries += 1
            return work()

        done = Deferred.fromCoroutine(self.disk.do("seal", counted))
        done.addCallbacks(self.ends.append, self._failed)

    def _failed(self, failure: Failure) -> None:
        self.ends.append(failure.value)


def failing(*errors: Exception) -> Callable[[], str]:
    """Work that fails so often before it is done."""
    left = iter(errors)

    def work() -> str:
        error = next(left, None)
        if error is not None:
            raise error
        return "done"

    return work


def test_it_is_done_beside_the_reactor() -> None:
    """Nothing is waited for but the thread."""
    rig = Rig()
    rig.off_thread.hold = True
    rig.do(lambda: "done")
    assert rig.ends == []
    rig.off_thread.run()
    assert rig.ends == ["done"]
    assert rig.log.lines == []
    assert rig.clock.getDelayedCalls() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room(number: int) -> None:
    """It is tried again every second, and each time is told in the log."""
    rig = Rig()
    rig.do(failing(*[OSError(number, "full")] * 3))
    for tries in (1, 2, 3):
        assert (rig.tries, rig.ends) == (tries, [])
        rig.clock.advance(ROOM_SECONDS - 0.1)
        assert rig.tries == tries
        rig.clock.advance(0.1)
    assert rig.ends == ["done"]
    assert rig.log.of("room") == [
        {"level": "WARNING", "result": "in_progress", "work": "seal", "error": "full"}
    ] * 3  # fmt: skip
    assert rig.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "broken"), OSError("no number"), ValueError("a bug"), Interrupted()],
)
def test_other_errors_are_not_tried_again(error: Exception) -> None:
    """Whoever asked for the work gets them."""
    rig = Rig()
    rig.do(failing(error))
    assert rig.ends == [error]
    assert rig.tries == 1
    assert rig.log.lines == []


def test_stop_while_it_waits_for_room() -> None:
    """All that waits is left at once, as interrupted; and nothing waits afterwards."""
    rig = Rig()
    rig.do(failing(FULL, FULL))
    rig.do(failing(FULL, FULL))
    assert not rig.disk.stopped
    rig.disk.stop()
    assert rig.disk.stopped
    assert [type(each) for each in rig.ends] == [Interrupted, Interrupted]
    assert rig.clock.getDelayedCalls() == []
    rig.disk.stop()


def test_stop_while_it_works() -> None:
    """Its thread is let end; if there is no room then, it is not waited for."""
    rig = Rig()
    rig.off_thread.hold = True
    rig.do(failing(FULL))
    rig.do(lambda: "done")
    rig.disk.stop()
    assert rig.ends == []
    rig.off_thread.run()
    assert isinstance(rig.ends[0], Interrupted)
    assert rig.ends[1] == "done"
    assert rig.clock.getDelayedCalls() == []


def test_the_failure_of_a_pause_is_the_stop() -> None:
    """Others who wait for room hear of it the same way."""
    rig = Rig()
    ends: list[object] = []
    Deferred.fromCoroutine(rig.disk.pause()).addBoth(ends.append)
    rig.clock.advance(ROOM_SECONDS)
    assert ends == [None]
    for stop in (rig.disk.stop, lambda: None):
        Deferred.fromCoroutine(rig.disk.pause()).addErrback(lambda why: ends.append(why.type))
        stop()
    assert ends == [None, Interrupted, Interrupted]
    assert rig.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (FULL, True),
        (NotNow(errno.EAGAIN, "away"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EFBIG, "limit"), True),
        (OSError(errno.EIO, "broken"), False),
        (OSError("no number"), False),
    ],
)
def test_what_passes(error: OSError, lacks: bool) -> None:
    """Full disk, used up quota, file too large; nothing else gets better by waiting."""
    assert passes(error) is lacks


def test_idle() -> None:
    """When what is under way has ended, however it ends; there may be nothing."""
    rig = Rig()
    idle: list[None] = []
    Deferred.fromCoroutine(rig.disk.idle()).addCallback(idle.append)
    assert idle == [None]
    rig.off_thread.hold = True
    rig.do(lambda: "done")
    rig.do(failing(ValueError("a bug")))
    rig.do(failing(FULL))
    rig.disk.stop()
    Deferred.fromCoroutine(rig.disk.idle()).addCallback(idle.append)
    assert idle == [None]
    rig.off_thread.run()
    assert idle == [None, None]
    assert len(rig.ends) == 3
