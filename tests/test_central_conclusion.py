"""``lottery.central.conclusion``: a draw that takes no more bets, down to its winners."""

from __future__ import annotations

from pathlib import Path

import pytest
from central_fakes import NONCE, Agency, House, batch

from lottery.central.conclusion import MOST_TELLINGS
from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.messages import (
    OPEN_DRAW,
    Ack,
    ClassicEnd,
    DrawState,
    End,
    Error,
    Hello,
    Message,
    Received,
    Welcome,
    Winners,
)

pytest_plugins = ["ledger_kind_fixtures", "postgres_fixtures"]

#: A test that holds for every kind of ledger.
EVERY_KIND = pytest.mark.usefixtures("ledger_kind")

REJOIN = 30.0
SILENCE = 60.0
WON = "Ana,Gil,30904465,1999-03-17,7574"
ALSO_WON = "Eva,Paz,24807259,2000-05-10,7574"
LOST = "Leo,Sol,35635602,1990-01-01,1"
AWAY = "the agency is away"
TAKEN = Error(Code.TAKEN, "a newer session of agency 1 has come")


def ends(house: House, number: int, *rows: str) -> Agency:
    """Let an agency come to the open draw, send, and end."""
    agency = house.arrive()
    agency.say(Hello(number, OPEN_DRAW), *([batch(rows)] if rows else []))
    assert isinstance(agency.heard()[0], Welcome)
    agency.say(End(len(rows), NONCE))
    return agency


def won(agency: Agency) -> list[Message]:
    """What it hears behind the acknowledgement of its END."""
    ack, *more = agency.heard()
    assert isinstance(ack, Ack)
    assert ack.ended
    return more


def back(house: House, number: int, draw: int = 1) -> tuple[Agency, DrawState, list[Message]]:
    """Let it come back to a draw; gives the state of that, and what it hears besides."""
    agency = house.arrive()
    agency.say(Hello(number, draw))
    welcome, *more = agency.heard()
    assert isinstance(welcome, Welcome)
    assert welcome.ended
    return agency, welcome.state, more


def told(draw: int, *rows: str) -> Winners:
    """These winners, all in one message."""
    return Winners(draw, 7574, len(rows), 0, "".join(f"{row}\n" for row in rows).encode())


def received(house: House, draw: int = 1) -> dict[int, bool | None]:
    """Who has received its winners, as it is published."""
    return {part.agency: part.received for part in house.record(draw).agencies}


def results(house: House) -> dict[str, str]:
    """What became of the first telling of each agency's winners: empty, or why not."""
    return {each["agency"]: each.get("error", "") for each in house.log.of("consulta_ganadores")}


# Step by step.


@EVERY_KIND
def test_each_step_is_published_before_the_next(tmp_path: Path) -> None:
    """Who takes part, then all digests, then the number, then who has received its winners."""
    with House(tmp_path, agencies=2, rejoin=0.0) as house:
        house.off_thread.hold = True
        one = ends(house, 1, WON, LOST)
        house.greeted(2).reset()
        states = [house.record().state]
        for _ in range(3):
            house.off_thread.run()
            house.settle()
            states.append(house.record().state)
        assert states == ["open", "closing", "sealed", "drawn"]
        drawn = house.record()
        assert drawn.winning_number == 7574
        assert [(part.agency, part.outcome, part.bets) for part in drawn.agencies] == [
            (1, "succeeded", 2),
            (2, "left_out", 0),
        ]
        assert [part.winners for part in drawn.agencies] == [1, None]
        assert won(one) == []
        house.off_thread.run()
        house.settle()
        assert one.heard() == [told(1, WON)]
        one.say(Received(1, 1))
        assert house.record().state == "drawn"
        house.off_thread.run()
        assert house.record().state == "delivered"
        assert received(house) == {1: True, 2: None}
        assert house.log.of("delivered") == [
            {"level": "INFO", "result": "success", "draw": "1", "agencies": "1"}
        ]
        house.off_thread.hold = False


