"""The classic dialect, to the byte: what agencies in the field speak.

It has neither a version nor the agency's number, and end and refusal are the same
byte; which is meant follows from the direction.
"""

from __future__ import annotations

from lottery.errors import LocalProtocolError
from lottery.wire.decoder import Vocabulary
from lottery.wire.frames import CLASSIC_BATCH, PAYLOAD_LIMIT, frame
from lottery.wire.messages import (
    ClassicBatch,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    Message,
)

DIALECT = "classic"
#: A longer list of winners cannot be said: its length is a u16.
WINNERS_LIMIT = 0xFFFF

BATCH, STORED, WINNERS, END, REFUSED = CLASSIC_BATCH, 0x02, 0x03, 0xFF, 0xFF

TO_CENTRAL = Vocabulary(DIALECT, {BATCH: ClassicBatch}, {END: ClassicEnd()}, run_of=BATCH)
TO_AGENCY = Vocabulary(
    DIALECT,
    {WINNERS: ClassicWinners},
    {STORED: ClassicStored(), REFUSED: ClassicRefused()},
    payload_limit=WINNERS_LIMIT,
)


def encode(message: Message) -> bytes:
    """Give the bytes of a message of this dialect.

    :raises LocalProtocolError: if the dialect cannot say it, or not in one frame.
    """
    match message:
        case ClassicBatch(payload) if len(payload) <= PAYLOAD_LIMIT:
            return frame(BATCH, payload)
        case ClassicEnd():
            return bytes((END,))
        case ClassicStored():
            return bytes((STORED,))
        case ClassicRefused():
            return bytes((REFUSED,))
        case ClassicWinners(documents) if len(documents) <= WINNERS_LIMIT:
            return frame(WINNERS, documents)
        case ClassicBatch(payload) | ClassicWinners(payload):
            raise LocalProtocolError(f"{type(message).__name__} of {len(payload)} bytes")
    raise LocalProtocolError(f"the classic dialect cannot say {type(message).__name__}")
