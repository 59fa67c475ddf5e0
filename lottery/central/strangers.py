"""Connections of nobody yet: few, and not for long.

A stranger is a connection that has not taken a place, until it is closed. There is a cap on those
of an address, and beyond it the oldest of them goes, not the newest; and one on all of them, and
beyond it the oldest of the address that has most. (Rejected: to turn the newest away, for whoever
holds the cap open would keep everybody out; and to let the oldest of all go, for an honest one,
which needs some round trips, is soon the oldest in a flood.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from ipaddress import IPv6Address
from typing import Protocol as Interface

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import LogLevel

from lottery.central.reconnects import Allowance
from lottery.ops.log import ActionLog

#: One line tells how many went since the last one.
TELL_SECONDS = 10.0
#: So many lines about single strangers at once, and in a minute; a flood shall not fill the disk.
LINES_A_MINUTE = 1200


def origin_of(host: str | None) -> str | None:
    """Give what counts as one address: of IPv6, the half of it that one customer has all of.

    :param host: None for what has no address.
    """
    if host is None or ":" not in host:
        return host
    found = IPv6Address(host.partition("%")[0])
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


class Stranger(Interface):
    """A connection of nobody yet."""

    def too_late(self) -> None:
        """Its time is up."""

    def abort(self) -> None:
        """It has to go at once."""


class Strangers:
    """All connections of nobody yet, the oldest first.

    :param seconds: how long one may be a stranger.
    :param most: how many there may be, and ``most_of_address`` how many of one address.
    """

    def __init__(
        self, clock: IReactorTime, seconds: float, most: int, most_of_address: int, log: ActionLog
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._most_of_address = most_of_address
        self._log = log
        # Dictionaries keep the order in which they were filled.
        self._since: dict[Stranger, float] = {}
        self._address: dict[Stranger, Hashable] = {}
        self._of_address: dict[Hashable, dict[Stranger, None]] = {}
        self._timer: IDelayedCall | None = None
        self._lines = Allowance(LINES_A_MINUTE, clock.seconds())
        self._dropped: Counter[Hashable] = Counter()
        self._untold = 0
        self._telling: IDelayedCall | None = None
        self._stopped = False

    def __len__(self) -> int:
        return len(self._address)

    def came(self, stranger: Stranger, address: Hashable) -> None:
        """Take a stranger in, in place of the oldest one if there are too many."""
        of_address = self._of_address.setdefault(address, {})
        if len(of_address) >= self._most_of_address:
            self._drop(next(iter(of_address)))
        elif len(self._address) >= self._most:
            self.drop_oldest()
        self._since[stranger] = self._clock.seconds()
        self._address[stranger] = address
        self._of_address.setdefault(address, {})[stranger] = None
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._look)

    def gone(self, stranger: Stranger) -> None:
        """Note that it is no stranger any more, or not there any more; twice is harmless."""
        if stranger not in self._address:
            return
        address = self._address.pop(stranger)
        of_address = self._of_address[address]
        del of_address[stranger]
        if not of_address:
            del self._of_address[address]
        self._since.pop(stranger, None)
        if not self._since and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drop_oldest(self) -> None:
        """Make room for somebody else, if there is anybody to make room."""
        crowd = max(self._of_address.values(), key=len, default={})
        for oldest in crowd:
            self._drop(oldest)
            return

    def turned_away(self, address: Hashable) -> None:
        """Note that a connection was closed before it could become anything."""
        self._dropped[address] += 1
        self._tell_soon()

    def may_tell(self) -> bool:
        """Whether a stranger is worth a line of its own; the others are counted."""
        if self._lines.take(self._clock.seconds()):
            return True
        self._untold += 1
        self._tell_soon()
        return False

    def stop(self) -> None:
        """Look after nobody any more, and tell what is untold so far."""
        self._stopped = True
        for timer in (self._timer, self._telling):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = None
        self._tell()

    def _drop(self, stranger: Stranger) -> None:
        self.turned_away(self._address[stranger])
        self.gone(stranger)
        stranger.abort()

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for stranger, since in list(self._since.items()):
            left = since + self._seconds - now
            if left > 0:
                self._timer = self._clock.callLater(left, self._look)
                return
            if stranger in self._since:  # the one before may have taken others with it
                del self._since[stranger]  # it counts until it is closed
                stranger.too_late()

    def _tell_soon(self) -> None:
        if self._telling is None and not self._stopped:
            self._telling = self._clock.callLater(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        if self._dropped or self._untold:
            ip = next((address for address, _ in self._dropped.most_common(1)), None)
            details = {"turned_away": self._dropped.total(), "untold": self._untold, "ip": ip}
            self._log("strangers", "fail", LogLevel.warn, **details)
            self._dropped.clear()
            self._untold = 0
