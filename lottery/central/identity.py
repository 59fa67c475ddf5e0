"""A peer until it is known who it is: what it may say, and how long it has.

A connection that is encrypted shakes hands first, and shows whose it is by a certificate, before
a byte of it is taken for a frame. Then, as on any other, the first frame has to say who comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IHandshakeListener
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.central.place import Place
from lottery.central.receiver import MessageReceiver
from lottery.central.roster import Agency
from lottery.central.session_log import SessionLog
from lottery.errors import Code, RemoteProtocolError

if TYPE_CHECKING:
    from lottery.central.factory import AgencyFactory

#: How long who is not on the roster any more may take to close.
EXPELLED_SECONDS = 0.5


@implementer(IHandshakeListener)
class IdentifiedPeer(MessageReceiver):
    """A peer that has to say who it is, and to show it where there is a roster.

    :ivar outcome: how its session has ended, once it has, in a word for statistics.
    """

    factory: AgencyFactory

    def connectionMade(self) -> None:
        """Begin to listen; nothing is taken up for a peer that has said nothing."""
        self.begin(self.factory.reactor, self.factory.terms.silence, self.factory.patience)
        self._journal = SessionLog(self.factory.log, self._connection.peer)
        # A plain transport knows of no certificates.
        self._shaking_hands = hasattr(self.transport, "getPeerCertificate")
        self._marks: frozenset[str] = frozenset()
        self._certified: Agency | None = None
        self._refusal = ""
        self._authorities = self.factory.admission.authorities
        self._place: Place | None = None
        self.outcome = "done"

    def join(self, place: Place) -> None:
        """Speak for a place from now on."""
        self._place = place
        self.factory.strangers.gone(self)

    def expected(self) -> None:
        """Note that it is let in, which takes a moment: it has said who it is."""
        self.factory.strangers.gone(self)

    def certificate_refused(self, sentence: str) -> None:
        """Note what is wrong with its certificate; the handshake fails of it."""
        self._refusal = sentence

    def handshakeCompleted(self) -> None:
        """Look whose certificate it is: that of an agency, or it is parted with unheard."""
        from lottery.central.tls import marks_of

        self._marks = marks_of(self.transport.getPeerCertificate())  # type: ignore[union-attr]
        self._shaking_hands = False
        try:
            self._certified = self.factory.admission.whose(self._marks, self._authorities)
        except RemoteProtocolError as error:
            self.fail(error.code, error.sentence)

    def handshake_failed(self, reason: Failure) -> None:
        """Say in the log why a connection has not become one, unless it was a mere probe."""
        if not self._refusal and not reason.check(ConnectionClosed):
            from lottery.central.tls import sentence_of

            self._refusal = sentence_of(reason)
        if self._refusal:
            self.tell_failure(Code.AUTH, self._refusal, said_something=True)
        else:
            self.tell_failure(Code.LEFT_OUT, "it broke off the handshake", said_something=False)

    def tell_failure(self, code: Code, sentence: str, *, said_something: bool) -> None:
        """Write why it is over; of strangers not more lines than the disk is good for."""
        unheard = code is Code.LEFT_OUT and not said_something
        self.outcome = "probe" if unheard and self._place is None else code.name.lower()
        if self._place is not None or not said_something or self.factory.strangers.may_tell():
            self._journal.failed(code, sentence, said_something=said_something)

    def too_late(self) -> None:
        """Part: its time to say who it is is up."""
        if self._connection.leaving:
            return
        sentence = f"it did not say who it is within {self._patience.hello:g} s"
        if self._shaking_hands:
            self.tell_failure(Code.TIMEOUT, sentence, said_something=True)
            self.abort()
        else:
            self.fail(Code.TIMEOUT, sentence)

    def check_roster(self) -> None:
        """Part, if it is not the one any more that it was by its certificate."""
        if self._certified is None or self._connection.leaving:
            return
        number, admission = self._certified.number, self.factory.admission
        try:
            self._certified = admission.whose(self._marks, self._authorities)
        except RemoteProtocolError:
            self._certified = None
        if self._certified is None or self._certified.number != number:
            another = admission.knows(number)
            where = "has another certificate now" if another else "is not on the roster any more"
            self.fail(Code.AUTH, f"agency {number} {where}", may_return=another)
            self._connection.abort_within(EXPELLED_SECONDS)

    def abort(self) -> None:
        """End the connection at once."""
        self._connection.abort()
