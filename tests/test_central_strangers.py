"""``lottery.central.strangers``: connections of nobody yet, few and not for long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes import MemoryLog
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lottery.central.strangers import LINES_A_MINUTE, TELL_SECONDS, Strangers, origin_of

SECONDS = 5.0


class Somebody:
    """A stranger that notes what befalls it.

    :ivar late_at: when its time was up.
    :ivar aborted: whether it had to go at once.
    """

    def __init__(self, rig: Rig) -> None:
        self.late_at: list[float] = []
        self.aborted = False
        self.when_late: Callable[[], None] = lambda: None
        self._rig = rig

    def too_late(self) -> None:
        """Its time is up."""
        self.late_at.append(self._rig.clock.seconds())
        self.when_late()

    def abort(self) -> None:
        """Go; that it is gone is told a turn later, as of a connection."""
        assert not self.aborted
        self.aborted = True
        self._rig.clock.callLater(0, self._rig.strangers.gone, self)


class Rig:
    """Strangers, a clock and a log."""

    def __init__(self, most: int = 100, most_of_address: int = 100) -> None:
        self.clock = Clock()
        self.log = MemoryLog()
        self.strangers = Strangers(self.clock, SECONDS, most, most_of_address, self.log)

    def comes(self, address: str | None = "10.0.0.1") -> Somebody:
        """Let somebody connect."""
        somebody = Somebody(self)
        self.strangers.came(somebody, address)
        return somebody

    def timers(self) -> list[float]:
        """When somebody will be called."""
        return sorted(call.getTime() for call in self.clock.getDelayedCalls())

    def told(self) -> list[tuple[int, int]]:
        """What the lines say: how many were turned away, and how many had no line."""
        lines = self.log.of("strangers")
        assert all(each["level"] == "WARNING" and each["result"] == "fail" for each in lines)
        return [(int(each["turned_away"]), int(each["untold"])) for each in lines]


# Their time.


def test_each_has_its_time_from_its_first_moment() -> None:
    """Not from when somebody else came, and not one moment more."""
    rig = Rig()
    first = rig.comes()
    rig.clock.advance(2)
    second = rig.comes("10.0.0.2")
    rig.clock.advance(2.5)
    assert first.late_at == []
    rig.clock.advance(0.5)
    assert first.late_at == [SECONDS]
    assert second.late_at == []
    assert len(rig.strangers) == 2  # each counts until it is closed
    rig.clock.advance(2)
    assert second.late_at == [2 + SECONDS]
    assert rig.timers() == []
    third = rig.comes()
    rig.clock.advance(SECONDS)
    assert third.late_at == [7 + SECONDS]
    assert not any(each.aborted for each in (first, second, third))


def test_one_timer_for_all() -> None:
    """However many there are, and none for nobody."""
    rig = Rig()
    assert rig.timers() == []
    all_of_them = [rig.comes() for _ in range(50)]
    assert rig.timers() == [SECONDS]
    rig.strangers.gone(all_of_them[0])
    assert rig.timers() == [SECONDS]
    for each in all_of_them:
        rig.strangers.gone(each)
    assert rig.timers() == []
    assert len(rig.strangers) == 0


def test_who_is_known_has_all_the_time_there_is() -> None:
    """Somebody who has taken a place is no stranger any more; saying so twice is harmless."""
    rig = Rig(most=2, most_of_address=1)
    known, other = rig.comes(), rig.comes("10.0.0.2")
    for _ in range(2):
        rig.strangers.gone(known)
    third = rig.comes()
    assert not other.aborted
    rig.clock.advance(SECONDS)
    assert known.late_at == []
    assert other.late_at == third.late_at == [SECONDS]
    assert rig.told() == []


def test_all_who_came_in_one_moment() -> None:
    """Their time is up in one; who was taken along by another of them is not told."""
    rig = Rig()
    first, second, third = rig.comes(), rig.comes(), rig.comes()
    first.when_late = lambda: rig.strangers.gone(second)
    rig.clock.advance(SECONDS)
    assert (first.late_at, second.late_at, third.late_at) == ([SECONDS], [], [SECONDS])
    assert rig.timers() == []


# How many there may be.


def test_too_many_in_all() -> None:
    """The oldest one goes, not the newest."""
    rig = Rig(most=3)
    crowd = [rig.comes(f"10.0.0.{number}") for number in range(5)]
    assert [each.aborted for each in crowd] == [True, True, False, False, False]
    assert len(rig.strangers) == 3
    rig.clock.advance(0)
    assert len(rig.strangers) == 3


def test_too_many_of_one_address() -> None:
    """The oldest one of it goes, and nobody of another."""
    rig = Rig(most_of_address=2)
    other = rig.comes("10.0.0.9")
    crowd = [rig.comes() for _ in range(4)]
    assert [each.aborted for each in crowd] == [True, True, False, False]
    assert not other.aborted
    rig.comes("10.0.0.9")
    assert not other.aborted
    rig.comes("10.0.0.9")
    assert other.aborted


def test_a_crowd_of_one_address_pushes_nobody_else_out() -> None:
    """When both caps are reached, only its own go."""
    rig = Rig(most=3, most_of_address=2)
    other = rig.comes("10.0.0.9")
    crowd = [rig.comes() for _ in range(20)]
    assert not other.aborted
    assert [each.aborted for each in crowd] == [True] * 18 + [False] * 2


def test_one_of_each_address() -> None:
    """The smallest caps there are."""
    rig = Rig(most=1, most_of_address=1)
    first, second, third = rig.comes(), rig.comes(), rig.comes("10.0.0.2")
    assert (first.aborted, second.aborted, third.aborted) == (True, True, False)
    rig.clock.advance(SECONDS)
    assert (first.late_at, second.late_at, third.late_at) == ([], [], [SECONDS])


def test_without_an_address() -> None:
    """All who come by a UNIX socket are of one."""
    rig = Rig(most_of_address=1)
    first, second = rig.comes(None), rig.comes(None)
    assert (first.aborted, second.aborted) == (True, False)


def test_make_room() -> None:
    """For somebody who comes when all connections are taken; nobody goes if nobody can."""
    rig = Rig()
    rig.strangers.drop_oldest()
    first, second = rig.comes(), rig.comes()
    rig.strangers.drop_oldest()
    assert (first.aborted, second.aborted) == (True, False)
    rig.clock.advance(0)
    assert len(rig.strangers) == 1


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (None, None),
        ("10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::1", "::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
    ],
)
def test_what_counts_as_one_address(host: str | None, origin: str | None) -> None:
    """Of IPv6 a customer has half of all there is in one: a stranger could come from each of it."""
    assert origin_of(host) == origin


@given(
    moves=st.lists(
        st.one_of(
            st.tuples(st.just("comes"), st.sampled_from("abcd")),
            st.tuples(st.just("gone"), st.integers(0, 40)),
            st.tuples(st.just("passes"), st.sampled_from([0.0, 0.5, 2.0, SECONDS])),
        ),
        max_size=60,
    ),
    most=st.integers(1, 6),
    most_of_address=st.integers(1, 4),
)
def test_whatever_happens(
    moves: list[tuple[str, str | float]], most: int, most_of_address: int
) -> None:
    """Never too many, of nobody too many, nobody too long; and nothing is kept of who is gone."""
    rig = Rig(most, most_of_address)
    there: list[tuple[Somebody, str, float]] = []
    everybody: list[Somebody] = []
    for verb, what in moves:
        match verb, what:
            case "comes", str(address):
                everybody.append(rig.comes(address))
                there.append((everybody[-1], address, rig.clock.seconds()))
            case "gone", int(number) if number < len(everybody):
                rig.strangers.gone(everybody[number])
                there = [each for each in there if each[0] is not everybody[number]]
            case "passes", float(seconds):
                rig.clock.advance(seconds)
        there = [each for each in there if not each[0].aborted]
        assert len(rig.strangers) == len(there) <= most
        for address in "abcd":
            assert sum(each[1] == address for each in there) <= most_of_address
        waiting = [since for each, _, since in there if not each.late_at]
        assert all(rig.clock.seconds() - since < SECONDS for since in waiting)
    for each in everybody:
        rig.strangers.gone(each)
    assert rig.strangers._of_address == rig.strangers._address == {}
    rig.strangers.stop()
    rig.clock.advance(0)
    assert rig.timers() == []


# What is told.


def test_the_oldest_of_the_largest_crowd_goes() -> None:
    """A flood of one address, or of a few, does not push out who came alone, however long ago."""
    rig = Rig(most=6)
    lonely = rig.comes("10.0.0.1")
    crowd = [rig.comes("10.0.0.2") for _ in range(3)] + [rig.comes("10.0.0.3") for _ in range(2)]
    for number in range(50):
        rig.comes(f"10.0.0.{2 + number % 2}")
    assert not lonely.aborted
    assert all(each.aborted for each in crowd)


def test_the_line_names_the_address_of_most() -> None:
    """Somebody may want to keep it out."""
    rig = Rig()
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.2"):
        rig.strangers.turned_away(address)
    rig.clock.advance(TELL_SECONDS)
    assert [each["ip"] for each in rig.log.of("strangers")] == ["10.0.0.2"]


def test_one_line_for_all_who_were_turned_away() -> None:
    """Ten seconds after the first one; then another, if there were more."""
    rig = Rig(most=1)
    for _ in range(4):
        rig.comes()
    rig.strangers.turned_away("10.0.0.1")
    rig.clock.advance(TELL_SECONDS - 1)
    assert rig.told() == []
    rig.clock.advance(1)
    assert rig.told() == [(4, 0)]
    rig.clock.advance(10 * TELL_SECONDS)
    assert rig.told() == [(4, 0)]
    rig.strangers.turned_away("10.0.0.1")
    rig.clock.advance(TELL_SECONDS)
    assert rig.told() == [(4, 0), (1, 0)]
    assert rig.timers() == []


def test_who_was_merely_late_was_not_turned_away() -> None:
    """Each of those may have a line of its own."""
    rig = Rig()
    rig.comes()
    rig.clock.advance(10 * TELL_SECONDS)
    assert rig.told() == []


def test_a_flood_has_no_line_for_each() -> None:
    """So many in a minute; the others are counted, and the count is told."""
    rig = Rig()
    told = [rig.strangers.may_tell() for _ in range(LINES_A_MINUTE + 3)]
    assert told == [True] * LINES_A_MINUTE + [False] * 3
    rig.clock.advance(TELL_SECONDS)
    assert rig.told() == [(0, 3)]
    assert rig.strangers.may_tell()
    rig.clock.advance(60)
    assert all(rig.strangers.may_tell() for _ in range(LINES_A_MINUTE))
    assert not rig.strangers.may_tell()
    rig.clock.advance(TELL_SECONDS)
    assert rig.told() == [(0, 3), (0, 1)]


# The end.


def test_stop() -> None:
    """What is untold is told now; nobody is looked after any more, and no timer is left."""
    rig = Rig(most=1)
    first, second = rig.comes(), rig.comes()
    rig.strangers.stop()
    rig.clock.advance(0)
    assert rig.timers() == []
    assert rig.told() == [(1, 0)]
    rig.clock.advance(10 * SECONDS)
    assert second.late_at == []
    rig.strangers.gone(second)
    rig.strangers.gone(first)
    rig.strangers.stop()
    assert rig.told() == [(1, 0)]


def test_stop_with_nobody() -> None:
    """Nothing is said of it."""
    rig = Rig()
    rig.strangers.stop()
    assert rig.log.lines == []


@pytest.mark.parametrize("flood", [False, True])
def test_behind_the_stop(flood: bool) -> None:
    """The strangers that are there are parted with, which may tell; no timer is left of that."""
    rig = Rig()
    if flood:
        while rig.strangers.may_tell():
            pass
    rig.strangers.stop()
    assert rig.strangers.may_tell() == (not flood)
    assert rig.timers() == []
