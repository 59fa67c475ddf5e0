"""A central that is started again: it goes on where it was, wherever that is.

It is ended in two ways: stopped, or killed with all of its writers, with the work that was under
way beside the reactor either not begun, or done and not heard of.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest
from central_fakes import NONCE, Agency, House, batch, bets, classic_batch
from ledger_bytes import tree

from lottery.errors import Code, DamagedLedger, StartError
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.fairness import number_of
from lottery.wire import classic
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
WON = "Ana,Gil,30904465,1999-03-17,7574"
ALSO_WON = "Eva,Paz,24807259,2000-05-10,7574"
LOST = "Leo,Sol,35635602,1990-01-01,1"

STEPS = ["open", "closing", "sealed", "drawn"]
"""What is published when so many steps beside the reactor are done."""


def stop(house: House) -> None:
    """Stop it as a signal does."""
    while house.off_thread.waiting:
        house.off_thread.hold = False
        house.central.stopService()
        house.off_thread.run()
        house.settle()
    house.stop()


def kill(house: House) -> None:
    """Kill it; what waits for a thread is not done."""
    house.crash()


def kill_unheard(house: House) -> None:
    """Kill it when what waits for a thread is done, and before it hears of that."""
    house.off_thread.lose()
    house.crash()


ENDS: dict[str, Callable[[House], None]] = {
    "stop": stop,
    "kill": kill,
    "kill unheard": kill_unheard,
}
KILLS = {name: end for name, end in ENDS.items() if name != "stop"}


def begins(house: House, number: int, *rows: str, draw: int = OPEN_DRAW) -> Agency:
    """Let an agency come and send."""
    agency, welcome = house.welcomed(number, draw)
    assert welcome.next_index == 0
    if rows:
        agency.say(batch(rows))
        assert agency.heard() == [Ack(len(rows))]
    return agency


def ends(house: House, number: int, *rows: str, draw: int = OPEN_DRAW) -> Agency:
    """Let an agency come, send, and end."""
    agency = begins(house, number, *rows, draw=draw)
    agency.say(End(len(rows), NONCE))
    return agency


def steps(house: House, count: int) -> None:
    """Let so many steps beside the reactor be done."""
    for _ in range(count):
        house.off_thread.run()
        house.settle()


def back(house: House, number: int, draw: int = 0) -> tuple[Agency, Welcome, list[Message]]:
    """Let an agency come back; gives what it hears besides the welcome."""
    agency = house.arrive()
    agency.say(Hello(number, draw))
    welcome, *more = agency.heard()
    assert isinstance(welcome, Welcome), welcome
    return agency, welcome, more


def told(number: int, *rows: str, draw: int = 1) -> Winners:
    """These winners, all in one message."""
    return Winners(draw, number, len(rows), 0, "".join(f"{row}\n" for row in rows).encode())


def resumed(house: House) -> list[tuple[str, str]]:
    """The draws that were gone on with, and where they stood."""
    return [(each["draw"], each["state"]) for each in house.log.of("draw_resumed")]


# An open draw.


@EVERY_KIND
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_open_draw(tmp_path: Path, end: Callable[[House], None]) -> None:
    """Who had ended has succeeded, a classic one that had not is out, the others go on."""
    rows = bets(5, 4)
    with House(tmp_path, agencies=7, rejoin=REJOIN, writers=2) as house:
        half, whole = house.arrive(classic.DIALECT), house.arrive(classic.DIALECT)
        for agency in (half, whole):
            agency.say(classic_batch([WON]))
        whole.say(ClassicEnd())
        ends(house, 9, ALSO_WON)
        away, here = begins(house, 5, *rows[:2]), begins(house, 6, LOST)
        away.reset()
        assert here.connected
        end(house)
    with House(tmp_path, agencies=7, rejoin=REJOIN, writers=2) as house:
        assert resumed(house) == [("1", "open")]
        assert house.log.of("draw_open") == []
        assert house.log.of("apuesta_recibida") == []
        five, welcome, _ = back(house, 5)
        assert (welcome.draw, welcome.state) == (1, DrawState.OPEN)
        assert (welcome.next_index, welcome.ended) == (2, False)
        assert welcome.crc == crc32("".join(f"{row}\n" for row in rows[:2]).encode())
        nine, welcome, _ = back(house, 9)
        assert (welcome.next_index, welcome.ended) == (1, True)
        new = ends(house, 7)
        assert new.heard() == [Ack(0, True)]
        five.say(batch(rows[2:], 2), End(4, NONCE))
        house.advance(REJOIN)
        assert house.log.of("sorteo") == []
        last = house.arrive(classic.DIALECT)
        last.say(classic_batch([LOST]), ClassicEnd())
        assert house.left_out(1) == {
            "1": house.kind.gone,
            "6": f"{house.kind.gone}, and it did not come back within 30 s",
        }
        assert house.bets_csv() == "".join(
            f"{row}\n"
            for row in (
                f"1,{WON}",
                f"2,{WON}",
                f"3,{LOST}",
                *(f"5,{row}" for row in rows),
                f"6,{LOST}",
                f"9,{ALSO_WON}",
            )
        )
        assert nine.heard() == [told(7574, ALSO_WON)]
        for agency, total in ((nine, 1), (five, 0), (new, 0)):
            agency.say(Received(1, total))
        last.close()
        house.advance(1)
        assert {part.agency: part.received for part in house.record().agencies} == {
            1: None,
            2: False,
            3: True,
            5: True,
            6: None,
            7: True,
            9: True,
        }


@EVERY_KIND
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_open_draw_without_rejoin(tmp_path: Path, end: Callable[[House], None]) -> None:
    """Nobody can come back, but whoever had ended takes part."""
    with House(tmp_path, agencies=2) as house:
        begins(house, 5, WON)
        ends(house, 6, WON)
        end(house)
    with House(tmp_path, agencies=2) as house:
        assert house.left_out(1) == {"5": house.kind.gone}
        assert house.log.of("sorteo")[0]["agencies"] == "1"
        assert house.draw.number == 2
        agency, _, more = back(house, 6)
        assert more == [told(7574, WON)]
        agency.say(Received(1, 1))


@EVERY_KIND
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_open_draw_that_nobody_has_come_to(tmp_path: Path, end: Callable[[House], None]) -> None:
    """It is gone on with; its number is not used up."""
    for _ in range(3):
        with House(tmp_path, agencies=2) as house:
            assert house.draw.number == 1
            end(house)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_another_number_of_places(tmp_path: Path, end: Callable[[House], None]) -> None:
    """It holds at once for a draw that nobody has come to; one with bets keeps its own."""
    with House(tmp_path, agencies=5) as house:
        end(house)
    with House(tmp_path, agencies=2) as house:
        (line,) = house.log.of("draw_resumed")
        assert line["agencies"] == "2"
        assert len(house.draw.places) == 2
        begins(house, 5, WON)
        end(house)
    with House(tmp_path, agencies=1) as house:
        assert len(house.draw.places) == 2
        (line,) = house.log.of("places_kept")
        assert (line["level"], line["agencies"], line["wanted"]) == ("WARNING", "2", "1")
        end(house)


@EVERY_KIND
@pytest.mark.parametrize("ended", [False, True])
def test_stored_without_a_word(tmp_path: Path, ended: bool) -> None:
    """What was never acknowledged counts if it is whole, and is not stored twice; an END, too."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        agency = begins(house, 5, WON)
        child = house.children[0]
        child.mute = True  # type: ignore[attr-defined]
        agency.say(batch([LOST], 1), *([End(2, NONCE)] if ended else []))
        segment = child.segment  # type: ignore[attr-defined]
        house.crash()
    if not House.kind.shared:
        with segment.open("ab") as file:
            file.write(b"LCS1 torn")
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        torn = [(line["path"], line["length"]) for line in house.log.of("torn_tail")]
        assert torn == ([] if house.kind.shared else [(str(segment), "9")])
        agency = house.arrive()
        agency.say(Hello(5, 0, 1))
        (welcome,) = agency.heard()
        assert isinstance(welcome, Welcome)
        assert (welcome.next_index, welcome.ended) == (2, ended)
        if not ended:
            agency.say(End(2, NONCE))
            assert agency.heard() == [Ack(2, True)]
        ends(house, 6).say(Received(1, 0))
        assert house.bets_csv() == f"5,{WON}\n5,{LOST}\n"
        agency.say(Received(1, 1))


