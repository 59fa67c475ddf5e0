"""``lottery.central.silence``: the clock of a peer whose turn it is."""

from __future__ import annotations

from twisted.internet.task import Clock

from lottery.central.silence import SilenceClock


class Rig:
    """A silence clock, and whose turn it is."""

    def __init__(self, limit_seconds: float) -> None:
        self.reactor = Clock()
        self.peers_turn = True
        self.silent_at: list[float] = []
        self.clock = SilenceClock(self.reactor, limit_seconds, self._is_peers_turn, self._silent)

    def _is_peers_turn(self) -> bool:
        return self.peers_turn

    def _silent(self) -> None:
        self.silent_at.append(self.reactor.seconds())

    def pass_time(self, seconds: int) -> None:
        """Let time pass, a second at a time."""
        self.reactor.pump([1] * seconds)


def test_a_silent_peer_is_reported_once() -> None:
    """When the time is up, not before; and then the clock stands."""
    rig = Rig(10)
    rig.pass_time(9)
    assert rig.silent_at == []
    rig.pass_time(1)
    assert rig.silent_at == [10]
    assert rig.reactor.getDelayedCalls() == []


def test_whatever_moves_begins_the_time_anew() -> None:
    """Counted from when it moved, not from when the clock looks."""
    rig = Rig(10)
    rig.pass_time(7)
    rig.clock.moved()
    rig.pass_time(9)
    assert rig.silent_at == []
    rig.pass_time(1)
    assert rig.silent_at == [17]


def test_one_timer_however_much_moves() -> None:
    """Moving is only noted: it makes no timers."""
    rig = Rig(10)
    for _ in range(100):
        rig.clock.moved()
    assert len(rig.reactor.getDelayedCalls()) == 1


def test_our_own_turn_does_not_count() -> None:
    """However long we take; when it becomes the peer's turn, somebody says that it moved."""
    rig = Rig(10)
    rig.peers_turn = False
    rig.pass_time(45)
    assert rig.silent_at == []
    rig.peers_turn = True
    rig.clock.moved()
    rig.pass_time(9)
    assert rig.silent_at == []
    rig.pass_time(1)
    assert rig.silent_at == [55]


def test_no_limit_no_timer() -> None:
    """0 is for ever."""
    rig = Rig(0)
    assert rig.reactor.getDelayedCalls() == []
    rig.clock.moved()
    rig.pass_time(1000)
    assert rig.silent_at == []
    rig.clock.stop()


def test_it_stops_for_good() -> None:
    """Also when it has rung, or was stopped before."""
    rig = Rig(10)
    rig.clock.stop()
    rig.clock.stop()
    assert rig.reactor.getDelayedCalls() == []
    rung = Rig(10)
    rung.pass_time(10)
    rung.clock.stop()
    assert rung.silent_at == [10]


def test_it_may_be_stopped_when_it_rings() -> None:
    """Who hears that the peer is silent stops the clock of it."""
    reactor = Clock()
    clocks: list[SilenceClock] = []

    def silent() -> None:
        clocks[0].stop()

    clocks.append(SilenceClock(reactor, 5, lambda: True, silent))
    reactor.advance(5)
    assert reactor.getDelayedCalls() == []
