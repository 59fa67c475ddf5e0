"""The file of winners is there whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lottery.agency.failures import BadOutput
from lottery.agency.results import ResultsFile

ROW = b"Ana,Gil,1,2000-01-01,7574\n"


@pytest.fixture
def bets(tmp_path: Path) -> Path:
    """The agency's file of bets."""
    path = tmp_path / "bets.csv"
    path.write_bytes(ROW)
    return path


def test_published(tmp_path: Path, bets: Path) -> None:
    """Rows stand under the name only once they are published, and nothing else is left."""
    path = tmp_path / "winners.csv"
    path.write_bytes(b"of yesterday")
    results = ResultsFile(path, bets)
    results.write(ROW)
    results.write(ROW)
    assert path.read_bytes() == b"of yesterday"
    results.publish()
    results.discard()

    assert path.read_bytes() == ROW * 2
    assert sorted(os.listdir(tmp_path)) == ["bets.csv", "winners.csv"]


def test_told_anew(tmp_path: Path, bets: Path) -> None:
    """Rows that are told again from the first one stand there once, also if there are fewer."""
    path = tmp_path / "winners.csv"
    results = ResultsFile(path, bets)
    results.start_over()
    results.write(ROW * 100_000)
    results.start_over()
    results.write(ROW)
    results.publish()

    assert path.read_bytes() == ROW


def test_told_anew_on_a_full_disk(tmp_path: Path, bets: Path) -> None:
    """A disk that has not taken the rows that were told first is an error then."""
    results = ResultsFile(tmp_path / "winners.csv", bets)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, results._file.fileno())
    os.close(full)
    results.write(ROW)

    with pytest.raises(BadOutput, match="no space left on device"):
        results.start_over()
    results.discard()


def test_empty(tmp_path: Path, bets: Path) -> None:
    """No winners make an empty file."""
    path = tmp_path / "winners.csv"
    ResultsFile(path, bets).publish()

    assert path.read_bytes() == b""


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
@pytest.mark.parametrize("there", [False, True])
def test_for_the_owner_alone(umask: int, there: bool, tmp_path: Path, bets: Path) -> None:
    """Winning rows are personal data: mode 0600 from the first byte on, whatever was there."""
    path = tmp_path / "winners.csv"
    if there:
        path.touch()
        path.chmod(0o666)
    before = os.umask(umask)
    try:
        results = ResultsFile(path, bets)
        (part,) = tmp_path.glob(".winners.*.part")
        modes = [part.stat().st_mode]
        results.publish()
        modes.append(path.stat().st_mode)
    finally:
        os.umask(before)

    assert [stat.S_IMODE(mode) for mode in modes] == [0o600, 0o600]


@pytest.mark.parametrize("length", [240, 255])
def test_long_name(length: int, tmp_path: Path, bets: Path) -> None:
    """Any name that the file system takes is a name for results."""
    path = tmp_path / ("x" * length)
    ResultsFile(path, bets).publish()

    assert path.read_bytes() == b""


def test_neighbours(tmp_path: Path, bets: Path) -> None:
    """Two errands that write to one directory, perhaps with one PID, do not meet."""
    one, two = (ResultsFile(tmp_path / name, bets) for name in ("1.csv", "2.csv"))
    one.write(ROW)
    two.publish()
    one.publish()

    assert (tmp_path / "1.csv").read_bytes() == ROW
    assert (tmp_path / "2.csv").read_bytes() == b""


@pytest.mark.parametrize("path", [Path("/"), Path("x" * 256)])
def test_no_name_for_a_file(
    path: Path, tmp_path: Path, bets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path without a last name, and one whose last name is too long, are refused at once."""
    monkeypatch.chdir(tmp_path)
    reason = "it is not a regular file" if path.is_absolute() else "file name too long"
    with pytest.raises(BadOutput, match=reason):
        ResultsFile(path, bets)
    assert os.listdir(tmp_path) == ["bets.csv"]


def test_discarded(tmp_path: Path, bets: Path) -> None:
    """What is not published leaves nothing behind; doing it twice is fine."""
    results = ResultsFile(tmp_path / "winners.csv", bets)
    results.write(ROW)
    results.discard()
    results.discard()

    assert os.listdir(tmp_path) == ["bets.csv"]


def test_links_are_followed(tmp_path: Path, bets: Path) -> None:
    """A link to the results stays one."""
    (tmp_path / "far").mkdir()
    link = tmp_path / "winners.csv"
    link.symlink_to(tmp_path / "far" / "real.csv")
    ResultsFile(link, bets).publish()

    assert link.is_symlink()
    assert os.listdir(tmp_path / "far") == ["real.csv"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/winners.csv", "no such file or directory"),
        ("bets.csv", "it is the file of bets"),
        ("bets.csv/winners.csv", "not a directory"),
        (".", "it is not a regular file"),
        ("pipe", "it is not a regular file"),
    ],
)
def test_refused(name: str, reason: str, tmp_path: Path, bets: Path) -> None:
    """What cannot be written, or must not be, is known before anything is sent."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadOutput) as caught:
        ResultsFile(tmp_path / name, bets)

    assert str(caught.value) == f"{tmp_path / name} cannot be written, {reason}"
    assert sorted(os.listdir(tmp_path)) == ["bets.csv", "pipe"]
    assert bets.read_bytes() == ROW


@pytest.mark.parametrize("rows", [ROW, ROW * 100_000])
def test_full_disk(rows: bytes, tmp_path: Path, bets: Path) -> None:
    """Rows that the disk does not take, now or in the end, are an error and are discarded."""
    path = tmp_path / "winners.csv"
    results = ResultsFile(path, bets)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, results._file.fileno())
    os.close(full)

    def write_all() -> None:
        results.write(rows)
        results.publish()

    with pytest.raises(BadOutput, match="no space left on device"):
        write_all()
    results.discard()
    assert os.listdir(tmp_path) == ["bets.csv"]


def test_name_taken_meanwhile(tmp_path: Path, bets: Path) -> None:
    """A directory that got the name meanwhile is an error, not replaced."""
    path = tmp_path / "winners.csv"
    results = ResultsFile(path, bets)
    path.mkdir()

    with pytest.raises(BadOutput, match="directory"):
        results.publish()
    results.discard()
    assert sorted(os.listdir(tmp_path)) == ["bets.csv", "winners.csv"]
