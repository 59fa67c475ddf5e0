"""One draw: which check comes when, and what was found.

The order is that of the files: names, record, segments, what is made of them, and at last what
nothing relies on. The first difference ends the check, so what a check relies on has been found
in order by those before it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

from lottery.audit.copies import PartDigest, Recount, Twin, rows_of
from lottery.audit.differences import Difference, Differs
from lottery.audit.files import AuditedFile, Entry, OpenFiles, listing
from lottery.audit.findings import AgencyReport, DrawReport, Unfinished
from lottery.audit.holdings import Holding, Holdings
from lottery.audit.intake import IntakeFile
from lottery.audit.layout import HEADER_BYTES
from lottery.audit.proof import check_secret, derived_number
from lottery.audit.record import NAME, DrawRecord, Part, Sum, parse
from lottery.audit.rows import number_of
from lottery.audit.segments import Segment
from lottery.audit.states import (
    BETS,
    KEPT,
    WINNERS,
    check_names,
    check_record,
    number_of_segment,
    segments_among,
)
from lottery.audit.tails import Tail

#: A central may be at work: if files have changed since, a difference has to be found again.
_ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 0.3
#: No record is longer.
_RECORD_LIMIT: Final = 1 << 30


def audit_draw(
    path: Path,
    number: int,
    today: date,
    pause: Callable[[float], object] = time.sleep,
    in_detail: bool = False,
) -> DrawReport:
    """Check one draw.

    :param path: the draw's directory; it is only read.
    :param today: the day (UTC) that no birthdate may be after.
    :param pause: waits for so many seconds; only if files change while they are checked.
    :param in_detail: count the bets on each number, too, and keep what the record says.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(_PAUSE_SECONDS)
        check = _Check(path, number, today, Counter() if in_detail else None)
        difference = None
        try:
            check.run()
        except Differs as differs:
            difference = differs.difference
        if difference is None or not check.is_outdated():
            break
    return check.report(difference)


