"""The corpus of the fuzzers, replayed: what was found once is not found again.

The limits of an input are those that are promised: less than 50 ms, and less than 64 MiB.
"""

from __future__ import annotations

import importlib
import time
import tracemalloc
from pathlib import Path

import pytest
from fuzz.run import FOLDER, TARGETS

LONGEST_SECONDS = 0.05
MOST_BYTES = 64 << 20


def inputs(target: str) -> list[Path]:
    """The corpus of a target."""
    return sorted((FOLDER / "corpus" / target).iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_replay(target: str) -> None:
    """Every input ends as it has to, in time."""
    fuzz = importlib.import_module(f"fuzz.{target}").fuzz
    assert len(inputs(target)) > 7
    for path in inputs(target):
        data = path.read_bytes()
        fuzz(data)
        begun = time.thread_time()
        fuzz(data)
        assert time.thread_time() - begun < LONGEST_SECONDS, path


@pytest.mark.parametrize("target", TARGETS)
def test_memory(target: str) -> None:
    """No input makes much of itself."""
    fuzz = importlib.import_module(f"fuzz.{target}").fuzz
    tracemalloc.start()
    try:
        for path in inputs(target):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            fuzz(path.read_bytes())
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < MOST_BYTES, path
    finally:
        tracemalloc.stop()


def test_every_target_has_a_corpus() -> None:
    """And every corpus a target."""
    assert {path.name for path in (FOLDER / "corpus").iterdir()} == set(TARGETS)
    modules = {path.stem for path in FOLDER.glob("*.py")}
    assert modules - {"__init__", "run", "files"} == set(TARGETS)


def test_make_fuzzes_every_target() -> None:
    """None is left out of `make fuzz`."""
    makefile = (FOLDER.parent.parent / "Makefile").read_text()
    assert f"for target in {' '.join(TARGETS)}; do" in makefile


@pytest.mark.parametrize("target", TARGETS)
def test_a_finding_would_be_one(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target whose subject raises what it may not raise lets that through."""
    module = importlib.import_module(f"fuzz.{target}")
    subject = {
        "decoder": "Decoder",
        "batch": "classic_rows",
        "salvage": "salvage",
        "settings": "read_ini",
        "roster": "read_roster",
    }[target]

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, subject, fails)
    with pytest.raises(ZeroDivisionError):
        module.fuzz(b"\1\1")
