"""docs/fairness.md: its script, and ``lottery audit``, find any change of what makes a number."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from attrs import evolve
from audit_rig import sha256
from fairness_rig import HARMS, random_draw
from ledger_bytes import batch, closed, end, part
from pages import code, page, section

from lottery.audit.draw import audit_draw
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.fairness import make_secret
from lottery.ledger.seal import draw_number, seal

PAGE = page("docs/fairness.md")
TODAY = date(2026, 11, 26)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of the page."""
    (text,) = code(section(PAGE, "## Check it"), "python")
    assert len(text.splitlines()) <= 30
    assert "lottery." not in text.replace("lottery number", "")
    path = tmp_path_factory.mktemp("check") / "check.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def draw(tmp_path: Path) -> DrawDirectory:
    """A draw with a random number."""
    return random_draw(tmp_path)


def said(script: Path, draw: DrawDirectory, *promised: str) -> tuple[int, str]:
    """How the script ends, and what it says."""
    command = [sys.executable, "-I", script, draw.path, *promised]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


def audited(draw: DrawDirectory) -> str:
    """What the audit finds, empty for nothing."""
    difference = audit_draw(draw.path, draw.number, TODAY).difference
    return "" if difference is None else str(difference)


def test_nothing_differs(script: Path, draw: DrawDirectory) -> None:
    """Both agree with the central about the number."""
    record = draw.read()
    assert record.winning_number is not None
    sentence = f"draw 1: {record.winning_number} is the number\n"
    assert said(script, draw) == said(script, draw, str(record.commitment)) == (0, sentence)
    assert audited(draw) == ""


@pytest.mark.parametrize("name", HARMS)
def test_a_change_is_found(script: Path, draw: DrawDirectory, name: str) -> None:
    """Of the secret, the ledger, a nonce or the number; by the script, and by the audit."""
    harm, sentence, finding = HARMS[name]
    harm(draw)
    status, words = said(script, draw)
    assert (status, sentence in words) == (1, True), words
    assert finding in audited(draw)


@pytest.mark.parametrize("name", ["number", "secret", "promise", "nonce"])
def test_a_change_is_found_without_the_file(script: Path, draw: DrawDirectory, name: str) -> None:
    """The record alone tells it: a revealed secret need not be kept elsewhere."""
    draw.secret.unlink()
    assert audited(draw) == ""
    HARMS[name][0](draw)
    assert said(script, draw)[0] == 1
    assert audited(draw)


def test_a_new_promise_afterwards(script: Path, draw: DrawDirectory) -> None:
    """Who makes all of it anew is found by who has kept the published hash."""
    kept = str(draw.read().commitment)
    sealed = evolve(draw.read(), state="sealed", secret=None, winning_number=None, winners_csv=None)
    parts = tuple(evolve(each, winners=None) for each in sealed.agencies)
    make_secret(draw.secret)
    promised = sha256(bytes.fromhex(draw.secret.read_text(encoding="ascii")))
    draw_number(draw, evolve(sealed, agencies=parts, commitment=promised), None)
    assert audited(draw) == ""
    assert said(script, draw)[0] == 0
    assert said(script, draw, kept) == (1, "the secret is not the one that was promised\n")


@pytest.mark.parametrize("state", ["open", "sealed"])
def test_before_the_number(tmp_path: Path, state: str) -> None:
    """The audit holds the secret that is kept against the promise, and misses it."""
    (tmp_path / "draws").mkdir()
    draw = DataDirectory(tmp_path, provable=True).new_draw(5)
    draw.segment(1).write_bytes(closed(1, batch(3, 0, 3), end(3, 3)))
    if state == "sealed":
        seal(draw, evolve(draw.read(), state="closing", agencies=(part(3, 3),)))
    assert audited(draw) == ""
    kept = draw.secret.read_bytes()
    for text in (kept[:-1], kept + b"\n", kept.upper(), b"", b"\xff" * 65, b"0" * 64 + b"\n"):
        draw.secret.write_bytes(text)
        if text != kept:
            assert audited(draw).startswith("secret"), text
    draw.secret.unlink()
    assert "missing" in audited(draw)


def test_a_secret_out_of_place(tmp_path: Path) -> None:
    """Beside a draw that has promised none it belongs to nothing, but for a broken-off start."""
    (tmp_path / "draws").mkdir()
    draw = DataDirectory(tmp_path).new_draw(5)
    make_secret(draw.secret)
    assert audited(draw) == ""
    draw.segment(1).write_bytes(closed(1, batch(3, 0, 3), end(3, 3)))
    seal(draw, evolve(draw.read(), state="closing", agencies=(part(3, 3),)))
    assert "belongs to nothing" in audited(draw)


def test_winners_of_another_number(tmp_path: Path) -> None:
    """A list that a crash has left is held against the number that the secret gives."""
    (tmp_path / "draws").mkdir()
    draw = DataDirectory(tmp_path, provable=True).new_draw(5)
    draw.segment(1).write_bytes(closed(1, batch(3, 0, 3), end(3, 3)))
    seal(draw, evolve(draw.read(), state="closing", agencies=(part(3, 3),)))
    (tmp_path / "draws" / "000001" / "winners.csv").write_bytes(
        draw.bets_csv.read_bytes().splitlines(keepends=True)[1]
    )
    assert "winners.csv" in audited(draw)


def test_copies_without_the_secret(script: Path, tmp_path: Path) -> None:
    """A void draw needs it no more; the script says so of a draw that has revealed none."""
    (tmp_path / "draws").mkdir()
    draw = DataDirectory(tmp_path, provable=True).new_draw(5)
    seal(draw, evolve(draw.read(), state="closing"))
    assert draw.read().state == "void"
    draw.secret.unlink()
    assert audited(draw) == ""
    status, sentence = said(script, draw)
    assert (status, "no secret is revealed" in sentence) == (1, True)
