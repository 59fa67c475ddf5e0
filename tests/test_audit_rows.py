"""``lottery.audit.rows``: what is a row, and which one is the first that is none."""

from __future__ import annotations

from datetime import date

import pytest
from audit_rig import TODAY, rows_of
from hypothesis import given
from hypothesis import strategies as st

from lottery.audit.rows import RowFault, fault_of_row, fault_of_rows, number_of
from lottery.bets import fault_of

GOOD = b"3,Ana,Paz,30904465,1999-03-17,7574"


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (b"", "it has 1 fields, not 6"),
        (b"3,Ana,Paz,1,1999-03-17", "it has 5 fields, not 6"),
        (b"3,Ana,Paz,1,1999-03-17,1,", "it has 7 fields, not 6"),
        (b"3,An\xff,Paz,1,1999-03-17,1", "it is no UTF-8 at its byte 4"),
        (b"4,Ana,Paz,1,1999-03-17,1", "it does not begin with agency 3"),
        (b"03,Ana,Paz,1,1999-03-17,1", "it does not begin with agency 3"),
        (b"x,Ana,Paz,1,1999-03-17,1", "it does not begin with agency 3"),
        ("٣,Ana,Paz,1,1999-03-17,1".encode(), "it does not begin with agency 3"),
        (b"9" * 5000 + b",Ana,Paz,1,1999-03-17,1", "it does not begin with agency 3"),
        (b"3,,Paz,1,1999-03-17,1", "its first name has 0 characters, not 1 to 64"),
        (
            b"3,Ana," + b"x" * 65 + b",1,1999-03-17,1",
            "its last name has 65 characters, not 1 to 64",
        ),
        (b"3,  ,Paz,1,1999-03-17,1", "its first name is blank"),
        (b"3,=Ana,Paz,1,1999-03-17,1", "its first name begins like a formula"),
        (b"3,Ana,@Paz,1,1999-03-17,1", "its last name begins like a formula"),
        (b'3,A"na,Paz,1,1999-03-17,1', "its first name holds U+0022"),
        (b"3,A\0na,Paz,1,1999-03-17,1", "its first name holds U+0000"),
        (b"3,A\rna,Paz,1,1999-03-17,1", "its first name holds U+000D"),
        ("3,A\u202ena,Paz,1,1999-03-17,1".encode(), "its first name holds U+202E"),
        ("3,A\u2028na,Paz,1,1999-03-17,1".encode(), "its first name holds U+2028"),
        ("3,A\ue000na,Paz,1,1999-03-17,1".encode(), "its first name holds U+E000"),
        ("3,A\uffffna,Paz,1,1999-03-17,1".encode(), "its first name holds U+FFFF"),
        ("3,A\ufdd0na,Paz,1,1999-03-17,1".encode(), "its first name holds U+FDD0"),
        (b"3,Ana,Paz,,1999-03-17,1", "its document is not 1 to 15 digits"),
        (b"3,Ana,Paz,1234567890123456,1999-03-17,1", "its document is not 1 to 15 digits"),
        ("3,Ana,Paz,٣,1999-03-17,1".encode(), "its document is not 1 to 15 digits"),
        (b"3,Ana,Paz,1 ,1999-03-17,1", "its document is not 1 to 15 digits"),
        (b"3,Ana,Paz,1,19990317,1", "its birthdate is not written YYYY-MM-DD"),
        (b"3,Ana,Paz,1,1999-3-17,1", "its birthdate is not written YYYY-MM-DD"),
        (b"3,Ana,Paz,1,1999-02-29,1", "its birthdate is no day of the calendar"),
        (b"3,Ana,Paz,1,1900-02-29,1", "its birthdate is no day of the calendar"),
        (b"3,Ana,Paz,1,1999-04-31,1", "its birthdate is no day of the calendar"),
        (b"3,Ana,Paz,1,1999-00-01,1", "its birthdate is no day of the calendar"),
        (b"3,Ana,Paz,1,0000-01-01,1", "its birthdate is no day of the calendar"),
        (b"3,Ana,Paz,1,1899-12-31,1", "its birthdate is not from 1900-01-01 to 2024-06-01"),
        (b"3,Ana,Paz,1,2024-06-02,1", "its birthdate is not from 1900-01-01 to 2024-06-01"),
        (b"3,Ana,Paz,1,1999-03-17,", "its number is not 1 to 4 digits"),
        (b"3,Ana,Paz,1,1999-03-17,10000", "its number is not 1 to 4 digits"),
        (b"3,Ana,Paz,1,1999-03-17,7_5", "its number is not 1 to 4 digits"),
        (b"3,Ana,Paz,1,1999-03-17,-1", "its number is not 1 to 4 digits"),
    ],
)
def test_faults(row, what) -> None:
    """Each rule of a row, and what is said where it is broken, alone and behind a good row."""
    assert fault_of_row(row, 3, TODAY) == what
    fault = fault_of_rows(GOOD + b"\n" + row + b"\n", 3, 2, TODAY)
    assert fault == RowFault(2, len(GOOD) + 1, what)


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        b"3,A,B,1,1900-01-01,0",
        b"3,A,B,000000000000001,2024-06-01,0000",
        b"3," + b"x" * 64 + b"," + "ñ".encode() * 64 + b",123456789012345,2000-02-29,9999",
        "3,李,Влад O'Hara-Åse,1,1904-02-29,42".encode(),
        b"3,!Ana,Paz,1,1999-12-31,42",
        # Unassigned in the Unicode of some Pythons and assigned in that of others.
        "3,A\U0003fffdna,Paz,1,1999-03-17,1".encode(),
    ],
)
def test_rows(row) -> None:
    """What the rules allow, up to their limits."""
    assert fault_of_row(row, 3, TODAY) == ""
    assert fault_of_rows(row + b"\n", 3, 1, TODAY) is None


