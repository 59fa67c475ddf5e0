"""``lottery.writer.desk``: what a writer wants to store, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import pytest
from fakes import TODAY
from hypothesis import given
from hypothesis import strategies as st
from writer_orders import (
    ANA,
    BAD,
    BO,
    EVE,
    again,
    batches,
    classic,
    classic_end,
    classic_opening,
    close,
    closed,
    crc_of_rows,
    end,
    end_record,
    ended,
    held,
    lines,
    opening,
    record,
    refused,
    stored,
)

from lottery.errors import Code
from lottery.ledger.entry import Entry
from lottery.ledger.segment import Kind, Records
from lottery.wire import classic as classic_dialect
from lottery.wire.frames import HEADER_BYTES as FRAME_HEADER_BYTES
from lottery.wire.lottery1 import encode
from lottery.wire.messages import Batch, ClassicBatch
from lottery.writer.child import GROUP_BYTES, NO_ROOM
from lottery.writer.desk import Desk
from lottery.writer.pipe import (
    Answer,
    PipeReader,
    PipeRecord,
    Refusal,
    pack,
    refusal_of,
    stored_of,
)


def asked(desk: Desk, *orders: bytes, flushed: int = 0) -> tuple[bytes, list[PipeRecord]]:
    """Let a desk take a group: what it wants to have stored, and its answers."""
    entries, answers = desk.take(PipeReader().feed(b"".join(orders)), TODAY)
    records = b"".join(entry.packed(flushed) for entry in entries)
    return records, PipeReader().feed(answers)


def without_room(desk: Desk, *orders: bytes) -> list[PipeRecord]:
    """Let a desk take a group for which there is no room: its answers."""
    records, _ = asked(desk, *orders)
    assert records, "nothing is to be stored, so room is no question"
    return PipeReader().feed(desk.no_room(NO_ROOM))


def refusal(desk: Desk, *orders: bytes) -> Refusal:
    """Let a desk take a group that it refuses, and nothing else."""
    records, (answer,) = asked(desk, *orders)
    assert records == b""
    assert answer.kind == Answer.REFUSED
    return refusal_of(answer)


# Batches.


def test_one_batch() -> None:
    """Rows get their agency in front; the answer has next index, CRC and the batch's size."""
    records, answers = asked(Desk(), opening(1, 5), lines(1, 0, ANA, EVE))
    assert records == record(5, 0, ANA, EVE)
    assert records[40:] == "5,Ana,Gil,1,2000-01-01,7\n5,Evë,Ñu,3,1900-01-01,0\n".encode()
    assert answers == [stored(1, 2, crc_of_rows(ANA, EVE), 2)]


def test_batches_of_one_session_are_answered_together() -> None:
    """Each batch is a record of its own, one answer has the sizes of all, in order."""
    before = crc_of_rows(EVE)
    records, answers = asked(
        Desk(), opening(1, 5, 10, before), lines(1, 10, ANA), lines(1, 11, BO, EVE), flushed=77
    )
    assert records == record(5, 10, ANA, flushed=77) + record(5, 11, BO, EVE, flushed=77)
    assert answers == [stored(1, 13, crc_of_rows(EVE, ANA, BO, EVE), 1, 2)]


def test_answers_of_a_group_hold_only_that_group() -> None:
    """What one group has answered the next one does not answer again; the CRC runs on."""
    desk = Desk()
    assert asked(desk, opening(1, 5), lines(1, 0, ANA))[1] == [stored(1, 1, crc_of_rows(ANA), 1)]
    assert asked(desk, lines(1, 1, BO, EVE))[1] == [stored(1, 3, crc_of_rows(ANA, BO, EVE), 2)]
    assert asked(desk) == (b"", [])


def test_group_of_several_sessions() -> None:
    """Sessions are apart, in either dialect; records stand in the order of the orders."""
    records, answers = asked(
        Desk(),
        opening(1, 5),
        classic_opening(2, 0),
        lines(1, 0, ANA),
        classic(2, BO, EVE),
        lines(1, 1, BO),
    )
    assert records == record(5, 0, ANA) + record(0, 0, BO, EVE, classic=True) + record(5, 1, BO)
    assert answers == [stored(1, 2, crc_of_rows(ANA, BO), 1, 1), stored(2, 2, 0, 2)]


def test_empty_classic_batch() -> None:
    """It is acknowledged like any other, and stores nothing."""
    records, answers = asked(Desk(), classic_opening(1, 5), classic(1), classic(1, ANA), classic(1))
    assert records == record(5, 0, ANA, classic=True)
    assert answers == [stored(1, 1, 0, 0, 1, 0)]


