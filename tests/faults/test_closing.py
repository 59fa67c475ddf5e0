"""The draw closes while agencies stream; and it ends although one that succeeded is gone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final, overload

import pytest
from counts import count, dice
from day import Day, rows_of_agency
from lottery1_agency import Lottery1Agency, batch, end
from oracle import History

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

STREAMING: Final = 8


class Endless(Sequence[str]):
    """More rows than can be sent until any deadline, all different, made as they are asked for."""

    def __init__(self, agency: int) -> None:
        self._name = f"Ana {chr(ord('a') + agency)}"

    def __len__(self) -> int:
        return 10**9

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return f"{self._name},Paz,{index},1990-05-17,{index % 10_000}"


@pytest.mark.parametrize("trial", range(count("deadlines")))
def test_the_deadline_while_agencies_stream(
    tmp_path: Path, trial: int, ledger_url: str | None
) -> None:
    """Every batch is acknowledged and in the seal, or neither; the one that ended has its draw."""
    rng = random.Random(f"{dice('deadlines').random()} {trial}")
    deadline = rng.uniform(1, 2) if ledger_url is None else rng.uniform(3, 4)
    options = ("--writers", rng.choice((1, 2, 4)), "--deadline", f"{deadline:.3f}")
    codes = ("TIMEOUT", "LEFT_OUT", "CLOSED")
    with Day(
        tmp_path, STREAMING + 1, *options, statuses=(), sent_away=codes, ledger=ledger_url
    ) as day:
        first = day.recorder(STREAMING + 1, rows_of_agency(STREAMING + 1, 50, rng), rng)
        assert day.reached(lambda: first.history.ended)
        for agency in range(1, STREAMING + 1):
            day.recorder(agency, Endless(agency), rng, sizes=(1, 10, 40), windows=(1, 4, 16))
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        day.check()
        ledger = day.ledger.sealed()
        for recorder in day.recorders[1:]:
            history = recorder.history
            assert history.refused in codes, history
            assert history.agency is not None
            assert len(ledger.get(history.agency, [])) == history.acknowledged, history
        assert day.recorders[0].history.received
        reasons = {part["agency"]: part["reason"] for part in day.ledger.record()["agencies"]}
        assert all("deadline" in reasons[agency] for agency in range(1, STREAMING + 1)), reasons
        print(f"{day.acknowledged} bets in {deadline:.3f} s")


def test_a_successful_agency_is_gone(tmp_path: Path, ledger_url: str | None) -> None:
    """``--draws 1`` ends all the same, with status 0, and the record says who has not answered."""
    rng = dice("gone")
    with Day(tmp_path, 2, "--rejoin", 1, statuses=(), ledger=ledger_url) as day:
        rows = rows_of_agency(5, 4, rng)
        day.reached_log("draw_open")
        with Lottery1Agency(day.port) as gone:
            gone.greet(5)
            gone.send(batch(0, rows) + end(4))
            gone.acknowledged(4, ended=True)
        day.others.append(History(5, rows, sent=4, acknowledged=4, ended=True))
        day.recorder(6, rows_of_agency(6, 30, rng), rng)
        day.await_over()
        day.recorders[0].finish()
        assert day.statuses == [0]
        day.check()
        received = {part["agency"]: part["received"] for part in day.ledger.record()["agencies"]}
        assert received == {5: False, 6: True}
