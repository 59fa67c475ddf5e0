"""What a writer has to store: rows of an agency that follow each other, or its END.

A writer child imports this module: nothing slow is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from lottery.errors import Code, LotteryError
from lottery.ledger.segment import Kind, Segment, pack

#: What a writer is told in the place of a segment, and where in its environment it finds the
#: connection string of the database then.
DATABASE: Final = "postgresql"
DATABASE_AT: Final = "LOTTERY_WRITER_LEDGER"


class Entry(NamedTuple):
    """One thing to be stored.

    ``kind`` is ROWS or END. ``first`` is the index of the first bet, in an END the total.
    ``body`` are rows as they will stand in ``bets.csv``, LF after each; of an END the agency's
    random bytes. ``crc`` is the CRC-32 of the agency's rows as it sent them, up to the last of
    these; 0 for a classic agency. ``session`` is which session of the agency stores it.
    """

    kind: Kind
    agency: int
    first: int
    bets: int
    body: bytes
    crc: int
    classic: bool
    session: int

    def packed(self, flushed: int) -> bytes:
        """Give it as the record of a segment of which so many bytes are on disk."""
        return pack(self.kind, self.agency, self.first, self.bets, self.body, flushed, self.classic)


class Refused(LotteryError):
    """Some agencies may not store anything; nothing was stored of the others either.

    :ivar why: by agency and session, the code and the sentence that it is told.
    """

    def __init__(self, why: Mapping[tuple[int, int], tuple[Code, str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in why.values()))
        self.why = why


class Store(Protocol):
    """Where a writer stores: what it has appended and then flushed is there for good."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries behind those before.

        :raises NotNow: if that cannot be done now; the store is as it was.
        :raises Refused: if some of them may not be stored; the store is as it was.
        :raises OSError: if nothing may be done with the store any more, and so it is for
            every other :class:`~lottery.errors.LotteryError`.
        """

    def flush(self) -> None:
        """Wait until all that was appended is there for good.

        :raises OSError: if it is not known to be.
        """

    def close(self) -> None:
        """End, behind the last entry.

        :raises OSError: if what was appended is not known to be there for good.
        """


class SegmentStore:
    """A segment as a store."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self.flush, self.close = segment.flush, segment.close

    def append(self, entries: Sequence[Entry]) -> None:
        """Write a record for each, all at once."""
        flushed = self._segment.flushed
        self._segment.append(b"".join([each.packed(flushed) for each in entries]))


def segment_store(path: str, draw: int, number: int, min_free: int) -> Store:
    """Make a segment; raises as that does."""
    return SegmentStore(Segment(path, draw, number, min_free))
