"""Who takes part in a draw: decided here, or agreed upon with other centrals.

A central that has its ledger for itself decides at once, and so all that it does follows from
what it knows. Where several share a ledger, an agency may come to any of them, at any time, and
what one of them thinks of it may be old. So nothing is decided in memory: whoever lets an agency
in, or leaves it out, asks the ledger, which does it if nothing has come in between, and says how
it is. And each central looks now and then what has become of the agencies of others. (Rejected: to
be told of it by the database. Not every one can, and whoever is told still has to look when it has
missed something.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from secrets import token_hex
from typing import TYPE_CHECKING, Final
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from lottery.ledger.face import Attendance, Attendances, SharedDraw
from lottery.ledger.longwork import Interrupted
from lottery.writer.disk import DiskWork

if TYPE_CHECKING:
    from lottery.central.place import LeftOut, Place

#: How often a central looks, in seconds; a look that takes longer than a tenth of that, less often.
LOOK_SECONDS: Final = 0.5
#: A central that has not counted up for so long has ended, or is cut off.
LEASE_SECONDS: Final = 10.0
#: A central looks that often at least; what passes between two looks counts no more than that.
_MOST_SECONDS: Final = LEASE_SECONDS / 4


class Learner(Interface):
    """Whoever has to know what has become of agencies."""

    def learn(self, known: Attendance, *, here: bool, alive: bool) -> None:
        """Learn how an agency's part stands.

        :param here: whether its latest session is at this central.
        :param alive: whether the central lives at which that is.
        """

    def learn_state(self, found: Attendances) -> None:
        """Learn how the draw stands; it comes behind all the parts."""

    def is_missed(self, agency: int) -> bool:
        """Whether nobody here speaks for an agency, and it is not said to be away."""


class Roll(Interface):
    """Who takes part in a draw."""

    async def enter(self, agency: int, wanted: Callable[[], bool]) -> Attendance | None:
        """Let an agency come; whoever learns has learnt where it stands by then.

        :param wanted: whether it is still there: one that has gone, and waits for the ledger all
            the same, would fence its own next session.
        :returns: where it stands; None: nobody but us has to do with it.
        :raises RemoteProtocolError: if it may not.
        :raises Interrupted: if the central is being stopped.
        """

    async def enter_classic(
        self, reserved: Collection[int], most: int, wanted: Callable[[], bool]
    ) -> Attendance | None:
        """Let a classic agency come, with a number; None: whichever is next here.

        :raises RemoteProtocolError: as :meth:`enter`, and so on.
        """

    def leave(self, agency: int, session: int) -> None:
        """Note that a session of an agency here is over."""

    def leave_out(self, place: Place, why: LeftOut) -> None:
        """Decide that an agency has no part, if it may be so; the place is told how it is."""

    def admit_no_more(self, then: Callable[[], None]) -> None:
        """Let nobody come any more who has no place.

        :param then: called when it is so, if nobody else may have let somebody in; else the
            learner learns it, behind whoever has come.
        """

    def told(self, agency: int, *, received: bool) -> None:
        """Note whether an agency has received its winners."""

    def watch(self, learner: Learner) -> None:
        """Look what becomes of the agencies of other centrals, for whoever has to know."""

    def stop(self) -> None:
        """Look no more."""


class Alone:
    """The roll of a central that is alone."""

    async def enter(self, agency: int, wanted: Callable[[], bool]) -> None:
        """Let it come."""

    async def enter_classic(
        self, reserved: Collection[int], most: int, wanted: Callable[[], bool]
    ) -> None:
        """Let it come."""

    def leave(self, agency: int, session: int) -> None:
        """Nobody has to know."""

    def leave_out(self, place: Place, why: LeftOut) -> None:
        """Decide it."""
        place.decide(why)

    def admit_no_more(self, then: Callable[[], None]) -> None:
        """Nobody else lets anybody in."""
        then()

    def told(self, agency: int, *, received: bool) -> None:
        """Nobody has to know."""

    def watch(self, learner: Learner) -> None:
        """There is nothing to look at."""

    def stop(self) -> None:
        """There is nothing to look at."""


ALONE: Final = Alone()


class Shared:
    """The roll of a draw that several centrals share."""

    def __init__(
        self,
        draw: SharedDraw,
        disk: DiskWork,
        clock: IReactorTime,
        broken: Callable[[Failure], None],
    ) -> None:
        """:param broken: told of what the ledger cannot say."""
        self._learner: Learner | None = None
        self._draw = draw
        self._disk = disk
        self._clock = clock
        self._broken = broken
        self._known: dict[int, tuple[Attendance, bool]] = {}
        # By central: how far it has counted, and for how many seconds it has not gone on.
        self._beats: dict[str, tuple[int, float]] = {}
        self._looked = clock.seconds()
        self._arriving = 0
        self._stopped = False

    async def enter(self, agency: int, wanted: Callable[[], bool]) -> Attendance:
        """Let an agency come, with a session that no other one of it stands beside."""
        return await self._enter(lambda: self._draw.enter(agency), wanted)

    async def enter_classic(
        self, reserved: Collection[int], most: int, wanted: Callable[[], bool]
    ) -> Attendance:
        """Let a classic agency come."""
        kept, arrival = frozenset(reserved), token_hex(8)
        return await self._enter(lambda: self._draw.enter_classic(arrival, kept, most), wanted)

    async def _enter(
        self, work: Callable[[], Attendance], wanted: Callable[[], bool]
    ) -> Attendance:
        self._arriving += 1
        try:
            known = await self._disk.do("hello", work, wanted)
        finally:
            self._arriving -= 1
        self._learn(known)
        return known

    def leave(self, agency: int, session: int) -> None:
        """Note that the agency is away, if it has not come with a newer session."""
        self._in_background(self._disk.do("leave", lambda: self._draw.leave(agency, session)))

    def leave_out(self, place: Place, why: LeftOut) -> None:
        """Have it decided; the place learns how it is."""
        agency, session = place.agency, place.standing.session
        assert agency is not None

        async def ask() -> None:
            known = await self._disk.do(
                "leave out", lambda: self._draw.leave_out(agency, session, why.reason)
            )
            place.answered()
            self._learn(known)

        self._in_background(ask())

    def admit_no_more(self, then: Callable[[], None]) -> None:
        """Have nobody let in by any central.

        Somebody may have come to another one of whom we have not learnt yet; the next look finds
        all of them, and that nobody else comes.
        """
        self._in_background(self._disk.do("admit no more", self._draw.admit_no_more))

    def told(self, agency: int, *, received: bool) -> None:
        """Let other centrals know, which would wait for the agency."""
        work = self._disk.do("told", lambda: self._draw.note_told(agency, received))
        self._in_background(work)

    def watch(self, learner: Learner) -> None:
        """Look for whoever has to know; who comes second learns all that is known."""
        begins, self._learner = self._learner is None, learner
        self._known.clear()
        if begins:
            self._in_background(self._watch())

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True

    async def _watch(self) -> None:
        def look() -> tuple[Attendances, float]:
            began = self._clock.seconds()
            found = self._draw.look()
            return found, self._clock.seconds() - began

        while not self._stopped:
            found, took = await self._disk.do("look", look)
            self._note(found)
            await self._disk.pause(min(max(LOOK_SECONDS, 10 * took), _MOST_SECONDS))

    def _note(self, found: Attendances) -> None:
        if self._stopped or self._learner is None:
            return
        # Who could not look does not know whether others have not counted, or could not either.
        before, self._looked = self._looked, self._clock.seconds()
        passed = min(self._looked - before, _MOST_SECONDS)
        known = self._beats
        self._beats = {
            central: (beat, known[central][1] + passed)
            if known.get(central, (-1,))[0] == beat
            else (beat, 0.0)
            for central, beat in found.beats.items()
        }
        for part in found.parts:
            self._learn(part)
        self._learner.learn_state(found)
        if not self._arriving:
            self._part_with_missed(found)

    def _part_with_missed(self, found: Attendances) -> None:
        """Have those away for whom nobody speaks here, though the ledger says so.

        A COMMIT that came about without an answer lets somebody in whom nobody has seen, and a
        central that was cut off could not say who has gone.
        """
        for part in found.parts:
            seems_here = part.central == self._draw.central and not part.exact
            if seems_here and self._learner is not None and self._learner.is_missed(part.agency):
                self.leave(part.agency, part.standing.session)

    def _learn(self, known: Attendance) -> None:
        alive = self._lives(known.central)
        if self._known.get(known.agency) != (known, alive):
            self._known[known.agency] = (known, alive)
            here = known.central == self._draw.central
            if self._learner is not None:
                self._learner.learn(known, here=here, alive=alive)

    def _lives(self, central: str | None) -> bool:
        if central == self._draw.central:
            return True
        if central is None or central not in self._beats:
            return False
        _, silent = self._beats[central]
        return silent < LEASE_SECONDS

    def _in_background(self, work: object) -> None:
        def ended(failure: Failure) -> None:
            if not failure.check(Interrupted):
                self._broken(failure)

        Deferred.fromCoroutine(work).addErrback(ended)  # type: ignore[arg-type]
