"""The defects of the original: one test for each, which fails on what the original did.

The numbers are those of the list in the study of the peers (its section 3). Here is what was wrong,
and behind ``test_defect_`` the name of the test; 22 to 27 need processes and are in
``integration/test_defects_live.py``.

01_an_agency_is_who_it_says
    the agency's number was the order of its arrival
02_nonsense_is_refused
    a batch that could not be read was acknowledged
03_an_unfinished_record
    an unfinished last record was dropped, and its batch acknowledged
04_fields_do_not_shift
    an empty field, or a comma in a name, shifted all bets behind it
05_a_bad_field_is_told
    text that is not UTF-8, a bad date or number lost the batch in silence
06_an_end_within_a_frame
    the end of the stream within a frame was an empty batch, acknowledged
07_many_winners
    more winners than 65,535 bytes: half an answer, and a client that waits
08_batches_fit_their_frame
    a batch over 8,192 bytes made the client give up; the server had no limit
09_end_and_refusal_differ
    end and refusal were one byte; no version, no reason
10_undelivered_is_no_success
    what could not be sent was a success in the log
11_bad_rows_are_reported
    rows without five fields were skipped in silence
12_records_have_their_own_end
    one separator for fields and records; lines beyond 64 KiB ended the file
13_no_empty_last_batch
    an empty last batch was sent
14_a_sealed_list_does_not_change
    the list was read while others wrote it
15_an_empty_agency_that_ends_first
    an agency without bets that ended first was dropped
16_bets_of_an_earlier_run
    bets of an earlier run were drawn again
17_the_list_is_read_once
    the whole list was read twice for every agency
18_a_port_probe_takes_no_place
    a port probe took an agency's place
19_a_silent_client_blocks_nobody
    a silent client blocked the draw for ever
20_the_left_out_are_named
    the agencies that failed were named nowhere
21_sorteo_before_results
    results left before ``sorteo`` was logged
22_late_clients_are_served
    the server left after the draw; late clients waited for ever
23_sigterm_does_not_wait_for_a_stalled_client
    SIGTERM waited for a stalled client for ever
24_a_signalled_child_is_no_complete_agency
    a signalled child counted as a complete agency
25_a_fatal_error_has_a_status
    every fatal error ended with status 0
26_children_inherit_no_socket
    children inherited the listener and other clients' sockets
27_a_quick_restart_takes_its_port
    a quick restart could not take its port
28_agencies_have_a_default
    AGENCIES_AMOUNT had no default
34_every_line_parses
    a log line without a colon
35_results_of_the_grammar
    results that are none of success, fail, in_progress
36_no_action_exit
    ``action: exit`` is the log parser's own
37_a_line_per_batch
    no ``apuesta_recibida`` for a batch, and never a failed one
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from agency_rig import NotedLog
from central_fakes import NONCE, Agency, House, batch, bets, classic_batch
from fakes import MemoryLog

from lottery.agency.failures import BadInput, BadRow
from lottery.agency.reader import BatchReader
from lottery.errors import Code
from lottery.ledger import seal
from lottery.settings import central_settings
from lottery.wire import classic, lottery1
from lottery.wire.messages import (
    OPEN_DRAW,
    Ack,
    ClassicBatch,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    End,
    Error,
    Hello,
    Received,
    Refused,
    Winners,
)

NUMBERS = {*range(1, 29), *range(34, 38)}
HERE = Path(__file__).parent
TODAY = date(2026, 3, 17)
WON = "Ana,Gil,30904465,1999-03-17,7574"
LOST = "Eva,Paz,24807259,2000-05-10,1"


def test_every_defect_has_its_test() -> None:
    """None is forgotten, none has two, and the list above names them all."""
    found = []
    for file in (HERE / "test_defects.py", HERE / "integration" / "test_defects_live.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_defect_"):
                assert ast.get_docstring(node), node.name
                found.append(node.name.removeprefix("test_defect_"))
    assert sorted(int(name[:2]) for name in found) == sorted(NUMBERS)
    assert __doc__ is not None
    assert sorted(re.findall(r"(?m)^(\d\d_\w+)$", __doc__)) == sorted(found)


def refused(house: House, payload: bytes) -> None:
    """A classic batch of these bytes is refused, and nothing of it is stored."""
    agency = house.arrive(classic.DIALECT)
    agency.say(classic_batch([WON]), ClassicBatch(payload))
    assert agency.heard() == [ClassicStored(), ClassicRefused()]
    assert not agency.connected


def stored(house: House) -> str:
    """All that was stored for the first draw, which one more agency closes."""
    house.arrive(classic.DIALECT).say(ClassicEnd())
    return house.bets_csv(1)


# Protocol and data.


def test_defect_01_an_agency_is_who_it_says(tmp_path: Path) -> None:
    """Whoever comes first: the number in the list is the agency's own."""
    with House(tmp_path, agencies=3) as house:
        for number in (3, 1, 2):
            agency = house.greeted(number)
            agency.say(batch([f"Ana,Gil,{number},1999-03-17,1"]), End(1, NONCE))
        assert house.bets_csv() == (
            "1,Ana,Gil,1,1999-03-17,1\n2,Ana,Gil,2,1999-03-17,1\n3,Ana,Gil,3,1999-03-17,1\n"
        )
        for agency in house.agencies:
            agency.say(Received(1, 0))


