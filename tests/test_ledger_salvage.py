"""``lottery.ledger.salvage``: what counts of a segment whose writer did not end well."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_bytes import DRAW, NONCE, batch, closed, crc, end
from ledger_disk import no_room_for

import lottery.ledger.reading as reading_module
from lottery.errors import DamagedLedger
from lottery.ledger.reading import TornTail
from lottery.ledger.salvage import Findings, examine, extend, salvage
from lottery.ledger.segment import pack_close, pack_head
from lottery.ledger.standing import Standing

FIRST = [batch(5, 0, 2), batch(7, 0, 1, classic=True)]
FLUSHED = 40 + sum(map(len, FIRST))
RECORDS = [*FIRST, batch(5, 2, 3, FLUSHED), end(5, 5, FLUSHED), end(7, 1, FLUSHED, nonce=b"")]
WHOLE = closed(3, *RECORDS)
ENDS = [40]
for each in RECORDS:
    ENDS.append(ENDS[-1] + len(each))
OPEN = WHOLE[: ENDS[-1]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the segment is."""
    return tmp_path / "segment-0003.log"


def salvaged(good: int) -> bytes:
    """What is made of so many good bytes."""
    content = OPEN[:good] or pack_head(DRAW, 3)
    return content + pack_close(len(content))


def check(path: Path, data: bytes, good: int) -> None:
    """Salvage a segment twice: the valid records are kept, and the second time changes nothing."""
    path.write_bytes(data)
    tail = TornTail(str(path), good, len(data) - good) if len(data) > good else None
    assert examine(path, DRAW, 3) == Findings(good, len(data), False)
    assert path.read_bytes() == data
    assert salvage(path, DRAW, 3) == tail
    content = path.read_bytes()
    assert content == salvaged(good)
    inode = path.stat().st_ino
    assert examine(path, DRAW, 3) == Findings(len(content), len(content), True)
    assert salvage(path, DRAW, 3) is None
    assert path.read_bytes() == content
    assert path.stat().st_ino == inode
    assert salvage(path, DRAW, 3, anew=True) is None
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_every_prefix(path: Path) -> None:
    """Cut anywhere: the whole records are kept; without a HEAD it gets one."""
    for cut in range(len(WHOLE)):
        check(path, WHOLE[:cut], max([0, *(place for place in ENDS if place <= cut)]))


@pytest.mark.parametrize("tail", [b"\0", bytes(40), bytes(5000), b"LCS1", b"\xff" * 99])
def test_tails(path: Path, tail: bytes) -> None:
    """NULs and garbage behind any record are left out."""
    for place in (0, *ENDS):
        check(path, OPEN[:place] + tail, place)


@given(st.integers(0, len(OPEN)), st.binary(max_size=120), st.integers(0, 4000))
def test_any_tail(cut: int, tail: bytes, nuls: int) -> None:
    """A lost part of the last group, NULs or anything else in its place: never an error."""
    with TemporaryDirectory() as name:
        path = Path(name) / "segment-0003.log"
        data = OPEN[:cut] + bytes(nuls) + tail
        path.write_bytes(data)
        found = examine(path, DRAW, 3)
        assert found.valid >= max([0, *(place for place in ENDS if place <= cut)])
        if found.closed or data[: found.valid] != OPEN[: found.valid]:
            return  # the tail happened to be something
        check(path, data, found.valid)


