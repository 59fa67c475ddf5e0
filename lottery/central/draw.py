"""A draw's places and their outcomes: who takes part, and how each part ends."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Protocol as Interface

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.errors import Code, RemoteProtocolError
from lottery.ledger.directory import DrawDirectory
from lottery.ops.log import ActionLog
from lottery.wire.decoder import PAYLOAD_LIMIT
from lottery.wire.messages import DrawState, Hello, Welcome
from lottery.writer.pool import WriterPool


class Participant(Interface):
    """What a draw asks of the session that has a place in it."""

    def fail(self, code: Code, sentence: str) -> None:
        """Tell the agency why it is left out, and leave."""

    def deliver(self, draw: int, number: int, rows: Sequence[bytes]) -> Deferred[str]:
        """Tell the agency its winning rows; fires with why that failed, if it did."""


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
    :ivar outcome: fires with the agency's total of bets when it has succeeded, and
        fails with :class:`LeftOut` when it has not; once, whatever comes after.
    """

    def __init__(self) -> None:
        self.agency: int | None = None
        self.dialect = ""
        self.session: Participant | None = None
        self.decided = False
        self.succeeded = False
        self.outcome: Deferred[int] = Deferred()

    def succeed(self, total: int) -> None:
        """Note that the END is stored; a part that is decided stays as it is."""
        if not self.decided:
            self.decided = self.succeeded = True
            self.outcome.callback(total)

    def fail(self, why: LeftOut | Abandoned) -> None:
        """Note why the agency is left out; a part that is decided stays as it is."""
        if not self.decided:
            self.decided = True
            self.outcome.errback(Failure(why))


@frozen
class Success:
    """A part that succeeded: ``total`` bets of ``agency`` take part in the draw."""

    place: Place
    agency: int
    total: int


class Draw:
    """A draw that is open, then closing.

    The :class:`DeferredList` over the outcomes is made here, from the places: made
    from the sessions seen so far, it would fire as soon as the first few had ended, or
    at once if there was none.

    :ivar closed: whether every part is decided, so that nobody can come in any more.
    :ivar outcomes: fires with those who succeeded once every part is decided.
    """

    def __init__(
        self,
        directory: DrawDirectory,
        places: int,
        pool: WriterPool,
        clock: IReactorTime,
        deadline_seconds: float,
        log: ActionLog,
    ) -> None:
        """:param deadline_seconds: from the first session on; 0: none."""
        self.directory = directory
        self.number = directory.number
        self.pool = pool
        self.places = [Place() for _ in range(places)]
        self.closed = False
        self.left_out: list[tuple[Place, LeftOut]] = []
        self._taken: dict[int, Place] = {}
        self._next_number = 1
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._deadline: IDelayedCall | None = None
        self._log = log
        outcomes = DeferredList([place.outcome for place in self.places], consumeErrors=True)
        self.outcomes: Deferred[list[Success]] = outcomes.addCallback(self._decide)

    def place_of(self, hello: Hello, session: Participant) -> Place:
        """Give an agency that says who it is its place.

        :raises RemoteProtocolError: CLOSED, FULL, TAKEN, LEFT_OUT, or SEQ if it has been
            told of bets that are not here.
        """
        agency = hello.agency
        if hello.draw not in (0, self.number):
            raise RemoteProtocolError(
                Code.CLOSED, f"draw {hello.draw} is not open, draw {self.number} is"
            )
        if hello.acknowledged:
            raise RemoteProtocolError(
                Code.SEQ,
                f"{hello.acknowledged} bets were acknowledged to agency {agency}, "
                f"draw {self.number} has none of them",
            )
        place = self._taken.get(agency)
        if place is None:
            return self._take(agency, session)
        if place.succeeded:
            raise RemoteProtocolError(
                Code.TAKEN, f"agency {agency} has ended in draw {self.number} already"
            )
        if place.decided:
            raise RemoteProtocolError(
                Code.LEFT_OUT, f"agency {agency} has no part in draw {self.number} any more"
            )
        raise RemoteProtocolError(
            Code.TAKEN, f"agency {agency} is at work in draw {self.number} already"
        )

    def welcome(self, silence_seconds: float) -> Welcome:
        """Say where a new agency begins."""
        return Welcome(
            draw=self.number,
            state=DrawState.OPEN,
            ended=False,
            next_index=0,
            crc=0,
            payload_limit=PAYLOAD_LIMIT,
            silence=min(ceil(silence_seconds), 0xFFFFFFFF),
        )

    def next_place(self, session: Participant) -> Place:
        """Give a classic agency, which cannot say who it is, the next number.

        :raises RemoteProtocolError: CLOSED or FULL.
        """
        while self._next_number in self._taken:
            self._next_number += 1
        return self._take(self._next_number, session)

    def abandon(self) -> None:
        """Decide nothing any more: the central is being stopped."""
        for place in self.places:
            place.fail(Abandoned())

    def _take(self, agency: int, session: Participant) -> Place:
        if self.closed:
            raise RemoteProtocolError(Code.CLOSED, f"draw {self.number} takes no more bets")
        if len(self._taken) == len(self.places):
            raise RemoteProtocolError(
                Code.FULL, f"all {len(self.places)} places of draw {self.number} are taken"
            )
        place = self._taken[agency] = self.places[len(self._taken)]
        if self._deadline is None and self._deadline_seconds:
            self._deadline = self._clock.callLater(self._deadline_seconds, self._too_late)
        place.agency, place.session = agency, session
        return place

    def _too_late(self) -> None:
        reason = f"it had not ended when the deadline of {self._deadline_seconds:g} s passed"
        for place in self.places:
            if place.decided:
                continue
            if place.session is not None:
                place.session.fail(Code.TIMEOUT, reason)
            else:
                place.fail(LeftOut(Code.TIMEOUT, "it never came"))

    def _decide(self, results: Sequence[tuple[bool, object]]) -> list[Success]:
        self.closed = True
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        successes = []
        for place, (succeeded, result) in zip(self.places, results, strict=True):
            if succeeded:
                assert isinstance(result, int)
                assert place.agency is not None
                successes.append(Success(place, place.agency, result))
            elif isinstance(result, Failure) and isinstance(result.value, LeftOut):
                self.left_out.append((place, result.value))
        return successes

    def log_left_out(self) -> None:
        """Name those who are left out, and why."""
        for place, why in self.left_out:
            self._log(
                "left_out",
                "success",
                LogLevel.warn,
                draw=self.number,
                agency="nobody" if place.agency is None else place.agency,
                reason=why.reason,
            )
