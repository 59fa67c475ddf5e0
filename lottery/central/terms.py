"""What holds for every draw of a central."""

from __future__ import annotations

from math import ceil
from typing import Final

from attrs import frozen

from lottery.ledger.standing import Standing
from lottery.wire.frames import PAYLOAD_LIMIT
from lottery.wire.messages import DrawState, Welcome

#: How long an agency may stand still while it is told its winners, if it may be away or
#: silent for ever otherwise: a draw has to end.
DELIVERY_SECONDS: Final = 30.0


@frozen
class DrawTerms:
    """What holds for every draw of a central, in seconds.

    :ivar silence: how long an agency may be silent in its turn, 0 for ever.
    :ivar rejoin: how long it may be away, 0: not at all.
    :ivar deadline: from the first session of this process on, 0: none.
    """

    silence: float
    rejoin: float
    deadline: float

    @property
    def delivery(self) -> float:
        """How long an agency may stand still while it is told its winners."""
        return self.rejoin or self.silence or DELIVERY_SECONDS

    def welcome(self, draw: int, state: DrawState, standing: Standing) -> Welcome:
        """Say where an agency has to go on."""
        return Welcome(
            draw=draw,
            state=state,
            ended=standing.ended,
            next_index=standing.next_index,
            crc=standing.crc,
            payload_limit=PAYLOAD_LIMIT,
            silence=min(ceil(self.silence), 0xFFFFFFFF),
        )