def test_defect_02_nonsense_is_refused(tmp_path: Path) -> None:
    """A batch that cannot be read is never acknowledged."""
    with House(tmp_path, agencies=4) as house:
        for payload in (b"nonsense", b"\0" * 100, b",,,,,,,,,,"):
            refused(house, payload)
        assert stored(house) == f"1,{WON}\n2,{WON}\n3,{WON}\n"


def test_defect_03_an_unfinished_record(tmp_path: Path) -> None:
    """Nothing of a batch is stored whose last record is unfinished."""
    with House(tmp_path, agencies=4) as house:
        whole = f"{LOST},".encode()
        for rest in (b"Leo,Sol,", b"Leo,Sol,1,2000-01-01,", WON.encode()):
            refused(house, whole + rest)
        assert LOST not in stored(house)


def test_defect_04_fields_do_not_shift(tmp_path: Path) -> None:
    """An empty field, or a comma in a name, refuses the batch: nothing moves into its place."""
    with House(tmp_path, agencies=4) as house:
        for row in (
            ",Gil,1,2000-01-01,7",
            "Ana,,1,2000-01-01,7",
            "Ana,Gil, Jr.,1,2000-01-01,7",
        ):
            refused(house, f"{row},{LOST},".encode())
        assert stored(house) == f"1,{WON}\n2,{WON}\n3,{WON}\n"


def test_defect_05_a_bad_field_is_told(tmp_path: Path) -> None:
    """No batch is lost in silence: the agency is told which row and field, and why."""
    rows = {
        b"Ana,G\xed\xada\xff,1,2000-01-01,7\n": 2,
        b"Ana,Gil,one,2000-01-01,7\n": 3,
        b"Ana,Gil,1,2001-02-29,7\n": 4,
        b"Ana,Gil,1,2000-01-01,seven\n": 5,
    }
    with House(tmp_path, agencies=5) as house:
        for number, (row, field) in enumerate(rows.items()):
            agency = house.greeted(number)
            body = f"{LOST}\n".encode() + row
            agency.say(b"\x11" + (10 + len(body)).to_bytes(2, "big") + bytes(8) + b"\0\2" + body)
            (answer,) = agency.heard()
            assert isinstance(answer, Refused)
            assert (answer.code, answer.row, answer.field) == (Code.FIELD, 2, field)
            assert answer.sentence
            assert house.left_out(1) == {}
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert house.bets_csv() == ""
        assert len(house.left_out(1)) == 4


def test_defect_06_an_end_within_a_frame(tmp_path: Path) -> None:
    """The end of a stream within a frame is no empty batch: nothing is acknowledged."""
    with House(tmp_path, agencies=3) as house:
        for cut in (b"\1\0", b"\1\0\x24Ana"):
            agency = house.arrive(classic.DIALECT)
            agency.say(classic_batch([WON]))
            assert agency.heard() == [ClassicStored()]
            agency.say(cut)
            agency.half_close()
            assert agency.heard() == [ClassicRefused()]
        assert [each["cantidad"] for each in house.log.of("apuesta_recibida")] == ["1", "1"]
        stored(house)
        middle = "it closed the connection in the middle of a frame"
        assert house.left_out(1) == {"1": middle, "2": middle}


