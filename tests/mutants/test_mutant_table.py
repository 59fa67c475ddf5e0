"""The table of mutants fits the code: else nobody would notice before the next soak."""

from __future__ import annotations

import ast

import pytest
from mutant_table import MUTANTS, Edit, Mutant
from mutants import ROOT, Misfit, planted


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_can_be_planted(mutant: Mutant) -> None:
    """What it replaces is there once, what comes of it is Python, and there are tests for it."""
    for edit in mutant.edits:
        text = (ROOT / edit.file).read_text(encoding="utf-8")
        assert planted(edit, text) != text
        ast.parse(planted(edit, text))
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name.rpartition('::')[2]}" in (ROOT / file).read_text(encoding="utf-8")


def test_names() -> None:
    """Each has one of its own."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10


@pytest.mark.parametrize("text", ["", "a = 1\na = 1\n"])
def test_what_is_not_there_once_is_not_planted(text: str) -> None:
    """It says which file, and what was looked for."""
    with pytest.raises(Misfit, match=r"one\.py has [02] times"):
        planted(Edit("one.py", "a = 1\n", ""), text)
