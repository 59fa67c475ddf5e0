"""``lottery.central.receiver``: bytes of a peer in, messages out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from central_fakes import NONCE, FakeTransport, batch, bets, classic_batch
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from lottery.central.patience import Patience
from lottery.central.receiver import MessageReceiver
from lottery.central.speech import CLASSIC, LOTTERY1
from lottery.errors import Code, LocalProtocolError, RemoteProtocolError
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.frames import RUN_BYTES
from lottery.wire.messages import (
    ClassicEnd,
    DrawState,
    End,
    Hello,
    Message,
    Refused,
    Welcome,
)
from lottery.wire.states import State

SILENCE, FRAME = 60.0, 45.0
WELCOME = Welcome(1, DrawState.OPEN, False, 0, 0, 8192, 60)
ROWS = bets(1, 4)


class Notes(MessageReceiver):
    """A receiver that takes notes.

    :ivar heard: the messages.
    :ivar failures: why it was said to be over.
    :ivar silences: how often it was silent for too long.
    :ivar hears: whether it takes the next message.
    :ivar turn: whether it is the peer's turn.
    :ivar runs: how many bytes of batches it takes at once.
    :ivar when_heard: what it does about a message.
    """

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.failures: list[tuple[Code, str]] = []
        self.silences = 0
        self.hears = self.turn = True
        self.runs = RUN_BYTES
        self.when_heard: Callable[[Message], None] = lambda message: None

    def messageReceived(self, message: Message) -> None:
        self.heard.append(message)
        self.when_heard(message)

    def batchesReceived(self, frames: bytes, count: int) -> None:
        """Note them one by one, as if they had come so."""
        decoder = Decoder(lottery1.TO_CENTRAL, classic.TO_CENTRAL)
        decoder.receive(frames)
        messages = [decoder.next_message() for _ in range(count)]
        assert not decoder.unread
        for message in messages:
            assert message is not None
            self.messageReceived(message)

    def room(self) -> int:
        return self.runs if self.hears and not self.failures else 0

    def is_peers_turn(self) -> bool:
        return self.turn

    def is_hearing(self) -> bool:
        return self.hears

    def silent(self) -> None:
        self.silences += 1

    def fail(self, code: Code, sentence: str, *, may_return: bool = False) -> None:
        self.failures.append((code, sentence))


def receiver(clock: Clock | None = None, silence: float = SILENCE) -> Notes:
    """One that listens."""
    clock = clock or Clock()
    notes = Notes()
    notes.makeConnection(FakeTransport(clock, notes, IPv4Address("TCP", "10.0.0.7", 4711)))
    notes.begin(clock, silence, Patience(hello=5, frame=FRAME, close=5))
    return notes


def greeted() -> Notes:
    """One that has welcomed an agency of lottery/1."""
    notes = receiver()
    notes.dataReceived(lottery1.encode(Hello(1)))
    notes.words(WELCOME)
    notes.heard.clear()
    return notes


def test_nothing_yet() -> None:
    """A peer that has said nothing sensible is spoken to in lottery/1."""
    notes = receiver()
    assert notes.speech is LOTTERY1
    assert notes.state is State.NEW
    assert not notes.said_something
    assert not notes.within_frame


@pytest.mark.parametrize("dialect", [lottery1.DIALECT, classic.DIALECT])
@given(cuts=st.lists(st.integers(1, 40), max_size=20))
def test_however_it_is_cut(dialect: str, cuts: list[int]) -> None:
    """The same messages come out."""
    words: list[Message]
    if dialect == classic.DIALECT:
        words = [classic_batch(ROWS[:2]), classic_batch([]), ClassicEnd()]
        stream = b"".join(map(classic.encode, words))
        notes = receiver()
    else:
        words = [batch(ROWS[:2]), batch(ROWS[2:], 2), End(4, NONCE)]
        stream = b"".join(map(lottery1.encode, words))
        notes = greeted()
    for cut in cuts:
        notes.dataReceived(stream[:cut])
        stream = stream[cut:]
    notes.dataReceived(stream)
    assert notes.heard == words
    assert notes.failures == []
    assert notes.speech.dialect == dialect
    assert notes.said_something
    assert not notes.within_frame


def test_what_may_not_be_heard_waits() -> None:
    """And is taken when it may, in order; in the middle of it, it may stop again."""
    notes = greeted()
    words = [batch(ROWS[:1]), batch(ROWS[1:2], 1), batch(ROWS[2:3], 2)]

    def stop(message: Message) -> None:
        notes.hears = False

    notes.when_heard, notes.runs = stop, 1
    for word in words:
        notes.dataReceived(lottery1.encode(word))
    assert notes.heard == words[:1]
    notes.proceed()
    assert notes.heard == words[:1]
    for count in (2, 3):
        notes.hears = True
        notes.proceed()
        assert notes.heard == words[:count]


def test_nonsense() -> None:
    """It is over, and nothing behind it is heard."""
    notes = receiver()
    notes.dataReceived(b"\0" + lottery1.encode(Hello(1)))
    assert notes.failures == [(Code.PROTO, "0x00 begins no frame of lottery/1 nor of classic")]
    assert notes.heard == []


def test_a_message_at_the_wrong_time() -> None:
    """It changes nothing but that it is over."""
    notes = greeted()
    notes.dataReceived(lottery1.encode(Hello(1)))
    ((code, sentence),) = notes.failures
    assert code is Code.STATE
    assert sentence == "Hello may not be said when the agency sends batches"
    assert notes.state is State.WELCOME


def test_a_message_that_is_no_good() -> None:
    """Whoever takes it says why."""

    def refuse(message: Message) -> None:
        raise RemoteProtocolError(Code.FULL, "no place is free")

    notes = receiver()
    notes.when_heard = refuse
    notes.dataReceived(lottery1.encode(Hello(1)))
    assert notes.failures == [(Code.FULL, "no place is free")]


def test_what_crosses_a_refusal_is_not_heard() -> None:
    """What was sent before the refusal was read is dropped, an END too."""
    notes = greeted()
    notes.words(Refused(Code.STORAGE, True, 1, 0, 0, "no room"))
    stale = [batch(ROWS[2:], 2), End(4, NONCE), batch(ROWS[:1])]
    again = [batch(ROWS[1:2], 1), batch(ROWS[2:], 2)]
    for word in [*stale, *again]:
        notes.dataReceived(lottery1.encode(word))
    assert notes.heard == again
    assert notes.failures == []


def test_whoever_leaves_hears_nothing() -> None:
    """What still comes is thrown away, not kept."""
    notes = greeted()
    notes._connection.leave()
    notes.dataReceived(lottery1.encode(batch(ROWS)))
    assert notes.heard == []
    assert not notes.within_frame


def test_within_a_frame() -> None:
    """From its first byte to its last but one."""
    notes = greeted()
    frame = lottery1.encode(batch(ROWS))
    for cut in range(1, len(frame)):
        notes.dataReceived(frame[cut - 1 : cut])
        assert notes.within_frame
    notes.dataReceived(frame[-1:])
    assert not notes.within_frame


def test_words_are_said_in_the_peers_dialect() -> None:
    """And only those that may be said now: another one would be our mistake."""
    notes = receiver()
    notes.dataReceived(classic.encode(classic_batch(ROWS)))
    assert notes.speech is CLASSIC
    assert notes.words(CLASSIC.error(Code.TIMEOUT, "late")) == b"\xff"
    assert notes.state is State.OVER
    with pytest.raises(LocalProtocolError):
        notes.words(CLASSIC.error(Code.TIMEOUT, "late"))


def test_silence() -> None:
    """A whole message begins the time anew, a trickle of bytes does not."""
    clock = Clock()
    notes = receiver(clock)
    hello, frame = lottery1.encode(Hello(1)), lottery1.encode(batch(ROWS))
    clock.advance(SILENCE - 1)
    notes.dataReceived(hello)
    notes.words(WELCOME)
    clock.advance(SILENCE - 1)
    notes.dataReceived(frame[:-1])
    assert notes.silences == 0
    clock.advance(1)
    assert notes.silences == 1


def test_no_silence_in_our_own_turn() -> None:
    """However long that takes; and without a limit there is none."""
    clock = Clock()
    notes = receiver(clock)
    notes.turn = False
    for _ in range(10):
        clock.advance(SILENCE)
    assert notes.silences == 0
    clock = Clock()
    notes = receiver(clock, silence=0.0)
    clock.pump([FRAME] * 100)
    assert (notes.silences, notes.failures) == (0, [])


def test_a_trickle_of_bytes() -> None:
    """A frame has its time, from its first byte on, however steadily it trickles."""
    clock = Clock()
    notes = receiver(clock, silence=0)
    clock.advance(FRAME - 1)
    notes.dataReceived(b"\x10")
    for byte in b"\x00\x11\x01\x00":
        clock.advance((FRAME - 1) / 4)
        notes.dataReceived(bytes((byte,)))
    assert notes.failures == []
    clock.advance(1)
    assert notes.failures == [(Code.TIMEOUT, "a frame took longer than 45 s")]


def test_the_next_frame_has_a_time_of_its_own() -> None:
    """It begins where the one before ends, be it in one segment."""
    clock = Clock()
    notes = receiver(clock, silence=0)
    notes.dataReceived(lottery1.encode(Hello(1))[:5])
    clock.advance(FRAME - 1)
    notes.dataReceived(lottery1.encode(Hello(1))[5:] + b"\x11")
    clock.advance(FRAME - 1)
    assert notes.failures == []
    clock.advance(1)
    assert [code for code, _ in notes.failures] == [Code.TIMEOUT]


def test_it_is_made_of_seven_answers() -> None:
    """Whoever builds on it has to give them."""
    assert MessageReceiver.__abstractmethods__ == {
        "messageReceived",
        "batchesReceived",
        "room",
        "is_peers_turn",
        "is_hearing",
        "silent",
        "fail",
    }
    with pytest.raises(TypeError, match="abstract"):
        MessageReceiver()  # type: ignore[abstract]