@pytest.mark.parametrize(
    ("rows", "bets", "fault"),
    [
        (b"", 1, RowFault(0, 0, "0 rows are here, the record says 1")),
        (GOOD, 1, RowFault(1, 0, "it does not end in a line feed")),
        (GOOD + b"\n" + GOOD, 2, RowFault(2, 35, "it does not end in a line feed")),
        (GOOD + b"\n", 2, RowFault(1, 0, "1 rows are here, the record says 2")),
        ((GOOD + b"\n") * 2, 1, RowFault(2, 0, "2 rows are here, the record says 1")),
        (GOOD + b"\n\n", 2, RowFault(2, 35, "it has 1 fields, not 6")),
    ],
)
def test_bodies(rows, bets, fault) -> None:
    """As many rows as the record says, each with its line feed."""
    assert fault_of_rows(rows, 3, bets, TODAY) == fault


def test_agencies() -> None:
    """All of 32 bits; 0 is one, too."""
    for agency in (0, 4294967295):
        row = b"%d,Ana,Paz,1,1999-03-17,1" % agency
        assert fault_of_row(row, agency, TODAY) == ""
        assert fault_of_rows(row + b"\n", agency, 1, TODAY) is None


def test_a_clock_that_is_behind() -> None:
    """The pattern for common rows knows no clock, so it is not asked then."""
    fault = fault_of_rows(b"3,Ana,Paz,1,2019-03-17,1\n", 3, 1, date(2019, 3, 16))
    assert fault == RowFault(1, 0, "its birthdate is not from 1900-01-01 to 2019-03-16")


def test_every_day() -> None:
    """Common dates are taken for what the calendar has, and nothing else."""
    for year in (1899, 1900, 1904, 1999, 2000, 2004, 2012, 2016, 2019, 2020, 2024):
        for month in range(14):
            for day in range(33):
                written = f"{year:04d}-{month:02d}-{day:02d}"
                row = f"3,Ana,Paz,1,{written},1"
                try:
                    real = date(1900, 1, 1) <= date.fromisoformat(written) <= TODAY
                except ValueError:
                    real = False
                assert (fault_of_row(row.encode(), 3, TODAY) == "") == real
                assert (fault_of_rows(f"{row}\n".encode(), 3, 1, TODAY) is None) == real


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=5)
        | st.sampled_from(["Ana", "O'Hara", "1999-03-17", "2000-02-29", "0042", "30904465", "-x"]),
        min_size=5,
        max_size=5,
    )
)
def test_fast_and_slow_agree_with_the_central(fields) -> None:
    """Three checks of a row: the pattern, field by field, and that of the central."""
    row = ",".join(["3", *fields]).encode()
    fault = fault_of_row(row, 3, TODAY)
    if b"\n" not in row:
        fast = fault_of_rows(row + b"\n", 3, 1, TODAY)
        assert (fast is None) == (fault == "")
    assert (fault_of(",".join(fields).split(","), TODAY) is None) == (fault == "")


@pytest.mark.parametrize(
    ("row", "number"), [(GOOD + b"\n", 7574), (b"3,A,B,1,1999-03-17,0042", 42), (GOOD, 7574)]
)
def test_numbers(row, number) -> None:
    """Numbers compare as integers."""
    assert number_of(row) == number


def test_rows_of_the_rig() -> None:
    """The rig's rows are some."""
    rows = rows_of(5, 200)
    assert len(set(rows)) > 190
    assert fault_of_rows("".join(f"5,{row}\n" for row in rows).encode(), 5, 200, TODAY) is None
