"""``lottery.ops.figures``: what is counted, and what is estimated from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lottery.ops.figures import TIME_BOUNDS, Figures, Times, quantile


def test_times_fall_in_classes() -> None:
    """A time that is a bound belongs below it, as Prometheus has it."""
    times = Times()
    times.took(0.0001)
    times.took(0.0002, 3)
    times.took(99.0)
    assert times.counts[:3] == [1, 3, 0]
    assert times.counts[-1] == 1
    assert times.total == pytest.approx(99.0007)


def test_no_time_no_quantile() -> None:
    """Of nothing, nothing is known."""
    assert quantile([0] * (len(TIME_BOUNDS) + 1), 0.5) is None


@pytest.mark.parametrize(
    ("seconds", "part", "estimate"),
    [
        ([0.0008] * 4, 0.5, 0.00075),  # between 0.0005 and 0.001
        ([0.0008] * 4, 1.0, 0.001),
        ([0.00005] * 2, 0.5, 0.00005),  # from 0 up
        ([0.0008, 0.2], 0.5, 0.001),
        ([0.0008, 0.2], 1.0, 0.25),
        ([60.0], 0.5, 10.0),  # longer than the last bound: no more is known
    ],
)
def test_quantile(seconds: list[float], part: float, estimate: float) -> None:
    """Within a class, times are taken to lie evenly."""
    times = Times()
    for each in seconds:
        times.took(each)
    assert quantile(times.counts, part) == pytest.approx(estimate)


@given(st.lists(st.floats(0, 9.9), min_size=1), st.floats(0.01, 1.0))
def test_quantile_is_in_the_right_class(seconds: list[float], part: float) -> None:
    """The estimate is never further from the truth than the class is wide."""
    times = Times()
    for each in seconds:
        times.took(each)
    estimate = quantile(times.counts, part)
    assert estimate is not None
    rank = max(0, -(-len(seconds) * part // 1) - 1)
    true = sorted(seconds)[int(rank)]
    bounds = (0.0, *TIME_BOUNDS)
    upper = next(bound for bound in TIME_BOUNDS if true <= bound)
    lower = bounds[bounds.index(upper) - 1]
    assert lower <= estimate <= upper + 1e-9


def test_stored() -> None:
    """Bets, batches, and how long those waited, if that is known."""
    figures = Figures()
    figures.stored(280, 2, 0.004)
    figures.stored(10, 1, None)
    assert (figures.bets, figures.batches) == (290, 3)
    assert sum(figures.acknowledged.counts) == 2
