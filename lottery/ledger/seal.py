"""What is made of a draw that has closed: ``bets.csv``, the winners, and who has theirs.

Each step ends with the draw's record being published, and begins from one. What a crash has
left of a step that was not published is made anew, with the same bytes.

Everything here may run for seconds and is made for a thread of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

from attrs import evolve

from lottery.errors import DamagedLedger
from lottery.ledger.bets_csv import RowsDigest, digest, make_bets_csv
from lottery.ledger.checked import Measure, read_checked, read_steps
from lottery.ledger.directory import DrawDirectory, never, segment_number
from lottery.ledger.fairness import number_of, read_promised
from lottery.ledger.index import Ledger
from lottery.ledger.publish import published, settle
from lottery.ledger.reading import TornTail
from lottery.ledger.record import AgencyPart, DrawRecord, SegmentDigest, publish
from lottery.ledger.salvage import salvage
from lottery.ledger.winners import whole_rows, winning_rows

_NO_ROWS = RowsDigest(0, 0, hashlib.sha256().hexdigest(), 0)


def seal(
    directory: DrawDirectory, record: DrawRecord, interrupted: Callable[[], bool] = never
) -> DrawRecord:
    """Make ``bets.csv`` of a closing draw, unless it is void, and publish all digests.

    :returns: the record in the state sealed, or void if no agency has succeeded.
    :raises DamagedLedger: if a segment is damaged, or not all is there of an agency that has
        succeeded: no number is drawn over less.
    :raises OSError: if a file cannot be read, or written; nothing is published then.
    :raises Interrupted: soon after ``interrupted()`` has become true.
    """
    _expect(record, "closing")
    ledger = Ledger(directory, interrupted)
    for part in record.succeeded:
        ledger.require(part.agency, part.bets)
    for agency in ledger.agencies:
        if record.part_of(agency) is None:
            path = str(directory.record)
            raise DamagedLedger(path, 0, f"agency {agency} has bets, and no part in the draw")
    close_segments(directory, ledger)
    crcs = {part.agency: part.crc32 for part in record.succeeded}
    if record.succeeded:
        whole, parts = make_bets_csv(ledger, directory.bets_csv, crcs)
    else:
        whole, parts = digest(ledger, crcs, None)
    sealed = evolve(
        record,
        state="sealed" if record.succeeded else "void",
        agencies=tuple(
            _sealed(part, parts.get(part.agency, _NO_ROWS), ledger) for part in record.agencies
        ),
        segments=tuple(
            ledger.digests.get(path) or _measured(path, interrupted)
            for path in directory.segments()
        ),
        bets_csv=whole if record.succeeded else None,
    )
    publish(sealed, directory.record)
    return sealed


def close_segments(directory: DrawDirectory, ledger: Ledger) -> list[TornTail]:
    """Have every segment of a draw closed and on disk; no writer may be at work any more.

    :returns: what was left out of them.
    :raises DamagedLedger: as :func:`salvage`.
    :raises OSError: if one is not known to be on disk.
    """
    torn = []
    for path, closed in ledger.closed.items():
        if closed:
            settle(path)
            continue
        tail = salvage(path, directory.number, segment_number(path))
        ledger.closed[path] = True
        if tail is not None:
            torn.append(tail)
    return torn


def draw_number(
    directory: DrawDirectory,
    record: DrawRecord,
    winning_number: int | None,
    interrupted: Callable[[], bool] = never,
) -> DrawRecord:
    """Find the winners of a sealed draw, make ``winners.csv`` of them and publish the number.

    :param winning_number: the fixed number. A draw that has promised a secret takes the one
        that is made of it instead, and reveals it.
    :raises DamagedLedger: if ``bets.csv`` is not what was sealed, or the secret not the one
        that was promised.
    :raises ValueError: if there is neither.
    :raises OSError: if a file cannot be read, or written; nothing is published then.
    :raises Interrupted: soon after ``interrupted()`` has become true.
    """
    _expect(record, "sealed")
    secret = None
    if record.commitment is not None and record.bets_csv is not None:
        secret = read_promised(directory.secret, record.commitment)
        winning_number = number_of(secret, record.bets_csv.sha256, record.nonces)
    if winning_number is None:
        raise ValueError(f"draw {record.draw} has promised no secret")
    # By their digits: what they are worth is known when all of bets.csv is read.
    winners = {b"%d" % part.agency: 0 for part in record.succeeded}
    measure = Measure()
    steps = read_checked(directory.bets_csv, record.bets_csv, interrupted)
    with published(directory.winners_csv) as out:
        for row in winning_rows(steps, winning_number):
            agency = row.partition(b",")[0]
            if agency in winners:
                winners[agency] += 1
                measure.add(row)
                out.write(row)
    drawn = evolve(
        record,
        state="drawn",
        agencies=tuple(
            evolve(part, winners=winners.get(b"%d" % part.agency)) for part in record.agencies
        ),
        winning_number=winning_number,
        winners_csv=measure.digest(sum(winners.values())),
        secret=secret,
    )
    publish(drawn, directory.record)
    return drawn


def note_delivered(
    directory: DrawDirectory, record: DrawRecord, received: Collection[int]
) -> DrawRecord:
    """Publish who has received its winners: of a drawn draw, or of a delivered one once more.

    :param received: the agencies that have; one that had received them before still has.
    :raises OSError: if it is not known to be on disk.
    """
    _expect(record, "drawn", "delivered")

    def noted(part: AgencyPart) -> AgencyPart:
        if not part.succeeded:
            return part
        return evolve(part, received=bool(part.received) or part.agency in received)

    delivered = evolve(
        record, state="delivered", agencies=tuple(noted(part) for part in record.agencies)
    )
    publish(delivered, directory.record)
    return delivered


def winners_of(
    directory: DrawDirectory,
    record: DrawRecord,
    agency: int,
    interrupted: Callable[[], bool] = never,
) -> list[bytes]:
    """Give the winning rows of an agency, without the agency, LF after each, in order.

    :raises DamagedLedger: if ``winners.csv`` is not what was published.
    :raises OSError: if it cannot be read.
    :raises Interrupted: soon after ``interrupted()`` has become true.
    """
    return _winners(directory, record, interrupted).get(b"%d" % agency, [])


def all_winners(
    directory: DrawDirectory, record: DrawRecord, interrupted: Callable[[], bool] = never
) -> dict[int, list[bytes]]:
    """Give the winning rows of all agencies that have some, each as :func:`winners_of`."""
    winners = _winners(directory, record, interrupted)
    return {int(agency): rows for agency, rows in winners.items()}


def _winners(
    directory: DrawDirectory, record: DrawRecord, interrupted: Callable[[], bool]
) -> dict[bytes, list[bytes]]:
    """Give the winning rows by the digits of their agency."""
    _expect(record, "drawn", "delivered")
    winners: dict[bytes, list[bytes]] = {}
    steps = read_checked(directory.winners_csv, record.winners_csv, interrupted)
    for text in whole_rows(steps):
        for row in text.split(b"\n")[:-1]:
            agency, _, bet = row.partition(b",")
            winners.setdefault(agency, []).append(bet + b"\n")
    return winners


def _sealed(part: AgencyPart, rows: RowsDigest, ledger: Ledger) -> AgencyPart:
    return evolve(
        part,
        bets=rows.bets,
        crc32=rows.crc32,
        nonce=ledger.standing_of(part.agency).nonce,
        bytes=rows.bytes,
        sha256=rows.sha256,
    )


def _measured(path: Path, interrupted: Callable[[], bool]) -> SegmentDigest:
    measure = Measure()
    for step in read_steps(path, interrupted):
        measure.add(step)
    return measure.segment(path.name)


def _expect(record: DrawRecord, *states: str) -> None:
    if record.state not in states:
        raise ValueError(f"draw {record.draw} is {record.state}, not {' or '.join(states)}")
