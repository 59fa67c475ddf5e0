"""How far an errand is, for whoever wants to show it.

The errand notes its steps here, a handful in a day. All that grows with every batch is read from
where it is counted anyway, at the moment when somebody looks: so being looked at costs the
sending nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from lottery.agency.bets_file import Total
from lottery.agency.result import Result
from lottery.agency.skipped import SkippedRows
from lottery.agency.upload import Upload

#: So many winning rows are kept to be shown; the file of results has them all.
WINNERS_SHOWN = 20
#: The time over which a pace is taken; less than ``LEAST_SECONDS`` of it tell nothing.
PACE_SECONDS = 5.0
LEAST_SECONDS = 0.5


class Phase(Enum):
    """What an errand is about."""

    READING = auto()  # the first bets; nothing is connected yet
    CONNECTING = auto()
    AWAY = auto()  # no central; another attempt follows
    COMPARING = auto()  # the file with what the central has of it
    SENDING = auto()
    HELD = auto()  # the central wants something again, later
    WAITING = auto()  # all is stored; for the draw and the winners


class Progress:
    """The steps of one errand, and the way to its counters.

    :param result: what is known of the errand.
    :param skipped: the rows that are left out.
    :param seconds: what time it is.

    :ivar upload: the file on its way; None before it was opened.
    :ivar phase: what the errand is about, and ``since`` when.
    :ivar trouble: why it is held up, in words that may be the central's; empty if it is not.
    :ivar again_at: when it goes on, if it is held up.
    :ivar attempts: how many were made since the central was there last.
    :ivar winners: how many winning rows have arrived; ``first_winners`` are the first of them.
    """

    def __init__(self, result: Result, skipped: SkippedRows, seconds: Callable[[], float]) -> None:
        self.result = result
        self.upload: Upload | None = None
        self.phase = Phase.READING
        self.since = seconds()
        self.trouble = ""
        self.again_at = 0.0
        self.attempts = 0
        self.winners = 0
        self.first_winners: list[str] = []
        self._skipped = skipped
        self._seconds = seconds
        self._sending_since: float | None = None
        self._stored_at: float | None = None

    # What the errand says.

    def enter(self, phase: Phase) -> None:
        """Note that something new begins, and that nothing holds it up."""
        if phase is not self.phase:
            self.phase, self.since = phase, self._seconds()
        if phase is Phase.CONNECTING:
            self.attempts += 1
        if phase is Phase.COMPARING:
            self.attempts = 0
        if phase is Phase.SENDING and self._sending_since is None:
            self._sending_since = self.since
        if phase is Phase.WAITING and self._stored_at is None:
            self._stored_at = self.since
        if phase is not Phase.CONNECTING:
            self.trouble = ""

    def hold_up(self, phase: Phase, trouble: str, delay_seconds: float) -> None:
        """Note that it goes on after a delay.

        :param phase: ``AWAY`` or ``HELD``.
        """
        self.enter(phase)
        self.trouble = trouble
        self.again_at = self._seconds() + delay_seconds

    def take_winners(self, rows: bytes) -> None:
        """Count winning rows, LF after each, and keep the first ones."""
        self.winners += rows.count(b"\n")
        if (room := WINNERS_SHOWN - len(self.first_winners)) > 0:
            lines = rows.decode("utf-8", "backslashreplace").split("\n")[:-1]
            self.first_winners += lines[:room]

    def drop_winners(self) -> None:
        """Note that they will be told again from the first one on."""
        self.winners = 0
        self.first_winners.clear()

    # What there is to be seen.

    @property
    def acknowledged(self) -> int:
        """How many bets are on the central's disk, as it says."""
        return self.upload.acknowledged if self.upload else 0

    @property
    def sent(self) -> int:
        """How many bets are there or on the way there."""
        return max(self.upload.sent, self.upload.acknowledged) if self.upload else 0

    @property
    def total(self) -> Total | None:
        """How many bets the file has; None if that cannot be known yet."""
        return self.upload.total if self.upload else None

    @property
    def skipped(self) -> int:
        """How many rows have been left out."""
        return self._skipped.count

    @property
    def reconnections(self) -> int:
        """How often the agency has come back to the central."""
        return max(self.result.sessions - 1, 0)

    @property
    def sending_seconds(self) -> float | None:
        """How long it took to have all bets stored; None if that was not now, or is not yet."""
        if self._sending_since is None or self._stored_at is None:
            return None
        return self._stored_at - self._sending_since


class Pace:
    """How fast something grows, over the last few seconds."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, int]] = deque()

    def note(self, seconds: float, count: int) -> None:
        """Note how many there are at a time; fewer than before: it has begun anew."""
        if self._noted and count < self._noted[-1][1]:
            self.restart()
        self._noted.append((seconds, count))
        while len(self._noted) > 1 and self._noted[1][0] <= seconds - PACE_SECONDS:
            self._noted.popleft()

    def restart(self) -> None:
        """Forget what was: nothing grows at the moment."""
        self._noted.clear()

    @property
    def per_second(self) -> float | None:
        """How many there are more in a second; None if it is too early to say."""
        if not self._noted:
            return None
        (first, start), (last, end) = self._noted[0], self._noted[-1]
        return (end - start) / (last - first) if last - first >= LEAST_SECONDS else None
