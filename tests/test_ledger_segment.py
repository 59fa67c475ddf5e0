"""``lottery.ledger.segment``: records to the byte, and how a segment is written."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lottery.ledger.segment as segment_module
from lottery.ledger.segment import (
    BODY_LIMIT,
    HEADER_BYTES,
    Kind,
    NoRoom,
    Record,
    Records,
    Segment,
    flush_directory,
    open_private,
    pack,
    pack_close,
    pack_head,
    record_at,
)

ROWS = b"5,Ana,Gil,1,2000-01-01,7\n5,Bo,Paz,02,1999-12-31,0042\n"
NONCE = bytes(range(32))

# The arguments of ``pack`` and the header that they give, whose last 4 bytes are the CRC-32 as a
# loop over the bits has it.
TABLE = [
    (
        (Kind.HEAD, 0, 7, 2, b"", 0, False),
        "4c435331 03 00 0000 00000000 0000000000000007 00000002 00000000 0000000000000000 ae0d2844",
    ),
    (
        (Kind.ROWS, 5, 3, 2, ROWS, 40, False),
        "4c435331 01 00 0000 00000005 0000000000000003 00000002 00000035 0000000000000028 8e12b14a",
    ),
    (
        (Kind.END, 5, 5, 0, NONCE, 133, False),
        "4c435331 02 00 0000 00000005 0000000000000005 00000000 00000020 0000000000000085 984f991f",
    ),
    (
        (Kind.END, 0xFFFFFFFF, 0, 0, b"", 0, True),
        "4c435331 02 01 0000 ffffffff 0000000000000000 00000000 00000000 0000000000000000 6e718429",
    ),
    (
        (Kind.CLOSE, 0, 0, 0, b"", 245, False),
        "4c435331 04 00 0000 00000000 0000000000000000 00000000 00000000 00000000000000f5 9b81f542",
    ),
]
WHOLE = b"".join(pack(*arguments) for arguments, _ in TABLE)
ENDS = [40, 133, 205, 245, 285]
DATA = WHOLE[40:245]


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


def drop(segment: Segment) -> None:
    """Do what the end of a killed writer's process does."""
    os.close(segment._fd)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a segment may be made."""
    return tmp_path / "segment-0002.log"


@pytest.fixture
def segment(path: Path) -> Iterator[Segment]:
    """A segment that has just been made."""
    made = Segment(str(path), 7, 2)
    yield made
    if made._fd >= 0:
        drop(made)


@pytest.mark.parametrize(("arguments", "header"), TABLE)
def test_record_to_the_byte(
    arguments: tuple[Kind, int, int, int, bytes, int, bool], header: str
) -> None:
    """The header is what the table in ``docs/ledger.md`` says, the body is as it was given."""
    body = arguments[4]
    record = pack(*arguments)
    assert record[:HEADER_BYTES].hex() == header.replace(" ", "")
    assert record[HEADER_BYTES:] == body
    assert HEADER_BYTES == 40
    assert int.from_bytes(record[36:40], "big") == crc_by_bits(record[:36] + body)


def test_first_and_last_record() -> None:
    """A HEAD names draw and segment, a CLOSE its own place."""
    assert pack_head(7, 2) == pack(*TABLE[0][0])
    assert pack_close(245) == pack(*TABLE[-1][0])


def test_records_are_read_back() -> None:
    """What was written is found, each record where it stands."""
    records = Records(WHOLE)
    assert list(records) == [
        Record(Kind.HEAD, 0, 7, 2, 40, 0, 0, False),
        Record(Kind.ROWS, 5, 3, 2, 80, 53, 40, False),
        Record(Kind.END, 5, 5, 0, 173, 32, 133, False),
        Record(Kind.END, 0xFFFFFFFF, 0, 0, 245, 0, 0, True),
        Record(Kind.CLOSE, 0, 0, 0, 285, 0, 245, False),
    ]
    assert records.end == len(WHOLE) == ENDS[-1]


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
    assert len(list(records)) == 5
    assert records.end == len(WHOLE)


@pytest.mark.parametrize("length", ["ffffffff", "00000036", "7fffffff", "00010000"])
def test_huge_announced_length_reads_nothing_beyond_the_end(length: str) -> None:
    """A length beyond the end of the file is no record, whatever its CRC."""
    head = f"4c435331 01 00 0000 00000005 0000000000000003 00000002 {length} {28:016x}"
    assert record_at(forged(head, ROWS), 0) is None


@pytest.mark.parametrize(("length", "known"), [(BODY_LIMIT - 1, True), (BODY_LIMIT, False)])
def test_longest_body(length: int, known: bool) -> None:
    """A body at the limit makes no record, one byte less does."""
    data = pack(Kind.ROWS, 1, 0, 1, b"x" * length, 0)
    assert (record_at(data, 0) is not None) is known


def test_another_magic_is_no_record() -> None:
    """A record of another format is not believed, although its CRC is right."""
    good = f"4c435331 01 00 0000 00000005 {0:016x} 00000000 00000000 {0:016x}"
    assert record_at(forged(good), 0) is not None
    assert record_at(forged(good.replace("4c435331", "4c435332")), 0) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Kind),
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**32 - 1),
            st.binary(max_size=300),
            st.integers(0, 2**64 - 1),
            st.booleans(),
        )
    )
)
def test_round_trip(every: list[tuple[Kind, int, int, int, bytes, int, bool]]) -> None:
    """Whatever is packed is found again, with its body."""
    data = b"".join(pack(*arguments) for arguments in every)
    found = []
    for kind, agency, first, bets, offset, length, flushed, classic in Records(data):
        body = data[offset : offset + length]
        found.append((kind, agency, first, bets, body, flushed, classic))
    assert found == every


@given(st.binary(max_size=300))
def test_random_bytes_are_read_without_an_error(data: bytes) -> None:
    """Nothing that stands behind the records makes the reader fail."""
    records = Records(WHOLE + data)
    assert len(list(records)) >= 5
    assert len(WHOLE) <= records.end <= len(WHOLE + data)


def test_segment_is_made_for_its_owner_alone(path: Path, segment: Segment) -> None:
    """It is a new, empty file that nobody else may read."""
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.stat().st_size == 0
    assert segment.flushed == 0


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277, 0o777])
def test_private_whatever_the_umask(path: Path, umask: int) -> None:
    """A umask neither gives others a right nor takes one from the owner, who has to read it."""
    before = os.umask(umask)
    try:
        segment = Segment(str(path), 7, 2)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o600
    segment.append(DATA)
    segment.close()


def test_private_again(path: Path) -> None:
    """A file that is there keeps its bytes, and is its owner's alone from then on."""
    path.write_bytes(b"kept")
    path.chmod(0o666)
    os.close(open_private(str(path), os.O_RDWR))
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.read_bytes() == b"kept"


