"""A number that was drawn stays, whatever the central is told when it is started again."""

from __future__ import annotations

import signal
from pathlib import Path

from live import LiveCentral, made_up
from lottery1_agency import Lottery1Agency, batch, end, received

ROWS = [*made_up(3, number=7574), *made_up(2, number=42)]


def options(number: int) -> tuple[object, ...]:
    """Those of a central that would draw this number."""
    return ("--agencies", 1, "--draws", 1, "--rejoin", 60, "--winning-number", number)


def test_drawn_once(tmp_path: Path) -> None:
    """Killed when the number is drawn, and again, and started with another: it is the first."""
    with LiveCentral(tmp_path, *options(7574)) as central:
        with Lottery1Agency(central.port) as agency:
            agency.greet(3)
            agency.send(batch(0, ROWS) + end(len(ROWS)))
            agency.acknowledged(len(ROWS), ended=True)
        central.drawn(1)
        central.stop(signal.SIGKILL)
    with LiveCentral(tmp_path, *options(42)) as central:
        central.drawn(1)
        central.stop(signal.SIGKILL)
    with LiveCentral(tmp_path, *options(42)) as central:
        with Lottery1Agency(central.port) as agency:
            assert agency.greet(3) == 1
            told = agency.winners()
            agency.send(received(1, told.total))
            assert (told.winning_number, told.rows) == (7574, ROWS[:3])
        assert central.wait() == 0
        assert len(central.matches("winning_number: 7574")) == 1
