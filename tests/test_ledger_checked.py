"""``lottery.ledger.checked``: files with their digests, known behind the last byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ledger_bytes import after

import lottery.ledger.checked as checked_module
from lottery.errors import DamagedLedger
from lottery.ledger.checked import Measure, read_checked, read_steps
from lottery.ledger.longwork import Interrupted
from lottery.ledger.record import FileDigest, SegmentDigest

CONTENT = b"1,Ana,Gil,1,2000-01-01,7\n" * 3
DIGEST = FileDigest(3, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of rows."""
    path = tmp_path / "bets.csv"
    path.write_bytes(CONTENT)
    return path


def test_measure() -> None:
    """Bytes in any parts give the same digest."""
    measure = Measure()
    assert measure.digest(0) == FileDigest(0, 0, hashlib.sha256().hexdigest())
    for at in range(0, len(CONTENT), 7):
        measure.add(CONTENT[at : at + 7])
    assert measure.digest(3) == DIGEST
    assert measure.segment("x") == SegmentDigest("x", DIGEST.bytes, DIGEST.sha256)


@pytest.mark.parametrize("step", [1, 7, 25, 75, 76])
def test_steps(path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """All bytes, in small steps."""
    monkeypatch.setattr(checked_module, "_STEP_BYTES", step)
    steps = list(read_steps(path))
    assert b"".join(steps) == CONTENT
    assert max(map(len, steps)) == min(step, 75)
    assert list(read_checked(path, DIGEST)) == steps


def test_interrupted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is left at the next step once somebody wants that."""
    monkeypatch.setattr(checked_module, "_STEP_BYTES", 10)
    for read in (read_steps(path, after(2)), read_checked(path, DIGEST, after(2))):
        assert [next(read), next(read)] == [CONTENT[:10], CONTENT[10:20]]
        with pytest.raises(Interrupted):
            next(read)


@pytest.mark.parametrize("other", [b"", CONTENT[:-1], CONTENT + b"x", CONTENT.swapcase()])
def test_another_file(path: Path, other: bytes) -> None:
    """It is told behind the last byte."""
    path.write_bytes(other)
    with pytest.raises(DamagedLedger, match=r"another one than draw\.json says") as error:
        list(read_checked(path, DIGEST))
    assert (error.value.path, error.value.offset) == (str(path), 0)


def test_missing_file(path: Path) -> None:
    """A file that was on disk and is gone is damage, if the record knows it."""
    path.unlink()
    with pytest.raises(DamagedLedger, match="it is missing"):
        list(read_checked(path, DIGEST))
    with pytest.raises(FileNotFoundError):
        list(read_steps(path))


def test_file_that_the_record_does_not_know(path: Path) -> None:
    """To read it is a bug of the caller's."""
    with pytest.raises(ValueError, match=r"the record knows no bets\.csv"):
        list(read_checked(path, None))
