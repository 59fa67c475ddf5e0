"""``lottery.central.draws``: which draw an agency belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from central_fakes import NONCE, Agency, House, batch, bets, roster_of
from shared_fakes import Tables, house_of
from twisted.logger import LogEvent

from lottery.central.admission import Admission
from lottery.central.draws import HELD_SECONDS
from lottery.errors import Code, LotteryError
from lottery.ledger.face import SharedDraw
from lottery.wire import classic
from lottery.wire.messages import (
    OPEN_DRAW,
    Ack,
    ClassicEnd,
    ClassicRefused,
    DrawState,
    End,
    Error,
    Hello,
    Message,
    Received,
    Welcome,
    Winners,
)

WON = "Ana,Gil,30904465,1999-03-17,7574"


def ends(house: House, number: int, *rows: str, draw: int = OPEN_DRAW) -> Agency:
    """Let an agency come to the open draw, send, and end."""
    agency = house.arrive()
    agency.say(Hello(number, draw), *([batch(rows)] if rows else []), End(len(rows), NONCE))
    welcome, *acks = agency.heard()[: 3 if rows else 2]
    assert isinstance(welcome, Welcome)
    assert acks[-1] == Ack(len(rows), True)
    return agency


def says_hello(house: House, number: int, draw: int = 0, acknowledged: int = 0) -> list[Message]:
    """What an agency hears that says who it is."""
    agency = house.arrive()
    agency.say(Hello(number, draw, acknowledged))
    return agency.heard()


def welcome_of(house: House, number: int, draw: int = 0) -> tuple[int, DrawState]:
    """The draw to which an agency is welcomed, and the state of that."""
    (first, *_) = says_hello(house, number, draw)
    assert isinstance(first, Welcome)
    return first.draw, first.state


def refused(house: House, number: int, draw: int = 0) -> tuple[Code, str]:
    """Why an agency is not welcomed."""
    (error,) = says_hello(house, number, draw)
    assert isinstance(error, Error)
    return error.code, error.sentence


def test_a_new_agency_belongs_to_the_open_draw(tmp_path: Path) -> None:
    """Whether it names it, wants the open one, or knows nothing."""
    with House(tmp_path, agencies=4) as house:
        for number, draw in ((1, 0), (2, 1), (3, OPEN_DRAW)):
            assert welcome_of(house, number, draw) == (1, DrawState.OPEN)


@pytest.mark.parametrize("draw", [2, 3, OPEN_DRAW - 1])
def test_a_draw_that_there_is_not(tmp_path: Path, draw: int) -> None:
    """It is told which one is open; it takes no place."""
    with House(tmp_path) as house:
        assert refused(house, 1, draw) == (Code.CLOSED, f"draw {draw} is not open, draw 1 is")
        assert house.draw.places[0].agency is None


def test_one_that_has_not_acknowledged_its_winners(tmp_path: Path) -> None:
    """Belongs to that draw, at any step of it, unless it names another one or has begun one."""
    with House(tmp_path, agencies=1, rejoin=30.0) as house:
        house.off_thread.hold = True
        agency = ends(house, 1, WON)
        agency.reset()
        for state in (DrawState.CLOSING, DrawState.CLOSING, DrawState.SEALED, DrawState.DRAWN):
            assert welcome_of(house, 1) == (1, state)
            assert welcome_of(house, 1, 1) == (1, state)
            house.agencies[-1].reset()
            house.off_thread.run()
            house.settle()
        house.off_thread.hold = False
        house.off_thread.run()
        house.settle()
        house.advance(31)
        assert len(house.log.of("delivered")) == 1
        assert welcome_of(house, 1) == (1, DrawState.DELIVERED)
        assert welcome_of(house, 1, OPEN_DRAW) == (2, DrawState.OPEN)
        # It has begun the next day: it means that one, unless it names the other.
        assert welcome_of(house, 1) == (2, DrawState.OPEN)
        assert welcome_of(house, 1, 1) == (1, DrawState.DELIVERED)


def test_when_it_has_acknowledged_them(tmp_path: Path) -> None:
    """It belongs to the open draw again; the old results can still be had by their number."""
    with House(tmp_path) as house:
        agency = ends(house, 1, WON)
        agency.say(Received(1, 1))
        assert welcome_of(house, 1, 1) == (1, DrawState.DELIVERED)
        assert welcome_of(house, 1) == (2, DrawState.OPEN)


def test_the_latest_of_several(tmp_path: Path) -> None:
    """Whose winners are not acknowledged; the older ones can be had by their numbers.

    Also when the older draw still waits for somebody, and the latest does not, at a new start.
    """
    with House(tmp_path, agencies=2, rejoin=30.0) as house:
        one, two = ends(house, 1, WON), ends(house, 2)
        one.reset()
        two.reset()
        house.advance(1)
        one, three = ends(house, 1, WON), ends(house, 3)
        three.say(Received(2, 0))
        one.reset()
        house.advance(28)
        assert welcome_of(house, 2) == (1, DrawState.DRAWN)
        house.advance(3)
        assert [each["draw"] for each in house.log.of("delivered")] == ["2"]
        assert house.central._rounds.unreceived == {1: 2, 2: 1}
    with House(tmp_path, agencies=2, rejoin=30.0) as house:
        assert house.central._rounds.unreceived == {1: 2, 2: 1}
        assert welcome_of(house, 1, 1) == (1, DrawState.DRAWN)
        assert welcome_of(house, 1) == (2, DrawState.DELIVERED)
        house.agencies[-1].say(Received(2, 1))
        assert welcome_of(house, 1) == (3, DrawState.OPEN)
        assert welcome_of(house, 2) == (1, DrawState.DRAWN)


def test_left_out_of_a_draw_that_is_over(tmp_path: Path) -> None:
    """It has no winners there: it is told so by number, and belongs to the open draw otherwise."""
    with House(tmp_path, agencies=2) as house:
        house.greeted(1).reset()
        ends(house, 2).say(Received(1, 0))
        sentence = "agency 1 has no part in draw 1 any more"
        assert refused(house, 1, 1) == (Code.LEFT_OUT, sentence)
        assert welcome_of(house, 1) == (2, DrawState.OPEN)
        assert refused(house, 3, 1) == (Code.CLOSED, "draw 1 takes no more bets")


def test_a_void_draw(tmp_path: Path) -> None:
    """Nobody has winners there."""
    with House(tmp_path, agencies=1) as house:
        house.greeted(1).reset()
        sentence = "agency 1 has no part in draw 1 any more"
        assert refused(house, 1, 1) == (Code.LEFT_OUT, sentence)
        assert welcome_of(house, 1) == (2, DrawState.OPEN)


def test_the_number_of_a_classic_agency_that_has_ended(tmp_path: Path) -> None:
    """Its winners are nobody else's, in whatever dialect one asks for them."""
    with House(tmp_path, agencies=1) as house:
        house.arrive(classic.DIALECT).say(ClassicEnd())
        sentence = "agency 1 has no part in draw 1 any more"
        assert refused(house, 1, 1) == (Code.LEFT_OUT, sentence)
        assert welcome_of(house, 1) == (2, DrawState.OPEN)
        house.agencies[0].close()


