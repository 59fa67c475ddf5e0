"""``lottery.ledger.reading``: which bytes are records, which a torn tail, which damage."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_bytes import DRAW, NONCE, batch, closed, end, opened, rows

import lottery.ledger.reading as reading_module
from lottery.errors import DamagedLedger
from lottery.ledger.reading import SegmentReading, TornTail
from lottery.ledger.segment import BODY_LIMIT, Kind, pack, pack_close, pack_head

# Two groups: the first is known to be on disk when the second is written.
FIRST = [batch(5, 0, 2), batch(7, 0, 1, classic=True)]
FLUSHED = 40 + sum(map(len, FIRST))
SECOND = [batch(5, 2, 3, FLUSHED), end(5, 5, FLUSHED), end(7, 1, FLUSHED, nonce=b"")]
RECORDS = [*FIRST, *SECOND]
WHOLE = closed(3, *RECORDS)
ENDS = [40]
for each in RECORDS:
    ENDS.append(ENDS[-1] + len(each))
OPEN = WHOLE[: ENDS[-1]]


def read(data: bytes, directory: Path) -> SegmentReading:
    """Read a segment whole."""
    path = directory / "segment-0003.log"
    path.write_bytes(data)
    reading = SegmentReading(path, DRAW, 3)
    found = []
    for record, body in reading:
        kind, agency, first, bets, offset, length, flushed, classic = record
        assert data[offset : offset + length] == body
        found.append(pack(kind, agency, first, bets, body, flushed, classic))
    if reading.end:
        assert data.startswith(opened(3, *found))
    return reading


def damage(data: bytes, directory: Path) -> tuple[int, str]:
    """Read a damaged segment; gives the place and the sentence."""
    with pytest.raises(DamagedLedger) as error:
        read(data, directory)
    path = str(directory / "segment-0003.log")
    assert error.value.path == path
    begin = f"{path} is damaged at byte {error.value.offset}, "
    assert str(error.value).startswith(begin)
    sentence = str(error.value).removeprefix(begin)
    assert ": " not in sentence and "|" not in sentence  # noqa: PT018 - it goes into the log
    return error.value.offset, sentence


def judge(data: bytes, directory: Path) -> str:
    """Say what a segment is: whole, torn or damaged, and where the good part of it ends."""
    try:
        reading = read(data, directory)
    except DamagedLedger as error:
        return f"damaged {error.offset}"
    return f"{'closed' if reading.closed else 'open'} {reading.end} of {reading.size}"


def test_closed_segment(tmp_path: Path) -> None:
    """All of it is records, and the last one says so."""
    reading = read(WHOLE, tmp_path)
    assert (reading.end, reading.size, reading.closed) == (len(WHOLE), len(WHOLE), True)
    assert reading.tail is None


def test_records_with_their_bodies(tmp_path: Path) -> None:
    """HEAD and CLOSE are checked and not given."""
    path = tmp_path / "segment-0003.log"
    path.write_bytes(WHOLE)
    found = [(record.kind, record.agency, body) for record, body in SegmentReading(path, DRAW, 3)]
    assert found == [
        (Kind.ROWS, 5, rows(5, 0, 2)),
        (Kind.ROWS, 7, rows(7, 0, 1)),
        (Kind.ROWS, 5, rows(5, 2, 3)),
        (Kind.END, 5, NONCE),
        (Kind.END, 7, b""),
    ]


def test_every_prefix_is_a_torn_tail(tmp_path: Path) -> None:
    """Cut anywhere, a segment is its whole records and a tail; no cut is damage."""
    for cut in range(len(WHOLE)):
        reading = read(WHOLE[:cut], tmp_path)
        good = max([0, *(place for place in ENDS if place <= cut)])
        assert (reading.end, reading.size, reading.closed) == (good, cut, False)
        tail = TornTail(str(reading.path), good, cut - good) if cut > good else None
        assert reading.tail == tail


@pytest.mark.parametrize(
    "tail", [b"\0", bytes(40), bytes(5000), b"LCS1", b"LCS1" * 30, b"\xff" * 99]
)
def test_tails_of_no_records(tmp_path: Path, tail: bytes) -> None:
    """NULs and garbage behind any record of an open segment are a torn tail."""
    for place in (0, *ENDS):
        assert judge(OPEN[:place] + tail, tmp_path) == f"open {place} of {place + len(tail)}"


def test_every_flipped_byte(tmp_path: Path) -> None:
    """Below what is called flushed it is damage, to the record; else it is a torn tail.

    The CLOSE calls all before it flushed, the records of the second group the first one.
    """
    for data, flushed in ((WHOLE, ENDS[-1]), (OPEN, FLUSHED)):
        for at in range(len(data)):
            good = max([0, *(place for place in ENDS if place <= at)])
            for bit in {at % 8, (at * 5 + 3) % 8}:
                flipped = bytearray(data)
                flipped[at] ^= 1 << bit
                found = judge(bytes(flipped), tmp_path)
                if good < flushed:
                    assert found == f"damaged {good}"
                else:
                    assert found == f"open {good} of {len(data)}"


def test_damage_below_what_was_flushed(tmp_path: Path) -> None:
    """The sentence says what speaks against a torn tail."""
    data = WHOLE[:41] + b"\0" + WHOLE[42:]
    told = ENDS[2]
    assert damage(data, tmp_path) == (
        40,
        f"no record checks out there, and byte {told} tells that {FLUSHED} bytes were on disk",
    )


def test_records_behind_a_hole_that_were_never_flushed(tmp_path: Path) -> None:
    """Pages may reach the disk in any order: the later ones of a lost group prove nothing."""
    hole = OPEN[: ENDS[2]] + bytes(len(SECOND[0])) + OPEN[ENDS[3] :]
    assert judge(hole, tmp_path) == f"open {ENDS[2]} of {len(OPEN)}"


def test_a_lost_group_behind_a_kept_one(tmp_path: Path) -> None:
    """A group that is lost although a later one was written is damage."""
    third = batch(5, 5, 1, ENDS[-1])
    data = opened(3, *FIRST) + bytes(ENDS[-1] - FLUSHED) + third
    assert damage(data, tmp_path)[0] == FLUSHED


@pytest.mark.parametrize("step", [BODY_LIMIT + 40, BODY_LIMIT + 41, BODY_LIMIT + 140])
@pytest.mark.parametrize("near", range(-60, 60, 7))
def test_the_witness_is_found_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, near: int
) -> None:
    """Also across the steps in which the rest is read."""
    monkeypatch.setattr(reading_module, "_STEP_BYTES", step + BODY_LIMIT)
    start = 40 + (step + BODY_LIMIT) * 2 + near
    data = opened(3) + bytes(start - 40) + batch(5, 0, 200, 41) + bytes(50)
    assert damage(data, tmp_path)[0] == 40


def test_a_witness_of_later_bytes_is_none(tmp_path: Path) -> None:
    """Garbage that looks like a record which calls more flushed than stood before it."""
    data = opened(3) + b"\0" + batch(5, 0, 1, 2**40)
    assert judge(data, tmp_path).startswith("open 40 ")


@pytest.mark.parametrize("behind", [b"\0", b"LCS1", batch(5, 5, 1), pack_close(len(WHOLE)), WHOLE])
def test_nothing_stands_behind_a_close(tmp_path: Path, behind: bytes) -> None:
    """Whatever it is, it is damage, where it begins."""
    assert damage(WHOLE + behind, tmp_path) == (len(WHOLE), "nothing may stand behind the CLOSE")


@pytest.mark.parametrize(
    "head",
    [
        pack_head(DRAW, 2),
        pack_head(DRAW + 1, 3),
        pack(Kind.HEAD, 1, DRAW, 3, b"", 0),
        pack(Kind.HEAD, 0, DRAW, 3, b"x", 0),
        pack(Kind.HEAD, 0, DRAW, 3, b"", 1),
        batch(5, 0, 1),
        pack_close(0),
    ],
)
def test_another_head(tmp_path: Path, head: bytes) -> None:
    """A segment of another draw or number, or one that begins with anything else."""
    sentence = "there is no HEAD of this draw and segment"
    assert damage(head + b"".join(RECORDS), tmp_path) == (0, sentence)


def header(agency: int, dialect: int, zero: bytes) -> bytes:
    """A batch with other bytes 5 to 7, whose CRC-32 is right."""
    data = bytearray(batch(agency, 5, 1))
    data[5:8] = bytes([dialect]) + zero
    body = bytes(data[40:])
    data[36:40] = crc32(bytes(data[:36]) + body).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (pack_head(DRAW, 3), "a HEAD stands within the segment"),
        (pack_close(40), "the CLOSE is not of this place"),
        (pack(0, 5, 5, 1, rows(5, 5, 1), 0), "a record of kind 0 stands there"),
        (pack(5, 5, 5, 1, rows(5, 5, 1), 0), "a record of kind 5 stands there"),
        (header(5, 2, b"\0\0"), "a record in an unknown dialect stands there"),
        (header(5, 0, b"\0\1"), "a record in an unknown dialect stands there"),
        (header(5, 1, b"\1\0"), "a record in an unknown dialect stands there"),
        (
            batch(5, 5, 1, ENDS[-1] + 1),
            f"a record of this place calls {ENDS[-1] + 1} bytes flushed",
        ),
        (pack(Kind.END, 9, 0, 1, NONCE, 0), "the END is none"),
        (pack(Kind.END, 9, 0, 0, NONCE[1:], 0), "the END is none"),
        (pack(Kind.END, 9, 0, 0, b"", 0), "the END is none"),
        (pack(Kind.END, 9, 0, 0, NONCE, 0, True), "the END is none"),
        (pack(Kind.ROWS, 5, 5, 2, rows(5, 5, 1), 0), "the rows are not 2 of agency 5"),
        (pack(Kind.ROWS, 5, 5, 0, b"", 0), "the rows are not 0 of agency 5"),
        (pack(Kind.ROWS, 5, 5, 1, rows(5, 5, 1)[:-1], 0), "the rows are not 1 of agency 5"),
        (pack(Kind.ROWS, 5, 5, 1, rows(5, 5, 1) + b"5,", 0), "the rows are not 1 of agency 5"),
        (pack(Kind.ROWS, 5, 5, 1, rows(6, 5, 1), 0), "the rows are not 1 of agency 5"),
        (
            pack(Kind.ROWS, 5, 5, 2, rows(5, 5, 1) + rows(55, 6, 1), 0),
            "the rows are not 2 of agency 5",
        ),
        (
            pack(Kind.ROWS, 5, 5, 2, rows(55, 5, 1) + rows(5, 6, 1), 0),
            "the rows are not 2 of agency 5",
        ),
    ],
)
def test_records_that_may_not_stand_there(tmp_path: Path, record: bytes, sentence: str) -> None:
    """What has the right CRC-32 was written so, and is damage, not a torn tail."""
    assert damage(OPEN + record, tmp_path) == (ENDS[-1], sentence)


def test_flushed_up_to_its_own_place(tmp_path: Path) -> None:
    """A record may call all before it flushed."""
    data = OPEN + batch(5, 5, 1, ENDS[-1])
    assert judge(data, tmp_path) == f"open {len(data)} of {len(data)}"


@pytest.mark.parametrize("step", [BODY_LIMIT + 41, BODY_LIMIT + 77, 1 << 15])
def test_long_segments_are_read_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """No record is lost or cut between steps, and none given twice."""
    monkeypatch.setattr(reading_module, "_STEP_BYTES", step)
    sizes = [1, 300, 2, 380, 7, 350, 90, 1, 1] * 4
    firsts = [sum(sizes[:number]) for number in range(len(sizes))]
    data = closed(3, *(batch(1, first, size) for first, size in zip(firsts, sizes, strict=True)))
    assert judge(data, tmp_path) == f"closed {len(data)} of {len(data)}"
    assert judge(data[:-30], tmp_path) == f"open {len(data) - 40} of {len(data) - 30}"


def test_growing_segment(tmp_path: Path) -> None:
    """What a writer appends while it is read is not seen, and nothing of it is a tail."""
    path = tmp_path / "segment-0003.log"
    path.write_bytes(OPEN)
    reading = SegmentReading(path, DRAW, 3)
    for _ in reading:
        with path.open("ab") as file:
            file.write(b"LCS1 and so on")
    assert (reading.end, reading.size, reading.tail) == (len(OPEN), len(OPEN), None)


def test_segment_that_is_cut_back_while_it_is_read(tmp_path: Path) -> None:
    """A writer may take back what it had no room for: no error, and no end of the process."""
    data = opened(3, *(batch(1, first, 100) for first in range(0, 60_000, 100)))
    path = tmp_path / "segment-0003.log"
    path.write_bytes(data)
    reading = SegmentReading(path, DRAW, 3)
    for _ in reading:
        with path.open("r+b") as file:
            file.truncate(len(data) // 2)
    assert reading.end < len(data) == reading.size
    assert not reading.closed


def test_missing_segment(tmp_path: Path) -> None:
    """A file that is not there is an error."""
    with pytest.raises(FileNotFoundError):
        list(SegmentReading(tmp_path / "segment-0003.log", DRAW, 3))


@given(st.integers(0, len(WHOLE)), st.binary(max_size=200))
def test_any_end_reads_as_something(cut: int, tail: bytes) -> None:
    """Whatever stands behind any cut: nothing but the declared outcomes, and the same twice."""
    with TemporaryDirectory() as name:
        found = judge(WHOLE[:cut] + tail, Path(name))
        assert judge(WHOLE[:cut] + tail, Path(name)) == found
    good = max([0, *(place for place in [*ENDS, len(WHOLE)] if place <= cut)])
    assert int(found.split()[1]) >= good
