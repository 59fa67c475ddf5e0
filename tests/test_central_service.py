"""``lottery.central.service``: start, one draw after the other, and the end of all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from central_fakes import (
    NONCE,
    Agency,
    House,
    MemoryEndpoint,
    OffThread,
    batch,
    bets,
    classic_batch,
    roster_of,
    settings_in,
)
from fakes import FakeWriterReactor, MemoryLog
from twisted.application.service import IService
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import LogEvent
from zope.interface.verify import verifyObject

from lottery.central.admission import Admission
from lottery.central.door import Door, Listener
from lottery.central.service import Central
from lottery.errors import Code, DamagedLedger, LotteryError, SettingsError, StartError
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.files import FileLedgers
from lottery.ledger.segment import HEADER_BYTES
from lottery.ops.log import value_text
from lottery.wire import classic, lottery1
from lottery.wire.messages import (
    OPEN_DRAW,
    Ack,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    End,
    Error,
    Hello,
    Received,
    Winners,
)
from lottery.writer import LOCK_FD

ROW = "Ana,Gil,30904465,1999-03-17,7574"


def ends(house: House, number: int, *rows: str) -> Agency:
    """Let an agency of lottery/1 come to the open draw, send, and end."""
    agency = house.arrive()
    agency.say(Hello(number, OPEN_DRAW), *([batch(rows)] if rows else []), End(len(rows), NONCE))
    assert Ack(len(rows), True) in agency.heard()
    return agency


def results(house: House) -> dict[str, str]:
    """Who was told of how many winners, or why not, in the last lines about it."""
    return {
        each["agency"]: each.get("error", each["cant_ganadores"])
        for each in house.log.of("consulta_ganadores")
    }


# Start.


def test_start(tmp_path: Path) -> None:
    """It owns its directory, listens, and opens a draw; each has its line, the settings first."""
    house = House(tmp_path, agencies=3, log_level="DEBUG")
    verifyObject(IService, house.central)
    assert house.central.name == "lottery"
    with house:
        actions = [(each["action"], each["result"]) for each in house.log.actions]
        assert actions == [
            ("config", "success"),
            ("accept_connections", "in_progress"),
            ("draw_open", "success"),
        ]
        config, listening, opened = house.log.lines
        for detail in ("port: 12345", "listen_backlog: 128", "logging_level: DEBUG"):
            assert detail in config.split(" | ")
        assert listening.endswith("ip: 127.0.0.1 | port: 12345")
        assert opened.endswith("draw: 1 | agencies: 3")
        assert house.log.actions[0]["level"] == "DEBUG"
        assert house.central._door.ports == [house.endpoint.port]
        assert (house.settings.data_dir / "lock").read_text() == f"{os.getpid()}\n"
        assert house.draw_file(1, "").is_dir()
        assert house.central.running
        assert house.children == []


def test_start_with_settings_that_mean_nothing(tmp_path: Path) -> None:
    """Keys of the original that are accepted and ignored are named, at DEBUG."""
    with House(tmp_path, ignored=("SERVER_IP",)) as house:
        assert house.log.of("ignored_setting") == [
            {"level": "DEBUG", "result": "success", "key": "SERVER_IP"}
        ]


def test_start_at_a_unix_socket(tmp_path: Path) -> None:
    """Whatever an endpoint is, the log says where it listens."""
    house = House(tmp_path)
    house.endpoint.port.address = UNIXAddress(b"/run/lottery")
    with house:
        (line,) = house.log.of("accept_connections")
        assert "/run/lottery" in line["ip"]
        assert line["port"] == "0"
        assert house.arrive(peer=UNIXAddress(b"")).connected


def test_start_in_a_directory_that_is_in_use(tmp_path: Path) -> None:
    """It says so, and does not listen; that the owner is this process nobody else needs to know."""
    with House(tmp_path):
        second = House(tmp_path)
        with pytest.raises(StartError) as error:
            second.central.startService()
        directory = tmp_path / "data"
        assert str(error.value) == f"the data directory {directory} is in use by process unknown"
        assert second.endpoint.factory is None
        assert not second.central.running
    with House(tmp_path):
        pass  # free again


def test_start_where_it_cannot_listen(tmp_path: Path) -> None:
    """One of two endpoints is enough to fail: nothing is left open, no draw is begun."""
    reactor, log = FakeWriterReactor(), MemoryLog()
    refusal = CannotListenError("127.0.0.1", 12345, OSError(98, "Address already in use"))
    good, bad = MemoryEndpoint(), MemoryEndpoint(refusal)
    settings = settings_in(tmp_path)
    door = Door([Listener(good), Listener(bad)], Admission())
    ledgers = FileLedgers(DataDirectory(settings.data_dir), 0, LOCK_FD)
    central = Central(settings, ledgers, reactor, door, OffThread(), lambda: False, log, 10)
    with pytest.raises(StartError, match=r"^cannot listen, .*12345.*already in use") as error:
        central.startService()
    assert error.value.__cause__ is not None
    assert not good.port.listening
    assert not central.running
    assert log.of("draw_open") == []
    data = DataDirectory(settings.data_dir)
    data.own()
    assert data.draws() == []
    data.release()


def test_start_where_no_draw_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it could not listen."""

    def new_draw(self: DataDirectory, places: int) -> DrawDirectory:
        raise OSError(28, "No space left on device")

    house = House(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(DataDirectory, "new_draw", new_draw)
        with pytest.raises(StartError, match="No space left on device"):
            house.central.startService()
    assert not house.endpoint.port.listening
    with House(tmp_path):
        pass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LotteryError("no such column"), StartError),
        (StartError("no such column"), StartError),
        (DamagedLedger("ledger", 7, "no such column"), DamagedLedger),
    ],
)
@pytest.mark.parametrize("step", ["recover", "unreceived"])
def test_start_where_a_ledger_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: LotteryError,
    kind: type[LotteryError],
) -> None:  # fmt: skip
    """It cannot start, unless it is damage; and the ledgers are let go."""

    def fails(*_: object) -> None:
        raise error

    house = House(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(FileLedgers, step, fails)
        with pytest.raises(kind, match="no such column") as found:
            house.central.startService()
    assert type(found.value) is kind
    assert house.endpoint.factory is None
    with House(tmp_path):
        pass


# Stop.


def test_stop_before_a_start_and_again(tmp_path: Path) -> None:
    """Nothing to do; and nothing is said of it."""
    house = House(tmp_path)
    stopped: list[None] = []
    house.central.stopService().addCallback(stopped.append)
    assert stopped == [None]
    with house:
        house.stop()
        assert house.log.of("shutdown") == [{"level": "INFO", "result": "success"}]
        house.stop()
        assert len(house.log.of("shutdown")) == 1


def test_stop_frees_what_was_owned(tmp_path: Path) -> None:
    """It listens no more, and another can take the directory, and the draw where it was."""
    for number in (1, 2, 3):
        with House(tmp_path, agencies=4) as house:
            opened = house.log.of("draw_open" if number == 1 else "draw_resumed")
            assert [each["draw"] for each in opened] == ["1"]
            ends(house, number)
            house.stop()
            assert not house.endpoint.port.listening
            assert not house.central.done.called


def test_stop_waits_for_its_ports(tmp_path: Path) -> None:
    """A port that takes its time, or even fails, holds nothing up for good."""
    for outcome in (None, OSError("the port is odd")):
        with House(tmp_path) as house:
            slow: Deferred[None] = Deferred()
            house.endpoint.port.slow = slow
            agency = house.greeted(1)
            stopped: list[object] = []
            house.central.stopService().addBoth(stopped.append)
            house.settle()
            assert stopped == []
            assert agency.heard() == []
            slow.callback(None) if outcome is None else slow.errback(outcome)
            house.settle()
            assert stopped == [None]


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_stop_while_a_draw_is_concluded(tmp_path: Path, steps: int) -> None:
    """The step under way is let end or left; nothing half is left, and nobody is told of it."""
    with House(tmp_path) as house:
        house.off_thread.hold = True
        agency = ends(house, 1, ROW)
        for _ in range(steps):
            house.off_thread.run()
            house.settle()
        assert house.off_thread.waiting == (2 if steps < 2 else 1)  # the timeline has its end, too
        assert house.log.of("consulta_ganadores") == []
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        house.settle()
        assert stopped == []
        assert agency.heard() == [Error(Code.STOPPING, "the central is being stopped")]
        while house.off_thread.waiting:
            house.off_thread.run()
            house.settle()
        assert stopped == [None]
        assert len(house.log.of("sorteo")) == (steps == 3)
        assert house.draw_file(1).exists() == (steps >= 2)


def test_stop_while_the_writers_of_a_draw_end(tmp_path: Path) -> None:
    """One that does not is killed, 2 seconds after the stop and not when a draw's time is up."""
    with House(tmp_path, writer_timeout=1000.0) as house:
        agency = house.greeted(1)
        agency.say(batch([ROW]), End(1, NONCE), b"")
        assert house.log.of("sorteo") != []
        agency.say(Received(1, 1))
        other = house.greeted(2)
        child = house.children[-1]
        child.stopped = True
        other.say(batch([ROW]))
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        house.advance(1.9)
        assert child.signals == []
        house.advance(0.1)
        assert child.signals == ["KILL"]
        child.stopped = False
        house.settle()
        assert stopped == [None]
        (line,) = [each for each in house.log.of("writer") if each["result"] == "fail"][:1]
        assert line["error"] == "killed at the end"


# A draw.


def test_each_agency_gets_its_own_winners(tmp_path: Path) -> None:
    """``bets.csv`` in order of agency and input, ``sorteo`` before any result leaves."""
    with House(tmp_path, agencies=3, writers=2) as house:
        third = house.greeted(3)
        first = house.arrive(classic.DIALECT)
        first.say(classic_batch(["A,B,11,1990-01-01,7574", "A,B,12,1990-01-01,7573"]))
        zero = house.greeted(0)
        third.say(batch(["A,B,31,1990-01-01,7574"]), batch(["A,B,32,1990-01-01,7574"], 1))
        zero.say(End(0, NONCE))
        third.say(End(2, NONCE))
        for agency in (first, zero, third):
            agency.bytes_heard()
            agency.heard()
        first.say(ClassicEnd())
        assert house.bets_csv() == (
            "1,A,B,11,1990-01-01,7574\n"
            "1,A,B,12,1990-01-01,7573\n"
            "3,A,B,31,1990-01-01,7574\n"
            "3,A,B,32,1990-01-01,7574\n"
        )
        assert first.heard() == [ClassicWinners(b"11")]
        assert zero.heard() == [Winners(1, 7574, 0, 0, b"")]
        assert third.heard() == [
            Winners(1, 7574, 2, 0, b"A,B,31,1990-01-01,7574\nA,B,32,1990-01-01,7574\n")
        ]
        zero.say(Received(1, 0))
        third.say(Received(1, 2))
        assert results(house) == {"1": "1", "0": "0", "3": "2"}
        actions = [each["action"] for each in house.log.actions]
        assert actions.count("sorteo") == 1
        assert actions.index("sorteo") < actions.index("consulta_ganadores")
        assert house.log.of("sorteo") == [
            {
                "level": "INFO",
                "result": "success",
                "draw": "1",
                "winning_number": "7574",
                "agencies": "3",
                "left_out": "0",
            }
        ]


def test_numbers_compare_as_integers(tmp_path: Path) -> None:
    """0042 is 42."""
    rows = [f"A,B,{index},1990-01-01,{n}" for index, n in enumerate(("42", "0042", "420", "142"))]
    with House(tmp_path, winning_number=42) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch(rows), ClassicEnd())
        assert agency.heard() == [ClassicStored(), ClassicWinners(b"0,1")]


