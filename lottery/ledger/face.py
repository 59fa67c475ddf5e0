"""What the central asks of a ledger, whichever kind it is.

There are two: files, which one central has for itself, and a database, which several share.
All of it may take seconds, and waits for disks or for a server, so it is made for a thread of its
own. What passes raises :class:`~lottery.ledger.segment.NotNow`, or another ``OSError`` that means
that there was no room: nothing was done, and the same may be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from attrs import field, frozen

from lottery.ledger.intake import IntakeLog
from lottery.ledger.reading import TornTail
from lottery.ledger.record import DrawRecord
from lottery.ledger.standing import Standing


@frozen
class WriterPlan:
    """How a writer child is started, and what it is called in the log.

    :ivar words: what it is told: where it writes, the draw, its number, and how many bytes it
        has to leave free.
    :ivar environment: what its environment has beside ours.
    :ivar inherits: descriptors of ours that it has, by its own numbers.
    """

    name: str
    words: tuple[object, ...]
    environment: Mapping[str, str] = field(factory=dict)
    inherits: Mapping[int, int] = field(factory=dict)


@frozen
class Unfinished:
    """A draw that is to be gone on with.

    :ivar record: which step it has reached.
    :ivar standings: by agency, what is stored; only of a draw that is open.
    :ivar torn: what was left out of its segments.
    """

    ledger: DrawLedger
    record: DrawRecord
    standings: Mapping[int, Standing] = field(factory=dict)
    torn: Sequence[TornTail] = ()


@frozen
class Attendance:
    """An agency's part in a draw, as all centrals know it.

    :ivar standing: how much of it is stored, if that is ``exact``: of a part that is not decided,
        only who holds it knows. Its ``session`` is the latest one.
    :ivar central: at which central that session is; None if the agency is away.
    :ivar left_out: why it has no part any more; empty if it has, or has succeeded.
    :ivar received: whether it has its winners; None: that is not known yet.
    """

    agency: int
    standing: Standing
    central: str | None
    left_out: str = ""
    received: bool | None = None
    exact: bool = True


@frozen
class Attendances:
    """All that is known of a draw.

    :ivar state: as in its record.
    :ivar admits: whether agencies that have no place yet may still come.
    :ivar beats: by central, a count that goes up as long as it lives.
    """

    state: str
    admits: bool
    parts: Sequence[Attendance]
    beats: Mapping[str, int]


class SharedDraw(Protocol):
    """What several centrals have to agree upon in a draw that is open.

    Each of these happens once, for all of them, and to do it twice is harmless: an answer may be
    lost.
    """

    @property
    def central(self) -> str:
        """What this central is called."""

    def enter(self, agency: int) -> Attendance:
        """Let an agency come in, with a new session at this central, and give where it stands.

        From then on no other session of it stores anything. One that has ended is at this
        central from now on; one that is left out is not let in.

        :raises RemoteProtocolError: CLOSED, FULL, or TAKEN by a classic agency.
        """

    def enter_classic(self, arrival: str, reserved: Collection[int], most: int) -> Attendance:
        """Let a classic agency come in, with the first number that no agency has.

        :param arrival: what only this one is called: it cannot say who it is, and must not have
            two numbers.
        :param reserved: numbers that are kept for others.
        :param most: how many classic agencies there may be.
        :raises RemoteProtocolError: CLOSED or FULL.
        """

    def leave(self, agency: int, session: int) -> None:
        """Note that a session is over, so that the agency is away; a later one is not touched."""

    def leave_out(self, agency: int, session: int, reason: str) -> Attendance:
        """Decide that an agency has no part any more, if it has not come back or ended meanwhile.

        :param session: the latest that is known of.
        :returns: how its part stands then.
        """

    def admit_no_more(self) -> None:
        """Let no agency come in any more that has no place yet."""

    def note_told(self, agency: int, received: bool) -> None:
        """Note whether an agency has received its winners; who has them has them."""

    def look(self) -> Attendances:
        """Give what is known."""


class DrawLedger(Protocol):
    """One draw.

    Every step takes the record that the one before it has given, and gives the one that is
    published then: whatever may be in force by the time, if others share the ledger.
    """

    @property
    def number(self) -> int:
        """Which draw, from 1 up."""

    @property
    def path(self) -> Path | None:
        """Where its files are, if it has files."""

    @property
    def timeline(self) -> IntakeLog | None:
        """What takes down how its bets came in over time, if anything does."""

    @property
    def shared(self) -> SharedDraw | None:
        """What is to be agreed upon with other centrals, if there may be others."""

    def read(self) -> DrawRecord:
        """Give the record that is published.

        :raises DamagedLedger: if it is damaged, or that of another draw.
        """

    def close(self, record: DrawRecord) -> DrawRecord:
        """Publish that the draw takes no more bets.

        :param record: in the state closing, with all parts.
        :raises NotNow: if another central has let somebody in whose part is not decided.
        """

    def seal(self, record: DrawRecord, interrupted: Callable[[], bool]) -> DrawRecord:
        """Publish all digests of a closing draw; it is sealed then, or void.

        :raises DamagedLedger: if not all is there of an agency that has succeeded.
        :raises Interrupted: soon after ``interrupted()`` has become true.
        """

    def draw_number(
        self, record: DrawRecord, winning_number: int | None, interrupted: Callable[[], bool]
    ) -> DrawRecord:
        """Find the winners of a sealed draw, and publish the number.

        :param winning_number: the fixed one; a draw that has promised a secret takes the one
            that is made of it instead.
        :raises DamagedLedger: if the bets are not what was sealed, of files; in a database, only
            the bets on the number are read, and ``lottery audit`` reads the others.
        :raises LotteryError: if it has neither promised a secret nor is there a number.
        :raises Interrupted: soon after ``interrupted()`` has become true.
        """

    def winners(
        self, record: DrawRecord, interrupted: Callable[[], bool]
    ) -> dict[int, list[bytes]]:
        """Give the winning rows of each agency that has some, without the agency, LF after each.

        :raises DamagedLedger: if they are not what was published.
        :raises Interrupted: soon after ``interrupted()`` has become true.
        """

    def note_delivered(self, record: DrawRecord, received: Collection[int]) -> DrawRecord:
        """Publish who has received its winners; who had them before still has."""

    # For those who look.

    def stamp(self) -> object:
        """Give what is another one whenever the record is.

        :raises OSError: if it cannot be found out.
        """

    def record_file(self) -> BinaryIO:
        """Open the bytes of the record.

        :raises FileNotFoundError: if there is none yet.
        """

    def winners_file(self) -> BinaryIO:
        """Open all winning rows, each behind its agency, in order.

        :raises FileNotFoundError: if the number is not drawn yet.
        """

    def bets_on_numbers(self, rest: Callable[[], None]) -> Mapping[bytes, int]:
        """Count the bets on each number of a sealed draw, by its digits, with zeros or without.

        :param rest: called now and then, for it may take long; it may raise to leave the work.
        """

    # For writers.

    def writers(self) -> int:
        """Give the highest number that a writer has had, 0 if there was none; quick."""

    def plan_writer(self, number: int) -> WriterPlan:
        """Say how a writer is started; quick."""

    def is_settled(self, plan: WriterPlan, *, well: bool) -> bool:
        """Whether all that a writer has stored was told by it; quick.

        :param well: whether it has ended as it should.
        """

    def settle(
        self, plan: WriterPlan, told: Mapping[int, Standing]
    ) -> tuple[TornTail | None, dict[int, Standing]]:
        """Learn what a writer that did not end well has stored without a word.

        :param told: where its agencies stood by its own words.
        :returns: what had to be left out, and where the same agencies stand.
        :raises DamagedLedger: if what it has stored is damaged.
        """


class Ledgers(Protocol):
    """The ledgers of all draws."""

    @property
    def alone(self) -> bool:
        """Whether one central has them for itself."""

    @property
    def place(self) -> str:
        """Where they are, for somebody to read; without a password."""

    def own(self, again: Callable[[], bool]) -> None:
        """Be ready for use, and nobody else's if only one may use them.

        :param again: waits a little for another process to let go, and says whether it is worth
            another try.
        :raises StartError: if they cannot be used.
        """

    def interrupt(self) -> None:
        """Break off what waits for a server, and would go on waiting; files do not."""

    def release(self) -> None:
        """Give back what :meth:`own` has taken; doing it twice is harmless."""

    @property
    def open_to_others(self) -> str:
        """What other users of the machine may look into; empty if nothing is."""

    def recover(self, places: int) -> list[Unfinished]:
        """Bring every draw that is not at its end to where it can go on; gives them in order.

        :param places: how many are wanted now, for a draw that nobody has come to.
        :raises DamagedLedger: for damage; nothing is touched then.
        :raises StartError: if it cannot be gone on with as the settings want it.
        """

    def unreceived(self) -> dict[int, int]:
        """Give the agencies whose winners are not acknowledged, each with its latest such draw."""

    def open(self, places: int) -> Unfinished:
        """Open the draw behind the last one there is, or go along with others that have done so.

        :raises StartError: if it cannot be gone along with as the settings want it.
        """

    def numbers(self) -> list[int]:
        """Give the number of each draw there is, in order."""

    def find(self, number: int) -> DrawLedger | None:
        """Give the draw of that number, if there is one."""
