"""One connection of an agency: from its bytes to a writer, and back.

A session never parses bets: a batch travels on as bytes. It reads as long as its
writer has room; what the agency is owed goes through
:class:`~lottery.central.answers.Acknowledgements` and never stops the reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.central.answers import Acknowledgements, Delivery, Telling
from lottery.central.connection import LINGER_SECONDS, Connection, IAgencyTransport
from lottery.central.draw import LeftOut, Place
from lottery.central.session_log import SessionLog
from lottery.central.silence import SilenceClock
from lottery.central.speech import CLASSIC, LOTTERY1, CannotSay, Speech
from lottery.errors import Code, RemoteProtocolError
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import Batch, ClassicBatch, ClassicEnd, End, Hello, Message, Received
from lottery.wire.states import Conversation, State
from lottery.writer.pipe import Refusal
from lottery.writer.seat import Seat

if TYPE_CHECKING:
    from lottery.central.factory import AgencyFactory

#: How long an agency may stand still while it is told its winners, if it may be silent
#: for ever otherwise: a draw has to end.
DELIVERY_SECONDS = 30.0

#: The agency has said all that it has to say; if it goes now, it goes in peace.
_ALL_SENT = frozenset({State.ENDED, State.CLASSIC_ENDED, State.TOLD, State.OVER})


@implementer(IHalfCloseableProtocol)
class AgencySession(Protocol):
    """A connection: nobody's at first, then that of an agency with a place."""

    factory: AgencyFactory

    def connectionMade(self) -> None:
        """Begin to listen; nothing is taken up for a peer that has said nothing."""
        clock = self.factory.reactor
        self._connection = Connection(cast(IAgencyTransport, self.transport), clock)
        self._decoder = Decoder(lottery1.TO_CENTRAL, classic.TO_CENTRAL)
        self._conversation = Conversation()
        self._place: Place | None = None
        self._seat: Seat | None = None
        self._acknowledgements: Acknowledgements | None = None
        self._waiting = False
        self._stopping = False
        self._delivery: Delivery | None = None
        self._all_told = False
        self._journal = SessionLog(self.factory.log, self._connection.peer)
        self._silence = self._silence_clock(self.factory.settings.silence)
        self.factory.opened(self)

    # What the agency does.

    def dataReceived(self, data: bytes) -> None:
        """Take what came, unless there is nothing to be said any more."""
        if self._connection.leaving:
            return
        self._decoder.receive(data)
        self._proceed()

    def readConnectionLost(self) -> None:
        """The agency will send no more; it may still be reading."""
        self._connection.peer_closed = True
        if self._connection.leaving or self._conversation.state is State.TOLD:
            self._connection.close()
        elif self._conversation.state not in _ALL_SENT:
            self._cut_off("it closed the connection")

    def writeConnectionLost(self) -> None:
        """All is said and our direction shut; the other one is the agency's to shut."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone; what is decided of the agency's part stays decided."""
        self._silence.stop()
        self._connection.lost()
        if self._conversation.state in _ALL_SENT:
            self._connection.leave()
        elif not self._connection.leaving:
            self._cut_off("the connection was lost")
        closed = reason.check(ConnectionDone) and not self._connection.overdue
        in_peace = self._all_told and closed
        self._finish_delivery("" if in_peace else "the connection was lost")
        self.factory.closed(self)

    # From bytes to messages.

    def _proceed(self) -> None:
        try:
            while not (self._waiting or self._connection.leaving):
                message = self._decoder.next_message()
                if message is None:
                    return
                # A whole message is a move; a trickle of bytes is not.
                self._silence.moved()
                self._conversation.heard(message)
                self._hear(message)
        except RemoteProtocolError as error:
            self.fail(error.code, error.sentence)

    def _hear(self, message: Message) -> None:
        match message:
            case Batch(first, count, rows):
                seat = cast(Seat, self._seat)  # the table of states lets HELLO come first
                seat.rows(first, count, rows)
                self._wait_for_room(seat)
            case ClassicBatch(payload):
                seat = self._seat or self._begin_classic()
                seat.classic(payload)
                self._wait_for_room(seat)
            case Hello():
                self._begin(message)
            case End(total, nonce):
                cast(Seat, self._seat).end(total, nonce)
            case ClassicEnd():
                (self._seat or self._begin_classic()).end(None, b"")
            case Received():
                cast(Delivery, self._delivery).check(message)
                self._finish_delivery("")
                self._leave()

    def _begin(self, hello: Hello) -> None:
        draw = self.factory.open_draw
        self._sit_down(draw.place_of(hello, self))
        welcome = draw.welcome(self.factory.settings.silence)
        self._connection.write(self._words(welcome))

    def _begin_classic(self) -> Seat:
        return self._sit_down(self.factory.open_draw.next_place(self))

    def _sit_down(self, place: Place) -> Seat:
        """Take a place in the draw and a seat at a writer."""
        self._place = place
        place.dialect = self._speech.dialect
        self._journal.arrived(place)
        self._acknowledgements = Acknowledgements(self._connection.transport, self._speech)
        try:
            self._seat = self.factory.open_draw.pool.seat(self, cast(int, place.agency), 0)
        except OSError as error:
            self.factory.log("writer", "fail", LogLevel.error, error=f"none can start, {error}")
            raise RemoteProtocolError(Code.STORAGE, "the central cannot store now") from error
        return self._seat

    # What the writer says.

    def _wait_for_room(self, seat: Seat) -> None:
        if seat.full:
            self._waiting = True
            self._connection.pause()
            seat.wait()

    def resume(self) -> None:
        """Go on: the writer has room again."""
        if self._connection.leaving or self._stopping:
            return
        self._waiting = False
        self._silence.moved()
        self._proceed()
        if not self._waiting:
            self._connection.resume()

    def stored(self, next_index: int, bets: Sequence[int]) -> None:
        """Acknowledge to the agency what is on disk."""
        self._journal.stored(bets)
        self._silence.moved()
        if self._acknowledgements is not None and not self._connection.leaving:
            self._acknowledgements.stored(len(bets), next_index)

    def ended(self, total: int) -> None:
        """Acknowledge the END: from now on this agency has succeeded."""
        self._seat = None
        if self._acknowledgements is not None and not self._connection.leaving:
            self._acknowledgements.ended(total)
        if self._place is not None and not self._place.decided:
            self._journal.succeeded()
            self._place.succeed(total)

    def refused(self, refusal: Refusal) -> None:
        """Tell the agency why, and part: a bad batch is refused for good."""
        self._seat = None
        self._journal.refused(refusal.bets)
        where = f"row {refusal.row}, " if refusal.row else ""
        self._part(refusal.code, f"{where}{refusal.sentence}", self._speech.refusal(refusal))

    def lost(self, reason: str) -> None:
        """Part: the writer of this session is no more."""
        self._seat = None
        if not self._stopping:
            self.fail(Code.STORAGE, reason)

    # How it ends.

    def deliver(self, draw: int, number: int, rows: Sequence[bytes]) -> Deferred[str]:
        """Tell the agency its winning rows.

        :returns: fires with the empty text once they are delivered (lottery/1: the
            agency has acknowledged them; classic: all is written and the agency has
            closed), else with the reason why not; never fails.
        """
        delivery = self._delivery = Delivery(draw, len(rows))
        if self._connection.leaving:
            delivery.finish("the agency is away")
            return delivery.done
        if self._acknowledgements is not None:
            self._acknowledgements.finish()
        try:
            words = map(self._words, self._speech.winners(draw, number, rows))
        except CannotSay as reason:
            self.fail(Code.SIZE, str(reason))
            return delivery.done
        self._silence.stop()
        self._silence = self._silence_clock(self._delivery_seconds)
        Telling(self._connection.transport, words, self._silence.moved, self._told)
        return delivery.done

    def fail(self, code: Code, sentence: str) -> None:
        """Tell the agency why it is over, leave it out if it has a part, and leave."""
        self._part(code, sentence, self._speech.error(code, sentence))

    def stop(self) -> None:
        """Read no more: the central is being stopped."""
        self._stopping = self._waiting = True
        if not self._connection.leaving:  # who leaves has to see that the peer closes
            self._connection.pause()

    def abort(self) -> None:
        """End the connection at once."""
        self._connection.abort()

    def _told(self) -> None:
        """All is written; only lottery/1 has a word for having received it."""
        if self._speech is CLASSIC:
            self._all_told = True
            self._leave(grace_seconds=self._delivery_seconds)
        elif self._connection.peer_closed:
            self._leave()  # that word can not come any more

    def _cut_off(self, reason: str) -> None:
        middle = " in the middle of a frame" if self._decoder.unread else ""
        self.fail(Code.LEFT_OUT, f"{reason}{middle}")

    def _part(self, code: Code, sentence: str, last: Message) -> None:
        """Leave with a last message, and be left out unless the part is decided.

        As long as its END is in the writer's hands, an agency's part is not ours to
        decide: what is on disk has succeeded, whatever becomes of the connection.
        """
        place = self._place if not self._end_in_hand else None
        if (place and not place.decided) or not self._connection.leaving:
            said = code is Code.PROTO or bool(self._decoder.dialect or self._decoder.unread)
            self._journal.failed(code, sentence, said_something=said)
        if not self._connection.leaving:
            if self._acknowledgements is not None:
                self._acknowledgements.finish()
            over = self._conversation.state is State.OVER
            self._leave(b"" if over else self._words(last))
        if place and not place.decided:
            self._journal.left_out()
            place.fail(LeftOut(code, sentence))
        self._finish_delivery(sentence)

    def _leave(self, last_words: bytes = b"", grace_seconds: float = LINGER_SECONDS) -> None:
        self._silence.stop()
        if self._seat is not None and not self._end_in_hand:
            self._seat.leave()
            self._seat = None
        self._connection.leave(last_words, grace_seconds)

    def _finish_delivery(self, why_not: str) -> None:
        if self._delivery is not None:
            self._delivery.finish(why_not)

    # Words and clocks.

    @property
    def _speech(self) -> Speech:
        """The peer's dialect; a peer that has said nothing sensible gets lottery/1."""
        return CLASSIC if self._decoder.dialect == classic.DIALECT else LOTTERY1

    def _words(self, message: Message) -> bytes:
        self._conversation.said(message)
        return self._speech.encode(message)

    def _silence_clock(self, limit_seconds: float) -> SilenceClock:
        silent = partial(self.fail, Code.TIMEOUT, "it was silent for too long")
        return SilenceClock(self.factory.reactor, limit_seconds, self._is_peers_turn, silent)

    @property
    def _end_in_hand(self) -> bool:
        """Whether the writer has an END and has not answered it yet."""
        return self._seat is not None and self._seat.ending

    @property
    def _delivery_seconds(self) -> float:
        return self.factory.settings.silence or DELIVERY_SECONDS

    def _is_peers_turn(self) -> bool:
        if self._waiting:
            return False
        if self._conversation.state in (State.ENDED, State.CLASSIC_ENDED):
            return self._delivery is not None
        return self._seat is None or not self._seat.in_hand