def test_no_draw_is_open(tmp_path: Path) -> None:
    """Behind the last draw: results can be had, and nothing else."""
    with House(tmp_path, agencies=1, draws=1, rejoin=30.0) as house:
        agency = ends(house, 1, WON)
        for draw in (0, OPEN_DRAW):
            assert refused(house, 2, draw) == (
                Code.CLOSED,
                "no draw is open",
            )
        old = house.arrive(classic.DIALECT)
        old.say(ClassicEnd())
        assert old.heard() == [ClassicRefused()]
        assert welcome_of(house, 1) == (1, DrawState.DRAWN)
        house.agencies[-1].say(Received(1, 1))
        assert agency.heard()[-1] == Error(Code.TAKEN, "a newer session of agency 1 has come")
        assert house.central.done.called


def test_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    """STORAGE, which is not for ever; the open draw goes on."""
    with House(tmp_path) as house:
        ends(house, 1, WON).say(Received(1, 1))
        ends(house, 1).say(Received(2, 0))  # of the latest one, what there is is known
        path = house.draw_file(1, "draw.json")
        good = path.read_bytes()
        for content in (good[:-1], b"", None):
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
            sentence = "the results of draw 1 cannot be read"
            assert refused(house, 1, 1) == (Code.STORAGE, sentence)
        path.write_bytes(good)
        assert welcome_of(house, 1, 1) == (1, DrawState.DELIVERED)
        ends(house, 2).say(Received(3, 0))


