"""``lottery.bets``: tables for every rule, and the fast check held against the exact one."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import (
    NASTY,
    TODAY,
    batch,
    common_rows,
    damaged_batches,
    damaged_payloads,
    row_lists,
)

import lottery
from lottery.bets import (
    CLASSIC_END,
    FIELDS,
    LINE_END,
    BadBatch,
    are_common_lines,
    classic_rows,
    common_classic_rows,
    exact_classic_rows,
    exact_line_rows,
    fault_of,
    has_won,
    line_rows,
)
from lottery.errors import Code, LotteryError

GOOD = ("Santiago Lionel", "Lorca", "30904465", "1999-03-17", "2201")
FIRST_NAME, LAST_NAME, DOCUMENT, BIRTHDATE, NUMBER = range(1, 6)

BAD_NAMES = {
    "empty": ("", "is empty"),
    "one blank": (" ", "is blank"),
    "blanks only": ("   ", "is blank"),
    "no-break blanks only": ("\u00a0\u3000", "is blank"),
    "65 characters": ("x" * 65, "has 65 characters"),
    "8000 characters": ("é" * 8000, "has 8000 characters"),
    "NUL": ("Jo\0se", "U+0000"),
    "LF": ("Jo\nse", "U+000A"),
    "CR": ("Jo\rse", "U+000D"),
    "CRLF": ("Jose\r\n", "U+000D"),
    "TAB": ("\tJose", "U+0009"),
    "vertical tab": ("Jo\x0bse", "U+000B"),
    "file separator": ("Jo\x1cse", "U+001C"),
    "DEL": ("Jo\x7fse", "U+007F"),
    "next line": ("Jo\x85se", "U+0085"),
    "line separator": ("Jo\u2028se", "U+2028"),
    "paragraph separator": ("Jo\u2029se", "U+2029"),
    "escape sequence": ("\x1b[31mJose", "U+001B"),
    "right-to-left override": ("Jo\u202ese", "U+202E"),
    "zero width space": ("Jo\u200bse", "U+200B"),
    "soft hyphen": ("Jo\u00adse", "U+00AD"),
    "byte-order mark": ("\ufeffJose", "U+FEFF"),
    "private": ("Jo\ue000se", "U+E000"),
    "unassigned": ("Jo\u0378se", "U+0378"),
    "not a character": ("Jo\uffffse", "U+FFFF"),
    "comma": ("O'Neil, Jr", "U+002C"),
    "quote": ('O"Neil', "U+0022"),
    "lone quote at the start": ('"Jose', "U+0022"),
    "formula =": ("=HYPERLINK(1)", "start with"),
    "formula +": ("+1", "start with"),
    "formula -": ("-1", "start with"),
    "formula @": ("@SUM(1)", "start with"),
}
GOOD_NAMES = (
    "O'Higgins",
    "María-José",
    "Ñandú",
    "D'Ángelo",
    "Nicol\u00e1s",  # composed
    "Nicola\u0301s",  # with a combining accent: stored as it came
    "x",
    "é" * 64,
    "De la Fuente = + - @",
    " Ana",
    "Ana\u00a0Paz",
    "Ωμέγα",
    "中村",
)
BAD_DOCUMENTS = {
    "empty": ("", "is empty"),
    "minus": ("-1", "U+002D"),
    "plus": ("+30904465", "U+002B"),
    "leading blank": (" 30904465", "U+0020"),
    "underscores": ("30_904_465", "U+005F"),
    "dots": ("30.904.465", "U+002E"),
    "full-width digits": ("\uff13\uff10\uff19\uff10\uff14\uff14\uff16\uff15", "U+FF13"),
    "Arabic digits": ("\u0663\u0660\u0669", "U+0663"),
    "superscript": ("3\xb2", "U+00B2"),
    "16 digits": ("1" * 16, "has 16 characters"),
    "30 digits": ("1" * 30, "has 30 characters"),
    "5000 digits": ("1" * 5000, "has 5000 characters"),
    "line feed behind": ("30904465\n", "U+000A"),
}
GOOD_DOCUMENTS = ("0", "00030904465", "1" * 15)
BAD_BIRTHDATES = {
    "no leap year": ("1999-02-29", "calendar"),
    "1900 was no leap year": ("1900-02-29", "calendar"),
    "year 0": ("0000-01-01", "calendar"),
    "month 13": ("1999-13-01", "calendar"),
    "month 0": ("1999-00-10", "calendar"),
    "day 0": ("1999-01-00", "calendar"),
    "31 April": ("1999-04-31", "calendar"),
    "30 February": ("2000-02-30", "calendar"),
    "slashes": ("17/03/1999", "YYYY-MM-DD"),
    "compact": ("19990317", "YYYY-MM-DD"),
    "week date": ("1999-W11-3", "YYYY-MM-DD"),
    "one-digit month and day": ("1999-3-7", "YYYY-MM-DD"),
    "Arabic digits": ("\u0661\u0669\u0669\u0669-\u0660\u0663-\u0661\u0667", "YYYY-MM-DD"),
    "line feed behind": ("1999-03-17\n", "YYYY-MM-DD"),
    "blank behind": ("1999-03-17 ", "YYYY-MM-DD"),
    "empty": ("", "YYYY-MM-DD"),
    "1850": ("1850-01-01", "from 1900-01-01"),
    "the day before the first": ("1899-12-31", "from 1900-01-01"),
    "tomorrow": ((TODAY + timedelta(1)).isoformat(), "up to today, 2026-03-17 UTC"),
    "next year": ("2027-01-01", "up to today, 2026-03-17 UTC"),
}
GOOD_BIRTHDATES = (
    "1900-01-01",
    "2000-02-29",
    "2024-02-29",
    "2025-12-31",
    "2026-01-01",
    "2026-03-17",
)
BAD_NUMBERS = {
    "empty": ("", "is empty"),
    "minus": ("-1", "U+002D"),
    "five digits": ("10000", "has 5 characters"),
    "five digits with a leading zero": ("07574", "has 5 characters"),
    "decimal point": ("7.50", "U+002E"),
    "long decimal": ("7574.0", "has 6 characters"),
    "hexadecimal": ("0x1D", "U+0078"),
    "underscore": ("7_57", "U+005F"),
    "blank behind": ("757 ", "U+0020"),
    "carriage return behind": ("757\r", "U+000D"),
}
GOOD_NUMBERS = ("0", "9999", "0042", "7574")

BAD_FIELDS = [
    pytest.param(field, value, fragment, id=f"{FIELDS[field - 1]}: {name}")
    for fields, table in (
        ((FIRST_NAME, LAST_NAME), BAD_NAMES),
        ((DOCUMENT,), BAD_DOCUMENTS),
        ((BIRTHDATE,), BAD_BIRTHDATES),
        ((NUMBER,), BAD_NUMBERS),
    )
    for field in fields
    for name, (value, fragment) in table.items()
]
GOOD_FIELDS = [
    (field, value)
    for field, values in (
        (FIRST_NAME, GOOD_NAMES),
        (LAST_NAME, GOOD_NAMES),
        (DOCUMENT, GOOD_DOCUMENTS),
        (BIRTHDATE, GOOD_BIRTHDATES),
        (NUMBER, GOOD_NUMBERS),
    )
    for value in values
]

INVALID_UTF8 = {
    "overlong": (b"Nicol\xc0\xafs", 5),
    "surrogate": (b"Nicol\xed\xa0\x80s", 5),
    "Latin-1": (b"Nicol\xe1s", 5),
    "cut short": (b"Nicol\xc3", 5),
}


def with_field(field: int, value: str) -> tuple[str, ...]:
    """The good row with one field, from 1, replaced."""
    return (*GOOD[: field - 1], value, *GOOD[field:])


def refused_classic(payload: bytes) -> BadBatch:
    """What a batch of the classic dialect is refused with."""
    with pytest.raises(BadBatch) as refusal:
        classic_rows(payload, TODAY)
    return refusal.value


def refused_lines(payload: bytes, count: int) -> BadBatch:
    """What a batch of lottery/1 is refused with."""
    with pytest.raises(BadBatch) as refusal:
        line_rows(payload, count, TODAY)
    return refusal.value


def exact_or_none(text: str, end: str) -> list[str] | None:
    """What the exact check says; None if it refuses. Lines announce as many as they are."""
    try:
        if end == CLASSIC_END:
            return texts(exact_classic_rows(text.encode(), TODAY))
        return texts(exact_line_rows(text.encode(), text.count("\n"), TODAY))
    except BadBatch:
        return None


def fast_rows(text: str, end: str, year: int) -> list[str] | None:
    """What the fast check of either dialect says; None if it does not know."""
    if end == CLASSIC_END:
        rows = common_classic_rows([text.encode()], year)
        return None if rows is None else texts(rows)
    return text.split("\n")[:-1] if are_common_lines(text.encode(), year) else None


def texts(rows: list[bytes]) -> list[str]:
    """Rows as text."""
    return [row.decode() for row in rows]


def assert_fit_to_be_told(refusal: BadBatch) -> None:
    """A reason is short, printable ASCII, and cannot break the grammar of a log line."""
    assert refusal.reason.isascii()
    assert refusal.reason.isprintable()
    assert len(refusal.reason) <= 120
    assert not set("|:") & set(refusal.reason + str(refusal))
    assert 0 <= refusal.field <= len(FIELDS)
    assert refusal.row >= 0
    assert refusal.bets >= 0


@pytest.mark.parametrize(("field", "value", "fragment"), BAD_FIELDS)
def test_a_broken_field_is_named(field: int, value: str, fragment: str) -> None:
    """The exact check says which field and what to mend, without quoting it."""
    fault = fault_of(with_field(field, value), TODAY)
    assert fault is not None
    assert fault[0] == field
    assert fragment in fault[1]


@pytest.mark.parametrize(("field", "value", "fragment"), BAD_FIELDS)
def test_a_broken_field_refuses_its_batch_in_both_dialects(
    field: int, value: str, fragment: str
) -> None:
    """A separator inside a field moves the columns; everything else names its own field."""
    row = with_field(field, value)
    good = batch([",".join(GOOD)] * 2, ",")
    for refusal in (
        refused_classic((good + batch([",".join(row)], ",")).encode()),
        refused_lines((good.replace("2201,", "2201\n") + batch([",".join(row)], "\n")).encode(), 3),
    ):
        assert_fit_to_be_told(refusal)
        assert refusal.row == 3
        if not set(value) & set(",\n"):
            assert (refusal.code, refusal.field) == (Code.FIELD, field)
            assert fragment in refusal.reason


@pytest.mark.parametrize(("field", "value"), GOOD_FIELDS)
def test_a_good_field_is_taken_unchanged(field: int, value: str) -> None:
    """Legal values come out as they went in, in both dialects."""
    row = ",".join(with_field(field, value))
    assert fault_of(with_field(field, value), TODAY) is None
    assert classic_rows(f"{row},".encode(), TODAY) == [row.encode()]
    assert line_rows(f"{row}\n".encode(), 1, TODAY) == [row.encode()]


@pytest.mark.parametrize("columns", [0, 1, 4, 6, 7])
def test_wrong_number_of_columns(columns: int) -> None:
    """Not a fault of a field but of the row; in lottery/1 the batch is refused with BATCH."""
    fields = (GOOD * 2)[:columns]
    assert fault_of(fields, TODAY) == (0, f"must have 5 columns, not {columns}")
    refusal = refused_lines((",".join(GOOD) + "\n" + ",".join(fields) + "\n").encode(), 2)
    assert (refusal.code, refusal.row, refusal.field) == (Code.BATCH, 2, 0)


def test_header_line_is_refused() -> None:
    """A CSV header is a row whose document is no number."""
    header = "nombre,apellido,documento,nacimiento,numero"
    assert refused_classic(f"{header},".encode()).field == DOCUMENT
    assert refused_lines(f"{header}\n".encode(), 1).field == DOCUMENT


def test_same_bet_twice_is_two_bets() -> None:
    """A person may bet on the same number twice in a batch."""
    row = ",".join(GOOD)
    assert classic_rows(batch([row, row], ",").encode(), TODAY) == [row.encode()] * 2
    assert line_rows(batch([row, row], "\n").encode(), 2, TODAY) == [row.encode()] * 2


@pytest.mark.parametrize(("name", "offset"), INVALID_UTF8.values(), ids=INVALID_UTF8)
def test_invalid_utf8_is_placed(name: bytes, offset: int) -> None:
    """Row, field and the offset of the first bad byte in the batch are named."""
    good = ",".join(GOOD).encode()
    bad = b"Ana," + name + b",1,1999-03-17,7"
    for refusal in (
        refused_classic(good + b"," + bad + b","),
        refused_lines(good + b"\n" + bad + b"\n", 2),
    ):
        assert (refusal.code, refusal.row, refusal.field) == (Code.FIELD, 2, LAST_NAME)
        assert f"at byte {len(good) + 1 + 4 + offset} of" in refusal.reason
        assert refusal.bets == 2
        assert_fit_to_be_told(refusal)


def test_invalid_utf8_beyond_the_columns_of_a_line() -> None:
    """There is no field to name in a sixth column."""
    refusal = refused_lines(b"a,b,1,1999-03-17,7,\xff\n", 1)
    assert (refusal.code, refusal.row, refusal.field) == (Code.FIELD, 1, 0)
    assert str(refusal) == "row 1 is not UTF-8 at byte 19 of the batch, counted from 0"


def test_empty_classic_batch_is_legal() -> None:
    """It holds no rows."""
    assert classic_rows(b"", TODAY) == []
    assert exact_classic_rows(b"", TODAY) == []


@pytest.mark.parametrize(
    ("cut", "finished"),
    [(b"a", 0), (b"a,", 1), (b"a,b,1,1999-03-17,", 4), (b"a,b,1,1999-03-17,7", 4)],
)
def test_unfinished_classic_row(cut: bytes, finished: int) -> None:
    """A batch that stops within a row is refused with BATCH, naming that row."""
    refusal = refused_classic((",".join(GOOD) + ",").encode() + cut)
    assert (refusal.code, refusal.row, refusal.field) == (Code.BATCH, 2, 0)
    assert f"after {finished} of its 5 fields" in refusal.reason


def test_missing_classic_field_shows_as_the_first_broken_one() -> None:
    """The columns behind it have moved; that field is more use than the count at the end."""
    refusal = refused_classic(b"a,b,1999-03-17,7,c,d,2,1999-03-17,8,")
    assert (refusal.code, refusal.row, refusal.field) == (Code.FIELD, 1, DOCUMENT)
    assert refusal.bets == 2


@pytest.mark.parametrize("count", [1, 4, 6, 65535])
def test_another_count_than_rows(count: int) -> None:
    """The header of a lottery/1 batch has to agree with its rows."""
    refusal = refused_lines(batch([",".join(GOOD)] * 5, "\n").encode(), count)
    assert (refusal.code, refusal.row, refusal.field) == (Code.BATCH, 0, 0)
    assert f"{count} in its header, but 5 in" in refusal.reason
    assert refusal.bets == 5
    assert str(refusal).startswith("the batch has a row count of")


@pytest.mark.parametrize("payload", [b"", b"a,b,1,1999-03-17,7\n", b"nonsense"])
def test_count_of_nothing(payload: bytes) -> None:
    """A lottery/1 batch without rows is refused whatever it holds."""
    assert refused_lines(payload, 0).code is Code.BATCH


def test_no_rows_where_some_are_announced() -> None:
    """An empty payload is a wrong count."""
    assert refused_lines(b"", 65535).code is Code.BATCH


def test_last_line_without_its_end() -> None:
    """A cut row may look whole, so its line feed is asked for."""
    refusal = refused_lines(b"a,b,1,1999-03-17,7\na,b,1,1999-03-17,75", 2)
    assert (refusal.code, refusal.row) == (Code.BATCH, 2)
    assert "line feed" in refusal.reason


def test_a_refusal_is_a_sentence() -> None:
    """It is one of our errors and names row and field by their names."""
    refusal = refused_classic(b"a,b,-1,1999-03-17,7,")
    assert isinstance(refusal, LotteryError)
    assert str(refusal) == "row 1, document holds U+002D, must be 1 to 15 digits"


@pytest.mark.parametrize(
    ("number", "winning_number", "won"),
    [("7574", 7574, True), ("0042", 42, True), ("0", 0, True), ("757", 7574, False)],
)
def test_has_won(number: str, winning_number: int, won: bool) -> None:
    """Numbers compare as integers."""
    assert has_won(number, winning_number) is won


@pytest.mark.parametrize("year", [1900, 1999, 2000, 2023, 2024])
def test_fast_check_knows_the_calendar(year: int) -> None:
    """Every day of a year is taken, everything that only looks like one is not."""
    for month in range(14):
        for day in range(33):
            written = f"{year}-{month:02}-{day:02}"
            row = f"a,b,1,{written},7"
            valid = fault_of(row.split(","), TODAY) is None
            assert fast_rows(f"{row},", ",", TODAY.year) == ([row] if valid else None), written


@pytest.mark.parametrize("this_year", [1900, 1901, 1910, 1999, 2000, 2001, 2026, 2030, 2101, 9999])
def test_fast_check_knows_the_years(this_year: int) -> None:
    """From 1900 through last year, whichever year it is now."""
    for year in (*range(1890, 2110), 9998, 9999):
        row = f"a,b,1,{year}-02-28,7"
        known = fast_rows(f"{row}\n", "\n", this_year) == [row]
        assert known is (1900 <= year < this_year), year


def test_fast_check_takes_no_forbidden_character() -> None:
    """Of all characters it takes only allowed ones, at the start of a name and inside it."""
    for point in range(0x3000):
        character = chr(point)
        for name in (character, f"x{character}"):
            row = f"{name},b,1,1999-03-17,7"
            if fast_rows(f"{row}\n", "\n", TODAY.year) is not None:
                assert fault_of(row.split(","), TODAY) is None, hex(point)
                assert not category(character).startswith("C")


@pytest.mark.parametrize("end", [CLASSIC_END, LINE_END])
@pytest.mark.parametrize(
    "rest", ["x", ",", "\n", "x" * 8192, "a,b,1,1999-02-29,7,", ("x" * 64 + ",") * 126]
)
def test_fast_check_leaves_no_rest(rest: str, end: str) -> None:
    """Whatever stands before or behind good rows is noticed, however short or long."""
    good = batch([",".join(GOOD)] * 3, end)
    assert fast_rows(good + rest, end, TODAY.year) is None
    assert fast_rows(f"{rest},{good}", end, TODAY.year) is None


@pytest.mark.parametrize("end", [CLASSIC_END, LINE_END])
@given(st.data())
def test_fast_check_knows_common_batches(end: str, data: st.DataObject) -> None:
    """For ordinary valid rows it never asks the exact check."""
    rows = data.draw(row_lists(common_rows()))
    assert fast_rows(batch(rows, end), end, TODAY.year) == rows


@pytest.mark.parametrize("end", [CLASSIC_END, LINE_END])
@given(st.data())
def test_fast_and_exact_agree(end: str, data: st.DataObject) -> None:
    """The fast check says what the exact one says, or nothing; refused means not known."""
    text = data.draw(st.one_of(damaged_batches(end), st.text(), st.text(NASTY + "b1,1999-03-17,7")))
    fast = fast_rows(text, end, TODAY.year)
    if text:
        assert fast is None or fast == exact_or_none(text, end)
    else:
        assert fast == []


@given(row_lists())
@example([])
def test_dialects_agree_on_valid_rows(rows: list[str]) -> None:
    """The same rows come out of both dialects, whichever check they took."""
    assert texts(classic_rows(batch(rows, ",").encode(), TODAY)) == rows
    if rows:
        assert texts(line_rows(batch(rows, "\n").encode(), len(rows), TODAY)) == rows


@given(st.lists(row_lists(common_rows()), max_size=5))
def test_common_batches_are_known_together(batches: list[list[str]]) -> None:
    """Whatever their sizes: all rows come out in order."""
    payloads = [batch(rows, ",").encode() for rows in batches if rows]
    rows = common_classic_rows(payloads, TODAY.year)
    assert rows is not None
    assert texts(rows) == [row for rows in batches for row in rows]


@given(st.lists(common_rows(), min_size=2, max_size=4), st.data())
def test_no_row_goes_on_in_the_next_batch(rows: list[str], data: st.DataObject) -> None:
    """Cut anywhere but behind a row, two batches are not known, though together they are good."""
    whole = batch(rows, ",").encode()
    cut = data.draw(st.integers(1, len(whole) - 1))
    known = common_classic_rows([whole[:cut], whole[cut:]], TODAY.year)
    ends = [len(batch(rows[:number], ",").encode()) for number in range(len(rows))]
    assert (known is not None) is (cut in ends)


def test_what_stands_between_batches_is_not_taken_from_one() -> None:
    """A line feed is no more legal at the begin of a row than within it."""
    row = ",".join(GOOD).encode() + b","
    for payloads in ([b"\n" + row], [row + b"\n"], [row + b"\n" + row], [row, b"\n"]):
        assert common_classic_rows(payloads, TODAY.year) is None
    for good in ([row, b"", row], [row, b""], [row, b"", b"", row]):
        assert common_classic_rows(good, TODAY.year) == [row[:-1]] * (len(good) - good.count(b""))


@pytest.mark.parametrize("point", [0xC0, 0xD1, 0xF1, 0xFF, 0x100, 0x151, 0x23F, 0x301, 0x33F])
def test_fast_check_knows_the_letters_of_latin_names(point: int) -> None:
    """Composed, and as an accent behind a letter; at the ends of what it knows, too."""
    assert fast_rows(f"x{chr(point)}x,b,1,1999-03-17,7\n", "\n", TODAY.year) is not None


@given(
    st.lists(st.tuples(*[st.text(NASTY.replace(",", "").replace("\n", "") + "a1")] * 5), min_size=1)
)
def test_dialects_agree_on_bad_rows(rows: list[tuple[str, ...]]) -> None:
    """Five fields each without separators: the same row, field and reason in both dialects."""
    lines = [",".join(row) for row in rows]
    classic = refused_or_rows(batch(lines, ","), CLASSIC_END)
    assert classic == refused_or_rows(batch(lines, "\n"), LINE_END)


def refused_or_rows(text: str, end: str) -> list[str] | tuple[Code, int, int, str]:
    """What comes out of a batch, whichever it is, for comparing."""
    try:
        if end == CLASSIC_END:
            return texts(classic_rows(text.encode(), TODAY))
        return texts(line_rows(text.encode(), text.count("\n"), TODAY))
    except BadBatch as refusal:
        return refusal.code, refusal.row, refusal.field, refusal.reason


@pytest.mark.parametrize("end", [CLASSIC_END, LINE_END])
@given(st.data())
def test_any_bytes_give_rows_or_a_refusal(end: str, data: st.DataObject) -> None:
    """Nothing else is raised; what is taken is the payload to the byte, what is not is told."""
    payload = data.draw(st.one_of(damaged_payloads(end), st.binary(max_size=200)))
    try:
        if end == CLASSIC_END:
            rows = classic_rows(payload, TODAY)
        else:
            rows = line_rows(payload, max(1, payload.count(b"\n")), TODAY)
    except BadBatch as refusal:
        assert_fit_to_be_told(refusal)
    else:
        assert batch(texts(rows), end).encode() == payload
        assert all(fault_of(row.split(","), TODAY) is None for row in texts(rows))


def test_today_is_the_last_birthdate() -> None:
    """The same row is refused the day before."""
    row = ",".join(with_field(BIRTHDATE, "2026-03-17"))
    assert classic_rows(f"{row},".encode(), date(2026, 3, 17)) == [row.encode()]
    with pytest.raises(BadBatch):
        classic_rows(f"{row},".encode(), date(2026, 3, 16))


def test_import_needs_only_the_standard_library() -> None:
    """A writer child imports this module: without any installed package (-S) it still can."""
    program = [sys.executable, "-S", "-E", "-c", "import lottery.bets"]
    subprocess.run(program, cwd=Path(lottery.__file__).parents[1], check=True)
