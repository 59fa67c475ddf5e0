"""``lottery.audit.intake``: what is surely wrong with a timeline is found, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from audit_rig import STATES, TODAY, a_draw, audited, intake_lines, write_draw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lottery.audit import intake as intake_module
from lottery.audit.differences import Difference, Differs
from lottery.audit.draw import audit_draw
from lottery.audit.intake import CHART_LINES, NAME, TABLE_LINES, Intake, IntakeFile, Line
from lottery.ledger.intake import IntakeLog

NOON = 1_795_694_400  # 2026-11-26 12:00:00 UTC
GOOD = b"2026-11-26T12:00:00Z,0\n2026-11-26T12:00:10Z,7\n2026-11-26T12:00:10Z,34\n"
BETS = 34
DURING = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def difference(tmp_path: Path, content: bytes, bets: int = BETS) -> Difference | None:
    """What is wrong with a file of these bytes, in a draw of so many bets."""
    (tmp_path / NAME).write_bytes(content)
    file = IntakeFile(tmp_path)
    try:
        file.check(bets)
    except Differs as differs:
        assert file.shown() is None
        return differs.difference
    assert file.shown() is not None
    return None


def shown(tmp_path: Path, content: bytes) -> Intake:
    """What can be shown of a file in which nothing is wrong."""
    (tmp_path / NAME).write_bytes(content)
    found = IntakeFile(tmp_path).shown()
    assert found is not None
    return found


def test_a_good_one(tmp_path: Path) -> None:
    """All of its lines, also two of one second."""
    expected = (Line(NOON, 0), Line(NOON + 10, 7), Line(NOON + 10, 34))
    assert intake_lines((0, 0), (10, 7), (10, 34)) == GOOD
    assert shown(tmp_path, GOOD) == Intake(3, expected, expected, (expected[0], expected[2]), 0)
    assert difference(tmp_path, GOOD) is None
    assert expected[1].moment == "2026-11-26 12:00:10"


def test_none(tmp_path: Path) -> None:
    """A ledger of an earlier version has no such file."""
    file = IntakeFile(tmp_path)
    file.check(0)
    assert file.shown() is None


@pytest.mark.parametrize(
    ("content", "line", "byte", "what"),
    [
        (intake_lines((0, 5), (-1, 6)), 2, 23, "the moment is before that of the line above"),
        (intake_lines((0, 5), (10, 4)), 2, 23, "there are fewer bets than the 5 of the line above"),
        (intake_lines((0, 5), (10, 34), (20, 35), (30, 36)), 3, None,
         "35 bets are said to be stored, 34 are in the segments"),
    ],
)  # fmt: skip
def test_what_is_surely_wrong(tmp_path: Path, content, line, byte, what) -> None:
    """The first of it is named with its place."""
    assert difference(tmp_path, content) == Difference(NAME, what, byte=byte, line=line)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"\n", 0),
        (GOOD + b"\n", 3),
        (b"\xef\xbb\xbf" + GOOD, 0),
        (b"moment,bets\n" + GOOD, 0),
        (GOOD.replace(b"\n", b"\r\n"), 0),
        (GOOD.replace(b"Z,7", b",7"), 1),
        (GOOD.replace(b"T", b" ", 1), 0),
        (GOOD.replace(b",7", b",07"), 1),
        (GOOD.replace(b",7", b",-7"), 1),
        (GOOD.replace(b",7", b", 7"), 1),
        (GOOD.replace(b",7", b",7_0"), 1),
        (GOOD.replace(b",7", b","), 1),
        (GOOD.replace(b",7", ",\u0667".encode()), 1),
        (GOOD.replace(b",7", b"," + b"7" * 19), 1),
        (GOOD.replace(b",7", b"," + b"7" * 100), 1),
        (GOOD.replace(b"-26T", b"-31T", 1), 0),
        (GOOD.replace(b"2026", b"0000", 1), 0),
        (GOOD.replace(b"12:00:00", b"24:00:00"), 0),
        (GOOD.replace(b"12:00:00", b"12:00:60"), 0),
        (GOOD + b"hello", 3),
        (GOOD + b"2026-11-26T12:00:20Z,7\r", 3),
        (GOOD + b"x" * 5000, 3),
        (b"\n" * (8 << 20), 0),
    ],
)
def test_what_is_no_line_ends_the_reading(tmp_path: Path, content: bytes, lines: int) -> None:
    """A power cut may leave anything in a file that was never flushed."""
    found = shown(tmp_path, content)
    assert (found.lines, found.torn) == (
        lines,
        len(content) - len(b"".join(GOOD.splitlines(keepends=True)[:lines])),
    )
    assert difference(tmp_path, content) is None


def test_torn_lines(tmp_path: Path) -> None:
    """Every beginning of a file is one that a crash may leave."""
    for length in range(len(GOOD) + 1):
        torn = length - GOOD.rfind(b"\n", 0, length) - 1
        found = shown(tmp_path, GOOD[:length])
        assert (found.lines, found.torn) == (GOOD.count(b"\n", 0, length), torn)
        assert difference(tmp_path, GOOD[:length]) is None


@pytest.mark.parametrize("rest", [b"", b"2026-11-26T12:00:20Z,9\n", b"\xff\n"])
def test_a_power_cut(tmp_path: Path, rest: bytes) -> None:
    """What was never flushed may be NULs, and what stands behind them is not looked at."""
    for length in range(len(GOOD) + 1):
        content = GOOD[:length] + bytes(5000) + rest
        found = shown(tmp_path, content)
        assert found.lines == GOOD.count(b"\n", 0, length)
        assert found.torn == len(content) - GOOD.rfind(b"\n", 0, length) - 1
        assert difference(tmp_path, content) is None


def test_a_file_that_is_too_long(tmp_path: Path) -> None:
    """It is not even read; one of all the lines there can be is."""
    (tmp_path / NAME).touch()
    os.truncate(tmp_path / NAME, (8 << 20) + 1)
    file = IntakeFile(tmp_path)
    with pytest.raises(Differs) as raised:
        file.check(BETS)
    what = "it has 8388609 bytes, it can have 8388608"
    assert raised.value.difference == Difference(NAME, what)
    many = intake_lines(*((10 * at, at) for at in range(100_001)))
    assert difference(tmp_path, many[: many.rfind(b"\n", 0, -1) + 1], 99_999) is None
    found = difference(tmp_path, many, 100_000)
    assert found is not None
    assert (found.line, found.what) == (100_001, "there are more than 100000 lines")


def test_no_file(tmp_path: Path) -> None:
    """A directory, a pipe, a link to nowhere: a sentence each, and the rest was checked."""
    path = write_draw(tmp_path, 1, a_draw("drawn").files("drawn"))
    for make in (os.mkdir, os.mkfifo, lambda place: os.symlink("nowhere", place)):
        make(path / NAME)
        report = audit_draw(path, 1, TODAY)
        assert report.difference is not None
        assert report.difference.file == NAME
        assert report.difference.what.startswith("it ")
        assert report.checked == ("record", "segments", "bets.csv", "winners.csv")
        (path / NAME).rmdir() if (path / NAME).is_dir() else (path / NAME).unlink()


@pytest.mark.parametrize("state", STATES)
def test_in_every_state(tmp_path: Path, state: str) -> None:
    """Whether it is there or not; and a bad one is found in each, behind all else."""
    files = a_draw(state).files(state)
    without = audited(tmp_path / "1", files)
    report = audited(tmp_path / "2", {**files, NAME: GOOD})
    assert report == without
    assert report.difference is None
    for bad in (GOOD + GOOD, GOOD + intake_lines((20, BETS + 1))):
        report = audited(tmp_path / "3", {**files, NAME: bad})
        assert report.difference is not None
        assert report.difference.file == NAME
        assert report == without._replace(difference=report.difference)


def test_what_is_wrong_with_the_bets_comes_first(tmp_path: Path) -> None:
    """Nothing is hidden by a file that nobody needs."""
    files = a_draw("drawn").files("drawn")
    files["bets.csv"] = files["bets.csv"][:-1]
    report = audited(tmp_path, {**files, NAME: GOOD + GOOD})
    assert report.difference is not None
    assert report.difference.file == "bets.csv"


def test_without_a_record(tmp_path: Path) -> None:
    """It is made behind the record, so a record was there."""
    found = audited(tmp_path, {NAME: GOOD}).difference
    assert found == Difference("draw.json", f"it is missing, and {NAME} is there")


def test_a_central_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noted while we read is of bets that we may not have seen: no difference."""
    path = write_draw(tmp_path, 1, {**a_draw("open").files("open"), NAME: GOOD})
    true_check = IntakeFile.check

    def check(file: IntakeFile, bets: int) -> None:
        with (path / NAME).open("ab") as more:
            more.write(intake_lines((50, 99)))
        true_check(file, bets)

    monkeypatch.setattr(IntakeFile, "check", check)
    report = audit_draw(path, 1, TODAY, pause=lambda seconds: pytest.fail("once is enough"))
    assert report.difference is None


