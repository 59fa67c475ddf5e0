"""What was told is read out of a trace, from all three who tell."""

from __future__ import annotations

import struct

import pytest
from disk_model import Disk
from ledger_reader import Holding, UnreadableLedger, holdings_in, records_in
from made_up_calls import ROOT, MadeUpCalls, described, quoted
from replay import Replay
from told import Party, Promise, Told

from lottery.ledger.segment import Kind, pack, pack_close, pack_head
from lottery.writer.pipe import Answer
from lottery.writer.pipe import pack as pack_answer

_ROWS = b"7,Ana,Paz,1,2000-01-01,1\n7,Eva,Paz,2,2000-01-01,2\n"
_SEGMENT = pack_head(1, 1) + pack(Kind.ROWS, 7, 0, 2, _ROWS, 0)
_NOTHING = Promise({}, frozenset(), drawn=False)


def _told(made: MadeUpCalls, parties: dict[int, Party] | None = None) -> Promise:
    disk = Disk({"draws": None})
    told = Told(ROOT, parties or {})
    for step in Replay(ROOT, disk).steps(made.calls):
        told.note(step.call, disk)
    return told.promise


def _send(made: MadeUpCalls, data: bytes, port: int = 2) -> None:
    words = (f"8<TCP:[127.0.0.1:1->127.0.0.1:{port}]>", quoted(data), str(len(data)), "0", "NULL")
    made.call("sendto", *words, result=len(data))


def _writer(answer: Answer) -> MadeUpCalls:
    """A writer that stores two bets of agency 7, answers, and stores the END."""
    made = MadeUpCalls()
    segment = made.open("draws/segment-0001.log", "O_WRONLY|O_CREAT|O_EXCL|O_APPEND")
    made.write(segment, _SEGMENT)
    said = pack_answer(answer, 1, 2)
    made.call("write", described(3, "pipe:[1]"), quoted(said), "1", result=len(said))
    made.write(segment, pack(Kind.END, 7, 2, 0, bytes(32), 0))
    return made


@pytest.mark.parametrize("answer", [Answer.STORED, Answer.ENDED, Answer.CLOSED])
def test_a_writers_answer_is_about_all_before_it(answer: Answer) -> None:
    """What it has written before it answers is promised, and nothing behind."""
    assert _told(_writer(answer)) == Promise({7: 2}, frozenset(), drawn=False)


def test_a_writer_that_refuses_promises_nothing() -> None:
    """Only answers that say so are promises."""
    assert _told(_writer(Answer.DONE)) == _NOTHING


def test_an_end_is_promised_when_it_is_answered() -> None:
    """An END that was written before an answer is promised with it."""
    made = _writer(Answer.STORED)
    said = pack_answer(Answer.ENDED, 1, 2)
    made.call("write", described(3, "pipe:[1]"), quoted(said), "1", result=len(said))
    assert _told(made) == Promise({7: 2}, frozenset({7}), drawn=False)


def test_what_is_sent_to_an_agency_of_lottery1() -> None:
    """WELCOME and ACK promise bets and END, wherever the frames are cut."""
    made = MadeUpCalls()
    welcome = struct.pack(">BHIBBQIHI", 0x20, 24, 1, 1, 0, 4, 0, 8192, 60)
    ack = struct.pack(">BHQB", 0x21, 9, 6, 1)
    _send(made, welcome + ack[:5])
    assert _told(made, {2: Party(9)}) == Promise({9: 4}, frozenset(), drawn=False)
    _send(made, ack[5:])
    assert _told(made, {2: Party(9)}) == Promise({9: 6}, frozenset({9}), drawn=False)
    _send(made, struct.pack(">BHIHQQ", 0x23, 22, 1, 7574, 0, 0))
    assert _told(made, {2: Party(9)}).drawn


def test_what_is_sent_to_a_classic_agency() -> None:
    """Each answer promises the next batch, and its winners that there is a number."""
    made = MadeUpCalls()
    _send(made, b"\x02\x02")
    party = {2: Party(1, (3, 2, 5))}
    assert _told(made, party) == Promise({1: 5}, frozenset(), drawn=False)
    _send(made, b"\x02\x03\x00\x02")
    assert not _told(made, party).drawn
    _send(made, b"12")
    assert _told(made, party) == Promise({1: 10}, frozenset(), drawn=True)


def test_strangers_are_told_nothing() -> None:
    """What goes to a port that nobody of the day has is no promise."""
    made = MadeUpCalls()
    _send(made, struct.pack(">BHQB", 0x21, 9, 6, 1), port=3)
    assert _told(made, {2: Party(9)}) == _NOTHING


def test_the_log_tells_of_the_draw() -> None:
    """A line of the log that says so makes the number known."""
    made = MadeUpCalls()
    line = b"INFO action: sorteo | result: success | draw: 1\n"
    made.call("write", described(2, "pipe:[4]"), quoted(line), "1", result=len(line))
    assert _told(made).drawn


def test_a_closed_segment_is_read() -> None:
    """Rows, END and order are read as they are written."""
    end = pack(Kind.END, 7, 2, 0, bytes(32), 0)
    data = _SEGMENT + end
    data += pack_close(len(data))
    assert [record.kind for record in records_in(data)] == [3, 1, 2, 4]
    rows = (b"Ana,Paz,1,2000-01-01,1", b"Eva,Paz,2,2000-01-01,2")
    assert holdings_in({"d/segment-0001.log": data}, "d") == {7: Holding(rows, ended=True)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        _SEGMENT,
        _SEGMENT + pack_close(len(_SEGMENT)) + b"x",
        pack_head(1, 1) + pack(Kind.ROWS, 7, 1, 2, _ROWS, 0) + pack_close(40 + 40 + len(_ROWS)),
        pack_head(1, 1) + pack(Kind.ROWS, 8, 0, 2, _ROWS, 0) + pack_close(40 + 40 + len(_ROWS)),
        pack_head(1, 1) + pack(Kind.END, 7, 2, 0, b"", 0) + pack_close(80),
    ],
)
def test_what_start_up_must_not_leave(data: bytes) -> None:
    """A segment that is not closed, a gap, a row of another agency, an END of other bets."""
    with pytest.raises(UnreadableLedger):
        holdings_in({"d/segment-0001.log": data}, "d")
