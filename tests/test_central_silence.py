"""``lottery.central.silence``: the clocks of a peer whose turn it is."""

from __future__ import annotations

from twisted.internet.task import Clock

from lottery.central.silence import TurnClock


class Rig:
    """The clocks of a peer, whose turn it is, and whether a frame has begun."""

    def __init__(self, limit_seconds: float, frame_seconds: float = 1000) -> None:
        self.reactor = Clock()
        self.peers_turn = True
        self.within_frame = False
        self.silent_at: list[float] = []
        self.slow_at: list[float] = []
        self.clock = TurnClock(
            self.reactor,
            limit_seconds,
            frame_seconds,
            is_peers_turn=self._is_peers_turn,
            is_within_frame=lambda: self.within_frame,
            silent=self._silent,
            slow=lambda: self.slow_at.append(self.reactor.seconds()),
        )

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


def test_no_limit() -> None:
    """0 is for ever."""
    rig = Rig(0)
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
    rig = Rig(5)
    rig.silent_at = Stopping(rig)
    rig.reactor.advance(5)
    assert rig.silent_at == [5]
    assert rig.reactor.getDelayedCalls() == []


class Stopping(list[float]):
    """Notes times, and stops the clock that tells them."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._rig = rig

    def append(self, seconds: float) -> None:
        """Stop."""
        super().append(seconds)
        self._rig.clock.stop()


def test_a_frame_has_its_time_from_its_first_byte() -> None:
    """Bytes that follow do not set it back, and neither does anything that moves."""
    rig = Rig(60, frame_seconds=10)
    rig.pass_time(7)
    rig.clock.frame_begins()
    rig.within_frame = True
    for _ in range(3):
        rig.pass_time(3)
        rig.clock.moved()
    assert rig.slow_at == []
    rig.pass_time(1)
    assert rig.slow_at == [17]
    assert rig.silent_at == []
    assert rig.reactor.getDelayedCalls() == []


def test_a_frame_that_is_complete_is_not_slow() -> None:
    """However long ago it began."""
    rig = Rig(0, frame_seconds=10)
    rig.within_frame = True
    rig.pass_time(9)
    rig.within_frame = False
    rig.pass_time(20)
    assert rig.slow_at == rig.silent_at == []


def test_a_frame_that_is_not_read_is_not_slow() -> None:
    """While the central does not read, its clock stands; it begins anew with the reading."""
    rig = Rig(0, frame_seconds=10)
    rig.pass_time(15)
    rig.within_frame = True
    rig.clock.frame_begins()
    rig.pass_time(9)
    assert rig.slow_at == []
    rig.pass_time(1)
    assert rig.slow_at == [25]


def test_silence_comes_before_a_slow_frame() -> None:
    """If both are due, one of them is told."""
    rig = Rig(10, frame_seconds=10)
    rig.within_frame = True
    rig.pass_time(30)
    assert (rig.silent_at, rig.slow_at) == ([10], [])
