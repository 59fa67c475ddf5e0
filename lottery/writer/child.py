"""The writer child: checks batches, appends them to its segment, flushes, acknowledges.

Group commit: it takes whatever waits in its pipe, stores all of it with one write and
one flush, and only then answers any of it. While it flushes, the pipe fills again, so
the busier the central, the larger the groups, and the cost of a flush is shared by
everyone who waits. (Rejected: a flush per batch, which at ten bets a batch would be
nearly all that the machine does; and a timer to make groups larger, which makes the
lonely agency wait for company that does not come.)

Nothing of Twisted is here and nothing slow is imported: a child is up in a blink.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable
from datetime import date
from sys import byteorder

from lottery.bets import BadBatch, classic_rows, line_rows
from lottery.errors import Code
from lottery.ledger.segment import Kind, Segment
from lottery.ledger.segment import pack as pack_record
from lottery.writer.pipe import (
    Answer,
    Exit,
    Order,
    PipeReader,
    PipeRecord,
    Refusal,
    agency_of,
    pack,
    pack_refusal,
)

#: One group at most; also what the pipe is asked to hold.
GROUP_BYTES = 256 << 10


class Upload:
    """A session as its writer knows it: whose bets, and which comes next."""

    __slots__ = ("agency", "next_index", "prefix", "stored")

    def __init__(self, agency: int, next_index: int) -> None:
        self.agency = agency
        self.prefix = f"{agency},"
        self.next_index = next_index
        # The bets of each batch of the present group, to be acknowledged together.
        self.stored = array("H")

    def record(self, rows: list[str], flushed: int) -> bytes:
        """Make the rows of a batch a record of the segment, and go on behind them."""
        body = (self.prefix + ("\n" + self.prefix).join(rows) + "\n").encode()
        record = pack_record(Kind.ROWS, self.agency, self.next_index, len(rows), body, flushed)
        self.next_index += len(rows)
        return record


class Desk:
    """Turns orders into records for the segment and answers for the parent."""

    def __init__(self) -> None:
        self._uploads: dict[int, Upload] = {}

    def take(self, orders: Iterable[PipeRecord], flushed: int, today: date) -> tuple[bytes, bytes]:
        """Give what to append to the segment, and what to answer once that is on disk.

        :param flushed: how many bytes of the segment are known to be on disk.
        :param today: the day (UTC) that no birthdate may be after.
        :raises ValueError: if an order is none: a bug of the parent's.
        """
        records: list[bytes] = []
        last_words: list[bytes] = []
        busy: dict[int, Upload] = {}
        for order in orders:
            kind, session = order.kind, order.session
            if kind == Order.OPEN:
                self._uploads[session] = Upload(agency_of(order), order.place)
                continue
            upload = self._uploads.get(session)
            if upload is None:
                continue  # it was refused, or has ended: what follows is dropped
            if kind == Order.CLOSE:
                del self._uploads[session]
                continue
            try:
                if kind == Order.END:
                    records.append(_end(upload, order, flushed))
                    last_words.append(pack(Answer.ENDED, session, upload.next_index))
                    del self._uploads[session]
                    continue
                rows = _rows(upload, order, today)
            except BadBatch as fault:
                last_words.append(pack_refusal(session, _refusal(fault, upload.next_index)))
                del self._uploads[session]
                continue
            if rows:
                records.append(upload.record(rows, flushed))
            upload.stored.append(len(rows))
            busy[session] = upload
        answers = [_stored(session, upload) for session, upload in busy.items()]
        return b"".join(records), b"".join(answers + last_words)


def _rows(upload: Upload, order: PipeRecord, today: date) -> list[str]:
    if order.kind == Order.CLASSIC:
        return classic_rows(order.body, today)
    if order.kind != Order.ROWS:
        raise ValueError(f"{order.kind} is no order")
    if order.place != upload.next_index:
        raise BadBatch(
            Code.SEQ,
            0,
            0,
            f"the batch begins with bet {order.place}, bet {upload.next_index} is next",
            order.amount,
        )
    return line_rows(order.body, order.amount, today)


def _end(upload: Upload, order: PipeRecord, flushed: int) -> bytes:
    announced = order.amount == 1
    if announced and order.place != upload.next_index:
        raise BadBatch(
            Code.TOTALS,
            0,
            0,
            f"{order.place} bets are announced, {upload.next_index} are stored",
            0,
        )
    return pack_record(Kind.END, upload.agency, upload.next_index, 0, order.body, flushed)


def _refusal(fault: BadBatch, expected: int) -> Refusal:
    return Refusal(fault.code, False, expected, fault.row, fault.field, fault.reason, fault.bets)


def _stored(session: int, upload: Upload) -> bytes:
    counts = upload.stored
    upload.stored = array("H")
    if byteorder == "little":
        counts.byteswap()
    return pack(Answer.STORED, session, upload.next_index, len(counts), counts.tobytes())


def serve(orders_fd: int, answers_fd: int, path: str, today: Callable[[], date]) -> Exit:
    """Serve one parent until its orders end.

    :param path: the segment to make.
    :param today: gives the day (UTC) that no birthdate may be after.
    :returns: the exit status; why, if it is not DONE, has been written to stderr.
    """
    try:
        segment = Segment(path)
    except OSError as error:
        return _complain(Exit.SEGMENT, f"the segment {path} cannot be made, {error}")
    desk, reader, taken = Desk(), PipeReader(), 0
    while data := os.read(orders_fd, GROUP_BYTES):
        taken += len(data)
        try:
            records, answers = desk.take(reader.feed(data), segment.flushed, today())
        except ValueError as error:
            return _complain(Exit.ORDERS, str(error))
        if records:
            try:
                segment.append(records)
                segment.flush()
            except OSError as error:
                # Whether the bytes are on disk is not known any more, and asking again
                # would not tell: nothing of this group may be acknowledged, ever.
                return _complain(Exit.DISK, f"the segment {path} cannot be written, {error}")
        try:
            _write_all(answers_fd, answers + pack(Answer.TAKEN, 0, taken - reader.unread))
        except BrokenPipeError:
            return Exit.ORDERS  # nobody is there to be answered any more
    if reader.unread:
        return _complain(Exit.ORDERS, "the orders ended within one")
    return Exit.DONE


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _complain(status: Exit, sentence: str) -> Exit:
    os.write(2, f"{sentence}\n".encode(errors="replace"))
    return status
