"""``lottery.ledger.intake``: the picture of a day, which must never cost a bet."""

from __future__ import annotations

import errno
import os
import re
from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lottery.ledger import intake
from lottery.ledger.directory import DataDirectory
from lottery.ledger.intake import IntakeLog
from lottery.ledger.record import AgencyPart, DrawRecord
from lottery.ledger.recovery import recover
from lottery.ledger.seal import draw_number, note_delivered, seal
from lottery.ledger.segment import Kind, Segment, pack

NOON = 1_795_694_400.0  # 2026-11-26 12:00:00 UTC


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where it is written."""
    return tmp_path / "intake.csv"


def test_lines(path: Path) -> None:
    """To the byte; no sooner than after ten seconds, and only if there is something new."""
    log = IntakeLog(path)
    assert log.note(NOON + 0.9, 5)
    assert not log.note(NOON + 9, 6)
    assert log.note(NOON + 11, 7)
    assert not log.note(NOON + 30, 7)
    assert not log.note(NOON + 40, 6)
    assert log.note(NOON + 41, 9)
    assert log.note(NOON + 42, 12, last=True)
    assert path.read_bytes() == (
        b"2026-11-26T12:00:00Z,5\n"
        b"2026-11-26T12:00:11Z,7\n"
        b"2026-11-26T12:00:41Z,9\n"
        b"2026-11-26T12:00:42Z,12\n"
    )
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_day_without_a_bet(path: Path) -> None:
    """The first line may be of none; it is not said again."""
    log = IntakeLog(path)
    assert log.note(NOON, 0)
    assert not log.note(NOON + 20, 0, last=True)
    assert path.read_bytes() == b"2026-11-26T12:00:00Z,0\n"


def test_a_clock_that_goes_back(path: Path) -> None:
    """Times never go down; a line comes when the clock has caught up."""
    log = IntakeLog(path)
    assert log.note(NOON, 5)
    assert not log.note(NOON - 3600, 6)
    assert log.note(NOON - 3600, 7, last=True)
    assert path.read_bytes().splitlines()[-1] == b"2026-11-26T12:00:00Z,7"


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b"2026",
        b"2026-11-26T12:00:30Z,12",
        b"\0\0\n2026-11-26T12:00:30Z,12\n",
        b"\xff\xfe\n\n2026-11-26T12:00:30Z,12\n",
        b"2026-11-26T12:00:30Z,012\n",
        b"2026-11-26T12:00:30Z," + b"1" * 19 + b"\n",
    ],
)
def test_a_later_process_goes_on(path: Path, torn: bytes) -> None:
    """Behind the last whole line; what a crash has left there is cut away."""
    path.write_bytes(b"2026-11-26T12:00:00Z,5\n" + torn)
    log = IntakeLog(path)
    assert not log.note(NOON + 5, 6)
    assert not log.note(NOON + 20, 5)
    assert log.note(NOON + 20, 6)
    assert path.read_bytes() == b"2026-11-26T12:00:00Z,5\n2026-11-26T12:00:20Z,6\n"


def test_what_others_have_written_is_left_alone(path: Path) -> None:
    """Nothing is written behind it, and nothing raised."""
    content = b"2026-13-01T00:00:00Z,5\n"
    path.write_bytes(content)
    log = IntakeLog(path)
    assert not log.note(NOON, 5)
    assert not log.note(NOON + 20, 6)
    assert path.read_bytes() == content


def test_what_is_too_long_is_left_alone(path: Path) -> None:
    """It is neither read nor cut."""
    path.touch()
    os.truncate(path, (8 << 20) + 1)
    log = IntakeLog(path)
    assert not log.note(NOON, 5)
    assert path.stat().st_size == (8 << 20) + 1


def test_a_cut_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line stays at the end, and only a later process writes on, in its place."""
    log = IntakeLog(path)
    assert log.note(NOON, 5)
    true_write = os.write

    def broken(fd: int, length: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: true_write(fd, data[:3]))
        patch.setattr(os, "ftruncate", broken)
        assert not log.note(NOON + 10, 6)
    assert not log.note(NOON + 20, 7)
    assert path.read_bytes() == b"2026-11-26T12:00:00Z,5\n202"
    assert IntakeLog(path).note(NOON + 30, 8)
    assert path.read_bytes() == b"2026-11-26T12:00:00Z,5\n2026-11-26T12:00:30Z,8\n"


