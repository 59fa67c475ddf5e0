"""``lottery.audit.states``: what a record has to say in each state, and what stands beside it."""

from __future__ import annotations

from typing import Any

import pytest
from audit_rig import STATES, a_draw, sealed_json

from lottery.audit.differences import Difference, Differs
from lottery.audit.record import NAME, DrawRecord, parse
from lottery.audit.states import check_names, check_record, number_of_segment, segments_among


def members_of(state: str) -> dict[str, Any]:
    """The members of a record in this state."""
    rig = a_draw(state)
    return rig.members(state, rig.files(state))


def record_of(state: str) -> DrawRecord:
    """A record in this state."""
    return parse(sealed_json(members_of(state)))


def changed(members: dict[str, Any], path: tuple[Any, ...], value: object) -> DrawRecord:
    """A record in which one member is another one."""
    inner = members
    for key in path[:-1]:
        inner = inner[key]
    assert inner[path[-1]] != value
    inner[path[-1]] = value
    return parse(sealed_json(members))


@pytest.mark.parametrize("state", STATES)
def test_every_state(state) -> None:
    """Each has its record and its files."""
    check_record(record_of(state), 1)
    check_names(a_draw(state).files(state), record_of(state))


def test_of_another_draw() -> None:
    """A record says whose it is."""
    with pytest.raises(Differs) as raised:
        check_record(record_of("open"), 2)
    assert raised.value.difference == Difference(NAME, "this is the record of draw 1", line=3)


FILE = {"bets": 0, "bytes": 0, "sha256": "0" * 64}
SEGMENT = {"name": "segment-0009.log", "bytes": 0, "sha256": "0" * 64}
DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("state", "path", "value", "what"),
    [
        ("open", ("segments",), [SEGMENT], "a draw that is open names none"),
        ("open", ("bets_csv",), FILE, "a draw that is open has no bets_csv"),
        ("open", ("winning_number",), 7, "a draw that is open has no winning_number"),
        ("open", ("winners_csv",), FILE, "a draw that is open has no winners_csv"),
        ("closing", ("state",), "open", "an open draw names no agencies"),
        ("closing", ("segments",), [SEGMENT], "a draw that is closing names none"),
        ("closing", ("bets_csv",), FILE, "a draw that is closing has no bets_csv"),
        ("closing", ("places",), 3, "there are more agencies than places"),
        ("sealed", ("agencies", 1, "agency"), 1, "the agencies are not in order"),
        ("sealed", ("agencies", 1, "agency"), 9, "the agencies are not in order"),
        ("sealed", ("segments", 0, "name"), "segment-0002.log",
         "the names of the segments are not in order"),
        ("sealed", ("segments", 0, "name"), "x", "the names of the segments are not in order"),
        ("sealed", ("segments", 0, "name"), "segment-00001.log",
         "the names of the segments are not in order"),
        ("sealed", ("state",), "void", "a draw in which an agency succeeded is not void"),
        ("void", ("state",), "sealed", "no agency succeeded, so the draw is void, not sealed"),
        ("void", ("bets_csv",), FILE, "a draw that is void has no bets_csv"),
        ("void", ("winning_number",), 7, "a draw that is void has no winning_number"),
        ("sealed", ("bets_csv",), None, "a draw that is sealed has bets_csv"),
        ("sealed", ("winning_number",), 7, "a draw that is sealed has no winning_number"),
        ("drawn", ("winning_number",), None, "a draw that is drawn has winning_number"),
        ("drawn", ("winners_csv",), None, "a draw that is drawn has winners_csv"),
        ("drawn", ("bets_csv", "bets"), 1, "the agencies have 34 bets, "),
        ("drawn", ("bets_csv", "bytes"), 1, "the agencies have 34 bets, "),
        ("drawn", ("winners_csv", "bets"), 1, "the agencies have 3 winners"),
        ("drawn", ("agencies", 0, "reason"), "x",
         '"reason" of agency 1 does not fit its outcome'),
        ("drawn", ("agencies", 3, "reason"), "",
         '"reason" of agency 4 does not fit its outcome'),
        ("drawn", ("agencies", 1, "crc32"), "00000001",
         '"crc32" of agency 2 must be 0 in the classic dialect'),
        ("drawn", ("agencies", 0, "nonce"), "",
         '"nonce" of agency 1 must be there in this state'),
        ("drawn", ("agencies", 1, "nonce"), DIGEST,
         '"nonce" of agency 2 must not be there in this state'),
        ("drawn", ("agencies", 3, "nonce"), DIGEST,
         '"nonce" of agency 4 must not be there in this state'),
        ("closing", ("agencies", 0, "bytes"), 7,
         '"bytes" of agency 1 must not be there in this state'),
        ("void", ("agencies", 0, "bytes"), None,
         '"bytes" of agency 1 must be there in this state'),
        ("closing", ("agencies", 0, "sha256"), DIGEST,
         '"sha256" of agency 1 must not be there in this state'),
        ("sealed", ("agencies", 3, "sha256"), None,
         '"sha256" of agency 4 must be there in this state'),
        ("sealed", ("agencies", 0, "winners"), 0,
         '"winners" of agency 1 must not be there in this state'),
        ("drawn", ("agencies", 0, "winners"), None,
         '"winners" of agency 1 must be there in this state'),
        ("drawn", ("agencies", 3, "winners"), 0,
         '"winners" of agency 4 must not be there in this state'),
        ("drawn", ("agencies", 0, "received"), False,
         '"received" of agency 1 must not be there in this state'),
        ("delivered", ("agencies", 0, "received"), None,
         '"received" of agency 1 must be there in this state'),
        ("delivered", ("agencies", 3, "received"), False,
         '"received" of agency 4 must not be there in this state'),
    ],
)  # fmt: skip
def test_members_that_no_state_has(state, path, value, what) -> None:
    """Each is named with its line; the digest of the record is right in all of these."""
    members = members_of(state)
    record = changed(members, path, value)
    with pytest.raises(Differs) as raised:
        check_record(record, 1)
    difference = raised.value.difference
    assert difference.file == NAME
    assert difference.what.startswith(what)
    line = sealed_json(members).decode().split("\n")[(difference.line or 0) - 1]
    arrays = ("    {", '  "segments": [', '  "agencies": [')
    assert f'"{path[0] if len(path) < 3 else path[2]}"' in line or line in arrays


