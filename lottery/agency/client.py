"""One connection to the central: what is said on it and what is answered.

Flow control has two bounds. Towards the central at most ``window`` batches are without
an acknowledgement, and none is cut while the transport asks for a pause. From the
central, winning rows go straight on to whoever takes them.

A session (``sessions``) is written as a sequence that waits for conditions; everything
that happens on the connection wakes the one that waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.agency.failures import ComeBack, Refusal, SendAgain, lost_by
from lottery.agency.told import ToldWinners
from lottery.agency.upload import Upload
from lottery.errors import Code, LotteryError, RemoteProtocolError
from lottery.wire import lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import (
    Ack,
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

#: What an ERROR may say to those who shall come again.
_COME_BACK = frozenset({Code.FULL, Code.STOPPING, Code.CLOSED, Code.STORAGE, Code.BUSY})


class _Connection(ITCPTransport, IConsumer):
    """What TCP offers."""


@implementer(IPushProducer)
class AgencyClient(Protocol):
    """An agency's end of a connection.

    :param upload: what there is to send; it is told what the central has of it.
    :param window: the most batches without an acknowledgement, at least 1.
    :param winners: takes winning rows, LF after each, as they arrive; what it raises
        ends the conversation.

    :ivar welcome: the central's WELCOME, None before it.
    """

    def __init__(self, upload: Upload, window: int, winners: Callable[[bytes], None]) -> None:
        self.welcome: Welcome | None = None

        self._connection: _Connection
        self._upload = upload
        self._window = window
        self._take_winners = winners
        self._conversation = Conversation()
        self._decoder = Decoder(lottery1.TO_AGENCY)
        self._told = ToldWinners()
        self._begun = False  # something of the upload was said
        self._end_said = False
        self._paused = False
        self._finished = False  # all is said and heard: what comes now is of no interest
        self._failure: LotteryError | None = None  # the conversation is over
        self._again: SendAgain | None = None  # it goes on, otherwise
        self._awaited: Deferred[object] | None = None
        self._condition: Callable[[], bool] | None = None
        self._lost = False
        self._parting: Deferred[None] | None = None

    @property
    def has_room(self) -> bool:
        """Whether another batch may be sent now."""
        return not self._paused and self._upload.on_the_way < self._window

    @property
    def may_end(self) -> bool:
        """Whether the END may be said now, once all batches are sent.

        A window of 1 is one message at a time: the END waits for the last acknowledgement, or
        it would leave in one send with the last batch. Otherwise it shares that one's flush.
        """
        return self._window > 1 or not self._upload.on_the_way

    @property
    def told(self) -> int:
        """How many winning rows have arrived."""
        return self._told.count

    @property
    def winning_number(self) -> int:
        """The number that was told with them."""
        return self._told.winning_number

    @property
    def all_told(self) -> bool:
        """Whether all winning rows have arrived."""
        return self.told == self._told.total

    # What the session says.

    def hello(self, agency: int, draw: int) -> None:
        """Say who we are, which draw we mean, and what was acknowledged to us."""
        self._say(Hello(agency, draw, self._upload.acknowledged))

    def send(self) -> None:
        """Send the batch that is ready, in one write."""
        self._begun = True
        self._say(self._upload.take())

    def end(self, nonce: bytes) -> None:
        """Say that all is sent; ``nonce`` is 32 random bytes."""
        self._begun = self._end_said = True
        self._say(End(self._upload.sent, nonce))

    def received(self) -> None:
        """Say that the winning rows are in safe keeping; nothing is listened to any more."""
        assert self.welcome is not None
        self._finished = True
        self._say(Received(self.welcome.draw, self.told))

    def left(self) -> Deferred[None]:
        """Wait for the connection to be closed, by whomever and however."""
        return self._when_lost(self._stay)

    def close(self) -> Deferred[None]:
        """Close the connection once all is written; to be asked once.

        The Deferred fires when it is closed; cancelling it closes the connection at
        once, whatever is still unwritten.
        """
        self._finished = True
        if not self._lost:
            # A connection with a producer would wait for it to be done.
            self._connection.unregisterProducer()
            self._connection.loseConnection()
        return self._when_lost(self._abort)

    def _when_lost(self, otherwise: Callable[[Deferred[None]], None]) -> Deferred[None]:
        if self._lost:
            return succeed(None)
        self._parting = Deferred(otherwise)
        return self._parting

    def _stay(self, _parting: Deferred[None]) -> None:
        self._parting = None

    def _abort(self, _parting: Deferred[None]) -> None:
        self._parting = None
        self._connection.abortConnection()

    # What the session waits for.

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at whenever something happens.

        :raises SendAgain: if the central wants something again; the conversation goes on.
        :raises LotteryError: what ended the conversation before that: :class:`Refusal`,
            :class:`ComeBack`, :class:`ConnectionCut`, :class:`Distrust`,
            :class:`RemoteProtocolError`, or what the taker of winning rows raised.
        :raises CancelledError: if the errand is given up.
        """
        if self._trouble is None and condition():
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
            if self._trouble is not None:
                awaited.cancel()
            return await awaited
        except CancelledError:
            trouble = self._trouble
            if trouble is not None:
                self._again = None
                raise trouble from None
            raise
        finally:
            self._awaited = None

    @property
    def _trouble(self) -> LotteryError | None:
        """What whoever waits has to be told."""
        return self._failure or self._again

    def _wake(self) -> None:
        awaited = self._awaited
        if awaited is None:
            return
        if self._trouble is not None:
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
        self._failure = self._failure or lost_by(reason.value)
        self._lost = True
        self._wake()
        if self._parting is not None:
            parting, self._parting = self._parting, None
            parting.callback(None)

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
                self._upload.welcomed(message)
                self._end_said = message.ended
                self.welcome = message
            case Ack(next_index, ended):
                self._hear_ack(next_index, ended)
            case Winners():
                self._hear_winners(message)
            case Refused():
                self._hear_refused(message)
            case Error(code, sentence) if code in _COME_BACK or self._was_slow(code):
                raise ComeBack(sentence, code)
            case Error(code, sentence):
                raise Refusal(code, sentence)

    def _was_slow(self, code: Code) -> bool:
        """Whether it was our HELLO that took too long: nothing of ours has failed of it."""
        return code is Code.TIMEOUT and self.welcome is None

    def _hear_ack(self, next_index: int, ended: bool) -> None:
        self._upload.acknowledge(next_index)
        if ended:
            if not self._end_said or self._upload.on_the_way:
                raise RemoteProtocolError(Code.STATE, "an END is acknowledged that was not said")
            self._upload.ended = True

    def _hear_refused(self, message: Refused) -> None:
        code, sentence, expected = message.code, message.sentence, message.expected
        if not message.again:
            line = self._upload.line_of(expected, message.row)
            raise Refusal(code, sentence, line=line, field=message.field)
        if not self._begun or self._upload.ended:
            raise RemoteProtocolError(Code.STATE, "what was not sent is to be sent again")
        self._upload.send_again_from(expected)
        self._end_said = False
        self._again = SendAgain(code, sentence)

    def _hear_winners(self, message: Winners) -> None:
        assert self.welcome is not None
        if not self._upload.ended or message.draw != self.welcome.draw:
            raise RemoteProtocolError(Code.STATE, "winners of something that has not ended")
        self._told.hear(message, self._upload.acknowledged)
        self._take_winners(message.rows)