def test_what_is_closed_keeps_its_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is only flushed, with its name: a process that was killed may not have done that."""
    path.write_bytes(WHOLE)
    inode = path.stat().st_ino
    flushed: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: flushed.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
    )
    assert salvage(path, DRAW, 3) is None
    assert path.stat().st_ino == inode
    assert path.read_bytes() == WHOLE
    assert flushed == ["segment-0003.log", path.parent.name]


@pytest.mark.parametrize("data", [OPEN, WHOLE])
def test_bytes_are_really_written_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """After a failed flush: to a new file, flushed, renamed, and the directory is flushed."""
    path.write_bytes(data)
    inode = path.stat().st_ino
    steps: list[str] = []
    true_rename = os.rename

    def flush(fd: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{fd}"))
        steps.append(f"flush {name.name}")
        if name.name.endswith(".tmp"):
            assert name.read_bytes() == WHOLE
            assert path.read_bytes() == data

    def rename(old: Path, new: Path) -> None:
        steps.append(f"rename {old.name} {new.name}")
        true_rename(old, new)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "rename", rename)
    assert salvage(path, DRAW, 3, anew=True) is None
    assert steps == [
        "flush segment-0003.log.tmp",
        "rename segment-0003.log.tmp segment-0003.log",
        f"flush {path.parent.name}",
    ]
    assert path.read_bytes() == WHOLE
    assert path.stat().st_ino != inode
    assert path.stat().st_mode & 0o7777 == 0o600


def test_damage_is_left_alone(path: Path) -> None:
    """Damage is named with its place; no byte changes and nothing is left behind."""
    data = bytearray(WHOLE)
    data[ENDS[1] + 50] ^= 1
    path.write_bytes(bytes(data))
    for look in (examine, salvage):
        with pytest.raises(DamagedLedger) as error:
            look(path, DRAW, 3)
        assert (error.value.path, error.value.offset) == (str(path), ENDS[1])
    assert path.read_bytes() == bytes(data)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("draw", "number"), [(DRAW + 1, 3), (DRAW, 4)])
def test_a_segment_of_elsewhere(path: Path, draw: int, number: int) -> None:
    """One of another draw or number is not taken for this one."""
    path.write_bytes(OPEN)
    with pytest.raises(DamagedLedger, match="there is no HEAD of this draw and segment"):
        salvage(path, draw, number)
    assert path.read_bytes() == OPEN


@pytest.mark.parametrize("broken", ["fsync", "rename"])
def test_failure_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """What cannot be written or renamed leaves all as it was."""
    path.write_bytes(OPEN[:-3])

    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, fail)
        with pytest.raises(OSError, match="the disk is gone"):
            salvage(path, DRAW, 3)
    assert path.read_bytes() == OPEN[:-3]
    assert list(path.parent.iterdir()) == [path]
    salvage(path, DRAW, 3)
    assert path.read_bytes() == salvaged(ENDS[-2])


@pytest.mark.parametrize("umask", [0, 0o277, 0o777])
@pytest.mark.parametrize("data", [None, OPEN])
def test_private_whatever_the_umask(path: Path, umask: int, data: bytes | None) -> None:
    """What is made of a segment is its owner's alone, also of one that there is not."""
    if data is not None:
        path.write_bytes(data)
    before = os.umask(umask)
    try:
        salvage(path, DRAW, 3)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert examine(path, DRAW, 3).closed


def test_full_disk(path: Path) -> None:
    """No room leaves all as it was, and it can be tried again."""
    path.write_bytes(OPEN)
    with no_room_for(path), pytest.raises(OSError) as error:
        salvage(path, DRAW, 3)
    assert error.value.errno == errno.ENOSPC
    assert path.read_bytes() == OPEN
    assert list(path.parent.iterdir()) == [path]


def test_leftovers_of_a_crash(path: Path) -> None:
    """A temporary file of an earlier salvage is overwritten."""
    path.with_name("segment-0003.log.tmp").write_bytes(bytes(9999))
    check(path, OPEN[:-1], ENDS[-2])