@EVERY_KIND
def test_again_and_again(tmp_path: Path) -> None:
    """Killed at every batch, it stores each once; a new segment each time that it is needed."""
    rows = bets(5, 12)
    for index in range(0, 12, 2):
        with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
            agency, welcome = house.welcomed(5, acknowledged=index)
            assert welcome.next_index == index
            agency.say(batch(rows[index : index + 2], index))
            assert agency.heard() == [Ack(index + 2)]
            house.crash()
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        segments = list((tmp_path / "data/draws/000001").glob("segment-*.log"))
        assert len(segments) == (0 if house.kind.shared else 6)
        agency, _ = house.welcomed(5, acknowledged=12)
        agency.say(End(12, NONCE))
        assert house.bets_csv() == "".join(f"5,{row}\n" for row in rows)
        agency.say(Received(1, 0))


@EVERY_KIND
def test_less_is_stored_than_was_acknowledged(tmp_path: Path) -> None:
    """A central in another directory, or after the disk has lost something: loud, and final."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        begins(house, 5, WON)
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        agency = house.arrive()
        agency.say(Hello(5, 1, 2))
        sentence = "2 bets were acknowledged to agency 5, draw 1 has 1 of them"
        assert agency.heard() == [Error(Code.SEQ, sentence)]
        assert house.log.of("damage")[0]["level"] == "CRITICAL"


# Behind it, step by step.


@EVERY_KIND
@pytest.mark.parametrize("published", range(4), ids=STEPS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_draw_that_is_concluded(
    tmp_path: Path, end: Callable[[House], None], published: int
) -> None:
    """It goes on at the step reached; a number that is drawn stays what it is.

    The central is started again with another number each time.
    """
    with House(tmp_path, agencies=3, rejoin=REJOIN, draws=1) as house:
        house.off_thread.hold = True
        ends(house, 5, WON, LOST)
        ends(house, 6, ALSO_WON)
        house.greeted(7).say(b"\0")
        steps(house, published)
        assert house.record().state == STEPS[published]
        end(house)
    state = house.record().state
    number = 7574 if state == "drawn" else 1
    with House(tmp_path, agencies=3, rejoin=REJOIN, draws=1, winning_number=1) as house:
        assert resumed(house) == [("1", state)]
        free = state == "open" and not house.kind.shared
        if free:
            # It was not published who takes part: the one that was left out has nothing stored,
            # so it is not known any more, and its place is free. A database knows it.
            ends(house, 8)
        (sorteo,) = house.log.of("sorteo")
        assert sorteo["winning_number"] == str(number)
        five, welcome, more = back(house, 5)
        assert (welcome.draw, welcome.state, welcome.next_index) == (1, DrawState.DRAWN, 2)
        assert more == [told(number, WON if number == 7574 else LOST)]
        assert house.bets_csv() == f"5,{WON}\n5,{LOST}\n6,{ALSO_WON}\n"
        five.say(Received(1, 1))
        drawn = house.record()
        assert drawn.state == "drawn"
        house.crash()
    with House(tmp_path, agencies=3, rejoin=REJOIN, draws=1, winning_number=2) as house:
        assert resumed(house) == [("1", "drawn")]
        six, _, more = back(house, 6)
        assert more == [told(number, *([ALSO_WON] if number == 7574 else []))]
        six.say(Received(1, len(more[0].rows.splitlines())))  # type: ignore[union-attr]
        # That the first one has its winners was not published, so it is waited for again; in a
        # database that is noted at once.
        assert house.central.done.called == house.kind.shared
        house.advance(REJOIN)
        delivered = house.record()
        assert delivered.winning_number == number
        assert delivered.bets_csv == drawn.bets_csv
        assert delivered.winners_csv == drawn.winners_csv
        assert {part.agency: part.received for part in delivered.succeeded} == {
            **({8: False} if free else {}),
            5: house.kind.shared,
            6: True,
        }
        assert house.central.done.called


@EVERY_KIND
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_delivered_draw(tmp_path: Path, end: Callable[[House], None]) -> None:
    """It is not told again by itself; who has not acknowledged its winners is sent there."""
    with House(tmp_path, agencies=2) as house:
        ends(house, 5, WON).reset()
        ends(house, 6, LOST).say(Received(1, 0))
        assert house.record().state == "delivered"
        end(house)
    with House(tmp_path, agencies=2, winning_number=1) as house:
        assert resumed(house) == [("2", "open")]
        assert house.log.of("sorteo") == []
        agency, welcome, more = back(house, 5)
        assert (welcome.draw, welcome.state) == (1, DrawState.DELIVERED)
        assert more == [told(7574, WON)]
        agency.say(Received(1, 1))
        agency, welcome, _ = back(house, 6)
        assert welcome.draw == 2
        end(house)
    assert [part.received for part in house.record().agencies] == [True, True]
    with House(tmp_path, agencies=2) as house:
        agency, welcome, _ = back(house, 5)
        assert welcome.draw == 2


@EVERY_KIND
@pytest.mark.parametrize("kind", KILLS.values(), ids=KILLS)
def test_killed_while_it_publishes_who_has_received(
    tmp_path: Path, kind: Callable[[House], None]
) -> None:
    """The winners are told again if that was not published, and not if it was.

    In a database it is noted at once who has received them.
    """
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        agency = ends(house, 5, WON)
        house.off_thread.hold = True
        agency.say(Received(1, 1))
        kind(house)
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        done = house.record().state == "delivered"
        assert done == (kind is kill_unheard or house.kind.shared)
        agency, welcome, more = back(house, 5)
        assert welcome.draw == (2 if done else 1)
        assert more == ([] if done else [told(7574, WON)])


@EVERY_KIND
@pytest.mark.parametrize("published", range(3))
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_void_draw(tmp_path: Path, end: Callable[[House], None], published: int) -> None:
    """It stays void, whenever that was broken off."""
    with House(tmp_path, agencies=1, draws=1) as house:
        house.off_thread.hold = True
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch([WON]))
        agency.reset()
        steps(house, published)
        end(house)
    with House(tmp_path, agencies=1, draws=1) as house:
        void = house.record()
        assert (void.state, len(void.segments)) == ("void", 0 if house.kind.shared else 1)
        assert [part.outcome for part in void.agencies] == ["left_out"]
        assert not house.draw_file(1).exists()
        if published < 2 and end is not kill_unheard:
            assert house.log.of("sorteo")[0]["error"] == "void, nobody ended"
            assert house.central.done.called


# Two at once.


@EVERY_KIND
@pytest.mark.parametrize("published", range(4), ids=STEPS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_next_draw_is_open(
    tmp_path: Path, end: Callable[[House], None], published: int
) -> None:
    """Both go on where they were; what is not published of the older one is decided as it was.

    An agency that was left out of the older one cannot come back to it, though that was not
    published. In a database the older one is closed before the next one is opened.
    """
    opened = int(House.kind.shared)
    published = max(published, opened)
    with House(tmp_path, agencies=3, rejoin=REJOIN) as house:
        cut = begins(house, 7, WON)
        cut.say(b"\0")
        ends(house, 6, ALSO_WON)
        house.off_thread.hold = True
        ends(house, 5, WON)
        steps(house, opened)
        assert house.draw.number == 2
        begins(house, 5, LOST)
        ends(house, 6, WON)
        steps(house, published - opened)
        assert [house.record().state, house.record(2).state] == [STEPS[published], "open"]
        end(house)
    state = house.record().state
    with House(tmp_path, agencies=3, rejoin=REJOIN) as house:
        assert resumed(house) == [("2", "open"), ("1", state)]
        assert house.draw.number == 2
        late = house.arrive()
        late.say(Hello(7, 1))
        assert late.heard() == [Error(Code.LEFT_OUT, "agency 7 has no part in draw 1 any more")]
        assert house.record().part_of(7).reason  # type: ignore[union-attr]
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        assert house.bets_csv() == f"5,{WON}\n6,{ALSO_WON}\n7,{WON}\n"
        # Both have begun the next day, so they say which day's winners they want.
        for number, won in ((5, WON), (6, ALSO_WON)):
            agency, welcome, more = back(house, number, 1)
            assert (welcome.draw, more) == (1, [told(7574, won)])
            agency.say(Received(1, 1))
        assert house.record().state == "delivered"
        five, welcome, _ = back(house, 5)
        assert (welcome.draw, welcome.next_index, welcome.ended) == (2, 1, False)
        six, welcome, _ = back(house, 6)
        assert (welcome.draw, welcome.next_index, welcome.ended) == (2, 1, True)
        five.say(End(1, NONCE))
        ends(house, 8).say(b"")
        assert house.bets_csv(2) == f"5,{LOST}\n6,{WON}\n"
        assert six.heard() == [told(7574, WON, draw=2)]
        six.say(Received(2, 1))
        five.say(Received(2, 0))
        house.agencies[-1].say(Received(2, 0))
        assert house.record(2).state == "delivered"


def test_the_next_draw_was_not_opened_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All parts were decided, and that was not published: they are decided again, and the same."""

    def new_draw(self: DataDirectory, places: int) -> DrawDirectory:
        raise OSError(5, "Input/output error")

    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        ends(house, 6, ALSO_WON)
        house.off_thread.hold = True
        with monkeypatch.context() as patched:
            patched.setattr(DataDirectory, "new_draw", new_draw)
            ends(house, 5, WON)
        house.crash()
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        assert resumed(house) == [("1", "open")]
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        assert house.draw.number == 2
        for number, won in ((5, WON), (6, ALSO_WON)):
            agency, _, more = back(house, number)
            assert more == [told(7574, won)]
            agency.say(Received(1, 1))