@pytest.mark.parametrize("state", STATES)
def test_what_a_crash_leaves(state) -> None:
    """Temporaries stand beside the files of any state."""
    names = [*a_draw(state).files(state), "draw.json.tmp", "bets.csv.tmp", "segment-0007.log.tmp"]
    check_names(names, record_of(state))


def test_what_is_made_before_the_record_says_so() -> None:
    """A crash between the two leaves it, and the next start makes it anew."""
    check_names([*a_draw("closing").files("closing"), "bets.csv"], record_of("closing"))
    check_names([*a_draw("sealed").files("sealed"), "winners.csv"], record_of("sealed"))


@pytest.mark.parametrize(
    ("state", "name", "what"),
    [
        ("open", "bets.csv", "it belongs to nothing while a draw is open"),
        ("open", "winners.csv", "it belongs to nothing while a draw is open"),
        ("closing", "winners.csv", "it belongs to nothing while a draw is closing"),
        ("void", "bets.csv", "it belongs to nothing while a draw is void"),
        ("sealed", "segment-0003.log", "it belongs to nothing, the record does not name it"),
        ("void", "segment-0003.log", "it belongs to nothing, the record does not name it"),
        ("open", "segment-1.log", "it belongs to nothing"),
        ("open", "segment-0000.log", "it belongs to nothing"),
        ("open", "segment-00003.log", "it belongs to nothing"),
        ("open", "segment-" + "9" * 200 + ".log", "it belongs to nothing"),
        ("drawn", "notes.txt", "it belongs to nothing"),
        ("drawn", "lock", "it belongs to nothing"),
        ("drawn", "draw.json~", "it belongs to nothing"),
        ("drawn", "\udcff", "it belongs to nothing"),
    ],
)
def test_names_too_many(state, name, what) -> None:
    """Whatever belongs to nothing is named."""
    with pytest.raises(Differs) as raised:
        check_names([*a_draw(state).files(state), name], record_of(state))
    assert raised.value.difference == Difference(name, what)


@pytest.mark.parametrize(
    ("state", "name", "what"),
    [
        ("sealed", "bets.csv", "it is missing, and the draw is sealed"),
        ("delivered", "bets.csv", "it is missing, and the draw is delivered"),
        ("drawn", "winners.csv", "it is missing, and the draw is drawn"),
        ("void", "segment-0001.log", "it is missing, and the record names it"),
        ("sealed", "segment-0002.log", "it is missing, and the record names it"),
        ("open", "segment-0001.log", "it is missing, and segment-0002.log is there"),
        ("closing", "segment-0001.log", "it is missing, and segment-0002.log is there"),
    ],
)
def test_names_too_few(state, name, what) -> None:
    """So is whatever is missing."""
    names = set(a_draw(state).files(state)) - {name}
    with pytest.raises(Differs) as raised:
        check_names(names, record_of(state))
    assert raised.value.difference == Difference(name, what)


def test_without_a_record() -> None:
    """The draw is just being made, unless there is something of it."""
    check_names([], None)
    check_names(["draw.json.tmp"], None)
    for name, file, what in (
        ("segment-0001.log", NAME, "it is missing, and segment-0001.log is there"),
        ("bets.csv", "bets.csv", "it belongs to nothing"),
    ):
        with pytest.raises(Differs) as raised:
            check_names([name], None)
        assert raised.value.difference == Difference(file, what)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("segment-0001.log", 1),
        ("segment-9999.log", 9999),
        ("segment-10000.log", 10000),
        ("segment-010000.log", None),
        ("segment-0001.log.tmp", None),
        ("segment-0001-log", None),
        ("segment-\u0660\u0660\u0660\u0661.log", None),
    ],
)
def test_numbers_of_segments(name, number) -> None:
    """A number has one name only."""
    assert number_of_segment(name) == number


def test_order_of_segments() -> None:
    """By number, and 10000 is behind 9999."""
    names = ["segment-10000.log", "segment-9999.log", "bets.csv", "segment-0002.log"]
    assert segments_among(names) == ["segment-0002.log", "segment-9999.log", "segment-10000.log"]
