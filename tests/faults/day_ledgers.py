"""Where a day's bets are kept, and what there is to see of them: one face for both kinds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from oracle import (
    History,
    check_draw,
    draw_directory,
    in_segments,
    is_over,
    read_record,
    stored_rows,
)
from postgres_client import query
from shared_oracle import check_shared_draw, record_in, stored_in


class DayLedger(Protocol):
    """The ledger of a day with one draw, as nothing of the package sees it.

    :ivar options: what a central is told of it.
    """

    options: tuple[object, ...]

    def is_over(self) -> bool:
        """Whether the draw is delivered or void."""

    def record(self) -> dict[str, Any]:
        """The draw's record, whose digest has to be right."""

    def rows(self) -> dict[int, list[str]]:
        """The rows of each agency while the draw goes on; fails on a gap or a twice."""

    def sealed(self) -> dict[int, list[str]]:
        """The rows of each agency of a draw that is sealed."""

    def check(self, histories: Sequence[History]) -> int | None:
        """Ask the oracle, for a draw that is over; gives the winning number, None if void."""


class InFiles:
    """A data directory."""

    options = ()

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def is_over(self) -> bool:
        """Look into the record."""
        return is_over(self._data_dir)

    def record(self) -> dict[str, Any]:
        """Read it."""
        return read_record(draw_directory(self._data_dir))

    def rows(self) -> dict[int, list[str]]:
        """Look into the segments."""
        return in_segments(draw_directory(self._data_dir))

    def sealed(self) -> dict[int, list[str]]:
        """``bets.csv``, which must be what the segments have."""
        return stored_rows(draw_directory(self._data_dir))

    def check(self, histories: Sequence[History]) -> int | None:
        """Look into all files."""
        return check_draw(histories, self._data_dir)


class InDatabase:
    """A PostgreSQL database."""

    def __init__(self, dsn: str) -> None:
        self.options: tuple[object, ...] = ("--ledger", dsn)
        self._dsn = dsn

    def is_over(self) -> bool:
        """Ask for the state."""
        made = query(self._dsn, "SELECT to_regclass('lottery.draw') IS NOT NULL")
        if made == [(False,)]:  # a central was killed before it had made the tables
            return False
        states = query(self._dsn, "SELECT state FROM lottery.draw WHERE draw = 1")
        return states in ([("delivered",)], [("void",)])

    def record(self) -> dict[str, Any]:
        """Ask for it."""
        return record_in(self._dsn)

    def rows(self) -> dict[int, list[str]]:
        """Whoever looks sees only what is stored for good."""
        return stored_in(self._dsn)

    def sealed(self) -> dict[int, list[str]]:
        """As ever."""
        return self.rows()

    def check(self, histories: Sequence[History]) -> int | None:
        """Look into all tables."""
        return check_shared_draw(histories, self._dsn)
