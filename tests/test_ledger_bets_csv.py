"""``lottery.ledger.bets_csv``: the same bets give the same bytes, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lottery.ledger.bets_csv as bets_csv_module
from lottery.errors import DamagedLedger
from lottery.ledger.bets_csv import (
    Interrupted,
    Ledger,
    TornTail,
    make_bets_csv,
    never,
    write_rows,
)
from lottery.ledger.segment import Kind, pack


def row(agency: int, index: int) -> bytes:
    """The row of an agency's bet; no two are alike, and their lengths differ."""
    return b"%d,%s,Gil,%d,2000-01-01,%d\n" % (agency, b"A" * (1 + index % 7), index, index % 10000)


def rows(agency: int, first: int, count: int) -> bytes:
    """The body of a record."""
    return b"".join(row(agency, first + number) for number in range(count))


def batch(agency: int, first: int, count: int) -> bytes:
    """A record of bets."""
    return pack(Kind.ROWS, agency, first, count, rows(agency, first, count), 0)


def end(agency: int, total: int) -> bytes:
    """A record of an END."""
    return pack(Kind.END, agency, total, 0, bytes(32), 0)


def segments(directory: Path, *contents: bytes) -> list[Path]:
    """Put segments into a directory."""
    paths = []
    for number, content in enumerate(contents, 1):
        paths.append(directory / f"segment-{number:04d}.log")
        paths[-1].write_bytes(content)
    return paths


def all_rows(ledger: Ledger) -> bytes:
    """The rows in one piece."""
    return b"".join(ledger.rows())


def after(calls: int) -> Callable[[], bool]:
    """Say no some times, then yes."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


def test_order_of_agency_then_index(tmp_path: Path) -> None:
    """Agencies by their number, not its text; bets by index, wherever they were stored."""
    paths = segments(
        tmp_path,
        batch(10, 0, 3) + batch(9, 2, 1) + batch(10, 3, 1),
        batch(9, 0, 2) + batch(0, 0, 1) + batch(2**32 - 1, 0, 1) + end(9, 3),
    )
    ledger = Ledger(paths)
    expected = [(0, 1), (9, 3), (10, 4), (2**32 - 1, 1)]
    assert all_rows(ledger) == b"".join(rows(agency, 0, bets) for agency, bets in expected)
    assert ledger.agencies == [agency for agency, _ in expected]
    assert [(agency, ledger.bets_of(agency)) for agency in ledger.agencies] == expected
    assert ledger.bets_of(1) == 0
    assert ledger.torn == []


def test_ends(tmp_path: Path) -> None:
    """An END counts also for an agency without a bet, and makes no row."""
    ledger = Ledger(segments(tmp_path, batch(1, 0, 1) + end(2, 0), batch(3, 0, 1) + end(3, 1)))
    ledger.require(2, 0)
    ledger.require(3, 1)
    assert ledger.agencies == [1, 3]
    assert ledger.bets_of(2) == 0


@pytest.mark.parametrize(("agency", "bets", "found"), [(1, 1, 1), (3, 2, 1), (3, 0, 1), (4, 0, 0)])
def test_what_is_required(agency: int, bets: int, found: int, tmp_path: Path) -> None:
    """Bets or an END that are not there are damage, at the torn tail if there is one."""
    sound = batch(1, 0, 1) + end(2, 0) + batch(3, 0, 1) + end(3, 1)
    sentence = f"agency {agency} has ended with {bets} bets, {found} are found"
    for tail, offset in ((b"", 0), (b"LCS1", len(sound))):
        paths = segments(tmp_path, sound + tail)
        with pytest.raises(DamagedLedger, match=sentence) as caught:
            Ledger(paths).require(agency, bets)
        assert caught.value.offset == offset
        assert caught.value.path == str(paths[0])


def test_agency_that_comes_back(tmp_path: Path) -> None:
    """Runs of one agency may alternate between segments, and within one."""
    paths = segments(
        tmp_path,
        batch(1, 4, 2) + batch(1, 0, 2) + batch(1, 8, 1),
        batch(1, 2, 2) + batch(1, 6, 2),
    )
    assert all_rows(Ledger(paths)) == rows(1, 0, 9)


@st.composite
def stored_days(draw: st.DrawFn) -> tuple[dict[int, int], list[list[bytes]]]:
    """Agencies with their bets, and segments into which these were stored in any way.

    A session is at one segment and its batches stand there in order, between those of others.
    """
    bets = draw(st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 12), max_size=5))
    count = draw(st.integers(1, 4))
    pieces: list[list[tuple[int, bytes]]] = [[] for _ in range(count)]
    for agency, total in bets.items():
        first = 0
        while first < total:
            size = draw(st.integers(1, total - first))
            writer = draw(st.integers(0, count - 1))
            # A number between those of others: where this record falls among theirs.
            pieces[writer].append((draw(st.integers(0, 99)), batch(agency, first, size)))
            first += size
        pieces[draw(st.integers(0, count - 1))].append((100, end(agency, total)))
    return bets, [[data for _, data in sorted(each, key=lambda one: one[0])] for each in pieces]


@given(stored_days())
def test_same_bets_give_same_bytes(day: tuple[dict[int, int], list[list[bytes]]]) -> None:
    """Whatever the batches, their interleaving and the number of segments, one file comes out."""
    bets, contents = day
    with TemporaryDirectory() as name:
        directory = Path(name)
        ledger = Ledger(segments(directory, *map(b"".join, contents)))
        make_bets_csv(ledger, directory / "bets.csv")
        made = (directory / "bets.csv").read_bytes()
    assert made == b"".join(rows(agency, 0, total) for agency, total in sorted(bets.items()))
    for agency, total in bets.items():
        ledger.require(agency, total)


@given(stored_days(), st.data())
def test_a_missing_record_is_never_overlooked(
    day: tuple[dict[int, int], list[list[bytes]]], data: st.DataObject
) -> None:
    """Without one batch, either the rows end before it or it is damage; no row is made up."""
    bets, contents = day
    places = [
        (number, at)
        for number, content in enumerate(contents)
        for at, record in enumerate(content)
        if record[4] == Kind.ROWS
    ]
    if not places:
        return
    number, at = data.draw(st.sampled_from(places))
    lost = contents[number].pop(at)
    agency, first = int.from_bytes(lost[8:12], "big"), int.from_bytes(lost[12:20], "big")
    with TemporaryDirectory() as name:
        paths = segments(Path(name), *map(b"".join, contents))
        if first + int.from_bytes(lost[20:24], "big") < bets[agency]:
            with pytest.raises(DamagedLedger, match=f"agency {agency} has bet"):
                Ledger(paths)
        else:
            assert Ledger(paths).bets_of(agency) == first


def test_gap_names_path_and_offset(tmp_path: Path) -> None:
    """A hole in an agency's bets is damage, and it is said where the wrong rows stand."""
    first, second = segments(
        tmp_path, batch(1, 0, 2) + batch(2, 0, 1), batch(2, 1, 1) + batch(1, 3, 1)
    )
    with pytest.raises(DamagedLedger) as error:
        Ledger([first, second])
    offset = len(batch(2, 1, 1)) + 40
    assert error.value.path == str(second)
    assert error.value.offset == offset
    assert second.read_bytes()[offset:] == row(1, 3)
    assert str(error.value) == (
        f"{second} is damaged at byte {offset}, agency 1 has bet 3 here where 2 should follow"
    )


