"""lottery/1: its bytes, from the table, and what it cannot say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_bytes import (
    AT_AGENCY,
    BAD,
    CLASSIC,
    LOTTERY1,
    LOTTERY1_TO_AGENCY,
    LOTTERY1_TO_CENTRAL,
    U16,
    U32,
    U64,
    Bad,
    Case,
)

from lottery.errors import Code, LocalProtocolError, RemoteProtocolError
from lottery.wire import lottery1
from lottery.wire.decoder import HEADER_BYTES, PAYLOAD_LIMIT, Decoder, Vocabulary
from lottery.wire.messages import (
    Ack,
    Batch,
    DrawState,
    End,
    Error,
    Hello,
    Message,
    Received,
    Refused,
    Welcome,
    Winners,
)

u8, u16, u32, u64 = (st.integers(0, top) for top in (0xFF, U16, U32, U64))
codes = st.sampled_from(Code)
sentences = st.text(st.characters(codec="utf-8"), max_size=80)
rows = st.binary(max_size=300)

to_central: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, u32, u32, u64),
    st.builds(Batch, u64, u16, rows),
    st.builds(End, u64, st.binary(min_size=32, max_size=32)),
    st.builds(Received, u32, u64),
)
to_agency: st.SearchStrategy[Message] = st.one_of(
    st.builds(Welcome, u32, st.sampled_from(DrawState), st.booleans(), u64, u32, u16, u32),
    st.builds(Ack, u64, st.booleans()),
    st.builds(Refused, codes, st.booleans(), u64, u16, u8, sentences),
    st.builds(Winners, u32, st.integers(0, 9999), u64, u64, rows),
    st.builds(Error, codes, sentences),
)


def decoded(vocabulary: Vocabulary, data: bytes) -> list[Message]:
    """Give all the messages in these bytes."""
    decoder = Decoder(vocabulary)
    decoder.receive(data)
    messages: list[Message] = []
    while (message := decoder.next_message()) is not None:
        messages.append(message)
    assert decoder.unread == 0
    return messages


@pytest.mark.parametrize("case", LOTTERY1, ids=[case.name for case in LOTTERY1])
def test_encode(case: Case) -> None:
    """Every message of the dialect has exactly the bytes of the table."""
    assert lottery1.encode(case.message) == case.data


@pytest.mark.parametrize(
    ("vocabulary", "cases"),
    [(lottery1.TO_CENTRAL, LOTTERY1_TO_CENTRAL), (lottery1.TO_AGENCY, LOTTERY1_TO_AGENCY)],
    ids=["to the central", "to the agency"],
)
def test_decode(vocabulary: Vocabulary, cases: tuple[Case, ...]) -> None:
    """The frames of the table, one behind the other, are its messages in order."""
    data = b"".join(case.data for case in cases)

    assert decoded(vocabulary, data) == [case.message for case in cases]


def test_parsed_values_have_their_types() -> None:
    """A state, a code and a flag come as what they are, not as numbers that equal them."""
    welcome, _, refused = decoded(
        lottery1.TO_AGENCY,
        bytes.fromhex(
            "20 0018 00000001 01 01 0000000000000000 00000000 2000 0000003c"
            "21 0009 0000000000000000 00"
            "22 000d 0b 01 0000000000000064 0000 00"
        ),
    )

    assert isinstance(welcome, Welcome)
    assert welcome.state is DrawState.OPEN
    assert welcome.ended is True
    assert isinstance(refused, Refused)
    assert refused.code is Code.STORAGE
    assert refused.again is True


@pytest.mark.parametrize(
    "bad",
    [bad for bad in BAD if lottery1.TO_AGENCY in bad.vocabularies or bad.before],
    ids=lambda bad: bad.name,
)
def test_bad_payloads(bad: Bad) -> None:
    """What is no payload of its frame is the peer's fault."""
    decoder = Decoder(*bad.vocabularies)
    decoder.receive(bad.before + bad.data)
    with pytest.raises(RemoteProtocolError) as caught:
        list(iter(decoder.next_message, None))

    assert caught.value.code is bad.code


def test_another_version_is_told_which_one_is_spoken() -> None:
    """A HELLO of another version, whatever its length, hears which version to use."""
    for payload in (b"\x02", b"\x02" + bytes(16), b"\x02" + bytes(100)):
        with pytest.raises(RemoteProtocolError) as caught:
            lottery1.TO_CENTRAL.framed[lottery1.HELLO](payload)

        assert caught.value.code is Code.PROTO
        assert caught.value.sentence == "version 2 is not spoken here, only version 1"


