"""The messages: values that do not change, and the numbers that go on the wire."""

from __future__ import annotations

from typing import get_args

import pytest
from attrs.exceptions import FrozenInstanceError
from wire_bytes import CLASSIC, LOTTERY1

from lottery.wire.messages import NONCE_BYTES, Ack, Batch, DrawState, Hello, Message


def test_the_table_of_bytes_has_every_message() -> None:
    """No message goes without exact bytes in the table."""
    assert {type(case.message) for case in CLASSIC + LOTTERY1} == set(get_args(Message))


def test_messages_are_values() -> None:
    """Equal contents are equal messages, other kinds are not, and none can be changed."""
    assert Ack(7) == Ack(7, ended=False)
    assert len({Ack(7), Hello(7)}) == 2
    assert len({Batch(0, 1, b"a"), Batch(0, 1, b"a"), Batch(1, 1, b"a")}) == 2
    with pytest.raises(FrozenInstanceError):
        Ack(7).next_index = 8  # type: ignore[misc]


def test_defaults_of_a_first_greeting() -> None:
    """An agency that knows nothing says only who it is."""
    assert Hello(5) == Hello(agency=5, draw=0, acknowledged=0)


def test_numbers_on_the_wire() -> None:
    """The numbers of the draw's states and the length of the nonce are stable."""
    assert [(state.value, state.name) for state in DrawState] == [
        (1, "OPEN"),
        (2, "CLOSING"),
        (3, "SEALED"),
        (4, "DRAWN"),
        (5, "DELIVERED"),
        (6, "VOID"),
    ]
    assert NONCE_BYTES == 32