def test_more_was_acknowledged_than_a_former_draw_has(tmp_path: Path) -> None:
    """It is refused, and the log cries out; nobody is fenced by it."""
    with House(tmp_path, agencies=2, rejoin=30.0) as house:
        agency = ends(house, 1, *bets(1, 2))
        ends(house, 2).say(Received(1, 0))
        (error,) = says_hello(house, 1, 1, acknowledged=3)
        sentence = "3 bets were acknowledged to agency 1, draw 1 has 2 of them"
        assert error == Error(Code.SEQ, sentence)
        assert house.log.of("damage") == [
            {"level": "CRITICAL", "result": "fail", "error": sentence}
        ]
        (winners,) = agency.heard()
        assert isinstance(winners, Winners)
        agency.say(Received(1, 0))
        assert len(house.log.of("delivered")) == 1


# How often an agency may come.


def test_an_agency_that_comes_too_often(tmp_path: Path) -> None:
    """BUSY, whatever it comes for; nobody is fenced by it, and a while later it may come again."""
    with House(tmp_path, agencies=2, rejoin=30.0, reconnects=2) as house:
        welcome_of(house, 1)
        there = house.arrive()
        there.say(Hello(1))
        assert isinstance(there.heard()[0], Welcome)
        busy = (Code.BUSY, "agency 1 has come more than 2 times in a minute")
        for draw in (0, 1, 7, OPEN_DRAW):
            assert refused(house, 1, draw) == busy
        there.say(batch([WON]))
        assert there.heard() == [Ack(1)]
        house.advance(31)
        assert welcome_of(house, 1) == (1, DrawState.OPEN)
        assert there.heard() == [Error(Code.TAKEN, "a newer session of agency 1 has come")]


def test_an_agency_that_comes_too_often_takes_no_place(tmp_path: Path) -> None:
    """Being refused counts, too; others, of either dialect, are not meant by it."""
    with House(tmp_path, agencies=3, reconnects=1) as house:
        assert refused(house, 1, 7)[0] is Code.CLOSED
        assert refused(house, 1)[0] is Code.BUSY
        assert house.draw.places[0].agency is None
        assert welcome_of(house, 2) == (1, DrawState.OPEN)
        for _ in range(2):
            old = house.arrive(classic.DIALECT)
            old.say(ClassicEnd())
            assert old.connected
        codes = [each["code"] for each in house.log.of("accept_connections") if "code" in each]
        assert codes == ["CLOSED", "BUSY"]


def test_only_an_agency_itself_comes_too_often(tmp_path: Path) -> None:
    """Whoever merely says its number, and has another certificate, is not counted for it."""
    admission = Admission(roster_of(1, 2))
    with House(tmp_path, admission=admission, reconnects=1) as house:
        for _ in range(3):
            other = house.arrived_as(2)
            other.say(Hello(1))
            plain = house.arrive()
            plain.say(Hello(1))
            for each in (other, plain):
                (error,) = each.heard()
                assert isinstance(error, Error)
                assert error.code is Code.AUTH
        assert house.greeted(1).connected
        assert house.greeted(2).connected


# Where several centrals share the ledger.