def test_private_does_not_follow_a_link(path: Path, tmp_path: Path) -> None:
    """What it leads to is neither made nor opened, nor given another mode."""
    (tmp_path / "elsewhere").touch(mode=0o644)
    for target in ("elsewhere", "nowhere"):
        path.unlink(missing_ok=True)
        path.symlink_to(tmp_path / target)
        with pytest.raises(OSError, match="symbolic links"):
            open_private(str(path), os.O_RDWR)
    assert (tmp_path / "elsewhere").stat().st_mode & 0o7777 == 0o644
    assert not (tmp_path / "nowhere").exists()


def test_private_where_there_are_no_modes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no modes is no obstacle."""

    def fail(fd: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", fail)
    fd = open_private(str(path), os.O_WRONLY)
    assert os.write(fd, b"x") == 1
    os.close(fd)


def test_segment_is_locked_for_its_life(path: Path) -> None:
    """Nobody else can lock it while it is written; afterwards anybody can."""
    segment = Segment(str(path), 7, 2)
    with path.open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("content", [b"", WHOLE])
def test_segment_never_opens_a_file_that_is_there(path: Path, content: bytes) -> None:
    """A file of that name is an error, and stays as it is."""
    path.write_bytes(content)
    with pytest.raises(FileExistsError):
        Segment(str(path), 7, 2)
    assert path.read_bytes() == content


def test_segment_does_not_follow_a_link(path: Path, tmp_path: Path) -> None:
    """A link of that name is an error, also one that leads nowhere."""
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        Segment(str(path), 7, 2)
    assert not (tmp_path / "elsewhere").exists()


def test_segment_without_a_directory(tmp_path: Path) -> None:
    """A directory that is not there is an error."""
    with pytest.raises(FileNotFoundError):
        Segment(str(tmp_path / "missing" / "segment-0002.log"), 7, 2)


@pytest.mark.parametrize(
    ("code", "no_room"), [("ENOSPC", True), ("EDQUOT", True), ("EACCES", False), ("EIO", False)]
)
def test_no_room_to_make_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: str, no_room: bool
) -> None:
    """No room for a file is told from all other reasons that there may be."""
    number = getattr(errno, code)

    def fail(*arguments: object) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError) as error:
        Segment(str(path), 7, 2)
    assert isinstance(error.value, NoRoom) is no_room
    assert (error.value.errno, error.value.filename) == (number, str(path))


@pytest.mark.parametrize("beside", [False, True])
def test_making_a_segment_flushes_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    """Its name is on disk before anything is written to it, also for a name without directory."""
    flushed: list[str] = []
    monkeypatch.setattr(segment_module, "flush_directory", flushed.append)
    monkeypatch.chdir(tmp_path)
    drop(Segment("segment" if beside else str(tmp_path / "segment"), 7, 2))
    assert flushed == ["." if beside else str(tmp_path)]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_directory_that_is_not_flushed_makes_no_segment(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A failed flush of the directory is never a mere lack of room: the file is there."""
    fds: list[int] = []

    def fail(fd: int) -> None:
        fds.append(fd)
        raise OSError(code, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no") as error:
        Segment(str(path), 7, 2)
    assert not isinstance(error.value, NoRoom)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fds[0])