def test_only_in_detail(tmp_path: Path) -> None:
    """Of many draws it would take memory that nobody asked for."""
    path = write_draw(tmp_path, 1, {**a_draw("open").files("open"), NAME: GOOD})
    assert audit_draw(path, 1, TODAY).intake is None
    in_detail = audit_draw(path, 1, TODAY, in_detail=True).intake
    assert in_detail is not None
    assert in_detail.lines == 3


@DURING
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), min_size=1, max_size=60))
def test_what_is_kept_of_many(tmp_path: Path, steps: list[tuple[int, int]]) -> None:
    """No more than there is room for, in order, with the first and the last, each a true line."""
    second = bets = 0
    noted = []
    for seconds, more in steps:
        second, bets = second + seconds, bets + more
        noted.append((second, bets))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake_module, "TABLE_LINES", 7)
        patch.setattr(intake_module, "CHART_LINES", 9)
        found = shown(tmp_path, intake_lines(*noted))
    every = [Line(NOON + second, bets) for second, bets in noted]
    assert found.lines == len(every)
    for some, most in ((found.table, 7), (found.chart, 9)):
        assert len(some) <= most
        assert some == tuple(every) or len(every) > most
        assert (some[0], some[-1]) == (every[0], every[-1])
        assert list(some) == sorted(some)
        assert set(some) <= set(every)
    assert len(found.table) == min(7, len(every))
    if found.steepest is None:
        assert len(every) == 1
        return
    rates = []
    for at, after in enumerate(every):
        early = [before for before in every[:at] if after.second - before.second >= 10]
        if early:
            rates.append((after.bets - early[-1].bets) / (after.second - early[-1].second))
    before, after = found.steepest
    if rates:
        assert after.second - before.second >= 10
        assert (after.bets - before.bets) / (after.second - before.second) == max(rates)
    else:
        assert found.steepest == (every[0], every[-1])


