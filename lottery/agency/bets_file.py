"""The agency's file as a sequence of batches, from its start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen
from twisted.internet.defer import Deferred

from lottery.agency.reader import BatchReader, FileBatch
from lottery.agency.source import Source

#: Waits for bytes of the file, or raises what makes waiting for them useless. What it does
#: not wait for any more can be asked for again: no byte is lost.
Guard = Callable[[Deferred[bytes]], Awaitable[bytes]]


def unguarded(reading: Deferred[bytes]) -> Awaitable[bytes]:
    """Wait for bytes, come what may."""
    return reading


@frozen
class Total:
    """How many bets a file has.

    :ivar exact: they are counted; otherwise it is what the rows read so far let expect.
    """

    bets: int
    exact: bool


class BetsFile:
    """A file of bets, read as far as it is asked for.

    :param source: its bytes.
    :param new_reader: makes what cuts them into batches, from the start of the file.
    """

    def __init__(self, source: Source, new_reader: Callable[[], BatchReader]) -> None:
        self._source = source
        self._new_reader = new_reader
        self._reader = new_reader()

    @property
    def total(self) -> Total | None:
        """How many bets there are; None for a pipe, and before anything is read."""
        rows, size = self._reader.rows, self._source.size
        if self._reader.finished:
            return Total(rows, exact=True)
        if size is None or not self._reader.rows_bytes:
            return None
        return Total(max(rows, round(rows * size / self._reader.rows_bytes)), exact=False)

    async def next_batch(self, guard: Guard) -> FileBatch | None:
        """Give the next batch, reading as much as that needs; None at the end.

        :raises BadInput: if the file cannot be read or sent any further.
        """
        reader = self._reader
        while (batch := reader.next_batch()) is None and not reader.finished:
            if data := await guard(self._source.read()):
                reader.feed(data)
            else:
                reader.finish()
        return batch

    def rewind(self) -> None:
        """Go back to the start.

        :raises BadInput: if it is a pipe, which has no way back.
        """
        self._source.rewind()
        self._reader = self._new_reader()