def test_append_and_flush(path: Path, segment: Segment) -> None:
    """The HEAD comes with the first records; only a flush makes bytes count as flushed."""
    segment.append(DATA)
    assert segment.flushed == 0
    segment.append(DATA)
    segment.flush()
    assert segment.flushed == 40 + 2 * len(DATA)
    segment.append(DATA)
    assert segment.flushed == 40 + 2 * len(DATA)
    assert path.read_bytes() == pack_head(7, 2) + 3 * DATA


def test_head_and_first_records_are_one_write(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So there is either nothing, or a HEAD with something behind it."""
    writes: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(data) or len(data))
    segment.append(DATA)
    segment.append(DATA)
    assert writes == [pack_head(7, 2) + DATA, DATA]


class Steps:
    """Notes what a segment asks of the kernel, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **failing: int) -> None:
        """:param failing: the error by the name of the call that fails with it."""
        self.names: list[str] = []
        for name in ("write", "ftruncate", "fdatasync", "close"):
            monkeypatch.setattr(os, name, self._noting(name, failing.get(name, 0)))

    def _noting(self, name: str, code: int):
        true_call = getattr(os, name)

        def call(*arguments: object) -> object:
            self.names.append(name)
            if code:
                raise OSError(code, os.strerror(code))
            return true_call(*arguments)

        return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("before", [b"", DATA])
def test_no_room_is_cut_back_and_flushed(
    path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch, code: int, before: bytes
) -> None:
    """The segment is what it was, on disk, too, and can be gone on with."""
    if before:
        segment.append(before)
    size = path.stat().st_size
    with monkeypatch.context() as patch:
        steps = Steps(patch, write=code)
        with pytest.raises(NoRoom) as error:
            segment.append(DATA)
    assert error.value.errno == code
    assert steps.names == ["write", "ftruncate", "fdatasync"]
    assert path.stat().st_size == segment.flushed == size
    segment.append(DATA)
    segment.flush()
    assert path.read_bytes() == pack_head(7, 2) + before + DATA
    assert segment.flushed == path.stat().st_size


@pytest.mark.parametrize("taken", [0, 1, 39, 40, 41, 132])
@pytest.mark.parametrize("before", [b"", DATA])
def test_short_write_is_cut_back_and_flushed(
    path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch, taken: int, before: bytes
) -> None:
    """A write that took a part only is taken back, as if it had never been."""
    if before:
        segment.append(before)
    content = path.read_bytes()
    true_write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: true_write(fd, data[:taken]))
        with pytest.raises(NoRoom, match=rf"only {taken} of \d+ bytes could be written"):
            segment.append(DATA)
    assert path.read_bytes() == content
    assert segment.flushed == len(content)
    segment.append(DATA)
    assert path.read_bytes() == pack_head(7, 2) + before + DATA


