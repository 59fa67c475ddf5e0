"""``lottery.writer.child``: what a writer stores, when it answers, and how it ends."""

from __future__ import annotations

import errno
import os
import re
from array import array
from collections.abc import Callable
from datetime import date
from pathlib import Path
from threading import Thread

import pytest
from fakes import TODAY
from hypothesis import given
from hypothesis import strategies as st

import lottery.writer.child as child_module
from lottery.errors import Code
from lottery.ledger.segment import Kind, Records, Segment
from lottery.ledger.segment import pack as pack_record
from lottery.writer.child import GROUP_BYTES, Desk, serve
from lottery.writer.pipe import (
    HEADER_BYTES,
    Answer,
    Exit,
    Order,
    PipeReader,
    PipeRecord,
    Refusal,
    pack,
    pack_open,
    refusal_of,
)

ANA = "Ana,Gil,1,2000-01-01,7"
BO = "Bo,Paz,02,1999-12-31,0042"
EVE = "Evë,Ñu,3,1900-01-01,0"
NONCE = bytes(range(32))


def opening(session: int, agency: int, next_index: int = 0) -> bytes:
    """The order that begins a session."""
    return pack_open(session, agency, next_index)


def lines(session: int, first: int, *rows: str) -> bytes:
    """A batch of lottery/1."""
    return pack(Order.ROWS, session, first, len(rows), "".join(f"{r}\n" for r in rows).encode())


def classic(session: int, *rows: str) -> bytes:
    """A batch of the classic dialect."""
    return pack(Order.CLASSIC, session, body="".join(f"{row}," for row in rows).encode())


def end(session: int, total: int, nonce: bytes = NONCE) -> bytes:
    """An END of lottery/1."""
    return pack(Order.END, session, total, 1, nonce)


def record(agency: int, first: int, *rows: str, flushed: int = 0) -> bytes:
    """What a batch becomes in the segment."""
    body = "".join(f"{agency},{row}\n" for row in rows).encode()
    return pack_record(Kind.ROWS, agency, first, len(rows), body, flushed)


def stored(session: int, next_index: int, *bets: int) -> PipeRecord:
    """The answer to batches."""
    body = b"".join(each.to_bytes(2, "big") for each in bets)
    return PipeRecord(Answer.STORED, session, next_index, len(bets), body)


def ended(session: int, total: int) -> PipeRecord:
    """The answer to an END."""
    return PipeRecord(Answer.ENDED, session, total, 0, b"")


def taken(place: int) -> PipeRecord:
    """The last answer of a group."""
    return PipeRecord(Answer.TAKEN, 0, place, 0, b"")


def asked(desk: Desk, *orders: bytes, flushed: int = 0) -> tuple[bytes, list[PipeRecord]]:
    """Let a desk take a group: what it wants to have stored, and its answers."""
    records, answers = desk.take(PipeReader().feed(b"".join(orders)), flushed, TODAY)
    return records, PipeReader().feed(answers)


def refusal(desk: Desk, *orders: bytes) -> Refusal:
    """Let a desk take a group that it refuses, and nothing else."""
    records, (answer,) = asked(desk, *orders)
    assert records == b""
    assert answer.kind == Answer.REFUSED
    return refusal_of(answer)


# The desk.


def test_one_batch() -> None:
    """Rows get their agency in front; the answer has the next index and the batch's size."""
    records, answers = asked(Desk(), opening(1, 5), lines(1, 0, ANA, EVE))
    assert records == record(5, 0, ANA, EVE)
    assert records[40:] == "5,Ana,Gil,1,2000-01-01,7\n5,Evë,Ñu,3,1900-01-01,0\n".encode()
    assert answers == [stored(1, 2, 2)]


def test_batches_of_one_session_are_answered_together() -> None:
    """Each batch is a record of its own, one answer has the sizes of all, in order."""
    records, answers = asked(
        Desk(), opening(1, 5, 10), lines(1, 10, ANA), lines(1, 11, BO, EVE), flushed=77
    )
    assert records == record(5, 10, ANA, flushed=77) + record(5, 11, BO, EVE, flushed=77)
    assert answers == [stored(1, 13, 1, 2)]