def test_sorteo_comes_before_any_result(tmp_path: Path) -> None:
    """Nothing is written to anybody before the draw is held."""
    with House(tmp_path) as house:
        house.off_thread.hold = True
        agency = ends(house, 1, ROW)
        assert house.log.of("sorteo") == []
        assert agency.heard() == []
        for step in ("closing", "sealed", "drawn"):
            assert house.log.of("sorteo") == []
            house.off_thread.run()
            house.settle()
            assert agency.heard() == [], step
        assert len(house.log.of("sorteo")) == 1
        house.off_thread.run()  # reads the winners
        house.settle()
        assert len(agency.heard()) == 1


def test_draws_follow_each_other(tmp_path: Path) -> None:
    """The next is open before this one is sealed; their bets do not mix."""
    with House(tmp_path) as house:
        house.off_thread.hold = True
        first = ends(house, 1, ROW)
        second = ends(house, 1, *bets(1, 2))
        third, welcome = house.welcomed(1, OPEN_DRAW)
        assert welcome.draw == 3
        assert house.off_thread.waiting == 5  # two closings, three timelines
        house.off_thread.hold = False
        house.off_thread.run()
        house.settle()
        assert [message.draw for message in first.heard() if isinstance(message, Winners)] == [1]
        assert [message.draw for message in second.heard() if isinstance(message, Winners)] == [2]
        third.say(batch([ROW]))
        assert house.bets_csv(1) == f"1,{ROW}\n"
        assert house.bets_csv(2) == "".join(f"1,{row}\n" for row in bets(1, 2))
        assert [each["draw"] for each in house.log.of("draw_open")] == ["1", "2", "3"]
        for draw, total in ((1, 1), (2, 0)):
            house.agencies[draw - 1].say(Received(draw, total))
        assert house.central._succession.pools == [house.draw.pool]
        assert house.central._rounds.concluding == []


