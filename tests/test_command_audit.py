"""``lottery audit``: options, statuses, and the program itself on a copy that is read only."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from audit_rig import STATES, a_draw, write_draw
from ledger_bytes import tree
from ledger_disk import no_room_for

from lottery.command import main
from lottery.command.audit import Options, run

ROOT = Path(__file__).parent.parent


@pytest.fixture
def data_dir(tmp_path):
    """A draw in every state."""
    for number, state in enumerate(STATES, 1):
        write_draw(tmp_path / "data", number, a_draw(state, number=number).files(state))
    return tmp_path / "data"


def test_a_clean_directory(data_dir, capsys) -> None:
    """Status 0, and all is said on stdout."""
    assert main(["audit", str(data_dir)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.endswith("\n6 draws, 204 bets: nothing differs\n")


def test_a_page(data_dir, tmp_path, capsys) -> None:
    """The page is written beside the table, whole, and to nobody else's eyes."""
    page = tmp_path / "audit.html"
    assert main(["audit", str(data_dir), "--html", str(page), "--draw", "4"]) == 0
    assert "1 draw, 34 bets: nothing differs" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "1 draw, 34 bets: nothing differs" in text
    assert text.endswith("</html>\n")
    assert page.stat().st_mode & 0o777 == 0o600
    (data_dir / "draws" / "000004" / "winners.csv").write_bytes(b"")
    assert main(["audit", str(data_dir), "--html", str(page)]) == 1
    assert 'Audit: <span class="bad">something differs' in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", ".", "/", "none/audit.html", "data", "data/audit.html",
                                  "data/draws/000001/draw.json"])  # fmt: skip
def test_a_place_where_no_page_can_be(data_dir, tmp_path, monkeypatch, capsys, name) -> None:
    """One sentence and status 2 before anything is checked; the data directory stays as it is."""
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    assert main(["audit", str(data_dir), "--html", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"lottery: option --html is {name!r}, it must")
    assert captured.err.count("\n") == 1
    assert tree(tmp_path) == before


def test_a_page_without_room(data_dir, tmp_path, capsys) -> None:
    """The verdict is told all the same; one sentence, and nothing is left behind."""
    page = tmp_path / "audit.html"
    with no_room_for(page):
        assert main(["audit", str(data_dir), "--html", str(page)]) == 1
    captured = capsys.readouterr()
    assert captured.out.endswith("\n6 draws, 204 bets: nothing differs\n")
    assert captured.err.startswith("lottery: ")
    assert captured.err.count("\n") == 1
    assert not page.exists()


def test_options_in_any_order(data_dir, capsys) -> None:
    """Of one draw, or with all agencies."""
    assert main(["audit", "--draw", "4", str(data_dir)]) == 0
    one = capsys.readouterr().out
    assert one.splitlines()[1].startswith("   4  drawn ")
    assert "draw 4, winning number 7574\n" in one
    assert main(["audit", str(data_dir), "--draw=000004"]) == 0
    assert capsys.readouterr().out == one
    assert main(["audit", str(data_dir), "--agencies"]) == 0
    assert capsys.readouterr().out.count("agency  dialect") == 6


def test_a_difference(data_dir, capsys) -> None:
    """Status 1, and its place."""
    path = data_dir / "draws" / "000005" / "bets.csv"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["audit", str(data_dir)]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "\ndraw 5, bets.csv, line 34, byte " in captured.out
    assert captured.out.endswith("\n1 of 6 draws differs\n")
    assert main(["audit", str(data_dir), "--draw", "4"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one data directory is needed, as in lottery audit DIR"),
        (["a", "b"], "one data directory is needed, as in lottery audit DIR"),
        (["nowhere"], "nowhere is no data directory, there is no directory draws in it"),
        (["DIR", "--draw", "7"], "there is no draw 7 in DIR, there is 1 to 6"),
        (["DIR", "--draw", "x"], "option --draw is 'x', it must be a number"),
        (["DIR", "--draw", ""], "option --draw is '', it must be a number"),
        (["DIR", "--draw", "9999999999"], "option --draw is '9999999999', it must be a number"),
        (["DIR", "--fast"], "option --fast not recognized"),
    ],
)
def test_usage(data_dir, capsys, words, said) -> None:
    """Status 2 and one sentence."""
    words = [str(data_dir) if word == "DIR" else word for word in words]
    assert main(["audit", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"lottery: {said.replace('DIR,', f'{data_dir},')}\n"


def test_what_stdout_cannot_show(data_dir) -> None:
    """A reason may be in any script, stdout in any encoding."""
    options = Options()
    options.parseOptions([str(data_dir), "--agencies"])
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stdout:
        assert run(options, stdout) == 0
        stdout.flush()
        assert b"it did not come back within 30 s \\u2014 tr\\xe8s tard\n" in raw.getvalue()


def test_help(capsys) -> None:
    """It is among the commands, and has a help of its own."""
    assert main(["--help"]) == 0
    assert "\n    audit " in capsys.readouterr().out
    assert main(["audit", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: lottery audit DIR|URL [options]")
    for word in ("--draw", "--agencies", "status"):
        assert word in text


def read_only_copy(data_dir: Path, copy: Path) -> None:
    """What an auditor brings home."""
    shutil.copytree(data_dir, copy)
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def audit_process(path: Path) -> subprocess.CompletedProcess[str]:
    """``lottery audit`` as a process, which may not write where we may, if we are root."""
    words = [sys.executable, "-m", "lottery", "audit", str(path)]
    return subprocess.run(
        words, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60,
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def test_a_read_only_copy(data_dir, tmp_path) -> None:
    """A process on a copy: status 0 for every state, then 1 for the first byte that is changed."""
    copy = tmp_path / "copy"
    read_only_copy(data_dir, copy)
    before = sorted(str(path) for path in copy.rglob("*"))
    done = audit_process(copy)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1] for line in done.stdout.splitlines()[1:7]] == list(STATES)
    assert sorted(str(path) for path in copy.rglob("*")) == before
    damaged = copy / "draws" / "000006" / "segment-0001.log"
    damaged.chmod(0o644)
    data = bytearray(damaged.read_bytes())
    data[100] ^= 1
    damaged.write_bytes(data)
    done = audit_process(copy)
    assert (done.returncode, done.stderr) == (1, "")
    assert "\ndraw 6, segment-0001.log, byte 40: " in done.stdout


def test_only_the_standard_library_is_needed(data_dir) -> None:
    """The room can be taken to another machine, and used there without anything else."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import datetime, pathlib, types\n"
        "package = types.ModuleType('lottery'); package.__path__ = [sys.argv[1] + '/lottery']\n"
        "sys.modules['lottery'] = package\n"
        "from lottery.audit.data import audit\n"
        "from lottery.audit.report import lines_of\n"
        "found = audit(pathlib.Path(sys.argv[2]), datetime.date.today())\n"
        "print('\\n'.join(lines_of(found, False)))\n"
        "names = {name for name in sys.modules if name.partition('.')[0] == 'lottery'}\n"
        "assert all(name.startswith('lottery.audit') for name in names - {'lottery'}), names\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT), str(data_dir)],
        capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("6 draws, 204 bets: nothing differs\n")
