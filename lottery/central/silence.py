"""The clocks of a peer whose turn it is: of its silence, and of the frame that it sends.

They run only while the peer is the one who has to do something: while the central is not
reading, or owes an answer, nothing is the peer's fault. The clock of a frame begins with its
first byte and is not set back by the next one, so a trickle of bytes ends as silence does.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class TurnClock:
    """Calls ``silent`` once nothing has moved for a while during the peer's turn, or ``slow``.

    Whatever moves is only noted; one timer looks now and then, however much moves.

    :param silence_seconds: how long nothing may move; 0 for ever.
    :param frame_seconds: how long a frame may take.
    :param is_peers_turn: asked when the time may be up.
    :param is_within_frame: whether we read, and have the beginning of a frame.
    """

    def __init__(
        self,
        clock: IReactorTime,
        silence_seconds: float,
        frame_seconds: float,
        *,
        is_peers_turn: Callable[[], bool],
        is_within_frame: Callable[[], bool],
        silent: Callable[[], None],
        slow: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._silence_seconds = silence_seconds or inf
        self._frame_seconds = frame_seconds
        self._is_peers_turn = is_peers_turn
        self._is_within_frame = is_within_frame
        self._silent = silent
        self._slow = slow
        self._moved_at = self._begun_at = clock.seconds()
        self._timer: IDelayedCall | None = None
        self._wait(min(self._silence_seconds, frame_seconds))

    def moved(self) -> None:
        """Note that something came, went, or became the peer's turn just now."""
        self._moved_at = self._clock.seconds()

    def frame_begins(self) -> None:
        """Note that what comes from now on is another frame, or is read again only now."""
        self._begun_at = self._clock.seconds()

    def heard(self) -> None:
        """Note that a whole frame has come: a move, a trickle of bytes is none."""
        self._moved_at = self._begun_at = self._clock.seconds()

    def stop(self) -> None:
        """Stop for good; doing it twice is harmless."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _wait(self, seconds: float) -> None:
        self._timer = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        silence_left, frame_left = self._silence_seconds, self._frame_seconds
        if self._is_peers_turn():
            silence_left += self._moved_at - now
        if self._is_within_frame():
            frame_left += self._begun_at - now
        if silence_left <= 0:
            self._silent()
        elif frame_left <= 0:
            self._slow()
        else:
            self._wait(min(silence_left, frame_left))
