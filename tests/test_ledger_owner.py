"""``lottery.ledger.owner``: who holds a lock, as far as it can be known."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lottery.ledger.owner as owner_module
from lottery.ledger.owner import holders

HOLD = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    if sys.argv[2] == "lock":
        fcntl.flock(file, fcntl.LOCK_EX)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a file that may be locked."""
    fd = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("what", ["lock", "look"])
def test_another_process(tmp_path: Path, lock: int, what: str) -> None:
    """The one that holds the lock is found, also if another has written its number there."""
    os.write(lock, b"1\n")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock"), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        assert holders(lock) == ([other.pid] if what == "lock" else [1])
        other.stdin.close()
        other.wait(60)
    assert holders(lock) == [1]


def test_not_this_process(lock: int) -> None:
    """Our own lock and our own number are no answer."""
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert holders(lock) == []
    os.write(lock, f"{os.getpid()}\n".encode())
    assert holders(lock) == []


@pytest.mark.parametrize("written", [b"", b"x\n", b"\xff"])
def test_no_number(lock: int, written: bytes) -> None:
    """A file that says nothing is no answer either."""
    os.write(lock, written)
    assert holders(lock) == []


def test_without_proc(lock: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes cannot be looked at, what is written is believed."""

    def fail(path: str) -> list[str]:
        raise FileNotFoundError(path)

    os.write(lock, b"4711\n")
    monkeypatch.setattr(owner_module.os, "listdir", fail)
    assert holders(lock) == [4711]