def test_as_many_draws_as_wanted(tmp_path: Path) -> None:
    """After the last one is delivered, and the others too, it is done, with status 0."""
    with House(tmp_path, draws=2) as house:
        done: list[int] = []
        house.central.done.addCallback(done.append)
        first = ends(house, 1)
        second = ends(house, 1)
        late = house.arrive()
        late.say(Hello(7))
        assert late.heard() == [Error(Code.CLOSED, "no draw is open")]
        late = house.arrive(classic.DIALECT)
        late.say(classic_batch([ROW]))
        assert late.heard() == [ClassicRefused()]
        second.say(Received(2, 0))
        assert done == []
        first.say(Received(1, 0))
        assert done == [0]
        assert len(house.log.of("draw_open")) == 2


def test_a_void_draw(tmp_path: Path) -> None:
    """Said to be void; its bets stay; the next draw is open, and a void draw counts."""
    with House(tmp_path, agencies=2, draws=1) as house:
        for _ in range(2):
            agency = house.arrive(classic.DIALECT)
            agency.say(classic_batch([ROW]))
            agency.reset()
        assert house.log.of("sorteo") == [
            {"level": "WARNING", "result": "fail", "draw": "1", "error": "void, nobody ended"}
        ]
        assert house.left_out(1) == {"1": "the connection was lost", "2": "the connection was lost"}
        assert house.draw_file(1, "segment-0001.log").stat().st_size > 0
        assert not house.draw_file(1).exists()
        assert house.central.done.called


