"""Who may say what when: one table for both dialects and both ends.

Everything that affects the state of a conversation is in this file, and this file
does not know at which end it runs. The end that hears a message calls
:meth:`Conversation.heard`, the one that says it :meth:`Conversation.said`; a message
that the table does not have in the present state is an error and changes nothing.

Two rules are beside the table. A refusal crosses what the agency has sent in the
meantime, perhaps an END. All of that is dropped, so in ``REFUSED`` a BATCH or an END
that does not begin at the expected index is legal and changes nothing. Without this
the central would stand in ``ENDED`` when the agency, as told, sends its batch again.
And a WELCOME which says that the agency has ended leads to ``ENDED``.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType

from lottery.errors import Code, LocalProtocolError, RemoteProtocolError
from lottery.wire.messages import (
    Ack,
    Batch,
    ClassicBatch,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    End,
    Error,
    Hello,
    Message,
    Received,
    Refused,
    Welcome,
    Winners,
)


class State(Enum):
    """How far a conversation has come."""

    NEW = "nothing has been said"
    CLASSIC = "a classic agency sends batches"
    CLASSIC_ENDED = "a classic agency waits for its winners"
    GREETED = "the agency has said who it is"
    WELCOME = "the agency sends batches"
    REFUSED = "the agency must send again from the expected index"
    ENDED = "the agency has sent all and waits for its winners"
    TOLD = "the winners are being told"
    OVER = "nothing may follow"


# The left column is the state, the right one what may be said in it and where that leads.
TRANSITIONS: MappingProxyType[State, dict[type[Message], State]] = MappingProxyType(
    {
        State.NEW: {
            ClassicBatch: State.CLASSIC,
            ClassicEnd: State.CLASSIC_ENDED,
            Hello: State.GREETED,
            ClassicRefused: State.OVER,
            Error: State.OVER,
        },
        State.CLASSIC: {
            ClassicBatch: State.CLASSIC,
            ClassicStored: State.CLASSIC,
            ClassicEnd: State.CLASSIC_ENDED,
            ClassicRefused: State.OVER,
        },
        State.CLASSIC_ENDED: {
            ClassicStored: State.CLASSIC_ENDED,
            ClassicWinners: State.OVER,
            ClassicRefused: State.OVER,
        },
        State.GREETED: {
            Welcome: State.WELCOME,
            Error: State.OVER,
        },
        State.WELCOME: {
            Batch: State.WELCOME,
            Ack: State.WELCOME,
            Refused: State.REFUSED,
            End: State.ENDED,
            Error: State.OVER,
        },
        State.REFUSED: {
            Batch: State.WELCOME,
            Ack: State.REFUSED,
            Refused: State.REFUSED,
            End: State.ENDED,
            Error: State.OVER,
        },
        State.ENDED: {
            Ack: State.ENDED,
            # A refusal behind an END refuses the END with it: it must be said again.
            Refused: State.REFUSED,
            Winners: State.TOLD,
            Error: State.OVER,
        },
        State.TOLD: {
            Winners: State.TOLD,
            Received: State.OVER,
            Error: State.OVER,
        },
        State.OVER: {},
    }
)


#: Where a batch may be said, counts whatever its index, and changes nothing.
SENDING = frozenset({State.CLASSIC, State.WELCOME})


class Conversation:
    """The state of one connection, moved by what is said on it."""

    def __init__(self) -> None:
        self.state = State.NEW
        self._expected = 0

    def heard(self, message: Message) -> bool:
        """Note what the peer has said.

        :return: whether it counts; False: it was sent before a refusal was read.
        :raises RemoteProtocolError: with STATE, if it may not be said now.
        """
        if not self._may_be_said(message):
            raise RemoteProtocolError(Code.STATE, self._complaint(message))
        return self._move(message)

    def said(self, message: Message) -> None:
        """Note what we say.

        :raises LocalProtocolError: if it may not be said now.
        """
        if not self._may_be_said(message):
            raise LocalProtocolError(self._complaint(message))
        self._move(message)

    def _may_be_said(self, message: Message) -> bool:
        return type(message) in TRANSITIONS[self.state]

    def _move(self, message: Message) -> bool:
        after = TRANSITIONS[self.state][type(message)]
        match message:
            case Refused():
                self._expected = message.expected
            case Welcome(ended=True):
                after = State.ENDED
            case Batch(first=index) | End(total=index):
                if self.state is State.REFUSED and index != self._expected:
                    return False
        self.state = after
        return True

    def _complaint(self, message: Message) -> str:
        return f"{type(message).__name__} may not be said when {self.state.value}"
