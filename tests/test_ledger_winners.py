"""``lottery.ledger.winners``: exactly the rows that have won, as a naive reader finds them."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rows as valid_rows

from lottery.ledger.winners import whole_rows, winning_rows


def file(*numbers: str) -> bytes:
    """A ``bets.csv`` of agency 1 with these numbers, one row each."""
    return "".join(
        f"1,Ana,Gil,{at},2000-01-01,{number}\n" for at, number in enumerate(numbers)
    ).encode()


def in_steps(content: bytes, step: int) -> list[bytes]:
    """The same bytes in parts."""
    return [content[at : at + step] for at in range(0, len(content), step)]


def found(content: bytes, number: int, step: int = 10_000) -> list[str]:
    """The numbers of the winning rows."""
    rows = winning_rows(in_steps(content, step), number)
    return [row.decode().rstrip("\n").rpartition(",")[2] for row in rows]


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
def test_numbers_compare_as_integers(number: int, winning: list[str], losing: list[str]) -> None:
    """0042 is 42, and 142 is not; whatever stands before and behind."""
    mixed = [*losing, *winning, *winning, *losing, *winning]
    assert found(file(*mixed), number) == winning * 3


def test_number_that_nobody_can_have() -> None:
    """Nobody wins with a number beyond four digits."""
    assert found(file("1000", "0000"), 10000) == []


def test_rows_as_they_stand() -> None:
    """Rows keep order, bytes, agency and LF."""
    content = (
        "0,Zoë,Ñandú,7574,1999-03-17,7574\n"
        "1,Ana,Gil,7574,7574-01-01,1\n"
        "3,B,,7574,,7574\n"
        "3,Ana,Gil,1,2000-01-01,07574\n"
        "3,A,Gil,1,2000-01-01,7574\n"
        "4294967295,A,Gil,1,2000-01-01,7574\n"
    )
    lines = content.encode().splitlines(keepends=True)
    assert list(winning_rows([content.encode()], 7574)) == [lines[at] for at in (0, 2, 4, 5)]


def test_empty_file() -> None:
    """A draw without bets has no winners."""
    assert list(winning_rows([], 7574)) == []


@pytest.mark.parametrize("step", range(1, 90))
def test_rows_across_the_steps(step: int) -> None:
    """Wherever a step ends, within a row or at its end, no row is lost, cut or found twice."""
    content = file("42", "7", "0042", "1042", "042", "42", "4200", "042")
    assert found(content, 42, step) == ["42", "0042", "042", "42", "042"]


@given(st.binary(max_size=60), st.integers(1, 20))
def test_whole_rows(content: bytes, step: int) -> None:
    """Nothing but what follows the last LF is lost, and each part ends in one."""
    parts = list(whole_rows(in_steps(content, step)))
    assert b"".join(parts) == content[: content.rfind(b"\n") + 1]
    assert all(part.endswith(b"\n") for part in parts)


def naive(content: bytes, number: int) -> list[bytes]:
    """What the module does, slowly and from the field rules alone."""
    rows = csv.reader(io.StringIO(content.decode(), newline=""))
    return [(",".join(row) + "\n").encode() for row in rows if int(row[5]) == number]


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
    for number in {0, 7, 42, 7574, *(int(line.rpartition(",")[2]) for line in lines)}:
        assert list(winning_rows(in_steps(content, step), number)) == naive(content, number)
