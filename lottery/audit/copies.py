"""``bets.csv`` and ``winners.csv``, held byte for byte against what they are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zlib import crc32

from lottery.audit.differences import Differs
from lottery.audit.files import AuditedFile, OpenFiles
from lottery.audit.holdings import Holding
from lottery.audit.record import NAME, DrawRecord, Part, Sum
from lottery.audit.rows import number_of

_STEP_BYTES: Final = 1 << 20


class Twin:
    """A file that has to be, byte for byte, what is expected of it step by step.

    :ivar bets: how many rows were expected so far.
    :ivar size: in bytes, so far.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Open the file.

        :raises Differs: if it cannot be opened.
        """
        self.bets = 0
        self.size = 0
        self._file = AuditedFile(directory, name)
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        """Give itself, to be closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def expect(self, rows: bytes, origin: Callable[[int], str]) -> bytes:
        """Read on, and give what was read, which is the same.

        :param rows: whole rows.
        :param origin: says of one of their bytes where it comes from, in words.
        :raises Differs: at the first byte that is another, or missing.
        """
        found = self._file.read(self.size, len(rows))
        if found != rows:
            same = _common(found, rows)
            ends = same == len(found)
            what = "the file ends here, but there are more rows" if ends else "this is not the row"
            raise Differs(
                self._file.name,
                f"{what} of {origin(same)}",
                byte=self.size + same,
                line=self.bets + rows.count(b"\n", 0, same) + 1,
            )
        self._digest.update(found)
        self.size += len(found)
        self.bets += found.count(b"\n")
        return found

    def end(self, expected: Sum | None) -> None:
        """Nothing more is expected of it.

        :param expected: what the record says of the file, if it does.
        :raises Differs: if it goes on, or the record says something else.
        """
        if self.size < self._file.size:
            what = f"{self._file.size - self.size} bytes stand behind the last row there can be"
            raise Differs(self._file.name, what, byte=self.size, line=self.bets + 1)
        if expected is None:
            return
        found = (self.bets, self.size, self._digest.hexdigest())
        if (expected.bets, expected.size, expected.sha256) != found:
            what = f"{expected.name} has {found[0]} bets, {found[1]} bytes, SHA-256 {found[2]}"
            raise Differs(NAME, what, line=expected.line)


class Rows:
    """Rows of one agency, taken from segments.

    :ivar size: in bytes.
    """

    def __init__(self, agency: int) -> None:
        self.size = 0
        self._agency = agency
        self._parts: list[bytes] = []
        self._origins: list[tuple[str, int]] = []

    def add(self, rows: bytes, segment: str, place: int) -> None:
        """Take what stands at this byte of a segment."""
        self._parts.append(rows)
        self._origins.append((segment, place))
        self.size += len(rows)

    def __bytes__(self) -> bytes:
        """Give all of them."""
        return b"".join(self._parts)

    def origin(self, offset: int) -> str:
        """Say where one of their bytes comes from."""
        for part, (segment, place) in zip(self._parts, self._origins, strict=True):
            if offset < len(part):
                return f"agency {self._agency} in {segment}, byte {place + offset}"
            offset -= len(part)
        return f"agency {self._agency}"


def rows_of(files: OpenFiles, holding: Holding) -> Iterator[Rows]:
    """Yield the rows that the segments hold of an agency, in order, many at a time.

    :raises Differs: if they cannot be read.
    """
    rows = Rows(holding.agency)
    for segment, place, length in holding.pieces():
        rows.add(files.read(segment, place, length), segment, place)
        if rows.size >= _STEP_BYTES:
            yield rows
            rows = Rows(holding.agency)
    if rows.size:
        yield rows


class PartDigest:
    """Bets, size and checksums of an agency's rows, to be held against the record.

    :ivar crc: CRC-32 of the rows as sent, 0 for a classic agency.
    """

    def __init__(self, agency: int, classic: bool, where: str = "the segments") -> None:
        """:param where: what the rows are taken from, in words."""
        self.crc = 0
        self._agency = agency
        self._where = where
        self._classic = classic
        self._begin = b"%d," % agency
        self._sha256 = hashlib.sha256()
        self._bets = self._size = 0

    def update(self, rows: bytes) -> None:
        """Take the next rows."""
        self._sha256.update(rows)
        self._bets += rows.count(b"\n")
        self._size += len(rows)
        if not self._classic:
            begin = self._begin
            self.crc = crc32(rows[len(begin) :].replace(b"\n" + begin, b"\n"), self.crc)

    def check(self, part: Part) -> None:
        """Hold what was taken against the record.

        :raises Differs: for the first member that says something else.
        """
        for key, found, said in (
            ("bets", self._bets, part.bets),
            ("crc32", f"{self.crc:08x}", f"{part.crc32:08x}"),
            ("bytes", self._size, part.size),
            ("sha256", self._sha256.hexdigest(), part.sha256),
        ):
            if said is not None and found != said:
                what = f'"{key}" of agency {self._agency} is {found} in {self._where}'
                raise Differs(NAME, what, line=part.line_of(key))


class Recount:
    """The winning rows of the agencies that succeeded, counted once more from ``bets.csv``.

    Every row is parsed for its number.

    :ivar winners: how many each agency has.
    """

    def __init__(self, record: DrawRecord, number: int) -> None:
        """:param number: the one that wins."""
        self.winners = {part.agency: 0 for part in record.parts if part.succeeded}
        self._number = number

    def winning(self, rows: Iterable[bytes]) -> list[bytes]:
        """Give those of some rows that win and take part."""
        number, found = self._number, []
        for row in rows:
            if row and number_of(row) == number:
                agency = int(row.partition(b",")[0])
                if agency in self.winners:
                    self.winners[agency] += 1
                    found.append(row)
        return found

    def check(self, record: DrawRecord) -> None:
        """Hold the counts against the record.

        :raises Differs: for the first agency that has another number of winners.
        """
        for part in record.parts:
            found = self.winners.get(part.agency)
            if part.winners is not None and part.winners != found:
                what = f'"winners" of agency {part.agency} is {found} in the recount'
                raise Differs(NAME, what, line=part.line_of("winners"))


def _common(one: bytes, other: bytes) -> int:
    """Give how many bytes two have in common at their beginning."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least
