"""How often an agency may come."""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.interfaces import IReactorTime

from lottery.errors import Code, RemoteProtocolError

#: So many agencies are remembered; who is not remembered may come as if for the first time.
REMEMBERED = 1 << 16


class Allowance:
    """So many in a minute, evenly; what was not used is kept for a minute.

    :param a_minute: how many, at least 1.
    """

    __slots__ = ("_at", "_left", "_most")

    def __init__(self, a_minute: int, now: float) -> None:
        self._most = self._left = float(a_minute)
        self._at = now

    def take(self, now: float) -> bool:
        """Use one, if there is one."""
        earned = (now - self._at) * self._most / 60
        self._left = min(self._most, self._left + earned)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Reconnects:
    """Counts the comings of each agency, so that none keeps the central busy with them.

    :param a_minute: how many; 0: any number. ``lottery agency``, whose delays double up to 5
        seconds, comes about twenty times in the worst minute.
    """

    def __init__(self, clock: IReactorTime, a_minute: int) -> None:
        self._clock = clock
        self._a_minute = a_minute
        self._allowances: OrderedDict[int, Allowance] = OrderedDict()

    def comes(self, agency: int) -> None:
        """Note that an agency has come.

        :raises RemoteProtocolError: BUSY, if it comes too often.
        """
        if not self._a_minute:
            return
        now = self._clock.seconds()
        allowance = self._allowances.get(agency)
        if allowance is None:
            if len(self._allowances) >= REMEMBERED:
                self._allowances.popitem(last=False)
            allowance = self._allowances[agency] = Allowance(self._a_minute, now)
        self._allowances.move_to_end(agency)
        if not allowance.take(now):
            raise RemoteProtocolError(
                Code.BUSY,
                f"agency {agency} has come more than {self._a_minute} times in a minute",
            )