@EVERY_KIND
def test_a_void_draw_ends_there(tmp_path: Path) -> None:
    """It is published with the digests of its segments; there is no number."""
    with House(tmp_path, agencies=1) as house:
        agency = house.greeted(1)
        agency.say(batch([WON]))
        agency.reset()
        void = house.record()
        assert (void.state, void.winning_number, void.bets_csv) == ("void", None, None)
        assert len(void.segments) == (0 if house.kind.shared else 1)
        assert house.log.of("delivered") == []


# An agency that is away when its winners are to be told.


@EVERY_KIND
@pytest.mark.parametrize("when", [0, 1, 2, 3])
def test_back_before_the_number_is_drawn(tmp_path: Path, when: int) -> None:
    """At whatever step: it is told its winners when they are known, as if it had stayed.

    Where the next draw takes a moment to be opened, whoever comes waits for that.
    """
    when = max(when, int(House.kind.shared))
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        house.off_thread.hold = True
        ends(house, 1, WON, LOST, ALSO_WON).reset()
        for _ in range(when):
            house.off_thread.run()
            house.settle()
        agency, state, more = back(house, 1)
        assert (state, more) == (
            [DrawState.CLOSING, DrawState.CLOSING, DrawState.SEALED, DrawState.DRAWN][when],
            [],
        )
        house.off_thread.hold = False
        house.off_thread.run()
        house.settle()
        assert agency.heard() == [told(1, WON, ALSO_WON)]
        agency.say(Received(1, 2))
        assert received(house) == {1: True}
        assert results(house) == {"1": ""}


