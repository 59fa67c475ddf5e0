"""What a writer child is ordered to do, in bytes, and what it has to store and to answer."""

from __future__ import annotations

from zlib import crc32

from lottery.errors import Code
from lottery.ledger.segment import Kind
from lottery.ledger.segment import pack as pack_record
from lottery.ledger.standing import Standing
from lottery.wire import classic as classic_dialect
from lottery.wire import lottery1
from lottery.wire.messages import Batch, ClassicBatch
from lottery.writer.pipe import (
    Answer,
    Order,
    PipeReader,
    PipeRecord,
    Refusal,
    pack,
    pack_closed,
    pack_open,
    pack_refusal,
    pack_stored,
)

ANA = "Ana,Gil,1,2000-01-01,7"
BO = "Bo,Paz,02,1999-12-31,0042"
EVE = "Evë,Ñu,3,1900-01-01,0"
BAD = "Bo,Paz,x,1999-12-31,0042"
NONCE = bytes(range(32))


# Orders.


def opening(session: int, agency: int, next_index: int = 0, crc: int = 0, latest: int = 0) -> bytes:
    """The order that begins a session of lottery/1.

    :param latest: which of the agency's sessions it is, if there are several centrals.
    """
    return pack_open(session, agency, Standing(next_index, crc, session=latest))


def classic_opening(session: int, agency: int, next_index: int = 0, latest: int = 0) -> bytes:
    """The order that begins a session of the classic dialect."""
    return pack_open(session, agency, Standing(next_index, classic=True, session=latest))


def lines(session: int, first: int, *rows: str) -> bytes:
    """A batch of lottery/1."""
    return batches(session, lottery1.encode(Batch(first, len(rows), _as_sent(rows))))


def classic(session: int, *rows: str) -> bytes:
    """A batch of the classic dialect."""
    payload = "".join(f"{row}," for row in rows).encode()
    return batches(session, classic_dialect.encode(ClassicBatch(payload)))


def batches(session: int, *frames: bytes) -> bytes:
    """Batches of either dialect, in one order."""
    return pack(Order.BATCHES, session, body=b"".join(frames))


def end(session: int, total: int, nonce: bytes = NONCE) -> bytes:
    """An END of lottery/1."""
    return pack(Order.END, session, total, 1, nonce)


def classic_end(session: int) -> bytes:
    """An END of the classic dialect."""
    return pack(Order.END, session)


def close(session: int) -> bytes:
    """The order that closes a session."""
    return pack(Order.CLOSE, session)


# Records of the segment.


def record(agency: int, first: int, *rows: str, flushed: int = 0, classic: bool = False) -> bytes:
    """What a batch becomes."""
    body = "".join(f"{agency},{row}\n" for row in rows).encode()
    return pack_record(Kind.ROWS, agency, first, len(rows), body, flushed, classic)


def end_record(
    agency: int, total: int, nonce: bytes = NONCE, flushed: int = 0, classic: bool = False
) -> bytes:
    """What an END becomes."""
    return pack_record(Kind.END, agency, total, 0, nonce, flushed, classic)


# Answers.


def crc_of_rows(*rows: str) -> int:
    """The running CRC of an agency that has sent these."""
    return crc32(_as_sent(rows))


def stored(session: int, next_index: int, crc: int, *bets: int) -> PipeRecord:
    """The answer to batches, of which each had so many bets."""
    return _one(pack_stored(session, next_index, crc, len(bets)))


def ended(session: int, total: int) -> PipeRecord:
    """The answer to an END."""
    return PipeRecord(Answer.ENDED, session, total, 0, b"")


def closed(session: int, next_index: int, crc: int = 0) -> PipeRecord:
    """The answer to a CLOSE."""
    return _one(pack_closed(session, next_index, crc))


def again(session: int, expected: int) -> PipeRecord:
    """What a session of lottery/1 is told when there is no room."""
    sentence = "no room on the disk, send again"
    refusal = Refusal(Code.STORAGE, True, expected, 0, 0, sentence, 0)
    return _one(pack_refusal(session, refusal))


def away(session: int, expected: int) -> PipeRecord:
    """What a session of lottery/1 is told when the database is away."""
    sentence = "the central cannot store now, send again"
    refusal = Refusal(Code.STORAGE, True, expected, 0, 0, sentence, 0)
    return _one(pack_refusal(session, refusal))


def refused(session: int, code: Code, sentence: str, expected: int = 0) -> PipeRecord:
    """The last word on a session that may not store."""
    return _one(pack_refusal(session, Refusal(code, False, expected, 0, 0, sentence, 0)))


def held(session: int) -> PipeRecord:
    """What is told of a session of the classic dialect when there is no room."""
    return PipeRecord(Answer.HELD, session, 0, 0, b"")


def taken(place: int) -> PipeRecord:
    """What is said at once when much has left the pipe."""
    return PipeRecord(Answer.TAKEN, 0, place, 0, b"")


def done(place: int, *, flushed: bool = False) -> PipeRecord:
    """The last answer of a group; a flush takes no time by the clocks of tests."""
    return PipeRecord(Answer.DONE, 0, place, 0, bytes(4) if flushed else b"")


def _as_sent(rows: tuple[str, ...]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def _one(data: bytes) -> PipeRecord:
    (answer,) = PipeReader().feed(data)
    return answer