def test_who_is_left_out_is_named(tmp_path: Path) -> None:
    """With the reason; who never came has no number, and is not counted as left out."""
    with House(tmp_path, agencies=3, deadline=30.0) as house:
        ends(house, 1)
        cut = house.greeted(2)
        cut.close()
        house.advance(30)
        assert house.left_out(1) == {
            "2": "it closed the connection",
            "nobody": "it never came",
        }
        (sorteo,) = house.log.of("sorteo")
        assert (sorteo["agencies"], sorteo["left_out"]) == ("1", "1")
        house.agencies[0].say(Received(1, 0))


def test_a_torn_tail_is_told(tmp_path: Path) -> None:
    """Half a record behind the last whole one is no bet, and the log says how long it was."""
    with House(tmp_path, agencies=2) as house:
        cut, whole = house.greeted(1), house.greeted(2)
        cut.say(batch([ROW]))
        segment = house.draw_file(1, "segment-0001.log")
        with segment.open("ab") as file:
            file.write(b"LCS1 torn")
        house.children[0].die(9)
        house.settle()
        assert house.log.of("salvage") == [
            {
                "level": "WARNING",
                "result": "success",
                "draw": "1",
                "segment": "segment-0001.log",
                "torn_bytes": "9",
            }
        ]
        whole.say(End(0, NONCE))
        whole.say(Received(1, 0))
        assert house.bets_csv() == f"1,{ROW}\n"