def test_defect_07_many_winners(tmp_path: Path) -> None:
    """Never half an answer: all of them in lottery/1, a refusal where classic has no words."""
    rows = [f"A,B,{index:08d},2000-01-01,7574" for index in range(7400)]
    parts = [rows[start : start + 200] for start in range(0, len(rows), 200)]
    with House(tmp_path, agencies=2) as house:
        old = house.arrive(classic.DIALECT)
        old.say(*map(classic_batch, parts), ClassicEnd())
        new = house.greeted(2)
        new.say(*(batch(part, 200 * index) for index, part in enumerate(parts)), End(7400, NONCE))
        assert old.bytes_heard() == b"\2" * len(parts) + b"\xff"
        assert not old.connected
        told = [each for each in new.heard() if isinstance(each, Winners)]
        assert b"".join(each.rows for each in told).decode().splitlines() == rows
        new.say(Received(1, 7400))
        results = {each["agency"]: each for each in house.log.of("consulta_ganadores")}
        assert results["1"]["cant_ganadores"] == results["2"]["cant_ganadores"] == "7400"
        assert results["1"]["result"] == "fail"


def test_defect_08_batches_fit_their_frame(tmp_path: Path) -> None:
    """The client splits what does not fit; the server refuses a longer frame at its header."""
    rows = [f"{'Ñ' * 64},{'Ñ' * 64},{index:015d},2000-01-01,1" for index in range(500)]
    reader = BatchReader("day.csv", 500, TODAY)
    reader.feed("".join(f"{row}\n" for row in rows).encode())
    reader.finish()
    batches = list(_all_batches(reader))
    assert len(batches) > 1
    assert b"".join(each.rows for each in batches).decode().splitlines() == rows
    assert all(len(lottery1.encode(batch(each.rows.decode().splitlines()))) <= 8192
               for each in batches)  # fmt: skip
    with House(tmp_path) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(b"\1\x20\1")
        assert agency.heard() == [ClassicRefused()]


def test_defect_09_end_and_refusal_differ(tmp_path: Path) -> None:
    """lottery/1 has a version, types of its own for both, and a reason."""
    assert (
        lottery1.encode(End(0, NONCE))[:1]
        != lottery1.encode(Refused(Code.FIELD, False, 0, 1, 1, "bad"))[:1]
    )
    with House(tmp_path) as house:
        agency = house.arrive()
        agency.say(b"\x10\0\x11\2" + bytes(16))
        assert agency.heard() == [Error(Code.PROTO, "version 2 is not spoken here, only version 1")]


def test_defect_10_undelivered_is_no_success(tmp_path: Path) -> None:
    """Where nothing could be sent, the log says so, and why."""
    with House(tmp_path, agencies=3) as house:
        gone, deaf, other = (house.arrive(classic.DIALECT) for _ in range(3))
        for agency in (gone, deaf):
            agency.say(classic_batch([WON]), ClassicEnd())
        gone.reset()
        deaf.stop_reading()
        other.say(ClassicEnd())
        house.advance(65)
        results = {each["agency"]: each for each in house.log.of("consulta_ganadores")}
        assert [results[number]["result"] for number in "123"] == ["fail", "fail", "success"]
        assert results["1"]["error"] == "the agency is away"
        assert results["2"]["error"] == "it was silent for too long"
        assert [each["cantidad"] for each in house.log.of("apuesta_recibida")] == ["1", "1"]


def _all_batches(reader: BatchReader) -> Iterator[Any]:
    while (one := reader.next_batch()) is not None:
        yield one