def test_very_many_empty_batches() -> None:
    """As many as fit a group are counted without an overflow."""
    many = GROUP_BYTES // FRAME_HEADER_BYTES
    records, answers = asked(Desk(), classic_opening(1, 5), batches(1, b"\1\0\0" * many))
    assert records == b""
    assert answers == [stored(1, 0, 0, *[0] * many)]


# Ends.


def test_end_with_the_right_total() -> None:
    """An END is a record with the total and the agency's bytes, answered last."""
    records, answers = asked(
        Desk(), opening(1, 5), opening(2, 6), lines(1, 0, ANA), end(1, 1), lines(2, 0, BO)
    )
    assert records == record(5, 0, ANA) + end_record(5, 1) + record(6, 0, BO)
    assert answers == [
        stored(1, 1, crc_of_rows(ANA), 1),
        stored(2, 1, crc_of_rows(BO), 1),
        ended(1, 1),
    ]


def test_end_of_an_agency_without_bets() -> None:
    """An agency may have nothing to say but that."""
    records, answers = asked(Desk(), opening(1, 5), end(1, 0, b""))
    assert records == end_record(5, 0, b"")
    assert answers == [ended(1, 0)]


def test_classic_end_announces_nothing() -> None:
    """It takes what is stored as the total."""
    records, answers = asked(
        Desk(), classic_opening(1, 5), classic(1, ANA, BO), classic_end(1), flushed=9
    )
    assert records == (
        record(5, 0, ANA, BO, flushed=9, classic=True)
        + end_record(5, 2, b"", flushed=9, classic=True)
    )
    assert answers == [stored(1, 2, 0, 2), ended(1, 2)]


@pytest.mark.parametrize("total", [0, 1, 3, 2**64 - 1])
def test_end_with_another_total(total: int) -> None:
    """An END that announces other bets than are stored is refused, and not stored."""
    desk = Desk()
    asked(desk, opening(1, 5), lines(1, 0, ANA, BO))
    assert refusal(desk, end(1, total), end(1, 2)) == Refusal(
        Code.TOTALS, False, 2, 0, 0, f"{total} bets are announced, 2 are stored", 0
    )


def test_nothing_follows_an_end() -> None:
    """What a session hands on behind its END is dropped, and its CLOSE is not answered."""
    desk = Desk()
    asked(desk, opening(1, 5), end(1, 0))
    assert asked(desk, lines(1, 0, ANA), end(1, 0), close(1)) == (b"", [])


# Refusals for good.


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
    refused = refusal(desk, lines(1, 7, ANA, BAD, EVE))
    assert refused[:5] == (Code.FIELD, False, 7, 2, 3)
    assert "15" in refused.sentence
    assert refused.bets == 3


def test_count_that_is_wrong() -> None:
    """A batch whose header announces other rows than it has is refused."""
    batch = encode(Batch(0, 3, f"{ANA}\n{BO}\n".encode()))
    refused = refusal(Desk(), opening(1, 5), batches(1, batch))
    assert refused[:5] == (Code.BATCH, False, 0, 0, 0)
    assert refused.bets == 2


def test_bad_classic_batch() -> None:
    """The classic dialect has the same rules."""
    bad = classic(1, ANA, "Bo,Paz,2,1999-12-31,10000")
    refused = refusal(Desk(), classic_opening(1, 5), bad)
    assert refused[:5] == (Code.FIELD, False, 0, 2, 5)


def test_day_is_given() -> None:
    """Who is born on the given day is taken, who is born after it is not."""
    tomorrow = TODAY.replace(day=TODAY.day + 1)
    born = lines(1, 0, f"Ana,Gil,1,{tomorrow},7")
    assert refusal(Desk(), opening(1, 5), born).field == 4
    orders = PipeReader().feed(opening(1, 5) + born)
    (entry,), _ = Desk().take(orders, tomorrow)
    assert entry.packed(0) == record(5, 0, f"Ana,Gil,1,{tomorrow},7")


def test_refusal_drops_what_follows_of_that_session_only() -> None:
    """No hole can arise: behind a refused batch none is stored, whatever its index."""
    records, answers = asked(
        Desk(),
        opening(1, 5),
        opening(2, 6),
        lines(1, 0, ANA),
        lines(1, 9, BO),
        lines(1, 1, BO),
        end(1, 1),
        lines(2, 0, EVE),
    )
    assert records == record(5, 0, ANA) + record(6, 0, EVE)
    assert answers[:2] == [stored(1, 1, crc_of_rows(ANA), 1), stored(2, 1, crc_of_rows(EVE), 1)]
    assert len(answers) == 3
    assert refusal_of(answers[2]).code is Code.SEQ
    assert answers[2].place == 1