def test_a_writer_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """A draw has to be held: its writers have --writer-timeout to end."""
    with House(tmp_path, real=True, agencies=2, writers=2, writer_timeout=20.0) as house:
        first, second = house.greeted(1), house.greeted(2)
        second.say(End(0, NONCE))
        house.children[1].stopped = True
        first.say(End(0, NONCE))
        house.advance(19)
        assert house.log.of("sorteo") == []
        house.advance(1)
        assert house.children[1].signals == ["KILL"]
        house.children[1].stopped = False
        house.settle()
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        for agency in (first, second):
            agency.say(Received(1, 0))


# It cannot go on.


class Broken(OffThread):
    """Work that fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def __call__(self, work: object, /) -> Deferred[object]:  # type: ignore[override]
        failed: Deferred[object] = Deferred()
        failed.errback(self.error)
        return failed


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (OSError(errno.EIO, "Input/output error"), 1, "[Errno 5] Input/output error"),
        (DamagedLedger("seg", 7, "no"), 3, "seg is damaged at byte 7, no"),
    ],
)
def test_a_draw_that_cannot_be_sealed(
    tmp_path: Path, error: Exception, status: int, sentence: str
) -> None:
    """The central says why, and is done with a status that tells."""
    house = House(tmp_path)
    house.central.disk._off_thread = Broken(error)
    with house:
        agency = ends(house, 1, ROW)
        done: list[int] = []
        house.central.done.addCallback(done.append)
        assert done == [status]
        (line,) = house.log.of("central")
        assert line == {"level": "CRITICAL", "result": "fail", "error": sentence}
        house.stop()
        assert agency.heard() == [Error(Code.STOPPING, "the central is being stopped")]


@pytest.mark.parametrize("way", ["flip", "cut"])
def test_bets_that_were_acknowledged_are_missing(tmp_path: Path, way: str) -> None:
    """No number is drawn over half of what an agency was told is on disk."""
    with House(tmp_path, agencies=2) as house:
        ends(house, 1, ROW)
        segment = house.draw_file(1, "segment-0001.log")
        content = bytearray(segment.read_bytes())
        done: list[int] = []
        house.central.done.addCallback(done.append)
        if way == "flip":
            content[HEADER_BYTES + 50] ^= 1
            segment.write_bytes(content)
            ends(house, 2)
            sentence = (
                f"at byte {HEADER_BYTES}, no record checks out there, and byte {len(content)} tells"
                f" that {len(content)} bytes were on disk"
            )
        else:
            house.off_thread.hold = True
            ends(house, 2)
            house.off_thread.run()
            house.settle()
            assert all(child.ended for child in house.children)
            segment.write_bytes(content[:HEADER_BYTES])
            house.off_thread.run()
            sentence = "at byte 0, agency 1 has ended with 1 bets, 0 are found"
        assert done == [3]
        (line,) = house.log.of("central")
        assert sentence in line["error"]
        assert str(segment) in line["error"]
        assert not house.log.of("sorteo")
        assert house.draw.number == 2


def test_a_bug(tmp_path: Path, logged_failures: list[LogEvent]) -> None:
    """What nobody foresaw is a failure in the log, and status 1; only the first status counts."""
    house = House(tmp_path)
    house.central.disk._off_thread = Broken(ZeroDivisionError("a bug"))
    with house:
        ends(house, 1, ROW)
        ends(house, 1, ROW)
        done: list[int] = []
        house.central.done.addCallback(done.append)
        assert done == [1]
        assert [sentence for sentence, _ in house.log.failures] == ["the central cannot go on"] * 2
    logged_failures.clear()


def test_the_next_draw_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the central cannot go on, once those who have ended have their winners."""

    def new_draw(self: DataDirectory, places: int) -> DrawDirectory:
        raise OSError(errno.EIO, "Input/output error")

    with House(tmp_path) as house:
        monkeypatch.setattr(DataDirectory, "new_draw", new_draw)
        agency = ends(house, 1, ROW)
        done: list[int] = []
        house.central.done.addCallback(done.append)
        assert done == []
        agency.say(Received(1, 1))
        assert done == [1]
        assert house.log.of("central")[0]["error"] == "[Errno 5] Input/output error"


