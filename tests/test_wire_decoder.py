"""The decoder: whatever the chunks, the same messages, and errors that stay."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_bytes import (
    AT_AGENCY,
    AT_CENTRAL,
    AT_CLASSIC_AGENCY,
    BAD,
    CLASSIC_TO_AGENCY,
    CLASSIC_TO_CENTRAL,
    HEARD,
    HELLO,
    LOTTERY1_TO_AGENCY,
    LOTTERY1_TO_CENTRAL,
    Bad,
    Case,
)

from lottery.errors import Code, RemoteProtocolError
from lottery.wire.decoder import Decoder, Vocabulary
from lottery.wire.frames import HEADER_BYTES, PAYLOAD_LIMIT, frame
from lottery.wire.messages import ClassicBatch, ClassicEnd, Hello, Message

Listening = tuple[Vocabulary, ...]
Outcome = tuple[list[Message], tuple[Code, str] | None, int]

every_good_case = pytest.mark.parametrize(
    ("case", "vocabularies"), HEARD, ids=[case.name for case, _ in HEARD]
)
every_bad_case = pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])


def single_bytes(data: bytes) -> Iterator[bytes]:
    """Cut data into pieces of one byte."""
    return (data[i : i + 1] for i in range(len(data)))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut data at these places; a place named twice gives an empty piece."""
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def outcome(vocabularies: Listening, chunks: Iterable[bytes]) -> Outcome:
    """Decode everything; give the messages, the error if any, and what is unread."""
    decoder = Decoder(*vocabularies)
    messages: list[Message] = []
    for chunk in chunks:
        decoder.receive(chunk)
        try:
            while (message := decoder.next_message()) is not None:
                messages.append(message)
        except RemoteProtocolError as error:
            return messages, (error.code, error.sentence), 0
    return messages, None, decoder.unread


@every_good_case
def test_whole_frame(case: Case, vocabularies: Listening) -> None:
    """A frame that comes in one piece is one message, and nothing is left."""
    decoder = Decoder(*vocabularies)
    decoder.receive(case.data)

    assert decoder.next_message() == case.message
    assert decoder.next_message() is None
    assert decoder.unread == 0


@every_good_case
def test_byte_by_byte(case: Case, vocabularies: Listening) -> None:
    """There is no message before the last byte of its frame, and one with it."""
    decoder = Decoder(*vocabularies)
    for count, byte in enumerate(single_bytes(case.data[:-1]), 1):
        decoder.receive(byte)

        assert decoder.next_message() is None
        assert decoder.unread == count
    decoder.receive(case.data[-1:])

    assert decoder.next_message() == case.message
    assert decoder.unread == 0


@every_good_case
def test_trailing_bytes_stay_unread(case: Case, vocabularies: Listening) -> None:
    """A message takes its own bytes; what follows waits, and is the next message."""
    decoder = Decoder(*vocabularies)
    decoder.receive(case.data + case.data)

    assert decoder.next_message() == case.message
    assert decoder.unread == len(case.data)
    assert decoder.next_message() == case.message
    assert decoder.unread == 0


@every_good_case
def test_trailing_nonsense_does_not_harm(case: Case, vocabularies: Listening) -> None:
    """Bytes that begin no frame are an error only after the message before them."""
    decoder = Decoder(*vocabularies)
    decoder.receive(case.data + b"\x00")

    assert decoder.next_message() == case.message
    assert decoder.unread == 1
    with pytest.raises(RemoteProtocolError, match="0x00 begins no frame"):
        decoder.next_message()


def listening(bad: Bad) -> tuple[Decoder, int]:
    """Give a decoder that has taken the good bytes before the bad ones."""
    decoder = Decoder(*bad.vocabularies)
    decoder.receive(bad.before)
    messages = 0
    while decoder.next_message() is not None:
        messages += 1
    return decoder, messages


@every_bad_case
def test_bad_bytes_whole(bad: Bad) -> None:
    """Bad bytes give their code and a sentence, also with more bytes behind them."""
    for behind in (b"", b"\x00" * 100):
        decoder, messages = listening(bad)
        decoder.receive(bad.data + behind)
        with pytest.raises(RemoteProtocolError) as caught:
            decoder.next_message()

        assert messages == bool(bad.before)
        assert caught.value.code is bad.code
        assert bad.sentence in caught.value.sentence


