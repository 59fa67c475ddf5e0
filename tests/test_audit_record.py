"""``lottery.audit.record``: ``draw.json`` line by line, and the line where it is none."""

from __future__ import annotations

import json

import pytest
from audit_rig import STATES, a_draw, resealed, sha256, with_digest
from hypothesis import given
from hypothesis import strategies as st

from lottery.audit.differences import Difference, Differs
from lottery.audit.record import NAME, parse

RECORD = a_draw("delivered").files("delivered")[NAME]
OPEN = a_draw("open").files("open")[NAME]


def difference(data: bytes) -> Difference:
    """What is wrong with a record."""
    with pytest.raises(Differs) as raised:
        parse(data)
    assert raised.value.difference.file == NAME
    return raised.value.difference


@pytest.mark.parametrize("state", STATES)
def test_every_state(state) -> None:
    """All that is said is given, with the lines where it is said."""
    data = a_draw(state, number=3).files(state)[NAME]
    members = json.loads(data)
    record = parse(data)
    assert (record.draw, record.state, record.places) == (3, state, 5)
    assert record.winning_number == members["winning_number"]
    for part, said in zip(record.parts, members["agencies"], strict=True):
        assert part.agency == said["agency"]
        assert part.classic == (said["dialect"] == "classic")
        assert part.succeeded == (said["outcome"] == "succeeded")
        assert (part.reason, part.bets) == (said["reason"], said["bets"])
        assert (f"{part.crc32:08x}", part.nonce.hex()) == (said["crc32"], said["nonce"])
        assert (part.size, part.sha256) == (said["bytes"], said["sha256"])
        assert (part.winners, part.received) == (said["winners"], said["received"])
    assert [(each.name, each.size, each.sha256) for each in record.segments] == [
        (each["name"], each["bytes"], each["sha256"]) for each in members["segments"]
    ]
    for found, key in ((record.bets_csv, "bets_csv"), (record.winners_csv, "winners_csv")):
        said = members[key]
        assert (found and [found.bets, found.size, found.sha256]) == (said and [*said.values()])


