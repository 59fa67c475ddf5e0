"""What may be said on the wire, as values; the bytes are in ``classic`` and ``lottery1``.

Rows travel as bytes and are never looked into here: the writer that stores them
checks them.
"""

from __future__ import annotations

from enum import IntEnum

from attrs import frozen

from lottery.errors import Code

NONCE_BYTES = 32

#: In HELLO: the draw that takes bets, whatever else waits for the agency.
OPEN_DRAW = 0xFFFFFFFF


class DrawState(IntEnum):
    """How far a draw has come, as WELCOME tells it."""

    OPEN = 1
    CLOSING = 2
    SEALED = 3
    DRAWN = 4
    DELIVERED = 5
    VOID = 6


# The classic dialect.


@frozen
class ClassicBatch:
    """Agency: bets to store together; ``payload`` is the fields, a comma after each."""

    payload: bytes


@frozen
class ClassicEnd:
    """Agency: all bets are sent."""


@frozen
class ClassicStored:
    """Central: the next batch, in order of arrival, is stored."""


@frozen
class ClassicRefused:
    """Central: refused; the session ends."""


@frozen
class ClassicWinners:
    """Central: the winners' documents, joined by commas; empty if there is none."""

    documents: bytes


# lottery/1.


@frozen
class Hello:
    """Agency: who it is and what it knows.

    ``draw`` 0 means: the one where I am expected; ``OPEN_DRAW``: the one that takes bets.
    ``acknowledged`` is the highest next index (bets) that the central has acknowledged
    to this agency in the draw.
    """

    agency: int
    draw: int = 0
    acknowledged: int = 0


@frozen
class Welcome:
    """Central: where to go on.

    ``next_index`` is the number of this agency's bets that are stored, ``crc`` the
    CRC-32 of their rows as sent, LF included. ``payload_limit`` is in bytes,
    ``silence`` in whole seconds (0: no limit).
    """

    draw: int
    state: DrawState
    ended: bool
    next_index: int
    crc: int
    payload_limit: int
    silence: int


@frozen
class Batch:
    """Agency: ``count`` rows as CSV lines without the agency, LF after each.

    ``first`` is the index of the first bet among all of this agency's, from 0 up.
    """

    first: int
    count: int
    rows: bytes


@frozen
class Ack:
    """Central: every bet below ``next_index`` is on disk; ``ended``: so is the END."""

    next_index: int
    ended: bool = False


@frozen
class Refused:
    """Central: a batch or an END was not stored.

    ``again``: send again from ``expected`` on, after a while; otherwise the session
    is over. ``row`` counts from 1 in the batch, ``field`` from 1 in a row; 0: none.
    """

    code: Code
    again: bool
    expected: int
    row: int
    field: int
    sentence: str


@frozen
class End:
    """Agency: all is sent, ``total`` bets; ``nonce`` is 32 random bytes of the agency."""

    total: int
    nonce: bytes


@frozen
class Winners:
    """Central: a part of this agency's winning rows, from row ``first`` on of ``total``."""

    draw: int
    winning_number: int
    total: int
    first: int
    rows: bytes


@frozen
class Received:
    """Agency: all ``total`` winning rows of ``draw`` are in safe keeping."""

    draw: int
    total: int


@frozen
class Error:
    """Central: why it closes the connection now."""

    code: Code
    sentence: str


Message = (
    ClassicBatch
    | ClassicEnd
    | ClassicStored
    | ClassicRefused
    | ClassicWinners
    | Hello
    | Welcome
    | Batch
    | Ack
    | Refused
    | End
    | Winners
    | Received
    | Error
)
