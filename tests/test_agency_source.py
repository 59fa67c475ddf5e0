"""Where the bytes come from: real files and pipes, a reactor that only takes notes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from lottery.agency.failures import BadInput
from lottery.agency.source import CHUNK_BYTES, FileSource, Source, WatchedSource, open_source


class UnwatchableReactor(MemoryReactorClock):
    """A reactor that cannot watch this descriptor."""

    def addReader(self, reader: IReadDescriptor) -> None:
        raise PermissionError("not this one")


@pytest.fixture
def reactor() -> MemoryReactorClock:
    """A reactor without time of its own."""
    return MemoryReactorClock()


@pytest.fixture
def opened() -> Iterator[list[Source]]:
    """Sources that are closed in the end."""
    sources: list[Source] = []
    yield sources
    for source in sources:
        source.close()
        source.close()


@pytest.fixture
def fifo(
    tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]
) -> tuple[Path, WatchedSource]:
    """A pipe by name, and the source that reads it."""
    path = tmp_path / "bets"
    os.mkfifo(path)
    source = open_source(path, reactor, reactor)
    opened.append(source)
    assert isinstance(source, WatchedSource)
    return path, source


def _now(deferred: Deferred[bytes]) -> bytes:
    results: list[bytes] = []
    deferred.addCallback(results.append)
    assert len(results) == 1
    return results[0]


def _error(deferred: Deferred[bytes]) -> Exception:
    failures: list[Failure] = []
    deferred.addErrback(failures.append)
    assert len(failures) == 1
    error = failures[0].value
    assert isinstance(error, Exception)
    return error


class TestFiles:
    """Regular files."""

    def test_chunks_in_turns_of_the_reactor(
        self, tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]
    ) -> None:
        """Each read is a chunk, and none happens before the reactor had its turn."""
        path = tmp_path / "bets.csv"
        path.write_bytes(b"a" * CHUNK_BYTES + b"b")
        source = open_source(path, reactor, reactor)
        opened.append(source)

        asked = source.read()
        assert not asked.called
        reactor.advance(0)
        assert _now(asked) == b"a" * CHUNK_BYTES
        for rest in (b"b", b"", b""):
            asked = source.read()
            reactor.advance(0)
            assert _now(asked) == rest

    def test_rewound(
        self, tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]
    ) -> None:
        """A file can be read again from its start, as far as it went."""
        path = tmp_path / "bets.csv"
        path.write_bytes(b"a" * CHUNK_BYTES + b"b")
        source = open_source(path, reactor, reactor)
        opened.append(source)
        for expected in (b"a" * CHUNK_BYTES, b"b", b""):
            asked = source.read()
            reactor.advance(0)
            assert _now(asked) == expected
        source.rewind()
        os.truncate(path, CHUNK_BYTES)
        asked = source.read()
        reactor.advance(0)
        assert _now(asked) == b"a" * CHUNK_BYTES
        asked = source.read()
        reactor.advance(0)

        assert str(_error(asked)) == f"{path} changed while it was read"

    def test_truncated(
        self, tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]
    ) -> None:
        """A file that loses its end while it is read is not taken for a whole one."""
        path = tmp_path / "bets.csv"
        path.write_bytes(b"a" * CHUNK_BYTES * 2)
        source = open_source(path, reactor, reactor)
        opened.append(source)
        asked = source.read()
        reactor.advance(0)
        assert len(_now(asked)) == CHUNK_BYTES
        os.truncate(path, 10)
        asked = source.read()
        reactor.advance(0)

        assert str(_error(asked)) == f"{path} changed while it was read"

    def test_grown(self, tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]) -> None:
        """A file that grows is read to its new end."""
        path = tmp_path / "bets.csv"
        path.write_bytes(b"a")
        source = open_source(path, reactor, reactor)
        opened.append(source)
        path.write_bytes(b"abc")
        for expected in (b"abc", b""):
            asked = source.read()
            reactor.advance(0)
            assert _now(asked) == expected

    def test_disk_error(
        self, tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]
    ) -> None:
        """What the disk says is told in a sentence."""
        descriptor = os.open(tmp_path, os.O_RDONLY)
        source = FileSource(Path("bets.csv"), descriptor, reactor)
        opened.append(source)
        asked = source.read()
        reactor.advance(0)

        assert str(_error(asked)) == "bets.csv cannot be read, is a directory"

    def test_cancelled(
        self, tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]
    ) -> None:
        """A read that is given up leaves nothing in the reactor."""
        (tmp_path / "bets.csv").touch()
        source = open_source(tmp_path / "bets.csv", reactor, reactor)
        opened.append(source)
        asked = source.read()
        asked.cancel()

        assert isinstance(_error(asked), CancelledError)
        assert reactor.getDelayedCalls() == []


class TestRefused:
    """What cannot be read."""

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("none.csv", "no such file or directory"),
            (".", "it is a directory"),
            ("x" * 300, "file name too long"),
        ],
    )
    def test_sentence(
        self, name: str, reason: str, tmp_path: Path, reactor: MemoryReactorClock
    ) -> None:
        """The file and the reason are named."""
        with pytest.raises(BadInput) as caught:
            open_source(tmp_path / name, reactor, reactor)

        assert str(caught.value) == f"{tmp_path / name} cannot be read, {reason}"
        assert caught.value.row.line == 0

    def test_forbidden(
        self, tmp_path: Path, reactor: MemoryReactorClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that we may not read; root, who may run this test, may read everything."""
        path = tmp_path / "bets.csv"

        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(BadInput, match="permission denied"):
            open_source(path, reactor, reactor)