def held(house: House, *, all_of_it: bool = True) -> None:
    """Let threads stand still, also for what centrals agree upon."""
    house.off_thread.free = "" if all_of_it else house.off_thread.free
    house.off_thread.hold = True


def goes_on(house: House) -> None:
    """Let threads go on."""
    house.off_thread.hold = False
    while house.off_thread.waiting:
        house.off_thread.run()
        house.settle()


def test_two_centrals_hold_one_draw_after_the_other(tmp_path: Path) -> None:
    """Whoever comes to whichever, each gets its own winners, and all know who has them."""
    tables = Tables()
    with (
        house_of(tables, "a", tmp_path, agencies=3, rejoin=30.0) as a,
        house_of(tables, "b", tmp_path, agencies=3, rejoin=30.0) as b,
    ):
        for draw in (1, 2):
            one, two, three = ends(a, 1, WON), ends(b, 2), ends(b, 3, WON)
            for house in (a, b, a, b):
                house.advance(1)
            for agency, won in ((one, 1), (two, 0), (three, 1)):
                (winners,) = agency.heard()
                assert isinstance(winners, Winners)
                assert (winners.draw, winners.total) == (draw, won)
                agency.say(Received(draw, won))
            for house in (a, b, a):
                house.advance(1)
            for house in (a, b):
                assert house.record(draw).state == "delivered"
                assert [part.received for part in house.record(draw).agencies] == [True] * 3
                assert house.log.of("delivered")[-1]["agencies"] == "3"
                assert house.central._rounds.unreceived == {}
                assert house.draw.number == draw + 1
        assert a.bets_csv(1) == f"1,{WON}\n3,{WON}\n"


def test_the_next_draw_is_being_opened(tmp_path: Path) -> None:
    """Whoever comes meanwhile waits for it, of either dialect; who has ended gets winners."""
    with house_of(Tables(), "a", tmp_path, agencies=2, rejoin=30.0) as house:
        held(house, all_of_it=False)
        one, two = ends(house, 1, WON), ends(house, 2)
        assert house.central._rounds.opening
        old, three = house.arrive(classic.DIALECT), house.arrive()
        old.say(ClassicEnd())
        three.say(Hello(3, OPEN_DRAW))
        assert (old.heard(), three.heard()) == ([], [])
        goes_on(house)
        assert not house.central._rounds.opening
        assert house.draw.number == 2
        (welcome,) = three.heard()
        assert isinstance(welcome, Welcome)
        assert welcome.draw == 2
        assert house.draw.taken[1].dialect == classic.DIALECT
        one.say(Received(1, 1))
        two.say(Received(1, 0))
        assert house.record(1).state == "delivered"


def test_stopped_while_the_next_draw_is_being_opened(tmp_path: Path) -> None:
    """Whoever waits is told that the central stops, or that no draw is open."""
    with house_of(Tables(), "a", tmp_path, agencies=1, rejoin=30.0) as house:
        held(house, all_of_it=False)
        ends(house, 1, WON)
        waiting = house.arrive()
        waiting.say(Hello(2, OPEN_DRAW))
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        house.settle()
        goes_on(house)
        house.advance(2)
        assert stopped == [None]
        (error,) = waiting.heard()
        assert isinstance(error, Error)
        assert error.code in (Code.STOPPING, Code.CLOSED)


@pytest.mark.parametrize("silence", [20.0, 0.0])
@pytest.mark.parametrize("dialect", ["lottery/1", "classic"])
def test_held_for_too_long(tmp_path: Path, silence: float, dialect: str) -> None:
    """It is told so, and has no place when that would be possible after all."""
    tables = Tables()
    with house_of(tables, "a", tmp_path, agencies=1, silence=silence, rejoin=30.0) as house:
        held(house)
        agency = house.arrive(dialect)
        agency.say(Hello(1) if dialect == "lottery/1" else ClassicEnd())
        house.advance((silence or HELD_SECONDS) - 1)
        assert agency.heard() == []
        house.advance(1)
        late = Error(Code.STORAGE, "it takes too long")
        assert agency.heard() == [late if dialect == "lottery/1" else ClassicRefused()]
        assert not agency.connected
        goes_on(house)
        if dialect == "lottery/1":
            assert tables.draws[0].parts[1].central is None
            assert welcome_of(house, 1) == (1, DrawState.OPEN)
        else:
            assert tables.draws[0].parts[1].left_out == "the connection was lost"


