"""What a draw asks of a session: the face that sessions have to whatever decides over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from twisted.internet.defer import Deferred

from lottery.errors import Code
from lottery.wire.messages import Welcome
from lottery.writer.seat import Seat, WriterClient

if TYPE_CHECKING:
    from lottery.central.place import Place


class Participant(WriterClient, Interface):
    """What a draw asks of the session that has a place in it."""

    def join(self, place: Place) -> None:
        """Speak for a place from now on, and tell it when that is over."""

    def expected(self) -> None:
        """It is let in, which takes a moment."""

    def is_over(self) -> bool:
        """Whether it is over, so that it needs no place any more."""

    def seated(self, seat: Seat) -> None:
        """Take the seat that a classic agency has come for."""

    def welcome(self, welcome: Welcome, seat: Seat | None) -> None:
        """Tell the agency where to go on; without a seat it has ended already."""

    def fail(self, code: Code, sentence: str) -> None:
        """Tell the agency why it is over, and leave."""

    def deliver(self, draw: int, number: int, rows: Sequence[bytes]) -> Deferred[str]:
        """Tell the agency its winning rows; fires with why that failed, if it did."""