def test_defect_11_bad_rows_are_reported() -> None:
    """With file, line and reason; or left out by request, and then each is told."""
    data = f"{WON}\nAna,Gil,1\n{LOST}\nAna,Gil,1,2000-01-01,7,8\n".encode()
    reader = BatchReader("day.csv", 10, TODAY)
    reader.feed(data)
    reader.finish()
    with pytest.raises(BadInput) as error:
        list(_all_batches(reader))
    assert str(error.value) == "day.csv line 2 must have 5 columns, not 3"

    skipped: list[BadRow] = []
    reader = BatchReader("day.csv", 10, TODAY, skip_bad=True, skipped=skipped.append)
    reader.feed(data)
    reader.finish()
    (one,) = _all_batches(reader)
    assert one.rows.decode().splitlines() == [WON, LOST]
    assert [row.line for row in skipped] == [2, 4]


def test_defect_12_records_have_their_own_end() -> None:
    """LF ends a record on the wire; a line that is too long is told, never the end of the file."""
    reader = BatchReader("day.csv", 10, TODAY)
    reader.feed(f"{WON}\n{LOST}\n".encode())
    reader.finish()
    (one,) = _all_batches(reader)
    assert one.rows == f"{WON}\n{LOST}\n".encode()

    reader = BatchReader("day.csv", 1, TODAY)
    reader.feed(f"{WON}\n{'A' * 70000},Gil,1,2000-01-01,7\n{LOST}\n".encode())
    reader.finish()
    assert reader.next_batch().rows == f"{WON}\n".encode()  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="line 2 is longer than 8192 bytes"):
        reader.next_batch()


def test_defect_13_no_empty_last_batch() -> None:
    """However the rows fall into batches; and a file without rows has none."""
    for rows, sizes in ((0, []), (4, [2, 2]), (5, [2, 2, 1])):
        reader = BatchReader("day.csv", 2, TODAY)
        reader.feed(f"{WON}\n".encode() * rows)
        reader.finish()
        assert [each.count for each in _all_batches(reader)] == sizes


def test_defect_14_a_sealed_list_does_not_change(tmp_path: Path) -> None:
    """It is read when its writers have ended, while those of the next draw write elsewhere."""
    with House(tmp_path, agencies=2, writers=2) as house:
        house.off_thread.hold = True
        first, second = house.greeted(1), house.greeted(2)
        for agency in (first, second):
            agency.say(batch([WON]), End(1, NONCE))
        house.off_thread.run()  # who takes part is published
        house.settle()
        assert house.off_thread.waiting == 2  # the seal, and the end of the timeline
        assert all(child.ended for child in house.children)
        next_day, _ = house.welcomed(1, OPEN_DRAW)
        next_day.say(*(batch([LOST], index) for index in range(50)))
        house.off_thread.hold = False
        house.off_thread.run()
        house.settle()
        assert house.bets_csv(1) == f"1,{WON}\n2,{WON}\n"
        for agency in (first, second):
            assert [each.total for each in agency.heard() if isinstance(each, Winners)] == [1]
            agency.say(Received(1, 1))


def test_defect_15_an_empty_agency_that_ends_first(tmp_path: Path) -> None:
    """It takes part, and is told that it has no winners."""
    with House(tmp_path, agencies=2) as house:
        empty = house.arrive(classic.DIALECT)
        empty.say(ClassicEnd())
        house.arrive(classic.DIALECT).say(classic_batch([WON]), ClassicEnd())
        assert empty.bytes_heard() == b"\3\0\0"
        assert house.left_out(1) == {}
    with House(tmp_path / "alone") as house:
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert house.agencies[0].bytes_heard() == b"\3\0\0"
        assert house.bets_csv() == ""


def test_defect_16_bets_of_an_earlier_run(tmp_path: Path) -> None:
    """A central that is started again in its directory draws its own draw only."""
    with House(tmp_path) as house:
        house.arrive(classic.DIALECT).say(classic_batch([WON]))
    with House(tmp_path) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch([LOST]), ClassicEnd())
        assert agency.heard() == [ClassicStored(), ClassicWinners(b"")]
        assert house.bets_csv(2) == f"1,{LOST}\n"
        assert not house.draw_file(1).exists()