def test_gone_while_it_is_let_in(tmp_path: Path) -> None:
    """It is away then, and may come back."""
    tables = Tables()
    with house_of(tables, "a", tmp_path, agencies=1, rejoin=30.0) as house:
        held(house)
        agency = house.arrive()
        agency.say(Hello(1))
        agency.reset()
        goes_on(house)
        assert tables.draws[0].parts[1].central is None
        assert welcome_of(house, 1) == (1, DrawState.OPEN)


def test_the_newest_session_is_let_in_last(tmp_path: Path) -> None:
    """However long each of them has to wait: it is the one that stays."""
    tables = Tables()
    with house_of(tables, "a", tmp_path, agencies=1, rejoin=30.0) as house:
        tables.server.away = True
        house.advance(0.3)
        sessions = []
        for _ in range(3):
            sessions.append(house.arrive())
            sessions[-1].say(Hello(1))
            house.advance(0.4)
        sessions[1].reset()
        tables.server.away = False
        house.advance(3)
        one, two, three = ([type(each) for each in session.heard()] for session in sessions)
        assert (one, two, three) == ([Welcome, Error], [], [Welcome])
        assert [each.connected for each in sessions] == [False, False, True]
        assert tables.draws[0].parts[1].standing.session == 2
        assert house.central._rounds._coming == {}


@pytest.mark.parametrize("wanted", [0, 1])
def test_a_draw_that_closes_while_one_is_let_in(tmp_path: Path, wanted: int) -> None:
    """It had ended at another central: it is welcomed to the draw that is concluded."""
    tables = Tables()
    with (
        house_of(tables, "a", tmp_path, agencies=1, rejoin=30.0) as a,
        house_of(tables, "b", tmp_path, agencies=1, rejoin=30.0) as b,
    ):
        held(a)
        agency = a.arrive()
        agency.say(Hello(1, wanted))
        ends(b, 1, WON).reset()
        goes_on(a)
        a.advance(1)
        welcome, winners = agency.heard()
        assert isinstance(welcome, Welcome)
        assert (welcome.draw, welcome.ended) == (1, True)
        assert welcome.state is not DrawState.OPEN
        assert isinstance(winners, Winners)
        agency.say(Received(1, 1))
        a.advance(1)
        assert a.record(1).state == "delivered"
        assert [part.received for part in a.record(1).agencies] == [True]


def test_a_draw_that_is_not_open_here_yet(tmp_path: Path) -> None:
    """BUSY, which is not for ever: another central was faster."""
    tables = Tables()
    with (
        house_of(tables, "a", tmp_path, agencies=1, rejoin=30.0) as a,
        house_of(tables, "b", tmp_path, agencies=1, rejoin=30.0) as b,
    ):
        ends(a, 1).say(Received(1, 0))
        assert a.draw.number == 2
        assert b.draw.number == 1
        assert refused(b, 2, 2) == (Code.BUSY, "draw 2 is not open here yet")
        b.advance(1)
        assert welcome_of(b, 2, 2) == (2, DrawState.OPEN)


def test_a_number_that_another_central_has_drawn(tmp_path: Path) -> None:
    """Whoever has another one set says so; it stays as it is."""
    tables = Tables()
    with (
        house_of(tables, "a", tmp_path, agencies=1, rejoin=30.0, winning_number=7574) as a,
        house_of(tables, "b", tmp_path, agencies=1, rejoin=30.0, winning_number=42) as b,
    ):
        ends(a, 1, WON).say(Received(1, 1))
        for house in (a, b, a, b):
            house.advance(1)
        assert [line["place"] for line in a.log.of("ledger")] == ["memory"]
        assert a.log.of("number_kept") == []
        (kept,) = b.log.of("number_kept")
        assert (kept["number"], kept["wanted"]) == ("7574", "42")
        assert b.log.of("sorteo")[0]["winning_number"] == "7574"


