"""What is to be seen of a central, put together for those who look at it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lottery.central.conclusion import Conclusion
from lottery.central.draw import Draw
from lottery.central.draws import Draws
from lottery.central.factory import AgencyFactory
from lottery.central.place import Place
from lottery.central.roster import Agency
from lottery.ops.views import AgencyView, CentralView, DrawView, WriterView
from lottery.writer.disk import DiskWork
from lottery.writer.pool import WriterPool


class Overview:
    """Looks at the parts of a central; changes nothing, and costs nothing unless it is asked."""

    def __init__(
        self,
        rounds: Draws,
        factory: AgencyFactory,
        pools: Sequence[WriterPool],
        winning_number: int | None,
        disk: DiskWork,
    ) -> None:
        """:param pools: those that are there whenever it is asked.

        :param winning_number: the fixed one; None: it will be random.
        """
        self._rounds = rounds
        self._factory = factory
        self._pools = pools
        self._winning_number = winning_number
        self._disk = disk

    def not_ready(self) -> str:
        """Say why no agency can be served now; empty if any can."""
        if self._factory.stopped:
            return "the central is being stopped"
        if self._disk.away:
            return self._disk.away
        return "" if self._rounds.open is not None else "no draw is open"

    def view(self) -> CentralView:
        """Give what is there now."""
        opened, last = self._rounds.open, self._rounds.latest
        # What has just been drawn stays in sight until somebody comes to the next draw.
        shown: Draw | Conclusion | None = opened if opened and opened.taken else last or opened
        steps = {each.number: each.record.state for each in self._rounds.concluding}
        if opened is not None:
            steps[opened.number] = "open"
        others = sorted((draw, state) for draw, state in steps.items() if draw != _number(shown))
        views, draw = self._shown(shown)
        return CentralView(
            draw=draw,
            others=tuple(others),
            agencies=views,
            writers=tuple(
                WriterView(each.pid, pool.draw, each.sessions, each.queue, each.last_flush)
                for pool in self._pools
                for each in pool.writers
            ),
            connections=self._factory.connections,
            steps=(sorted(steps.items()), last and last.record),
        )

    def _shown(
        self, shown: Draw | Conclusion | None
    ) -> tuple[Sequence[AgencyView], DrawView | None]:
        if isinstance(shown, Draw):
            views = [*_coming(shown, self._roster), *self._expected(shown.taken)]
            commitment = shown.record.commitment
            number = None if commitment else self._winning_number
            draw = _summary(shown, "open", len(shown.places), views, number, commitment)
            return views, draw
        if shown is None:
            return (), None
        record = shown.record
        views = [*_concluding(shown, self._roster)]
        views += self._expected({part.agency for part in record.agencies})
        number = record.winning_number
        if number is None and record.commitment is None and record.state != "void":
            number = self._winning_number
        draw = _summary(shown, record.state, record.places, views, number, record.commitment)
        return views, draw

    def names(self) -> Mapping[int, str]:
        """Give the names of agencies by their numbers; without a roster nobody has one."""
        return {number: each.name for number, each in self._roster.items()}

    @property
    def _roster(self) -> Mapping[int, Agency]:
        roster = self._factory.admission.roster
        return roster.agencies if roster is not None else {}

    def _expected(self, came: Collection[int]) -> Iterator[AgencyView]:
        for agency in self._roster.values():
            if agency.number not in came:
                yield AgencyView(agency.number, agency.name, "", "expected", 0)


def _number(shown: Draw | Conclusion | None) -> int:
    return shown.number if shown is not None else 0


def _coming(draw: Draw, roster: Mapping[int, Agency]) -> Iterator[AgencyView]:
    for number, place in draw.taken.items():
        state, why = _state_of(place)
        name = roster[number].name if number in roster else ""
        yield AgencyView(number, name, place.dialect, state, place.stored, why)


def _state_of(place: Place) -> tuple[str, str]:
    if place.left_out is not None:
        return "left_out", place.left_out.reason
    if place.succeeded:
        return "ended", ""
    there = place.session is not None or place.elsewhere
    return ("sending", "") if there else ("away", place.why_away)


def _concluding(draw: Conclusion, roster: Mapping[int, Agency]) -> Iterator[AgencyView]:
    over = draw.record.state == "delivered"
    for part in draw.record.agencies:
        state = "left_out"
        if part.succeeded:
            received = part.agency in draw.received
            state = "received" if received else "unreceived" if over else "ended"
        name = roster[part.agency].name if part.agency in roster else ""
        yield AgencyView(
            part.agency, name, part.dialect, state, part.bets, part.reason, part.winners
        )


def _summary(
    draw: Draw | Conclusion,
    state: str,
    places: int,
    views: Sequence[AgencyView],
    number: int | None,
    commitment: str | None,
) -> DrawView:
    states = [view.state for view in views]
    return DrawView(
        draw=draw.number,
        state=state,
        places=places,
        taken=len(states) - states.count("expected"),
        ended=sum(map(states.count, ("ended", "received", "unreceived"))),
        left_out=states.count("left_out"),
        bets=sum(view.bets for view in views),
        winning_number=number,
        commitment=commitment,
        directory=draw.ledger.path,
    )