@EVERY_KIND
def test_back_in_time_for_its_winners(tmp_path: Path) -> None:
    """The draw waits for it as long as it might be away; the others are told at once."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        ends(house, 1, WON).reset()
        two = ends(house, 2)
        assert won(two) == [told(1)]
        two.say(Received(1, 0))
        house.advance(REJOIN - 1)
        assert house.record().state == "drawn"
        agency, state, more = back(house, 1)
        assert (state, more) == (DrawState.DRAWN, [told(1, WON)])
        agency.say(Received(1, 1))
        assert received(house) == {1: True, 2: True}
        assert results(house) == {"1": "", "2": ""}


@EVERY_KIND
@pytest.mark.parametrize("rejoin", [0.0, REJOIN])
def test_away_for_too_long(tmp_path: Path, rejoin: float) -> None:
    """The draw ends without it, and says so; it has its winners whenever it comes."""
    with House(tmp_path, agencies=2, rejoin=rejoin, draws=1) as house:
        ends(house, 1, WON).reset()
        ends(house, 2).say(Received(1, 0))
        if rejoin:
            house.advance(rejoin - 1)
            assert house.record().state == "drawn"
            house.advance(1)
        assert received(house) == {1: False, 2: True}
        assert results(house) == {"1": AWAY, "2": ""}
        assert house.log.of("delivered")[0]["agencies"] == "1"
        assert house.central.done.called
        house.advance(1000)
        agency, state, more = back(house, 1, 0)
        assert (state, more) == (DrawState.DELIVERED, [told(1, WON)])
        agency.say(Received(1, 1))
        assert received(house) == {1: True, 2: True}
        assert len(house.log.of("consulta_ganadores")) == 2


@EVERY_KIND
def test_its_time_away_adds_up(tmp_path: Path) -> None:
    """It is not given anew each time that it comes for a moment."""
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        ends(house, 1, WON).reset()
        for _ in range(2):
            house.advance(REJOIN / 3)
            agency, _, more = back(house, 1)
            assert more == [told(1, WON)]
            house.advance(REJOIN - 1)  # it takes its time to read
            agency.reset()
        house.advance(REJOIN / 3 - 1)
        assert house.record().state == "drawn"
        house.advance(1)
        assert received(house) == {1: False}
        assert results(house) == {"1": "the connection was lost"}


@EVERY_KIND
def test_comes_and_goes(tmp_path: Path) -> None:
    """It is told so often, and then the draw does without it."""
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        agency = ends(house, 1, WON)
        assert won(agency) == [told(1, WON)]
        agency.reset()
        for _ in range(1, MOST_TELLINGS):
            assert house.record().state == "drawn"
            agency, _, more = back(house, 1)
            assert more == [told(1, WON)]
            agency.reset()
        assert received(house) == {1: False}
        agency, state, more = back(house, 1)
        assert (state, more) == (DrawState.DELIVERED, [told(1, WON)])
        agency.say(Received(1, 1))
        assert received(house) == {1: True}


@EVERY_KIND
@pytest.mark.parametrize(
    ("rejoin", "silence", "seconds"), [(REJOIN, SILENCE, REJOIN), (0.0, SILENCE, SILENCE)]
)
def test_does_not_read(tmp_path: Path, rejoin: float, silence: float, seconds: float) -> None:
    """It has as long as it might be away; then it is not waited for once more."""
    with House(tmp_path, agencies=1, rejoin=rejoin, silence=silence) as house:
        agency = house.arrive()
        agency.stop_reading()
        agency.say(Hello(1), batch([WON]), End(1, NONCE))
        house.advance(seconds - 1)
        assert house.record().state == "drawn"
        house.advance(1)
        assert received(house) == {1: False}
        assert results(house) == {"1": "it was silent for too long"}
        house.advance(5)
        assert not agency.connected


@EVERY_KIND
def test_reads_slowly(tmp_path: Path) -> None:
    """As long as messages leave it is not given up, however long all of them take."""
    rows = [f"Ana,Gil,{index:08d},2000-01-01,7574" for index in range(1000)]
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        agency = house.arrive()
        agency.stop_reading()
        parts = [batch(rows[first : first + 100], first) for first in range(0, 1000, 100)]
        agency.say(Hello(1), *parts, End(1000, NONCE))
        for _ in range(5):
            house.advance(REJOIN - 1)
            agency.transport.stuck = False
            agency.turn()
            agency.transport.stuck = True
            house.settle()
        agency.read()
        rows_told = [each.rows for each in agency.heard() if isinstance(each, Winners)]
        assert b"".join(rows_told).decode().splitlines() == rows
        agency.say(Received(1, 1000))
        assert results(house) == {"1": ""}


@EVERY_KIND
def test_a_classic_agency_that_is_away(tmp_path: Path) -> None:
    """There is no coming back in its dialect, so nobody waits for it."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        gone = house.arrive(classic.DIALECT)
        gone.say(ClassicEnd())
        gone.reset()
        ends(house, 2).say(Received(1, 0))
        assert received(house) == {1: False, 2: True}
        assert results(house) == {"1": AWAY, "2": ""}


# Several sessions of one agency.


@EVERY_KIND
def test_a_newer_session_while_it_is_told(tmp_path: Path) -> None:
    """The older one is told so, in the middle of it; the newer one is told all of it."""
    rows = [f"Ana,Gil,{index:08d},2000-01-01,7574" for index in range(1000)]
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        older = house.arrive()
        parts = [batch(rows[first : first + 100], first) for first in range(0, 1000, 100)]
        older.say(Hello(1), *parts)
        older.stop_reading()
        older.say(End(1000, NONCE))
        newer, state, more = back(house, 1)
        assert state is DrawState.DRAWN
        assert b"".join(each.rows for each in more).decode().splitlines() == rows  # type: ignore[union-attr]
        older.read()
        *parts_told, last = older.heard()
        assert last == TAKEN
        assert sum(isinstance(each, Winners) for each in parts_told) < 5
        assert not older.connected
        newer.say(Received(1, 1000))
        assert received(house) == {1: True}
        assert results(house) == {"1": ""}


