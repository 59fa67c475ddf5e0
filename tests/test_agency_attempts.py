"""How an agency gets to its welcome, on a clock that the test moves."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from agency_rig import HELLO_7, WELCOME, FakeEndpoint, NotedLog, frame
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

from lottery.agency.attempts import Attempts, BackOff, within
from lottery.agency.client import AgencyClient
from lottery.agency.failures import NotReached, Refusal
from lottery.errors import RemoteProtocolError
from lottery.settings import AgencySettings

SERVER = "client_id: 7 | server_host: central | server_port: 12345"


def settings_of(directory: Path, **changes: object) -> AgencySettings:
    """Settings of agency 7."""
    values: dict[str, object] = {
        "agency": 7,
        "input": directory / "bets.csv",
        "output": directory / "winners.csv",
        "host": "central",
        "port": 12345,
        "batch_size": 2,
        "window": 2,
        "retry_for": 10.0,
        "skip_bad": False,
        "log_level": "INFO",
    }
    return AgencySettings(**{**values, **changes})  # type: ignore[arg-type]


class Rig:
    """Attempts, and all that is around them."""

    def __init__(self, retry_for: float = 10.0) -> None:
        self.clock = Clock()
        self.endpoint = FakeEndpoint()
        self.log = NotedLog()
        settings = settings_of(Path("/nowhere"), retry_for=retry_for)
        attempts = Attempts(settings, self.endpoint, self.clock, self.log.log, lambda: 0.0)
        self.results: list[AgencyClient] = []
        self.failures: list[Failure] = []
        self.welcomed = Deferred.fromCoroutine(attempts.welcomed(lambda rows: None))
        self.welcomed.addCallbacks(self.results.append, self.failures.append)

    def error(self) -> BaseException:
        """What it came to."""
        (failure,) = self.failures
        assert failure.value is not None
        assert self.clock.getDelayedCalls() == []
        return failure.value


@pytest.fixture
def rig() -> Rig:
    """Attempts for 10 seconds."""
    return Rig()


def test_fake_endpoint() -> None:
    """The central of these tests is an endpoint."""
    assert verifyObject(IStreamClientEndpoint, FakeEndpoint())


class TestBackOff:
    """How long to wait."""

    def test_doubles_up_to_a_limit(self) -> None:
        """Without chance the delays double from 0.1 s to 5 s, for ever."""
        backoff = BackOff(0, lambda: 0.0, lambda: 0.0)
        delays = [backoff.next_delay_seconds() for _ in range(8)]

        assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])

    def test_chance_shortens(self) -> None:
        """By up to a half."""
        backoff = BackOff(0, lambda: 0.0, lambda: 0.5)

        assert backoff.next_delay_seconds() == pytest.approx(0.075)

    @given(st.floats(0.01, 100), st.lists(st.floats(0, 0.999), min_size=1))
    def test_time_is_used_up_and_not_exceeded(self, limit: float, chances: list[float]) -> None:
        """The last attempt is made when the time is up."""
        clock, rolls = Clock(), iter(chances * 1000)
        backoff = BackOff(limit, clock.seconds, lambda: next(rolls))
        while (delay := backoff.next_delay_seconds()) is not None:
            assert 0 < delay <= 5
            clock.advance(delay)

        assert clock.seconds() == pytest.approx(limit)


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


class TestWelcomed:
    """Attempts."""

    def test_at_once(self, rig: Rig) -> None:
        """HELLO, WELCOME, and one line."""
        connection = rig.endpoint.accept()
        assert connection.said() == HELLO_7
        connection.say(WELCOME)

        assert rig.results == [connection.client]
        assert rig.log.lines == [f"action: connect | result: success | {SERVER} | draw: 3"]
        assert rig.clock.getDelayedCalls() == []

    def test_central_comes_late(self, rig: Rig) -> None:
        """Attempts that are repeated are in progress, none of them a failure."""
        rig.endpoint.refuse(ConnectError(111, "111: Connection refused"))
        assert not rig.endpoint.attempts
        rig.clock.advance(0.1)
        rig.endpoint.refuse(DNSLookupError("no results for hostname lookup: central"))
        rig.clock.advance(0.2)
        rig.endpoint.accept().say(WELCOME)

        first, second, success = rig.log.told("connect")
        assert first.startswith(
            f"result: in_progress | {SERVER} | error: an error occurred while connecting, 111"
        )
        assert "\\x3a" not in first
        assert "dns lookup failed" in second
        assert success.startswith("result: success")

    def test_time_is_up(self, rig: Rig) -> None:
        """The last failure ends it, and is left to the caller to tell."""
        count = 0
        while rig.endpoint.attempts:
            rig.endpoint.refuse(TCPTimedOutError())
            count += 1
            if calls := rig.clock.getDelayedCalls():
                rig.clock.advance(calls[0].getTime() - rig.clock.seconds())

        assert rig.clock.seconds() == pytest.approx(10)
        assert isinstance(rig.error(), NotReached)
        assert len(rig.log.lines) == count - 1 == 7

    def test_for_ever(self) -> None:
        """0 seconds are for ever."""
        rig = Rig(retry_for=0)
        for _ in range(100):
            rig.endpoint.refuse(TCPTimedOutError())
            rig.clock.advance(5)

        assert rig.failures == []
        rig.welcomed.cancel()
        assert isinstance(rig.error(), CancelledError)

    def test_no_such_interface(self, rig: Rig) -> None:
        """An address that the system does not take is not reached, whoever says so, and when."""
        rig.endpoint.refuse(socket.gaierror(-2, "Name or service not known"))
        rig.clock.advance(0.1)
        rig.endpoint.raises = OSError(22, "Invalid argument")
        rig.endpoint.refuse(OSError(101, "Network is unreachable"))
        rig.clock.advance(0.2)

        lines = rig.log.told("connect")
        assert all("result: in_progress" in line for line in lines)
        reasons = ["name or service not known", "network is unreachable", "invalid argument"]
        assert [line.rpartition("] ")[2] for line in lines] == reasons
        rig.welcomed.cancel()

    @pytest.mark.parametrize("code", ["0a", "10", "09"])
    def test_come_back_later(self, code: str, rig: Rig) -> None:
        """A central that is full, stopping or closing a draw is asked again."""
        connection = rig.endpoint.accept()
        connection.say(frame("24", code, b"later"))
        assert not connection.transport.connected
        rig.clock.advance(0.1)
        rig.endpoint.accept().say(WELCOME)

        assert rig.log.told("connect")[0].endswith("error: later")
        assert len(rig.results) == 1

    @pytest.mark.parametrize("code", ["01", "04", "0e", "0f"])
    def test_refused(self, code: str, rig: Rig) -> None:
        """Other refusals are for good."""
        connection = rig.endpoint.accept()
        connection.say(frame("24", code, b"not you"))

        assert isinstance(rig.error(), Refusal)
        assert not connection.transport.connected

    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (b"SSH-2.0", RemoteProtocolError),
            (frame("20", "00000003 01 00 0000000000000005 00000000 2000 0000003c"), Refusal),
            (frame("20", "00000003 01 01 0000000000000000 00000000 2000 0000003c"), Refusal),
            (
                frame("20", "00000003 01 00 0000000000000000 00000000 1fff 0000003c"),
                RemoteProtocolError,
            ),
        ],
    )
    def test_impossible_welcome(self, data: bytes, kind: type, rig: Rig) -> None:
        """Something that is no central, or a welcome that we cannot follow."""
        connection = rig.endpoint.accept()
        connection.say(data)

        assert isinstance(rig.error(), kind)
        assert not connection.transport.connected

    def test_cut_before_the_welcome(self, rig: Rig) -> None:
        """A central that goes away may come back."""
        rig.endpoint.accept().cut(ConnectionDone())
        assert "cut off before the welcome" in rig.log.lines[0]
        rig.clock.advance(0.1)
        assert rig.endpoint.attempts
        rig.welcomed.cancel()

        assert isinstance(rig.error(), CancelledError)

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
