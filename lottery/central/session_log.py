"""What the log says of a session.

At DEBUG every batch has a line. Otherwise an agency has one with its total when its part
is decided, which is the draw's to say.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field
from twisted.logger import LogLevel

from lottery.central.place import Place
from lottery.errors import Code
from lottery.ops.log import ActionLog
from lottery.wire.frames import bets_of


@define
class SessionLog:
    """Writes the lines of one session."""

    log: ActionLog
    peer: dict[str, object]
    place: Place | None = None
    _under_way: deque[int] = field(factory=deque)

    def arrived(self, place: Place) -> None:
        """An agency has taken its place."""
        self.place = place
        details = {**self.peer, "agency": place.agency, "dialect": place.dialect}
        self.log("accept_connections", "success", **details)

    def handed_on(self, frames: bytes) -> None:
        """Batches are under way; what is in them is of interest to nobody but this log."""
        if self.log.enabled(LogLevel.debug):
            self._under_way.extend(bets_of(frames))

    def stored(self, batches: int) -> None:
        """So many of them were stored."""
        if self.log.enabled(LogLevel.debug):
            # Fewer are known if one came twice and is stored behind its refusal.
            for _ in range(min(batches, len(self._under_way))):
                self._batch("success", self._under_way.popleft())

    def refused(self, bets: int) -> None:
        """The next one was refused, and those behind it are dropped."""
        if self.log.enabled(LogLevel.debug):
            self._under_way.clear()
            self._batch("fail", bets)

    def failed(self, code: Code, sentence: str, *, said_something: bool) -> None:
        """The session is over before its time."""
        details = {**self.peer, "code": code.name, "error": sentence}
        if self.place is not None:
            self.log("agency", "fail", LogLevel.warn, agency=self._agency, **details)
            return
        if not said_something and code is Code.LEFT_OUT:
            # As a health check does, every few seconds: of no interest, and no failure.
            self.log("probe", "success", LogLevel.debug, **self.peer)
            return
        level = LogLevel.warn if said_something else LogLevel.debug
        self.log("accept_connections", "fail", level, **details)

    @property
    def _agency(self) -> int | None:
        return self.place.agency if self.place else None

    def _batch(self, result: str, bets: int) -> None:
        self.log("apuesta_recibida", result, LogLevel.debug, agency=self._agency, cantidad=bets)
