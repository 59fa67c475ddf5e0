"""A session's place at a writer, and what the writer tells the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

from lottery.ledger.standing import Standing
from lottery.writer.pipe import Order, Refusal, pack
from lottery.writer.unanswered import Unanswered

#: Who had no more in hand, and now has nothing, is one that waits for its answers.
LIGHT_BYTES = 32 << 10


class OrderTaker(Interface):
    """What a seat asks of the writer it is at."""

    @property
    def full(self) -> bool:
        """Whether the budget is used up."""

    @property
    def room(self) -> int:
        """How many bytes of the budget are left."""

    @property
    def share(self) -> int:
        """How many bytes of one seat may be without an answer."""

    @property
    def now(self) -> float:
        """What the time is, in seconds since whenever."""

    def keep_short(self) -> None:
        """Note that somebody waits for each answer: others may have little in hand meanwhile."""

    def send(self, order: bytes) -> None:
        """Hand an order on."""

    def wait(self, seat: Seat) -> None:
        """Put a seat at the end of the line for room."""

    def leave(self, seat: Seat) -> None:
        """Take nothing more from a seat, and settle it."""


class WriterClient(Interface):
    """What a writer tells the session that has a seat at it."""

    def stored(self, next_index: int, batches: int) -> None:
        """The next so many batches are on disk, up to an index."""

    def refused(self, refusal: Refusal) -> None:
        """The batch or END behind those was not stored; unless it may come again, the
        seat is of no more use."""

    def held(self) -> None:
        """A classic batch waits until there is room on the disk."""

    def ended(self, total: int) -> None:
        """The END is on disk; the seat is of no more use."""

    def lost(self, reason: str) -> None:
        """The writer has ended; what it has not answered is not to be relied upon."""

    def resume(self) -> None:
        """There is room again, and it is this session's turn."""


class Seat:
    """A session's place at a writer.

    What was handed on stays under way until the writer has answered, whatever becomes of
    the session. An agency that comes back must not be told where to go on before that is
    known: see :meth:`when_settled`.

    :ivar number: what the writer calls the session.
    :ivar agency: whose bets are handed on.
    :ivar standing: how much of the agency is known to be on disk.
    :ivar ending: whether the END has been handed on.
    """

    def __init__(
        self, writer: OrderTaker, number: int, client: WriterClient, agency: int, standing: Standing
    ) -> None:
        self._writer = writer
        self._nonce = b""
        self.number = number
        self.client = client
        self.agency = agency
        self.standing = standing
        self.ending = False
        self._unanswered = Unanswered()
        self._has_its_share = self._had_its_share = False
        self._settled = False
        self._when_settled: list[Callable[[], None]] = []

    @property
    def in_hand(self) -> int:
        """How many batches and ENDs were handed on and are not yet answered."""
        return self._unanswered.batches

    @property
    def full(self) -> bool:
        """Whether the session should :meth:`wait` before it hands on more."""
        return self.room <= 0

    @property
    def room(self) -> int:
        """How many bytes may be handed on, above 0 unless it is full."""
        return min(self._writer.room, self._writer.share - self._unanswered.bytes)

    def batches(self, frames: bytes, count: int) -> None:
        """Hand on the frames of so many batches, as they came."""
        self._unanswered.add(count, len(frames), self._writer.now)
        self._writer.send(pack(Order.BATCHES, self.number, body=frames))

    def end(self, total: int | None, nonce: bytes) -> None:
        """Hand on the agency's END; the classic dialect announces no total."""
        self.ending = True
        self._unanswered.add(1, 0, self._writer.now)
        self._nonce = nonce
        announced = total is not None
        self._writer.send(pack(Order.END, self.number, total or 0, announced, nonce))

    def waiting(self, now: float) -> float | None:
        """How many seconds what waits longest has waited for its answer; None: nothing waits."""
        since = self._unanswered.since
        return None if since is None else now - since

    def wait(self) -> None:
        """Stand in line for room; ``client.resume()`` is called when it is our turn.

        Who has its share in hand does not stand in line before some of it is answered.
        """
        self._has_its_share = self._unanswered.bytes >= self._writer.share
        if self._has_its_share:
            self._had_its_share = True
        else:
            self._writer.wait(self)

    def leave(self) -> None:
        """Hand on nothing more. What was handed on is still answered, until all is settled."""
        self._has_its_share = False
        self._writer.leave(self)

    def when_settled(self, act: Callable[[], None]) -> None:
        """Do something once nothing that was handed on is under way any more."""
        if self._settled:
            act()
        else:
            self._when_settled.append(act)

    # What the writer says of it.

    def stored(self, next_index: int, crc: int, batches: int) -> None:
        """Note that so many batches more are on disk."""
        self._unanswered.answered(batches)
        self._have_less_in_hand()
        self.standing = self.standing._replace(next_index=next_index, crc=crc)
        self.client.stored(next_index, batches)

    def refused(self, refusal: Refusal) -> None:
        """Note that nothing is in hand any more: what followed the refused batch is dropped."""
        self._unanswered.clear()
        self._have_less_in_hand()
        if refusal.again:
            self.ending = False
        self.client.refused(refusal)

    def _have_less_in_hand(self) -> None:
        if not self._unanswered.bytes:
            # Who has little in hand because it was given no more is none of those who wait.
            if self._unanswered.most < LIGHT_BYTES and not self._had_its_share:
                self._writer.keep_short()
            self._unanswered.most, self._had_its_share = 0, False
        if self._has_its_share and self._unanswered.bytes < self._writer.share:
            self._has_its_share = False
            self._writer.wait(self)

    def ended(self, total: int) -> None:
        """Note that the END is on disk."""
        self._unanswered.clear()
        self.standing = self.standing._replace(next_index=total, ended=True, nonce=self._nonce)
        self.client.ended(total)

    def settle(self, standing: Standing | None = None) -> None:
        """Note that nothing is under way any more; None: the standing is as it was told."""
        if standing is not None:
            self.standing = standing
        self._settled = True
        acts, self._when_settled = self._when_settled, []
        for act in acts:
            act()