def test_first_bet_missing(tmp_path: Path) -> None:
    """An agency's bets begin with bet 0."""
    with pytest.raises(DamagedLedger, match="agency 7 has bet 1 here where 0 should follow"):
        Ledger(segments(tmp_path, batch(7, 1, 1)))


def test_bet_stored_twice(tmp_path: Path) -> None:
    """The same bets twice are damage, too: they must not be counted twice."""
    with pytest.raises(DamagedLedger, match="agency 7 has bet 1 here where 3 should follow"):
        Ledger(segments(tmp_path, batch(7, 0, 3), batch(7, 1, 2)))


def test_torn_tails(tmp_path: Path) -> None:
    """What is no record is left out and told, with place and length; the rest counts."""
    whole = batch(1, 0, 2)
    paths = segments(tmp_path, whole + batch(1, 2, 2)[:-1], b"\0" * 5, b"", batch(2, 0, 1))
    ledger = Ledger(paths)
    assert all_rows(ledger) == rows(1, 0, 2) + row(2, 0)
    assert ledger.torn == [
        TornTail(str(paths[0]), len(whole), len(batch(1, 2, 2)) - 1),
        TornTail(str(paths[1]), 0, 5),
    ]


@pytest.mark.parametrize("contents", [[], [b""], [b"", end(4, 0)]])
def test_empty_draw(tmp_path: Path, contents: list[bytes]) -> None:
    """A draw without a bet gives an empty file."""
    path = tmp_path / "bets.csv"
    make_bets_csv(Ledger(segments(tmp_path, *contents)), path)
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o7777 == 0o600


def test_missing_segment(tmp_path: Path) -> None:
    """A segment that cannot be read is an error."""
    with pytest.raises(FileNotFoundError):
        Ledger([tmp_path / "segment-0001.log"])


