"""``lottery.audit.copies``: files that have to be, byte for byte, what they are made of."""

from __future__ import annotations

import re
from array import array
from zlib import crc32

import pytest
from audit_rig import WINNING_NUMBER, a_draw, sha256
from hypothesis import given
from hypothesis import strategies as st

from lottery.audit import copies
from lottery.audit.copies import PartDigest, Recount, Rows, Twin, rows_of
from lottery.audit.differences import Difference, Differs
from lottery.audit.files import OpenFiles
from lottery.audit.holdings import Holding, Run
from lottery.audit.record import NAME, Sum, parse

FIRST = b"3,Ana,Paz,1,1999-03-17,1\n"
SECOND = b"3,Bo,Gil,2,1984-12-01,42\n"


def difference(tmp_path, content: bytes, steps=(FIRST, SECOND), said: Sum | None = None):
    """What differs between a file and what it is made of."""
    (tmp_path / "bets.csv").write_bytes(content)
    try:
        with Twin(tmp_path, "bets.csv") as twin:
            for step in steps:
                twin.expect(step, lambda offset: f"agency 3 at {offset}")
            twin.end(said)
    except Differs as differs:
        return differs.difference
    return None


@pytest.mark.parametrize(
    ("content", "line", "byte", "what"),
    [
        (b"", 1, 0, "the file ends here, but there are more rows of agency 3 at 0"),
        (FIRST, 2, 25, "the file ends here, but there are more rows of agency 3 at 0"),
        (FIRST + SECOND[:7], 2, 32, "the file ends here, but there are more rows of agency 3 at 7"),
        (b"4" + FIRST[1:] + SECOND, 1, 0, "this is not the row of agency 3 at 0"),
        (FIRST + SECOND[:-2] + b"3\n", 2, 48, "this is not the row of agency 3 at 23"),
        (FIRST[:-1] + b"\r\n" + SECOND, 1, 24, "this is not the row of agency 3 at 24"),
        (SECOND + FIRST, 1, 2, "this is not the row of agency 3 at 2"),
        (FIRST + FIRST + SECOND, 2, 27, "this is not the row of agency 3 at 2"),
        (FIRST + SECOND + FIRST, 3, 50, "25 bytes stand behind the last row there can be"),
        (FIRST + SECOND + b"\n", 3, 50, "1 bytes stand behind the last row there can be"),
    ],
)
def test_another_byte(tmp_path, content, line, byte, what) -> None:
    """The first one is named, with its line, and where it should be from."""
    assert difference(tmp_path, content) == Difference("bets.csv", what, byte, line)
    if len(content) != 50 or byte < 25:
        whole = difference(tmp_path, content, [FIRST + SECOND])
        assert (whole.byte, whole.line) == (byte, line)


def test_the_same_bytes(tmp_path) -> None:
    """Then the file is what was expected, and what the record says."""
    content = FIRST + SECOND
    (tmp_path / "bets.csv").write_bytes(content)
    said = Sum("bets.csv", 2, 50, sha256(content), 70)
    with Twin(tmp_path, "bets.csv") as twin:
        assert twin.expect(FIRST, str) == FIRST
        assert twin.expect(b"", str) == b""
        assert twin.expect(SECOND, str) == SECOND
        assert (twin.bets, twin.size) == (2, 50)
        twin.end(said)
        twin.end(None)
    for other in (
        said._replace(bets=3),
        said._replace(size=51),
        said._replace(sha256="0" * 64),
    ):
        what = f"bets.csv has 2 bets, 50 bytes, SHA-256 {sha256(content)}"
        assert difference(tmp_path, content, said=other) == Difference(NAME, what, line=70)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_where_two_part(one, other) -> None:
    """As a loop over the bytes has it."""
    slow = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    assert copies._common(one, other) == slow


