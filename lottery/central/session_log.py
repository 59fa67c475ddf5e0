"""What the log says of a session.

At DEBUG every batch has a line. Otherwise an agency has one with its total when its part
is decided, which is the draw's to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define
from twisted.logger import LogLevel

from lottery.central.place import Place
from lottery.errors import Code
from lottery.ops.log import ActionLog


@define
class SessionLog:
    """Writes the lines of one session."""

    log: ActionLog
    peer: dict[str, object]
    place: Place | None = None

    def arrived(self, place: Place) -> None:
        """An agency has taken its place."""
        self.place = place
        details = {**self.peer, "agency": place.agency, "dialect": place.dialect}
        self.log("accept_connections", "success", **details)

    def stored(self, bets: Sequence[int]) -> None:
        """Batches were stored, with so many bets each."""
        if self.log.enabled(LogLevel.debug):
            for count in bets:
                self._batch("success", count)

    def refused(self, bets: int) -> None:
        """A batch was refused."""
        if self.log.enabled(LogLevel.debug):
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
