"""A peer with a seat at a writer: what it says is handed on as there is room.

It is read from as long as its writer has room. A classic agency gets its seat with the first that
it says, which waits for that: it takes a moment where several centrals have to agree who comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from lottery.central.answers import Acknowledgements
from lottery.central.identity import IdentifiedPeer
from lottery.central.place import Place
from lottery.central.speech import CLASSIC
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.frames import RUN_BYTES
from lottery.writer.seat import Seat

if TYPE_CHECKING:
    from lottery.central.participant import Participant
    from lottery.wire.messages import Welcome


class SeatedPeer(IdentifiedPeer):
    """A peer that hands on batches, if it has a seat."""

    def connectionMade(self) -> None:
        """Begin to listen, without a seat."""
        self._seat: Seat | None = None
        self._acknowledgements: Acknowledgements | None = None
        self._first: Callable[[], None] | None = None
        self._waiting = False
        self._stopping = False
        self._parting = False
        super().connectionMade()

    def room(self) -> int:
        """What the writer has room for, but no more than makes a record; 0 to hear nothing."""
        if not self.is_hearing():
            return 0
        return RUN_BYTES if self._seat is None else min(RUN_BYTES, max(1, self._seat.room))

    def batchesReceived(self, frames: bytes, count: int) -> None:
        """Hand on batches; if the writer has no room for more, wait until it has."""
        self._once_seated(lambda: self._hand_on(frames, count))

    def _hand_on(self, frames: bytes, count: int) -> None:
        seat = self._taken_seat()
        self._journal.handed_on(frames)
        seat.batches(frames, count)
        if seat.full:
            self._waiting = True
            self._connection.pause()
            seat.wait()

    def _once_seated(self, act: Callable[[], None]) -> None:
        """Do what needs a seat; a classic agency begins with it, and so gets one first.

        :raises RemoteProtocolError: AUTH, if the classic dialect may not come in.
        """
        if self._seat is not None or self.speech is not CLASSIC:
            act()
            return
        self.factory.admission.check_classic()
        self._first = act
        self.factory.draws.classic(cast("Participant", self))
        self._wait_for_seat()

    def _wait_for_seat(self) -> None:
        if self._first is not None and self.is_hearing():
            self._waiting = True
            self._connection.pause()

    def seated(self, seat: Seat) -> None:
        """Take the seat of a classic agency, and hand on what it began with."""
        waited, self._waiting = self._waiting, False
        act, self._first = self._first, None
        self._sit_down(seat)
        if act is not None:
            act()
        if waited and not self._waiting:
            self.resume()

    def is_over(self) -> bool:
        """Whether the agency is gone, or told to go."""
        return self._parting or self._connection.leaving or self._connection.gone

    def _taken_seat(self) -> Seat:
        """Give the seat.

        :raises RemoteProtocolError: STATE, if an END was stored in spite of a refusal before it.
        """
        if self._seat is None:
            raise RemoteProtocolError(Code.STATE, "nothing may follow an END that is stored")
        return self._seat

    def welcome(self, welcome: Welcome, seat: Seat | None) -> None:
        """Tell the agency where to go on; without a seat it has ended already."""
        self._turn.moved()
        self._sit_down(seat)
        self._connection.write(self.words(welcome))

    def _sit_down(self, seat: Seat | None) -> None:
        self._seat = seat
        self._journal.arrived(cast(Place, self._place))
        self._acknowledgements = Acknowledgements(self._connection, self.speech)

    def resume(self) -> None:
        """Go on: the writer has room again."""
        if self._parting or self._connection.leaving or self._stopping:
            return
        self._waiting = False
        self._turn.heard()
        self.proceed()
        if not self._waiting and not self._parting:
            self._connection.resume()

    def stop(self) -> None:
        """Read no more: the central is being stopped."""
        self._stopping = self._waiting = True
        if not self._connection.leaving:  # who leaves has to see that the peer closes
            self._connection.pause()

    def is_hearing(self) -> bool:
        """Whether the agency is read from."""
        return not (self._waiting or self._parting or self._connection.leaving)
