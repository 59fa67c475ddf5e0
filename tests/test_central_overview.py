"""``lottery.central.overview``: what is shown is what is the case, at every step of a draw."""

from __future__ import annotations

from pathlib import Path

from central_fakes import House, roster_of
from shared_fakes import Tables, house_of

from lottery.central.admission import Admission
from lottery.ops.views import AgencyView, CentralView
from lottery.wire.messages import Batch, End, Received

ROWS = b"Ana,Gil,1,2000-01-01,7574\nBo,Paz,2,2000-01-01,8\n"


def seen(house: House) -> CentralView:
    """What there is to be seen."""
    return house.central.overview.view()


def agencies(house: House) -> dict[int, tuple[str, int, str]]:
    """State, bets and reason of each agency that is shown."""
    return {each.agency: (each.state, each.bets, each.why) for each in seen(house).agencies}


def draw_of(house: House) -> tuple[int, str, int, int, int, int]:
    """The draw that is shown: number, state, places taken, ended, left out, bets."""
    draw = seen(house).draw
    assert draw is not None
    return draw.draw, draw.state, draw.taken, draw.ended, draw.left_out, draw.bets


def test_a_draw_step_by_step(tmp_path: Path) -> None:
    """From nobody to everybody's winners, with one who is cut off."""
    with House(tmp_path, agencies=3, rejoin=5) as house:
        assert draw_of(house) == (1, "open", 0, 0, 0, 0)
        assert agencies(house) == {}
        one, two, cut = house.greeted(1), house.greeted(2), house.greeted(3)
        one.say(Batch(0, 2, ROWS))
        assert agencies(house)[1] == ("sending", 2, "")
        cut.say(Batch(0, 2, ROWS))
        cut.close()
        assert agencies(house)[3] == ("away", 2, "it closed the connection")
        one.say(End(2, bytes(32)))
        two.say(End(0, bytes(32)))
        assert agencies(house)[1] == ("ended", 2, "")
        assert draw_of(house) == (1, "open", 3, 2, 0, 4)
        house.advance(6)
        assert draw_of(house) == (1, "drawn", 3, 2, 1, 4)
        assert seen(house).others == ((2, "open"),)
        states = {each: state for each, (state, _, _) in agencies(house).items()}
        assert states == {1: "ended", 2: "ended", 3: "left_out"}
        one.say(Received(1, 1))
        assert agencies(house)[1] == ("received", 2, "")
        two.close()
        house.advance(6)
        assert draw_of(house) == (1, "delivered", 3, 2, 1, 4)
        assert agencies(house)[2] == ("unreceived", 0, "")
        (winner,) = [each for each in seen(house).agencies if each.agency == 1]
        assert winner == AgencyView(1, "", "lottery/1", "received", 2, "", 1)


def test_the_last_draw_stays_until_somebody_comes(tmp_path: Path) -> None:
    """Or its result would be gone before anybody has seen it."""
    with House(tmp_path, agencies=1) as house:
        agency = house.greeted(1)
        agency.say(Batch(0, 2, ROWS), End(2, bytes(32)))
        agency.say(Received(1, 1))
        assert draw_of(house)[:2] == (1, "delivered")
        house.greeted(1)
        assert draw_of(house)[:2] == (2, "open")


def test_steps_change_with_every_step(tmp_path: Path) -> None:
    """So that who looks knows when there is something new to be fetched."""
    with House(tmp_path, agencies=1) as house:
        before = seen(house).steps
        assert seen(house).steps == before
        agency = house.greeted(1)
        agency.say(End(0, bytes(32)))
        drawn = seen(house).steps
        assert drawn != before
        agency.say(Received(1, 0))
        assert seen(house).steps != drawn


def test_those_of_the_roster_who_have_not_come(tmp_path: Path) -> None:
    """They are expected, by their names."""
    with House(tmp_path, admission=Admission(roster_of(1, 7))) as house:
        house.greeted(7)
        assert {each.agency: (each.state, bool(each.name)) for each in seen(house).agencies} == {
            1: ("expected", True),
            7: ("sending", True),
        }
        assert draw_of(house)[2] == 1


def test_those_who_never_came(tmp_path: Path) -> None:
    """They stay what they were when the draw closes: nobody had a place for them."""
    with House(tmp_path, admission=Admission(roster_of(1, 7)), deadline=60) as house:
        agency = house.greeted(7)
        agency.say(End(0, bytes(32)))
        house.advance(61)
        assert draw_of(house)[1:5] == ("drawn", 1, 1, 0)
        assert agencies(house) == {7: ("ended", 0, ""), 1: ("expected", 0, "")}
        agency.say(Received(1, 0))


def test_the_promise_of_a_random_number(tmp_path: Path) -> None:
    """Its hash is shown from the beginning, the number only when it is drawn."""
    with House(tmp_path, agencies=1, winning_number=None) as house:
        draw = seen(house).draw
        assert draw is not None
        assert draw.commitment == house.draw.ledger.read().commitment
        assert draw.winning_number is None
        house.greeted(1).say(End(0, bytes(32)))
        draw = seen(house).draw
        assert draw is not None
        assert draw.winning_number == house.central._rounds.latest.record.winning_number


def test_a_void_draw(tmp_path: Path) -> None:
    """Nobody has ended, so nothing was drawn."""
    with House(tmp_path, agencies=1, rejoin=0) as house:
        house.greeted(1).close()
        assert draw_of(house)[:5] == (1, "void", 1, 0, 1)
        draw = seen(house).draw
        assert draw is not None
        assert draw.winning_number is None


def test_what_was_there_before_a_restart(tmp_path: Path) -> None:
    """Agencies that are still away, and how much of them is stored."""
    with House(tmp_path, agencies=2, rejoin=30) as house:
        house.greeted(1).say(Batch(0, 2, ROWS), End(2, bytes(32)))
        house.greeted(2).say(Batch(0, 2, ROWS))
        house.crash()
    with House(tmp_path, agencies=2, rejoin=30) as house:
        assert agencies(house) == {1: ("ended", 2, ""), 2: ("away", 2, "")}
        assert seen(house).connections == 0


def test_an_agency_at_another_central(tmp_path: Path) -> None:
    """It is not away, and how much of it is stored shows when it has ended."""
    tables = Tables()
    with (
        house_of(tables, "a", tmp_path, agencies=2) as a,
        house_of(tables, "b", tmp_path, agencies=2) as b,
    ):
        there = b.greeted(1)
        there.say(Batch(0, 2, ROWS))
        a.advance(1)
        assert agencies(a) == {1: ("sending", 0, "")}
        assert agencies(b) == {1: ("sending", 2, "")}
        there.say(End(2, bytes(32)))
        a.advance(1)
        assert agencies(a) == {1: ("ended", 2, "")}


def test_ready(tmp_path: Path) -> None:
    """As long as agencies can come."""
    with House(tmp_path, agencies=1) as house:
        overview = house.central.overview
        assert overview.not_ready() == ""
    assert overview.not_ready() == "the central is being stopped"