def test_large_agencies_are_copied_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a step and a record is held at once, and nothing is lost between steps."""
    monkeypatch.setattr(bets_csv_module, "_COPY_BYTES", 100)
    paths = segments(tmp_path, b"".join(batch(1, first, 2) for first in range(0, 60, 2)))
    parts = list(Ledger(paths).rows())
    assert b"".join(parts) == rows(1, 0, 60)
    assert len(parts) > 10
    longest = max(len(rows(1, first, 2)) for first in range(0, 60, 2))
    assert max(map(len, parts)) < 100 + longest


def test_write_rows(tmp_path: Path) -> None:
    """Rows go to any file; their length comes back."""
    ledger = Ledger(segments(tmp_path, batch(1, 0, 3) + batch(2, 0, 3)))
    with (tmp_path / "out").open("wb") as out:
        assert write_rows(ledger, out) == len(rows(1, 0, 3) + rows(2, 0, 3))
    assert (tmp_path / "out").read_bytes() == rows(1, 0, 3) + rows(2, 0, 3)


def test_never() -> None:
    """Nobody wants the work to be left unless he says so."""
    assert never() is False


def test_published_whole_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written aside, flushed, renamed, and then the directory is flushed: in this order."""
    ledger = Ledger(segments(tmp_path, batch(1, 0, 3)))
    path, temporary = tmp_path / "bets.csv", tmp_path / "bets.csv.tmp"
    steps: list[str] = []
    true_rename = os.rename

    def flush(fd: int) -> None:
        name = os.readlink(f"/proc/self/fd/{fd}")
        steps.append(f"flush {Path(name).name}")
        if name == str(temporary):
            assert temporary.read_bytes() == rows(1, 0, 3)
            assert not path.exists()

    def rename(old: Path, new: Path) -> None:
        steps.append(f"rename {old.name} {new.name}")
        true_rename(old, new)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "rename", rename)
    make_bets_csv(ledger, path)
    assert steps == ["flush bets.csv.tmp", "rename bets.csv.tmp bets.csv", f"flush {tmp_path.name}"]
    assert path.read_bytes() == rows(1, 0, 3)
    assert not temporary.exists()


def test_mode_whatever_the_umask(tmp_path: Path) -> None:
    """The file is the operator's alone."""
    before = os.umask(0)
    try:
        make_bets_csv(Ledger(segments(tmp_path, batch(1, 0, 1))), tmp_path / "bets.csv")
    finally:
        os.umask(before)
    assert (tmp_path / "bets.csv").stat().st_mode & 0o7777 == 0o600


def test_leftovers_of_a_crash_are_replaced(tmp_path: Path) -> None:
    """A longer temporary file and an older result do not show through."""
    path, temporary = tmp_path / "bets.csv", tmp_path / "bets.csv.tmp"
    path.write_bytes(b"old" * 1000)
    temporary.write_bytes(b"half" * 1000)
    make_bets_csv(Ledger(segments(tmp_path, batch(1, 0, 1))), path)
    assert path.read_bytes() == row(1, 0)
    assert not temporary.exists()


def test_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """Without room there is no file, no temporary one either, and an older result stays."""
    path, temporary = tmp_path / "bets.csv", tmp_path / "bets.csv.tmp"
    path.write_bytes(b"old")
    temporary.symlink_to("/dev/full")
    with pytest.raises(OSError) as error:
        make_bets_csv(Ledger(segments(tmp_path, batch(1, 0, 1))), path)
    assert error.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert not os.path.lexists(temporary)


@pytest.mark.parametrize("broken", ["fsync", "rename"])
def test_failed_step_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A flush or a rename that fails is an error, and no file is there."""
    ledger = Ledger(segments(tmp_path, batch(1, 0, 1)))

    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="the disk is gone"):
        make_bets_csv(ledger, tmp_path / "bets.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["segment-0001.log"]


def test_unwritable_directory(tmp_path: Path) -> None:
    """A file that cannot even be made is an error."""
    ledger = Ledger(segments(tmp_path, batch(1, 0, 1)))
    with pytest.raises(FileNotFoundError):
        make_bets_csv(ledger, tmp_path / "missing" / "bets.csv")


def test_failed_directory_flush_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known to be on disk is an error; the file itself is whole."""
    ledger = Ledger(segments(tmp_path, batch(1, 0, 1)))

    def fail(path: str) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(bets_csv_module, "flush_directory", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        make_bets_csv(ledger, tmp_path / "bets.csv")
    assert (tmp_path / "bets.csv").read_bytes() == row(1, 0)


def test_interrupted_while_checking(tmp_path: Path) -> None:
    """The check is left within some thousand records."""
    paths = segments(tmp_path, b"".join(batch(1, first, 1) for first in range(1025)))
    with pytest.raises(Interrupted):
        Ledger(paths, after(0))
    with pytest.raises(Interrupted):
        Ledger(paths, after(1))
    assert Ledger(paths, after(2)).bets_of(1) == 1025


def test_interrupted_while_copying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copying is left after a step, and no temporary file stays."""
    monkeypatch.setattr(bets_csv_module, "_COPY_BYTES", 50)
    paths = segments(tmp_path, batch(1, 0, 3) + batch(1, 3, 3))
    ledger = Ledger(paths, after(2))
    with pytest.raises(Interrupted):
        make_bets_csv(ledger, tmp_path / "bets.csv")
    assert list(tmp_path.iterdir()) == paths
