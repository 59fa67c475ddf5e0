"""``lottery.ledger.segment``: records to the byte, and which of them a reader believes."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lottery.ledger.segment as segment_module
from lottery.ledger.segment import (
    HEADER_BYTES,
    Kind,
    Record,
    Records,
    Segment,
    flush_directory,
    map_file,
    pack,
)

ROWS = b"5,Ana,Gil,1,2000-01-01,7\n5,Bo,Paz,02,1999-12-31,0042\n"
NONCE = bytes(range(32))

# The arguments of ``pack`` and the header that they give, whose last 4 bytes are the CRC-32 as a
# loop over the bits has it.
TABLE = [
    (
        (Kind.ROWS, 5, 3, 2, ROWS, 40),
        "4c435331 01 000000 00000005 0000000000000003 00000002 00000035 0000000000000028 8e12b14a",
    ),
    (
        (Kind.END, 5, 5, 0, NONCE, 132),
        "4c435331 02 000000 00000005 0000000000000005 00000000 00000020 0000000000000084 aebd09ec",
    ),
    (
        (Kind.END, 0xFFFFFFFF, 0, 0, b"", 0),
        "4c435331 02 000000 ffffffff 0000000000000000 00000000 00000000 0000000000000000 60966cf8",
    ),
]
WHOLE = b"".join(pack(*arguments) for arguments, _ in TABLE)
ENDS = [93, 93 + 72, 93 + 72 + 40]


def crc_by_bits(data: bytes) -> int:
    """CRC-32 as its definition has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def forged(head: str, body: bytes = b"") -> bytes:
    """A record with any first 36 bytes and the right CRC."""
    start = bytes.fromhex(head)
    assert len(start) == 36
    return start + crc_by_bits(start + body).to_bytes(4, "big") + body


def close(segment: Segment) -> None:
    """Do what the end of a writer's process does."""
    os.close(segment._fd)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a segment may be made."""
    return tmp_path / "segment-0001.log"


@pytest.fixture
def segment(path: Path) -> Iterator[Segment]:
    """A segment that has just been made."""
    made = Segment(str(path))
    yield made
    close(made)


@pytest.mark.parametrize(("arguments", "header"), TABLE)
def test_record_to_the_byte(arguments: tuple[Kind, int, int, int, bytes, int], header: str) -> None:
    """The header is what the table in ``docs/ledger.md`` says, the body is as it was given."""
    body = arguments[4]
    record = pack(*arguments)
    assert record[:HEADER_BYTES].hex() == header.replace(" ", "")
    assert record[HEADER_BYTES:] == body
    assert HEADER_BYTES == 40
    assert int.from_bytes(record[36:40], "big") == crc_by_bits(record[:36] + body)


def test_records_are_read_back() -> None:
    """What was written is found, each record where it stands."""
    records = Records(WHOLE)
    assert list(records) == [
        Record(Kind.ROWS, 5, 3, 2, 40, 53, 40),
        Record(Kind.END, 5, 5, 0, 133, 32, 132),
        Record(Kind.END, 0xFFFFFFFF, 0, 0, 205, 0, 0),
    ]
    assert records.end == len(WHOLE) == ENDS[-1]
    assert all(isinstance(record.kind, Kind) for record in Records(WHOLE))


def test_every_torn_cut_gives_the_whole_records_before_it() -> None:
    """A segment cut anywhere holds exactly the records that are whole."""
    for cut in range(len(WHOLE) + 1):
        records = Records(WHOLE[:cut])
        whole = [end for end in ENDS if end <= cut]
        assert len(list(records)) == len(whole)
        assert records.end == (whole[-1] if whole else 0)


def test_every_flipped_bit_ends_the_reading_before_its_record() -> None:
    """No bit of header, padding, CRC or body can change unseen; what stood before is kept."""
    for at in range(len(WHOLE)):
        before = [end for end in ENDS if end <= at]
        for bit in range(8):
            data = bytearray(WHOLE)
            data[at] ^= 1 << bit
            records = Records(bytes(data))
            assert len(list(records)) == len(before)
            assert records.end == (before[-1] if before else 0)


@pytest.mark.parametrize(
    "tail",
    [
        bytes(1),
        bytes(40),
        bytes(4096),
        b"LCS1",
        b"LCS1" + bytes(36),
        b"LCS1" + bytes(4092),
        b"\xff" * 100,
        b"garbage that is longer than the header of a record\n",
        ROWS,
    ],
)
def test_tails_that_are_no_records(tail: bytes) -> None:
    """NULs, garbage and half a header behind the last record are not read, nor what follows."""
    records = Records(WHOLE + tail + WHOLE)
    assert len(list(records)) == 3
    assert records.end == len(WHOLE)


@pytest.mark.parametrize("length", ["ffffffff", "00000036", "7fffffff", "00010000"])
def test_huge_announced_length_reads_nothing_beyond_the_end(length: str) -> None:
    """A length beyond the end of the file is a torn tail, whatever its CRC."""
    head = f"4c435331 01 000000 00000005 0000000000000003 00000002 {length} {28:016x}"
    records = Records(WHOLE + forged(head, ROWS))
    assert len(list(records)) == 3
    assert records.end == len(WHOLE)


@pytest.mark.parametrize("kind", ["00", "03", "ff"])
def test_unknown_kind_ends_the_reading(kind: str) -> None:
    """A record of a kind that is not known is not believed, although its CRC is right."""
    head = f"4c435331 {kind} 000000 00000005 {0:016x} 00000000 00000000 {0:016x}"
    records = Records(forged(head) + WHOLE)
    assert list(records) == []
    assert records.end == 0


def test_another_magic_ends_the_reading() -> None:
    """A record of another format is not believed, although its CRC is right."""
    good = f"4c435331 01 000000 00000005 {0:016x} 00000000 00000000 {0:016x}"
    assert len(list(Records(forged(good)))) == 1
    assert list(Records(forged(good.replace("4c435331", "4c435332")))) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Kind),
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**32 - 1),
            st.binary(max_size=300),
            st.integers(0, 2**64 - 1),
        )
    )
)
def test_round_trip(every: list[tuple[Kind, int, int, int, bytes, int]]) -> None:
    """Whatever is packed is found again, with its body."""
    data = b"".join(pack(*arguments) for arguments in every)
    found = []
    for kind, agency, first, bets, offset, length, flushed in Records(data):
        found.append((kind, agency, first, bets, data[offset : offset + length], flushed))
    assert found == every


@given(st.binary(max_size=300))
def test_random_bytes_are_read_without_an_error(data: bytes) -> None:
    """Nothing that stands behind the records makes the reader fail."""
    records = Records(WHOLE + data)
    assert len(list(records)) >= 3
    assert len(WHOLE) <= records.end <= len(WHOLE + data)


def test_segment_is_made_for_its_owner_alone(path: Path, segment: Segment) -> None:
    """It is a new, empty file that nobody else may read."""
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.stat().st_size == 0
    assert segment.flushed == 0


def test_segment_is_locked_for_its_life(path: Path) -> None:
    """Nobody else can lock it while it is written; afterwards anybody can."""
    segment = Segment(str(path))
    with path.open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        close(segment)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("content", [b"", WHOLE])
def test_segment_never_opens_a_file_that_is_there(path: Path, content: bytes) -> None:
    """A file of that name is an error, and stays as it is."""
    path.write_bytes(content)
    with pytest.raises(FileExistsError):
        Segment(str(path))
    assert path.read_bytes() == content


def test_segment_does_not_follow_a_link(path: Path, tmp_path: Path) -> None:
    """A link of that name is an error, also one that leads nowhere."""
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        Segment(str(path))
    assert not (tmp_path / "elsewhere").exists()


def test_segment_without_a_directory(tmp_path: Path) -> None:
    """A directory that is not there is an error."""
    with pytest.raises(FileNotFoundError):
        Segment(str(tmp_path / "missing" / "segment-0001.log"))


@pytest.mark.parametrize("beside", [False, True])
def test_making_a_segment_flushes_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    """Its name is on disk before anything is written to it, also for a name without directory."""
    flushed: list[str] = []
    monkeypatch.setattr(segment_module, "flush_directory", flushed.append)
    monkeypatch.chdir(tmp_path)
    close(Segment("segment" if beside else str(tmp_path / "segment")))
    assert flushed == ["." if beside else str(tmp_path)]


def test_a_directory_that_is_not_flushed_makes_no_segment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the directory's flush is one of the segment."""
    fds: list[int] = []

    def fail(fd: int) -> None:
        fds.append(fd)
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no"):
        Segment(str(path))
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fds[0])