def test_no_room_for_the_next_draw(tmp_path: Path) -> None:
    """It waits, and whoever comes is told to come again; it goes on by itself, with that draw."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        write = agency.transport.write

        def fill(words: bytes) -> None:
            if words == lottery1.encode(Ack(1, True)):
                house.disk.room = False  # the END found room, and took the last of it
            write(words)

        agency.transport.write = fill  # type: ignore[method-assign]
        agency.say(batch([ROW]), End(1, NONCE))
        house.advance(2)
        assert {each["work"] for each in house.log.of("room")} == {"open", "closing"}
        for number, draw, code in (
            (1, OPEN_DRAW, Code.CLOSED),
            (2, 0, Code.CLOSED),
            (2, OPEN_DRAW, Code.CLOSED),
            (2, 3, Code.CLOSED),
            (2, 2, Code.STORAGE),  # its directory is there, its record is not
        ):
            late = house.arrive()
            late.say(Hello(number, draw))
            (error,) = late.heard()
            assert isinstance(error, Error)
            assert error.code is code
        late = house.arrive(classic.DIALECT)
        late.say(ClassicEnd())
        assert late.heard() == [ClassicRefused()]
        house.disk.room = True
        house.advance(1)
        assert house.draw.number == 2
        assert [each["draw"] for each in house.log.of("draw_open")] == ["1", "2"]
        agency.say(Received(1, 1))
        assert results(house) == {"1": "1"}
        house.greeted(2)


def test_stop_while_there_is_no_room_for_the_next_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits no longer; the next start opens it."""

    def new_draw(self: DataDirectory, places: int) -> DrawDirectory:
        raise OSError(errno.ENOSPC, "No space left on device")

    with House(tmp_path) as house:
        with monkeypatch.context() as patched:
            patched.setattr(DataDirectory, "new_draw", new_draw)
            agency = ends(house, 1, ROW)
            agency.say(Received(1, 1))
            house.stop()
        assert not house.central.done.called
    with House(tmp_path) as house:
        assert house.draw.number == 2


def test_closing_without_room(tmp_path: Path) -> None:
    """Every step waits for room, one after the other, and nothing is drawn twice."""
    with House(tmp_path) as house:
        house.off_thread.hold = True
        agency = ends(house, 1, ROW)
        house.disk.room = False
        house.off_thread.hold = False
        house.off_thread.run()
        house.advance(3)
        assert agency.heard() == []
        assert {each["work"] for each in house.log.of("room")} == {"closing"}
        house.disk.room = True
        house.advance(1)
        assert isinstance(agency.heard()[0], Winners)
        house.disk.room = False
        agency.say(Received(1, 1))
        house.advance(3)
        assert house.log.of("delivered") == []
        house.disk.room = True
        house.advance(1)
        assert len(house.log.of("delivered")) == 1
        assert len(house.log.of("sorteo")) == 1


# Another roster, while it runs.


class Files:
    """What a central reads when it is told to read again who may come in.

    :ivar agencies: who stands there.
    :ivar error: what is wrong there; None: nothing.
    :ivar reads: how often it was read.
    """

    def __init__(self, *agencies: int, allow_classic: bool = False) -> None:
        self.agencies = agencies
        self.error: Exception | None = None
        self.reads = 0
        self.admission = Admission(roster_of(*agencies), allow_classic=allow_classic)

    def read_again(self) -> Callable[[], None]:
        """Read all of it; gives what puts it in force."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        roster = roster_of(*self.agencies)

        def put_in_force() -> None:
            self.admission.roster = roster

        return put_in_force

    def house(self, directory: Path, **settings: Any) -> House:
        """A central that reads these."""
        return House(directory, admission=self.admission, read_again=self.read_again, **settings)


def reload(house: House) -> list[object]:
    """Have it read again; gives what comes of that, when it has come."""
    done: list[object] = []
    Deferred.fromCoroutine(house.central.reload()).addBoth(done.append)
    house.settle()
    return done


def last_words(agency: Agency) -> tuple[Code, str]:
    """Why an agency was told to go."""
    error = agency.heard()[-1]
    assert isinstance(error, Error)
    return error.code, error.sentence


def test_reload_without_anything_to_read(tmp_path: Path) -> None:
    """It says so, and nothing changes."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        assert reload(house) == [None]
        assert house.log.of("reload") == [{"level": "INFO", "result": "success", "roster": "none"}]
        assert agency.connected


