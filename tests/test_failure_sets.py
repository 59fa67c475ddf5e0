"""Of five agencies, whichever fail and however: the draw is held with exactly the others.

And if they may come back, and do so in time, it is held with all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from central_fakes import NUMBER, Day, House, bets
from fakes import WorkingChild

from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.messages import ClassicRefused, Error, Hello, Message, Refused

AGENCIES = range(1, 6)
#: The order of arrival: the classic ones get the numbers that the others leave free, 2 and 4.
ARRIVALS = (
    (1, lottery1.DIALECT),
    (3, lottery1.DIALECT),
    (2, classic.DIALECT),
    (5, lottery1.DIALECT),
    (4, classic.DIALECT),
)
SETS = [frozenset(some) for size in AGENCIES for some in combinations(AGENCIES, size)]
SILENCE = 60.0


def _cut_in_header(house: House, day: Day) -> None:
    day.agency.say(day.frame(*bets(9, 1))[:2])
    day.agency.close()


def _cut_in_payload(house: House, day: Day) -> None:
    day.agency.say(day.frame(*bets(9, 2))[:30])
    day.agency.close()


def _reset(house: House, day: Day) -> None:
    day.agency.reset()


def _refused(house: House, day: Day) -> None:
    day.agency.say(day.message("Ana,Gil,1,2000-01-01,7", "Ana,Gil,one,2000-01-01,7"))


def _writer(house: House, day: Day) -> WorkingChild:
    child = house.children[[number for number, _ in ARRIVALS].index(day.number)]
    assert isinstance(child, WorkingChild)
    return child


def _writer_killed(house: House, day: Day) -> None:
    _writer(house, day).die(9)
    house.settle()


def _silent(house: House, day: Day) -> None:
    """It does nothing, and the others have ended before its time is up."""


#: How to fail; why an agency is left out then; what it is told, by code, if it still hears.
FAULTS: dict[str, tuple[Callable[[House, Day], None], str, Code | None]] = {
    "cut off in a header": (
        _cut_in_header,
        "it closed the connection in the middle of a frame",
        None,
    ),
    "cut off in a payload": (
        _cut_in_payload,
        "it closed the connection in the middle of a frame",
        None,
    ),
    "reset": (_reset, "the connection was lost", None),
    "refused batch": (_refused, "row 2, document holds U+006F, must be 1 to 15 digits", Code.FIELD),
    "writer killed": (_writer_killed, "its writer was ended by signal 9", Code.STORAGE),
    "silence": (_silent, "it was silent for too long", Code.TIMEOUT),
}


def _last_words(messages: list[Message]) -> list[Code | str]:
    """How a session ended, as its agency heard it."""
    return [
        each.code if isinstance(each, Error | Refused) else type(each).__name__ for each in messages
    ]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("failing", SETS, ids=lambda failing: "".join(map(str, sorted(failing))))
def test_draw_is_held_with_the_others(tmp_path: Path, failing: frozenset[int], fault: str) -> None:
    """Only the others get results, the failed are named, and nothing is left of any of it."""
    go_wrong, reason, code = FAULTS[fault]
    with House(tmp_path, agencies=5, writers=5, silence=SILENCE, rejoin=0.0) as house:
        days = {number: Day(house, dialect, number) for number, dialect in ARRIVALS}
        for number, day in days.items():
            day.begin(*bets(number, 2), *bets(number + 5, number % 3, NUMBER))
        assert len(house.children) == 5
        others = [number for number in AGENCIES if number not in failing]

        for number in sorted(failing):
            go_wrong(house, days[number])
        house.advance(SILENCE / 2)  # the others go on, and wait for the draw
        for number in others:
            days[number].send(*bets(number + 10, 1))
            days[number].end()
        house.advance(SILENCE / 2 + 1)

        for number in others:
            assert days[number].documents(1) == days[number].winning()
        for number in failing:
            heard = _last_words(days[number].agency.heard())
            said = ClassicRefused.__name__ if number in (2, 4) else code
            assert heard == ([] if code is None else [said])
        assert house.left_out(1) == {str(number): reason for number in failing}

        (sorteo,) = house.log.of("sorteo")
        if others:
            assert sorteo["result"] == "success"
            assert sorteo["agencies"] == str(len(others))
            assert sorteo["left_out"] == str(len(failing))
            results = house.log.of("consulta_ganadores")
            assert {each["agency"]: each["cant_ganadores"] for each in results} == {
                str(number): str(len(days[number].winning())) for number in others
            }
            assert {each["result"] for each in results} == {"success"}
            stored = [f"{number},{row}\n" for number in AGENCIES for row in days[number].rows]
            assert house.bets_csv(1) == "".join(stored)
        else:
            assert sorteo["error"] == "void, nobody ended"
            assert sorteo["result"] == "fail"
            assert house.log.of("consulta_ganadores") == []
        house.advance(5)  # for who was told and did not close
        house.nothing_is_left()
        assert not any(place.decided for place in house.draw.places)

        tomorrow = {number: Day(house, dialect, number) for number, dialect in ARRIVALS}
        for number, day in tomorrow.items():
            day.begin(*bets(number, 1, NUMBER))
            day.end()
        for day in tomorrow.values():
            assert day.documents(2) == day.winning()
        assert house.left_out(2) == {}
        assert house.log.of("sorteo")[-1]["result"] == "success"


# With a time to come back.

REJOIN = 30.0
LOST = tuple(bets(9, 3, NUMBER))


def _stored_without_a_word(house: House, day: Day) -> None:
    """The connection is reset while a batch is in the writer's hands, which stores it."""
    child = _writer(house, day)
    child.stopped = True
    day.agency.say(day.message(*LOST))
    day.agency.reset()
    child.stopped = False
    house.settle()


