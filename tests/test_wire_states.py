"""The table of states: what is in it moves, and what is not changes nothing."""

from __future__ import annotations

from typing import get_args

import pytest
from attrs import evolve
from wire_bytes import CLASSIC, LOTTERY1

from lottery.errors import Code, LocalProtocolError, RemoteProtocolError
from lottery.wire.messages import (
    Ack,
    Batch,
    ClassicBatch,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
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
from lottery.wire.states import TRANSITIONS, Conversation, State

#: One message of each kind.
SAMPLES: dict[type[Message], Message] = {
    type(case.message): case.message for case in reversed(CLASSIC + LOTTERY1)
}
EVERY_PAIR = [(state, kind) for state in State for kind in get_args(Message)]
LEGAL = [pair for pair in EVERY_PAIR if pair[1] in TRANSITIONS[pair[0]]]
ILLEGAL = [pair for pair in EVERY_PAIR if pair[1] not in TRANSITIONS[pair[0]]]

HELLO = Hello(3)
WELCOME = Welcome(1, DrawState.OPEN, False, 0, 0, 8192, 60)
NONCE = bytes(32)
AGAIN = Refused(Code.STORAGE, True, 10, 0, 0, "later")


def named(pairs: list[tuple[State, type[Message]]]) -> list[str]:
    """Names for the cases of a test."""
    return [f"{state.name} {kind.__name__}" for state, kind in pairs]


def way_to(state: State) -> list[Message]:
    """Give messages that lead from NEW to the state, by the table alone."""
    ways: dict[State, list[Message]] = {State.NEW: []}
    waiting = [State.NEW]
    while waiting:
        here = waiting.pop(0)
        for kind, there in TRANSITIONS[here].items():
            if there not in ways:
                ways[there] = [*ways[here], SAMPLES[kind]]
                waiting.append(there)
    return ways[state]


def conversation_in(state: State) -> Conversation:
    """Give a conversation that has come to the state."""
    conversation = Conversation()
    for message in way_to(state):
        conversation.heard(message)
    assert conversation.state is state
    return conversation


def expected_by(state: State, message: Message) -> Message:
    """Let a batch or an END begin where the refusal on the way to the state wants it."""
    refusals = [said for said in way_to(state) if isinstance(said, Refused)]
    if state is not State.REFUSED:
        return message
    match message:
        case Batch():
            return evolve(message, first=refusals[-1].expected)
        case End():
            return evolve(message, total=refusals[-1].expected)
    return message


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    """The table has every state, and from NEW there is a way to each."""
    assert set(TRANSITIONS) == set(State)
    for state in State:
        assert conversation_in(state).state is state


def test_every_message_has_its_place() -> None:
    """There is no message that may never be said."""
    assert {kind for moves in TRANSITIONS.values() for kind in moves} == set(get_args(Message))


def test_nothing_leaves_the_last_state_and_every_other_reaches_it() -> None:
    """A conversation can end from wherever it stands, and does not go on after its end."""
    assert not TRANSITIONS[State.OVER]
    ending = {state for state in State if State.OVER in TRANSITIONS[state].values()}
    assert ending == set(State) - {State.OVER}


@pytest.mark.parametrize(("state", "kind"), LEGAL, ids=named(LEGAL))
def test_what_the_table_has_moves(state: State, kind: type[Message]) -> None:
    """Said or heard, a legal message leads where the table says, at both ends alike."""
    message = expected_by(state, SAMPLES[kind])
    for verb in ("heard", "said"):
        conversation = conversation_in(state)
        getattr(conversation, verb)(message)

        assert conversation.state is TRANSITIONS[state][kind]


@pytest.mark.parametrize(("state", "kind"), ILLEGAL, ids=named(ILLEGAL))
def test_what_the_table_has_not_changes_nothing(state: State, kind: type[Message]) -> None:
    """A message at the wrong time is the fault of the one who says it, and moves nothing."""
    conversation = conversation_in(state)
    sentence = f"{kind.__name__} may not be said when {state.value}"
    with pytest.raises(RemoteProtocolError) as heard:
        conversation.heard(SAMPLES[kind])
    assert conversation.state is state
    with pytest.raises(LocalProtocolError) as said:
        conversation.said(SAMPLES[kind])

    assert conversation.state is state
    assert heard.value.code is Code.STATE
    assert heard.value.sentence == sentence
    assert str(said.value) == sentence


@pytest.mark.parametrize(
    "messages",
    [
        [ClassicEnd(), ClassicWinners(b"")],
        [
            ClassicBatch(b""),
            ClassicStored(),
            ClassicBatch(b""),
            ClassicEnd(),
            ClassicStored(),
            ClassicWinners(b"1"),
        ],
        [ClassicBatch(b""), ClassicRefused()],
        [ClassicRefused()],
        [HELLO, Error(Code.FULL, "full")],
        [HELLO, WELCOME, End(0, NONCE), Ack(0, True), Winners(1, 7, 0, 0, b""), Received(1, 0)],
        [
            HELLO,
            WELCOME,
            Batch(0, 1, b"a\n"),
            Batch(1, 1, b"b\n"),
            Ack(2),
            End(2, NONCE),
            Ack(2, True),
            Winners(1, 7, 2, 0, b"a\n"),
            Winners(1, 7, 2, 1, b"b\n"),
            Received(1, 2),
        ],
    ],
    ids=lambda messages: f"{len(messages)} messages, {type(messages[-1]).__name__}",
)
def test_whole_conversations(messages: list[Message]) -> None:
    """A conversation as the protocol means it runs to its end."""
    conversation = Conversation()
    for message in messages:
        conversation.heard(message)

    assert conversation.state is State.OVER


def test_a_refusal_crosses_what_was_sent_before_it_was_read() -> None:
    """Both ends agree again once the agency has sent from the expected index on.

    The agency has sent three batches and its END when it reads that the second was
    refused; the central had read only two batches when it refused.
    """
    central, agency = Conversation(), Conversation()
    central.heard(HELLO)
    agency.said(HELLO)
    central.said(WELCOME)
    agency.heard(WELCOME)
    sent: list[Message] = [Batch(index, 10, b"") for index in (0, 10, 20)]
    sent.append(End(30, NONCE))
    for message in sent:
        agency.said(message)
    for message in sent[:2]:
        central.heard(message)
    central.said(AGAIN)
    for message in sent[2:]:
        central.heard(message)
        assert central.state is State.REFUSED
    agency.heard(AGAIN)
    assert agency.state is State.REFUSED
    for message in sent[1:]:
        agency.said(message)
        central.heard(message)
        assert central.state is agency.state

    assert central.state is State.ENDED


def test_an_end_alone_can_be_refused_and_said_again() -> None:
    """When all batches are stored and only the END was refused, END is what must come."""
    conversation = conversation_in(State.WELCOME)
    conversation.heard(Batch(0, 10, b""))
    conversation.heard(End(10, NONCE))
    conversation.said(AGAIN)
    conversation.heard(End(11, NONCE))
    still = conversation.state
    conversation.heard(End(10, NONCE))

    assert (still, conversation.state) == (State.REFUSED, State.ENDED)


def test_the_last_refusal_counts() -> None:
    """A second refusal moves the expected index."""
    conversation = conversation_in(State.WELCOME)
    conversation.said(AGAIN)
    conversation.said(evolve(AGAIN, expected=7))
    conversation.heard(Batch(10, 1, b""))
    still = conversation.state
    conversation.heard(Batch(7, 1, b""))

    assert (still, conversation.state) == (State.REFUSED, State.WELCOME)


def test_a_batch_behind_an_end_is_an_error() -> None:
    """Without a refusal nothing may follow END."""
    conversation = conversation_in(State.WELCOME)
    conversation.heard(End(0, NONCE))
    with pytest.raises(RemoteProtocolError, match="Batch may not be said when the agency has sent"):
        conversation.heard(Batch(0, 1, b""))