@pytest.mark.parametrize("call", ["ftruncate", "fdatasync"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_cut_that_fails_is_the_end(
    segment: Segment, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """What could not be taken back, or is not known to be, is no mere lack of room."""
    segment.append(DATA)
    steps = Steps(monkeypatch, write=errno.ENOSPC, **{call: code})
    with pytest.raises(OSError) as error:
        segment.append(DATA)
    assert not isinstance(error.value, NoRoom)
    assert error.value.errno == code
    assert steps.names[-1] == call
    assert steps.names.count(call) == 1
    assert segment.flushed == 0


def test_any_other_error_is_followed_by_nothing(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk says is passed on as it is; nothing is cut, nothing flushed."""
    steps = Steps(monkeypatch, write=errno.EIO)
    with pytest.raises(OSError) as error:
        segment.append(DATA)
    assert not isinstance(error.value, NoRoom)
    assert error.value.errno == errno.EIO
    assert steps.names == ["write"]


PROGRAM = """
import resource, signal, sys
from lottery.ledger.segment import NoRoom, Segment
path, before, data, limit = sys.argv[1], *map(bytes.fromhex, sys.argv[2:4]), int(sys.argv[4])
segment = Segment(path, 7, 2)
segment.append(before)
segment.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    segment.append(data)
except NoRoom:
    print("no room", end=" ")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
segment.append(data)
segment.close()
print(segment.flushed)
"""


@pytest.mark.parametrize("room", [0, 1, 40, 204, 205])
def test_a_real_limit(path: Path, room: int) -> None:
    """At the kernel's own limit: cut back, and gone on with when there is room."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    limit = 40 + len(DATA) + room
    words = [sys.executable, "-c", PROGRAM, str(path), DATA.hex(), DATA.hex(), str(limit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    content = pack_head(7, 2) + 2 * DATA
    if room == len(DATA):
        content += DATA
        assert done.stdout == f"{len(content) + 40}\n"
    else:
        assert done.stdout == f"no room {len(content) + 40}\n"
    assert path.read_bytes() == content + pack_close(len(content))


@pytest.mark.parametrize(
    ("min_free", "free", "fits"),
    [
        (1000, 1000 + 40 + len(DATA), True),
        (1000, 1000 + 40 + len(DATA) - 1, False),
        (1, 0, False),
        (0, 0, True),
    ],
)
def test_room_is_left_free(
    path: Path, monkeypatch: pytest.MonkeyPatch, min_free: int, free: int, fits: bool
) -> None:
    """An append that would leave less than it has to is refused before a byte is written."""
    true_call = os.fstatvfs

    def few(fd: int) -> os.statvfs_result:
        found = list(true_call(fd))
        found[1], found[4] = 1, free  # f_frsize, f_bavail
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "fstatvfs", few)
    segment = Segment(str(path), 7, 2, min_free)
    if fits:
        segment.append(DATA)
        assert path.read_bytes() == pack_head(7, 2) + DATA
    else:
        steps = Steps(monkeypatch)
        sentence = f"less than {min_free} bytes would be left free"
        with pytest.raises(NoRoom, match=sentence) as error:
            segment.append(DATA)
        assert error.value.errno == errno.ENOSPC
        assert steps.names == []
    drop(segment)


def test_a_file_system_that_does_not_say_how_large_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without a size has no bytes free either, and takes all the same."""
    monkeypatch.setattr(os, "fstatvfs", lambda fd: os.statvfs_result([0] * 11))
    segment = Segment(str(path), 7, 2, 1000)
    segment.append(DATA)
    drop(segment)


def test_failed_flush_is_an_error_and_counts_nothing(
    segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the flush is passed on, and what was appended is not known to be on disk."""
    segment.append(DATA)
    Steps(monkeypatch, fdatasync=errno.EIO)
    with pytest.raises(OSError) as error:
        segment.flush()
    assert not isinstance(error.value, NoRoom)
    assert segment.flushed == 0


def test_flush_is_of_this_file(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ``fdatasync`` of the segment's own fd."""
    flushed: list[int] = []
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    segment.flush()
    assert flushed == [segment._fd]


def test_close(path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CLOSE that says where it stands, flushed; what stands before it is flushed already."""
    segment.append(DATA)
    segment.flush()
    steps = Steps(monkeypatch)
    segment.close()
    assert steps.names == ["write", "fdatasync", "close"]
    content = pack_head(7, 2) + DATA
    assert path.read_bytes() == content + pack_close(len(content))
    assert segment.flushed == len(content) + 40


@pytest.mark.parametrize("records", [b"", DATA])
def test_close_calls_nothing_flushed_that_is_not(
    path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch, records: bytes
) -> None:
    """What is not on disk yet is flushed first, also the HEAD of a segment without records."""
    if records:
        segment.append(records)
    steps = Steps(monkeypatch)
    segment.close()
    written = [] if records else ["write"]
    assert steps.names == [*written, "fdatasync", "write", "fdatasync", "close"]
    content = pack_head(7, 2) + records
    assert path.read_bytes() == content + pack_close(len(content))


@pytest.mark.parametrize("records", [b"", DATA])
def test_close_without_room(
    path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch, records: bytes
) -> None:
    """It does without the CLOSE; the segment is what it was."""
    if records:
        segment.append(records)
        segment.flush()
    content = path.read_bytes()
    Steps(monkeypatch, write=errno.ENOSPC)
    segment.close()
    assert path.read_bytes() == content


def test_close_may_use_what_appends_leave_free(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That little is no reason to do without."""
    monkeypatch.setattr(os, "fstatvfs", lambda fd: os.statvfs_result([1, 1, 9, *[0] * 8]))
    segment = Segment(str(path), 7, 2, 1000)
    with pytest.raises(NoRoom):
        segment.append(DATA)
    segment.close()
    assert path.read_bytes() == pack_head(7, 2) + pack_close(40)


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_close_that_fails(segment: Segment, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """What the disk says is passed on, and nothing follows it."""
    segment.append(DATA)
    segment.flush()
    steps = Steps(monkeypatch, **{call: errno.EIO})
    with pytest.raises(OSError) as error:
        segment.close()
    assert not isinstance(error.value, NoRoom)
    assert steps.names[-1] == call


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