def test_lines() -> None:
    """Lines are those of an editor."""
    record = parse(RECORD)
    lines = RECORD.decode().split("\n")
    for key, line in record.lines.items():
        assert lines[line - 1].startswith(f'  "{key}": ')
    for part in record.parts:
        assert lines[part.line] == f'      "agency": {part.agency},'
        for key in ("agency", "bets", "crc32", "received"):
            assert lines[part.line_of(key) - 1].startswith(f'      "{key}": ')
    assert record.bets_csv is not None
    assert lines[record.bets_csv.line - 1] == '  "bets_csv": {'


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("lottery draw 1", "lottery draw 2", 2, '"format" must be "lottery draw 1"'),
        ('"draw": 1', '"draw": 0', 3, f'"draw" must be a whole number from 1 to {2**63 - 1}'),
        ('"draw": 1', '"draw": 01', 3, f'"draw" must be a whole number from 1 to {2**63 - 1}'),
        ('"draw": 1', '"draw": 1.0', 3, f'"draw" must be a whole number from 1 to {2**63 - 1}'),
        ('"draw": 1', '"draw": NaN', 3, f'"draw" must be a whole number from 1 to {2**63 - 1}'),
        ('"draw": 1', '"draw": ' + "9" * 5000, 3,
         f'"draw" must be a whole number from 1 to {2**63 - 1}'),
        ('"draw": 1,', '"draw": 1', 3, 'a comma should be behind "draw"'),
        ('"draw": 1,', '"draw":1,', 3, '"draw" should be here'),
        ('  "draw"', '"draw"', 3, '"draw" should be here'),
        ('  "draw": 1,\n', '', 3, '"draw" should be here'),
        ('  "draw": 1,\n', '  "draw": 1,\n' * 2, 4, '"state" should be here'),
        ('"delivered"', '"done"', 4,
         '"state" must be "open" or "closing" or "sealed" or "drawn" or "delivered" or "void"'),
        ('"places": 5', '"places": -5', 5,
         f'"places" must be a whole number from 1 to {2**63 - 1}'),
        ('"agencies": [', '"agencies": {', 6, '"agencies": [ should be here'),
        ('    {', '    [', 7, '{ should be here'),
        ('"agency": 1', '"agency": 4294967296', 8,
         '"agency" must be a whole number from 0 to 4294967295'),
        ('"lottery/1"', '"lottery/2"', 9, '"dialect" must be "lottery/1" or "classic"'),
        ('"succeeded"', '"won"', 10, '"outcome" must be "succeeded" or "left_out"'),
        ('"reason": ""', '"reason": null', 11,
         '"reason" must be a text as JSON has it, with no more escapes than needed'),
        ('"reason": ""', '"reason": "\\u0041"', 11,
         '"reason" must be a text as JSON has it, with no more escapes than needed'),
        ('"reason": ""', '"reason": "a\\', 11,
         '"reason" must be a text as JSON has it, with no more escapes than needed'),
        ('"crc32": "', '"crc32": "0', 13, '"crc32" must be 8 small hexadecimal digits in quotes'),
        ('"nonce": "', '"nonce": "0', 14,
         '"nonce" must be 64 or 0 small hexadecimal digits in quotes'),
        ('"nonce": "', '"nonce": "\\u00', 14,
         '"nonce" must be 64 or 0 small hexadecimal digits in quotes'),
        ('"received": true', '"received": 1', 18, '"received" must be null or true or false'),
        ('"received": true', '"received": true,', 18, '"received" must be null or true or false'),
        ('"winning_number": 7574', '"winning_number": 10000', 77,
         '"winning_number" must be null or a whole number from 0 to 9999'),
        ('"winning_number": 7574', '"winning_number": true', 77,
         '"winning_number" must be null or a whole number from 0 to 9999'),
    ],
)  # fmt: skip
def test_lines_that_are_none(old, new, line, what) -> None:
    """A record has one form; its digest is right in all of these."""
    assert difference(resealed(RECORD, old, new)) == Difference(NAME, what, line=line)


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"", 1, "the file ends here, and is not at its end"),
        (b"\n", 1, "{ should be here"),
        (b"{\n", 2, "the file ends here, and is not at its end"),
        (b"null\n", 1, "{ should be here"),
        (b"[" * 100_000, 1, "{ should be here"),
        (bytes(5000), 1, "{ should be here"),
        (b"\xef\xbb\xbf" + OPEN, 1, "{ should be here"),
        (OPEN.replace(b"\n", b"\r\n"), 1, "{ should be here"),
        (OPEN[:-1], 12, "a line feed should be behind its last line"),
        (OPEN[:-2], 12, "the file ends here, and is not at its end"),
        (OPEN[:-3], 11, "the file ends here, and is not at its end"),
        (OPEN + b"\n", 13, "it goes on behind its end"),
        (OPEN + OPEN, 13, "it goes on behind its end"),
    ],
)
def test_files_that_are_none(data, line, what) -> None:
    """Whatever it is, it is a sentence with a line."""
    assert difference(data) == Difference(NAME, what, line=line)


def test_every_cut() -> None:
    """A record that is cut anywhere is none."""
    for length in range(len(RECORD)):
        difference(RECORD[:length])


def test_no_utf8() -> None:
    """The byte is named, too."""
    place = OPEN.index(b"places")
    data = OPEN[:place] + b"\xff" + OPEN[place:]
    assert difference(data) == Difference(NAME, "this is no UTF-8", byte=place, line=5)


def test_a_digest_that_is_wrong() -> None:
    """All lines are some, but one of them was changed."""
    data = OPEN.replace(b'"places": 5', b'"places": 6')
    what = "the SHA-256 here is not that of lines 1 to 10, something there was changed"
    assert difference(data) == Difference(NAME, what, line=11)
    other = OPEN.replace(sha256(OPEN[: OPEN.index(b'  "sha256"')]).encode(), b"0" * 64)
    assert difference(other) == Difference(NAME, what, line=11)


@pytest.mark.parametrize(
    "reason", ['a "b" \\ c', "ctrl \x1f \x7f", "no\ttab\n", "ж 李 \u2028", "\x85"]
)
def test_reasons(reason) -> None:
    """Any text can be one."""
    rig = a_draw("closing")
    rig.agencies[-1].left_out = reason
    assert parse(rig.files("closing")[NAME]).parts[-1].reason == reason


def test_a_reason_that_utf8_does_not_know() -> None:
    """It is escaped, as the writer of records does it."""
    head = RECORD[: RECORD.rindex(b'  "sha256"')].replace(b"it did not", b"\\udcff it did not")
    assert parse(with_digest(head)).parts[-1].reason.startswith("\udcff it did not")


@given(st.binary(max_size=200), st.integers(0, len(RECORD)))
def test_any_bytes(data, place) -> None:
    """Never anything but a difference, wherever they stand."""
    for damaged in (data, RECORD[:place] + data, RECORD[:place] + data + RECORD[place:]):
        if damaged != RECORD:
            difference(damaged)
            difference(with_digest(damaged))