def _lost_without_a_word(house: House, day: Day) -> None:
    """The writer is killed with a batch in its hands."""
    child = _writer(house, day)
    child.stopped = True
    day.agency.say(day.message(*LOST))
    child.die(9)
    house.settle()


def _stored_and_killed(house: House, day: Day) -> None:
    """The writer is killed when it has stored a batch, and has not said so."""
    child = _writer(house, day)
    child.mute = True
    day.agency.say(day.message(*LOST))
    child.die(9)
    house.settle()


def _fenced(house: House, day: Day) -> None:
    """Nothing is wrong with its session, but it comes with a newer one."""
    day.agency.say(day.message(*LOST))


#: How a session may end that can be followed by another one: how, and what then may be lost.
INTERRUPTIONS: dict[str, tuple[Callable[[House, Day], None], tuple[str, ...]]] = {
    "cut off in a header": (_cut_in_header, ()),
    "cut off in a payload": (_cut_in_payload, ()),
    "reset": (_reset, ()),
    "writer killed": (_writer_killed, ()),
    "stored without a word": (_stored_without_a_word, LOST),
    "lost without a word": (_lost_without_a_word, LOST),
    "stored, and the writer killed": (_stored_and_killed, LOST),
    "fenced": (_fenced, LOST),
}


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
@pytest.mark.parametrize("failing", SETS, ids=lambda failing: "".join(map(str, sorted(failing))))
def test_nobody_fails_who_comes_back_in_time(
    tmp_path: Path, failing: frozenset[int], interruption: str
) -> None:
    """Nothing is lost, nothing stored twice, and all five get their own winners."""
    go_wrong, lost = INTERRUPTIONS[interruption]
    with House(tmp_path, agencies=5, writers=5, silence=SILENCE, rejoin=REJOIN) as house:
        days = {number: Day(house, lottery1.DIALECT, number) for number, _ in ARRIVALS}
        for number, day in days.items():
            day.begin(*bets(number, 2), *bets(number + 5, number % 3, NUMBER))
        for number in sorted(failing):
            go_wrong(house, days[number])
        house.advance(REJOIN - 1)
        for number, day in days.items():
            if number in failing:
                day.come_back(*lost)
            day.send(*bets(number + 10, 1))
            day.end()
        house.settle()
        for day in days.values():
            assert day.documents(1) == day.winning()
        assert house.left_out(1) == {}
        (sorteo,) = house.log.of("sorteo")
        assert (sorteo["agencies"], sorteo["left_out"]) == ("5", "0")
        stored = [f"{number},{row}\n" for number in AGENCIES for row in days[number].rows]
        assert house.bets_csv(1) == "".join(stored)
        assert {each["result"] for each in house.log.of("consulta_ganadores")} == {"success"}
        house.advance(5)
        house.nothing_is_left()


@pytest.mark.parametrize("failing", SETS, ids=lambda failing: "".join(map(str, sorted(failing))))
def test_who_comes_back_too_late_is_left_out(tmp_path: Path, failing: frozenset[int]) -> None:
    """A classic one at once, for it cannot come back; the others when their time is over."""
    with House(tmp_path, agencies=5, writers=5, silence=SILENCE, rejoin=REJOIN) as house:
        days = {number: Day(house, dialect, number) for number, dialect in ARRIVALS}
        for number, day in days.items():
            day.begin(*bets(number, 2, NUMBER))
        for number in sorted(failing):
            _reset(house, days[number])
        others = [number for number in AGENCIES if number not in failing]
        for number in others:
            days[number].end()
        expected = dict.fromkeys(failing, "the connection was lost")
        if failing - {2, 4}:
            house.advance(REJOIN - 1)
            assert house.log.of("sorteo") == []
            house.advance(1)
        for number in failing - {2, 4}:
            expected[number] += ", and it did not come back within 30 s"
        assert house.left_out(1) == {str(number): why for number, why in expected.items()}
        for number in others:
            assert days[number].documents(1) == days[number].winning()
        for number in sorted(failing - {2, 4}):
            late = house.arrive()
            late.say(Hello(number, 1))
            (error,) = late.heard()
            assert isinstance(error, Error)
            assert error.code is Code.LEFT_OUT
        house.advance(5)
        house.nothing_is_left()