def test_append_and_flush(path: Path, segment: Segment) -> None:
    """Records stand behind each other; only a flush makes them count as flushed."""
    segment.append(WHOLE)
    assert segment.flushed == 0
    segment.append(WHOLE)
    segment.flush()
    assert segment.flushed == 2 * len(WHOLE)
    segment.append(WHOLE)
    assert segment.flushed == 2 * len(WHOLE)
    assert path.read_bytes() == 3 * WHOLE


def test_short_write_is_an_error(
    path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that took a part only is no write, and its bytes never count as flushed."""
    segment.append(WHOLE)
    true_write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: true_write(fd, data[:7]))
        with pytest.raises(OSError, match=f"only 7 of {len(WHOLE)} bytes could be written"):
            segment.append(WHOLE)
    assert path.stat().st_size == len(WHOLE) + 7
    segment.flush()
    assert segment.flushed == len(WHOLE)


def test_full_disk_is_an_error(segment: Segment) -> None:
    """What the disk says is passed on."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, segment._fd)
    os.close(full)
    with pytest.raises(OSError) as error:
        segment.append(WHOLE)
    assert error.value.errno == errno.ENOSPC


def test_failed_flush_is_an_error_and_counts_nothing(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the flush is passed on, and what was appended is not known to be on disk."""

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, "fdatasync", fail)
    segment.append(WHOLE)
    with pytest.raises(OSError, match="the disk is gone"):
        segment.flush()
    assert segment.flushed == 0


def test_flush_is_of_this_file(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ``fdatasync`` of the segment's own fd."""
    flushed: list[int] = []
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    segment.flush()
    assert flushed == [segment._fd]


def test_map_file(path: Path) -> None:
    """A file is mapped, not read; an empty one is empty bytes; its fd is closed."""
    path.write_bytes(WHOLE)
    content = map_file(str(path))
    assert isinstance(content, mmap.mmap)
    assert len(list(Records(content))) == 3
    content.close()
    path.write_bytes(b"")
    assert map_file(str(path)) == b""
    with pytest.raises(FileNotFoundError):
        map_file(str(path) + "x")


def test_flush_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ``fsync`` of the directory; its fd is closed; a file is no directory."""
    flushed: list[str] = []
    fds: list[int] = []

    def note(fd: int) -> None:
        fds.append(fd)
        flushed.append(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(os, "fsync", note)
    flush_directory(str(tmp_path))
    assert flushed == [str(tmp_path)]
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fds[0])
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        flush_directory(str(tmp_path / "file"))
