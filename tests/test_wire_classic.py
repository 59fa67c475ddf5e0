"""The classic dialect: its bytes, from the table, and what it cannot say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_bytes import CLASSIC, CLASSIC_TO_AGENCY, CLASSIC_TO_CENTRAL, LOTTERY1, Case

from lottery.errors import LocalProtocolError
from lottery.wire import classic
from lottery.wire.decoder import Decoder, Vocabulary
from lottery.wire.messages import (
    ClassicBatch,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    Message,
)

to_central: st.SearchStrategy[Message] = st.builds(ClassicBatch, st.binary(max_size=300)) | st.just(
    ClassicEnd()
)
to_agency: st.SearchStrategy[Message] = (
    st.builds(ClassicWinners, st.binary(max_size=300))
    | st.just(ClassicStored())
    | st.just(ClassicRefused())
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


@pytest.mark.parametrize("case", CLASSIC, ids=[case.name for case in CLASSIC])
def test_encode(case: Case) -> None:
    """Every message of the dialect has exactly the bytes of the table."""
    assert classic.encode(case.message) == case.data


@pytest.mark.parametrize(
    ("vocabulary", "cases"),
    [(classic.TO_CENTRAL, CLASSIC_TO_CENTRAL), (classic.TO_AGENCY, CLASSIC_TO_AGENCY)],
    ids=["to the central", "to the agency"],
)
def test_decode(vocabulary: Vocabulary, cases: tuple[Case, ...]) -> None:
    """The frames of the table, one behind the other, are its messages in order."""
    data = b"".join(case.data for case in cases)

    assert decoded(vocabulary, data) == [case.message for case in cases]


def test_the_same_byte_means_end_or_refused() -> None:
    """What 0xFF means follows from the direction."""
    assert decoded(classic.TO_CENTRAL, b"\xff") == [ClassicEnd()]
    assert decoded(classic.TO_AGENCY, b"\xff") == [ClassicRefused()]


@given(st.lists(to_central))
def test_round_trip_to_the_central(messages: list[Message]) -> None:
    """What is encoded for the central is decoded to the same messages."""
    data = b"".join(classic.encode(message) for message in messages)

    assert decoded(classic.TO_CENTRAL, data) == messages


@given(st.lists(to_agency))
def test_round_trip_to_the_agency(messages: list[Message]) -> None:
    """What is encoded for the agency is decoded to the same messages."""
    data = b"".join(classic.encode(message) for message in messages)

    assert decoded(classic.TO_AGENCY, data) == messages


@pytest.mark.parametrize("case", LOTTERY1, ids=[case.name for case in LOTTERY1])
def test_messages_of_the_other_dialect(case: Case) -> None:
    """A message of lottery/1 has no bytes in this dialect."""
    with pytest.raises(LocalProtocolError, match=type(case.message).__name__):
        classic.encode(case.message)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (ClassicWinners(b"1" * 65536), "ClassicWinners of 65536 bytes"),
        (ClassicBatch(b"a" * 8193), "ClassicBatch of 8193 bytes"),
        (ClassicBatch(b"a" * 65536), "ClassicBatch of 65536 bytes"),
    ],
    ids=["65536 bytes of winners", "8193 bytes of bets", "65536 bytes of bets"],
)
def test_too_long_to_be_said(message: Message, sentence: str) -> None:
    """A list that no frame holds is an error of the one who would say it, never half a frame."""
    with pytest.raises(LocalProtocolError, match=sentence):
        classic.encode(message)