def test_only_what_was_checked_is_published(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk gives other bytes the second time, these are judged, and none go unchecked."""
    path.write_bytes(OPEN)
    true_pread = os.pread
    calls = []

    def pread(fd: int, size: int, place: int) -> bytes:
        data = true_pread(fd, size, place)
        calls.extend([place] * (place == 0))
        good = max(ENDS[2] + 9 - place, 0)
        return data if len(calls) == 1 else data[:good] + bytes(len(data[good:]))

    monkeypatch.setattr(reading_module.os, "pread", pread)
    tail = salvage(path, DRAW, 3)
    assert tail == TornTail(str(path), ENDS[2], len(OPEN) - ENDS[2])
    assert path.read_bytes() == salvaged(ENDS[2])


@pytest.mark.parametrize(
    ("stood", "stands"),
    [
        ({}, {}),
        (
            {5: Standing()},
            {5: Standing(5, crc(5, 5), ended=True, nonce=NONCE)},
        ),
        (
            {5: Standing(2, crc(5, 2)), 7: Standing(classic=True)},
            {
                5: Standing(5, crc(5, 5), ended=True, nonce=NONCE),
                7: Standing(1, 0, ended=True, classic=True),
            },
        ),
        (
            {5: Standing(5, crc(5, 5)), 7: Standing(1, 0, ended=True, classic=True)},
            {
                5: Standing(5, crc(5, 5), ended=True, nonce=NONCE),
                7: Standing(1, 0, ended=True, classic=True),
            },
        ),
        ({9: Standing(3, 77)}, {9: Standing(3, 77)}),
    ],
)
def test_extend(path: Path, stood: dict[int, Standing], stands: dict[int, Standing]) -> None:
    """What was counted is skipped, what follows is added, others are not looked at."""
    path.write_bytes(WHOLE)
    before = dict(stood)
    assert extend(path, stood) == stands
    assert stood == before


def test_extend_from_another_segment(path: Path) -> None:
    """An agency that was at another writer in between goes on where that one stopped."""
    path.write_bytes(closed(3, batch(5, 0, 2), batch(5, 7, 3)))
    assert extend(path, {5: Standing(7, crc(5, 7))}) == {5: Standing(10, crc(5, 10))}


@pytest.mark.parametrize(
    ("records", "stood", "at", "sentence"),
    [
        ([batch(5, 4, 1)], Standing(3), 0, "agency 5 has bet 4 here where 3 should follow"),
        ([batch(5, 2, 2)], Standing(3), 0, "agency 5 has bet 2 here where 3 should follow"),
        ([batch(5, 0, 1), end(5, 2)], Standing(), 1, "agency 5 ends with 2 bets here, 1 are found"),
        ([end(5, 2)], Standing(3), 0, "agency 5 ends with 2 bets here, 3 are found"),
        (
            [end(5, 3), batch(5, 3, 1)],
            Standing(3),
            1,
            "agency 5 has ended before, and goes on here",
        ),
    ],
)
def test_what_does_not_extend(
    path: Path, records: list[bytes], stood: Standing, at: int, sentence: str
) -> None:
    """Gaps, overlaps, wrong totals and bets behind an END are damage, with their place."""
    path.write_bytes(closed(3, *records))
    with pytest.raises(DamagedLedger) as error:
        extend(path, {5: stood})
    assert error.value.offset == 40 + sum(map(len, records[:at]))
    assert str(error.value).endswith(f", {sentence}")


@st.composite
def written(draw: st.DrawFn) -> tuple[list[bytes], dict[int, int]]:
    """Records of a segment, agencies mixed, and how many bets of each there are."""
    bets: dict[int, int] = {}
    records = []
    for agency in draw(st.lists(st.sampled_from([0, 3, 2**32 - 1]), max_size=9)):
        count = draw(st.integers(1, 4))
        records.append(batch(agency, bets.get(agency, 0), count))
        bets[agency] = bets.get(agency, 0) + count
    return records, bets


@given(written(), st.data())
def test_extend_from_anywhere(day: tuple[list[bytes], dict[int, int]], data: st.DataObject) -> None:
    """From whichever record on an agency is counted, it comes to stand at the same place."""
    records, bets = day
    starts: dict[int, list[int]] = {agency: [0] for agency in bets}
    for record in records:
        agency, first = int.from_bytes(record[8:12], "big"), int.from_bytes(record[12:20], "big")
        starts[agency].append(first + int.from_bytes(record[20:24], "big"))
    counted = {agency: data.draw(st.sampled_from(places)) for agency, places in starts.items()}
    with TemporaryDirectory() as name:
        path = Path(name) / "segment-0003.log"
        path.write_bytes(closed(3, *records))
        stood = {agency: Standing(count, crc(agency, count)) for agency, count in counted.items()}
        assert extend(path, stood) == {
            agency: Standing(total, crc(agency, total)) for agency, total in bets.items()
        }