def test_refused_session_stays_refused() -> None:
    """Also in later groups nothing of it is taken; another session may take the agency up."""
    desk = Desk()
    refusal(desk, opening(1, 5), lines(1, 1, ANA))
    assert asked(desk, lines(1, 0, ANA), close(1)) == (b"", [])
    answers = asked(desk, opening(2, 5), lines(2, 0, ANA))[1]
    assert answers == [stored(2, 1, crc_of_rows(ANA), 1)]


# Closing.


def test_close_keeps_what_stands_before_it() -> None:
    """What a session had handed on before it left is stored and answered, nothing behind it."""
    records, answers = asked(Desk(), opening(1, 5), lines(1, 0, ANA), close(1), lines(1, 1, BO))
    assert records == record(5, 0, ANA)
    crc = crc_of_rows(ANA)
    assert answers == [stored(1, 1, crc, 1), closed(1, 1, crc)]


@pytest.mark.parametrize(
    ("order", "answer"),
    [
        (opening(1, 5, 7, 0xABCD), closed(1, 7, 0xABCD)),
        (classic_opening(1, 5, 7), closed(1, 7, 0)),
    ],
)
def test_close_of_a_session_that_handed_on_nothing(order: bytes, answer: PipeRecord) -> None:
    """Its agency stands where it stood; nothing has to be stored for that."""
    assert asked(Desk(), order, close(1)) == (b"", [answer])


def test_close_is_answered_once() -> None:
    """There is nothing to be closed any more."""
    desk = Desk()
    assert asked(desk, opening(1, 5), close(1), close(1)) == (b"", [closed(1, 0)])
    assert asked(desk, close(1)) == (b"", [])


def test_close_of_a_session_that_ended_in_the_same_group() -> None:
    """The last word on it is that it has ended, or was refused."""
    answers = asked(Desk(), opening(1, 5), end(1, 0), close(1))[1]
    assert answers == [ended(1, 0)]
    assert refusal(Desk(), opening(1, 5), lines(1, 0, BAD), close(1)).code is Code.FIELD


# What is no order.


def test_unknown_session_is_dropped() -> None:
    """An order of a session that never began is not stored under any agency."""
    assert asked(Desk(), lines(1, 0, ANA), end(1, 0), close(1)) == (b"", [])


@pytest.mark.parametrize("kind", [0, 6, 11, 255])
def test_what_is_no_order(kind: int) -> None:
    """It is a bug of the parent's, and said so."""
    with pytest.raises(ValueError, match=f"{kind} is no order of session 1"):
        asked(Desk(), opening(1, 5), pack(kind, 1))


@pytest.mark.parametrize(
    "orders", [(opening(1, 5), classic(1, ANA)), (classic_opening(1, 5), lines(1, 0, ANA))]
)
def test_batch_of_the_other_dialect(orders: tuple[bytes, bytes]) -> None:
    """So is one that does not fit how the session began."""
    with pytest.raises(ValueError, match="none of the dialect of agency 5"):
        asked(Desk(), *orders)


# No room: lottery/1.


def test_no_room_refuses_once() -> None:
    """All of a session's batches and its END are refused with one answer, to come again."""
    desk = Desk()
    answers = without_room(desk, opening(1, 5, 7), lines(1, 7, ANA), lines(1, 8, BO), end(1, 9))
    assert answers == [again(1, 7)]
    assert not desk.holds
    assert desk.held_bytes == 0


def test_no_room_for_an_end_alone() -> None:
    """It is refused like a batch, and comes again."""
    desk = Desk()
    asked(desk, opening(1, 5), lines(1, 0, ANA))
    assert without_room(desk, end(1, 1)) == [again(1, 1)]
    assert asked(desk, end(1, 1)) == (end_record(5, 1), [ended(1, 1)])


def test_what_was_sent_before_the_refusal_was_read_is_dropped() -> None:
    """Until the expected index comes again nothing is stored, refused or answered."""
    desk = Desk()
    without_room(desk, opening(1, 5), lines(1, 0, ANA, BO), lines(1, 2, BO))
    assert asked(desk, lines(1, 3, EVE), lines(1, 1, BO), end(1, 4)) == (b"", [])
    records, answers = asked(desk, lines(1, 9, BAD), lines(1, 0, ANA, BO), lines(1, 2, EVE))
    assert records == record(5, 0, ANA, BO) + record(5, 2, EVE)
    assert answers == [stored(1, 3, crc_of_rows(ANA, BO, EVE), 2, 1)]


def test_expected_end_takes_up_again_too() -> None:
    """An agency whose END was refused has no batch to send again."""
    desk = Desk()
    asked(desk, opening(1, 5), lines(1, 0, ANA))
    without_room(desk, lines(1, 1, BO), end(1, 2))
    assert asked(desk, end(1, 2)) == (b"", [])
    assert asked(desk, end(1, 1)) == (end_record(5, 1), [ended(1, 1)])


