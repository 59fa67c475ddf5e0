"""lottery/1, to the byte: versioned, resumable, with reasons.

Integers are big-endian and unsigned. A sentence is UTF-8 and fills the rest of its
frame. ``docs/protocol.md`` draws each frame.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as _struct_error
from typing import TypeVar

from lottery.errors import Code, LocalProtocolError, RemoteProtocolError
from lottery.wire.decoder import Vocabulary
from lottery.wire.frames import LOTTERY1_BATCH, PAYLOAD_LIMIT, frame
from lottery.wire.messages import (
    NONCE_BYTES,
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

DIALECT = "lottery/1"
VERSION = 1

HELLO, BATCH, END, RECEIVED = 0x10, LOTTERY1_BATCH, 0x12, 0x13
WELCOME, ACK, REFUSED, WINNERS, ERROR = 0x20, 0x21, 0x22, 0x23, 0x24

_HELLO = Struct(">BIIQ")  # version, agency, draw, acknowledged
_WELCOME = Struct(">IBBQIHI")  # draw, state, ended, next index, CRC-32, limit, silence
_BATCH = Struct(">QH")  # first index, count; rows follow
_ACK = Struct(">QB")  # next index, ended
_REFUSED = Struct(">BBQHB")  # code, again, expected, row, field; a sentence follows
_END = Struct(f">Q{NONCE_BYTES}s")  # total, nonce
_WINNERS = Struct(">IHQQ")  # draw, winning number, total, first; rows follow
_RECEIVED = Struct(">IQ")  # draw, total
_ERROR = Struct(">B")  # code; a sentence follows

#: How many bytes of rows fit a frame that is, header and all, within the limit.
BATCH_ROWS_LIMIT = PAYLOAD_LIMIT - 3 - _BATCH.size
WINNERS_ROWS_LIMIT = PAYLOAD_LIMIT - 3 - _WINNERS.size

#: No bet and no draw has a higher one.
HIGHEST_NUMBER = 9999

M = TypeVar("M", bound=Message)


def _hello(payload: bytes) -> Hello:
    # The version stands first in every version, so a HELLO of a later one, which may
    # be longer, still gets an answer that says what to mend.
    if payload[:1] and payload[0] != VERSION:
        raise RemoteProtocolError(
            Code.PROTO, f"version {payload[0]} is not spoken here, only version {VERSION}"
        )
    _, agency, draw, acknowledged = _HELLO.unpack(payload)
    return Hello(agency, draw, acknowledged)


def _welcome(payload: bytes) -> Welcome:
    draw, state, ended, next_index, crc, limit, silence = _WELCOME.unpack(payload)
    return Welcome(draw, DrawState(state), _flag(ended), next_index, crc, limit, silence)


def _batch(payload: bytes) -> Batch:
    first, count = _BATCH.unpack_from(payload)
    return Batch(first, count, payload[_BATCH.size :])


def _ack(payload: bytes) -> Ack:
    next_index, ended = _ACK.unpack(payload)
    return Ack(next_index, _flag(ended))


def _refused(payload: bytes) -> Refused:
    code, again, expected, row, column = _REFUSED.unpack_from(payload)
    sentence = payload[_REFUSED.size :].decode()
    return Refused(Code(code), _flag(again), expected, row, column, sentence)


def _end(payload: bytes) -> End:
    return End(*_END.unpack(payload))


def _winners(payload: bytes) -> Winners:
    draw, winning_number, total, first = _WINNERS.unpack_from(payload)
    if winning_number > HIGHEST_NUMBER:
        raise RemoteProtocolError(
            Code.PROTO, f"{winning_number} is no winning number, the highest is {HIGHEST_NUMBER}"
        )
    return Winners(draw, winning_number, total, first, payload[_WINNERS.size :])


def _received(payload: bytes) -> Received:
    return Received(*_RECEIVED.unpack(payload))


def _error(payload: bytes) -> Error:
    (code,) = _ERROR.unpack_from(payload)
    return Error(Code(code), payload[_ERROR.size :].decode())


def _flag(value: int) -> bool:
    if value > 1:
        raise ValueError("a flag is 0 or 1")
    return value == 1


def _strict(name: str, parse: Callable[[bytes], M]) -> Callable[[bytes], M]:
    """Turn what a parser stumbles over into the peer's fault."""

    def parse_or_refuse(payload: bytes) -> M:
        try:
            return parse(payload)
        except (ValueError, _struct_error) as error:
            raise RemoteProtocolError(
                Code.PROTO, f"{len(payload)} bytes are no payload of {name}"
            ) from error

    return parse_or_refuse


TO_CENTRAL = Vocabulary(
    DIALECT,
    {
        HELLO: _strict("HELLO", _hello),
        BATCH: _strict("BATCH", _batch),
        END: _strict("END", _end),
        RECEIVED: _strict("RECEIVED", _received),
    },
    run_of=BATCH,
    run_least=_BATCH.size,
)
TO_AGENCY = Vocabulary(
    DIALECT,
    {
        WELCOME: _strict("WELCOME", _welcome),
        ACK: _strict("ACK", _ack),
        REFUSED: _strict("REFUSED", _refused),
        WINNERS: _strict("WINNERS", _winners),
        ERROR: _strict("ERROR", _error),
    },
)


def encode(message: Message) -> bytes:
    """Give the bytes of a message of this dialect.

    :raises LocalProtocolError: if the dialect cannot say it, or not in one frame.
    """
    try:
        kind, payload = _pack(message)
    except (_struct_error, UnicodeEncodeError) as error:
        raise LocalProtocolError(f"a {type(message).__name__} cannot be said: {error}") from error
    if len(payload) > PAYLOAD_LIMIT:
        raise LocalProtocolError(f"{type(message).__name__} of {len(payload)} bytes")
    return frame(kind, payload)


def _pack(message: Message) -> tuple[int, bytes]:
    """Give the type byte and the payload."""
    match message:
        case Hello(agency, draw, acknowledged):
            return HELLO, _HELLO.pack(VERSION, agency, draw, acknowledged)
        case Welcome(draw, state, ended, next_index, crc, limit, silence):
            fields = (draw, state, ended, next_index, crc, limit, silence)
            return WELCOME, _WELCOME.pack(*fields)
        case Batch(first, count, rows):
            return BATCH, _BATCH.pack(first, count) + rows
        case Ack(next_index, ended):
            return ACK, _ACK.pack(next_index, ended)
        case Refused(code, again, expected, row, column, sentence):
            head = _REFUSED.pack(code, again, expected, row, column)
            return REFUSED, head + sentence.encode()
        case End(total, nonce) if len(nonce) == NONCE_BYTES:  # struct would pad or cut it
            return END, _END.pack(total, nonce)
        case Winners(draw, winning_number, total, first, rows):
            return WINNERS, _WINNERS.pack(draw, winning_number, total, first) + rows
        case Received(draw, total):
            return RECEIVED, _RECEIVED.pack(draw, total)
        case Error(code, sentence):
            return ERROR, _ERROR.pack(code) + sentence.encode()
    raise LocalProtocolError(f"lottery/1 cannot say {type(message).__name__}")
