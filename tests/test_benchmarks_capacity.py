"""The capacity model and its simulation: arithmetic by hand, no timing."""

from __future__ import annotations

import pytest
from attrs import evolve
from capacity import Cost, Costs, Lottery, Machines, Work, needs, served, simulated
from capacity_check import Load, cost_of, held_against

COSTS = Costs(
    central=Cost(bet=4e-6, batch=0, agency=1e-3),
    database=Cost(bet=7e-6, batch=0, agency=0),
    look=1e-6,
    enter=1e-9,
    seal=2e-6,
    disk=250,
    wal=300,
)
#: 0.01 of a million comes in the last minute.
SMALL = Lottery(agencies=100, bets=1_000_000)


@pytest.mark.parametrize(
    ("hour", "minute", "peak"),
    [(0.0, 0.0, 18.5), (0.2, 0.01, 166.7), (0.5, 0.0, 141.2), (1.0, 1.0, 16_666.7)],
)
def test_the_peak_is_the_worst_rate_of_the_day(hour: float, minute: float, peak: float) -> None:
    assert Lottery(100, 1_000_000, hour, minute).peak == pytest.approx(peak, rel=0.01)


def test_needs() -> None:
    """0.7 of two cores take 350,000 bets/s at 4 µs each, and so on."""
    need = needs(SMALL, Machines(central=2, database=10), COSTS)
    assert need.central == pytest.approx(1.4 / 4e-6, rel=0.001)
    assert need.database == pytest.approx(1e6)
    assert need.cores == pytest.approx(166.7 * 7e-6 / 0.7, rel=0.01)
    assert (need.centrals, need.disk, need.wal, need.seal) == (1, 250e6, 300e6, 2)
    assert need.coming == pytest.approx(100 * 1e-3)


def test_centrals_are_as_many_as_the_peak_needs_or_as_there_are() -> None:
    crowd = evolve(SMALL, bets=6_000_000_000)
    assert crowd.peak == pytest.approx(1_000_000)
    assert needs(crowd, Machines(), COSTS).centrals == 3
    assert needs(crowd, Machines(), COSTS, centrals=7).centrals == 7


def test_looking_at_all_agencies_takes_its_share_of_each_central() -> None:
    """A second of looking every 2.5 is 0.4 of a core; at some number there is nothing left."""
    need = needs(evolve(SMALL, agencies=1_000_000), Machines(), COSTS)
    assert need.looks == pytest.approx(0.4)
    assert need.central == pytest.approx(1.0 / 4e-6)
    assert needs(evolve(SMALL, agencies=10_000_000), Machines(), COSTS).centrals == 0


def test_whoever_comes_first_is_served_first() -> None:
    queue = [(at, Work(at, bets, 1)) for at, bets in [(0.0, 10), (1.0, 10), (9.0, 10)]]
    done = [moment for moment, _ in served(queue, Cost(bet=0.2, batch=1, agency=0), 1)]
    assert done == pytest.approx([3.0, 6.0, 12.0])


def test_a_simulation_is_the_same_for_the_same_seed() -> None:
    need = needs(SMALL, Machines(), COSTS)
    first, again, other = (simulated(SMALL, Machines(), COSTS, need, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_with_time_to_spare_the_last_end_is_that_of_the_last_agency() -> None:
    """Agencies send it within a second of the close."""
    last = simulated(SMALL, Machines(), COSTS, needs(SMALL, Machines(), COSTS), 1)
    assert 0.9 < last.ended < 1.01
    assert last.usual <= last.wait < 0.01


def test_what_the_peak_has_left_over_is_stored_behind_the_close() -> None:
    """All comes in the last minute, and takes three times as long."""
    day = evolve(SMALL, bets=1_400_000, hour=1.0, minute=1.0)
    slow = evolve(COSTS, central=Cost(bet=1.8e-4, batch=0, agency=0))
    last = simulated(day, Machines(), slow, needs(day, Machines(), slow, 1), 1)
    assert last.ended == pytest.approx(120, rel=0.05)
    assert last.wait == pytest.approx(120, rel=0.05)


def test_costs_are_those_that_the_loads_have() -> None:
    cost = Cost(bet=5e-6, batch=1e-4, agency=1e-3)
    loads = (Load(5, 100_800, 140), Load(100, 2_800, 20, waits=True), Load(1000, 140, 140))
    found = cost_of(0.3, *(load.cost(cost, 0.3) for load in loads))
    assert found.bet == pytest.approx(cost.bet, rel=0.01)
    assert found.batch == pytest.approx(cost.batch, rel=0.01)
    assert found.agency == pytest.approx(cost.agency, rel=0.01)


@pytest.mark.parametrize(("found", "near"), [(0.9, True), (1.4, True), (0.6, False), (1.6, False)])
def test_the_model_is_held_against_what_was_measured(found: float, near: bool) -> None:
    """It may be wrong by a third either way."""
    load = Load(5, 200_000, 140)  # 4 s of the centrals, and 7 of the database
    assert held_against(COSTS, (0.0, 0.0), [load], [(found * 4, found * 7, 1.0)]) == near
