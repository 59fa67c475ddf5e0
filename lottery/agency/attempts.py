"""From nothing to a WELCOME, and how long to wait when that was in vain."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory

from lottery.agency.client import AgencyClient
from lottery.agency.failures import ComeBack, ConnectionCut, NotReached, sentence_of
from lottery.agency.upload import Upload
from lottery.errors import Code, LotteryError, RemoteProtocolError
from lottery.settings import AgencySettings
from lottery.wire.frames import PAYLOAD_LIMIT
from lottery.wire.messages import OPEN_DRAW, Welcome

T = TypeVar("T")

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
#: Less time than this is none: clocks round.
LEAST_SECONDS = 0.001
#: For all of an attempt, from the name of the host to the connection.
CONNECT_TIMEOUT_SECONDS = 30
WELCOME_TIMEOUT_SECONDS = 30
#: What is still unwritten when a connection is closed has so long to leave.
CLOSE_TIMEOUT_SECONDS = 2


class BackOff:
    """Delays that double from 0.1 s to 5 s, each shortened by chance by up to a half.

    So agencies that lost their central together do not come back together.

    :param jitter: gives numbers from 0 up to 1, 1 not included.
    :param longest_seconds: no delay is longer.
    """

    def __init__(
        self, jitter: Callable[[], float], longest_seconds: float = LONGEST_DELAY_SECONDS
    ) -> None:
        self._jitter = jitter
        self._longest_seconds = longest_seconds
        self._delay_seconds = FIRST_DELAY_SECONDS

    def next_delay_seconds(self) -> float:
        """Give the time to wait before the next attempt."""
        delay = self._delay_seconds * (1 - self._jitter() / 2)
        self._delay_seconds = min(self._delay_seconds * 2, self._longest_seconds)
        return delay

    def restart(self) -> None:
        """Begin with short delays again."""
        self._delay_seconds = FIRST_DELAY_SECONDS


class Outage:
    """How long to go on looking for the central; the first one begins now.

    A session in which nothing is won does not end an outage: it only stops the time. So a
    central that lets everybody in and drops them is not asked for ever.

    :param retry_for_seconds: how long in all; 0: for ever.
    :param seconds: what time it is.
    :param jitter: as of :class:`BackOff`.
    """

    def __init__(
        self, retry_for_seconds: float, seconds: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._limit_seconds = retry_for_seconds or inf
        self._left_seconds = self._limit_seconds
        self._seconds = seconds
        self._since = seconds()
        self._delays = BackOff(jitter)

    def next_delay_seconds(self) -> float | None:
        """Give the time to wait before the next attempt; None: that was the last one.

        The last attempt is made when the time is up.
        """
        left = self._left_seconds - (self._seconds() - self._since)
        return min(self._delays.next_delay_seconds(), left) if left >= LEAST_SECONDS else None

    def stop(self) -> None:
        """Note that the central has been found."""
        self._left_seconds -= self._seconds() - self._since

    def begin(self, *, anew: bool) -> None:
        """Note that the central has been lost.

        :param anew: something was won since it was found; otherwise the outage goes on.
        """
        self._since = self._seconds()
        if anew:
            self._left_seconds = self._limit_seconds
            self._delays.restart()


class Attempts:
    """Knows the way to the central.

    :param settings: who we are.
    :param endpoint: the central.
    :param clock: for time-outs.
    """

    def __init__(
        self, settings: AgencySettings, endpoint: IStreamClientEndpoint, clock: IReactorTime
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._clock = clock

    async def welcomed(
        self, draw: int, upload: Upload, winners: Callable[[bytes], None]
    ) -> tuple[AgencyClient, Welcome]:
        """Try once to be welcomed; gives the connection.

        :param draw: which one we mean; 0, and ``OPEN_DRAW``: as in :class:`Hello`.
        :param upload: and ``winners``, see :class:`AgencyClient`.
        :raises NotReached: if another attempt may do better.
        :raises LotteryError: if there is no use in trying again.
        :raises CancelledError: if the errand is given up.
        """
        client = await self._connected(upload, winners)
        try:
            client.hello(self._settings.agency, draw)
            answer = Deferred.fromCoroutine(client.until(lambda: client.welcome is not None))
            await within(WELCOME_TIMEOUT_SECONDS, answer, self._clock, "was not welcomed")
            assert client.welcome is not None
            _check(client.welcome, draw)
        except (LotteryError, CancelledError) as error:
            await close(client, self._clock)
            if isinstance(error, ConnectionCut):
                raise NotReached(f"was cut off before the welcome, {error}") from error
            if isinstance(error, ComeBack):
                raise NotReached(str(error), error.code) from error
            raise
        return client, client.welcome

    async def _connected(self, upload: Upload, winners: Callable[[bytes], None]) -> AgencyClient:
        window = self._settings.window
        factory = Factory.forProtocol(lambda: AgencyClient(upload, window, winners))
        factory.noisy = False
        try:
            connecting = self._endpoint.connect(factory)
            client = await within(
                CONNECT_TIMEOUT_SECONDS, connecting, self._clock, "was not connected"
            )
        except (ConnectError, DNSLookupError, OSError, ValueError) as error:
            raise NotReached(sentence_of(error)) from error
        assert isinstance(client, AgencyClient)
        return client


def _check(welcome: Welcome, draw: int) -> None:
    if draw not in (0, OPEN_DRAW, welcome.draw):
        raise RemoteProtocolError(
            Code.STATE, f"draw {draw} was asked for, the central answers for draw {welcome.draw}"
        )
    if welcome.payload_limit < PAYLOAD_LIMIT:
        # The first batch is cut by then.
        raise RemoteProtocolError(
            Code.SIZE,
            f"the central takes {welcome.payload_limit} bytes in a frame, "
            f"at least {PAYLOAD_LIMIT} are needed",
        )


async def close(client: AgencyClient, clock: IReactorTime) -> None:
    """Close a connection; what is unwritten has ``CLOSE_TIMEOUT_SECONDS`` to leave."""
    try:
        await within(CLOSE_TIMEOUT_SECONDS, client.close(), clock, "was not closed")
    except NotReached:
        pass  # it is aborted now


async def left(client: AgencyClient, clock: IReactorTime) -> None:
    """Let the central close a connection first; it has ``CLOSE_TIMEOUT_SECONDS`` for that.

    Who closes before all is read resets the connection, and what was said last may be lost.
    """
    try:
        await within(CLOSE_TIMEOUT_SECONDS, client.left(), clock, "was not closed")
    except NotReached:
        pass  # then we do


async def within(limit_seconds: float, awaited: Deferred[T], clock: IReactorTime, what: str) -> T:
    """Wait for something for so long.

    :param what: for the sentence: what has not happened.
    :raises NotReached: if it takes longer; ``awaited`` is cancelled then.
    :raises CancelledError: if the errand is given up.
    """
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        awaited.cancel()

    call = clock.callLater(limit_seconds, give_up)
    try:
        return await awaited
    except (CancelledError, ConnectingCancelledError):
        if late:
            raise NotReached(f"{what} within {limit_seconds} s") from None
        raise CancelledError from None
    finally:
        if call.active():
            call.cancel()