def test_no_room_twice() -> None:
    """Who has sent again is refused again, once; who has not is told nothing more."""
    desk = Desk()
    start = (opening(1, 5), opening(2, 6), lines(1, 0, ANA), lines(2, 0, BO))
    assert without_room(desk, *start) == [again(1, 0), again(2, 0)]
    sent = (lines(1, 1, BO), lines(2, 0, BO), lines(2, 1, EVE))
    assert without_room(desk, *sent) == [again(2, 0)]
    records, answers = asked(desk, lines(1, 0, ANA), lines(2, 1, EVE), lines(2, 0, BO))
    assert records == record(5, 0, ANA) + record(6, 0, BO)
    assert answers == [stored(1, 1, crc_of_rows(ANA), 1), stored(2, 1, crc_of_rows(BO), 1)]


def test_after_it_has_come_again_the_order_is_strict_again() -> None:
    """A batch that is out of its place then is refused for good."""
    desk = Desk()
    without_room(desk, opening(1, 5), lines(1, 0, ANA))
    asked(desk, lines(1, 0, ANA))
    assert refusal(desk, lines(1, 2, BO)).code is Code.SEQ


def test_bad_row_is_judged_when_it_comes_again() -> None:
    """In a group without room it is not answered: who knows what will come in its place."""
    desk = Desk()
    assert without_room(desk, opening(1, 5), lines(1, 0, ANA), lines(1, 1, BAD)) == [again(1, 0)]
    records, answers = asked(desk, lines(1, 0, ANA), lines(1, 1, BAD))
    assert records == record(5, 0, ANA)
    assert answers[0] == stored(1, 1, crc_of_rows(ANA), 1)
    assert refusal_of(answers[1])[:5] == (Code.FIELD, False, 1, 1, 3)


def test_what_needs_no_room_is_answered() -> None:
    """A group with nothing to store is as ever: the disk is not asked."""
    desk = Desk()
    without_room(desk, opening(1, 5), lines(1, 0, ANA))
    assert refusal(desk, lines(1, 0, BAD)).code is Code.FIELD


def test_sessions_of_a_group_without_room_live_on() -> None:
    """An opening in it holds; who ended or was closed before it is gone."""
    desk = Desk()
    asked(desk, opening(1, 5), end(1, 0), opening(4, 8), close(4))
    orders = (opening(2, 6), opening(3, 7), lines(1, 0, ANA), lines(2, 0, ANA))
    assert without_room(desk, *orders) == [again(2, 0)]
    orders = (lines(1, 0, ANA), lines(3, 0, BO), lines(4, 0, ANA), close(1), close(4))
    records, answers = asked(desk, *orders)
    assert records == record(7, 0, BO)
    assert answers == [stored(3, 1, crc_of_rows(BO), 1)]


# No room: classic.


def test_no_room_holds() -> None:
    """A classic session cannot be told to send again: its orders are kept, and tried again."""
    desk = Desk()
    orders = classic(1, ANA) + classic(1) + classic_end(1)
    assert without_room(desk, classic_opening(1, 5), orders) == [held(1)]
    assert desk.holds
    assert desk.held_bytes == len(orders)
    records, answers = asked(desk)
    assert records == record(5, 0, ANA, classic=True) + end_record(5, 1, b"", classic=True)
    assert answers == [stored(1, 1, 0, 1, 0), ended(1, 1)]
    assert not desk.holds
    assert desk.held_bytes == 0


def test_held_once() -> None:
    """It is said when a session begins to be held, not at every try; later it may begin again."""
    desk = Desk()
    assert without_room(desk, classic_opening(1, 5), classic(1, ANA)) == [held(1)]
    assert without_room(desk) == []
    orders = (classic_opening(2, 6), classic(1, BO), classic(2, EVE))
    assert without_room(desk, *orders) == [held(2)]
    assert desk.held_bytes == len(classic(1, ANA) + classic(1, BO) + classic(2, EVE))
    records, answers = asked(desk, classic(2, ANA))
    assert records == b"".join(
        record(agency, first, row, classic=True)
        for agency, first, row in [(5, 0, ANA), (5, 1, BO), (6, 0, EVE), (6, 1, ANA)]
    )
    assert answers == [stored(1, 2, 0, 1, 1), stored(2, 2, 0, 1, 1)]
    assert without_room(desk, classic(1, EVE)) == [held(1)]


