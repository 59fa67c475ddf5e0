"""``lottery.writer.unanswered``: runs count until all of them is answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lottery.writer.unanswered import Unanswered


def test_runs_are_answered_in_order() -> None:
    """A run of which one batch is not answered counts as a whole."""
    hand = Unanswered()
    assert (hand.bytes, hand.most) == (0, 0)
    hand.add(3, 300, 1.0)
    hand.add(1, 50, 2.5)
    assert (hand.bytes, hand.most) == (350, 350)
    hand.answered(2)
    assert (hand.bytes, hand.since) == (350, 1.0)
    hand.answered(1)
    assert (hand.bytes, hand.most, hand.since) == (50, 350, 2.5)
    hand.answered(1)
    assert (hand.bytes, hand.since) == (0, None)
    hand.answered(1)  # of nothing
    assert hand.bytes == 0


def test_clear() -> None:
    """What was dropped will never be answered."""
    hand = Unanswered()
    hand.add(2, 20, 1.0)
    hand.answered(1)
    hand.clear()
    assert hand.bytes == 0
    hand.add(1, 7, 3.0)
    hand.answered(1)
    assert hand.bytes == 0


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 99))), st.data())
def test_however_answers_fall(runs: list[tuple[int, int]], data: st.DataObject) -> None:
    """What is left is the bytes of the runs that are not answered to the end."""
    hand = Unanswered()
    for batches, size in runs:
        hand.add(batches, size, 0.0)
    left = sum(batches for batches, _ in runs)
    while left:
        some = data.draw(st.integers(1, left))
        hand.answered(some)
        left -= some
        behind, expected = left, 0
        for batches, size in reversed(runs):
            if behind > 0:
                expected += size
            behind -= batches
        assert hand.bytes == expected
    assert hand.bytes == 0
