"""``lottery.audit.data``: every draw of a data directory, or one."""

from __future__ import annotations

import os

import pytest
from audit_rig import STATES, TODAY, a_draw, write_draw

from lottery.audit import files as files_module
from lottery.audit.data import Audit, NotThere, audit, number_of_draw
from lottery.audit.differences import Difference


@pytest.fixture
def data_dir(tmp_path):
    """A draw in every state."""
    for number, state in enumerate(STATES, 1):
        write_draw(tmp_path, number, a_draw(state, number=number).files(state))
    return tmp_path


def test_all(data_dir) -> None:
    """In order."""
    found = audit(data_dir, TODAY)
    assert [(draw.number, draw.state) for draw in found.draws] == [*enumerate(STATES, 1)]
    assert found.is_clean


def test_one(data_dir) -> None:
    """Nothing is said of others, whatever is wrong with them."""
    (data_dir / "draws" / "000002" / "draw.json").unlink()
    found = audit(data_dir, TODAY, 3)
    assert [draw.number for draw in found.draws] == [3]
    assert found.is_clean
    assert not audit(data_dir, TODAY, 2).is_clean


def test_a_difference(data_dir) -> None:
    """The others are checked all the same."""
    (data_dir / "draws" / "000002" / "draw.json").unlink()
    found = audit(data_dir, TODAY)
    assert [draw.number for draw in found.draws if draw.difference] == [2]
    assert not found.is_clean


def test_no_draws(tmp_path) -> None:
    """A central that was just started has none."""
    (tmp_path / "draws").mkdir()
    assert audit(tmp_path, TODAY) == Audit((), ())
    with pytest.raises(NotThere, match=f"there is no draw 1 in {tmp_path}, there is none"):
        audit(tmp_path, TODAY, 1)


def test_not_there(data_dir) -> None:
    """Neither the directory nor the draw."""
    with pytest.raises(NotThere, match=r"there is no draw 7 in .*, there is 1 to 6"):
        audit(data_dir, TODAY, 7)
    with pytest.raises(NotThere, match="there is no draw 0 in "):
        audit(data_dir, TODAY, 0)
    (data_dir / "file").touch()
    for path in (data_dir / "nowhere", data_dir / "file", data_dir / "draws"):
        with pytest.raises(NotThere, match=f"{path} is no data directory, there is no directory"):
            audit(path, TODAY)


def test_what_is_beside_the_draws(data_dir) -> None:
    """Names that are no draw's, and a draw that is missing among the others."""
    draws = data_dir / "draws"
    (draws / "000003").rename(draws / "000003.old")
    (draws / "0000004").mkdir()
    (data_dir / "lock").touch()
    (data_dir / "notes").touch()
    found = audit(data_dir, TODAY)
    assert [draw.difference for draw in found.draws] == [None] * 5
    assert found.differences == (
        Difference("draws/0000004", "it belongs to nothing"),
        Difference("draws/000003.old", "it belongs to nothing"),
        Difference("draws/000003", "it is missing, and draws/000004 is there"),
    )
    assert not found.is_clean
    assert audit(data_dir, TODAY, 4).is_clean


def test_draws_that_were_put_away(data_dir) -> None:
    """The first ones may be."""
    draws = data_dir / "draws"
    for number in (1, 2):
        (draws / f"{number:06d}").rename(data_dir / f"{number}")
    assert audit(data_dir, TODAY).is_clean


def test_a_draw_that_is_no_directory(data_dir) -> None:
    """It stands in a draw's place, and is a difference there."""
    (data_dir / "draws" / "000007").touch()
    found = audit(data_dir, TODAY).draws[-1]
    assert (found.number, found.state) == (7, "?")
    assert found.difference == Difference("", "the directory cannot be read, Not a directory")


def test_a_directory_that_may_not_be_read(data_dir, monkeypatch) -> None:
    """That is a difference, too: what is in it nobody knows."""

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files_module.os, "scandir", refuse)
    what = "the directory cannot be read, Permission denied"
    assert audit(data_dir, TODAY) == Audit((), (Difference("draws", what),))


def test_nothing_is_touched(data_dir) -> None:
    """No lock, no temporary, no time of a change."""

    def state() -> list[tuple[str, int, int]]:
        return sorted(
            (str(path), about.st_size, about.st_mtime_ns)
            for path in data_dir.rglob("*")
            for about in [os.stat(path)]
        )

    before = state()
    assert audit(data_dir, TODAY).is_clean
    assert state() == before


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("000001", 1), ("999999", 999999), ("1000000", 1000000), ("0000001", None),
        ("000000", None), ("1", None), ("00000a", None), ("\u0660" * 5 + "1", None),
        ("9" * 255, None),
    ],
)  # fmt: skip
def test_names_of_draws(name, number) -> None:
    """A number has one name only."""
    assert number_of_draw(name) == number