def test_held_with_others() -> None:
    """Held orders and those of others stand together; each session is told in its own way."""
    desk = Desk()
    start = (opening(1, 5), classic_opening(2, 6), classic(2, ANA), lines(1, 0, ANA))
    assert without_room(desk, *start) == [held(2), again(1, 0)]
    assert without_room(desk, lines(1, 0, ANA)) == [again(1, 0)]
    records, answers = asked(desk, lines(1, 0, ANA), classic(2, BO))
    assert records == (
        record(6, 0, ANA, classic=True) + record(5, 0, ANA) + record(6, 1, BO, classic=True)
    )
    assert answers == [stored(2, 2, 0, 1, 1), stored(1, 1, crc_of_rows(ANA), 1)]


def test_bad_row_is_held_too() -> None:
    """It is judged when what stands before it is stored."""
    desk = Desk()
    orders = (classic_opening(1, 5), classic(1, ANA), classic(1, BAD), classic_end(1))
    assert without_room(desk, *orders) == [held(1)]
    records, answers = asked(desk)
    assert records == record(5, 0, ANA, classic=True)
    assert answers[0] == stored(1, 1, 0, 1)
    assert refusal_of(answers[1])[:5] == (Code.FIELD, False, 1, 1, 3)
    assert asked(desk) == (b"", [])


# No room, and closing.


def test_close_in_a_group_without_room() -> None:
    """It is honoured: what came before it is refused or dropped, the rest is as it was."""
    desk = Desk()
    asked(desk, opening(1, 5), classic_opening(2, 6), opening(3, 7, 4, 99))
    asked(desk, lines(1, 0, ANA), classic(2, ANA))
    orders = (lines(1, 1, BO), classic(2, BO), close(1), close(2), close(3), lines(1, 2, EVE))
    crc = crc_of_rows(ANA)
    assert without_room(desk, *orders) == [
        again(1, 1),
        held(2),
        closed(1, 1, crc),
        closed(2, 1, 0),
        closed(3, 4, 99),
    ]
    assert not desk.holds
    assert asked(desk, lines(1, 1, BO), classic(2, BO), close(1), close(2), close(3)) == (b"", [])


@pytest.mark.parametrize("last", [end(1, 1), lines(1, 1, BAD)])
def test_close_behind_a_last_word_that_was_not_said(last: bytes) -> None:
    """An END or a bad row that does not count has not ended the session: the CLOSE does."""
    desk = Desk()
    orders = (opening(1, 5), lines(1, 0, ANA), last, close(1))
    assert without_room(desk, *orders) == [again(1, 0), closed(1, 0)]


def test_close_of_a_session_that_was_refused() -> None:
    """It is answered with where its agency stands, whether or not it has sent again."""
    desk = Desk()
    without_room(desk, opening(1, 5, 3, 7), lines(1, 3, ANA))
    assert asked(desk, lines(1, 4, BO), close(1)) == (b"", [closed(1, 3, 7)])


def test_close_drops_what_is_held() -> None:
    """Also if there is room by then: nothing of it is stored, nor what came with the CLOSE.

    Of a session that is not held, what comes with its CLOSE is stored as ever.
    """
    desk = Desk()
    start = (classic_opening(1, 5), classic_opening(2, 6), classic(1, ANA), classic(2, ANA))
    asked(desk, *start)
    assert without_room(desk, classic(1, BO), classic(2, BO)) == [held(1), held(2)]
    closing = (classic(1, EVE), classic_end(1), close(1))
    other = (classic_opening(3, 7), classic(3, ANA), close(3))
    records, answers = asked(desk, classic(2, EVE), *closing, *other)
    assert records == b"".join(
        record(agency, first, row, classic=True)
        for agency, first, row in [(6, 1, BO), (6, 2, EVE), (7, 0, ANA)]
    )
    assert answers == [stored(2, 3, 0, 1, 1), stored(3, 1, 0, 1), closed(1, 1), closed(3, 1)]
    assert not desk.holds


def test_close_of_a_held_session_without_room() -> None:
    """What was held for it is free at once; the others stay held."""
    desk = Desk()
    start = (classic_opening(1, 5), classic_opening(2, 6), classic(1, ANA), classic(2, BO))
    without_room(desk, *start)
    assert without_room(desk, close(1)) == [closed(1, 0)]
    assert desk.held_bytes == len(classic(2, BO))


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
    asked(desk, *(opening(each, 10 + each) for each in (1, 2, 3)))
    together, answered, start = b"", [0, 0, 0, 0], 0
    for cut in [*sorted(cuts), len(orders)]:
        entries, answers = desk.take(orders[start:cut], TODAY)
        together += b"".join(entry.packed(0) for entry in entries)
        for answer in PipeReader().feed(answers):
            crc, batches = stored_of(answer)
            answered[answer.session] += batches
            rows = answered[answer.session]
            assert (answer.place, crc) == (rows, crc_of_rows(*[ANA] * rows))
        start = max(start, cut)
    found = [(each.agency - 10, each.first) for each in Records(together)]
    assert [session for session, _ in found] == sessions
    assert answered[1:] == list(following.values())


