"""A file as a sequence of batches, whatever happens while it is read."""

from __future__ import annotations

from datetime import date

import pytest
from agency_rig import ROW
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from lottery.agency.bets_file import BetsFile, Total, unguarded
from lottery.agency.failures import BadInput
from lottery.agency.reader import BatchReader, FileBatch


class SlowSource:
    """Gives its chunks when the test says so."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = [*chunks, b""]
        self.given = 0
        self.asked: Deferred[bytes] | None = None
        self.size: int | None = sum(map(len, chunks))

    def read(self) -> Deferred[bytes]:
        """Wait for :meth:`go`."""
        self.asked = Deferred()
        return self.asked

    def go(self) -> None:
        """Give the next chunk."""
        assert self.asked is not None
        asked, self.asked = self.asked, None
        self.given += 1
        asked.callback(self.chunks[self.given - 1])

    def rewind(self) -> None:
        """Give them anew."""
        self.given = 0

    def close(self) -> None:
        """Nothing is open."""


class Rig:
    """A file with batches of two rows, and what was asked of it."""

    def __init__(self, *chunks: bytes) -> None:
        self.source = SlowSource(*chunks)
        self.file = BetsFile(self.source, lambda: BatchReader("bets.csv", 2, date(2026, 1, 1)))
        self.given: list[FileBatch | None] = []
        self.failures: list[Failure] = []

    def ask(self) -> Deferred[None]:
        """Ask for the next batch."""
        asking = Deferred.fromCoroutine(self.file.next_batch(unguarded))
        return asking.addCallbacks(self.given.append, self.failures.append)

    @property
    def rows(self) -> list[bytes | None]:
        """The rows of each batch that was given."""
        return [batch and batch.rows for batch in self.given]


def test_reads_no_more_than_needed() -> None:
    """A batch that is complete is given without reading; behind the end nothing is read."""
    rig = Rig(ROW * 4, ROW)
    rig.ask()
    rig.source.go()
    rig.ask()
    assert rig.rows == [ROW * 2] * 2
    assert rig.source.asked is None
    rig.ask()
    rig.source.go()
    assert len(rig.given) == 2
    rig.source.go()
    rig.ask()

    assert rig.rows == [ROW * 2, ROW * 2, ROW, None]
    assert rig.source.asked is None


def test_given_up_and_asked_again() -> None:
    """Who stops waiting for bytes and asks again later has lost none."""
    rig = Rig(ROW, ROW * 2)
    asking = rig.ask()
    rig.source.go()
    asking.cancel()
    assert isinstance(rig.failures[0].value, CancelledError)
    rig.ask()
    rig.source.go()
    rig.ask()
    rig.source.go()

    assert rig.rows == [ROW * 2, ROW]


def test_rewound() -> None:
    """From the start again, whatever was read, also a part of a row."""
    rig = Rig(ROW + ROW[:5], ROW[5:])
    rig.ask().cancel()
    rig.ask()
    rig.source.go()
    assert rig.given == []
    asking, rig.source.asked = rig.source.asked, None
    assert asking is not None
    asking.cancel()
    rig.file.rewind()
    rig.ask()
    for _ in range(2):
        rig.source.go()

    assert rig.rows == [ROW * 2]


@pytest.mark.parametrize("times", [1, 2])
def test_bad_row(times: int) -> None:
    """Is told as often as it is asked for."""
    rig = Rig(b"whatever\n")
    rig.ask()
    rig.source.go()
    for _ in range(times - 1):
        rig.ask()

    assert [type(failure.value) for failure in rig.failures] == [BadInput] * times


class TestTotal:
    """How many bets there are, before all are read."""

    def test_guessed_then_counted(self) -> None:
        """From the rows read so far, whatever their length; at the end it is known."""
        longer = ROW.replace(b"Ana", b"Anastasia")
        rig = Rig(ROW * 4, longer * 4)
        assert rig.file.total is None
        rig.ask()
        assert rig.file.total is None
        rig.source.go()
        expected = round(4 * (len(ROW) + len(longer)) / len(ROW))
        assert rig.file.total == Total(expected, exact=False)
        for _ in range(3):
            rig.ask()
        rig.source.go()
        assert rig.file.total == Total(8, exact=False)
        for _ in range(2):
            rig.ask()
        rig.source.go()
        assert rig.file.total == Total(8, exact=True)

    def test_half_a_row(self) -> None:
        """A row that is not complete yet does not make the guess smaller."""
        rig = Rig(ROW * 3 + ROW[:5], ROW[5:])
        rig.ask()
        rig.source.go()
        assert rig.file.total == Total(4, exact=False)

    def test_file_that_grows(self) -> None:
        """There are never fewer than have been read."""
        rig = Rig(ROW * 3)
        rig.source.size = len(ROW)
        rig.ask()
        rig.source.go()
        assert rig.file.total == Total(3, exact=False)

    def test_pipe(self) -> None:
        """Only the end of a pipe tells."""
        rig = Rig(ROW)
        rig.source.size = None
        rig.ask()
        rig.source.go()
        assert rig.file.total is None
        rig.source.go()
        assert rig.file.total == Total(1, exact=True)

    def test_rewound(self) -> None:
        """At its start again, nothing is read of it."""
        rig = Rig(ROW * 2)
        rig.ask()
        rig.source.go()
        rig.file.rewind()
        assert rig.file.total is None
