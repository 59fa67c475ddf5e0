"""From nothing to a WELCOME: attempts, and how long to wait between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

from lottery.agency.client import AgencyClient
from lottery.agency.failures import ConnectionCut, NotReached, Refusal, sentence_of
from lottery.errors import Code, LotteryError, RemoteProtocolError
from lottery.ops.log import ActionLog
from lottery.settings import AgencySettings
from lottery.wire.decoder import PAYLOAD_LIMIT
from lottery.wire.messages import Welcome

T = TypeVar("T")

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
#: For all of an attempt, from the name of the host to the connection.
CONNECT_TIMEOUT_SECONDS = 30
WELCOME_TIMEOUT_SECONDS = 30
#: What is still unwritten when a connection is closed has so long to leave.
CLOSE_TIMEOUT_SECONDS = 2

_COME_BACK = frozenset({Code.FULL, Code.STOPPING, Code.CLOSED})


class BackOff:
    """Delays that double from 0.1 s to 5 s, each shortened by chance by up to a half.

    So agencies that lost their central together do not come back together.

    :param retry_for_seconds: how long in all, from now on; 0: for ever.
    :param seconds: what time it is.
    :param jitter: gives numbers from 0 up to 1, 1 not included.
    """

    def __init__(
        self, retry_for_seconds: float, seconds: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._jitter = jitter
        self._until = seconds() + retry_for_seconds if retry_for_seconds else None
        self._delay_seconds = FIRST_DELAY_SECONDS

    def next_delay_seconds(self) -> float | None:
        """Give the time to wait before the next attempt; None: that was the last one.

        The last attempt is made when the time is up.
        """
        delay = self._delay_seconds * (1 - self._jitter() / 2)
        self._delay_seconds = min(self._delay_seconds * 2, LONGEST_DELAY_SECONDS)
        if self._until is None:
            return delay
        left = self._until - self._seconds()
        return min(delay, left) if left > 0 else None


class Attempts:
    """Tries to reach the central until it takes us, or the time for that is up.

    :param settings: who we are and how long to try.
    :param endpoint: the central.
    :param clock: for delays and time-outs.
    :param log: told of each attempt.
    :param jitter: gives numbers from 0 up to 1, for the delays.
    """

    def __init__(
        self,
        settings: AgencySettings,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        log: ActionLog,
        jitter: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._clock = clock
        self._log = log
        self._jitter = jitter

    async def welcomed(self, winners: Callable[[bytes], None]) -> AgencyClient:
        """Try until the central takes us; gives the connection, whose ``welcome`` is there.

        :param winners: see :class:`AgencyClient`.
        :raises NotReached: if the time for that is up.
        :raises LotteryError: if there is no use in trying again.
        :raises CancelledError: if the errand is given up.
        """
        settings = self._settings
        server = {
            "client_id": settings.agency,
            "server_host": settings.host,
            "server_port": settings.port,
        }
        backoff = BackOff(settings.retry_for, self._clock.seconds, self._jitter)
        while True:
            try:
                client, draw = await self._attempt(winners)
            except NotReached as error:
                delay_seconds = backoff.next_delay_seconds()
                if delay_seconds is None:
                    raise
                self._log("connect", "in_progress", **server, error=error)
                await deferLater(self._clock, delay_seconds)
            else:
                self._log("connect", "success", **server, draw=draw)
                return client

    async def _attempt(self, winners: Callable[[bytes], None]) -> tuple[AgencyClient, int]:
        window = self._settings.window
        factory = Factory.forProtocol(lambda: AgencyClient(window, winners))
        factory.noisy = False
        try:
            connecting = self._endpoint.connect(factory)
            client = await within(
                CONNECT_TIMEOUT_SECONDS, connecting, self._clock, "was not connected"
            )
        except (ConnectError, DNSLookupError, OSError, ValueError) as error:
            raise NotReached(sentence_of(error)) from error
        assert isinstance(client, AgencyClient)
        try:
            client.hello(self._settings.agency)
            answer = Deferred.fromCoroutine(client.until(lambda: client.welcome is not None))
            await within(WELCOME_TIMEOUT_SECONDS, answer, self._clock, "was not welcomed")
            assert client.welcome is not None
            self._check(client.welcome)
        except ConnectionCut as error:
            raise NotReached(f"was cut off before the welcome, {error}") from error
        except (LotteryError, CancelledError) as error:
            await close(client, self._clock)
            if isinstance(error, Refusal) and error.code in _COME_BACK:
                raise NotReached(error.sentence) from error
            raise
        return client, client.welcome.draw

    def _check(self, welcome: Welcome) -> None:
        if welcome.next_index or welcome.ended:
            raise Refusal(
                Code.SEQ,
                f"the central holds {welcome.next_index} bets of agency {self._settings.agency} "
                f"in draw {welcome.draw} already, and going on from there is not possible yet",
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
