"""What a writer and its parent share: the records on the pipes and the exit statuses.

Both directions use one record: a header of 19 bytes and a body. Which of the header's
fields mean something depends on the kind.

A writer child imports this module: nothing slow is imported here.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from lottery.bets import FIELDS
from lottery.errors import Code
from lottery.ledger.standing import Standing

_HEADER = Struct(">BIQHI")  # kind, session, place, amount, length of the body
HEADER_BYTES = _HEADER.size
_OPENING = Struct(">IIB")  # agency, CRC-32 of its rows as sent, whether it is classic
_SESSION = Struct(">Q")  # behind it, where there may be several centrals: the agency's session
_CRC = Struct(">I")
_STORED = Struct(">II")  # CRC-32 of the agency's rows as sent, batches
_FLUSH = Struct(">I")  # microseconds
_REFUSAL = Struct(">BBHB")  # code, again, row, field; a sentence follows


class Order(IntEnum):
    """What a parent asks of a writer."""

    OPEN = 1  # a session begins: place = its agency's next bet; body: who, and in which dialect
    BATCHES = 2  # body: the frames of batches that follow each other, as they came
    END = 4  # place = the announced total, if amount is 1; body: the agency's nonce
    CLOSE = 5  # the session is over; what it still has in the pipe is dealt with first


class Answer(IntEnum):
    """What a writer tells its parent.

    ENDED, CLOSED and a REFUSED without "again" are the last word on a session.
    """

    STORED = 11  # on disk: place = next index; body: CRC, how many batches
    REFUSED = 12  # place = expected index, amount = bets of the batch; body: the refusal
    ENDED = 13  # the END is on disk: place = the total
    DONE = 14  # place = how many bytes of orders have been dealt with since the start; body: how
    # long the flush before it took, empty if there was none
    CLOSED = 15  # all that was handed on before the CLOSE is on disk, or is dropped for
    # ever: place = next index; body: CRC. Not said of a session that has ended already.
    HELD = 16  # there is no room, and this session cannot be told to send again: it waits
    TAKEN = 17  # place = how many bytes of orders have left the pipe since the start, if it
    # is much more than was told; the DONE that follows says it again


class Exit(IntEnum):
    """Why a writer ended.

    A signal's number is negative, as Python has it. Every status but DONE means
    that what follows the last acknowledged record of its segment is worth nothing.
    """

    DONE = 0  # its orders ended, and all of them are answered
    BUG = 1  # an error that nobody foresaw; the trace is in the log
    USAGE = 2  # it was not started by a central
    DISK = 3  # a write or a flush failed
    SEGMENT = 4  # the segment could not be made or locked
    ORDERS = 5  # its orders ended within one, or were none


class Refusal(NamedTuple):
    """Why a batch or an END was not stored.

    ``again``: it may be sent again later. ``expected`` is the index that the agency
    has to go on with, ``row`` counts from 1 in the batch, ``field`` from 1 in the row
    (0: none), ``bets`` is how many bets were refused.
    """

    code: Code
    again: bool
    expected: int
    row: int
    field: int
    sentence: str
    bets: int

    @property
    def located(self) -> str:
        """The sentence, behind the row and the field that it is about."""
        field = f"{FIELDS[self.field - 1]} " if self.field else ""
        return f"row {self.row}, {field}{self.sentence}" if self.row else self.sentence


class PipeRecord(NamedTuple):
    """One record, as it came out of a pipe."""

    kind: int
    session: int
    place: int
    amount: int
    body: bytes


def pack(kind: int, session: int, place: int = 0, amount: int = 0, body: bytes = b"") -> bytes:
    """Give the bytes of a record."""
    return _HEADER.pack(kind, session, place, amount, len(body)) + body


def pack_open(session: int, agency: int, standing: Standing) -> bytes:
    """Give the bytes of the order that begins a session where its agency stands."""
    body = _OPENING.pack(agency, standing.crc, standing.classic)
    if standing.session:
        body += _SESSION.pack(standing.session)
    return pack(Order.OPEN, session, standing.next_index, body=body)


def opening_of(order: PipeRecord) -> tuple[int, Standing]:
    """Read out of the order that begins a session: which agency, and where it stands."""
    agency, crc, classic = _OPENING.unpack_from(order.body)
    rest = order.body[_OPENING.size :]
    session = _SESSION.unpack(rest)[0] if rest else 0
    return agency, Standing(order.place, crc, classic=bool(classic), session=session)


def pack_stored(session: int, next_index: int, crc: int, batches: int) -> bytes:
    """Give the bytes of the answer to so many batches."""
    return pack(Answer.STORED, session, next_index, body=_STORED.pack(crc, batches))


def stored_of(answer: PipeRecord) -> tuple[int, int]:
    """Read out of a STORED: the running CRC, and how many batches."""
    crc, batches = _STORED.unpack(answer.body)
    return crc, batches


def pack_done(place: int, flush_seconds: float | None) -> bytes:
    """Give the bytes that say: so many bytes of orders are dealt with.

    :param flush_seconds: how long the flush took, if there was one.
    """
    if flush_seconds is None:
        return pack(Answer.DONE, 0, place)
    microseconds = min(round(flush_seconds * 1e6), 0xFFFFFFFF)
    return pack(Answer.DONE, 0, place, body=_FLUSH.pack(microseconds))


def flush_of(answer: PipeRecord) -> float | None:
    """Read out of a DONE: how many seconds the flush took, if there was one."""
    return _FLUSH.unpack(answer.body)[0] / 1e6 if answer.body else None


def pack_closed(session: int, next_index: int, crc: int) -> bytes:
    """Give the bytes of the answer to a CLOSE."""
    return pack(Answer.CLOSED, session, next_index, body=_CRC.pack(crc))


def crc_of(answer: PipeRecord) -> int:
    """Read out of a STORED or a CLOSED: the CRC-32 of the agency's rows as sent."""
    crc: int = _CRC.unpack_from(answer.body)[0]
    return crc


def pack_refusal(session: int, refusal: Refusal) -> bytes:
    """Give the bytes of the answer that refuses."""
    head = _REFUSAL.pack(refusal.code, refusal.again, refusal.row, refusal.field)
    body = head + refusal.sentence.encode()
    return pack(Answer.REFUSED, session, refusal.expected, min(refusal.bets, 0xFFFF), body)


def refusal_of(answer: PipeRecord) -> Refusal:
    """Read a refusal out of its answer."""
    code, again, row, column = _REFUSAL.unpack_from(answer.body)
    sentence = answer.body[_REFUSAL.size :].decode()
    return Refusal(Code(code), bool(again), answer.place, row, column, sentence, answer.amount)


class PipeReader:
    """Takes the bytes of a pipe, gives whole records.

    :ivar unread: how many bytes have not become records yet.
    """

    def __init__(self) -> None:
        self._rest = b""

    @property
    def unread(self) -> int:
        """How many bytes have not become a record yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[PipeRecord]:
        """Give the records that these bytes complete."""
        if self._rest:
            data = self._rest + data
        records, start, size = [], 0, len(data)
        while start + HEADER_BYTES <= size:
            kind, session, place, amount, length = _HEADER.unpack_from(data, start)
            body = start + HEADER_BYTES
            end = body + length
            if end > size:
                break
            records.append(PipeRecord(kind, session, place, amount, data[body:end]))
            start = end
        self._rest = data[start:]
        return records