@pytest.mark.parametrize("state", ["closing", "sealed"])
def test_a_draw_that_was_held_without_us(tmp_path: Path, state: str) -> None:
    """BUSY as long as its number is not drawn, which nobody does here; its winners, once it is."""
    tables = Tables()
    with (
        house_of(tables, "a", tmp_path, agencies=1, rejoin=30.0) as a,
        house_of(tables, "b", tmp_path, agencies=1, rejoin=30.0) as b,
    ):
        ends(a, 1).say(Received(1, 0))
        ends(a, 1).say(Received(2, 0))
        table = tables.draws[1]
        drawn, table.record = table.record, evolve(table.record, state=state)
        assert refused(b, 1, 2) == (Code.BUSY, "draw 2 is not open here yet")
        table.record = drawn
        assert welcome_of(b, 1, 2) == (2, DrawState.DELIVERED)


def test_a_draw_that_was_left_by_who_held_it(tmp_path: Path) -> None:
    """A central that had nothing to do with it goes on with it, behind the one that it knows."""
    tables = Tables()
    with house_of(tables, "b", tmp_path, agencies=1, rejoin=30.0) as b:
        with house_of(tables, "a", tmp_path, agencies=1, rejoin=30.0) as a:
            ends(a, 1).say(Received(1, 0))
            a.advance(1)
            assert a.draw.number == 2
            ends(a, 1, WON)
            table = tables.draws[1]
            table.record = evolve(table.record, state="closing", winning_number=None)
            a.crashed = True
        b.advance(1)
        assert b.draw.number == 3
        b.advance(1)
        assert b.record(2).state in ("drawn", "delivered")
        assert welcome_of(b, 1, 2)[0] == 2


def test_winners_that_were_received_at_another_central(tmp_path: Path) -> None:
    """Whoever comes to this one with nothing in mind belongs to the open draw."""
    tables = Tables()
    with (
        house_of(tables, "a", tmp_path, agencies=1, rejoin=1.0) as a,
        house_of(tables, "b", tmp_path, agencies=1, rejoin=1.0) as b,
    ):
        ends(a, 1, WON).reset()
        for house in (a, b, a, b):
            house.advance(2)
        assert b.record(1).state == "delivered"
        assert b.central._rounds.unreceived == {1: 1}
        back = a.arrive()
        back.say(Hello(1, 1))
        back.heard()
        back.say(Received(1, 1))
        a.advance(1)
        assert [part.received for part in a.record(1).agencies] == [True]
        assert welcome_of(b, 1) == (2, DrawState.OPEN)
        assert b.central._rounds.unreceived == {}


@pytest.mark.parametrize("error", [LotteryError("no way"), ValueError("a bug")])
def test_what_the_ledger_says_of_one_that_comes(
    tmp_path: Path,
    error: Exception,
    logged_failures: list[LogEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ledger that is of no use ends the central; a bug of ours is that agency's bad luck."""

    def fails(*_: object) -> Any:
        raise error

    with house_of(Tables(), "a", tmp_path, agencies=1, rejoin=30.0) as house:
        shared: SharedDraw | None = house.draw.ledger.shared
        monkeypatch.setattr(shared, "enter", fails)
        heard = says_hello(house, 1)
        if isinstance(error, LotteryError):
            assert house.central.done.called
            house.agencies[0].reset()
        else:
            assert heard == [Error(Code.STORAGE, "the central cannot serve it")]
            assert not house.central.done.called
            assert [each["log_failure"].value for each in logged_failures] == [error]
        logged_failures.clear()
