"""``lottery export``: the bets of a draw in order, while it is open, sealed or void."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_bytes import batch, closed, closing, draw_of, end, opened, part, rows, tree

import lottery.command.export as export_module
from lottery.command import main
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.index import Ledger
from lottery.ledger.seal import seal
from lottery.ledger.segment import pack_head

SEGMENTS = [opened(1, batch(9, 0, 3), batch(10, 0, 1)), closed(2, batch(2, 0, 2), end(2, 2))]
BETS_CSV = rows(2, 0, 2) + rows(9, 0, 3) + rows(10, 0, 1)


def export(capfdbinary: pytest.CaptureFixture[bytes], *words: object) -> tuple[int, bytes, str]:
    """Run the command; gives status, stdout and stderr."""
    status = main(["export", *map(str, words)])
    captured = capfdbinary.readouterr()
    return status, captured.out, captured.err.decode()


@pytest.fixture
def draw(tmp_path: Path) -> DrawDirectory:
    """A draw into which bets are written."""
    return draw_of(tmp_path, *SEGMENTS)


def test_open_draw(capfdbinary, draw: DrawDirectory, tmp_path: Path) -> None:
    """Nothing is touched, and options stand anywhere."""
    before = tree(tmp_path)
    assert export(capfdbinary, tmp_path) == (0, BETS_CSV, "")
    assert export(capfdbinary, tmp_path, "--draw", 1) == (0, BETS_CSV, "")
    assert export(capfdbinary, "--draw=1", tmp_path) == (0, BETS_CSV, "")
    assert tree(tmp_path) == before


def test_torn_tail(capfdbinary, draw: DrawDirectory, tmp_path: Path) -> None:
    """It is left out, and told."""
    draw.segment(1).write_bytes(SEGMENTS[0] + b"LCS1\x01")
    said = (
        f"lottery: {draw.segment(1)}: the last 5 bytes, from byte {len(SEGMENTS[0])}, "
        "are no whole record and left out\n"
    )
    assert export(capfdbinary, tmp_path) == (0, BETS_CSV, said)


def test_same_as_bets_csv(capfdbinary, tmp_path: Path) -> None:
    """Of a sealed draw it is what the seal has made."""
    draw = draw_of(tmp_path, closed(1, batch(1, 0, 3), end(1, 3)))
    seal(draw, closing(draw, part(1, 3)))
    assert export(capfdbinary, tmp_path) == (0, draw.bets_csv.read_bytes(), "")


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("cut", [None, 40, 0])
def test_damage_of_a_draw_that_takes_no_more_bets(
    capfdbinary, tmp_path: Path, cut: int | None, void: bool
) -> None:
    """A segment that is gone, cut or another one is no torn tail there."""
    draw = draw_of(tmp_path, closed(1, batch(1, 0, 3), end(1, 3)), closed(2, batch(2, 0, 1)))
    outcome = "left_out" if void else "succeeded"
    seal(draw, closing(draw, part(1, 3, outcome), part(2, 1, "left_out")))
    path = draw.segment(2)
    if cut is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:cut])
    why = "it is missing" if cut is None else "its SHA-256 is another one than draw.json says"
    said = f"lottery: {path} is damaged at byte 0, {why}\n"
    assert export(capfdbinary, tmp_path) == (3, b"", said)


def test_which_draw(capfdbinary, draw: DrawDirectory, tmp_path: Path) -> None:
    """The latest, or the one that is named."""
    second = DataDirectory(tmp_path).new_draw(5)
    second.segment(1).write_bytes(pack_head(2, 1) + batch(7, 0, 1))
    assert export(capfdbinary, tmp_path) == (0, rows(7, 0, 1), "")
    assert export(capfdbinary, tmp_path, "--draw", "0001") == (0, BETS_CSV, "")
    said = f"lottery: there is no draw 3 in {tmp_path}, there is 1 to 2\n"
    assert export(capfdbinary, tmp_path, "--draw", 3) == (2, b"", said)


def test_no_draw(capfdbinary, tmp_path: Path) -> None:
    """A data directory without one."""
    (tmp_path / "draws").mkdir()
    said = f"lottery: there is no draw in {tmp_path}\n"
    assert export(capfdbinary, tmp_path) == (2, b"", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one data directory is needed, as in lottery export DIR"),
        (["a", "b"], "one data directory is needed, as in lottery export DIR"),
        (["a", "--draw", "x"], "option --draw is 'x', it must be a number"),
        (["a", "--draw", "-1"], "option --draw is '-1', it must be a number"),
        (["/nowhere"], "/nowhere is no data directory, No such file or directory"),
    ],
)
def test_words(capfdbinary, words: list[str], said: str) -> None:
    """Status 2 and a sentence."""
    assert export(capfdbinary, *words) == (2, b"", f"lottery: {said}\n")


def test_damage(capfdbinary, draw: DrawDirectory, tmp_path: Path) -> None:
    """Damage that stays is told with its place, and no row is written."""
    draw.segment(3).write_bytes(opened(3, batch(9, 4, 1)))
    said = (
        f"lottery: {draw.segment(3)} is damaged at byte 40, "
        "agency 9 has bet 4 here where 3 should follow\n"
    )
    assert export(capfdbinary, tmp_path) == (3, b"", said)


def test_agency_that_moves_on_meanwhile(
    capfdbinary, draw: DrawDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments are read one after the other: what seems a gap is looked at once more."""
    draw.segment(3).write_bytes(opened(3, batch(9, 4, 1)))
    looks = []

    def look(*arguments: DrawDirectory) -> Ledger:
        looks.append(arguments)
        if len(looks) == 3:
            draw.segment(1).write_bytes(SEGMENTS[0] + batch(9, 3, 1))
        return Ledger(*arguments)

    monkeypatch.setattr(export_module, "Ledger", look)
    bets = rows(2, 0, 2) + rows(9, 0, 5) + rows(10, 0, 1)
    assert export(capfdbinary, tmp_path) == (0, bets, "")


def test_segment_that_is_cut_back_meanwhile(
    capfdbinary, draw: DrawDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer may take back what it had no room for: a sentence, and no invented row."""

    def look(*arguments: DrawDirectory) -> Ledger:
        ledger = Ledger(*arguments)
        os.truncate(draw.segment(1), len(SEGMENTS[0]) - 1)
        return ledger

    monkeypatch.setattr(export_module, "Ledger", look)
    status, out, said = export(capfdbinary, tmp_path)
    assert (status, out) == (1, rows(2, 0, 2) + rows(9, 0, 3))
    assert said == f"lottery: {draw.segment(1)} was cut back while it was read, read it again\n"


def test_full_output(draw: DrawDirectory, tmp_path: Path) -> None:
    """Rows that cannot be written are told, with status 1."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lottery", "export", tmp_path],
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"lottery: No space left on device\n")
