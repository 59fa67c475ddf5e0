"""Looks at a central once a second, and has ready what pages are told of it.

Everything is looked at once, and written down once, however many pages there are.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import asdict, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

import lottery
from lottery.ops.figures import Figures, quantile
from lottery.ops.rows import Rows
from lottery.ops.views import CentralView, DrawView, Look

#: How often it looks, unless that takes long: to look takes a twentieth of the time at most.
EVERY_SECONDS: Final = 1.0
_PAUSE_FACTOR: Final = 20.0
#: But never longer than so: a clock that is set while it looks must not stop it for hours.
_LONGEST_PAUSE: Final = 60.0
#: So many points of the past are kept: the last minutes.
MOST_POINTS: Final = 300
#: The disk is looked at every so many times, for that may take its time.
_DISK_EVERY: Final = 5


@frozen
class DiskRoom:
    """Bytes of a draw's files, and bytes that are left on their disk."""

    ledger: int
    free: int


@frozen
class Shown:
    """What holds for a central as long as it lives, of what is shown.

    :ivar documents: whether those of winners are shown.
    :ivar min_free: bytes that are left free on the disk.
    """

    documents: bool
    min_free: int


def disk_room(directory: Path) -> DiskRoom:
    """Measure the files of a draw, and their disk; may take long.

    :raises OSError: if it cannot be looked at.
    """
    ledger = 0
    for path in directory.iterdir():
        try:
            ledger += path.stat().st_size
        except FileNotFoundError:
            pass  # a temporary file that has its own name by now
    disk = os.statvfs(directory)
    return DiskRoom(ledger, disk.f_bavail * disk.f_frsize)


class Watch:
    """What pages are told, and when.

    :ivar rows: the agencies.
    :ivar central: the latest event about all the rest.
    :ivar pages: called each time that there is something new.
    """

    def __init__(
        self,
        look: Look,
        figures: Figures,
        shown: Shown,
        clock: IReactorTime,
        measure: Callable[[Path], Deferred[DiskRoom]],
    ) -> None:
        """:param measure: measures the files of a draw off this thread; may fail."""
        self.rows = Rows()
        self.central = b""
        self.pages: set[Callable[[], None]] = set()
        self.room: DiskRoom | None = None
        self._look = look
        self._figures = figures
        self._shown = shown
        self._clock = clock
        self._measure = measure
        self._measuring = False
        self._started = self._looked_at = clock.seconds()
        self._points: deque[list[float | None]] = deque(maxlen=MOST_POINTS)
        self._bets = figures.bets
        self._waits = list(figures.acknowledged.counts)
        self._results, self._steps = 0, object()
        self._looks = 0
        self._every = EVERY_SECONDS
        self._view: CentralView | None = None
        self._measured = 0
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """Look now, and again and again."""
        began = self._clock.seconds()
        try:
            self.look()
        finally:
            pause = _PAUSE_FACTOR * (self._clock.seconds() - began)
            self._every = min(max(EVERY_SECONDS, pause), _LONGEST_PAUSE)
            self._next = self._clock.callLater(self._every, self.start)

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None and self._next.active():
            self._next.cancel()

    def latest(self) -> CentralView:
        """Give what was seen last, which costs nothing; at first, look."""
        return self._view if self._view is not None else self._look.view()

    def history(self) -> bytes:
        """Give the event about the last minutes."""
        return _event("history", {"points": list(self._points)})

    def agencies(self, change: int) -> tuple[int, bytes]:
        """Give the event about agencies that have changed, as :meth:`Rows.after` has it."""
        change, rows = self.rows.after(change)
        return change, self.agencies_event(rows) if rows else b""

    def agencies_event(self, rows: bytes) -> bytes:
        """Give the event about these rows; without any it says whose rows follow."""
        return b'event: agencies\ndata: {"draw":%d,"rows":[%b]}\n\n' % (self.rows.draw, rows)

    def look(self) -> None:
        """Look now, and tell the pages."""
        now, view = self._clock.seconds(), self._look.view()
        self._view, draw = view, view.draw
        self.rows.look(draw.draw if draw else 0, view.agencies, now)
        self._note_point(now)
        if view.steps != self._steps:
            self._steps, self._results = view.steps, self._results + 1
        if draw is not None and draw.draw != self._measured:
            self.room = None  # what is known is of another draw
            self._measure_disk(draw)
        elif draw is not None and self._looks % _DISK_EVERY == 0:
            self._measure_disk(draw)
        self._looks += 1
        self.central = _event("central", self._members(now, view))
        for tell in list(self.pages):
            tell()

    def _note_point(self, now: float) -> None:
        """Note how fast bets came, and how long they waited, since the time before."""
        bets, waits = self._figures.bets, self._figures.acknowledged.counts
        newer = [after - before for after, before in zip(waits, self._waits, strict=True)]
        rate = (bets - self._bets) / max(now - self._looked_at, 1e-3)
        half, most = quantile(newer, 0.5), quantile(newer, 0.99)
        self._points.append([round(now, 3), round(rate, 1), half, most])
        self._bets, self._waits, self._looked_at = bets, list(waits), now

    def _members(self, now: float, view: CentralView) -> dict[str, object]:
        return {
            "time": round(now, 3),
            "version": lottery.__version__,
            "started": round(self._started, 3),
            "every": round(self._every, 3),
            "documents": self._shown.documents,
            "point": self._points[-1],
            "draw": _draw_members(view.draw) if view.draw is not None else None,
            "others": [{"draw": draw, "state": state} for draw, state in view.others],
            "writers": [asdict(writer) for writer in view.writers],
            "connections": view.connections,
            "ledger": self.room.ledger if self.room else None,
            "free": self.room.free if self.room else None,
            "min_free": self._shown.min_free,
            "results": self._results,
        }

    def _measure_disk(self, draw: DrawView) -> None:
        if self._measuring or draw.directory is None:
            return
        self._measuring, self._measured = True, draw.draw

        def measured(room: object) -> None:
            self._measuring = False
            self.room = room if isinstance(room, DiskRoom) else None

        self._measure(draw.directory).addBoth(measured)


def _draw_members(draw: DrawView) -> dict[str, object]:
    members = asdict(draw)
    del members["directory"]
    return {**members, "fixed": draw.commitment is None}


def _event(name: str, members: dict[str, object]) -> bytes:
    text = json.dumps(members, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode()
