"""``lottery.central.reconnects``: how often an agency may come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lottery.central import reconnects
from lottery.central.reconnects import Allowance, Reconnects
from lottery.errors import Code, RemoteProtocolError


def comings(agencies: Reconnects, agency: int, tries: int = 1000) -> int:
    """How often an agency may come in one moment."""
    for count in range(tries):
        try:
            agencies.comes(agency)
        except RemoteProtocolError as error:
            if error.code is not Code.BUSY:
                raise
            return count
    return tries


# An allowance.


def test_so_many_at_once_and_no_more() -> None:
    """What nobody has used is there from the start."""
    allowance = Allowance(3, 100.0)
    assert [allowance.take(100.0) for _ in range(5)] == [True, True, True, False, False]


def test_it_comes_back_evenly() -> None:
    """One each 20 seconds, if there are three in a minute; not all at the end of a minute."""
    allowance = Allowance(3, 0.0)
    for _ in range(3):
        allowance.take(0.0)
    taken = [second for second in range(1, 121) if allowance.take(float(second))]
    assert taken == [20, 40, 60, 80, 100, 120]


def test_no_more_is_kept_than_for_a_minute() -> None:
    """However long nobody has used it."""
    allowance = Allowance(3, 0.0)
    allowance.take(0.0)
    assert [allowance.take(10_000.0) for _ in range(4)] == [True, True, True, False]


def test_who_is_refused_uses_nothing() -> None:
    """Trying does not put off the moment at which there is one again."""
    allowance = Allowance(1, 0.0)
    assert allowance.take(0.0)
    assert not any(allowance.take(second / 2) for second in range(1, 120))
    assert allowance.take(60.5)


@given(
    a_minute=st.integers(1, 10_000),
    waits=st.lists(st.floats(0, 100, allow_subnormal=False), max_size=60),
)
def test_bounds(a_minute: int, waits: list[float]) -> None:
    """In any time there are at most as many as in that time, and a minute's more."""
    now = 0.0
    allowance = Allowance(a_minute, now)
    taken = 0
    for wait in waits:
        now += wait
        while taken <= 3 * a_minute and allowance.take(now):
            taken += 1
        assert taken <= a_minute * (1 + now / 60) + 1e-6


# Those of all agencies.


def test_an_agency_that_comes_too_often() -> None:
    """BUSY, with its number and the limit; a while later it may come again."""
    clock = Clock()
    agencies = Reconnects(clock, 60)
    assert comings(agencies, 7) == 60
    with pytest.raises(RemoteProtocolError) as error:
        agencies.comes(7)
    assert error.value.code is Code.BUSY
    assert error.value.sentence == "agency 7 has come more than 60 times in a minute"
    clock.advance(1)
    assert comings(agencies, 7) == 1
    clock.advance(60)
    assert comings(agencies, 7) == 60


def test_each_has_its_own() -> None:
    """What one does harms no other."""
    agencies = Reconnects(Clock(), 2)
    assert comings(agencies, 1) == 2
    assert comings(agencies, 0) == 2
    assert comings(agencies, 2**32 - 1) == 2
    assert comings(agencies, 1) == 0


def test_no_limit() -> None:
    """0: any number; and nobody is remembered."""
    agencies = Reconnects(Clock(), 0)
    assert comings(agencies, 1) == 1000
    assert len(agencies._allowances) == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not come for longest is forgotten first, and only if there are too many."""
    monkeypatch.setattr(reconnects, "REMEMBERED", 3)
    agencies = Reconnects(Clock(), 1)
    for agency in (1, 2, 3):
        agencies.comes(agency)
    assert comings(agencies, 1) == 0  # being refused is coming, too
    agencies.comes(4)
    assert len(agencies._allowances) == 3
    assert [comings(agencies, agency) for agency in (1, 3, 4)] == [0, 0, 0]
    assert comings(agencies, 2) == 1
    assert len(agencies._allowances) == 3