@given(st.lists(to_central))
def test_round_trip_to_the_central(messages: list[Message]) -> None:
    """What is encoded for the central is decoded to the same messages."""
    data = b"".join(lottery1.encode(message) for message in messages)

    assert decoded(lottery1.TO_CENTRAL, data) == messages


@given(st.lists(to_agency))
def test_round_trip_to_the_agency(messages: list[Message]) -> None:
    """What is encoded for the agency is decoded to the same messages."""
    data = b"".join(lottery1.encode(message) for message in messages)

    assert decoded(lottery1.TO_AGENCY, data) == messages


@given(st.sampled_from(sorted(lottery1.TO_AGENCY.framed)), st.binary(max_size=60))
def test_any_payload_is_a_message_or_the_peers_fault(kind: int, payload: bytes) -> None:
    """No payload makes a parser stumble; what it takes, the encoder says again to the byte."""
    data = bytes((kind,)) + len(payload).to_bytes(2, "big") + payload
    decoder = Decoder(*AT_AGENCY)
    decoder.receive(data)
    try:
        message = decoder.next_message()
    except RemoteProtocolError as error:
        caught = error
    else:
        assert message is not None
        assert lottery1.encode(message) == data
        return
    assert caught.code is Code.PROTO


@pytest.mark.parametrize("case", CLASSIC, ids=[case.name for case in CLASSIC])
def test_messages_of_the_other_dialect(case: Case) -> None:
    """A message of the classic dialect has no bytes in this one."""
    with pytest.raises(LocalProtocolError, match=type(case.message).__name__):
        lottery1.encode(case.message)


@pytest.mark.parametrize(
    "message",
    [
        Batch(0, 1, b"a" * (PAYLOAD_LIMIT - 9)),
        Winners(1, 0, 1, 0, b"a" * (PAYLOAD_LIMIT - 21)),
        Refused(Code.FIELD, False, 0, 1, 1, "a" * (PAYLOAD_LIMIT - 12)),
        Error(Code.FULL, "a" * PAYLOAD_LIMIT),
        Error(Code.FULL, "ñ" * (PAYLOAD_LIMIT // 2)),
    ],
    ids=["BATCH", "WINNERS", "REFUSED", "ERROR", "ERROR, long in bytes only"],
)
def test_too_long_to_be_said(message: Message) -> None:
    """A payload over 8192 bytes is an error of the one who would say it."""
    with pytest.raises(LocalProtocolError, match=r"of 8193 bytes"):
        lottery1.encode(message)


@pytest.mark.parametrize(
    "message",
    [
        Hello(-1),
        Hello(U32 + 1),
        Hello(0, U32 + 1),
        Hello(0, 0, U64 + 1),
        Batch(-1, 1, b""),
        Batch(0, U16 + 1, b""),
        Ack(U64 + 1),
        End(-1, bytes(32)),
        End(0, bytes(31)),
        End(0, bytes(33)),
        Received(U32 + 1, 0),
        Welcome(1, DrawState.OPEN, False, 0, U32 + 1, 8192, 0),
        Winners(1, U16 + 1, 0, 0, b""),
        Refused(Code.FIELD, False, 0, U16 + 1, 0, ""),
        Refused(Code.FIELD, False, 0, 0, 256, ""),
        Error(Code.FULL, "\ud800"),
    ],
    ids=str,
)
def test_values_that_do_not_fit(message: Message) -> None:
    """A number beyond its field, or a nonce of another length, is never cut to fit."""
    with pytest.raises(LocalProtocolError, match=type(message).__name__):
        lottery1.encode(message)


def test_rows_limits() -> None:
    """The limits of rows fill a frame, header and all, to exactly 8192 bytes."""
    batch = Batch(0, 1, b"a" * lottery1.BATCH_ROWS_LIMIT)
    winners = Winners(1, 0, 1, 0, b"a" * lottery1.WINNERS_ROWS_LIMIT)

    assert HEADER_BYTES + 10 + lottery1.BATCH_ROWS_LIMIT == PAYLOAD_LIMIT
    assert len(lottery1.encode(batch)) == PAYLOAD_LIMIT
    assert len(lottery1.encode(winners)) == PAYLOAD_LIMIT