def test_rows_and_where_they_are_from(tmp_path, monkeypatch) -> None:
    """In steps; each byte knows its segment."""
    monkeypatch.setattr(copies, "_STEP_BYTES", 40)
    (tmp_path / "one").write_bytes(b"head" + FIRST + b"??" + SECOND)
    (tmp_path / "two").write_bytes(FIRST)
    runs = [
        Run("one", 0, 2, True, array("Q", [4, 31]), array("H", [25, 25])),
        Run("two", 2, 3, True, array("Q", [0]), array("H", [25])),
    ]
    files = OpenFiles(tmp_path)
    steps = list(rows_of(files, Holding(3, False, "one", 0, 3, runs)))
    files.close()
    assert [bytes(step) for step in steps] == [FIRST + SECOND, FIRST]
    assert steps[0].origin(0) == "agency 3 in one, byte 4"
    assert steps[0].origin(24) == "agency 3 in one, byte 28"
    assert steps[0].origin(25) == "agency 3 in one, byte 31"
    assert steps[1].origin(1) == "agency 3 in two, byte 1"
    assert Rows(3).origin(0) == "agency 3"


def test_what_the_record_says_of_an_agency() -> None:
    """Bets, bytes and both checksums, in however many steps."""
    rig = a_draw("sealed")
    record = parse(rig.files("sealed")[NAME])
    for part, agency in zip(record.parts, rig.agencies, strict=True):
        digest = PartDigest(part.agency, part.classic)
        for row in agency.stored.splitlines(keepends=True):
            digest.update(row)
        digest.check(part)
        at_once = PartDigest(part.agency, part.classic)
        at_once.update(agency.stored)
        at_once.check(part._replace(size=None, sha256=None))
        for key, other in (
            ("bets", part._replace(bets=99)),
            ("crc32", part._replace(crc32=99)),
            ("bytes", part._replace(size=99)),
            ("sha256", part._replace(sha256="0" * 64)),
        ):
            with pytest.raises(Differs) as raised:
                digest.check(other)
            found = raised.value.difference
            assert (found.file, found.line) == (NAME, part.line_of(key))
            assert found.what.startswith(f'"{key}" of agency {part.agency} is ')


def test_the_checksum_of_rows_as_sent() -> None:
    """Without the agency, also if a row holds what begins one."""
    rows = b"1,1,1,1,1999-03-17,1\n1,1,x1,1,1999-03-17,1\n"
    digest = PartDigest(1, classic=False)
    digest.update(rows)
    part = parse(a_draw("closing").files("closing")[NAME]).parts[0]
    sent = crc32(b"1,1,1,1999-03-17,1\n1,x1,1,1999-03-17,1\n")
    digest.check(part._replace(bets=2, crc32=sent, size=None, sha256=None))


def test_a_recount() -> None:
    """Agencies that are left out win nothing; another way of counting finds the same."""
    rig = a_draw("drawn", bets=300)
    files = rig.files("drawn")
    record = parse(files[NAME])
    recount = Recount(record, WINNING_NUMBER)
    won = recount.winning(files["bets.csv"].splitlines(keepends=True))
    assert b"".join(won) == files["winners.csv"]
    recount.check(record)
    for number in (WINNING_NUMBER, 42, 7, 9999, 1234, 5):
        recount = Recount(record, number)
        recount.winning(files["bets.csv"].splitlines(keepends=True))
        for agency, winners in recount.winners.items():
            ending = b"(?m)^%d,.*,0*%d$" % (agency, number)
            assert winners == len(re.findall(ending, files["bets.csv"]))


def test_a_recount_that_differs() -> None:
    """The first agency is named."""
    record = parse(a_draw("drawn").files("drawn")[NAME])
    with pytest.raises(Differs) as raised:
        Recount(record, WINNING_NUMBER).check(record)
    what = '"winners" of agency 1 is 0 in the recount'
    line = record.parts[0].line_of("winners")
    assert raised.value.difference == Difference(NAME, what, line=line)
