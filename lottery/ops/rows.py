"""The agencies of the draw that is shown, as rows that pages are told when they change.

Every change has a number. A page is told what has changed since the last number it has heard of,
a piece at a time: whether it is a new one that has heard of nothing, one that reads slowly, or one
of the many that are told the same every second, there is one way, and nothing is kept for a page
but that number. (Rejected: a queue of changes for each page, which grows as long as it does not
read.)
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from attrs import evolve, frozen

from lottery.ops.views import AgencyView

#: In one piece, which makes some 50 kB.
MOST_ROWS: Final = 500
#: So many pieces are kept for others who ask for the same.
_MOST_PIECES: Final = 64


@frozen
class _Row:
    """An agency, how fast it is, when its bets last grew, and the number of its last change."""

    view: AgencyView
    rate: float
    acknowledged: float | None
    change: int
    text: str


class Rows:
    """The rows of one draw after the other.

    :ivar draw: whose they are; 0 for none.
    """

    def __init__(self) -> None:
        self.draw = 0
        self._rows: OrderedDict[int, _Row] = OrderedDict()  # by agency, the last changed one last
        self._changes = 0
        self._looked_at: float | None = None
        self._pieces: dict[int, tuple[int, bytes]] = {}

    def look(self, draw: int, views: Iterable[AgencyView], now: float) -> None:
        """Note how the agencies of a draw are now.

        :param now: in seconds, later than the time before.
        """
        self._pieces = {}
        if draw != self.draw:
            self.draw = draw
            self._rows.clear()
        gone = set(self._rows)
        for view in views:
            gone.discard(view.agency)
            self._note(view, now)
        for agency in gone:
            self._note(evolve(self._rows[agency].view, state="gone"), now)
        self._looked_at = now

    def after(self, change: int) -> tuple[int, bytes]:
        """Give a piece of what has changed since, oldest first.

        :param change: 0 for all there is, or what was given the last time.
        :returns: the number to ask with for the next piece, and rows of JSON with commas between
            them; without rows if nothing has changed since.
        """
        piece = self._pieces.get(change)
        if piece is None:
            newer = []
            for row in reversed(self._rows.values()):
                if row.change <= change:
                    break
                newer.append(row)
            rows = newer[: -MOST_ROWS - 1 : -1]
            text = ",".join(row.text for row in rows).encode()
            if len(self._pieces) >= _MOST_PIECES:
                self._pieces.clear()
            piece = self._pieces[change] = (rows[-1].change if rows else change, text)
        return piece

    def _note(self, view: AgencyView, now: float) -> None:
        before = self._rows.get(view.agency)
        rate, acknowledged = 0.0, None
        if before is not None:
            acknowledged = before.acknowledged
        moved = view.bets - (before.view.bets if before is not None else 0)
        if moved and self._looked_at is not None:
            rate, acknowledged = moved / max(now - self._looked_at, 1e-3), now
        if before is not None and before.view == view and before.rate == rate:
            return
        self._changes += 1
        text = json.dumps(
            [
                view.agency, view.name, view.dialect, view.state, view.bets, round(rate, 1),
                acknowledged and round(acknowledged, 3), view.why, view.winners,
            ],
            separators=(",", ":"),
        )  # fmt: skip
        self._rows[view.agency] = _Row(view, rate, acknowledged, self._changes, text)
        self._rows.move_to_end(view.agency)