def test_the_steepest(tmp_path: Path) -> None:
    """Over lines that are 10 s apart, not over two that came close to each other."""
    found = shown(tmp_path, intake_lines((0, 0), (10, 10), (20, 500), (30, 510), (31, 900)))
    assert found.steepest == (Line(NOON + 10, 10), Line(NOON + 20, 500))
    found = shown(tmp_path, intake_lines((0, 0), (600, 100), (610, 150)))
    assert found.steepest == (Line(NOON + 600, 100), Line(NOON + 610, 150))


def test_sizes_of_what_is_kept(tmp_path: Path) -> None:
    """A day of 11 days and 14 hours."""
    found = shown(tmp_path, intake_lines(*((10 * at, 3 * at) for at in range(100_000))))
    assert (len(found.table), len(found.chart)) == (TABLE_LINES, CHART_LINES) == (200, 500)


def test_what_the_central_writes(tmp_path: Path) -> None:
    """Two readings of one page: what one writes is in order for the other."""
    log = IntakeLog(tmp_path / NAME)
    for at in range(50):
        log.note(NOON + 3.7 * at, at // 2)
    log.note(NOON - 1000.0, 30, last=True)
    content = (tmp_path / NAME).read_bytes()
    assert difference(tmp_path, content, 30) is None
    found = difference(tmp_path, content, 29)
    assert found is not None
    assert found.line == content.count(b"\n")


any_lines = st.lists(
    st.tuples(st.integers(-5, 40), st.integers(0, 40)), max_size=5
).map(lambda noted: intake_lines(*noted))  # fmt: skip


@DURING
@given(st.lists(st.binary(max_size=60) | any_lines | st.just(GOOD), max_size=4).map(b"".join))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    """Whatever stands there, the check ends with a difference of this file or with none."""
    path = write_draw(tmp_path, 1, {**a_draw("closing").files("closing"), NAME: content})
    report = audit_draw(path, 1, TODAY, in_detail=True)
    assert report.bets == BETS
    if report.difference is None:
        assert report.intake is not None
        assert report.intake.lines <= content.count(b"\n")
    else:
        assert report.difference.file == NAME
        assert report.intake is None
