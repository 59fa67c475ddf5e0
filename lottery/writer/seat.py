"""A session's place at a writer, and what the writer tells the session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as Interface

from lottery.writer.pipe import Order, Refusal, pack


class OrderTaker(Interface):
    """What a seat asks of the writer it is at."""

    @property
    def full(self) -> bool:
        """Whether the budget is used up."""

    def send(self, order: bytes) -> None:
        """Hand an order on."""

    def wait(self, seat: Seat) -> None:
        """Put a seat at the end of the line for room."""

    def leave(self, seat: Seat, number: int) -> None:
        """Forget a seat."""


class WriterClient(Interface):
    """What a writer tells the session that has a seat at it."""

    def stored(self, next_index: int, bets: Sequence[int]) -> None:
        """The next batches are on disk; ``bets`` says how many bets each had."""

    def refused(self, refusal: Refusal) -> None:
        """The batch or END behind those was not stored; the seat is of no more use."""

    def ended(self, total: int) -> None:
        """The END is on disk; the seat is of no more use."""

    def lost(self, reason: str) -> None:
        """The writer has ended; what it has not answered is not to be relied upon."""

    def resume(self) -> None:
        """There is room again, and it is this session's turn."""


class Seat:
    """A session's place at a writer.

    :ivar ending: whether the END has been handed on.
    :ivar in_hand: how many batches and ENDs were handed on and are not yet answered.
    """

    def __init__(self, writer: OrderTaker, number: int, client: WriterClient) -> None:
        self._writer = writer
        self._number = number
        self.client = client
        self.ending = False
        self.in_hand = 0

    @property
    def full(self) -> bool:
        """Whether the session should :meth:`wait` before it hands on more."""
        return self._writer.full

    def classic(self, payload: bytes) -> None:
        """Hand on the payload of a classic batch."""
        self.in_hand += 1
        self._writer.send(pack(Order.CLASSIC, self._number, body=payload))

    def rows(self, first: int, count: int, rows: bytes) -> None:
        """Hand on a batch of CSV lines."""
        self.in_hand += 1
        self._writer.send(pack(Order.ROWS, self._number, first, count, rows))

    def end(self, total: int | None, nonce: bytes) -> None:
        """Hand on the agency's END; the classic dialect announces no total."""
        self.ending = True
        self.in_hand += 1
        announced = total is not None
        self._writer.send(pack(Order.END, self._number, total or 0, announced, nonce))

    def wait(self) -> None:
        """Stand in line for room; ``client.resume()`` is called when it is our turn."""
        self._writer.wait(self)

    def leave(self) -> None:
        """Give the seat up. What was handed on may still be stored, unanswered."""
        self._writer.leave(self, self._number)
