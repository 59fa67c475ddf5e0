"""``lottery.central.conclusion``, of a draw whose agencies are told by several centrals."""

from __future__ import annotations

from central_fakes import NUMBER
from test_central_roll import ROWS, Town, both_sent


def test_told_elsewhere_and_back_while_the_winners_are_read() -> None:
    """Who comes here behind its winners, before this central tells any, is told them once more."""
    town = Town(2)
    a, b = town.two()
    b.off_thread.hold, b.off_thread.free = True, "lottery.central.roll"
    five, six = both_sent(town, a, b)
    b.off_thread.run()  # it finds the number drawn; what waits next is that the winners are read
    town.look()
    assert b.conclusion is not None
    assert (b.conclusion.record.state, b.off_thread.waiting) == ("drawn", 1)
    assert five.deliveries == [(1, NUMBER, [ROWS[2]])]
    five.delivered.callback("")
    town.look()
    back = b.comes(5, 1)
    assert [each.ended for each in back.welcomes] == [True]
    b.off_thread.hold = False
    b.off_thread.run()
    assert back.deliveries == [(1, NUMBER, [ROWS[2]])]
    back.delivered.callback("")
    six.delivered.callback("")
    town.advance(2)
    assert (a.ended, b.ended) == (["delivered"], ["delivered"])
    town.stop()
