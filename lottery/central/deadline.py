"""By when all agencies of a draw have to have ended."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from lottery.central.place import LeftOut
from lottery.errors import Code


class Deadline:
    """The time that a draw has from its first session on; it may have no end.

    :ivar passed: whether it is over.
    :ivar why: why an agency is left out then.
    """

    def __init__(self, clock: IReactorTime, seconds: float, passes: Callable[[], None]) -> None:
        """:param seconds: how long; 0: for ever.

        :param passes: called when it is over.
        """
        self.passed = False
        reason = f"it had not ended when the deadline of {seconds:g} s passed"
        self.why = LeftOut(Code.TIMEOUT, reason)
        self._clock = clock
        self._seconds = seconds
        self._passes = passes
        self._call: IDelayedCall | None = None

    def begin(self) -> None:
        """Begin, with the first session, be it of an agency that an earlier process knew."""
        if self._call is None and self._seconds:
            self._call = self._clock.callLater(self._seconds, self._pass)

    def stop(self) -> None:
        """Let nothing happen any more."""
        self._seconds = 0.0
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _pass(self) -> None:
        self.passed = True
        self._passes()
