"""The decoder of frames: whatever the chunks, the same messages and the same error."""

from __future__ import annotations

from lottery.errors import RemoteProtocolError
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder, Vocabulary
from lottery.wire.frames import payloads_of
from lottery.wire.messages import Message
from lottery.wire.states import Conversation

_TO_CENTRAL = (lottery1.TO_CENTRAL, classic.TO_CENTRAL)
_ENDS: tuple[tuple[Vocabulary, ...], ...] = (_TO_CENTRAL, (lottery1.TO_AGENCY,))

Outcome = tuple[list[Message], str, int]


def fuzz(data: bytes) -> None:
    """Take the first byte for who listens, the second for the size of chunks, the rest as sent.

    :raises AssertionError: if how it is cut makes a difference.
    """
    if len(data) < 2:
        return
    vocabularies, size, stream = _ENDS[data[0] % 2], data[1] % 64 + 1, data[2:]
    chunks = [stream[place : place + size] for place in range(0, len(stream), size)]
    whole = _messages(vocabularies, [stream])
    assert _messages(vocabularies, chunks) == whole
    assert _messages(vocabularies, [stream], runs=True) == whole
    assert _messages(vocabularies, chunks, runs=True) == whole
    _converse(whole[0])


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


def _converse(messages: list[Message]) -> None:
    """Hear them in turn; what may not be said is an error with a sentence, and nothing else."""
    conversation = Conversation()
    for message in messages:
        try:
            conversation.heard(message)
        except RemoteProtocolError as error:
            assert error.sentence
            return