@EVERY_KIND
def test_a_newer_session_behind_an_acknowledgement(tmp_path: Path) -> None:
    """Who has received them may fetch them again while the others are still told theirs."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        one = ends(house, 1, WON)
        ends(house, 2)
        one.say(Received(1, 1))
        again, state, more = back(house, 1)
        assert (state, more) == (DrawState.DRAWN, [told(1, WON)])
        again.say(Received(1, 1))
        assert house.record().state == "drawn"
        house.agencies[1].say(Received(1, 0))
        assert received(house) == {1: True, 2: True}
        assert len(house.log.of("consulta_ganadores")) == 2


@EVERY_KIND
@pytest.mark.parametrize("state", ["drawn", "delivered"])
def test_two_fetch_the_same_at_once(tmp_path: Path, state: str) -> None:
    """Only the newest session is told, and once; the older one hears that it is not wanted."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        one, two = ends(house, 1, WON), ends(house, 2)
        one.say(Received(1, 1))
        if state == "delivered":
            two.say(Received(1, 0))
        assert house.record().state == state
        house.off_thread.hold = True
        older, newer = house.arrive(), house.arrive()
        older.say(Hello(1, 1))
        newer.say(Hello(1, 1))
        house.off_thread.hold = False
        house.off_thread.run()
        house.settle()
        assert [type(each) for each in older.heard()] == [Welcome, Error]
        assert newer.heard()[1:] == [told(1, WON)]
        newer.say(Received(1, 1))
        assert not newer.connected
        two.say(Received(1, 0))


@EVERY_KIND
def test_gone_before_its_winners_are_read(tmp_path: Path) -> None:
    """They are told to nobody then."""
    with House(tmp_path, agencies=1) as house:
        ends(house, 1, WON).say(Received(1, 1))
        house.off_thread.hold = True
        gone = house.arrive()
        gone.say(Hello(1, 1))
        gone.reset()
        house.off_thread.run()
        house.settle()
        assert [type(each) for each in gone.heard()] == [Welcome]
        house.off_thread.hold = False


@EVERY_KIND
def test_two_agencies_fetch_theirs_at_once(tmp_path: Path) -> None:
    """From a draw that is over: that both have received theirs is published, whoever is last.

    Also when the first one's is being published while the second one acknowledges.
    """
    with House(tmp_path, agencies=3, rejoin=0.0) as house:
        for number, rows in ((1, [WON]), (2, [ALSO_WON]), (3, [LOST])):
            ends(house, number, *rows).reset()
        assert received(house) == {1: False, 2: False, 3: False}
        one, _, of_one = back(house, 1)
        two, _, of_two = back(house, 2)
        three, _, of_three = back(house, 3)
        assert (of_one, of_two, of_three) == ([told(1, WON)], [told(1, ALSO_WON)], [told(1)])
        one.say(Received(1, 1))
        assert received(house) == {1: True, 2: False, 3: False}
        house.off_thread.hold = True
        two.say(Received(1, 1))
        three.say(Received(1, 0))
        house.off_thread.run()
        house.off_thread.run()
        assert received(house) == {1: True, 2: True, 3: True}
        house.off_thread.hold = False


@EVERY_KIND
def test_what_is_received_is_published_when_there_is_room(tmp_path: Path) -> None:
    """The agency has its winners all the same."""
    with House(tmp_path, agencies=1, rejoin=0.0) as house:
        ends(house, 1, WON).reset()
        agency, _, _ = back(house, 1)
        house.disk.room = False
        agency.say(Received(1, 1))
        house.advance(2)
        assert not agency.connected
        assert received(house) == {1: False}
        house.disk.room = True
        house.advance(1)
        assert received(house) == {1: True}


# What cannot be read.


def test_winners_that_are_damaged_when_they_are_fetched(tmp_path: Path) -> None:
    """Nothing of them is told: STORAGE, and the log cries out; the open draw goes on."""
    with House(tmp_path, agencies=1) as house:
        ends(house, 1, WON).say(Received(1, 1))
        path = house.draw_file(1, "winners.csv")
        good = path.read_bytes()
        for content in (good.replace(b"Ana", b"Eva"), good[:-1], good * 2, None):
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
            house.log.clear()
            agency, _, more = back(house, 1)
            assert more == [Error(Code.STORAGE, "the results of draw 1 cannot be read")]
            assert not agency.connected
            (line,) = house.log.of("damage")
            assert line["level"] == "CRITICAL"
            assert str(path) in line["error"]
        path.write_bytes(good)
        agency, _, more = back(house, 1)
        assert more == [told(1, WON)]
        agency.say(Received(1, 1))
        assert not house.central.done.called
        house.greeted(1)