@every_bad_case
def test_bad_bytes_one_by_one(bad: Bad) -> None:
    """The error comes with the last of the bad bytes: not later, and not sooner."""
    decoder, _ = listening(bad)
    for byte in single_bytes(bad.data[:-1]):
        decoder.receive(byte)

        assert decoder.next_message() is None
    decoder.receive(bad.data[-1:])
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.next_message()

    assert caught.value.code is bad.code
    assert bad.sentence in caught.value.sentence


@every_bad_case
def test_an_error_stays(bad: Bad) -> None:
    """After an error there is only this error, whatever comes, and nothing is kept."""
    decoder, _ = listening(bad)
    decoder.receive(bad.data)
    with pytest.raises(RemoteProtocolError) as first:
        decoder.next_message()
    depths = []
    for _ in range(3):
        decoder.receive(bad.before or b"\x01\x00\x00")
        with pytest.raises(RemoteProtocolError) as again:
            decoder.next_message()
        depths.append(len(traceback.extract_tb(again.value.__traceback__)))

        assert again.value is first.value
        assert decoder.unread == 0
    assert len(set(depths)) == 1


@pytest.mark.parametrize("vocabularies", [AT_CENTRAL, AT_AGENCY, AT_CLASSIC_AGENCY])
def test_nothing_said_is_no_message(vocabularies: Listening) -> None:
    """Without any bytes, or with an empty piece, there is nothing to tell."""
    decoder = Decoder(*vocabularies)

    assert decoder.next_message() is None
    decoder.receive(b"")
    assert decoder.next_message() is None
    assert decoder.dialect is None
    assert decoder.unread == 0


@pytest.mark.parametrize(
    ("first", "dialect"), [("01", "classic"), ("ff", "classic"), ("10", "lottery/1")]
)
def test_the_first_byte_decides_the_dialect(first: str, dialect: str) -> None:
    """As soon as the first frame begins, its dialect is known."""
    decoder = Decoder(*AT_CENTRAL)
    decoder.receive(bytes.fromhex(first))
    decoder.next_message()

    assert decoder.dialect == dialect


def test_no_dialect_in_nonsense() -> None:
    """Bytes of neither dialect leave it open which one to answer in."""
    decoder = Decoder(*AT_CENTRAL)
    decoder.receive(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match=r"of classic nor of lottery/1$"):
        decoder.next_message()

    assert decoder.dialect is None


@pytest.mark.parametrize(
    ("before", "kinds"), [(HELLO, (0x01, 0xFF)), ("010000", range(0x10, 0x14))]
)
def test_the_dialect_stays(before: str, kinds: Iterable[int]) -> None:
    """Every type byte of the other dialect is nonsense once the first frame was read."""
    for kind in kinds:
        decoder = Decoder(*AT_CENTRAL)
        decoder.receive(bytes.fromhex(before) + bytes((kind, 0, 0)))

        assert decoder.next_message() is not None
        with pytest.raises(RemoteProtocolError) as caught:
            decoder.next_message()
        assert caught.value.code is Code.PROTO


@pytest.mark.parametrize("length", [PAYLOAD_LIMIT + 1, 0xFFFF])
@pytest.mark.parametrize("kind", [0x01, 0x10])
def test_size_is_refused_before_any_payload(kind: int, length: int) -> None:
    """The header alone is enough to refuse a frame that is too long."""
    decoder = Decoder(*AT_CENTRAL)
    decoder.receive(bytes((kind,)) + length.to_bytes(2, "big"))
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.next_message()

    assert caught.value.code is Code.SIZE
    assert caught.value.sentence == f"a frame announces {length} bytes, at most 8192 are taken"


@pytest.mark.parametrize("kind", [0x01, 0x10])
def test_the_longest_frame_is_waited_for(kind: int) -> None:
    """A frame of exactly the limit is no error while it is under way."""
    decoder = Decoder(*AT_CENTRAL)
    decoder.receive(bytes((kind, 0x20, 0x00)) + bytes(PAYLOAD_LIMIT - 1))

    assert decoder.next_message() is None
    assert decoder.unread == HEADER_BYTES + PAYLOAD_LIMIT - 1


def test_messages_before_an_error_are_given() -> None:
    """What was said well before the nonsense is heard."""
    decoder = Decoder(*AT_CENTRAL)
    decoder.receive(bytes.fromhex("01 0001 61 ff 00"))

    assert decoder.next_message() == ClassicBatch(b"a")
    assert decoder.next_message() == ClassicEnd()
    with pytest.raises(RemoteProtocolError):
        decoder.next_message()


