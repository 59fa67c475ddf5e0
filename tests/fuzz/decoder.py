"""The decoder of frames: whatever the chunks, the same messages and the same error.

Behind it stand the encoders, which have to give back the bytes, and the table of states.
"""

from __future__ import annotations

from lottery.errors import LocalProtocolError, RemoteProtocolError
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder, Vocabulary
from lottery.wire.frames import HEADER_BYTES, PAYLOAD_LIMIT, payloads_of
from lottery.wire.messages import (
    Batch,
    ClassicBatch,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    End,
    Message,
    Refused,
)
from lottery.wire.states import Conversation, State

# What both ends say, in one stream: only so does a conversation come further than its HELLO.
_BOTH_WAYS = (
    Vocabulary(lottery1.DIALECT, {**lottery1.TO_CENTRAL.framed, **lottery1.TO_AGENCY.framed}),
    Vocabulary(
        classic.DIALECT,
        {**classic.TO_CENTRAL.framed, **classic.TO_AGENCY.framed},
        {**classic.TO_AGENCY.bare, **classic.TO_CENTRAL.bare},
    ),
)
_ENDS: tuple[tuple[Vocabulary, ...], ...] = (
    (lottery1.TO_CENTRAL, classic.TO_CENTRAL),
    (lottery1.TO_AGENCY,),
    (classic.TO_AGENCY,),
    _BOTH_WAYS,
)
_CLASSIC = (ClassicBatch, ClassicEnd, ClassicRefused, ClassicStored, ClassicWinners)

Outcome = tuple[list[Message], str, int]


def fuzz(data: bytes) -> None:
    """Take the first byte for who listens, the second for the size of chunks, the rest as sent.

    :raises AssertionError: if how it is cut makes a difference, the encoders say something else,
        or the two ends of a conversation do not agree.
    """
    if len(data) < 2:
        return
    vocabularies, size, stream = _ENDS[data[0] % len(_ENDS)], data[1] % 64 + 1, data[2:]
    chunks = [stream[place : place + size] for place in range(0, len(stream), size)]
    whole = _messages(vocabularies, [stream])
    assert _messages(vocabularies, chunks) == whole
    assert _messages(vocabularies, [stream], runs=True) == whole
    assert _messages(vocabularies, chunks, runs=True) == whole
    messages, error, unread = whole
    said = b"".join(map(_encode, messages))
    assert stream.startswith(said)
    assert error or len(said) + unread == len(stream)
    assert error or not _is_too_long(stream[len(said) :])
    _converse(messages)


def _messages(
    vocabularies: tuple[Vocabulary, ...], chunks: list[bytes], *, runs: bool = False
) -> Outcome:
    """The messages, the error behind them, and how many bytes are left over."""
    decoder, found = Decoder(*vocabularies), list[Message]()
    for chunk in chunks:
        decoder.receive(chunk)
        try:
            while True:
                if runs and (run := decoder.next_run()):
                    found += _of_run(vocabularies, *run)
                    continue
                message = decoder.next_message()
                if message is None:
                    break
                found.append(message)
        except RemoteProtocolError as error:
            assert error.sentence
            assert error.sentence.isprintable()
            return found, f"{error.code} {error.sentence}", 0
    return found, "", decoder.unread


def _of_run(vocabularies: tuple[Vocabulary, ...], frames: bytes, count: int) -> list[Message]:
    assert len(payloads_of(frames)) == count
    alone = Decoder(*vocabularies)
    alone.receive(frames)
    messages = [alone.next_message() for _ in range(count)]
    assert not alone.unread
    return [message for message in messages if message is not None]


def _is_too_long(begun: bytes) -> bool:
    """Whether a frame that has begun announces more than is taken: nobody waits for that."""
    if len(begun) < HEADER_BYTES:
        return False
    limit = classic.WINNERS_LIMIT if begun[0] == classic.WINNERS else PAYLOAD_LIMIT
    return int.from_bytes(begun[1:HEADER_BYTES], "big") > limit


def _encode(message: Message) -> bytes:
    if isinstance(message, _CLASSIC):
        return classic.encode(message)
    return lottery1.encode(message)


def _converse(messages: list[Message]) -> None:
    """Say them at one end and hear them at the other: both go on alike, or neither does.

    A batch or an END behind a refusal counts only at the index that the refusal has named.
    """
    hearing, saying, due = Conversation(), Conversation(), None
    for message in messages:
        before = hearing.state
        try:
            counts = hearing.heard(message)
        except RemoteProtocolError as error:
            assert error.sentence.isprintable()
            assert hearing.state is before
            try:
                saying.said(message)
            except LocalProtocolError:
                assert saying.state is before
                return
            raise AssertionError(f"{message} may be said and not heard") from error
        assert before is not State.OVER
        saying.said(message)
        assert saying.state is hearing.state
        assert counts or hearing.state is before is State.REFUSED
        if isinstance(message, Refused):
            due = message.expected
        elif due is not None and isinstance(message, Batch | End):
            index = message.first if isinstance(message, Batch) else message.total
            assert counts is (index == due)
            due = None if counts else due