def test_reload(tmp_path: Path) -> None:
    """Who is removed is out, and out of the draw; who is added gets in; the log has the number."""
    files = Files(1, 2, 3)
    with files.house(tmp_path, rejoin=30.0) as house:
        one, two = house.greeted(1), house.greeted(2)
        two.say(batch([ROW]))
        files.agencies = (2, 4)
        assert reload(house) == [None]
        assert house.log.of("reload") == [{"level": "INFO", "result": "success", "roster": "2"}]
        assert last_words(one) == (Code.AUTH, "agency 1 is not on the roster any more")
        assert not one.connected
        three = house.arrived_as(3)
        assert last_words(three) == (Code.AUTH, "its certificate is that of no agency")
        four = house.greeted(4)
        two.say(End(1, NONCE))
        four.say(End(0, NONCE))
        assert house.left_out(1) == {"1": "agency 1 is not on the roster any more"}
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        two.say(Received(1, 1))
        four.say(Received(1, 0))


def test_reload_does_not_wait_for_removed_agencies(tmp_path: Path) -> None:
    """Whether they are away or never came: a draw that only they are missing in is held."""
    files = Files(1, 2, 3)
    with files.house(tmp_path, rejoin=1000.0) as house:
        house.greeted(1).reset()
        two = house.greeted(2)
        two.say(End(0, NONCE))
        assert house.log.of("sorteo") == []
        files.agencies = (2,)
        reload(house)
        assert house.log.of("sorteo")[0]["agencies"] == "1"
        assert house.left_out(1) == {
            "1": "it is not on the roster any more",
            "nobody": "nobody of the roster is left for it",
        }
        assert isinstance(two.heard()[-1], Winners)
        two.say(Received(1, 0))


def test_the_next_draw_has_the_places_of_the_roster(tmp_path: Path) -> None:
    """Those of the one that is in force when it opens."""
    files = Files(1)
    with files.house(tmp_path, agencies=9) as house:
        assert len(house.draw.places) == 1
        files.agencies = (1, 2, 3)
        reload(house)
        assert len(house.draw.places) == 1
        house.greeted(1).say(End(0, NONCE))
        assert len(house.draw.places) == 3
        assert [each["agencies"] for each in house.log.of("draw_open")] == ["1", "3"]
        house.agencies[-1].say(Received(1, 0))


def test_places_beside_the_roster(tmp_path: Path) -> None:
    """Those are for classic agencies, if they may come in: what is left of --agencies."""
    files = Files(1, 2, allow_classic=True)
    with files.house(tmp_path, agencies=3) as house:
        old = [house.arrive(classic.DIALECT) for _ in range(2)]
        for each in old:
            each.say(classic_batch([ROW]))
        assert [each.heard() for each in old] == [[ClassicStored()], [ClassicRefused()]]
        assert 3 in house.draw.taken
        files.agencies = (1,)
        reload(house)
        later = house.arrive(classic.DIALECT)
        later.say(ClassicEnd())
        house.greeted(1).say(End(0, NONCE))
        old[0].say(ClassicEnd())
        assert house.log.of("sorteo")[0]["agencies"] == "3"
        for each in (old[0], later):
            each.close()
        house.agencies[-1].say(Received(1, 0))


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("roster.csv, line 2: the id must be a whole number from 0 to 4294967295"),
        OSError(errno.EIO, "Input/output error"),
    ],
)
def test_reload_of_what_cannot_be_used(tmp_path: Path, error: Exception) -> None:
    """The log says why, and all is as before; the next time it may be good."""
    files = Files(1, 2)
    roster = files.admission.roster
    with files.house(tmp_path) as house:
        one = house.greeted(1)
        files.agencies, files.error = (2,), error
        assert reload(house) == [None]
        (line,) = house.log.of("reload")
        assert (line["level"], line["result"]) == ("ERROR", "fail")
        assert line["error"] == value_text(error)
        assert files.admission.roster is roster
        one.say(batch([ROW]))
        assert one.heard() == [Ack(1)]
        files.error = None
        reload(house)
        assert not one.connected
        assert [each["result"] for each in house.log.of("reload")] == ["fail", "success"]


