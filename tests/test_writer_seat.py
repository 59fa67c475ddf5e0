"""``lottery.writer.seat``: what a session says becomes orders of its number."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeChild, FakeWriterReactor, MemoryLog
from writer_rig import Notes

from lottery.writer.pipe import Order, PipeRecord
from lottery.writer.process import BUDGET_BYTES, Writer
from lottery.writer.seat import Seat, WriterClient


@pytest.fixture
def child() -> FakeChild:
    """The child of a new writer."""
    reactor = FakeWriterReactor()
    writer = Writer(reactor, Path("segment"), 30, MemoryLog())
    return reactor.spawnProcess(writer, "x", childFDs={0: "w", 1: "r", 2: "r", 3: "r"})


def seat_at(child: FakeChild, client: WriterClient, agency: int = 5) -> Seat:
    """A seat whose opening was seen."""
    writer = child.protocol
    assert isinstance(writer, Writer)
    seat = writer.seat(client, agency, 9)
    (opening,) = child.orders()
    assert opening == PipeRecord(Order.OPEN, opening.session, 9, 0, agency.to_bytes(4, "big"))
    return seat


def test_orders(child: FakeChild) -> None:
    """Each verb is one order, with the seat's number; what is in hand is counted."""
    first, second = seat_at(child, Notes()), seat_at(child, Notes(), 6)
    assert first.in_hand == 0
    first.classic(b"a,")
    second.rows(9, 2, b"rows")
    first.end(None, b"")
    second.end(0, b"nonce")
    second.end(2**64 - 1, b"nonce")
    assert child.orders() == [
        PipeRecord(Order.CLASSIC, 1, 0, 0, b"a,"),
        PipeRecord(Order.ROWS, 2, 9, 2, b"rows"),
        PipeRecord(Order.END, 1, 0, 0, b""),
        PipeRecord(Order.END, 2, 0, 1, b"nonce"),
        PipeRecord(Order.END, 2, 2**64 - 1, 1, b"nonce"),
    ]
    assert first.in_hand == 2
    assert second.in_hand == 3


def test_client_is_kept(child: FakeChild) -> None:
    """A seat knows whose it is."""
    client = Notes()
    assert seat_at(child, client).client is client


def test_full_and_wait(child: FakeChild) -> None:
    """A seat is full when its writer is; who waits is called when there is room."""
    client = Notes()
    seat = seat_at(child, client)
    assert not seat.full
    seat.classic(bytes(BUDGET_BYTES))
    assert seat.full
    seat.wait()
    assert client.heard == []
    child.answer(child.taken())
    assert client.heard == [("resume",)]
    assert not seat.full


def test_leave(child: FakeChild) -> None:
    """The writer is told once, and the session is told nothing any more."""
    client = Notes()
    seat = seat_at(child, client)
    seat.leave()
    seat.leave()
    assert child.orders() == [PipeRecord(Order.CLOSE, 1, 0, 0, b"")]
    child.die()
    assert client.heard == []