def test_nothing_is_flushed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not worth waiting for a disk."""

    def flush(fd: int) -> None:
        raise AssertionError("it was flushed")

    for name in ("fsync", "fdatasync", "sync"):
        monkeypatch.setattr(os, name, flush if name != "sync" else lambda: flush(0))
    log = IntakeLog(path)
    assert log.note(NOON, 5)
    assert log.note(NOON + 1, 6, last=True)


def test_not_too_many_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has a bound."""
    monkeypatch.setattr(intake, "MOST_LINES", 2)
    log = IntakeLog(path)
    assert [log.note(NOON + 10 * at, at + 1) for at in range(4)] == [True, True, False, False]


def test_no_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half line is left, and a later one may fit."""
    log = IntakeLog(path)
    assert log.note(NOON, 5)
    true_write = os.write

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "write", full)
    assert not log.note(NOON + 10, 6)
    monkeypatch.setattr(os, "write", lambda fd, data: true_write(fd, data[:3]))
    assert not log.note(NOON + 20, 7)
    monkeypatch.undo()
    assert log.note(NOON + 30, 8)
    assert path.read_bytes() == b"2026-11-26T12:00:00Z,5\n2026-11-26T12:00:30Z,8\n"


def test_what_cannot_be_opened(path: Path) -> None:
    """Then there is no picture."""
    path.mkdir()
    log = IntakeLog(path)
    assert not log.note(NOON, 5)
    assert not log.note(NOON + 20, 6)


@given(st.binary(max_size=200), st.integers(0, 10**9))
def test_whatever_stands_there(tmp_path_factory, content: bytes, bets: int) -> None:
    """It never raises, and the lines of before stay."""
    path = tmp_path_factory.mktemp("intake") / "intake.csv"
    path.write_bytes(content)
    log = IntakeLog(path)
    log.note(NOON, bets)
    line = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ,(0|[1-9]\d{0,17})\n")
    kept = takewhile(line.fullmatch, content.splitlines(keepends=True))
    assert path.read_bytes().startswith(b"".join(kept))


def test_a_start_leaves_it_alone(tmp_path: Path) -> None:
    """Nobody needs it, and no step of a draw touches it or stumbles over it."""
    data = DataDirectory(tmp_path / "data")
    data.own()
    draw = data.new_draw(2)
    segment = Segment(str(draw.segment(1)), 1, 1)
    segment.append(pack(Kind.ROWS, 3, 0, 1, b"3,Ana,Paz,1,1999-03-17,7574\n", 0))
    segment.append(pack(Kind.END, 3, 1, 0, bytes(32), 0))
    segment.flush()
    segment.close()
    contents = (None, b"2026-11-26T12:00:00Z,1\n2026", b"rubbish", b"")
    for content in contents:
        if content is not None:
            draw.intake_csv.write_bytes(content)
        for _ in range(2):
            (found,) = recover(data, 2)
            assert found.standings[3].next_index == 1
            if content is not None:
                assert draw.intake_csv.read_bytes() == content
    draw.intake_csv.write_bytes(b"rubbish")
    part = AgencyPart(3, "lottery/1", "succeeded", "", 1, found.standings[3].crc)
    record = seal(draw, DrawRecord(1, "closing", 2, (part,)))
    note_delivered(draw, draw_number(draw, record, 7574), [3])
    assert recover(data, 2) == []
    assert draw.intake_csv.read_bytes() == b"rubbish"
    assert data.new_draw(2).number == 2
    data.release()
