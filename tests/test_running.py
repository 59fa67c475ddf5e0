"""A command on a reactor that does what the test says."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ReactorNotRunning
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent

from lottery.command import running
from lottery.command.running import Signals, run_reactor


class ScriptedReactor(MemoryReactorClock):
    """Runs until it is stopped, or until its script is over, which is what a signal does."""

    def __init__(self, *script: Callable[[], object]) -> None:
        super().__init__()
        self.script = script
        self.stops = 0
        self.waited_for: list[Deferred[None]] = []

    def run(self) -> None:
        """Run to the end of the script."""
        for function, args, kwargs in self.whenRunningHooks:
            function(*args, **kwargs)
        for step in self.script:
            step()
        if not self.stops:
            self.stops = 1
        for function, args, kwargs in self.triggers["before"]["shutdown"]:
            self.waited_for.append(function(*args, **kwargs))
        assert all(deferred.called for deferred in self.waited_for)

    def stop(self) -> None:
        """Stop, which can be done once."""
        if self.stops:
            raise ReactorNotRunning("stopped already")
        self.stops = 1


class Calls(Signals):
    """Signals that never come, and a count of how often they are blocked."""

    def __init__(self) -> None:
        self.count = 0

    def catch(self, stop: Callable[[], None]) -> None:
        """Wait for none."""

    def block(self) -> None:
        """Count it."""
        self.count += 1


@pytest.fixture
def signals_blocked() -> Calls:
    """Stands in for what would change the signals of the test's own process."""
    return Calls()


@pytest.fixture
def real_signals() -> Iterator[None]:
    """Give the test's process its signals back."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)  # which forgets one that waits
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def test_done_at_once(signals_blocked: Calls) -> None:
    """A status that is there at once stops the reactor."""
    reactor = ScriptedReactor()

    assert run_reactor(reactor, lambda _: succeed(3), None, signals_blocked) == 3
    assert signals_blocked.count == 1


def test_done_later(signals_blocked: Calls) -> None:
    """The status is what the command says in the end; it gets the reactor to run on."""
    done: Deferred[int] = Deferred()
    given: list[object] = []

    def start(reactor: object) -> Deferred[int]:
        given.append(reactor)
        return done

    reactor = ScriptedReactor(lambda: done.callback(2))

    assert run_reactor(reactor, start, None, signals_blocked) == 2
    assert given == [reactor]


@pytest.mark.parametrize("at_once", [True, False])
def test_bug(at_once: bool, logged_failures: list[LogEvent], signals_blocked: Calls) -> None:
    """What a command does not foresee is logged; status 1."""
    done: Deferred[int] = Deferred()

    def start(_: object) -> Deferred[int]:
        if at_once:
            raise ZeroDivisionError("bug")
        return done

    reactor = ScriptedReactor(lambda: at_once or done.errback(ZeroDivisionError("bug")))

    assert run_reactor(reactor, start, None, signals_blocked) == 1
    (event,) = logged_failures
    assert event["log_failure"].check(ZeroDivisionError)
    logged_failures.clear()


def test_signal_cancels(signals_blocked: Calls) -> None:
    """A signal cancels the command; one that says nothing to that ends with status 0."""
    cancelled: list[object] = []
    done: Deferred[int] = Deferred(cancelled.append)

    assert run_reactor(ScriptedReactor(), lambda _: done, None, signals_blocked) == 0
    assert cancelled == [done]


def test_signal_is_answered(signals_blocked: Calls) -> None:
    """A command may have the last word on its status."""

    async def command() -> int:
        try:
            await Deferred[None]()
        except CancelledError:
            return 4
        return 5

    def start(_: object) -> Deferred[int]:
        return Deferred.fromCoroutine(command())

    assert run_reactor(ScriptedReactor(), start, None, signals_blocked) == 4


def test_signal_before_the_start(signals_blocked: Calls) -> None:
    """A reactor that is stopped before the command starts has nothing to wait for."""
    reactor = ScriptedReactor()
    reactor.callWhenRunning = lambda *_: None

    assert run_reactor(reactor, lambda _: succeed(3), None, signals_blocked) == 0


def test_signal_calls_stop(signals_blocked: Calls) -> None:
    """A command with a way to stop is stopped that way, and awaited."""
    stopped: Deferred[None] = succeed(None)
    done: Deferred[int] = Deferred()
    reactor = ScriptedReactor()

    assert run_reactor(reactor, lambda _: done, lambda: stopped, signals_blocked) == 0
    assert len(reactor.waited_for) == 1
    assert not done.called


def test_status_of_a_stopped_command(signals_blocked: Calls) -> None:
    """What the command says while it is being stopped is its status."""
    done: Deferred[int] = Deferred()

    def stop() -> Deferred[None]:
        done.callback(1)
        return succeed(None)

    assert run_reactor(ScriptedReactor(), lambda _: done, stop, signals_blocked) == 1


def test_stop_fails(logged_failures: list[LogEvent], signals_blocked: Calls) -> None:
    """A stop that fails is a bug, too, and does not keep the program from ending."""

    def stop() -> Deferred[None]:
        raise ZeroDivisionError("bug")

    reactor = ScriptedReactor()

    assert run_reactor(reactor, lambda _: Deferred(), stop, signals_blocked) == 1
    assert len(logged_failures) == 1
    logged_failures.clear()


@pytest.mark.usefixtures("real_signals")
def test_second_signal_changes_nothing() -> None:
    """Once the end has begun another signal changes nothing, whoever handles it then."""
    run_reactor(ScriptedReactor(), lambda _: succeed(0))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def test_the_reactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the reactor of the process that a command gets."""
    from twisted.internet import reactor

    given: list[object] = []

    def run(*arguments: object) -> int:
        given.extend(arguments)
        return 5

    monkeypatch.setattr(running, "run_reactor", run)

    assert running.run_until_done(lambda _: succeed(0)) == 5
    assert given[0] is reactor


def test_stop_belongs_to_every_end(signals_blocked: Calls) -> None:
    """A command that is done by itself is stopped, too."""
    stops: list[None] = []

    def stop() -> Deferred[None]:
        stops.append(None)
        return succeed(None)

    assert run_reactor(ScriptedReactor(), lambda _: succeed(3), stop, signals_blocked) == 3
    assert stops == [None]
