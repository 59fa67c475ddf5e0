"""``lottery.central.place``, of an agency that several centrals let in, one after the other."""

from __future__ import annotations

from central_fakes import FakeSession
from test_central_roll import ROWS, Town

from lottery.wire.messages import OPEN_DRAW, Hello


def test_back_before_what_its_first_writer_stored_is_known() -> None:
    """What it was acknowledged elsewhere meanwhile is no damage; it goes on behind that."""
    town = Town()
    a, b = town.two()
    a.off_thread.free = "lottery.central.roll"
    first = a.comes(5)
    a.sends(first, ROWS[:1])
    a.off_thread.hold = True
    a.reactor.children[0].die(9)
    first.goes()
    second = b.comes(5)
    b.sends(second, ROWS[1:], first=1)
    assert second.heard[-1] == ("stored", 3, 1)
    back = FakeSession()
    a.rounds.hello(Hello(5, OPEN_DRAW, acknowledged=3), back)
    assert (back.told, back.welcomes) == ([], [])
    a.off_thread.hold = False
    a.off_thread.run()
    assert [each.next_index for each in back.welcomes] == [3]
    a.ends(back, 3)
    town.look()
    assert a.place(5).succeeded
    assert b.place(5).succeeded
    town.stop()