def test_a_limit_of_its_own() -> None:
    """A vocabulary may take longer payloads, and a parser may refuse one."""

    def refuse(payload: bytes) -> Message:
        raise RemoteProtocolError(Code.BATCH, f"not {len(payload)} bytes")

    vocabulary = Vocabulary("test", {7: refuse}, payload_limit=0xFFFF)

    assert outcome((vocabulary,), [b"\x07\xff\xff", bytes(0xFFFF)])[1] == (
        Code.BATCH,
        "not 65535 bytes",
    )
    assert vocabulary.knows(7)
    assert not vocabulary.knows(8)


def test_frame() -> None:
    """A frame is its type, its length in two bytes, the high one first, and its payload."""
    assert frame(0x10, b"") == b"\x10\x00\x00"
    assert frame(0xFF, b"a" * 258) == b"\xff\x01\x02" + b"a" * 258


def conversations(
    listening_for: Listening, *alphabets: tuple[Case, ...]
) -> st.SearchStrategy[tuple[Listening, list[Case]]]:
    """Sequences of frames of one dialect in one direction."""
    return st.tuples(
        st.just(listening_for),
        st.sampled_from(alphabets).flatmap(
            lambda alphabet: st.lists(st.sampled_from(alphabet), max_size=12)
        ),
    )


sequences = st.one_of(
    conversations(AT_CENTRAL, CLASSIC_TO_CENTRAL, LOTTERY1_TO_CENTRAL),
    conversations(AT_CLASSIC_AGENCY, CLASSIC_TO_AGENCY),
    conversations(AT_AGENCY, LOTTERY1_TO_AGENCY),
)
places = st.lists(st.integers(0, 400) | st.integers(0, 70_000), max_size=12)

# Bytes that go beyond the first type byte now and then: headers that announce what follows.
framelike = st.builds(
    lambda kind, payload: bytes((kind,)) + len(payload).to_bytes(2, "big") + payload,
    st.sampled_from([0x01, 0x03, *range(0x10, 0x14), *range(0x20, 0x25)]),
    st.binary(max_size=48) | st.sampled_from([9, 10, 12, 13, 17, 22, 24, 40]).map(bytes),
)
bare = st.sampled_from([b"\x02", b"\xff", bytes.fromhex(HELLO)])
noise = st.lists(framelike | bare | st.binary(max_size=8), max_size=8).map(b"".join)


@given(sequences, places)
def test_any_chunking_gives_the_same_messages(
    sequence: tuple[Listening, list[Case]], at: list[int]
) -> None:
    """A valid sequence gives its messages in order, wherever the network cuts it."""
    vocabularies, cases = sequence
    data = b"".join(case.data for case in cases)

    assert outcome(vocabularies, cut(data, at)) == ([case.message for case in cases], None, 0)


@given(st.sampled_from([AT_CENTRAL, AT_CLASSIC_AGENCY, AT_AGENCY]), noise, places)
def test_random_bytes(vocabularies: Listening, data: bytes, at: list[int]) -> None:
    """Random bytes give messages, then nothing or a protocol error, in every chunking alike."""
    whole = outcome(vocabularies, [data])

    assert outcome(vocabularies, cut(data, at)) == whole
    assert outcome(vocabularies, single_bytes(data)) == whole


@given(st.sampled_from([AT_CENTRAL, AT_AGENCY]), sequences, st.binary(max_size=4), places)
def test_bytes_changed_on_the_way(
    vocabularies: Listening,
    sequence: tuple[Listening, list[Case]],
    dirt: bytes,
    at: list[int],
) -> None:
    """Good frames with dirt between their bytes end in every chunking alike."""
    data = b"".join(case.data for case in sequence[1])
    middle = at[0] % (len(data) + 1) if at else 0
    data = data[:middle] + dirt + data[middle:]

    assert outcome(vocabularies, cut(data, at)) == outcome(vocabularies, [data])


def test_hello_is_heard_among_the_table() -> None:
    """The bytes used as a greeting in these tests are one."""
    assert outcome(AT_CENTRAL, [bytes.fromhex(HELLO)]) == ([Hello(3, 0, 0)], None, 0)
