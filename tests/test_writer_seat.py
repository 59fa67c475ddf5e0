"""``lottery.writer.seat``: what a session says becomes orders; what it settles, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeChild, FakeWriterReactor, MemoryLog
from writer_rig import AGAIN, REFUSAL, Notes, again, closed, ended, held, refused, stored

from lottery.ledger.standing import Standing
from lottery.ops.figures import Figures
from lottery.writer.pipe import Order, PipeRecord
from lottery.writer.process import BUDGET_BYTES, Writer
from lottery.writer.seat import Seat, WriterClient

CRC = 0xABCDEF01
STANDING = Standing(9, CRC)
NONCE = bytes(range(32))


@pytest.fixture
def child() -> FakeChild:
    """The child of a new writer."""
    reactor = FakeWriterReactor()
    writer = Writer(reactor, Path("segment"), 30, Figures(), MemoryLog())
    return reactor.spawnProcess(writer, "x", childFDs={0: "w", 1: "r", 2: "r", 3: "r"})


def seat_at(
    child: FakeChild, client: WriterClient, agency: int = 5, standing: Standing = STANDING
) -> Seat:
    """A seat whose opening was seen."""
    writer = child.protocol
    assert isinstance(writer, Writer)
    seat = writer.seat(client, agency, standing)
    (opening,) = child.orders()
    body = agency.to_bytes(4, "big") + standing.crc.to_bytes(4, "big") + bytes([standing.classic])
    assert opening == PipeRecord(Order.OPEN, opening.session, standing.next_index, 0, body)
    return seat


def settling(seat: Seat) -> list[Standing]:
    """What is noted when the seat is settled: where its agency stands then."""
    notes: list[Standing] = []
    seat.when_settled(lambda: notes.append(seat.standing))
    return notes


def test_orders(child: FakeChild) -> None:
    """Each verb is one order, with the seat's number; what is in hand is counted."""
    first, second = seat_at(child, Notes()), seat_at(child, Notes(), 6)
    assert first.in_hand == 0
    first.batches(b"a,", 1)
    second.batches(b"rows", 1)
    first.end(None, b"")
    second.end(0, b"nonce")
    second.end(2**64 - 1, b"nonce")
    assert child.orders() == [
        PipeRecord(Order.BATCHES, 1, 0, 0, b"a,"),
        PipeRecord(Order.BATCHES, 2, 0, 0, b"rows"),
        PipeRecord(Order.END, 1, 0, 0, b""),
        PipeRecord(Order.END, 2, 0, 1, b"nonce"),
        PipeRecord(Order.END, 2, 2**64 - 1, 1, b"nonce"),
    ]
    assert first.in_hand == 2
    assert second.in_hand == 3
    assert first.ending
    assert second.ending


def test_a_classic_session_is_opened_as_one(child: FakeChild) -> None:
    """Its writer is told the dialect, for a classic batch can not be told to come again."""
    seat_at(child, Notes(), standing=Standing(classic=True))


def test_client_is_kept(child: FakeChild) -> None:
    """A seat knows whose it is."""
    client = Notes()
    seat = seat_at(child, client)
    assert (seat.client, seat.agency, seat.standing) == (client, 5, STANDING)


def test_full_and_wait(child: FakeChild) -> None:
    """A seat is full when its writer is; who waits is called when there is room."""
    client = Notes()
    seat = seat_at(child, client)
    assert not seat.full
    seat.batches(bytes(BUDGET_BYTES), 1)
    assert seat.full
    seat.wait()
    assert client.heard == []
    child.answer(child.done())
    assert client.heard == [("resume",)]
    assert not seat.full


def test_what_is_stored_moves_the_standing(child: FakeChild) -> None:
    """Next index and CRC are what the writer says; the END adds itself and its nonce."""
    client = Notes()
    seat = seat_at(child, client)
    seat.batches(b"rows", 1)
    seat.batches(b"rows", 1)
    seat.end(12, NONCE)
    child.answer(stored(1, 12, 2, 1, crc=7))
    assert seat.standing == Standing(12, 7)
    assert seat.in_hand == 1
    notes = settling(seat)
    child.answer(ended(1, 12))
    assert notes == [Standing(12, 7, ended=True, nonce=NONCE)]
    assert seat.in_hand == 0
    assert client.heard == [("stored", 12, 2), ("ended", 12)]


def test_leave(child: FakeChild) -> None:
    """The seat is kept until the writer has answered all of it: only then it is settled."""
    client = Notes()
    seat = seat_at(child, client)
    notes = settling(seat)
    seat.batches(b"rows", 1)
    seat.leave()
    assert child.orders()[1:] == [PipeRecord(Order.CLOSE, 1, 0, 0, b"")]
    assert notes == []
    child.answer(stored(1, 11, 2, crc=7))
    assert client.heard == [("stored", 11, 1)]
    assert notes == []
    child.answer(closed(1, 11, crc=7))
    assert notes == [Standing(11, 7)]
    assert settling(seat) == notes  # at once: it is settled already
    seat.leave()
    assert child.orders() == []


def test_a_refusal_settles(child: FakeChild) -> None:
    """For good: nothing more can come of what was handed on."""
    client = Notes()
    seat = seat_at(child, client)
    notes = settling(seat)
    seat.batches(b"rows", 1)
    seat.end(12, NONCE)
    child.answer(refused(1))
    assert client.heard == [("refused", REFUSAL)]
    assert seat.in_hand == 0
    assert notes == [STANDING]


def test_a_refusal_that_may_come_again_settles_nothing(child: FakeChild) -> None:
    """All that was handed on is dropped, an END too; the seat is used on."""
    client = Notes()
    seat = seat_at(child, client)
    notes = settling(seat)
    seat.batches(b"rows", 1)
    seat.end(12, NONCE)
    child.answer(again(1))
    assert client.heard == [("refused", AGAIN)]
    assert (seat.in_hand, seat.ending) == (0, False)
    assert notes == []
    seat.batches(b"rows", 1)
    assert seat.in_hand == 1
    child.answer(stored(1, 12, 3))
    assert seat.in_hand == 0


def test_a_batch_that_is_held_stays_in_hand(child: FakeChild) -> None:
    """It was not answered: it waits for room."""
    client = Notes()
    seat = seat_at(child, client, standing=Standing(classic=True))
    seat.batches(b"a,", 1)
    child.answer(held(1))
    assert client.heard == [("held",)]
    assert seat.in_hand == 1


def test_when_its_writer_dies_it_is_not_settled(child: FakeChild) -> None:
    """What was stored without a word is not known before the segment was looked at."""
    client = Notes()
    seat = seat_at(child, client)
    seat.batches(b"rows", 1)
    child.answer(stored(1, 12, 3, crc=7))
    seat.batches(b"rows", 1)
    notes = settling(seat)
    child.die()
    assert client.heard[1:] == [("lost", "its writer was ended by signal 9")]
    assert notes == []
    seat.settle(Standing(15, 8))
    assert notes == [Standing(15, 8)]


def test_settled_in_order_and_told_before(child: FakeChild) -> None:
    """Whoever waits comes in order, each once, and finds the session told."""
    client = Notes()
    seat = seat_at(child, client)
    order: list[object] = []
    seat.when_settled(lambda: order.append(list(client.heard)))
    seat.when_settled(lambda: seat.when_settled(lambda: order.append("within")))
    seat.when_settled(lambda: order.append("last"))
    seat.end(9, NONCE)
    child.answer(ended(1, 9))
    assert order == [[("ended", 9)], "within", "last"]
