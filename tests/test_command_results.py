"""``lottery results``: who has won, how each part has ended, and a sentence for what is not so."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from ledger_bytes import batch, closed, closing, draw_of, end, part, row, tree

from lottery.command import main
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.record import DrawRecord, publish
from lottery.ledger.seal import draw_number, note_delivered, seal

SEGMENT = closed(
    1, batch(10, 0, 6), end(10, 6), batch(3, 0, 7), end(3, 7), batch(12, 0, 5), end(4, 0)
)
PARTS = [
    part(3, 7),
    part(10, 6),
    evolve(part(12, 5, "left_out"), reason="cut off\nand \x1b[2J away"),
    part(4, 0),
]
HEAD = "draw 1 is delivered, the winning number is 4\n"
LINES = {
    3: "agency 3 succeeded, 7 bets, 1 winners, received\n",
    4: "agency 4 succeeded, 0 bets, 0 winners, not received\n",
    10: "agency 10 succeeded, 6 bets, 1 winners, not received\n",
    12: "agency 12 is left out, 5 bets, cut off\\nand \\x1b[2J away\n",
}


def results(capfdbinary: pytest.CaptureFixture[bytes], *words: object) -> tuple[int, bytes, str]:
    """Run the command; gives status, stdout and stderr."""
    status = main(["results", *map(str, words)])
    captured = capfdbinary.readouterr()
    return status, captured.out, captured.err.decode()


@pytest.fixture
def draw(tmp_path: Path) -> DrawDirectory:
    """A draw that is closing."""
    return draw_of(tmp_path, SEGMENT)


@pytest.fixture
def drawn(draw: DrawDirectory) -> DrawRecord:
    """Its record when its number is drawn."""
    return draw_number(draw, seal(draw, closing(draw, *PARTS)), 4)


@pytest.fixture
def delivered(draw: DrawDirectory, drawn: DrawRecord) -> DrawRecord:
    """Its record when it is delivered."""
    return note_delivered(draw, drawn, [3])


def test_all_agencies(capfdbinary, delivered: DrawRecord, tmp_path: Path) -> None:
    """The winning rows as they stand in winners.csv; nothing is touched."""
    before = tree(tmp_path)
    rows, said = row(3, 4) + row(10, 4), HEAD + "".join(LINES.values())
    assert results(capfdbinary, tmp_path) == (0, rows, said)
    assert results(capfdbinary, "--draw", "01", tmp_path) == (0, rows, said)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("agency", LINES)
def test_one_agency(capfdbinary, delivered: DrawRecord, tmp_path: Path, agency: int) -> None:
    """Its own rows without its number, and how its part has ended."""
    rows = row(agency, 4).partition(b",")[2] if agency in (3, 10) else b""
    found = results(capfdbinary, tmp_path, "--agency", agency)
    assert found == (0, rows, HEAD + LINES[agency])


def test_drawn_and_not_yet_delivered(capfdbinary, drawn: DrawRecord, tmp_path: Path) -> None:
    """The winners are there already; nobody is said to have them or not."""
    said = (
        "draw 1 is drawn, the winning number is 4\n"
        "agency 3 succeeded, 7 bets, 1 winners, not received yet\n"
    )
    assert results(capfdbinary, tmp_path, "--agency", 3) == (0, row(3, 4)[2:], said)


def test_latest_that_is_drawn(capfdbinary, delivered: DrawRecord, tmp_path: Path) -> None:
    """Later draws that are open, void or only just being opened are passed over."""
    data = DataDirectory(tmp_path)
    void = data.new_draw(5)
    publish(DrawRecord(2, "void", 5), void.record)
    data.new_draw(5)
    (tmp_path / "draws" / "000004").mkdir()
    assert results(capfdbinary, tmp_path)[2].startswith("draw 1 is delivered, ")
    for number, state in (
        (2, "void, no agency has ended in it"),
        (3, "open, its number is not drawn yet"),
        (4, "open, its number is not drawn yet"),
    ):
        said = f"lottery: draw {number} is {state}\n"
        assert results(capfdbinary, tmp_path, "--draw", number) == (1, b"", said)
    said = f"lottery: there is no draw 5 in {tmp_path}, there is 1 to 4\n"
    assert results(capfdbinary, tmp_path, "--draw", 5) == (2, b"", said)


@pytest.mark.parametrize("state", ["closing", "sealed"])
def test_not_drawn(capfdbinary, draw: DrawDirectory, tmp_path: Path, state: str) -> None:
    """A sentence, and status 1."""
    record = closing(draw, *PARTS)
    if state == "sealed":
        seal(draw, record)
    said = f"lottery: draw 1 is {state}, its number is not drawn yet\n"
    assert results(capfdbinary, tmp_path, "--draw", 1) == (1, b"", said)
    said = f"lottery: no draw in {tmp_path} has its winners yet\n"
    assert results(capfdbinary, tmp_path) == (1, b"", said)


def test_unknown_agency(capfdbinary, delivered: DrawRecord, tmp_path: Path) -> None:
    """A sentence, and status 1."""
    said = "lottery: agency 5 had no place in draw 1\n"
    assert results(capfdbinary, tmp_path, "--agency", 5) == (1, b"", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one data directory is needed, as in lottery results DIR"),
        (["a", "--draw", "x"], "option --draw is 'x', it must be a number"),
        (["a", "--agency", "x"], "option --agency is 'x', it must be a number"),
        (["a", "--agency", "12345678901"], "option --agency is '12345678901', it must be a number"),
        (["/nowhere"], "/nowhere is no data directory, No such file or directory"),
    ],
)
def test_words(capfdbinary, words: list[str], said: str) -> None:
    """Status 2 and a sentence."""
    assert results(capfdbinary, *words) == (2, b"", f"lottery: {said}\n")


def test_no_draw(capfdbinary, tmp_path: Path) -> None:
    """A data directory without one."""
    (tmp_path / "draws").mkdir()
    said = f"lottery: no draw in {tmp_path} has its winners yet\n"
    assert results(capfdbinary, tmp_path) == (1, b"", said)


@pytest.mark.parametrize("words", [[], ["--agency", "3"]])
@pytest.mark.parametrize("name", ["draw.json", "winners.csv"])
def test_damage(
    capfdbinary,
    delivered: DrawRecord,
    draw: DrawDirectory,
    tmp_path: Path,
    name: str,
    words: list[str],
) -> None:
    """Status 3, the file is named, and no row is written that was not published."""
    content = bytearray((draw.path / name).read_bytes())
    content[10] ^= 1
    (draw.path / name).write_bytes(bytes(content))
    status, rows, said = results(capfdbinary, tmp_path, *words)
    assert (status, rows) == (3, b"")
    assert said.startswith(f"lottery: {draw.path / name} is damaged at byte 0, ")
    assert said.count("\n") == 1