def test_defect_17_the_list_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all agencies at once, and by a thread that nobody waits for."""
    passes = []

    def read_checked(path: Path, *more: Any) -> Iterator[bytes]:
        passes.append(path)
        return original(path, *more)

    original = seal.read_checked
    monkeypatch.setattr(seal, "read_checked", read_checked)
    with House(tmp_path, agencies=5) as house:
        house.off_thread.hold = True
        for _ in range(5):
            house.arrive(classic.DIALECT).say(classic_batch([WON]), ClassicEnd())
        for _ in ("closing", "sealed", "drawn", "winners"):
            assert passes.count(house.draw_file(1)) == (_ == "winners")
            house.off_thread.run()
            house.settle()
        assert passes == [house.draw_file(1), house.draw_file(1, "winners.csv")]
        for agency in house.agencies:
            agency.close()
        house.off_thread.run()
        assert [each["cant_ganadores"] for each in house.log.of("consulta_ganadores")] == ["1"] * 5


# The draw, and life.


def test_defect_18_a_port_probe_takes_no_place(tmp_path: Path) -> None:
    """Nor does anybody who never says a whole first frame."""
    with House(tmp_path, agencies=2) as house:
        for words in (b"", b"", b"\1", b"\1\0\x24Ana", b"\x10\0\x11\1", b"GET / HTTP/1.1\r\n\r\n"):
            probe = house.arrive()
            probe.say(words)
            probe.close()
        for number in (1, 2):
            agency = house.arrive(classic.DIALECT)
            agency.say(classic_batch([WON]), ClassicEnd())
            assert agency.heard()[0] == ClassicStored()
            assert house.log.of("apuesta_recibida")[-1]["agency"] == str(number)
        assert house.log.of("sorteo")[0]["agencies"] == "2"


def test_defect_19_a_silent_client_blocks_nobody(tmp_path: Path) -> None:
    """Nor one that does not read its winners: both are gone in bounded time."""
    with House(tmp_path, agencies=3, draws=1, silence=60.0) as house:
        silent, deaf, good = (house.arrive(classic.DIALECT) for _ in range(3))
        silent.say(classic_batch([WON]))
        silent.stop_reading()
        deaf.say(classic_batch([WON]), ClassicEnd())
        deaf.stop_reading()
        good.say(classic_batch([WON]), ClassicEnd())
        house.advance(60)
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        assert good.heard() == [ClassicStored(), ClassicWinners(b"30904465")]
        house.advance(65)
        assert not silent.connected
        assert not deaf.connected
        assert house.central.done.called


def test_defect_20_the_left_out_are_named(tmp_path: Path) -> None:
    """With their reasons, before the draw is held; who is left out gets nothing."""
    with House(tmp_path, agencies=3) as house:
        cut, bad, good = (house.arrive(classic.DIALECT) for _ in range(3))
        for agency in (cut, bad, good):
            agency.say(classic_batch([WON]))
        cut.reset()
        bad.say(ClassicBatch(b"nonsense"))
        good.say(ClassicEnd())
        assert house.left_out(1) == {
            "1": "the connection was lost",
            "2": "row 1, ends after 0 of its 5 fields, each of which needs a comma behind it",
        }
        actions = [each["action"] for each in house.log.actions]
        assert actions.count("left_out") == 2
        assert max(i for i, name in enumerate(actions) if name == "left_out") < actions.index(
            "sorteo"
        )
        assert house.log.of("sorteo")[0]["left_out"] == "2"
        assert not any(isinstance(each, ClassicWinners) for each in bad.heard())


def test_defect_21_sorteo_before_results(tmp_path: Path) -> None:
    """When the first byte of a result is written, the draw is in the log."""
    with House(tmp_path, agencies=2) as house:
        drawn: list[bool] = []

        def noting(agency: Agency) -> None:
            write = agency.transport.write

            def note(data: bytes) -> None:
                if data[:1] in (b"\3", b"\x23"):
                    drawn.append("sorteo" in [each["action"] for each in house.log.actions])
                write(data)

            agency.transport.write = note  # type: ignore[method-assign]

        old, new = house.arrive(classic.DIALECT), house.arrive()
        noting(old)
        noting(new)
        old.say(classic_batch([WON]), ClassicEnd())
        new.say(Hello(7), End(0, NONCE))
        new.say(Received(1, 0))
        assert drawn == [True, True]


def test_defect_28_agencies_have_a_default() -> None:
    """So does every other setting: nothing needs to be in the environment."""
    assert central_settings({}, {}).agencies == 5
    assert central_settings({}, {"AGENCIES_AMOUNT": "3"}).agencies == 3


# Logs.


def eventful(directory: Path) -> MemoryLog:
    """The log of days on which everything happens."""
    with House(directory, agencies=5, deadline=30.0) as house:
        good, new, cut, bad, dead = (
            house.arrive(lottery1.DIALECT if index == 1 else classic.DIALECT) for index in range(5)
        )
        new.say(Hello(9))
        for agency in (good, cut, bad, dead):
            agency.say(classic_batch([WON]))
        house.arrive().say(b"GET / HTTP/1.1\r\nHost: a|b\r\n")
        house.arrive(classic.DIALECT).say(ClassicEnd())  # there is no place for it
        cut.reset()
        bad.say(ClassicBatch(b"a|b: c,\n,\xff,,"))
        house.children[-1].print_line(2, "stderr | of: a child \u202e".encode())
        house.children[-1].die(9)
        good.say(ClassicEnd())
        house.advance(30)
        house.arrive().close()
        house.greeted(1).say(End(0, NONCE))
    return house.log


def parse(line: str) -> dict[str, str]:
    """Read a line as the users' parser does; fails on whatever that one stumbles over."""
    parts = [part.strip() for part in line.split("|")]
    found: dict[str, str] = {}
    for part in parts:
        name, colon, value = part.partition(": ")
        assert colon, f"{part!r} has no colon"
        assert ":" not in value, f"{part!r} has two"
        assert name not in found, f"{name} stands twice"
        found[name] = value
    assert list(found)[:2] == ["action", "result"]
    assert "source" not in found
    return found


