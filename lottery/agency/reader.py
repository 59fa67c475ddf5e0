"""Bytes of an agency's file in, batches of checked rows out; no I/O.

Chunks of any size give the same batches. What a chunk completes is checked as a whole
at C speed; only where that finds a fault, an uncommon bet, or a form that the wire does
not have (quotes, blank lines), is it gone through line by line.

A line never reaches into the next one: quotes that do not match are a fault of their
own line. Rows leave as ``first,last,document,birthdate,number`` with LF after each.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import accumulate

from attrs import frozen

from lottery import bets
from lottery.agency.failures import BadInput, BadRow
from lottery.wire import lottery1

#: A longer line (without its end) is no row of a CSV file; nothing more of it is kept.
LINE_LIMIT_BYTES = 8192
#: A limit below this could not hold the longest valid row.
LEAST_ROWS_LIMIT_BYTES = 1024

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MARK_BYTES = len(_UTF8_MARK)
_FOREIGN = "is in UTF-16 or UTF-32, save the file as UTF-8"
_OLD_LINE_ENDS = "has CR line ends, save it with LF or CRLF"


@frozen
class FileBatch:
    """Rows to store together.

    :ivar rows: LF after each.
    :ivar lines: which line of the file each row comes from.
    """

    rows: bytes
    lines: Sequence[int]

    @property
    def count(self) -> int:
        """How many rows there are, at least 1."""
        return len(self.lines)


def _ignore(row: BadRow) -> None:
    """Take no note of a row that is left out."""


class BatchReader:
    """Cuts a file into batches; holds no more than the last chunk and one batch.

    :param file: its name, for sentences.
    :param batch_size: the most rows in a batch.
    :param today: the last birthdate there may be, UTC.
    :param rows_limit_bytes: the most bytes of rows in a batch, line ends included.
    :param skip_bad: leave out the rows that break a rule instead of stopping at the first.
    :param skipped: told of each row that is left out.

    :ivar rows: how many rows have been checked and are not left out.
    :ivar rows_bytes: how many bytes of the file were gone through for them.
    """

    def __init__(
        self,
        file: str,
        batch_size: int,
        today: date,
        *,
        rows_limit_bytes: int = lottery1.BATCH_ROWS_LIMIT,
        skip_bad: bool = False,
        skipped: Callable[[BadRow], None] = _ignore,
    ) -> None:
        if batch_size < 1 or rows_limit_bytes < LEAST_ROWS_LIMIT_BYTES:
            raise ValueError("a batch must have room for a row")
        self._file = file
        self._batch_size = batch_size
        self._today = today
        self._rows_limit_bytes = rows_limit_bytes
        self._skip_bad = skip_bad
        self._skipped = skipped

        self.rows = 0
        self.rows_bytes = 0

        self._begun = False
        self._finished = False
        self._partial = b""  # the line that has no end yet
        self._line = 0  # how many lines are complete
        self._blank_lines: list[int] = []  # [first, last] of those that may end the file
        # Checked rows that fill no batch yet; where each ends; which line each was.
        self._rows = b""
        self._ends: list[int] = []
        self._lines: list[int] = []
        self._batches: deque[FileBatch] = deque()
        self._fault: BadInput | None = None

    @property
    def finished(self) -> bool:
        """Whether the end of the file has been noted."""
        return self._finished

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file.

        Whatever is wrong with them is told by :meth:`next_batch`, once it has given
        the whole batches before it.
        """
        if self._fault is not None:
            return
        if not self._begun:
            data, self._partial = self._partial + data, b""
            if len(data) < _MARK_BYTES:
                self._partial = data
                return
            data = self._begin(data)
        complete, line_end, rest = data.rpartition(b"\n")
        if line_end:
            self._take(self._partial + complete + line_end)
            self._partial = rest
        else:
            self._partial += rest
        # One byte more may be the CR of a line that is just short enough.
        if len(self._partial) > LINE_LIMIT_BYTES + 1:
            self._refuse_length(self._line + 1, self._partial)

    def finish(self) -> None:
        """Note the end of the file; a last line without LF counts."""
        self._finished = True
        if self._fault is None and not self._begun:
            self._partial = self._begin(self._partial)
        if not self._line and b"\r" in self._partial[:-1]:
            self._refuse(BadRow(self._file, 0, "", _OLD_LINE_ENDS))
        if self._fault is None and self._partial:
            self._take(self._partial + b"\n")
        self._partial = b""
        if self._fault is None:
            self._cut(last=True)

    def next_batch(self) -> FileBatch | None:
        """Give the next batch; None if that needs more bytes, or if there is none left.

        :raises BadInput: at the first row that breaks a rule, instead of its batch.
        """
        if self._batches:
            return self._batches.popleft()
        if self._fault is not None:
            raise self._fault
        return None

    def _begin(self, data: bytes) -> bytes:
        self._begun = True
        if data.startswith(_UTF16_MARKS):
            self._refuse(BadRow(self._file, 1, "", _FOREIGN))
            return b""
        return data.removeprefix(_UTF8_MARK)

    def _take(self, payload: bytes) -> None:
        """Check whole lines, LF after each."""
        self.rows_bytes += len(payload)
        if b"\r" in payload:
            payload = payload.replace(b"\r\n", b"\n")
        count = payload.count(b"\n")
        lines = range(self._line + 1, self._line + 1 + count)
        # The fast path: common rows are sent as they stand, and hold no line end but their LF.
        if not self._blank_lines and bets.are_common_lines(payload, self._today.year):
            self._accept(payload, map(len, payload.splitlines(keepends=True)), lines)
        else:
            self._take_each(payload, lines)
        self._line += count
        self._cut(last=False)

    def _take_each(self, payload: bytes, lines: Sequence[int]) -> None:
        rows: list[bytes] = []
        accepted: list[int] = []
        for line, data in zip(lines, payload.split(b"\n"), strict=False):
            if len(data) > LINE_LIMIT_BYTES:
                self._refuse_length(line, data)
                break
            if not data:
                self._blank_lines = [*self._blank_lines[:1], line]
                continue
            if self._blank_lines and not self._refuse_blank_lines():
                break
            checked = self._check(data, line)
            if isinstance(checked, bytes):
                rows.append(checked)
                accepted.append(line)
            elif not self._leave_out(checked):
                break
        self._accept(b"".join(rows), map(len, rows), accepted)

    def _check(self, data: bytes, line: int) -> bytes | BadRow:
        """Give the row as it is sent, or what is wrong with it."""
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            column = data[: error.start].count(b",")
            field = bets.FIELDS[column] if column < len(bets.FIELDS) else ""
            reason = f"is not UTF-8 at byte {error.start + 1} of the line, save the file as UTF-8"
            return BadRow(self._file, line, field, reason)
        if "\0" in text:
            return BadRow(self._file, line, "", "holds U+0000, is the file in UTF-16?")
        fields = text.split(",")
        if '"' in text:
            try:
                (fields,) = csv.reader([text], strict=True)
            except csv.Error:
                return BadRow(self._file, line, "", "has a quote that is not closed or not allowed")
        fault = bets.fault_of(fields, self._today)
        if fault is not None:
            column, reason = fault
            return BadRow(self._file, line, bets.FIELDS[column - 1] if column else "", reason)
        return ",".join(fields).encode() + b"\n"

    def _refuse_blank_lines(self) -> bool:
        """Deal with blank lines that turn out not to end the file; False: stop there."""
        first, last = self._blank_lines[0], self._blank_lines[-1]
        self._blank_lines = []
        return all(
            self._leave_out(BadRow(self._file, line, "", "is empty, only the last line may be"))
            for line in range(first, last + 1)
        )

    def _leave_out(self, row: BadRow) -> bool:
        """Leave a row out, or stop at it: False."""
        if self._skip_bad:
            self._skipped(row)
            return True
        self._refuse(row)
        return False

    def _refuse_length(self, line: int, data: bytes) -> None:
        reason = f"is longer than {LINE_LIMIT_BYTES} bytes, is this a CSV file?"
        # No more of the line is looked at than was there for certain, whatever the chunks.
        if line == 1 and b"\r" in data[:LINE_LIMIT_BYTES]:
            line, reason = 0, _OLD_LINE_ENDS
        self._refuse(BadRow(self._file, line, "", reason))

    def _refuse(self, row: BadRow) -> None:
        if self._fault is None:
            self._fault = BadInput(row)
            self._partial = b""

    def _accept(self, rows: bytes, lengths: Iterable[int], lines: Sequence[int]) -> None:
        """Add checked rows: their bytes, the length of each and the line of each."""
        ends = accumulate(lengths, initial=len(self._rows))
        next(ends)
        self._ends.extend(ends)
        self._rows += rows
        self.rows += len(lines)
        self._lines.extend(lines)

    def _cut(self, *, last: bool) -> None:
        """Make batches of the checked rows; the rest waits, unless there is no more."""
        rows, ends, lines = self._rows, self._ends, self._lines
        start = offset = 0
        while start < len(ends):
            most = min(start + self._batch_size, len(ends))
            stop = bisect_right(ends, offset + self._rows_limit_bytes, start, most)
            if stop == len(ends) and stop - start < self._batch_size and not last:
                break
            self._batches.append(FileBatch(rows[offset : ends[stop - 1]], lines[start:stop]))
            start, offset = stop, ends[stop - 1]
        self._rows = rows[offset:]
        self._ends = [end - offset for end in ends[start:]]
        self._lines = lines[start:]