# Who may not store.

NEWER = (Code.TAKEN, "a newer session of agency 5 has come")
OUT = (Code.LEFT_OUT, "agency 6 has no part in the draw any more")


def refuse(
    desk: Desk, **why: tuple[Code, str]
) -> tuple[list[PipeRecord], list[Entry], list[PipeRecord]]:
    """Let a desk hear that sessions, as ``a5_1``, may not store: its answers, and what is left."""
    whom = {}
    for name, reason in why.items():
        agency, session = name[1:].split("_")
        whom[int(agency), int(session)] = reason
    refusals, entries, answers = desk.refuse(whom, TODAY)
    return PipeReader().feed(refusals), entries, PipeReader().feed(answers)


def test_a_session_that_may_not_store() -> None:
    """It has its last word; the others are stored as if it had not been there."""
    desk = Desk()
    asked(
        desk,
        opening(1, 5, latest=1),
        opening(2, 6, latest=4),
        lines(1, 0, ANA),
        lines(2, 0, BO),
        lines(1, 1, BO),
        end(1, 2),
    )
    refusals, entries, answers = refuse(desk, a5_1=NEWER)
    assert refusals == [refused(1, *NEWER)]
    assert [(each.agency, each.session, each.first) for each in entries] == [(6, 4, 0)]
    assert answers == [stored(2, 1, crc_of_rows(BO), 1)]
    assert asked(desk, lines(1, 0, ANA), close(1), lines(2, 1, ANA)) == (
        record(6, 1, ANA),
        [stored(2, 2, crc_of_rows(BO, ANA), 1)],
    )


def test_expected_of_one_that_may_not_store() -> None:
    """Where it stood before the group: nothing of that is stored."""
    desk = Desk()
    asked(desk, opening(1, 5, 7, latest=1), lines(1, 7, ANA, BO))
    asked(desk, lines(1, 9, ANA))
    refusals, entries, answers = refuse(desk, a5_1=NEWER)
    assert refusals == [refused(1, *NEWER, 9)]
    assert (entries, answers) == ([], [])


def test_an_older_session_of_the_same_agency() -> None:
    """Only that one is refused."""
    desk = Desk()
    asked(
        desk,
        opening(1, 5, latest=1),
        opening(2, 5, latest=2),
        lines(1, 0, ANA),
        lines(2, 0, BO),
    )
    refusals, entries, answers = refuse(desk, a5_1=NEWER)
    assert refusals == [refused(1, *NEWER)]
    assert [(each.session, each.body) for each in entries] == [(2, f"5,{BO}\n".encode())]
    assert answers == [stored(2, 1, crc_of_rows(BO), 1)]


@pytest.mark.parametrize(
    "last", [close(1), end(1, 1), lines(1, 1, BAD), lines(1, 1, ANA) + close(1)]
)
def test_one_last_word_of_a_session_that_may_not_store(last: bytes) -> None:
    """Whatever it has asked for besides: it is refused, and nothing else is said of it."""
    desk = Desk()
    asked(desk, opening(1, 5, latest=1), lines(1, 0, ANA), last)
    assert refuse(desk, a5_1=NEWER) == ([refused(1, *NEWER)], [], [])
    assert asked(desk, lines(1, 0, ANA), close(1)) == (b"", [])


def test_what_is_held_of_one_that_may_not_store() -> None:
    """It is dropped; what is held of others is stored."""
    desk = Desk()
    start = (classic_opening(1, 5, latest=1), classic_opening(2, 6, latest=1))
    without_room(desk, *start, classic(1, ANA), classic(2, BO))
    asked(desk, classic(1, BO), classic(2, EVE))
    refusals, entries, answers = refuse(desk, a5_1=NEWER)
    assert refusals == [refused(1, *NEWER)]
    assert [(each.agency, each.first) for each in entries] == [(6, 0), (6, 1)]
    assert answers == [stored(2, 2, 0, 1, 1)]
    assert desk.held_bytes == 0
    assert not desk.holds


def test_no_room_behind_a_refusal() -> None:
    """The rest of the group waits in its own way; the refused one is out."""
    desk = Desk()
    start = (
        opening(1, 5, latest=1),
        classic_opening(2, 6, latest=1),
        opening(3, 7, latest=1),
    )
    asked(desk, *start, lines(1, 0, ANA), classic(2, BO), lines(3, 0, EVE))
    refuse(desk, a5_1=NEWER)
    assert PipeReader().feed(desk.no_room(NO_ROOM)) == [held(2), again(3, 0)]
    assert desk.held_bytes == len(classic(2, BO))
    assert asked(desk, lines(3, 0, EVE)) == (
        record(6, 0, BO, classic=True) + record(7, 0, EVE),
        [stored(2, 1, 0, 1), stored(3, 1, crc_of_rows(EVE), 1)],
    )