def test_three_draws_at_once(tmp_path: Path) -> None:
    """None of which is published to be closed: all but the last one are closed at once."""
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        house.off_thread.hold = True
        for _ in range(2):
            ends(house, 5, WON)
        begins(house, 5, LOST)
        house.crash()
    with House(tmp_path, agencies=1, rejoin=REJOIN) as house:
        assert resumed(house) == [("3", "open"), ("1", "open"), ("2", "open")]
        for draw in (1, 2):
            agency, welcome, more = back(house, 5, draw)
            assert (welcome.draw, more) == (draw, [told(7574, WON, draw=draw)])
            agency.say(Received(draw, 1))
        agency, welcome, _ = back(house, 5)
        assert (welcome.draw, welcome.next_index) == (3, 1)


# How many draws.


@EVERY_KIND
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_as_many_draws_as_wanted(tmp_path: Path, end: Callable[[House], None]) -> None:
    """Those that are gone on with count: a central that is to hold two opens no third."""
    with House(tmp_path, agencies=1, draws=2, rejoin=REJOIN) as house:
        ends(house, 5, WON)
        begins(house, 5, LOST)
        end(house)
    with House(tmp_path, agencies=1, draws=2, rejoin=REJOIN) as house:
        done: list[int] = []
        house.central.done.addCallback(done.append)
        agency, _, _ = back(house, 5, 1)
        agency.say(Received(1, 1))
        agency, _, _ = back(house, 5)
        agency.say(End(1, NONCE))
        assert done == []
        agency.say(Received(2, 0))
        assert done == [0]
        assert house.central._rounds.open is None
    assert not (tmp_path / "data/draws/000003").exists()


