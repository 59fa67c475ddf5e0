"""The clock of a peer whose turn it is.

It runs only while the peer is the one who has to do something: while the central is
not reading, or owes an answer, silence is no fault of the peer's.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class SilenceClock:
    """Calls ``silent`` once nothing has moved for a while during the peer's turn.

    Whatever moves is only noted; one timer looks now and then, however much moves.

    :param limit_seconds: how long; 0 for ever.
    :param is_peers_turn: asked when the time may be up.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limit_seconds: float,
        is_peers_turn: Callable[[], bool],
        silent: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._is_peers_turn = is_peers_turn
        self._silent = silent
        self._moved_at = clock.seconds()
        self._timer: IDelayedCall | None = None
        if limit_seconds:
            self._timer = clock.callLater(limit_seconds, self._look)

    def moved(self) -> None:
        """Note that something came, went, or became the peer's turn just now."""
        self._moved_at = self._clock.seconds()

    def stop(self) -> None:
        """Stop for good; doing it twice is harmless."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _look(self) -> None:
        left = self._limit_seconds
        if self._is_peers_turn():
            left += self._moved_at - self._clock.seconds()
        if left > 0:
            self._timer = self._clock.callLater(left, self._look)
        else:
            self._timer = None
            self._silent()
