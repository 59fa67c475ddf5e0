"""A place in a draw: an agency's part, from its first frame to its outcome.

An agency may come and go: a place outlives its sessions. What a session has handed to a
writer stays under way when the session is over, so a place is *settled* only when its
writer has answered all of it. Until then nobody is told where the agency stands, and
nothing is decided that an END under way would decide otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from lottery.central.participant import Participant
from lottery.central.roll import ALONE, Roll
from lottery.errors import Code
from lottery.ledger.face import Attendance
from lottery.ledger.standing import Standing
from lottery.wire import classic
from lottery.writer.seat import Seat


class LeftOut(Exception):
    """How an agency's part failed.

    :ivar code: what the agency is told.
    :ivar reason: why, in a few words.
    """

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Abandoned(Exception):
    """The central is being stopped; how the part would have ended nobody knows."""


class Place:
    """An agency's part in a draw.

    :ivar agency: whose place it is; None as long as nobody has taken it.
    :ivar session: the one that speaks for the agency now; None while it is away.
    :ivar standing: how much of it is known to be stored.
    :ivar outcome: fires with the agency's total of bets when it has succeeded, and
        fails with :class:`LeftOut` when it has not; once, whatever comes after.
    :ivar left_out: why it has failed, if it has.
    :ivar why_away: why its last session ended, in a few words.
    :ivar elsewhere: whether a session at another central speaks for it.
    :ivar arriving: whether the agency is there and waits to be let in, so that it is not away.
    :ivar learnt: whether how it ended was decided elsewhere.
    :ivar was_silent: whether its last session ended because nothing moved.
    """

    def __init__(self, clock: IReactorTime, rejoin_seconds: float, roll: Roll = ALONE) -> None:
        """:param rejoin_seconds: how long the agency may be away; 0: not at all.

        :param roll: what decides that the agency has no part.
        """
        self.agency: int | None = None
        self.dialect = ""
        self.session: Participant | None = None
        self.standing = Standing()
        self.decided = False
        self.succeeded = False
        self.left_out: LeftOut | None = None
        self.elsewhere = False
        self.was_silent = False
        self.arriving = False
        self.why_away = ""
        self.outcome: Deferred[int] = Deferred()
        self._clock = clock
        self._rejoin_seconds = rejoin_seconds
        self._roll = roll
        self._asked = self._has_asked = False
        self.learnt = False
        self._number = 0  # of the session that speaks for it, in a ledger that others share
        self._seat: Seat | None = None
        self._failing: LeftOut | None = None
        self._rejoin: IDelayedCall | None = None
        self._comeback: Deferred[bool] | None = None
        self._when_settled: list[Callable[[], None]] = []

    @property
    def refuses(self) -> bool:
        """Whether the agency has no part in the draw any more, or soon will not have."""
        return not self.succeeded and (self.decided or self._failing is not None)

    @property
    def stored(self) -> int:
        """How many of its bets may have been acknowledged."""
        latest = self.standing
        # A seat that is not settled may be that of a session which others have come behind.
        if self._seat is not None and self._seat.standing.session >= latest.session:
            latest = self._seat.standing
        return latest.next_index

    # Who speaks for it.

    def take(self, agency: int, dialect: str, session: Participant | None) -> None:
        """Be an agency's from now on; its session, if it has one here, is told so."""
        self.agency, self.dialect, self.session = agency, dialect, session
        self._number = self.standing.session
        if session is not None:
            session.join(self)

    def restore(self, agency: int, dialect: str, standing: Standing) -> None:
        """Be that of an agency which an earlier process of the central knew."""
        self.take(agency, dialect, None)
        self._settled(standing)

    def seated(self, seat: Seat) -> None:
        """Note at which seat the agency's bets are handed on."""
        self._seat = seat
        seat.when_settled(lambda: self._settled(seat.standing))

    def come_back(self, session: Participant) -> None:
        """Let a newer session speak for the agency; an older one is told so and leaves."""
        older, self.session, self._number = self.session, session, self.standing.session
        self.elsewhere = False
        self._stop_waiting(came=True)
        if older is not None:
            older.fail(Code.TAKEN, f"a newer session of agency {self.agency} has come")

    def left(self, session: Participant, why: LeftOut, *, may_return: bool) -> None:
        """Note that a session is over, and why.

        :param may_return: whether the agency may come back with another one.
        """
        if self.session is not session:
            return  # it was fenced
        self.session = None
        if not self.succeeded:
            # Of one that has, others wait to hear from us whether it has its winners.
            self._note_leaving(self._number)
        self.was_silent, self.why_away = why.code is Code.TIMEOUT, why.reason
        if self.decided or self._failing is not None:
            return
        if may_return:
            self._wait_or_fail(why)
        else:
            self.leave_out(why)

    def leave_out(self, why: LeftOut) -> None:
        """Fail, unless an END that is under way turns out to be stored."""
        if not self.decided and self._failing is None:
            self._failing = why
            self.when_settled(lambda: self._fail_if_still(why))

    def _fail_if_still(self, why: LeftOut) -> None:
        if self._failing is why:  # else it was let in again meanwhile
            self.fail(why)

    def when_settled(self, act: Callable[[], None]) -> None:
        """Do something once nothing of the agency is under way; at once if nothing is."""
        if self._seat is None:
            act()
        else:
            self._when_settled.append(act)

    def wait_anew(self) -> None:
        """Wait for an agency whose session ended with an earlier process of the central."""
        self._wait_or_fail(LeftOut(Code.LEFT_OUT, "the central was started again"))

    def missed(self, number: int) -> None:
        """Note that the agency has gone while it was let in.

        :param number: that of the session which it was given.
        """
        self._note_leaving(number)
        if number >= self.standing.session:  # else it has come elsewhere since
            self._wait_or_fail(LeftOut(Code.LEFT_OUT, "the connection was lost"))

    def _note_leaving(self, number: int) -> None:
        """Have it known that a session is over, which need not be the latest one."""
        assert self.agency is not None
        self._roll.leave(self.agency, number)

    def comes_back(self, seconds: float) -> Deferred[bool]:
        """Wait for another session; fires with whether one came in so many seconds."""
        self._comeback = Deferred()
        comeback = self._comeback
        self._rejoin = self._clock.callLater(seconds, self._stop_waiting, came=False)
        return comeback

    # How it ends.

    def fail(self, why: LeftOut | Abandoned) -> None:
        """Have the agency left out; a part that is decided stays as it is."""
        self._stop_waiting(came=False)
        if self.agency is None or isinstance(why, Abandoned):
            self.decide(why)
        elif not self.decided and not self._asked:
            self._asked = self._has_asked = True
            self._failing = why
            self._roll.leave_out(self, why)

    def decide(self, why: LeftOut | Abandoned) -> None:
        """Note why the agency is left out."""
        self._stop_waiting(came=False)
        if not self.decided:
            self.decided = True
            if isinstance(why, LeftOut):
                self.left_out = why
            self.outcome.errback(Failure(why))

    def answered(self) -> None:
        """Note that it is known whether the agency is left out; what it is, comes next."""
        self._asked, self._failing = False, None

    def learn(self, known: Attendance, *, here: bool, alive: bool) -> None:
        """Learn how the agency stands, of a ledger that others share.

        What is older than what is known here is no news; nor is what becomes of a session of
        ours, as long as its writer will tell.
        """
        latest = known.standing.session
        ours = self._seat is not None and self._seat.standing.session == latest
        if self.decided or latest < self.standing.session or (ours and not known.left_out):
            return
        newer = latest > self.standing.session
        self.learnt = not here and not self._has_asked
        if newer or known.exact:
            self.standing = known.standing
        if known.left_out:
            self.decide(LeftOut(Code.LEFT_OUT, known.left_out))
            self._part_with_session(Code.LEFT_OUT, known.left_out)
        elif newer and here:
            self._asked, self._failing = False, None  # what was asked was about an older session
        elif newer:
            sentence = f"agency {self.agency} has come to another central"
            self._part_with_session(Code.TAKEN, sentence)
        self.elsewhere = not here and alive and not known.left_out
        if known.standing.ended:
            self._settled(known.standing)
        elif self.elsewhere:
            self._stop_waiting(came=True)
        elif not here and not self.decided:
            self._wait_or_fail(LeftOut(Code.LEFT_OUT, "it is away from all centrals"))

    def _part_with_session(self, code: Code, sentence: str) -> None:
        """Have the session leave, if there is one, of what was decided elsewhere."""
        session, self.session = self.session, None
        if session is not None:
            session.fail(code, sentence)

    def _settled(self, standing: Standing) -> None:
        self._seat = None
        if standing.session >= self.standing.session:
            self.standing = standing
        standing = self.standing
        ends = standing.ended and not self.decided
        if ends:
            self.decided = self.succeeded = True
        acts, self._when_settled = self._when_settled, []
        for act in acts:
            act()
        if ends:
            # Last: the draw may go on from here, and tell winners to whoever was welcomed.
            self.outcome.callback(standing.next_index)

    def stop_waiting(self) -> None:
        """Wait for no other session: there is nothing any more to tell the agency here."""
        if self._comeback is not None:
            self._stop_waiting(came=False)

    def _wait_or_fail(self, why: LeftOut) -> None:
        """Wait for an agency that was cut off; in the classic dialect there is no coming back."""
        if self._rejoin_seconds and self.dialect != classic.DIALECT:
            self.when_settled(lambda: self._wait(why))
        else:
            self.leave_out(why)

    def _wait(self, why: LeftOut) -> None:
        """Wait for an agency that is away, if it still is; one wait is enough."""
        if self.decided or self._failing is not None or self.session is not None:
            return
        if self.elsewhere or self._rejoin is not None:
            return  # the latter: it came and went again before it was settled
        reason = f"{why.reason}, and it did not come back within {self._rejoin_seconds:g} s"
        away = LeftOut(Code.LEFT_OUT, reason)
        self._rejoin = self._clock.callLater(self._rejoin_seconds, self._stays_away, away)

    def _stays_away(self, why: LeftOut) -> None:
        """Fail, unless the agency is there: a ledger that is away may keep it waiting for long."""
        if self.arriving:
            self._rejoin = self._clock.callLater(self._rejoin_seconds, self._stays_away, why)
        else:
            self.fail(why)

    def _stop_waiting(self, *, came: bool) -> None:
        if self._rejoin is not None and self._rejoin.active():
            self._rejoin.cancel()
        self._rejoin = None
        if self._comeback is not None:
            comeback, self._comeback = self._comeback, None
            comeback.callback(came)
