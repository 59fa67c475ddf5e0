"""``lottery.central.answers``: what is owed to an agency, written as it reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from central_fakes import FakeTransport
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from lottery.central.answers import Acknowledgements, Delivery, Telling
from lottery.central.connection import Connection
from lottery.central.speech import CLASSIC, LOTTERY1
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.messages import Received


def ack(next_index: int, ended: int = 0) -> bytes:
    """An ACK, to the byte."""
    return bytes.fromhex(f"21 0009 {next_index:016x} {ended:02x}")


class Rig:
    """A transport whose peer reads when it is told to."""

    def __init__(self) -> None:
        clock = Clock()
        self.transport = FakeTransport(clock, Protocol(), None)
        self.connection = Connection(self.transport, clock, 5)

    def read(self) -> bytes:
        """What the peer gets by reading until nothing comes."""
        self.transport.stuck = False
        while self.transport.turn():
            pass
        data = bytes(self.transport.arrived)
        self.transport.arrived.clear()
        return data


def test_the_faces() -> None:
    """They are what a transport expects."""
    rig = Rig()
    verifyObject(IPushProducer, Acknowledgements(rig.connection, CLASSIC))
    verifyObject(IPullProducer, Telling(Rig().transport, iter([b"a"]), lambda: None, lambda: None))


def test_who_reads_gets_all_at_once() -> None:
    """Classic: a byte for each batch, nothing for the END; lottery/1: next index, END."""
    for speech, expected in (
        (CLASSIC, [b"\2\2\2", b"\2", b""]),
        (LOTTERY1, [ack(30), ack(40), ack(40, 1)]),
    ):
        rig = Rig()
        owed = Acknowledgements(rig.connection, speech)
        assert rig.transport.producer is owed
        owed.stored(3, 30)
        heard = [rig.read()]
        owed.stored(1, 40)
        heard.append(rig.read())
        owed.ended(40)
        heard.append(rig.read())
        assert heard == expected


def test_what_is_owed_is_kept_as_a_number() -> None:
    """While the agency does not read nothing is written; then all in one go, once."""
    for speech, expected in ((CLASSIC, b"\2" * 1500), (LOTTERY1, ack(1500, 1))):
        rig = Rig()
        owed = Acknowledgements(rig.connection, speech)
        owed.pauseProducing()
        for number in range(1, 1501):
            owed.stored(1, number)
        owed.ended(1500)
        assert rig.read() == b""
        owed.resumeProducing()
        assert rig.read() == expected
        owed.pauseProducing()
        owed.resumeProducing()
        assert rig.read() == b""


def test_a_refusal_stands_behind_what_is_owed() -> None:
    """It is owed like an acknowledgement, and nothing is said twice."""
    rig = Rig()
    owed = Acknowledgements(rig.connection, LOTTERY1)
    owed.refused(b"refused")
    assert rig.read() == b"refused"
    owed.pauseProducing()
    owed.stored(1, 5)
    owed.refused(b"again")
    assert rig.read() == b""
    owed.resumeProducing()
    assert rig.read() == ack(5) + b"again"
    owed.stored(1, 7)
    assert rig.read() == ack(7)


def test_a_refusal_is_written_at_the_end() -> None:
    """Whether it is read or not."""
    rig = Rig()
    owed = Acknowledgements(rig.connection, LOTTERY1)
    owed.pauseProducing()
    owed.refused(b"refused")
    rig.connection.write(b"".join(owed.rest()))
    assert rig.read() == b"refused"


def test_the_transport_holds_no_more_than_its_buffer() -> None:
    """However much is stored for an agency that reads nothing."""
    rig = Rig()
    rig.transport.stuck = True
    owed = Acknowledgements(rig.connection, CLASSIC)
    for number in range(1000):
        owed.stored(1000, number)
    assert len(rig.transport._unsent) == 66_000  # the first step beyond 65,536
    assert rig.read() == b"\2" * 1_000_000
    assert rig.read() == b""


def test_the_rest_is_what_is_owed() -> None:
    """Whether it is read or not; then the transport is free, and asking again is harmless."""
    rig = Rig()
    owed = Acknowledgements(rig.connection, LOTTERY1)
    owed.stored(1, 5)
    owed.pauseProducing()
    owed.stored(1, 7)
    rig.connection.write(b"".join(owed.rest()))
    assert rig.transport.producer is None
    rig.connection.write(b"".join(owed.rest()))
    assert rig.read() == ack(5) + ack(7)


def test_the_rest_says_nothing_twice() -> None:
    """What was written, also an END, is not owed any more."""
    rig = Rig()
    owed = Acknowledgements(rig.connection, LOTTERY1)
    owed.stored(1, 5)
    owed.ended(5)
    owed.pauseProducing()
    rig.connection.write(b"".join(owed.rest()))
    assert rig.read() == ack(5) + ack(5, 1)


def test_nothing_is_owed_to_who_is_gone() -> None:
    """A producer is told to stop when its transport is gone."""
    rig = Rig()
    rig.transport.peer_resets()
    rig.read()
    owed = Acknowledgements(rig.connection, CLASSIC)
    owed.stored(1, 1)
    rig.connection.write(b"".join(owed.rest()))
    assert rig.read() == b""


def test_millions_are_written_piece_by_piece() -> None:
    """Who sends empty batches and reads nothing is owed a number, and never has it as bytes."""
    rig = Rig()
    rig.transport.stuck = True
    owed = Acknowledgements(rig.connection, CLASSIC)
    owed.pauseProducing()
    owed.stored(10_000_000, 0)
    owed.refused(b"\xff")
    owed.resumeProducing()
    assert len(rig.transport._unsent) <= 2 * CLASSIC.most_at_once
    rest = owed.rest()
    assert len(next(rest)) == CLASSIC.most_at_once
    told = rig.read()
    assert (len(told) + CLASSIC.most_at_once + sum(map(len, rest)), told[:1]) == (10_000_001, b"\2")


def told(rig: Rig, words: list[bytes]) -> tuple[Telling, list[str]]:
    """Begin to tell, and note what the teller says of it."""
    notes: list[str] = []
    telling = Telling(
        rig.transport, iter(words), lambda: notes.append("moved"), lambda: notes.append("told")
    )
    return telling, notes


def test_telling_goes_as_the_peer_reads() -> None:
    """One message at a time, the next when the last one has left; at the end it says so."""
    rig = Rig()
    made: list[int] = []

    def words() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"%d" % number

    notes: list[str] = []
    rig.transport.stuck = True
    Telling(rig.transport, words(), lambda: notes.append("moved"), lambda: notes.append("told"))
    assert made == [0]
    rig.transport.turn()
    assert made == [0]
    rig.transport.stuck = False
    rig.transport.turn()
    assert made == [0, 1]
    assert rig.read() == b"012"
    assert notes == ["moved", "moved", "moved", "moved", "told"]
    assert rig.transport.producer is None


def test_telling_stops_when_the_agency_is_gone() -> None:
    """Nothing more is made, and nobody is told that all was said."""
    rig = Rig()
    rig.transport.stuck = True
    telling, notes = told(rig, [b"a", b"b"])
    rig.transport.peer_resets()
    rig.transport.turn()
    assert notes == ["moved"]
    assert rig.transport.producer is None
    assert list(telling._words) == []


def test_a_delivery_ends_once() -> None:
    """How it ended first is how it ended."""
    delivery = Delivery(3, 2)
    ends: list[str] = []
    delivery.done.addCallback(ends.append)
    delivery.finish("away")
    delivery.finish("")
    assert ends == ["away"]


@pytest.mark.parametrize(("draw", "total"), [(3, 1), (2, 2), (0, 0)])
def test_a_delivery_is_checked(draw: int, total: int) -> None:
    """An acknowledgement of something else is none."""
    delivery = Delivery(3, 2)
    delivery.check(Received(3, 2))
    with pytest.raises(RemoteProtocolError) as error:
        delivery.check(Received(draw, total))
    assert error.value.code is Code.TOTALS
    assert str(error.value) == (
        f"2 winners of draw 3 were told, {total} of draw {draw} are acknowledged"
    )