def test_one_refusal_behind_the_other() -> None:
    """Each takes the whole group back, and those before stay refused."""
    desk = Desk()
    start = (opening(1, 5, latest=1), opening(2, 6, latest=1), opening(3, 7, latest=1))
    asked(desk, *start, lines(1, 0, ANA), lines(2, 0, BO), lines(3, 0, EVE), close(3))
    refuse(desk, a5_1=NEWER)
    refusals, entries, answers = refuse(desk, a6_1=OUT)
    assert refusals == [refused(2, *OUT)]
    assert [each.agency for each in entries] == [7]
    assert answers == [stored(3, 1, crc_of_rows(EVE), 1), closed(3, 1, crc_of_rows(EVE))]


def test_refused_all() -> None:
    """Nothing is left to be stored."""
    desk = Desk()
    asked(desk, opening(1, 5, latest=1), opening(2, 6, latest=1), end(1, 0), end(2, 0))
    refusals, entries, answers = refuse(desk, a5_1=NEWER, a6_1=OUT)
    assert refusals == [refused(1, *NEWER), refused(2, *OUT)]
    assert (entries, answers) == ([], [])


class Talk:
    """Sessions that say what they may say, some of one agency; even ones speak classic.

    :ivar over: those that have had their last word.
    """

    def __init__(self) -> None:
        self._next = dict.fromkeys(range(1, 7), 0)
        self._sent: set[int] = set()
        self.over: set[int] = set()

    @staticmethod
    def whose(session: int) -> tuple[int, int]:
        """Its agency, and which session of that it is."""
        return 10 + (session - 1) % 4, session

    def order(self, session: int, what: int) -> list[PipeRecord]:
        """Give its next orders: a batch of so many bets, or something else."""
        agency, latest = self.whose(session)
        in_classic = session % 2 == 0
        orders = b""
        if session not in self._sent:
            self._sent.add(session)
            begin = classic_opening if in_classic else opening
            orders = begin(session, agency, latest=latest)
        first = self._next[session]
        if what == 0:
            orders += classic_end(session) if in_classic else end(session, first)
        elif what < 0:
            orders += close(session) if what == -1 else b""
            if what == -2:
                orders += classic(session, BAD) if in_classic else lines(session, first, BAD)
        else:
            rows = [ANA] * (what % 4)
            orders += classic(session, *rows) if in_classic else lines(session, first, *rows)
            self._next[session] = first + len(rows)
        return PipeReader().feed(orders)

    def hear(self, answers: bytes) -> list[PipeRecord]:
        """Take answers; a session whose last word was said has to be told nothing more."""
        records = PipeReader().feed(answers)
        for each in records:
            assert each.session not in self.over, each
            if each.kind == Answer.REFUSED and refusal_of(each).again:
                self._next[each.session] = each.place
            elif each.kind in (Answer.REFUSED, Answer.ENDED, Answer.CLOSED):
                self.over.add(each.session)
        return records


def without(desk: Desk, sessions: set[int]) -> Desk:
    """The same desk, but it has never heard of some sessions."""
    other = deepcopy(desk)
    for session in sessions:
        other._uploads.pop(session, None)
    other._held = [order for order in other._held if order.session not in sessions]
    return other


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 6), st.integers(-2, 7)), max_size=10),
            st.lists(st.sets(st.integers(1, 6), min_size=1, max_size=3), max_size=2),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_a_refusal_changes_nothing_for_others(
    rounds: Sequence[tuple[list[tuple[int, int]], list[set[int]], bool]],
) -> None:
    """Entries and answers are those of a desk that does not know who is refused.

    Each of these has one last word, and what is held of it is dropped.
    """
    desk, talk, known = Desk(), Talk(), set[int]()
    stored_bets = dict.fromkeys(range(1, 7), 0)
    for said, refusals, room in rounds:
        orders = [order for session, what in said for order in talk.order(session, what)]
        known |= {session for session, _ in said}
        twin = deepcopy(desk)
        entries, answers = desk.take(orders, TODAY)
        gone: set[int] = set()
        for some in refusals:
            if not entries:
                break
            entitled = {(each.agency, each.session) for each in entries}
            why = {talk.whose(each): NEWER for each in some if talk.whose(each) in entitled}
            if not why:
                continue
            told, entries, answers = desk.refuse(why, TODAY)
            heard = talk.hear(told)
            assert [each.kind for each in heard] == [Answer.REFUSED] * len(why)
            assert {talk.whose(each.session) for each in heard} == set(why)
            assert not any(refusal_of(each).again for each in heard)
            gone |= {each.session for each in heard}
        twin = without(twin, gone)
        others = [order for order in orders if order.session not in gone]
        assert twin.take(others, TODAY) == (entries, answers)
        if entries and not room:
            answers = desk.no_room(NO_ROOM)
            assert twin.no_room(NO_ROOM) == answers
        else:
            for entry in entries:
                if entry.kind == Kind.ROWS:
                    assert entry.first == stored_bets[entry.session]
                    stored_bets[entry.session] += entry.bets
        assert desk.held_bytes == twin.held_bytes
        assert desk._uploads.keys() == twin._uploads.keys()
        assert desk._uploads.keys() == known - talk.over - {
            each.session
            for each in PipeReader().feed(answers)
            if each.kind in (Answer.ENDED, Answer.CLOSED)
            or (each.kind == Answer.REFUSED and not refusal_of(each).again)
        }
        talk.hear(answers)