def test_reload_reads_off_the_reactors_thread(tmp_path: Path) -> None:
    """Nothing is in force before all of it is read."""
    files = Files(1, 2)
    roster = files.admission.roster
    with files.house(tmp_path) as house:
        one = house.greeted(1)
        house.off_thread.hold = True
        files.agencies = (2,)
        done = reload(house)
        one.say(batch([ROW]))
        assert one.heard() == [Ack(1)]
        assert (files.reads, done, house.log.of("reload")) == (0, [], [])
        assert files.admission.roster is roster
        house.off_thread.run()
        house.settle()
        assert (files.reads, done) == (1, [None])
        assert not one.connected
        house.off_thread.hold = False
        house.off_thread.run()


def test_reload_while_it_stops(tmp_path: Path) -> None:
    """What is being read is waited for, and not put in force; nobody is told anything of it."""
    files = Files(1, 2)
    roster = files.admission.roster
    with files.house(tmp_path) as house:
        one = house.greeted(1)
        house.off_thread.hold = True
        files.agencies = (2,)
        done = reload(house)
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        house.settle()
        assert last_words(one) == (Code.STOPPING, "the central is being stopped")
        assert (stopped, done) == ([], [])
        house.off_thread.run()
        house.settle()
        assert (stopped, done) == ([None], [None])
        assert files.admission.roster is roster
        assert house.log.of("reload") == []


def test_reload_of_what_cannot_be_used_while_it_stops(tmp_path: Path) -> None:
    """It ends all the same."""
    files = Files(1)
    with files.house(tmp_path) as house:
        house.off_thread.hold = True
        files.error = SettingsError("roster.csv: no agency stands there")
        done = reload(house)
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        house.off_thread.run()
        house.settle()
        assert (stopped, done) == ([None], [None])


def test_reload_behind_the_last_draw(tmp_path: Path) -> None:
    """No draw is open: there are sessions to be looked at all the same."""
    files = Files(1, 2)
    with files.house(tmp_path, draws=1, rejoin=30.0) as house:
        one, two = house.greeted(1), house.greeted(2)
        one.say(End(0, NONCE))
        two.say(End(0, NONCE))
        files.agencies = (2,)
        reload(house)
        assert last_words(one)[0] is Code.AUTH
        two.say(Received(1, 0))
        assert len(house.log.of("delivered")) == 0  # nor is it told to the one that was removed
        house.advance(31)
        assert len(house.log.of("delivered")) == 1


def test_two_reloads_at_once(tmp_path: Path) -> None:
    """One after the other: what is read last has to be in force last, or a removed one got in."""
    files = Files(1, 2)
    with files.house(tmp_path) as house:
        house.off_thread.hold = True
        first, second = reload(house), reload(house)
        assert house.off_thread.waiting == 1
        house.off_thread.run()
        assert first == [None]
        files.agencies = (2,)
        house.off_thread.run()
        assert second == [None]
        assert files.reads == 2
        assert files.admission.numbers == {2}


def test_a_restart_with_another_roster(tmp_path: Path) -> None:
    """Who is not on it any more is left out of the draw that was open, unless it has ended."""
    with Files(1, 2, 3, 4).house(tmp_path, rejoin=30.0) as house:
        for number in (1, 2, 3):
            agency = house.greeted(number)
            agency.say(batch([ROW]), *([End(1, NONCE)] if number == 3 else []))
    with Files(2).house(tmp_path, rejoin=30.0) as house:
        assert [place.decided for place in house.draw.places] == [True, False, True, True]
        two, welcome = house.welcomed(2)
        assert welcome.next_index == 1
        two.say(End(1, NONCE))
        assert house.left_out(1) == {
            "1": "it is not on the roster any more",
            "nobody": "nobody of the roster is left for it",
        }
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        two.say(Received(1, 1))
        house.advance(31)
