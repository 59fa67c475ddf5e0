"""``lottery.central.intake``: the timeline of a draw, and that it is in nobody's way."""

from __future__ import annotations

from pathlib import Path

from central_fakes import House

from lottery.wire.messages import Batch, End, Received

ROWS = b"Ana,Gil,1,2000-01-01,7574\nBo,Paz,2,2000-01-01,8\n"


def lines(house: House, draw: int = 1) -> list[str]:
    """The timeline; the clock of a house begins with the epoch."""
    path = house.draw_file(draw, "intake.csv")
    return path.read_text().splitlines() if path.exists() else []


def test_a_draw(tmp_path: Path) -> None:
    """Every ten seconds if bets have come, and at the end."""
    with House(tmp_path, agencies=1, silence=0) as house:
        house.advance(60)
        agency = house.greeted(1)
        house.advance(20)
        begin = "1970-01-01T00:01:00Z,0"
        assert lines(house) == [begin]
        agency.say(Batch(0, 2, ROWS))
        house.advance(30)
        assert lines(house) == [begin, "1970-01-01T00:01:30Z,2"]
        agency.say(Batch(2, 2, ROWS))
        agency.say(Batch(4, 2, ROWS), End(6, bytes(32)))
        assert lines(house) == [begin, "1970-01-01T00:01:30Z,2", "1970-01-01T00:01:50Z,6"]
        agency.say(Received(1, 3))
        house.advance(60)
        assert len(lines(house)) == 3
        assert lines(house, 2) == []


def test_after_a_restart_it_goes_on(tmp_path: Path) -> None:
    """With what is new; an agency that is away has what it has."""
    with House(tmp_path, agencies=2, rejoin=100) as house:
        house.greeted(1).say(Batch(0, 2, ROWS))
        house.advance(10)
        house.crash()
    with House(tmp_path, agencies=2, rejoin=100) as house:
        house.advance(30)
        assert lines(house) == ["1970-01-01T00:00:00Z,0", "1970-01-01T00:00:10Z,2"]
        house.greeted(2).say(Batch(0, 2, ROWS))
        house.advance(10)
        assert [line.partition(",")[2] for line in lines(house)] == ["0", "2", "4"]


def test_what_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    """Not the bets, not the draw, not the log."""
    with House(tmp_path, agencies=1) as house:
        house.draw_file(1, "intake.csv").mkdir()
        agency = house.greeted(1)
        agency.say(Batch(0, 2, ROWS))
        house.advance(30)
        agency.say(End(2, bytes(32)))
        agency.say(Received(1, 1))
        assert house.log.of("delivered")
        house.draw_file(1, "intake.csv").rmdir()
        assert not [line for line in house.log.actions if line["result"] == "fail"]


def test_a_disk_that_stalls_has_one_at_work(tmp_path: Path) -> None:
    """What comes meanwhile is noted with the next line; nothing heaps up."""
    with House(tmp_path, agencies=1, silence=0) as house:
        agency = house.greeted(1)
        house.off_thread.hold = True
        for at in range(5):
            agency.say(Batch(2 * at, 2, ROWS))
            house.advance(10)
        assert house.off_thread.waiting == 1
        house.off_thread.hold = False
        house.off_thread.run()
        assert len(lines(house)) == 2
        house.advance(10)
        assert lines(house)[-1].endswith(",10")