def test_winners_that_are_damaged_before_they_are_told(tmp_path: Path) -> None:
    """The central cannot go on: nobody is told less than it has won."""
    with House(tmp_path, agencies=1) as house:
        house.off_thread.hold = True
        agency = ends(house, 1, WON)
        for _ in range(3):
            house.off_thread.run()
            house.settle()
        path = house.draw_file(1, "winners.csv")
        path.write_bytes(path.read_bytes().replace(b"Ana", b"Eva"))
        done: list[int] = []
        house.central.done.addCallback(done.append)
        house.off_thread.run()
        house.settle()
        assert done == [3]
        assert won(agency) == []
        house.off_thread.hold = False


def test_a_sealed_list_that_was_changed(tmp_path: Path) -> None:
    """No number is drawn over it."""
    with House(tmp_path, agencies=1) as house:
        house.off_thread.hold = True
        ends(house, 1, WON)
        for _ in range(2):
            house.off_thread.run()
            house.settle()
        house.draw_file(1).write_bytes(f"1,{ALSO_WON}\n".encode())
        done: list[int] = []
        house.central.done.addCallback(done.append)
        house.off_thread.run()
        assert done == [3]
        assert house.log.of("sorteo") == []
        assert house.record().state == "sealed"
        house.off_thread.hold = False


# The central is stopped.


@EVERY_KIND
def test_stop_while_it_waits_for_one_that_is_away(tmp_path: Path) -> None:
    """It waits no longer, and publishes nothing: the next start waits anew."""
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        ends(house, 1, WON).reset()
        house.stop()
        assert house.record().state == "drawn"
        assert house.log.of("delivered") == []
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        agency, _, more = back(house, 1)
        assert more == [told(1, WON)]
        agency.say(Received(1, 1))
        assert received(house) == {1: True}


@EVERY_KIND
@pytest.mark.parametrize("way", ["told", "read", "published"])
def test_stop_while_winners_are_fetched_again(tmp_path: Path, way: str) -> None:
    """The agency is told of the stop, and no thread is left behind that would write."""
    with House(tmp_path, agencies=1, rejoin=0.0) as house:
        ends(house, 1, WON).reset()
        house.off_thread.hold = way == "read"
        agency = house.arrive()
        agency.say(Hello(1, 1))
        if way == "published":
            house.off_thread.hold = True
            agency.say(Received(1, 1))
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        house.settle()
        assert (stopped == []) == house.off_thread.hold
        house.off_thread.run()
        house.settle()
        assert stopped == [None]
        stopping = Error(Code.STOPPING, "the central is being stopped")
        welcome, *more = agency.heard()
        assert isinstance(welcome, Welcome)
        assert (
            more
            == {
                "told": [told(1, WON), stopping],
                "read": [stopping],
                "published": [told(1, WON)],
            }[way]
        )
        assert received(house) == {1: way == "published"}
        assert house.log.failures == []


@EVERY_KIND
def test_words_of_a_welcome_to_the_byte(tmp_path: Path) -> None:
    """State and END, next index and CRC: there is nothing more to be sent."""
    with House(tmp_path, agencies=1) as house:
        ends(house, 1, WON).say(Received(1, 1))
        agency = house.arrive()
        agency.say(Hello(1, 1, 1))
        crc = house.record().agencies[0].crc32
        welcome = agency.bytes_heard()[:27]
        assert welcome == bytes.fromhex(
            f"20 0018 00000001 05 01 0000000000000001 {crc:08x} 2000 0000003c"
        )
        assert lottery1.encode(Hello(1, 1, 1))[3:] == bytes.fromhex(
            "01 00000001 00000001 0000000000000001"
        )
