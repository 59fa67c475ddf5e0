"""What is to be seen of a central at one moment: plain values, made by whoever knows.

Who shows them (the status page, the metrics) knows nothing of sessions, places and writers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol as Interface

from attrs import frozen


@frozen
class AgencyView:
    """An agency in the draw that is shown.

    :ivar name: from the roster; empty without one.
    :ivar dialect: empty before it has come.
    :ivar state: ``expected`` (of the roster, and not come yet), ``sending``, ``away`` (cut off,
        it may come back), ``ended`` (waits for the draw), ``left_out``, ``received`` (has its
        winners) or ``unreceived`` (they could not be delivered). A row of who was expected and is
        so no more is told as ``gone``.
    :ivar bets: of it that are stored.
    :ivar why: a sentence, if it is away or left out.
    :ivar winners: how many of its bets have won; None before the draw.
    """

    agency: int
    name: str
    dialect: str
    state: str
    bets: int
    why: str = ""
    winners: int | None = None


@frozen
class DrawView:
    """The draw that is shown: the last one that an agency has come to.

    :ivar state: as in its record.
    :ivar taken: places that are taken, of ``places``; how many of them have ``ended``, and how
        many are ``left_out``.
    :ivar bets: of all its agencies that are stored.
    :ivar winning_number: None if it is not known.
    :ivar commitment: SHA-256 in hex of the secret that the number is made of; None: a fixed one.
    :ivar directory: where its files are; None: it has none.
    """

    draw: int
    state: str
    places: int
    taken: int
    ended: int
    left_out: int
    bets: int
    winning_number: int | None
    commitment: str | None
    directory: Path | None


@frozen
class WriterView:
    """A writer child.

    :ivar queue: bytes of orders that it has not dealt with.
    :ivar flush: seconds that its last flush took; None before the first.
    """

    pid: int
    draw: int
    sessions: int
    queue: int
    flush: float | None


@frozen
class CentralView:
    """A central.

    :ivar draw: None if there is none.
    :ivar others: draws that are not at their end besides, with their states.
    :ivar agencies: those of the draw that is shown.
    :ivar connections: of agencies, and of those who have not said who they are.
    :ivar steps: changes whenever a draw has made a step, or its results have changed.
    """

    draw: DrawView | None
    others: tuple[tuple[int, str], ...]
    agencies: Iterable[AgencyView]
    writers: tuple[WriterView, ...]
    connections: int
    steps: object


class Look(Interface):
    """Whoever knows what there is to be seen."""

    def view(self) -> CentralView:
        """Give what is there now."""

    def not_ready(self) -> str:
        """Say why no agency can be served now; empty if any can."""