def test_answers_of_a_group_hold_only_that_group() -> None:
    """What one group has answered the next one does not answer again."""
    desk = Desk()
    assert asked(desk, opening(1, 5), lines(1, 0, ANA))[1] == [stored(1, 1, 1)]
    assert asked(desk, lines(1, 1, ANA, BO))[1] == [stored(1, 3, 2)]
    assert asked(desk) == (b"", [])


def test_group_of_several_sessions() -> None:
    """Sessions are apart, in either dialect; records stand in the order of the orders."""
    records, answers = asked(
        Desk(),
        opening(1, 5),
        opening(2, 0),
        lines(1, 0, ANA),
        classic(2, BO, EVE),
        lines(1, 1, BO),
    )
    assert records == record(5, 0, ANA) + record(0, 0, BO, EVE) + record(5, 1, BO)
    assert answers == [stored(1, 2, 1, 1), stored(2, 2, 2)]


def test_empty_classic_batch() -> None:
    """It is acknowledged like any other, and stores nothing."""
    records, answers = asked(Desk(), opening(1, 5), classic(1), classic(1, ANA), classic(1))
    assert records == record(5, 0, ANA)
    assert answers == [stored(1, 1, 0, 1, 0)]


def test_very_many_empty_batches() -> None:
    """As many as fit a group are counted without an overflow."""
    many = GROUP_BYTES // HEADER_BYTES
    records, answers = asked(Desk(), opening(1, 5), classic(1) * many)
    assert records == b""
    assert answers == [stored(1, 0, *[0] * many)]


