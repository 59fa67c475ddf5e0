"""The desk of a writer child: orders come in, entries for its store and answers go out.

Nothing here touches the disk. A group of orders is taken first, and only if there was no
room for its entries is it taken back, by going back to where each session in it was
before. So there are no halves: all of a group is stored and answered, or none of it.

Who is told what when there is no room depends on the dialect. lottery/1 can say "send
again": its session is refused once, and dropped until the expected index comes again, as
in ``lottery/wire/states.py``. The classic dialect cannot, so its orders are held here and
are the first of the next group. (Rejected: to hold the orders of both. What is held uses
up the parent's budget, so an agency that can keep its bets itself should.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from struct import Struct
from zlib import crc32

from lottery.bets import (
    BadBatch,
    are_common_lines,
    classic_rows,
    common_classic_rows,
    line_rows,
)
from lottery.errors import Code
from lottery.ledger.entry import Entry
from lottery.ledger.segment import Kind
from lottery.ledger.standing import Standing
from lottery.wire.frames import CLASSIC_BATCH, LOTTERY1_BATCH, payloads_of
from lottery.wire.frames import HEADER_BYTES as FRAME_HEADER_BYTES
from lottery.writer.pipe import (
    HEADER_BYTES,
    Answer,
    Order,
    PipeRecord,
    Refusal,
    opening_of,
    pack,
    pack_closed,
    pack_refusal,
    pack_stored,
)

_BATCH = Struct(">QH")  # first index, count; rows follow


class Upload:
    """A session as its writer knows it: whose bets, and which comes next.

    :ivar crc: CRC-32 of the agency's rows as sent; the classic dialect has none (0).
    :ivar lacks_room: there was no room for what it sent last. In lottery/1 it is dropped
        until ``next_index`` comes again, in the classic dialect what it sends is held.
    :ivar stored: how many batches of the present group are to be answered, together.
    """

    __slots__ = (
        "agency", "classic", "crc", "lacks_room", "next_index", "prefix", "session", "stored",
    )  # fmt: skip

    def __init__(self, agency: int, standing: Standing) -> None:
        self.agency = agency
        self.classic = standing.classic
        self.prefix = b"%d," % agency
        self.next_index = standing.next_index
        self.crc = standing.crc
        self.session = standing.session
        self.lacks_room = False
        self.stored = 0

    def batches(self, frames: bytes, today: date) -> Iterator[Entry]:
        """Check batches and go on behind them; yields entries of all that is good.

        Common batches that follow each other make one entry. That is the fast path, and nearly
        all there is. If anything about one of them is not common, each is looked at alone, and
        the first bad one ends it; those before it are stored.

        :raises BadBatch: if one is refused.
        :raises ValueError: if they are none of this dialect: a bug of the parent's.
        """
        if frames[:1] != (b"%c" % (CLASSIC_BATCH if self.classic else LOTTERY1_BATCH)):
            raise ValueError(f"the batches are none of the dialect of agency {self.agency}")
        payloads = payloads_of(frames)
        run = self._classic_run if self.classic else self._run
        if (entry := run(payloads, today)) is not None:
            self.stored += len(payloads)
            yield entry
            return
        for payload in payloads:
            entry = self._batch(payload, today)
            self.stored += 1
            if entry is not None:
                yield entry

    def _classic_run(self, payloads: list[bytes], today: date) -> Entry | None:
        """The entry of common batches of the classic dialect, or None."""
        rows = common_classic_rows(payloads, today.year)
        return None if rows is None else self._entry_of(rows)

    def _run(self, payloads: list[bytes], today: date) -> Entry | None:
        """The entry of common batches of lottery/1, or None."""
        sent, stored, expected = [], [self.prefix], self.next_index
        for payload in payloads:
            first, count = _BATCH.unpack_from(payload)
            lines = payload[_BATCH.size :]
            with_agency = lines.replace(b"\n", b"\n" + self.prefix)
            # How much longer they have become tells how many they are, faster than counting.
            ends = len(with_agency) - len(lines) == count * len(self.prefix)
            if first != expected or not count or not ends or lines[-1:] != b"\n":
                return None
            sent.append(lines)
            stored.append(with_agency)
            expected += count
        run = b"".join(sent)
        if not are_common_lines(run, today.year):
            return None
        self.crc = crc32(run, self.crc)
        # Behind the last line there is no next one for the agency to stand in front of.
        body = b"".join(stored)[: -len(self.prefix)]
        return self._rows(body, expected - self.next_index)

    def _batch(self, payload: bytes, today: date) -> Entry | None:
        """The entry of one batch; none for one without a bet.

        :raises BadBatch: if it is refused.
        """
        if self.classic:
            return self._entry_of(classic_rows(payload, today))
        first, count = _BATCH.unpack_from(payload)
        if first != self.next_index:
            reason = f"the batch begins with bet {first}, bet {self.next_index} is next"
            raise BadBatch(Code.SEQ, 0, 0, reason, count)
        lines = payload[_BATCH.size :]
        rows = line_rows(lines, count, today)
        self.crc = crc32(lines, self.crc)
        return self._entry_of(rows)

    def _entry_of(self, rows: list[bytes]) -> Entry | None:
        if not rows:
            return None
        body = self.prefix + (b"\n" + self.prefix).join(rows) + b"\n"
        return self._rows(body, len(rows))

    def _rows(self, body: bytes, bets: int) -> Entry:
        first = self.next_index
        self.next_index += bets
        return self._entry(Kind.ROWS, first, bets, body)

    def end(self, order: PipeRecord) -> Entry:
        """Give the entry of an END.

        :raises BadBatch: if it announces other bets than are stored.
        """
        total = self.next_index
        if order.amount and order.place != total:
            reason = f"{order.place} bets are announced, {total} are stored"
            raise BadBatch(Code.TOTALS, 0, 0, reason, 0)
        return self._entry(Kind.END, total, 0, order.body)

    def _entry(self, kind: Kind, first: int, bets: int, body: bytes) -> Entry:
        return Entry(kind, self.agency, first, bets, body, self.crc, self.classic, self.session)

    def answer(self, session: int) -> bytes:
        """Give the answer to the batches of the present group, and begin the next one."""
        stored, self.stored = self.stored, 0
        return pack_stored(session, self.next_index, self.crc, stored)


class Desk:
    """Turns orders into entries for the store and answers for the parent."""

    def __init__(self) -> None:
        self._uploads: dict[int, Upload] = {}
        self._held: list[PipeRecord] = []
        # To take the last group back: its orders, whom it moved and from where (next
        # index, CRC, lacks room), and whom it closed.
        self._group: list[PipeRecord] = []
        self._before: dict[int, tuple[Upload, int, int, bool]] = {}
        self._closed: dict[int, Upload] = {}

    @property
    def holds(self) -> bool:
        """Whether orders are held, to be tried again with the next group, be it empty."""
        return bool(self._held)

    @property
    def held_bytes(self) -> int:
        """How long the orders are that are held."""
        return sum(HEADER_BYTES + len(order.body) for order in self._held)

    def take(self, orders: list[PipeRecord], today: date) -> tuple[list[Entry], bytes]:
        """Give what to append to the store, and what to answer once that is on disk.

        If there turns out to be no room for it, :meth:`no_room` has to be called next.

        :param orders: they stand behind those that are held.
        :param today: the day (UTC) that no birthdate may be after.
        :raises ValueError: if an order is none: a bug of the parent's.
        """
        entries: list[Entry] = []
        last_words: list[bytes] = []
        group = self._group = self._behind_held(orders)
        before = self._before = {}
        closed = self._closed = {}
        for order in group:
            kind, session = order.kind, order.session
            if kind == Order.OPEN:
                self._uploads[session] = Upload(*opening_of(order))
                continue
            upload = self._uploads.get(session)
            if upload is None:
                continue  # it was refused, or has ended: what follows is dropped
            if kind == Order.CLOSE:
                closed[session] = self._uploads.pop(session)
                last_words.append(pack_closed(session, upload.next_index, upload.crc))
                continue
            if upload.lacks_room and not upload.classic and _begins(order) != upload.next_index:
                continue  # it was sent before the refusal was read
            if session not in before:
                before[session] = (upload, upload.next_index, upload.crc, upload.lacks_room)
                upload.lacks_room = False
            try:
                if kind == Order.END:
                    entries.append(upload.end(order))
                    last_words.append(pack(Answer.ENDED, session, upload.next_index))
                    del self._uploads[session]
                elif kind == Order.BATCHES:
                    # Those before a bad one are in the list by then, and stay.
                    entries.extend(upload.batches(order.body, today))
                else:
                    raise ValueError(f"{kind} is no order of session {session}")
            except BadBatch as fault:
                last_words.append(pack_refusal(session, _refusal(fault, upload.next_index)))
                del self._uploads[session]
        stored = [each[0].answer(session) for session, each in before.items() if each[0].stored]
        return entries, b"".join(stored + last_words)

    def no_room(self, sentence: str) -> bytes:
        """Take the last group back, for which there was no room; gives what to answer instead.

        Nothing of it counts but what needs no room: sessions begin and are closed.

        :param sentence: what agencies are told that can send again.
        """
        self._take_back()
        answers: list[bytes] = []
        for session, (upload, next_index, _, lacked_room) in self._before.items():
            upload.lacks_room = True
            if not upload.classic:
                again = Refusal(Code.STORAGE, True, next_index, 0, 0, sentence, 0)
                answers.append(pack_refusal(session, again))
            elif not lacked_room:
                answers.append(pack(Answer.HELD, session))
        for order in self._group:
            one = self._uploads.get(order.session)
            if one is None or order.kind == Order.OPEN:
                continue
            if order.kind == Order.CLOSE:
                answers.append(pack_closed(order.session, one.next_index, one.crc))
                del self._uploads[order.session]
            elif one.classic:
                self._held.append(order)
        self._held = [order for order in self._held if order.session in self._uploads]
        return b"".join(answers)

    def refuse(
        self, why: Mapping[tuple[int, int], tuple[Code, str]], today: date
    ) -> tuple[bytes, list[Entry], bytes]:
        """Take the last group back, and take it again without those who may not store.

        :param why: by agency and session, as in :class:`~lottery.ledger.entry.Refused`.
        :returns: what to answer these in any case, and for the others as :meth:`take`.
        """
        self._take_back()
        refusals = []
        refused = set()
        for session, upload in list(self._uploads.items()):
            if (reason := why.get((upload.agency, upload.session))) is not None:
                refusal = Refusal(reason[0], False, upload.next_index, 0, 0, reason[1], 0)
                refusals.append(pack_refusal(session, refusal))
                refused.add(session)
                del self._uploads[session]
        others = [order for order in self._group if order.session not in refused]
        return b"".join(refusals), *self.take(others, today)

    def _take_back(self) -> None:
        """Have each session of the last group where it was before."""
        for session, (upload, next_index, crc, lacked_room) in self._before.items():
            upload.next_index, upload.crc, upload.lacks_room = next_index, crc, lacked_room
            self._uploads[session] = upload
        self._uploads.update(self._closed)

    def _behind_held(self, orders: list[PipeRecord]) -> list[PipeRecord]:
        """Put orders behind those that are held.

        Of a session that is held and closes nothing is tried any more: whoever closes it
        has given its bets up, and without the first ones the others would follow a gap.
        """
        if not self._held:
            return orders
        held, self._held = self._held, []
        closing = {order.session for order in orders if order.kind == Order.CLOSE}
        dropped = closing & {order.session for order in held}
        both = held + orders
        return [each for each in both if each.kind == Order.CLOSE or each.session not in dropped]


def _begins(order: PipeRecord) -> int:
    """With which bet an order of lottery/1 goes on: the first of its batches, or its END."""
    if order.kind == Order.END:
        return order.place
    first, _ = _BATCH.unpack_from(order.body, FRAME_HEADER_BYTES)
    return int(first)


def _refusal(fault: BadBatch, expected: int) -> Refusal:
    return Refusal(fault.code, False, expected, fault.row, fault.field, fault.reason, fault.bets)
