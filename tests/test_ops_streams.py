"""``lottery.ops.streams`` and ``watch``: what pages are told, and what one costs that is deaf."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from central_fakes import House
from status_rig import MIN_FREE, Connection, Watched

import lottery
from lottery.ops.rows import MOST_ROWS
from lottery.ops.stalls import STALLED_SECONDS
from lottery.ops.streams import MOST_STREAMS
from lottery.ops.views import AgencyView
from lottery.ops.watch import MOST_POINTS
from lottery.wire.messages import Batch, End, Received

ROWS = b"Ana,Gil,1,2000-01-01,7\nBo,Paz,2,2000-01-01,8\n"
NAMES = ["history", "central", "agencies"]


def names(events: list[tuple[str, Any]]) -> list[str]:
    """What kinds of events there were."""
    return [name for name, _ in events]


def of(events: list[tuple[str, Any]], name: str) -> Any:
    """The last one of a kind."""
    return [data for kind, data in events if kind == name][-1]


def test_what_a_new_page_is_told(tmp_path: Path) -> None:
    """The last minutes, how the central is, and the agencies, if there are any."""
    with House(tmp_path, agencies=3) as house:
        page = Watched(house).stream()
        head = page.transport.value().partition(b"\r\n\r\n")[0].lower()
        assert b"200 ok" in head
        assert b"content-type: text/event-stream; charset=utf-8" in head
        events = page.events()
        assert names(events) == NAMES
        assert of(events, "history") == {"points": [[0.0, 0.0, None, None]]}
        assert of(events, "agencies") == {"draw": 1, "rows": []}
        central = of(events, "central")
        free, ledger = central.pop("free"), central.pop("ledger")
        assert free > 0
        assert ledger == house.draw_file(1, "draw.json").stat().st_size
        assert central == {
            "time": 0.0,
            "version": lottery.__version__,
            "started": 0.0,
            "every": 1.0,
            "documents": False,
            "point": [0.0, 0.0, None, None],
            "draw": {
                "draw": 1,
                "state": "open",
                "places": 3,
                "taken": 0,
                "ended": 0,
                "left_out": 0,
                "bets": 0,
                "winning_number": 7574,
                "commitment": None,
                "fixed": True,
            },
            "others": [],
            "writers": [],
            "connections": 0,
            "min_free": MIN_FREE,
            "results": 1,
        }


def test_what_changes_is_told(tmp_path: Path) -> None:
    """Once a second; rows only if they have changed."""
    with House(tmp_path, agencies=3) as house:
        page = Watched(house).stream()
        page.events()
        house.advance(1)
        assert names(page.events()) == ["central"]
        agency = house.greeted(9)
        agency.say(Batch(0, 2, ROWS))
        house.advance(1)
        events = page.events()
        assert of(events, "agencies") == {
            "draw": 1,
            "rows": [[9, "", "lottery/1", "sending", 2, 2.0, 2.0, "", None]],
        }
        central = of(events, "central")
        (writer,) = central["writers"]
        assert (writer["draw"], writer["sessions"], writer["queue"]) == (1, 1, 0)
        assert (writer["pid"], writer["flush"]) == (house.children[0].pid, 0.0)
        assert central["point"] == [2.0, 2.0, pytest.approx(5e-5), pytest.approx(9.9e-5)]
        assert (central["draw"]["taken"], central["draw"]["bets"]) == (1, 2)
        assert central["connections"] == 1
        agency.say(End(2, bytes(32)))
        house.advance(1)
        assert of(page.events(), "agencies")["rows"] == [
            [9, "", "lottery/1", "ended", 2, 0.0, 2.0, "", None]
        ]


def test_a_late_page_is_told_all(tmp_path: Path) -> None:
    """And the minutes that it has missed, but no more than those."""
    with House(tmp_path, agencies=2) as house:
        watched = Watched(house)
        house.greeted(1)
        house.greeted(2)
        house.advance(MOST_POINTS + 5)
        events = watched.stream().events()
        assert len(of(events, "history")["points"]) == MOST_POINTS
        assert of(events, "history")["points"][-1][0] == MOST_POINTS + 5
        assert [row[0] for row in of(events, "agencies")["rows"]] == [1, 2]


class Deaf:
    """A page that does not read: its connection says that its buffer is full."""

    def __init__(self, page: Connection) -> None:
        self._producer: Any = page.transport.producer

    def stops(self) -> None:
        self._producer.pauseProducing()

    def goes_on(self) -> None:
        self._producer.resumeProducing()


def test_a_page_that_does_not_read_is_told_nothing(tmp_path: Path) -> None:
    """What it has missed it is told when it reads again, but for the steps in between."""
    with House(tmp_path, agencies=3, silence=0) as house:
        page = Watched(house).stream()
        page.events()
        deaf = Deaf(page)
        deaf.stops()
        for number in range(1, 4):
            house.greeted(number).say(Batch(0, 2, ROWS))
            house.advance(1)
        assert page.events() == []
        deaf.goes_on()
        events = page.events()
        assert names(events) == ["central", "agencies"]
        assert [row[0] for row in of(events, "agencies")["rows"]] == [1, 2, 3]
        house.advance(STALLED_SECONDS + 1)
        assert not page.gone()


def test_a_page_that_never_reads_is_dropped(tmp_path: Path) -> None:
    """After a while, with nothing kept for it meanwhile; the others hear all the same."""
    with House(tmp_path, agencies=3, silence=0) as house:
        watched = Watched(house)
        page, other = watched.stream(), watched.stream()
        page.events()
        Deaf(page).stops()
        house.advance(STALLED_SECONDS - 1)
        assert not page.gone()
        assert page.heard() == b""
        other.events()
        house.advance(2)
        assert page.gone()
        assert len(watched.page.watch.pages) == 1
        assert names(other.events()) == ["central", "central"]


def test_many_agencies_come_in_pieces(tmp_path: Path) -> None:
    """One that stops reading in between costs a piece, however many there are."""
    many = 2 * MOST_ROWS + 7
    with House(tmp_path, agencies=many, silence=0, connections=2000) as house:
        watched = Watched(house)
        views = [AgencyView(number, "", "", "sending", 0) for number in range(many)]
        watched.page.watch.rows.look(1, views, 0.5)
        page = watched.connect()
        told: list[bytes] = []
        write = page.transport.write

        def slow(data: bytes) -> None:
            told.append(data)
            write(data)
            if b"event: agencies" in data and len(data) > 1000:
                page.transport.producer.pauseProducing()

        page.transport.write = slow
        page.transport.writeSequence = lambda pieces: slow(b"".join(pieces))
        page.ask("/events")
        largest = max(len(data) for data in told)
        assert [len(rows) for rows in _rows(page)] == [0, MOST_ROWS]
        page.transport.producer.resumeProducing()
        page.transport.producer.resumeProducing()
        assert [len(rows) for rows in _rows(page)] == [MOST_ROWS, 7]
        assert largest < 50 * MOST_ROWS


def _rows(page: Connection) -> list[list[Any]]:
    return [data["rows"] for name, data in page.events() if name == "agencies"]


def test_not_too_many_pages(tmp_path: Path) -> None:
    """Beyond so many, one is told to come later."""
    with House(tmp_path) as house:
        watched = Watched(house)
        pages = [watched.stream() for _ in range(MOST_STREAMS)]
        said = watched.ask("/events")
        assert (said.code, said.headers["retry-after"]) == (503, "10")
        pages[0].transport.loseConnection()
        assert names(watched.stream().events()) == NAMES
        assert watched.ask("/events", "HEAD").headers["content-type"].startswith("text/event-st")


def test_pages_are_gone_when_the_central_is(tmp_path: Path) -> None:
    """Nobody is left looking at one that is being stopped; they are told how it ended."""
    with House(tmp_path, agencies=1, draws=1) as house:
        page = Watched(house).stream()
        agency = house.greeted(1)
        agency.say(End(0, bytes(32)))
        agency.say(Received(1, 0))
    assert page.gone()
    assert of(page.events(), "central")["draw"]["state"] == "delivered"


def test_a_deaf_page_does_not_keep_a_central(tmp_path: Path) -> None:
    """Whoever does not read is cut off at the end."""
    with House(tmp_path) as house:
        page = Watched(house).stream()
        Deaf(page).stops()
        end = page.transport.loseConnection
        page.transport.loseConnection = lambda: None  # it waits for the page to read
        page.transport.abortConnection = end
    assert page.gone()


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """What would end an event, or a script, is escaped as JSON has it."""
    with House(tmp_path) as house:
        watched = Watched(house)
        name = "\n\nevent: central\ndata: {}\n\n\u2028</script>"
        watched.page.watch.rows.look(1, [AgencyView(1, name, "", "expected", 0)], 1.0)
        events = watched.stream().events()
        assert names(events) == [*NAMES, "agencies"]
        assert of(events, "agencies")["rows"][0][1] == name
        assert json.dumps(name)[1:-1].isascii()


def test_a_slow_look_is_followed_by_a_longer_pause(tmp_path: Path) -> None:
    """Looking takes a twentieth of the time at most."""
    with House(tmp_path) as house:
        watched = Watched(house)
        watch = watched.page.watch
        watch.stop()
        looks: list[float] = []

        def slow() -> None:
            looks.append(house.reactor.seconds())
            house.reactor.rightNow += 0.5

        watch.look = slow
        watch.start()
        house.advance(25)
        assert looks == [0.0, 10.5, 21.0]


def test_a_clock_that_is_set_while_it_looks(tmp_path: Path) -> None:
    """An hour that never was does not keep it from looking for most of a day."""
    with House(tmp_path) as house:
        watch = Watched(house).page.watch
        watch.stop()
        looks: list[float] = []

        def set_ahead() -> None:
            looks.append(house.reactor.seconds())
            if len(looks) == 1:
                house.reactor.rightNow += 3600

        watch.look = set_ahead
        watch.start()
        house.advance(61)
        assert len(looks) == 3
