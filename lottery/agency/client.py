"""One connection to the central: what is said on it and what is answered.

Flow control has two bounds. Towards the central at most ``window`` batches are without
an acknowledgement, and none is cut while the transport asks for a pause. From the
central, winning rows go straight on to whoever takes them.

The errand (``run``) is written as a sequence that waits for conditions; everything that
happens on the connection wakes the one that waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.agency.failures import ConnectionCut, Refusal, sentence_of
from lottery.agency.reader import FileBatch
from lottery.agency.told import ToldWinners
from lottery.errors import Code, LotteryError, RemoteProtocolError
from lottery.wire import lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import (
    Ack,
    Batch,
    End,
    Error,
    Hello,
    Message,
    Received,
    Refused,
    Welcome,
    Winners,
)
from lottery.wire.states import Conversation

T = TypeVar("T")


@frozen
class _OnTheWay:
    """A batch without an acknowledgement, as it would have to be sent again."""

    message: Batch
    source: FileBatch


class _Connection(ITCPTransport, IConsumer):
    """What TCP offers."""


@implementer(IPushProducer)
class AgencyClient(Protocol):
    """An agency's end of a connection.

    :param window: the most batches without an acknowledgement, at least 1.
    :param winners: takes winning rows, LF after each, as they arrive; what it raises
        ends the conversation.

    :ivar welcome: the central's WELCOME, None before it.
    :ivar acknowledged: how many bets are on the central's disk.
    :ivar ended: the END is there, too.
    """

    def __init__(self, window: int, winners: Callable[[bytes], None]) -> None:
        self.welcome: Welcome | None = None
        self.acknowledged = 0
        self.ended = False

        self._connection: _Connection
        self._window = window
        self._take_winners = winners
        self._conversation = Conversation()
        self._decoder = Decoder(lottery1.TO_AGENCY)
        self._told = ToldWinners()
        self._sent = 0  # bets
        self._end_said = False
        self._on_the_way: deque[_OnTheWay] = deque()
        self._paused = False
        self._finished = False  # all is said and heard: what comes now is of no interest
        self._failure: LotteryError | None = None
        self._awaited: Deferred[object] | None = None
        self._condition: Callable[[], bool] | None = None
        self._lost = False
        self._closing: Deferred[None] | None = None

    @property
    def has_room(self) -> bool:
        """Whether another batch may be sent now."""
        return not self._paused and len(self._on_the_way) < self._window

    @property
    def told(self) -> int:
        """How many winning rows have arrived."""
        return self._told.count

    @property
    def all_told(self) -> bool:
        """Whether all winning rows have arrived."""
        return self.told == self._told.total

    # What the errand says.

    def hello(self, agency: int) -> None:
        """Say who we are."""
        self._say(Hello(agency))

    def send(self, batch: FileBatch) -> None:
        """Send the next batch, in one write."""
        message = Batch(self._sent, batch.count, batch.rows)
        self._on_the_way.append(_OnTheWay(message, batch))
        self._sent += batch.count
        self._say(message)

    def end(self, nonce: bytes) -> None:
        """Say that all is sent; ``nonce`` is 32 random bytes."""
        self._end_said = True
        self._say(End(self._sent, nonce))

    def received(self) -> None:
        """Say that the winning rows are in safe keeping; nothing is listened to any more."""
        assert self.welcome is not None
        self._finished = True
        self._say(Received(self.welcome.draw, self.told))

    def close(self) -> Deferred[None]:
        """Close the connection once all is written; to be asked once.

        The Deferred fires when it is closed; cancelling it closes the connection at
        once, whatever is still unwritten.
        """
        self._finished = True
        if self._lost:
            return succeed(None)
        self._closing = Deferred(self._abort)
        closing = self._closing
        # A connection with a producer would wait for it to be done.
        self._connection.unregisterProducer()
        self._connection.loseConnection()
        return closing

    def _abort(self, _closing: Deferred[None]) -> None:
        self._closing = None
        self._connection.abortConnection()

    # What the errand waits for.

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at whenever something happens.

        :raises LotteryError: what ended the conversation before that: :class:`Refusal`,
            :class:`RemoteProtocolError`, :class:`ConnectionCut`, or what the taker of
            winning rows raised.
        :raises CancelledError: if the errand is given up.
        """
        if self._failure is None and condition():
            return
        self._condition = condition
        try:
            await self.unless_broken(Deferred())
        finally:
            self._condition = None

    async def unless_broken(self, awaited: Deferred[T]) -> T:
        """Wait for something else as long as the conversation goes on.

        :raises LotteryError: as :meth:`until`; ``awaited`` is cancelled then.
        :raises CancelledError: if the errand is given up.
        """
        self._awaited = awaited  # type: ignore[assignment]
        try:
            if self._failure is not None:
                awaited.cancel()
            return await awaited
        except CancelledError:
            if self._failure is not None:
                raise self._failure from None
            raise
        finally:
            self._awaited = None

    def _wake(self) -> None:
        awaited = self._awaited
        if awaited is None:
            return
        if self._failure is not None:
            awaited.cancel()
        elif self._condition is not None and self._condition():
            awaited.callback(None)

    # What happens on the connection.

    def connectionMade(self) -> None:
        """Be a producer of batches, and keep an eye on a central that is silent for hours."""
        self._connection = cast(_Connection, self.transport)
        if ITCPTransport.providedBy(self.transport):
            self._connection.setTcpNoDelay(True)
            self._connection.setTcpKeepAlive(True)
        self._connection.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Take what the central says."""
        if self._finished or self._failure is not None:
            return
        try:
            self._decoder.receive(data)
            while (message := self._decoder.next_message()) is not None:
                self._conversation.heard(message)
                self._hear(message)
        except LotteryError as error:
            self._failure = error
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whoever waits, waits in vain."""
        self._failure = self._failure or ConnectionCut(sentence_of(reason.value))
        self._lost = True
        self._wake()
        if self._closing is not None:
            self._closing.callback(None)

    def pauseProducing(self) -> None:
        """The transport has enough: cut no more batches."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport has room again."""
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:
        """The transport takes nothing any more; ``connectionLost`` follows."""
        self._paused = True

    def _say(self, message: Message) -> None:
        self._conversation.said(message)
        self._connection.write(lottery1.encode(message))

    def _hear(self, message: Message) -> None:
        match message:
            case Welcome():
                self.welcome = message
            case Ack(next_index, ended):
                self._hear_ack(next_index, ended)
            case Winners():
                self._hear_winners(message)
            case Refused(code, again, expected, row, field, sentence):
                line = self._line_of(expected, row)
                raise Refusal(
                    code, sentence, again=again, expected=expected, line=line, field=field
                )
            case Error(code, sentence):
                raise Refusal(code, sentence)

    def _hear_ack(self, next_index: int, ended: bool) -> None:
        if not self.acknowledged <= next_index <= self._sent:
            raise RemoteProtocolError(
                Code.SEQ,
                f"{next_index} bets are acknowledged, after {self.acknowledged}, of {self._sent}",
            )
        self.acknowledged = next_index
        while self._on_the_way and self._on_the_way[0].message.first < next_index:
            first = self._on_the_way[0].message
            if next_index < first.first + first.count:
                raise RemoteProtocolError(Code.SEQ, "a part of a batch is acknowledged")
            self._on_the_way.popleft()
        if ended:
            if not self._end_said or next_index != self._sent:
                raise RemoteProtocolError(Code.STATE, "an END is acknowledged that was not said")
            self.ended = True

    def _hear_winners(self, message: Winners) -> None:
        assert self.welcome is not None
        if not self.ended or message.draw != self.welcome.draw:
            raise RemoteProtocolError(Code.STATE, "winners of something that has not ended")
        self._told.hear(message, self.acknowledged)
        self._take_winners(message.rows)

    def _line_of(self, expected: int, row: int) -> int:
        """Which line of the file is row ``row`` (from 1) of the batch that is refused."""
        for batch in self._on_the_way:
            if batch.message.first == expected and 1 <= row <= batch.source.count:
                return batch.source.lines[row - 1]
        return 0