class _Check:
    """The check of one draw, once."""

    def __init__(self, path: Path, number: int, today: date, numbers: Counter[int] | None) -> None:
        """:param numbers: where to count the bets on each number, if that is asked for."""
        self._path = path
        self._numbers = numbers
        self._number = number
        self._today = today
        self._entries: tuple[Entry, ...] = ()
        self._sizes: dict[str, int] = {}
        self._segments: list[str] = []
        self._state = "?"
        self._record: DrawRecord | None = None
        self._holdings = Holdings()
        self._tails: list[tuple[str, Tail]] = []
        self._recount: Recount | None = None
        self._checked: list[str] = []
        self._secret: bytes | None = None
        self._counted = False
        # First of all: while a central is at work, the segments that are read later have more.
        self._intake = IntakeFile(path)

    def run(self) -> None:
        """Check all there is.

        :raises Differs: at the first difference.
        """
        self._entries = listing(self._path)
        self._sizes = {entry.name: entry.bytes for entry in self._entries}
        self._segments = segments_among(self._sizes)
        record = self._read_record()
        if record is not None:
            check_record(record, self._number)
            self._record = record
        check_names(self._sizes, record)
        if record is None:
            self._state = "new"
            return
        self._secret = check_secret(record, self._kept_secret())
        self._checked.append("record")
        sums = {each.name: each for each in record.segments}
        for name in self._segments:
            self._read_segment(name, sums.get(name))
        self._holdings.settle(self._tails)
        if record.state != "open":
            self._check_outcomes(record)
        self._checked.append("segments")
        if record.state != "open":
            self._check_copies(record)
        self._intake.check(self._bets())

    def is_outdated(self) -> bool:
        """Whether files have changed since the check began."""
        try:
            return listing(self._path) != self._entries
        except Differs:
            return False

    def _read_record(self) -> DrawRecord | None:
        if NAME not in self._sizes:
            return None
        with AuditedFile(self._path, NAME) as file:
            if file.size > _RECORD_LIMIT:
                raise Differs(NAME, f"no record has {file.size} bytes")
            record = parse(file.read(0, file.size))
        self._state = record.state
        return record

    def _kept_secret(self) -> bytes | None:
        if KEPT not in self._sizes:
            return None
        with AuditedFile(self._path, KEPT) as file:
            return file.read(0, min(file.size, 66))  # one byte more than there should be

    def _read_segment(self, name: str, expected: Sum | None) -> None:
        number = number_of_segment(name)
        assert number is not None
        with AuditedFile(self._path, name) as file:
            segment = Segment(file, self._number, number, self._today, sealed=expected is not None)
            for record in segment:
                sure = record.at + HEADER_BYTES + record.length <= self._sizes[name]
                self._holdings.add(name, record, sure)
            if expected is None:
                if segment.tail:
                    self._tails.append((name, segment.tail))
                return
            if file.size != expected.size:
                what = f"the file has {file.size} bytes, it was sealed with {expected.size}"
                raise Differs(name, what, byte=min(file.size, expected.size))
            if segment.tail:
                raise Differs(name, "the file ends within a record", byte=segment.tail.at)
            if segment.sha256 != expected.sha256:
                what = f"this is not the file that was sealed, see {NAME}, line {expected.line + 3}"
                raise Differs(name, f"{what}; each record in it checks out")

    def _check_outcomes(self, record: DrawRecord) -> None:
        """Hold the parts of the agencies against what the segments hold of them."""
        parts = {part.agency: part for part in record.parts}
        for holding in self._holdings:
            if holding.agency not in parts:
                what = f"agency {holding.agency} is here, and not in the record"
                raise Differs(holding.segment, what, byte=holding.at)
        for part in record.parts:
            _check_outcome(part, self._holdings.get(part.agency))

    def _check_copies(self, record: DrawRecord) -> None:
        """Check what is made of the segments, in one pass over their rows."""
        files = OpenFiles(self._path)
        try:
            if BETS not in self._sizes:
                self._check_parts(record, files, None, None)
                return
            with Twin(self._path, BETS) as bets:
                if WINNERS not in self._sizes:
                    self._check_parts(record, files, bets, None)
                else:
                    with Twin(self._path, WINNERS) as winners:
                        self._check_parts(record, files, bets, winners)
        finally:
            files.close()

    def _check_parts(
        self, record: DrawRecord, files: OpenFiles, bets: Twin | None, winners: Twin | None
    ) -> None:
        recount = None
        if winners:
            recount = Recount(record, self._number_drawn(record))
        for part in record.parts:
            holding = self._holdings.get(part.agency)
            digest = PartDigest(part.agency, part.classic)
            for piece in rows_of(files, holding) if holding else ():
                rows = bytes(piece)
                digest.update(rows)
                if self._numbers is not None:
                    self._numbers.update(map(number_of, rows.splitlines()))
                found = bets.expect(rows, piece.origin) if bets else b""
                if winners and recount:
                    won = recount.winning(found.splitlines(keepends=True))
                    winners.expect(b"".join(won), lambda _: f"a winner in {BETS}")
            if record.state != "closing" or part.succeeded:
                digest.check(part)
        self._counted = True
        if bets:
            bets.end(record.bets_csv)
            self._checked.append(BETS)
        if winners and recount:
            winners.end(record.winners_csv)
            recount.check(record)
            self._checked.append(WINNERS)
            self._recount = recount

    def _number_drawn(self, record: DrawRecord) -> int:
        """Give the number that the list of winners was, or should have been, made with."""
        if record.winning_number is not None:
            return record.winning_number
        if self._secret is not None:
            return derived_number(record, self._secret)
        return self._number_left()

    def _number_left(self) -> int:
        """Give the number in a list of winners that a crash has left, -1 if it is empty.

        It was made, but the record does not say so yet: all its rows have to have one number.
        """
        with AuditedFile(self._path, WINNERS) as file:
            row = file.read(0, 1024).partition(b"\n")[0]
        try:
            return number_of(row) if row else -1
        except ValueError:
            raise Differs(WINNERS, "this is no row", byte=0, line=1) from None

    def report(self, difference: Difference | None) -> DrawReport:
        """Give what was found so far."""
        record = self._record
        counted = "segments" in self._checked
        won = self._recount.winners if self._recount and record and record.winners_csv else None
        agencies = []
        if record and record.parts:
            for part in record.parts:
                winners = won.get(part.agency) if won else None
                agencies.append(_of_part(part, winners))
        elif counted:
            agencies = [_of_holding(holding) for holding in self._holdings]
        return DrawReport(
            self._number,
            self._state,
            tuple(agencies),
            self._bets() if counted else None,
            record.winning_number if record else None,
            sum(won.values()) if won is not None else None,
            len(self._segments),
            sum(self._sizes[name] for name in self._segments),
            tuple(self._checked),
            tuple(Unfinished(name, tail.at, tail.length) for name, tail in self._tails),
            difference,
            *((record, self._entries) if self._numbers is not None else (None, ())),
            self._numbers if self._counted else None,
            self._intake.shown() if self._numbers is not None else None,
        )

    def _bets(self) -> int:
        return sum(holding.bets for holding in self._holdings)


def _check_outcome(part: Part, holding: Holding | None) -> None:
    agency = part.agency
    end = holding.end if holding else None
    if holding and holding.classic != part.classic:
        what = f"agency {agency} has another dialect in {holding.segment}, byte {holding.at}"
        raise Differs(NAME, what, line=part.line_of("dialect"))
    if part.succeeded and not end:
        what = f"agency {agency} has succeeded, and its END is in no segment"
        raise Differs(NAME, what, line=part.line_of("outcome"))
    if end and not part.succeeded:
        what = f"agency {agency} has ended here, and the record leaves it out"
        raise Differs(end.segment, what, byte=end.at)
    if end and end.nonce != part.nonce:
        what = f"agency {agency} has another nonce in {end.segment}, byte {end.at}"
        raise Differs(NAME, what, line=part.line_of("nonce"))
    if part.bets > (bets := holding.bets if holding else 0):
        what = f"agency {agency} has {part.bets} bets here, {bets} in the segments"
        raise Differs(NAME, what, line=part.line_of("bets"))


def _of_part(part: Part, winners: int | None) -> AgencyReport:
    outcome = "succeeded" if part.succeeded else f"left out, {part.reason}"
    return AgencyReport(
        part.agency, part.classic, part.succeeded, outcome, part.bets, winners, part.received
    )


def _of_holding(holding: Holding) -> AgencyReport:
    ended = holding.end is not None
    outcome = "ended" if ended else "at work"
    return AgencyReport(holding.agency, holding.classic, ended, outcome, holding.bets)
