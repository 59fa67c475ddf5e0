"""Parts with whoever asks for something and then does not read it."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.server import Request

#: One that has not read for so long is dropped.
STALLED_SECONDS: Final = 30.0


class StallWatch:
    """Watches whether an answer is read, from when it first is not."""

    def __init__(self, request: Request, clock: IReactorTime) -> None:
        self._request = request
        self._clock = clock
        self._late: IDelayedCall | None = None
        self._over = False

    def stalls(self) -> None:
        """Note that nothing is read at present."""
        if self._late is None and not self._over:
            self._late = self._clock.callLater(STALLED_SECONDS, self._drop)

    def moves(self) -> None:
        """Note that it is read again."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def end(self) -> None:
        """Watch no more."""
        self._over = True
        self.moves()

    def _drop(self) -> None:
        self._late = None
        transport: Any = self._request.transport
        if transport is not None:
            transport.abortConnection()