class TestPipes:
    """Pipes and devices: nothing is read before the reactor says so."""

    def test_interface(self, fifo: tuple[Path, WatchedSource]) -> None:
        """The reactor can use it, and can name it."""
        _, source = fifo

        assert verifyObject(IReadDescriptor, source)
        assert source.logPrefix() == "WatchedSource"
        assert stat.S_ISFIFO(os.fstat(source.fileno()).st_mode)

    def test_waits_for_a_writer(
        self, fifo: tuple[Path, WatchedSource], reactor: MemoryReactorClock
    ) -> None:
        """A pipe that nobody writes to yet is not at its end."""
        path, source = fifo
        assert reactor.getReaders() == []
        asked = source.read()
        assert reactor.getReaders() == [source]
        assert not asked.called

        writer = os.open(path, os.O_WRONLY)
        source.doRead()
        assert not asked.called
        os.write(writer, b"bets")
        source.doRead()

        assert _now(asked) == b"bets"
        assert reactor.getReaders() == []
        os.close(writer)
        asked = source.read()
        source.doRead()
        assert _now(asked) == b""

    def test_nothing_is_read_unasked(
        self, fifo: tuple[Path, WatchedSource], reactor: MemoryReactorClock
    ) -> None:
        """What nobody asked for stays in the pipe."""
        path, source = fifo
        writer = os.open(path, os.O_WRONLY)
        os.write(writer, b"x")
        source.doRead()
        asked = source.read()
        source.doRead()

        assert _now(asked) == b"x"
        os.close(writer)

    def test_hang_up(self, fifo: tuple[Path, WatchedSource]) -> None:
        """A hang-up is how the reactor tells the end of a pipe."""
        _, source = fifo
        asked = source.read()
        source.connectionLost(Failure(ConnectionDone()))
        source.connectionLost(Failure(ConnectionDone()))

        assert _now(asked) == b""

    def test_cancelled(self, fifo: tuple[Path, WatchedSource], reactor: MemoryReactorClock) -> None:
        """A read that is given up is not watched for any more, and may be asked anew."""
        _, source = fifo
        asked = source.read()
        asked.cancel()

        assert isinstance(_error(asked), CancelledError)
        assert reactor.getReaders() == []
        assert not source.read().called

    def test_no_way_back(self, fifo: tuple[Path, WatchedSource]) -> None:
        """What was read from a pipe is gone, and what to do about it is told."""
        path, source = fifo
        with pytest.raises(BadInput) as caught:
            source.rewind()

        assert str(caught.value) == (
            f"{path} is a pipe that cannot be read again, name the draw that is open with --draw"
        )

    def test_empty_device(self, reactor: MemoryReactorClock, opened: list[Source]) -> None:
        """A device that holds nothing has a start, too."""
        source = open_source(Path("/dev/null"), reactor, reactor)
        opened.append(source)
        source.rewind()

    def test_device_error(
        self, tmp_path: Path, reactor: MemoryReactorClock, opened: list[Source]
    ) -> None:
        """An error of the device fails the read and ends the watch."""
        source = WatchedSource(Path("tape"), os.open(tmp_path, os.O_RDONLY), reactor, reactor)
        opened.append(source)
        asked = source.read()
        source.doRead()

        assert str(_error(asked)) == "tape cannot be read, is a directory"
        assert reactor.getReaders() == []

    @pytest.mark.parametrize(("device", "data"), [("zero", bytes(CHUNK_BYTES)), ("null", b"")])
    def test_devices_that_cannot_be_watched(
        self, device: str, data: bytes, opened: list[Source]
    ) -> None:
        """They never wait, so they are read as files are."""
        reactor = UnwatchableReactor()
        source = open_source(Path("/dev") / device, reactor, reactor)
        opened.append(source)
        asked = source.read()
        reactor.advance(0)

        assert _now(asked) == data