@pytest.mark.parametrize("order", ["little", "big"])
def test_sizes_are_big_endian(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    """They are turned around where the machine has them the other way."""
    monkeypatch.setattr(child_module, "byteorder", order)
    _, (answer,) = asked(Desk(), opening(1, 5), lines(1, 0, ANA, BO))
    sizes = array("H", [2])
    if order == "little":
        sizes.byteswap()
    assert answer.body == sizes.tobytes()


def test_end_with_the_right_total() -> None:
    """An END is a record with the total and the agency's bytes, answered last."""
    records, answers = asked(
        Desk(), opening(1, 5), opening(2, 6), lines(1, 0, ANA), end(1, 1), lines(2, 0, BO)
    )
    end_record = pack_record(Kind.END, 5, 1, 0, NONCE, 0)
    assert records == record(5, 0, ANA) + end_record + record(6, 0, BO)
    assert answers == [stored(1, 1, 1), stored(2, 1, 1), ended(1, 1)]


def test_end_of_an_agency_without_bets() -> None:
    """An agency may have nothing to say but that."""
    records, answers = asked(Desk(), opening(1, 5), end(1, 0, b""))
    assert records == pack_record(Kind.END, 5, 0, 0, b"", 0)
    assert answers == [ended(1, 0)]


def test_classic_end_announces_nothing() -> None:
    """It takes what is stored as the total."""
    records, answers = asked(
        Desk(), opening(1, 5), classic(1, ANA, BO), pack(Order.END, 1), flushed=9
    )
    assert records == record(5, 0, ANA, BO, flushed=9) + pack_record(Kind.END, 5, 2, 0, b"", 9)
    assert answers == [stored(1, 2, 2), ended(1, 2)]


@pytest.mark.parametrize("total", [0, 1, 3, 2**64 - 1])
def test_end_with_another_total(total: int) -> None:
    """An END that announces other bets than are stored is refused, and not stored."""
    desk = Desk()
    asked(desk, opening(1, 5), lines(1, 0, ANA, BO))
    assert refusal(desk, end(1, total), end(1, 2)) == Refusal(
        Code.TOTALS, False, 2, 0, 0, f"{total} bets are announced, 2 are stored", 0
    )


def test_nothing_follows_an_end() -> None:
    """What a session hands on behind its END is dropped."""
    desk = Desk()
    asked(desk, opening(1, 5), end(1, 0))
    assert asked(desk, lines(1, 0, ANA), end(1, 0), pack(Order.CLOSE, 1)) == (b"", [])


@pytest.mark.parametrize("first", [0, 1, 3, 2**64 - 1])
def test_batch_out_of_its_place(first: int) -> None:
    """A batch that does not follow what is stored is refused, with both indices."""
    desk = Desk()
    asked(desk, opening(1, 5), lines(1, 0, ANA, BO))
    assert refusal(desk, lines(1, first, ANA, BO, EVE)) == Refusal(
        Code.SEQ, False, 2, 0, 0, f"the batch begins with bet {first}, bet 2 is next", 3
    )


def test_bad_row_is_refused_whole() -> None:
    """Nothing of the batch is stored; the refusal says where and why, and what was refused."""
    desk = Desk()
    asked(desk, opening(1, 5, 7))
    refused = refusal(desk, lines(1, 7, ANA, "Bo,Paz,x,1999-12-31,0042", EVE))
    assert refused[:5] == (Code.FIELD, False, 7, 2, 3)
    assert "15" in refused.sentence
    assert refused.bets == 3


def test_count_that_is_wrong() -> None:
    """A batch whose header announces other rows than it has is refused."""
    body = f"{ANA}\n{BO}\n".encode()
    refused = refusal(Desk(), opening(1, 5), pack(Order.ROWS, 1, 0, 3, body))
    assert refused[:5] == (Code.BATCH, False, 0, 0, 0)
    assert refused.bets == 2


def test_bad_classic_batch() -> None:
    """The classic dialect has the same rules."""
    refused = refusal(Desk(), opening(1, 5), classic(1, ANA, "Bo,Paz,2,1999-12-31,10000"))
    assert refused[:5] == (Code.FIELD, False, 0, 2, 5)


def test_day_is_given() -> None:
    """Who is born on the given day is taken, who is born after it is not."""
    tomorrow = TODAY.replace(day=TODAY.day + 1)
    born = lines(1, 0, f"Ana,Gil,1,{tomorrow},7")
    assert refusal(Desk(), opening(1, 5), born).field == 4
    orders = PipeReader().feed(opening(1, 5) + born)
    assert Desk().take(orders, 0, tomorrow)[0] == record(5, 0, f"Ana,Gil,1,{tomorrow},7")


def test_refusal_drops_what_follows_of_that_session_only() -> None:
    """No hole can arise: behind a refused batch none is stored, whatever its index."""
    records, answers = asked(
        Desk(),
        opening(1, 5),
        opening(2, 6),
        lines(1, 0, ANA),
        lines(1, 9, BO),
        lines(1, 1, BO),
        classic(1, BO),
        end(1, 1),
        lines(2, 0, EVE),
    )
    assert records == record(5, 0, ANA) + record(6, 0, EVE)
    assert answers[:2] == [stored(1, 1, 1), stored(2, 1, 1)]
    assert len(answers) == 3
    assert refusal_of(answers[2]).code is Code.SEQ
    assert answers[2].place == 1


def test_refused_session_stays_refused() -> None:
    """Also in later groups nothing of it is taken; another session may take the agency up."""
    desk = Desk()
    refusal(desk, opening(1, 5), lines(1, 1, ANA))
    assert asked(desk, lines(1, 0, ANA), pack(Order.CLOSE, 1)) == (b"", [])
    assert asked(desk, opening(2, 5), lines(2, 0, ANA))[1] == [stored(2, 1, 1)]


def test_close_keeps_what_stands_before_it() -> None:
    """What a session had handed on before it left is stored and answered, nothing behind it."""
    records, answers = asked(
        Desk(), opening(1, 5), lines(1, 0, ANA), pack(Order.CLOSE, 1), lines(1, 1, BO)
    )
    assert records == record(5, 0, ANA)
    assert answers == [stored(1, 1, 1)]


def test_unknown_session_is_dropped() -> None:
    """An order of a session that never began is not stored under any agency."""
    assert asked(Desk(), lines(1, 0, ANA), end(1, 0), pack(Order.CLOSE, 1)) == (b"", [])


@pytest.mark.parametrize("kind", [0, 6, 11, 255])
def test_what_is_no_order(kind: int) -> None:
    """It is a bug of the parent's, and said so."""
    with pytest.raises(ValueError, match=f"{kind} is no order"):
        asked(Desk(), opening(1, 5), pack(kind, 1))


@given(
    st.lists(st.sampled_from([1, 2, 3]), max_size=12),
    st.lists(st.integers(0, 12), max_size=4),
)
def test_groups_do_not_change_what_is_stored(sessions: list[int], cuts: list[int]) -> None:
    """However the orders fall into groups, the same records come out, each answered once."""
    following = {1: 0, 2: 0, 3: 0}
    orders = []
    for session in sessions:
        orders.append(PipeReader().feed(lines(session, following[session], ANA))[0])
        following[session] += 1
    desk = Desk()
    desk.take(PipeReader().feed(b"".join(opening(each, 10 + each) for each in (1, 2, 3))), 0, TODAY)
    together, answered, start = b"", [0, 0, 0, 0], 0
    for cut in [*sorted(cuts), len(orders)]:
        records, answers = desk.take(orders[start:cut], 0, TODAY)
        together += records
        for answer in PipeReader().feed(answers):
            answered[answer.session] += answer.amount
            assert answer.place == answered[answer.session]
        start = max(start, cut)
    found = [(each.agency - 10, each.first) for each in Records(together)]
    assert [session for session, _ in found] == sessions
    assert answered[1:] == list(following.values())


# The loop.


class Pipes:
    """The two pipes of a writer and its segment's path."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "segment-0001.log"
        self.orders, self._down = os.pipe()
        self.up, self.answers = os.pipe()
        os.set_blocking(self.up, False)

    def order(self, data: bytes) -> None:
        """Put orders into the pipe."""
        assert os.write(self._down, data) == len(data)

    def end_orders(self) -> None:
        """Close the parent's end."""
        os.close(self._down)
        self._down = -1

    def hang_up(self) -> None:
        """Listen to no answers any more."""
        os.close(self.up)
        self.up = -1

    def heard(self) -> list[PipeRecord]:
        """The answers that are there."""
        try:
            return PipeReader().feed(os.read(self.up, 1 << 20))
        except BlockingIOError:
            return []

    def wait(self) -> list[PipeRecord]:
        """The answers, once there are some."""
        os.set_blocking(self.up, True)
        try:
            return self.heard()
        finally:
            os.set_blocking(self.up, False)

    def serve(self, today: Callable[[], date] = lambda: TODAY) -> Exit:
        """Run the loop to its end."""
        return serve(self.orders, self.answers, str(self.path), today)

    def close(self) -> None:
        """Close all that is open."""
        for fd in (self.orders, self._down, self.up, self.answers):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pipes; and the segments made in the test are closed behind it."""
    true_init = Segment.__init__
    made: list[Segment] = []

    def note(segment: Segment, path: str) -> None:
        true_init(segment, path)
        made.append(segment)

    monkeypatch.setattr(Segment, "__init__", note)
    both = Pipes(tmp_path)
    yield both
    both.close()
    for segment in made:
        os.close(segment._fd)


def test_serve_until_the_orders_end(pipes: Pipes) -> None:
    """All that was ordered is stored and answered, then it is done."""
    orders = opening(1, 5) + lines(1, 0, ANA) + end(1, 1)
    pipes.order(orders)
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert pipes.heard() == [stored(1, 1, 1), ended(1, 1), taken(len(orders))]
    assert pipes.path.read_bytes() == record(5, 0, ANA) + pack_record(Kind.END, 5, 1, 0, NONCE, 0)


def test_serve_without_orders(pipes: Pipes) -> None:
    """A writer that gets none has made its segment, and nothing else."""
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert pipes.heard() == []
    assert pipes.path.read_bytes() == b""


def test_answers_leave_only_after_the_flush(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it writes and while it flushes no answer is out; one write and one flush for all."""
    steps: list[str] = []

    def append(segment: Segment, data: bytes) -> None:
        steps.append(f"append {len(list(Records(data)))}")
        assert pipes.heard() == []
        true_append(segment, data)

    def flush(segment: Segment) -> None:
        assert pipes.path.stat().st_size > 0
        true_flush(segment)
        steps.append("flush")
        assert pipes.heard() == []

    true_append, true_flush = Segment.append, Segment.flush
    monkeypatch.setattr(Segment, "append", append)
    monkeypatch.setattr(Segment, "flush", flush)
    orders = b"".join(opening(each, each) + lines(each, 0, ANA) for each in range(1, 101))
    pipes.order(orders)
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    assert steps == ["append 100", "flush"]
    answers = [stored(each, 1, 1) for each in range(1, 101)]
    assert pipes.heard() == [*answers, taken(len(orders))]


def test_nothing_to_store_costs_no_flush(pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Openings, refusals and empty batches are answered without the disk."""
    monkeypatch.setattr(Segment, "append", None)
    monkeypatch.setattr(Segment, "flush", None)
    orders = opening(1, 5) + classic(1) + lines(1, 3, ANA)
    pipes.order(orders)
    pipes.end_orders()
    assert pipes.serve() is Exit.DONE
    kinds = [answer.kind for answer in pipes.heard()]
    assert kinds == [Answer.STORED, Answer.REFUSED, Answer.TAKEN]


def test_groups_follow_each_other(pipes: Pipes) -> None:
    """What is answered is known to be on disk by the next record; half an order waits."""
    statuses: list[Exit] = []
    thread = Thread(target=lambda: statuses.append(pipes.serve()), daemon=True)
    thread.start()
    first = opening(1, 5) + lines(1, 0, ANA)
    second = lines(1, 1, BO)
    pipes.order(first)
    assert pipes.wait() == [stored(1, 1, 1), taken(len(first))]
    pipes.order(second[:10])
    assert pipes.wait() == [taken(len(first))]
    pipes.order(second[10:] + second[:5])
    assert pipes.wait() == [stored(1, 2, 1), taken(len(first + second))]
    pipes.order(lines(1, 1, BO)[5:])
    assert pipes.wait()[0].kind == Answer.REFUSED
    pipes.end_orders()
    thread.join(30)
    assert statuses == [Exit.DONE]
    whole = record(5, 0, ANA)
    assert pipes.path.read_bytes() == whole + record(5, 1, BO, flushed=len(whole))


def test_day_is_asked_for_each_group(pipes: Pipes) -> None:
    """A writer that lives past midnight knows it."""
    days = iter([date(2026, 3, 17), date(2026, 3, 18)])
    thread = Thread(target=lambda: pipes.serve(lambda: next(days)), daemon=True)
    thread.start()
    pipes.order(opening(1, 5) + opening(2, 6) + lines(1, 0, "Ana,Gil,1,2026-03-18,7"))
    assert pipes.wait()[0].kind == Answer.REFUSED
    pipes.order(lines(2, 0, "Ana,Gil,1,2026-03-18,7"))
    assert pipes.wait()[0] == stored(2, 1, 1)
    pipes.end_orders()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("step", ["append", "flush"])
def test_disk_that_fails(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], step: str
) -> None:
    """Nothing of the group is answered, the rest is not even read; the reason goes to stderr."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(Segment, step, fail)
    pipes.order(opening(1, 5) + lines(1, 0, ANA))
    assert pipes.serve() is Exit.DISK
    assert pipes.heard() == []
    assert capfd.readouterr().err == (
        f"the segment {pipes.path} cannot be written, [Errno {errno.EIO}] the disk is gone\n"
    )


def test_short_write_is_never_flushed(
    pipes: Pipes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A part of a group on disk is not acknowledged, not even the records that are whole."""

    def half(segment: Segment, data: bytes) -> None:
        os.write(segment._fd, data[: len(data) // 2])
        raise OSError("only half")

    monkeypatch.setattr(Segment, "append", half)
    monkeypatch.setattr(Segment, "flush", None)
    pipes.order(opening(1, 5) + lines(1, 0, ANA) + lines(1, 1, ANA))
    assert pipes.serve() is Exit.DISK
    assert pipes.heard() == []
    assert "only half" in capfd.readouterr().err


def test_segment_that_is_there(pipes: Pipes, capfd: pytest.CaptureFixture[str]) -> None:
    """Another writer's segment is not touched; no order is read."""
    pipes.path.write_bytes(b"somebody's")
    pipes.order(opening(1, 5))
    assert pipes.serve() is Exit.SEGMENT
    assert pipes.heard() == []
    assert pipes.path.read_bytes() == b"somebody's"
    said = capfd.readouterr().err
    assert re.fullmatch(rf"the segment {pipes.path} cannot be made, .*exists.*\n", said)


def test_orders_that_end_within_one(pipes: Pipes, capfd: pytest.CaptureFixture[str]) -> None:
    """The whole ones are stored; that the last one was cut is told by the status."""
    orders = opening(1, 5) + lines(1, 0, ANA)
    pipes.order(orders + lines(1, 1, BO)[:-1])
    pipes.end_orders()
    assert pipes.serve() is Exit.ORDERS
    assert pipes.heard() == [stored(1, 1, 1), taken(len(orders))]
    assert pipes.path.read_bytes() == record(5, 0, ANA)
    assert capfd.readouterr().err == "the orders ended within one\n"


def test_orders_that_are_none(pipes: Pipes, capfd: pytest.CaptureFixture[str]) -> None:
    """A bug of the parent's ends the writer; nothing of that group is stored."""
    pipes.order(opening(1, 5) + lines(1, 0, ANA) + pack(99, 1))
    assert pipes.serve() is Exit.ORDERS
    assert pipes.heard() == []
    assert pipes.path.read_bytes() == b""
    assert capfd.readouterr().err == "99 is no order\n"


def test_nobody_hears_the_answers(pipes: Pipes) -> None:
    """A parent that is gone cannot be answered: it is over, without a word."""
    pipes.hang_up()
    pipes.order(opening(1, 5) + lines(1, 0, ANA))
    assert pipes.serve() is Exit.ORDERS
    assert pipes.path.read_bytes() == record(5, 0, ANA)


def test_answers_larger_than_the_pipe(pipes: Pipes) -> None:
    """Answers that the parent reads slowly arrive whole."""
    many = 60
    thread = Thread(target=pipes.serve, daemon=True)
    opened = b"".join(opening(each, each) for each in range(1, many + 1))
    thread.start()
    pipes.order(opened)
    assert pipes.wait() == [taken(len(opened))]
    reader, answers, orders = PipeReader(), [], 0
    # Refusals, each of some 80 bytes, from orders of 19: more than 64 KiB in three groups.
    for start in range(0, 900, 300):
        data = b"".join(
            opening(each, each) + lines(each, 7, *[ANA] * 3)
            for each in range(start + 100, start + 400)
        )
        orders += len(data)
        pipes.order(data)
    os.set_blocking(pipes.up, True)
    while not answers or answers[-1] != taken(len(opened) + orders):
        answers += reader.feed(os.read(pipes.up, 1 << 20))
    assert sum(answer.kind == Answer.REFUSED for answer in answers) == 900
    pipes.end_orders()
    thread.join(30)
    assert not thread.is_alive()
