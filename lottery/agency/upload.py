"""Where in its file an agency is: what is stored, what is on the way, what comes next.

It outlives the sessions of an errand. The file is read once, from its start; batches
without an acknowledgement are kept, so that a session can go on from wherever the central
stands, also when the file is a pipe. There are about as many as the window has room for.

The central's CRC-32 of what it has stored is held against that of the same rows of the
file: an agency that comes back needs no memory but its file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from zlib import crc32

from attrs import frozen

from lottery.agency.bets_file import BetsFile, Guard, Total
from lottery.agency.failures import OtherFile
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.messages import Batch, Welcome


@frozen
class _Kept:
    """A batch without an acknowledgement.

    :ivar lines: which line of the file each row comes from.
    :ivar crc: of all rows of the file up to the end of this batch.
    """

    message: Batch
    lines: Sequence[int]
    crc: int

    @property
    def end(self) -> int:
        """Index of the bet that follows it."""
        return self.message.first + self.message.count

    def divided(self, end: int, crc: int) -> tuple[_Kept, _Kept]:
        """Cut it in two before the bet with index ``end``.

        :param crc: of all rows before it.
        """
        first, rows = self.message.first, self.message.rows
        count = end - first
        rest = rows.split(b"\n", count)[count]
        head = rows[: len(rows) - len(rest)]
        return (
            _Kept(Batch(first, count, head), self.lines[:count], crc32(head, crc)),
            _Kept(Batch(end, self.message.count - count, rest), self.lines[count:], self.crc),
        )


class Upload:
    """A file on its way to the central.

    :param name: of the file, for sentences.
    :param file: gives its batches.

    :ivar acknowledged: every bet below this index is on the central's disk, so it says.
    :ivar ended: the END is there, too.
    :ivar begun: some of the file has been sent.
    """

    def __init__(self, name: str, file: BetsFile) -> None:
        self.acknowledged = 0
        self.ended = False
        self.begun = False

        self._name = name
        self._file = file
        self._read = 0  # bets
        self._read_crc = 0  # of all that is read
        self._passed = 0  # bets that are not kept any more
        self._passed_crc = 0
        self._on_the_way: deque[_Kept] = deque()
        self._waiting: deque[_Kept] = deque()  # to be sent, perhaps again

    @property
    def on_the_way(self) -> int:
        """How many batches are sent and not acknowledged."""
        return len(self._on_the_way)

    @property
    def sent(self) -> int:
        """Index of the bet behind the last one that was sent."""
        return self._on_the_way[-1].end if self._on_the_way else self._passed

    @property
    def total(self) -> Total | None:
        """How many bets the file has, as far as that is known."""
        return self._file.total

    @property
    def is_stored(self) -> bool:
        """Whether the central has said that anything of the file is stored."""
        return self.ended or self.acknowledged > 0

    # What is to be sent.

    async def fill(self, guard: Guard) -> bool:
        """Have a batch ready to be sent, reading as much as that needs.

        :return: False at the end of the file.
        :raises BadInput: if the file cannot be read or sent any further.
        """
        if self._waiting:
            return True
        batch = await self._file.next_batch(guard)
        if batch is None:
            return False
        self._read_crc = crc32(batch.rows, self._read_crc)
        message = Batch(self._read, batch.count, batch.rows)
        self._waiting.append(_Kept(message, batch.lines, self._read_crc))
        self._read += batch.count
        return True

    def take(self) -> Batch:
        """Give the batch that is ready: it is on the way now."""
        batch = self._waiting.popleft()
        self._on_the_way.append(batch)
        self.begun = True
        return batch.message

    # What the central says.

    def acknowledge(self, next_index: int) -> None:
        """Note that every bet below this index is stored.

        :raises RemoteProtocolError: if that goes back, too far, or is a part of a batch.
        """
        known, sent = self.acknowledged, max(self.acknowledged, self.sent)
        if not known <= next_index <= sent:
            raise RemoteProtocolError(
                Code.SEQ, f"{next_index} bets are acknowledged, after {known}, of {sent}"
            )
        self.acknowledged = next_index
        while self._on_the_way and self._on_the_way[0].message.first < next_index:
            if next_index < self._on_the_way[0].end:
                raise RemoteProtocolError(Code.SEQ, "a part of a batch is acknowledged")
            self._pass(self._on_the_way.popleft())

    def send_again_from(self, expected: int) -> None:
        """Note that the central wants the batches again from this bet on; it has those before.

        :raises RemoteProtocolError: as :meth:`acknowledge`.
        """
        self.acknowledge(expected)
        self._recall()

    def line_of(self, first: int, row: int) -> int:
        """Which line of the file is row ``row`` (from 1) of the batch on the way; 0: none."""
        for batch in self._on_the_way:
            if batch.message.first == first and 1 <= row <= batch.message.count:
                return batch.lines[row - 1]
        return 0

    def welcomed(self, welcome: Welcome) -> None:
        """Note where the central stands; nothing that was sent before is on the way any more.

        :raises RemoteProtocolError: if it has lost something that it had acknowledged.
        """
        stored, draw = welcome.next_index, welcome.draw
        if stored < self.acknowledged:
            raise RemoteProtocolError(
                Code.SEQ,
                f"the central has lost bets, it acknowledged {self.acknowledged} "
                f"and holds {stored} of them in draw {draw}",
            )
        if self.ended and not welcome.ended:
            raise RemoteProtocolError(
                Code.SEQ, f"the central has lost the END of draw {draw}, which it acknowledged"
            )
        self.acknowledged, self.ended = stored, welcome.ended
        self._recall()

    async def go_on(self, welcome: Welcome, guard: Guard) -> None:
        """Get to where the central stands, and see that it holds what is in the file.

        It can be tried again after an error of ``guard``.

        :raises OtherFile: if the file is not the one that the central has the bets of.
        :raises BadInput: if the file cannot be read.
        """
        stored, draw = welcome.next_index, welcome.draw
        while self._passed < stored:
            if not await self.fill(guard):
                reason = f"it has {self._read} rows and draw {draw} holds {stored}"
                raise self._other_file(reason)
            batch = self._waiting.popleft()
            if batch.end > stored:
                batch, rest = batch.divided(stored, self._passed_crc)
                self._waiting.appendleft(rest)
            self._pass(batch)
        if self._passed_crc != welcome.crc:
            reason = f"rows 1 to {stored} differ in sum from those that draw {draw} holds"
            raise self._other_file(reason)
        if welcome.ended and await self.fill(guard):
            reason = f"it has more than the {stored} rows with which it ended in draw {draw}"
            raise self._other_file(reason)

    def start_over(self) -> None:
        """Go back to the start of the file; nothing of it is stored or on the way.

        :raises BadInput: if the file has no way back.
        """
        self._file.rewind()
        self._on_the_way.clear()
        self._waiting.clear()
        self.acknowledged = self._read = self._read_crc = self._passed = self._passed_crc = 0
        self.ended = self.begun = False

    def _pass(self, batch: _Kept) -> None:
        """Keep a batch no longer: the central has it."""
        self._passed, self._passed_crc = batch.end, batch.crc

    def _recall(self) -> None:
        """Let everything that is on the way be sent again."""
        self._waiting.extendleft(reversed(self._on_the_way))
        self._on_the_way.clear()

    def _other_file(self, reason: str) -> OtherFile:
        return OtherFile(self._name, f"is not the file that was begun with, {reason}")
