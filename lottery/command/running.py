"""Runs the reactor until a command is done; the one place of ``command`` that imports it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

STOPPED_BY_SIGNAL, FAILED = 0, 1

_logger = Logger()


class CommandReactor(
    IReactorCore,
    IReactorTime,
    IReactorFDSet,
    IReactorTCP,
    IReactorFromThreads,
    IReactorPluggableNameResolver,
):
    """What a command may ask of the reactor; all of POSIX have it."""


def run_until_done(
    start: Callable[[CommandReactor], Deferred[int]],
    stop: Callable[[], Deferred[None]] | None = None,
) -> int:
    """Run the reactor until a command is done or a signal stops it.

    :param start: called once the reactor runs and its signal handlers are installed. Its
        Deferred fires with the exit status. What it fails with is a bug, logged as such:
        exit status 1.
    :param stop: called once, when the command is done or at SIGTERM or SIGINT, whichever
        comes first. The reactor goes on until its Deferred fires. Without it the
        Deferred of ``start`` is cancelled, and awaited.
    :return: the exit status; 0 if stopped by a signal and ``start`` says nothing else.
    """
    from twisted.internet import reactor

    return run_reactor(reactor, start, stop)  # type: ignore[arg-type]


class Signals:
    """SIGTERM and SIGINT: the first one stops, and then they are blocked.

    Twisted's own handlers stop the reactor each time, and a second one while it stops
    would be an error; and while the interpreter ends, it puts back the default handlers,
    which kill.
    """

    _numbers = (signal.SIGTERM, signal.SIGINT)

    def catch(self, stop: Callable[[], None]) -> None:
        """Call ``stop`` at the first of them, between two steps of the main thread."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            self.block()
            stop()

        for number in self._numbers:
            signal.signal(number, handle)

    def block(self) -> None:
        """Let them wait for ever: what follows is the end of the process."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)


def run_reactor(
    reactor: CommandReactor,
    start: Callable[[CommandReactor], Deferred[int]],
    stop: Callable[[], Deferred[None]] | None = None,
    signals: Signals | None = None,
) -> int:
    """Do what :func:`run_until_done` does, with any reactor and any signals."""
    command = _Command(reactor, start, stop, signals or Signals())
    reactor.callWhenRunning(command.begin)
    reactor.addSystemEventTrigger("before", "shutdown", command.end)
    reactor.run()
    return command.status


class _Command:
    """A command under way.

    :ivar status: the exit status, as far as it is known.
    """

    def __init__(
        self,
        reactor: CommandReactor,
        start: Callable[[CommandReactor], Deferred[int]],
        stop: Callable[[], Deferred[None]] | None,
        signals: Signals,
    ) -> None:
        self.status = STOPPED_BY_SIGNAL
        self._reactor = reactor
        self._start = start
        self._stop = stop
        self._signals = signals
        self._running: Deferred[None] | None = None
        self._done = False

    def begin(self) -> None:
        """Start the command."""
        self._signals.catch(lambda: self._reactor.callFromThread(self._leave))
        running = maybeDeferred(self._start, self._reactor)
        self._running = running.addCallbacks(self._succeeded, self._failed)
        self._running.addCallback(self._finished)

    def _succeeded(self, status: int) -> None:
        self.status = status

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            _logger.failure("the command failed", failure)
            self.status = FAILED

    def _finished(self, _: None) -> None:
        self._done = True
        self._leave()

    def _leave(self, _: None = None) -> None:
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            pass  # a signal, or the command's end, was faster

    def end(self) -> Deferred[None]:
        """Stop the command, if it is not done; the reactor waits for the Deferred."""
        self._signals.block()
        if self._stop is not None:
            return maybeDeferred(self._stop).addErrback(self._failed)
        if self._done or self._running is None:
            return succeed(None)
        self._running.cancel()
        return self._running
