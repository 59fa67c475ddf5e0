"""What the draw's record has to say in each state, and which files stand beside it."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from typing import Final

from lottery.audit.differences import Differs
from lottery.audit.intake import NAME as INTAKE
from lottery.audit.record import NAME, DrawRecord, Part

BETS: Final = "bets.csv"
WINNERS: Final = "winners.csv"
KEPT: Final = "secret"

#: The states behind the seal: all files are there, and none of them changes any more.
SEALED: Final = ("sealed", "drawn", "delivered", "void")
_WITH_BETS: Final = ("sealed", "drawn", "delivered")
_WITH_WINNERS: Final = ("drawn", "delivered")
#: A file is made before the record says so, and a crash in between leaves it.
_PERHAPS: Final = {BETS: ("closing",), WINNERS: ("sealed",)}

_SEGMENT: Final = re.compile("segment-([0-9]{4,18})[.]log")


def number_of_segment(name: str) -> int | None:
    """Give the number of the segment of this name; None, if it is none of a segment."""
    match = _SEGMENT.fullmatch(name)
    number = int(match[1]) if match else 0
    return number if number and name == f"segment-{number:04d}.log" else None


def segments_among(names: Collection[str]) -> list[str]:
    """Give the names of segments, in order of their numbers."""
    numbers = {number_of_segment(name): name for name in names}
    return [name for number, name in sorted((n, name) for n, name in numbers.items() if n)]


def check_names(names: Collection[str], record: DrawRecord | None) -> None:
    """Hold the names in a draw's directory against its record.

    :param record: None if there is none, for the draw is just being made.
    :raises Differs: for the first name that belongs to nothing, or is missing.
    """
    state = record.state if record else ""
    segments = segments_among(names)
    known = {NAME, INTAKE, *segments}
    if record is not None and record.commitment is not None:
        known.add(KEPT)
        if record.secret is None and state != "void" and KEPT not in names:
            raise Differs(KEPT, "it is missing, and the record promises it")
    elif state in ("", "open"):
        known.add(KEPT)  # a crash may have left it before it was promised
    for name, states in ((BETS, _WITH_BETS), (WINNERS, _WITH_WINNERS)):
        if state in states or state in _PERHAPS[name]:
            known.add(name)
        if state in states and name not in names:
            raise Differs(name, f"it is missing, and the draw is {state}")
    if record is None and (behind := [*segments, *({INTAKE} & set(names))]):
        raise Differs(NAME, f"it is missing, and {behind[0]} is there")
    for name in sorted(names):
        if name not in known and not name.endswith(".tmp"):
            when = f" while a draw is {state}" if name in (BETS, WINNERS) and state else ""
            raise Differs(name, f"it belongs to nothing{when}")
    if record is None:
        return
    if state in SEALED:
        _check_segments_named(segments, record)
    else:
        for number, name in enumerate(segments, 1):
            if number_of_segment(name) != number:
                missing = f"segment-{number:04d}.log"
                raise Differs(missing, f"it is missing, and {name} is there")


def _check_segments_named(segments: list[str], record: DrawRecord) -> None:
    named = {each.name for each in record.segments}
    for name in segments:
        if name not in named:
            raise Differs(name, "it belongs to nothing, the record does not name it")
    for name in sorted(named.difference(segments)):
        raise Differs(name, "it is missing, and the record names it")


def check_record(record: DrawRecord, draw: int) -> None:
    """Hold the record against its own state.

    :param draw: whose record it should be.
    :raises Differs: for the first member that this state does not have, or lacks.
    """
    state, lines, parts = record.state, record.lines, record.parts

    def require(holds: bool, line: int, what: str) -> None:
        if not holds:
            raise Differs(NAME, what, line=line)

    require(record.draw == draw, lines["draw"], f"this is the record of draw {record.draw}")
    require(not parts or state != "open", lines["agencies"], "an open draw names no agencies")
    require(len(parts) <= record.places, lines["agencies"], "there are more agencies than places")
    before = -1
    for part in parts:
        require(before < part.agency, part.line, "the agencies are not in order")
        before = part.agency
        _check_part(part, state)
    some = any(part.succeeded for part in parts)
    if state == "void":
        require(not some, lines["state"], "a draw in which an agency succeeded is not void")
    if state in _WITH_BETS:
        require(some, lines["state"], f"no agency succeeded, so the draw is void, not {state}")
    sealed = state in SEALED
    require(sealed or not record.segments, lines["segments"], f"a draw that is {state} names none")
    numbers = [number_of_segment(each.name) or 0 for each in record.segments]
    in_order = all(before < number for before, number in pairwise([0, *numbers]))
    require(in_order, lines["segments"], "the names of the segments are not in order")
    for key, there, states in (
        ("bets_csv", record.bets_csv is not None, _WITH_BETS),
        ("winning_number", record.winning_number is not None, _WITH_WINNERS),
        ("winners_csv", record.winners_csv is not None, _WITH_WINNERS),
    ):
        what = f"a draw that is {state} {'has' if state in states else 'has no'} {key}"
        require(there == (state in states), lines[key], what)
    if record.commitment is not None:
        drawn = state in _WITH_WINNERS
        what = f"a draw that is {state} {'reveals' if drawn else 'does not reveal'} its secret"
        require((record.secret is not None) == drawn, lines["secret"], what)
    if record.bets_csv:
        sums = (sum(part.bets for part in parts), sum(part.size or 0 for part in parts))
        is_sum = (record.bets_csv.bets, record.bets_csv.size) == sums
        require(is_sum, lines["bets_csv"], f"the agencies have {sums[0]} bets, {sums[1]} bytes")
    if record.winners_csv:
        winners = sum(part.winners or 0 for part in parts)
        is_sum = record.winners_csv.bets == winners
        require(is_sum, lines["winners_csv"], f"the agencies have {winners} winners")


def _check_part(part: Part, state: str) -> None:
    def require(holds: bool, key: str, what: str) -> None:
        if not holds:
            what = f'"{key}" of agency {part.agency} {what}'
            raise Differs(NAME, what, line=part.line_of(key))

    ended = part.succeeded and not part.classic
    sealed = state in SEALED
    won = state in _WITH_WINNERS and part.succeeded
    delivered = state == "delivered" and part.succeeded
    require(part.succeeded == (not part.reason), "reason", "does not fit its outcome")
    require(not part.classic or part.crc32 == 0, "crc32", "must be 0 in the classic dialect")
    require(bool(part.nonce) == ended, "nonce", _must_be(ended))
    require((part.size is not None) == sealed, "bytes", _must_be(sealed))
    require((part.sha256 is not None) == sealed, "sha256", _must_be(sealed))
    require((part.winners is not None) == won, "winners", _must_be(won))
    require((part.received is not None) == delivered, "received", _must_be(delivered))


def _must_be(there: bool) -> str:
    return "must be there in this state" if there else "must not be there in this state"
