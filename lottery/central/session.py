"""One connection of an agency: from its bytes to a writer, and back.

A session never parses bets: a batch travels on as bytes. It reads as long as its
writer has room; what the agency is owed goes through
:class:`~lottery.central.answers.Acknowledgements` and never stops the reading.

Who is told to go hears first what became of the batches that it has handed on: a session
stops reading, waits until its seat is settled, acknowledges what was stored, and then says
its last words. So what an agency has no acknowledgement of when it is told to go is not
stored, unless its writer died.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.central.answers import Delivery, Telling
from lottery.central.place import LeftOut
from lottery.central.seated import SeatedPeer
from lottery.central.speech import CLASSIC, CannotSay
from lottery.errors import Code
from lottery.wire.messages import Batch, ClassicBatch, ClassicEnd, End, Hello, Received
from lottery.wire.states import State
from lottery.writer.pipe import Refusal

if TYPE_CHECKING:
    from lottery.wire.messages import Message

#: Who has more unread when it is parted with, which makes 1 MiB, hears no more than that.
LAST_PIECES = 16
#: The agency has said all that it has to say; if it goes now, it goes in peace.
_ALL_SENT = frozenset({State.ENDED, State.CLASSIC_ENDED, State.TOLD, State.OVER})


@implementer(IHalfCloseableProtocol)
class AgencySession(SeatedPeer):
    """A connection: nobody's at first, then that of an agency with a place."""

    def connectionMade(self) -> None:
        """Begin to listen, and be one of the sessions."""
        self._held = False
        self._delivery: Delivery | None = None
        self._all_told = False
        super().connectionMade()
        self.factory.opened(self)

    # How the agency goes.

    def readConnectionLost(self) -> None:
        """The agency will send no more; it may still be reading."""
        self._connection.peer_closed = True
        if self._connection.leaving or self.state is State.TOLD:
            self._connection.close()
        elif self.state not in _ALL_SENT:
            self._cut_off("it closed the connection")

    def writeConnectionLost(self) -> None:
        """All is said and our direction shut; the other one is the agency's to shut."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone; what is decided of the agency's part stays decided."""
        self._turn.stop()
        self._connection.lost()
        if self._shaking_hands and not self._connection.leaving:
            self.handshake_failed(reason)
        elif self._parting or self.state in _ALL_SENT:
            self._leave()
        elif not self._connection.leaving:
            self._cut_off("the connection was lost")
        self._left(LeftOut(Code.LEFT_OUT, "the connection was lost"), may_return=True)
        closed = reason.check(ConnectionDone) and not self._connection.overdue
        in_peace = self._all_told and closed
        self._finish_delivery("" if in_peace else "the connection was lost")
        self.factory.closed(self)

    # What the agency says.

    def messageReceived(self, message: Message) -> None:
        """Hand on a batch or an END, or deal with what else an agency says."""
        match message:
            case Batch() | ClassicBatch():
                self.batchesReceived(self.speech.encode(message), 1)
            case Hello():
                self.factory.admission.check_hello(message.agency, self._certified)
                self.factory.draws.hello(message, self)
            case End(total, nonce):
                self._taken_seat().end(total, nonce)
            case ClassicEnd():
                self._once_seated(lambda: self._taken_seat().end(None, b""))
            case Received():
                cast(Delivery, self._delivery).check(message)
                self._finish_delivery("")
                self._leave()

    # What the writer says.

    def stored(self, next_index: int, batches: int) -> None:
        """Acknowledge to the agency what is on disk."""
        self._journal.stored(batches)
        self._turn.moved()
        self._held = False
        if self._acknowledgements is not None and not self._connection.leaving:
            self._acknowledgements.stored(batches, next_index)
            if 0 < self.factory.most_bets < next_index:
                self.fail(Code.LEFT_OUT, f"it has more than {self.factory.most_bets} bets")

    def ended(self, total: int) -> None:
        """Acknowledge the END: from now on this agency has succeeded."""
        self._seat = None
        self._held = False
        if self._acknowledgements is not None and not self._connection.leaving:
            self._acknowledgements.ended(total)

    def refused(self, refusal: Refusal) -> None:
        """Tell the agency why: it may send again later, or is parted with."""
        self._journal.refused(refusal.bets)
        if refusal.again:
            self._turn.moved()
            if self._acknowledgements is not None and not self._connection.leaving:
                self._acknowledgements.refused(self.words(self.speech.refusal(refusal)))
            return
        self._seat = None
        # Fenced by a session at another central: the part is that one's now.
        fenced = refusal.code is Code.TAKEN
        last = self.speech.refusal(refusal)
        self._part(refusal.code, refusal.located, last, may_return=fenced)

    def held(self) -> None:
        """Wait for room on the disk, no longer than the agency might be silent."""
        self._held = True
        self._turn.moved()

    def lost(self, reason: str) -> None:
        """Part: the writer of this session is no more; the agency may come back."""
        self._seat = None
        if not self._stopping:
            error = self.speech.error(Code.STORAGE, reason)
            self._part(Code.STORAGE, reason, error, may_return=True)

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
        try:
            words = map(self.words, self.speech.winners(draw, number, rows))
        except CannotSay as reason:
            self.fail(Code.SIZE, str(reason))
            return delivery.done
        self._turn.stop()
        self._watch(self.factory.terms.delivery)
        all_words = chain(self._owed(), words)
        Telling(self._connection.transport, all_words, self._turn.moved, self._told)
        return delivery.done

    def fail(self, code: Code, sentence: str, *, may_return: bool = False) -> None:
        """Tell the agency why it is over, leave it out if it has a part, and leave."""
        self._part(code, sentence, self.speech.error(code, sentence), may_return=may_return)

    def _told(self) -> None:
        """All is written; only lottery/1 has a word for having received it."""
        if self.speech is CLASSIC:
            self._all_told = True
            self._leave(grace_seconds=self.factory.terms.delivery)
        elif self._connection.peer_closed:
            self._leave()  # that word can not come any more

    def _cut_off(self, reason: str) -> None:
        middle = " in the middle of a frame" if self.within_frame else ""
        sentence = f"{reason}{middle}"
        error = self.speech.error(Code.LEFT_OUT, sentence)
        self._part(Code.LEFT_OUT, sentence, error, may_return=True)

    def _part(self, code: Code, sentence: str, last: Message, *, may_return: bool = False) -> None:
        """Leave with a last message, once it is known what became of what is in hand."""
        if self._parting or self._connection.leaving:
            self._finish_delivery(sentence)
            return
        said = code in (Code.PROTO, Code.AUTH) or self.said_something
        self.tell_failure(code, sentence, said_something=said)
        seat, self._parting = self._seat, True
        self._turn.stop()
        if seat is None or not seat.in_hand or self._connection.gone:
            self._say_last(last)
        else:
            self._seat = None
            self._connection.pause()
            seat.leave()
            seat.when_settled(lambda: self._say_last(self._after_all(code, last)))
        self._left(LeftOut(code, sentence), may_return=may_return)
        self._finish_delivery(sentence)

    def _after_all(self, code: Code, last: Message) -> Message:
        """Have an agency that seemed late come again for its winners, if its END is stored."""
        if code is Code.TIMEOUT and self._place is not None and self._place.succeeded:
            return self.speech.error(Code.BUSY, "its END is stored, come again for the winners")
        return last

    def _say_last(self, last: Message) -> None:
        if self._connection.leaving:
            return
        for words in islice(self._owed(), LAST_PIECES):
            self._connection.write(words)
        over = self.state is State.OVER
        self._leave(b"" if over else self.words(last))

    def _owed(self) -> Iterator[bytes]:
        return self._acknowledgements.rest() if self._acknowledgements is not None else iter(())

    def _left(self, why: LeftOut, *, may_return: bool) -> None:
        if self._place is not None:
            self._place.left(self, why, may_return=may_return)

    def _leave(self, last_words: bytes = b"", grace_seconds: float | None = None) -> None:
        self._turn.stop()
        if self._seat is not None:
            self._seat.leave()
            self._seat = None
        self._connection.leave(last_words, grace_seconds)

    def _finish_delivery(self, why_not: str) -> None:
        if self._delivery is not None:
            self._delivery.finish(why_not)

    def silent(self) -> None:
        """Part: it was silent for too long, or could not be given room for as long."""
        if self._held:
            self.fail(Code.STORAGE, "there was no room on the disk for too long")
        else:
            self.fail(Code.TIMEOUT, "it was silent for too long")

    def is_peers_turn(self) -> bool:
        """Whether it is for the agency to do something."""
        if self._held:
            return True  # not its turn, but it has no longer than that
        if self._waiting or self.state is State.GREETED:
            return False
        if self.state in (State.ENDED, State.CLASSIC_ENDED):
            return self._delivery is not None
        return self._seat is None or not self._seat.in_hand