@EVERY_KIND
def test_only_draws_that_are_concluded(tmp_path: Path) -> None:
    """With nothing left to be opened, it ends when they are delivered."""
    with House(tmp_path, agencies=1, draws=1, rejoin=REJOIN) as house:
        ends(house, 5, WON)
        house.crash()
    with House(tmp_path, agencies=1, draws=1, rejoin=REJOIN) as house:
        late = house.arrive()
        late.say(Hello(7))
        assert late.heard() == [Error(Code.CLOSED, "no draw is open")]
        assert not house.central.done.called
        house.advance(REJOIN)
        assert house.central.done.called


# It cannot start.


@pytest.mark.parametrize("what", ["segment", "record", "bets.csv"])
def test_damage(tmp_path: Path, what: str) -> None:
    """It does not listen, nothing is touched, and the directory is free again."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        ends(house, 5, WON)
        if what == "bets.csv":
            house.off_thread.hold = True
            ends(house, 6)
            steps(house, 2)
            path = house.draw_file(1)
        else:
            begins(house, 6, LOST)
            path = house.draw_file(1, {"segment": "segment-0001.log", "record": "draw.json"}[what])
        house.crash()
    content = bytearray(path.read_bytes())
    if what == "bets.csv":
        del content[-1:]
    else:
        content[60] ^= 1
    path.write_bytes(content)
    before = tree(tmp_path / "data")
    for _ in range(2):
        house = House(tmp_path, agencies=2, rejoin=REJOIN)
        with pytest.raises(DamagedLedger, match=path.name), house:
            pass
        assert house.endpoint.factory is None
        assert tree(tmp_path / "data") == before


# A number that is random.


def number_told(house: House) -> int:
    """The number that the log tells, made of the secret that the log tells, as it promised."""
    (secret,) = house.log.of("secret")
    (sorteo,) = house.log.of("sorteo")
    shown = bytes.fromhex(secret["secret"])
    (promise,) = house.log.of("promise")
    assert promise["commitment"] == sha256(shown).hexdigest() == house.record().commitment
    assert secret["bets_csv"] == sha256(house.bets_csv().encode()).hexdigest()
    number = number_of(shown, secret["bets_csv"], [(5, NONCE), (6, NONCE)])
    assert sorteo["winning_number"] == str(number)
    assert [each["action"] for each in house.log.actions].index("secret") < [
        each["action"] for each in house.log.actions
    ].index("sorteo")
    return number


@EVERY_KIND
@pytest.mark.parametrize("wanted", [None, 7574], ids=["random", "fixed"])
@pytest.mark.parametrize("published", range(4), ids=STEPS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_random_number(
    tmp_path: Path, end: Callable[[House], None], published: int, wanted: int | None
) -> None:
    """What was promised before the first bet holds wherever it is broken off, and is drawn once."""
    with House(tmp_path, agencies=2, rejoin=REJOIN, draws=1, winning_number=None) as house:
        house.off_thread.hold = True
        assert [each["draw"] for each in house.log.of("promise")] == ["1"]
        promised = house.log.of("promise")[0]["commitment"]
        assert house.record().commitment == promised
        ends(house, 5, WON, LOST)
        ends(house, 6, ALSO_WON)
        steps(house, published)
        assert house.record().state == STEPS[published]
        end(house)
    with House(tmp_path, agencies=2, rejoin=REJOIN, draws=1, winning_number=wanted) as house:
        number = number_told(house)
        assert house.log.of("promise")[0]["commitment"] == promised
        before = house.record()
        assert (before.state, before.winning_number) == ("drawn", number)
        # It is drawn already if that was published, or was done when the process was killed.
        at_the_end = kill_unheard, *((stop,) if house.kind.shared else ())
        late = end in at_the_end and published == 2
        kept = [] if wanted is None or published == 3 or late else ["1"]
        assert [each["draw"] for each in house.log.of("promise_kept")] == kept
        house.crash()
    with House(tmp_path, agencies=2, rejoin=REJOIN, draws=1, winning_number=wanted) as house:
        assert number_told(house) == number
        assert house.record() == before


@EVERY_KIND
def test_random_is_wanted_too_late(tmp_path: Path) -> None:
    """Bets have come, and nothing was promised for them: the start is refused, all is let go."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        begins(house, 5, WON)
    before = {} if House.kind.shared else tree(tmp_path)
    with (
        pytest.raises(StartError, match="draw 1 has begun without a promised secret"),
        House(tmp_path, agencies=2, rejoin=REJOIN, winning_number=None),
    ):
        pass
    if not House.kind.shared:
        assert {**tree(tmp_path), "lock": b""} == {**before, "lock": b""}
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        assert resumed(house) == [("1", "open")]


@EVERY_KIND
def test_random_is_wanted_before_anybody_came(tmp_path: Path) -> None:
    """It is promised then; and a fixed number that is wanted later does not break the promise."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        assert house.record().commitment is None
    with House(tmp_path, agencies=2, rejoin=REJOIN, winning_number=None, draws=1) as house:
        promised = house.record().commitment
        assert [each["commitment"] for each in house.log.of("promise")] == [promised]
        ends(house, 5, WON)
        ends(house, 6)
        number_told(house)


@EVERY_KIND
def test_each_draw_has_a_secret_of_its_own(tmp_path: Path) -> None:
    """The next draw promises another one, before the first is delivered."""
    with House(tmp_path, agencies=1, rejoin=REJOIN, winning_number=None) as house:
        ends(house, 5, WON)
        first, second = (each["commitment"] for each in house.log.of("promise"))
        assert first != second
        assert house.record(2).commitment == second