def test_defect_34_every_line_parses(tmp_path: Path) -> None:
    """Whatever happens, and whatever bytes a peer or a child puts into it."""
    log = eventful(tmp_path)
    actions = {parse(line)["action"] for line in log.lines}
    assert actions >= {
        "accept_connections",
        "agency",
        "apuesta_recibida",
        "config",
        "consulta_ganadores",
        "draw_open",
        "left_out",
        "shutdown",
        "sorteo",
        "writer",
        "writer_output",
    }


def test_defect_35_results_of_the_grammar(tmp_path: Path) -> None:
    """There are three, and the one function that writes lines takes no other."""
    log = eventful(tmp_path)
    assert {parse(line)["result"] for line in log.lines} == {"success", "fail", "in_progress"}
    for result in ("partial", "exited", "", "Success"):
        for writes in (log, NotedLog().log):
            with pytest.raises(ValueError, match="is none of fail, in_progress, success"):
                writes("connect", result)


def test_defect_36_no_action_exit(tmp_path: Path) -> None:
    """Neither in a log, nor in any call of the source that could write one."""
    assert "exit" not in {parse(line)["action"] for line in eventful(tmp_path).lines}
    for path in (HERE.parent / "lottery").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) > 1:
                first = node.args[0]
                assert not (isinstance(first, ast.Constant) and first.value == "exit"), path


def test_defect_37_a_line_per_batch(tmp_path: Path) -> None:
    """At DEBUG each batch has its line, also a bad one; at INFO an agency has one, its total."""
    for level, expected in (
        ("DEBUG", [("success", "2"), ("success", "1"), ("fail", "3")]),
        ("INFO", [("fail", "3")]),
    ):
        with House(tmp_path / level, agencies=2, log_level=level) as house:
            agency = house.greeted(1)
            bad = [*bets(1, 2), "Ana,Gil,1,2000-01-01,99999"]
            agency.say(batch(bets(1, 2)), batch([WON], 2))
            assert agency.heard()[-1] == Ack(3)
            agency.say(batch(bad, 3))
            lines = house.log.of("apuesta_recibida")
            assert [(each["result"], each["cantidad"]) for each in lines] == expected
            assert {each["level"] for each in lines} == {level}
