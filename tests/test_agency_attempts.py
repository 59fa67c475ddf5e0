"""How an agency gets to a welcome, and how long it waits, on a clock that the test moves."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from agency_rig import (
    ENDED_0,
    HELLO_7,
    OPEN_DRAW,
    ROW,
    WELCOME,
    FakeEndpoint,
    ListedFile,
    error,
    frame,
    hello,
    settings_of,
    welcome,
)
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    DNSLookupError,
    TCPTimedOutError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from lottery.agency.attempts import Attempts, BackOff, Outage, left, within
from lottery.agency.client import AgencyClient
from lottery.agency.failures import NotReached, Refusal
from lottery.agency.upload import Upload
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.messages import Welcome


class Rig:
    """An attempt, and all that is around it."""

    def __init__(self, draw: int = 0) -> None:
        self.clock = Clock()
        self.endpoint = FakeEndpoint()
        self.upload = Upload("bets.csv", ListedFile())  # type: ignore[arg-type]
        self.attempts = Attempts(settings_of(Path("/nowhere")), self.endpoint, self.clock)
        self.results: list[tuple[AgencyClient, Welcome]] = []
        self.failures: list[Failure] = []
        self.try_once(draw)

    def try_once(self, draw: int) -> None:
        """Begin an attempt."""
        coroutine = self.attempts.welcomed(draw, self.upload, lambda rows: None)
        self.welcomed = Deferred.fromCoroutine(coroutine)
        self.welcomed.addCallbacks(self.results.append, self.failures.append)

    def error(self) -> BaseException:
        """What it came to."""
        (failure,) = self.failures
        assert failure.value is not None
        assert self.clock.getDelayedCalls() == []
        return failure.value


@pytest.fixture
def rig() -> Rig:
    """An attempt that has begun."""
    return Rig()


def test_fake_endpoint() -> None:
    """The central of these tests is an endpoint."""
    assert verifyObject(IStreamClientEndpoint, FakeEndpoint())


class TestBackOff:
    """How long to wait."""

    def test_doubles_up_to_a_limit(self) -> None:
        """Without chance the delays double from 0.1 s to 5 s."""
        backoff = BackOff(lambda: 0.0)
        delays = [backoff.next_delay_seconds() for _ in range(8)]

        assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])

    def test_shorter_limit(self) -> None:
        """The limit may be a lower one."""
        backoff = BackOff(lambda: 0.0, 0.25)
        delays = [backoff.next_delay_seconds() for _ in range(4)]

        assert delays == pytest.approx([0.1, 0.2, 0.25, 0.25])

    def test_chance_shortens(self) -> None:
        """By up to a half."""
        backoff = BackOff(lambda: 0.5)

        assert backoff.next_delay_seconds() == pytest.approx(0.075)

    def test_restart(self) -> None:
        """The next delay is a short one again."""
        backoff = BackOff(lambda: 0.0)
        for _ in range(10):
            backoff.next_delay_seconds()
        backoff.restart()

        assert backoff.next_delay_seconds() == pytest.approx(0.1)


class TestOutage:
    """How long to go on."""

    def test_for_ever(self) -> None:
        """0 seconds are for ever."""
        clock = Clock()
        outage = Outage(0, clock.seconds, lambda: 0.0)
        clock.advance(1e9)

        assert outage.next_delay_seconds() == pytest.approx(0.1)

    @given(st.floats(0.01, 100), st.lists(st.floats(0, 0.999), min_size=1))
    def test_time_is_used_up_and_not_exceeded(self, limit: float, chances: list[float]) -> None:
        """The last attempt is made when the time is up."""
        clock, rolls = Clock(), iter(chances * 1000)
        outage = Outage(limit, clock.seconds, lambda: next(rolls))
        while (delay := outage.next_delay_seconds()) is not None:
            assert 0 < delay <= 5
            clock.advance(delay)

        assert clock.seconds() == pytest.approx(limit)

    def test_goes_on(self) -> None:
        """A session without a win stops the time, and neither time nor delays begin anew."""
        clock = Clock()
        outage = Outage(1, clock.seconds, lambda: 0.0)
        delays: list[float] = []
        while (delay := outage.next_delay_seconds()) is not None and len(delays) < 10:
            delays.append(delay)
            clock.advance(delay)
            outage.stop()
            clock.advance(1000)
            outage.begin(anew=False)

        assert delays == pytest.approx([0.1, 0.2, 0.4, 0.3])

    def test_begins_anew(self) -> None:
        """After a session with a win both do."""
        clock = Clock()
        outage = Outage(1, clock.seconds, lambda: 0.0)
        for _ in range(20):
            for expected in (0.1, 0.2, 0.4):
                delay = outage.next_delay_seconds()
                assert delay == pytest.approx(expected)
                clock.advance(delay)
            outage.stop()
            outage.begin(anew=True)

    def test_short_limit(self) -> None:
        """An outage that goes on may be over before the next attempt."""
        clock = Clock()
        outage = Outage(1, clock.seconds, lambda: 0.0)
        clock.advance(1)
        outage.stop()
        outage.begin(anew=False)

        assert outage.next_delay_seconds() is None


class TestWithin:
    """Waiting for so long."""

    def test_in_time(self) -> None:
        """What arrives in time leaves no timer behind."""
        clock, awaited = Clock(), Deferred[int]()
        results: list[int] = []
        Deferred.fromCoroutine(within(5, awaited, clock, "was not")).addCallback(results.append)
        awaited.callback(3)

        assert results == [3]
        assert clock.getDelayedCalls() == []

    def test_late(self) -> None:
        """What is late is called off."""
        clock, awaited = Clock(), Deferred[int]()
        failures: list[Failure] = []
        waiting = Deferred.fromCoroutine(within(5, awaited, clock, "was not there"))
        waiting.addErrback(failures.append)
        clock.advance(5)

        assert isinstance(failures[0].value, NotReached)
        assert str(failures[0].value) == "was not there within 5 s"
        assert awaited.called

    def test_given_up(self) -> None:
        """Who gives up is not told of a time-out."""
        clock, awaited = Clock(), Deferred[int]()
        failures: list[Failure] = []
        waiting = Deferred.fromCoroutine(within(5, awaited, clock, "was not there"))
        waiting.addErrback(failures.append)
        waiting.cancel()

        assert isinstance(failures[0].value, CancelledError)
        assert clock.getDelayedCalls() == []


class TestLeft:
    """The central may close first."""

    @pytest.mark.parametrize("closes", [False, True])
    def test_bounded(self, closes: bool, rig: Rig) -> None:
        """It has 2 seconds for that."""
        connection = rig.endpoint.accept()
        results: list[None] = []
        waiting = Deferred.fromCoroutine(left(connection.client, rig.clock))
        waiting.addCallback(results.append)
        rig.clock.advance(1.9)
        assert results == []
        if closes:
            connection.cut()
        else:
            rig.clock.advance(0.1)

        assert results == [None]
        rig.welcomed.cancel()


class TestWelcomed:
    """An attempt."""

    def test_at_once(self, rig: Rig) -> None:
        """HELLO and WELCOME."""
        connection = rig.endpoint.accept()
        assert connection.said() == HELLO_7
        connection.say(WELCOME)

        ((client, welcome),) = rig.results
        assert client is connection.client
        assert welcome is client.welcome
        assert welcome.draw == 3
        assert rig.clock.getDelayedCalls() == []

    @pytest.mark.parametrize("draw", [5, OPEN_DRAW])
    def test_draw_is_asked_for(self, draw: int) -> None:
        """HELLO says which draw is meant."""
        rig = Rig(draw)
        connection = rig.endpoint.accept()
        assert connection.said() == hello(draw)
        connection.say(welcome(draw=5))

        assert len(rig.results) == 1

    def test_acknowledged(self, rig: Rig) -> None:
        """HELLO says what was acknowledged, also by a WELCOME."""
        rig.endpoint.accept().say(welcome(ROW * 4))
        rig.try_once(3)

        assert rig.endpoint.accept().said() == hello(3, 4)
        rig.welcomed.cancel()

    @pytest.mark.parametrize(
        ("why", "sentence"),
        [
            (
                ConnectError(111, "111: Connection refused"),
                "an error occurred while connecting, 111",
            ),
            (DNSLookupError("no results for hostname lookup: central"), "dns lookup failed"),
            (TCPTimedOutError(), "tcp connection timed out"),
            (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
            (OSError(101, "Network is unreachable"), "network is unreachable"),
        ],
    )
    def test_not_reached(self, why: Exception, sentence: str, rig: Rig) -> None:
        """Whatever the system says, in words that fit into the log."""
        rig.endpoint.refuse(why)
        error = rig.error()

        assert isinstance(error, NotReached)
        assert sentence in str(error)
        assert ":" not in str(error)

    def test_endpoint_raises(self, rig: Rig) -> None:
        """Also if it says so at once."""
        rig.welcomed.cancel()
        rig.failures.clear()
        rig.endpoint.raises = OSError(22, "Invalid argument")
        rig.try_once(0)

        assert str(rig.error()) == "[errno 22] invalid argument"

    @pytest.mark.parametrize("code", ["09", "0a", "0b", "10"])
    def test_come_back_later(self, code: str, rig: Rig) -> None:
        """A central that is full, stopping, closing a draw or without room may be asked again."""
        connection = rig.endpoint.accept()
        connection.say(frame("24", code, b"later"))
        failure = rig.error()

        assert isinstance(failure, NotReached)
        assert (failure.code, str(failure)) == (Code(int(code, 16)), "later")
        assert not connection.transport.connected

    @pytest.mark.parametrize("code", ["01", "04", "0e", "0f"])
    def test_refused(self, code: str, rig: Rig) -> None:
        """Other refusals are for good."""
        connection = rig.endpoint.accept()
        connection.say(error(code, b"not you"))

        assert isinstance(rig.error(), Refusal)
        assert not connection.transport.connected

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"SSH-2.0", Code.PROTO),
            (ENDED_0, Code.STATE),
            (frame("20", "00000003 01 00 0000000000000000 00000000 1fff 0000003c"), Code.SIZE),
        ],
    )
    def test_impossible_welcome(self, data: bytes, code: Code, rig: Rig) -> None:
        """Something that is no central, or a welcome that we cannot follow."""
        connection = rig.endpoint.accept()
        connection.say(data)
        failure = rig.error()

        assert isinstance(failure, RemoteProtocolError)
        assert failure.code is code
        assert not connection.transport.connected

    def test_other_draw(self) -> None:
        """A central that answers for another draw than the one that was asked for."""
        rig = Rig(5)
        rig.endpoint.accept().say(WELCOME)

        assert str(rig.error()) == "draw 5 was asked for, the central answers for draw 3"

    def test_cut_before_the_welcome(self, rig: Rig) -> None:
        """A central that goes away may come back."""
        rig.endpoint.accept().cut(ConnectionDone())
        error = rig.error()

        assert isinstance(error, NotReached)
        assert str(error).startswith("was cut off before the welcome, ")

    def test_no_connection_in_time(self, rig: Rig) -> None:
        """An attempt to connect takes 30 seconds at most."""
        rig.clock.advance(30)

        assert str(rig.error()) == "was not connected within 30 s"

    def test_no_welcome_in_time(self, rig: Rig) -> None:
        """So does waiting for the welcome, and a peer that does not even close is aborted."""
        connection = rig.endpoint.accept(StringTransport())
        rig.clock.advance(30)
        assert connection.transport.disconnecting
        assert not connection.transport.disconnected
        rig.clock.advance(2)
        assert connection.transport.disconnected

        assert str(rig.error()) == "was not welcomed within 30 s"

    @pytest.mark.parametrize("prepare", [lambda rig: None, lambda rig: rig.endpoint.accept()])
    def test_given_up(self, prepare: Callable[[Rig], object], rig: Rig) -> None:
        """It can be stopped while connecting and while waiting for the welcome."""
        prepare(rig)
        rig.welcomed.cancel()

        assert isinstance(rig.error(), CancelledError)
