"""The agency's file as a sequence of batches, from its start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred

from lottery.agency.reader import BatchReader, FileBatch
from lottery.agency.source import Source

#: Waits for bytes of the file, or raises what makes waiting for them useless. What it does
#: not wait for any more can be asked for again: no byte is lost.
Guard = Callable[[Deferred[bytes]], Awaitable[bytes]]


def unguarded(reading: Deferred[bytes]) -> Awaitable[bytes]:
    """Wait for bytes, come what may."""
    return reading


class BetsFile:
    """A file of bets, read as far as it is asked for.

    :param source: its bytes.
    :param new_reader: makes what cuts them into batches, from the start of the file.
    """

    def __init__(self, source: Source, new_reader: Callable[[], BatchReader]) -> None:
        self._source = source
        self._new_reader = new_reader
        self._reader = new_reader()

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
