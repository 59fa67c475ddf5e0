"""``lottery.ledger.winners``: exactly the rows that have won, as a naive reader finds them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rows as valid_rows

import lottery.ledger.winners as winners_module
from lottery.ledger.bets_csv import Interrupted
from lottery.ledger.winners import find_winners


def write(tmp_path: Path, *numbers: str) -> Path:
    """A ``bets.csv`` of agency 1 with these numbers, one row each."""
    path = tmp_path / "bets.csv"
    path.write_text("".join(f"1,Ana,Gil,{at},2000-01-01,{it}\n" for at, it in enumerate(numbers)))
    return path


def found(winners: dict[int, list[bytes]]) -> list[str]:
    """The numbers of agency 1's winning rows."""
    return [row.decode().rstrip("\n").rpartition(",")[2] for row in winners.get(1, [])]


@pytest.mark.parametrize(
    ("number", "winning", "losing"),
    [
        (42, ["0042", "42", "042"], ["420", "4200", "142", "1042", "4", "2", "24"]),
        (7574, ["7574"], ["757", "574", "7575", "4757"]),
        (0, ["0", "00", "000", "0000"], ["10", "100", "1000", "1", "9000"]),
        (9999, ["9999"], ["999", "99", "9"]),
        (5, ["5", "05", "005", "0005"], ["15", "55", "0055", "1005", "50"]),
        (100, ["100", "0100"], ["1100", "0010", "10", "1000"]),
    ],
)
def test_numbers_compare_as_integers(
    tmp_path: Path, number: int, winning: list[str], losing: list[str]
) -> None:
    """0042 is 42, and 142 is not; whatever stands before and behind."""
    mixed = [*losing, *winning, *winning, *losing, *winning]
    assert found(find_winners(write(tmp_path, *mixed), number)) == winning * 3


def test_number_that_nobody_can_have(tmp_path: Path) -> None:
    """Nobody wins with a number beyond four digits."""
    assert find_winners(write(tmp_path, "1000", "0000"), 10000) == {}


def test_rows_as_they_stand(tmp_path: Path) -> None:
    """Rows keep order, bytes and LF, lose the agency; an agency without a winner has no entry."""
    path = tmp_path / "bets.csv"
    path.write_bytes(
        "0,Zoë,Ñandú,7574,1999-03-17,7574\n"
        "1,Ana,Gil,7574,7574-01-01,1\n"
        "3,B,,7574,,7574\n"
        "3,Ana,Gil,1,2000-01-01,07574\n"
        "3,A,Gil,1,2000-01-01,7574\n"
        "4294967295,A,Gil,1,2000-01-01,7574\n".encode()
    )
    assert find_winners(path, 7574) == {
        0: ["Zoë,Ñandú,7574,1999-03-17,7574\n".encode()],
        3: [b"B,,7574,,7574\n", b"A,Gil,1,2000-01-01,7574\n"],
        4294967295: [b"A,Gil,1,2000-01-01,7574\n"],
    }


def test_empty_file(tmp_path: Path) -> None:
    """A draw without bets has no winners."""
    assert find_winners(write(tmp_path), 7574) == {}


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is an error."""
    with pytest.raises(FileNotFoundError):
        find_winners(tmp_path / "bets.csv", 7574)


@pytest.mark.parametrize("step", range(1, 90))
def test_rows_across_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Wherever a step ends, within a row or at its end, no row is lost, cut or found twice."""
    monkeypatch.setattr(winners_module, "_STEP_BYTES", step)
    path = write(tmp_path, "42", "7", "0042", "1042", "042", "42", "4200", "042")
    assert found(find_winners(path, 42)) == ["42", "0042", "042", "42", "042"]


def naive(content: bytes, number: int) -> dict[int, list[bytes]]:
    """What the module does, slowly and from the field rules alone."""
    winners: dict[int, list[bytes]] = {}
    for row in csv.reader(io.StringIO(content.decode(), newline="")):
        if int(row[5]) == number:
            winners.setdefault(int(row[0]), []).append((",".join(row[1:]) + "\n").encode())
    return winners


@given(
    bets=st.lists(st.tuples(st.sampled_from([0, 1, 7, 10, 2**32 - 1]), valid_rows()), max_size=8),
    numbers=st.lists(st.sampled_from(["0", "00", "7", "07", "0007", "7574", "42", "042"])),
    step=st.integers(1, 200),
)
def test_finds_what_a_naive_reader_finds(
    bets: list[tuple[int, str]], numbers: list[str], step: int
) -> None:
    """For any valid rows, any winning number among them and any step."""
    lines = [f"{agency},{row}" for agency, row in bets]
    for at, number in enumerate(numbers[: len(lines)]):
        lines[at] = lines[at].rpartition(",")[0] + "," + number
    content = "".join(line + "\n" for line in lines).encode()
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(winners_module, "_STEP_BYTES", step)
        path = Path(name) / "bets.csv"
        path.write_bytes(content)
        for number in {0, 7, 42, 7574, *(int(line.rpartition(",")[2]) for line in lines)}:
            assert find_winners(path, number) == naive(content, number)


def test_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is left at the next step once somebody wants that."""
    monkeypatch.setattr(winners_module, "_STEP_BYTES", 10)
    path = write(tmp_path, "1", "2")
    answers = iter([False, False, True])
    with pytest.raises(Interrupted):
        find_winners(path, 1, lambda: next(answers))
    assert list(answers) == []
