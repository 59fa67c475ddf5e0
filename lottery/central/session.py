"""One connection of an agency: from its bytes to a writer, and back.

A session never parses bets: a batch travels on as bytes. It reads as long as its
writer has room; what the agency is owed goes through
:class:`~lottery.central.answers.Acknowledgements` and never stops the reading.

Leaving. A socket that is closed while bytes of the peer lie unread in it resets the
connection, and the reset overtakes what was written last: an agency that sends its
whole file before it reads would never learn why it was refused. So a session that
leaves says its last words, shuts its own direction, and throws away what still comes
until the peer closes or a grace is over; then it aborts, for ``loseConnection`` waits
for ever on a peer that does not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.central.answers import Acknowledgements, Telling
from lottery.central.draw import LeftOut, Place
from lottery.central.silence import SilenceClock
from lottery.central.speech import CLASSIC, LOTTERY1, CannotSay, Speech
from lottery.errors import Code, RemoteProtocolError
from lottery.wire import classic, lottery1
from lottery.wire.decoder import PAYLOAD_LIMIT, Decoder
from lottery.wire.messages import (
    Batch,
    ClassicBatch,
    ClassicEnd,
    DrawState,
    End,
    Hello,
    Message,
    Received,
    Welcome,
)
from lottery.wire.states import Conversation, State
from lottery.writer.pipe import Refusal
from lottery.writer.process import Seat

if TYPE_CHECKING:
    from lottery.central.factory import AgencyFactory

#: How long a peer may take to close after our last words.
LINGER_SECONDS = 5.0
#: How long an agency may stand still while it is told its winners, if it may be silent
#: for ever otherwise: a draw has to end.
DELIVERY_SECONDS = 30.0


@implementer(IHalfCloseableProtocol)
class AgencySession(Protocol):
    """A connection: nobody's at first, then that of an agency with a place."""

    factory: AgencyFactory

    def connectionMade(self) -> None:
        """Begin to listen; nothing is taken up for a peer that has said nothing."""
        settings = self.factory.settings
        self._clock = self.factory.reactor
        self._log = self.factory.log
        self._wire = cast(ITCPTransport, self.transport)
        with suppress(OSError):  # a UNIX socket has no Nagle to be switched off
            self._wire.setTcpNoDelay(True)
        self._decoder = Decoder(lottery1.TO_CENTRAL, classic.TO_CENTRAL)
        self._conversation = Conversation()
        self._speech: Speech = LOTTERY1
        self._place: Place | None = None
        self._seat: Seat | None = None
        self._acknowledgements: Acknowledgements | None = None
        self._bets = 0
        self._waiting = False
        self._stopping = False
        self._leaving = False
        self._peer_closed = False
        self._told: Deferred[str] | None = None
        self._why_untold = "the connection was lost"
        self._grace: IDelayedCall | None = None
        self._silence = SilenceClock(
            self._clock, settings.silence, self._is_peers_turn, self._too_silent
        )
        self.factory.opened(self)

    # What the agency does.

    def dataReceived(self, data: bytes) -> None:
        """Take what came, unless there is nothing to be said any more."""
        if self._leaving:
            return
        self._silence.moved()
        self._decoder.receive(data)
        self._proceed()

    def readConnectionLost(self) -> None:
        """The agency will send no more; it may still be reading."""
        self._peer_closed = True
        if self._leaving or self._conversation.state is State.TOLD:
            self._wire.loseConnection()
        elif self._conversation.state not in (State.ENDED, State.CLASSIC_ENDED):
            self._cut_off("it closed the connection")

    def writeConnectionLost(self) -> None:
        """All is said and our direction shut: if the other one is too, that was it."""
        if self._peer_closed:
            self._wire.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone; how much of the part is decided stays decided."""
        self._silence.stop()
        if self._grace is not None and self._grace.active():
            self._grace.cancel()
        if not self._leaving and self._conversation.state not in (
            State.ENDED,
            State.CLASSIC_ENDED,
            State.TOLD,
        ):
            self._cut_off("the connection was lost")
        self._leaving = True
        self._finish_telling(self._why_untold)
        self.factory.closed(self)

    # From bytes to messages.

    def _proceed(self) -> None:
        try:
            while not (self._waiting or self._leaving):
                message = self._decoder.next_message()
                if message is None:
                    return
                self._conversation.heard(message)
                self._hear(message)
        except RemoteProtocolError as error:
            self.fail(error.code, error.sentence)

    def _hear(self, message: Message) -> None:
        match message:
            case Batch(first, count, rows):
                seat = self._seated()
                seat.rows(first, count, rows)
                self._wait_for_room(seat)
            case ClassicBatch(payload):
                seat = self._seat or self._begin_classic()
                seat.classic(payload)
                self._wait_for_room(seat)
            case Hello():
                self._begin(message)
            case End(total, nonce):
                self._seated().end(total, nonce)
            case ClassicEnd():
                (self._seat or self._begin_classic()).end(None, b"")
            case Received():
                self._leave(b"")
                self._finish_telling("")

    def _begin(self, hello: Hello) -> None:
        draw = self.factory.open_draw
        if hello.draw not in (0, draw.number):
            raise RemoteProtocolError(
                Code.CLOSED, f"draw {hello.draw} is not open, draw {draw.number} is"
            )
        if hello.acknowledged:
            raise RemoteProtocolError(
                Code.SEQ,
                f"{hello.acknowledged} bets were acknowledged to agency {hello.agency}, "
                f"draw {draw.number} has none of them",
            )
        self._sit_down(draw.place_of(hello.agency, self), LOTTERY1)
        self._say(
            Welcome(
                draw=draw.number,
                state=DrawState.OPEN,
                ended=False,
                next_index=0,
                crc=0,
                payload_limit=PAYLOAD_LIMIT,
                silence=int(self.factory.settings.silence),
            )
        )

    def _begin_classic(self) -> Seat:
        # Before the place is sought: a refusal must be said in the dialect too.
        self._speech = CLASSIC
        return self._sit_down(self.factory.open_draw.next_place(self), CLASSIC)

    def _sit_down(self, place: Place, speech: Speech) -> Seat:
        """Take a place in the draw and a seat at a writer."""
        self._place, self._speech = place, speech
        place.dialect = speech.dialect
        agency = cast(int, place.agency)
        self._acknowledgements = Acknowledgements(self._wire, speech)
        self._log(
            "accept_connections",
            "success",
            **_peer(self._wire),
            agency=agency,
            dialect=speech.dialect,
        )
        try:
            self._seat = self.factory.open_draw.pool.seat(self, agency, 0)
        except OSError as error:
            self._log("writer", "fail", LogLevel.error, error=f"cannot be started, {error}")
            raise RemoteProtocolError(Code.STORAGE, "the central cannot store now") from error
        return self._seat

    def _seated(self) -> Seat:
        assert self._seat is not None, "the table of states lets no batch in before a HELLO"
        return self._seat

    # What the writer says.

    def _wait_for_room(self, seat: Seat) -> None:
        if seat.full:
            self._waiting = True
            self._wire.pauseProducing()
            seat.wait()

    def resume(self) -> None:
        """Go on: the writer has room again."""
        if self._leaving or self._stopping:
            return
        self._waiting = False
        self._silence.moved()
        self._proceed()
        if not self._waiting:
            self._wire.resumeProducing()

    def stored(self, next_index: int, bets: Sequence[int]) -> None:
        """Acknowledge to the agency what is on disk."""
        self._bets += sum(bets)
        if self._log.enabled(LogLevel.debug):
            for count in bets:
                self._log_batch("success", count)
        self._silence.moved()
        if self._acknowledgements is not None and not self._leaving:
            self._acknowledgements.stored(len(bets), next_index)

    def ended(self, total: int) -> None:
        """Acknowledge the END: from now on this agency has succeeded."""
        self._seat = None
        if self._acknowledgements is not None and not self._leaving:
            self._acknowledgements.ended(total)
        if self._place is not None and not self._place.decided:
            self._log_total("success")
            self._log("agency", "success", agency=self._place.agency, bets=total)
            self._place.succeed(total)

    def refused(self, refusal: Refusal) -> None:
        """Tell the agency why, and part: a bad batch is refused for good."""
        self._seat = None
        if self._log.enabled(LogLevel.debug):
            self._log_batch("fail", refusal.bets)
        where = f"row {refusal.row}, " if refusal.row else ""
        self._part(refusal.code, f"{where}{refusal.sentence}", self._speech.refusal(refusal))

    def lost(self, reason: str) -> None:
        """Part: the writer of this session is no more."""
        self._seat = None
        if not self._stopping:
            self.fail(Code.STORAGE, reason)

    # How it ends.

    def fail(self, code: Code, sentence: str) -> None:
        """Tell the agency why it is over, leave it out if it has a part, and leave."""
        self._part(code, sentence, self._speech.error(code, sentence))

    def stop(self) -> None:
        """Read no more: the central is being stopped."""
        self._stopping = self._waiting = True
        self._wire.pauseProducing()

    def abort(self) -> None:
        """End the connection at once."""
        self._wire.abortConnection()

    def deliver(self, draw: int, number: int, rows: Sequence[bytes]) -> Deferred[str]:
        """Tell the agency its winning rows.

        :returns: fires with the empty text once they are delivered (lottery/1: the
            agency has acknowledged them; classic: all is written and the agency has
            closed), else with the reason why not; never fails.
        """
        told = self._told = Deferred[str]()
        if self._leaving:
            self._finish_telling("the agency is away")
            return told
        assert self._acknowledgements is not None
        self._acknowledgements.finish()
        try:
            messages = self._speech.winners(draw, number, rows)
        except CannotSay as reason:
            self._finish_telling(str(reason))
            self.fail(Code.SIZE, str(reason))
            return told
        limit = self.factory.settings.silence or DELIVERY_SECONDS
        self._silence.stop()
        self._silence = SilenceClock(self._clock, limit, self._is_peers_turn, self._too_silent)
        Telling(self._wire, map(self._words, messages), self._silence.moved, self._all_told)
        return told

    def _all_told(self) -> None:
        """The classic dialect has no word for having received: closing is one."""
        if self._speech is CLASSIC:
            self._why_untold = ""
            self._leave(b"")

    def _cut_off(self, reason: str) -> None:
        middle = " in the middle of a frame" if self._decoder.unread else ""
        self.fail(Code.TIMEOUT, f"{reason}{middle}")

    def _part(self, code: Code, sentence: str, last: Message) -> None:
        """Leave with a last message, and be left out unless the part is decided.

        An agency that is away already, its END still in the writer's hands, has a part
        to lose, too.
        """
        undecided = self._place is not None and not self._place.decided
        if undecided or not self._leaving:
            self._log_end(code, sentence)
        if not self._leaving:
            if self._acknowledgements is not None:
                self._acknowledgements.finish()
            over = self._conversation.state is State.OVER
            self._leave(b"" if over else self._words(last))
        if self._place is not None:
            self._place.fail(LeftOut(code, sentence))
        self._finish_telling(sentence)

    def _leave(self, last_words: bytes) -> None:
        self._leaving = True
        self._silence.stop()
        if self._seat is not None:
            self._seat.leave()
            self._seat = None
        # As long as a producer is registered, a transport waits for what it has to say.
        self._wire.unregisterProducer()
        if last_words:
            self._wire.write(last_words)
        if self._peer_closed:
            self._wire.loseConnection()
            return
        self._wire.loseWriteConnection()
        self._wire.resumeProducing()
        self._grace = self._clock.callLater(LINGER_SECONDS, self._overdue)

    def _overdue(self) -> None:
        self._why_untold = f"it did not close within {LINGER_SECONDS:g} s"
        self.abort()

    def _finish_telling(self, why_not: str) -> None:
        if self._told is not None:
            told, self._told = self._told, None
            told.callback(why_not)

    # Words and clocks.

    def _say(self, message: Message) -> None:
        self._wire.write(self._words(message))

    def _words(self, message: Message) -> bytes:
        self._conversation.said(message)
        return self._speech.encode(message)

    def _is_peers_turn(self) -> bool:
        if self._waiting:
            return False
        if self._conversation.state in (State.ENDED, State.CLASSIC_ENDED):
            return self._told is not None
        return self._seat is None or not self._seat.in_hand

    def _too_silent(self) -> None:
        self.fail(Code.TIMEOUT, "it was silent for too long")
        self.abort()

    def _log_batch(self, result: str, bets: int) -> None:
        agency = self._place.agency if self._place else None
        self._log("apuesta_recibida", result, LogLevel.debug, agency=agency, cantidad=bets)

    def _log_total(self, result: str) -> None:
        if self._place is not None and not self._log.enabled(LogLevel.debug):
            agency = self._place.agency
            self._log("apuesta_recibida", result, agency=agency, cantidad=self._bets)

    def _log_end(self, code: Code, sentence: str) -> None:
        details = {**_peer(self._wire), "code": code.name, "error": sentence}
        if self._place is not None:
            if not self._place.decided:
                self._log_total("fail")
            self._log(
                "agency", "fail", LogLevel.warn, agency=self._place.agency, **details
            )
            return
        # A port probe, which connects and says nothing, is of no interest to anybody.
        said = self._decoder.dialect or self._decoder.unread
        self._log(
            "accept_connections", "fail", LogLevel.warn if said else LogLevel.debug, **details
        )


def _peer(transport: ITCPTransport) -> dict[str, object]:
    """Say who is at the other end, as details of the log."""
    address = transport.getPeer()
    if isinstance(address, IPv4Address | IPv6Address):
        return {"ip": address.host, "port": address.port}
    return {"ip": "local"}