# Runs.


@pytest.mark.parametrize("dialect", ["lottery/1", "classic"])
def test_common_batches_make_one_record(dialect: str) -> None:
    """As many as there are in an order; each is answered for all the same."""
    if dialect == "classic":
        opened, sent = classic_opening(1, 5), classic_frames([ANA], [BO, EVE], [ANA])
    else:
        opened, sent = opening(1, 5), lines_frames(0, [ANA], [BO, EVE], [ANA])
    found = asked(Desk(), opened, batches(1, *sent))
    crc = 0 if dialect == "classic" else crc_of_rows(ANA, BO, EVE, ANA)
    rows = (ANA, BO, EVE, ANA)
    assert found == (
        record(5, 0, *rows, classic=dialect == "classic"),
        [stored(1, 4, crc, 1, 2, 1)],
    )


@pytest.mark.parametrize("dialect", ["lottery/1", "classic"])
@pytest.mark.parametrize("bad", ["a row", "half a row", "not UTF-8"])
def test_a_bad_batch_in_a_run(dialect: str, bad: str) -> None:
    """Those before it are stored, it is refused, and what follows is dropped."""
    classic_one = dialect == "classic"
    good = classic_frames([ANA], [BO]) if classic_one else lines_frames(0, [ANA], [BO])
    text = {"a row": f"{BAD}?", "half a row": "Eve,Gil", "not UTF-8": f"\udcff{EVE}?"}[bad]
    body = text.replace("?", "," if classic_one else "\n").encode(errors="surrogateescape")
    message = ClassicBatch(body) if classic_one else Batch(2, 1, body)
    say = classic_dialect.encode if classic_one else encode
    later = classic_frames([ANA]) if classic_one else lines_frames(3, [ANA])
    opened = (classic_opening if classic_one else opening)(1, 5)
    records, answers = asked(Desk(), opened, batches(1, *good, say(message), *later))
    assert records == (
        record(5, 0, ANA, classic=classic_one) + record(5, 1, BO, classic=classic_one)
    )
    first, second = answers
    crc = 0 if classic_one else crc_of_rows(ANA, BO)
    assert first == stored(1, 2, crc, 1, 1)
    assert (second.kind, second.place) == (Answer.REFUSED, 2)


def test_half_rows_of_two_batches_are_no_row() -> None:
    """What only together makes rows is refused, though the bytes would be right."""
    whole = f"{ANA},{BO},".encode()
    for cut in range(1, len(whole)):
        if whole[:cut].decode() == f"{ANA},":
            continue
        parts = [classic_dialect.encode(ClassicBatch(each)) for each in (whole[:cut], whole[cut:])]
        _, answers = asked(Desk(), classic_opening(1, 5), batches(1, *parts))
        assert answers[-1].kind == Answer.REFUSED, cut
    text = f"{ANA}\n{BO}\n".encode()
    for cut in range(1, len(text)):
        if text[:cut].decode() == f"{ANA}\n":
            continue
        parts = [
            encode(Batch(0, text[:cut].count(b"\n"), text[:cut])),
            encode(Batch(text[:cut].count(b"\n"), text[cut:].count(b"\n"), text[cut:])),
        ]
        _, answers = asked(Desk(), opening(1, 5), batches(1, *parts))
        assert answers[-1].kind == Answer.REFUSED, cut


def classic_frames(*parts: list[str]) -> list[bytes]:
    """Batches of the classic dialect."""
    texts = ("".join(f"{row}," for row in rows).encode() for rows in parts)
    return [classic_dialect.encode(ClassicBatch(text)) for text in texts]


def lines_frames(first: int, *parts: list[str]) -> list[bytes]:
    """Batches of lottery/1 that follow each other."""
    found = []
    for rows in parts:
        text = "".join(f"{row}\n" for row in rows).encode()
        found.append(encode(Batch(first, len(rows), text)))
        first += len(rows)
    return found
