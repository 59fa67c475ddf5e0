"""Draws that were stored in a database, one in every state, without a central.

The agencies and their rows are those of ``audit_rig``; the ledger's own face stores them, as
writers and centrals would. The same bets can be stored in files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from zlib import crc32

from audit_rig import WINNING_NUMBER, AgencyRig, rows_of

from lottery.ledger.directory import DataDirectory, never
from lottery.ledger.entry import Entry, segment_store
from lottery.ledger.face import Unfinished
from lottery.ledger.postgres.connection import checked_dsn
from lottery.ledger.postgres.database import DatabaseLedgers
from lottery.ledger.postgres.store import DatabaseStore
from lottery.ledger.segment import Kind

#: The state of each draw, by its number from 1 up; all but one have a random number.
STATES: Final = ("delivered", "drawn", "sealed", "closing", "void", "open")
FIXED: Final = 2
LATE: Final = "it did not come back within 30 s, très tard"
#: The number of the agency that is left out.
LEFT_OUT: Final = 4_000_000_000
_PLACES: Final = 5
_BATCH: Final = 4


def agencies_of(draw: int) -> list[AgencyRig]:
    """One, a classic one, one without bets, and one that is left out; in a void draw all are."""
    void = LATE if STATES[draw - 1] == "void" else ""
    return [
        AgencyRig(1, rows_of(1, 13, seed=draw), left_out=void),
        AgencyRig(2, rows_of(2, 9, seed=draw, winners=2), classic=True, left_out=void),
        AgencyRig(7, [], left_out=void),
        AgencyRig(LEFT_OUT, rows_of(3, 6, seed=draw), left_out=LATE),
    ]


def entries_of(agency: AgencyRig) -> Iterator[Entry]:
    """All that a writer stores of an agency."""
    number, classic, crc = agency.agency, agency.classic, 0
    for first in range(0, len(agency.rows), _BATCH):
        rows = agency.rows[first : first + _BATCH]
        body = "".join(f"{number},{row}\n" for row in rows).encode()
        crc = 0 if classic else crc32("".join(f"{row}\n" for row in rows).encode(), crc)
        yield Entry(Kind.ROWS, number, first, len(rows), body, crc, classic, 1)
    if not agency.left_out:
        yield Entry(Kind.END, number, len(agency.rows), 0, agency.nonce, crc, classic, 1)


def store_draws(dsn: str) -> None:
    """Store a draw in every state in an empty database."""
    for draw in range(1, len(STATES) + 1):
        ledgers = DatabaseLedgers(dsn, provable=draw != FIXED)
        try:
            ledgers.own(never)
            unfinished = ledgers.open(_PLACES)
            assert unfinished.ledger.number == draw
            _store(dsn, unfinished)
            _go_on(unfinished, STATES[draw - 1])
        finally:
            ledgers.release()


def store_in_files(data_dir: Path, draw: int) -> None:
    """Store the bets of one of these draws in files, in a draw that stays open.

    They come in another order, and at two writers.
    """
    data = DataDirectory(data_dir)
    data.own()
    try:
        directory = data.new_draw(_PLACES)
        stores = [segment_store(str(directory.segment(at)), 1, at, 0) for at in (1, 2)]
        for at, agency in enumerate(reversed(agencies_of(draw))):
            stores[at % 2].append(list(entries_of(agency)))
        for store in stores:
            store.close()
    finally:
        data.release()


def _store(dsn: str, unfinished: Unfinished) -> None:
    number, shared = unfinished.ledger.number, unfinished.ledger.shared
    assert shared is not None
    with closing(DatabaseStore(checked_dsn(dsn), number)) as store:
        for agency in agencies_of(number):
            if agency.classic:
                came = shared.enter_classic("one", [1], 1)
            else:
                came = shared.enter(agency.agency)
            assert came.agency == agency.agency
            for entry in entries_of(agency):
                store.append([entry])
            if agency.left_out and STATES[number - 1] != "open":
                shared.leave_out(agency.agency, 1, agency.left_out)


def _go_on(unfinished: Unfinished, state: str) -> None:
    ledger, record = unfinished.ledger, unfinished.record
    if state != "open":
        record = ledger.close(record)
    if state not in ("open", "closing"):
        record = ledger.seal(record, never)
    if state in ("drawn", "delivered"):
        record = ledger.draw_number(record, WINNING_NUMBER, never)
    if state == "delivered":
        record = ledger.note_delivered(record, [1])
    assert record.state == state
