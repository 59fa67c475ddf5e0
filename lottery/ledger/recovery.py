"""Start-up: what earlier processes of the central have left, brought to where it can go on.

To do it twice changes nothing, wherever the first time was broken off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from lottery.errors import DamagedLedger, StartError
from lottery.ledger.checked import missing
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.fairness import read_promised
from lottery.ledger.index import Ledger
from lottery.ledger.publish import settle
from lottery.ledger.reading import TornTail
from lottery.ledger.record import DrawRecord, FileDigest
from lottery.ledger.salvage import salvage
from lottery.ledger.seal import close_segments
from lottery.ledger.standing import Standing

_FINISHED: Final = ("delivered", "void")


@frozen
class UnfinishedDraw:
    """A draw that is to be gone on with.

    :ivar record: which step it has reached.
    :ivar standings: by agency, what is stored; only of a draw that is open.
    :ivar torn: what was left out of its segments.
    """

    directory: DrawDirectory
    record: DrawRecord
    standings: dict[int, Standing]
    torn: list[TornTail]


@frozen
class _Found:
    directory: DrawDirectory
    record: DrawRecord | None
    ledger: Ledger | None


def recover(data: DataDirectory, places: int) -> list[UnfinishedDraw]:
    """Bring every draw that is neither delivered nor void to where it can go on.

    First all of them are examined, and nothing is touched. Then, of each draw, the segments
    are closed, what is seen of its record is made sure to be on disk, and temporary files are
    removed. A draw without a record and without anything else was not opened to the end: it
    gets its open record. A segment whose number is missing below the highest one is made,
    empty and closed: its writer was killed before it could. The last draw, if it is open and
    has no bets, has the places that are wanted now.

    :param places: how many are wanted now.
    :returns: the draws, in order.
    :raises DamagedLedger: for damage; nothing is touched then.
    :raises StartError: if numbers are to be random, and one has to be found for bets that no
        secret was promised for; nothing is touched then either.
    :raises OSError: if something cannot be read or written; another start may go on then.
    """
    draws = data.draws()
    found = [each for each in map(_examine, draws) if each is not None]
    if data.provable:
        for each in found:
            _hold_promise(each)
    for directory in draws:
        _tidy(directory)
    unfinished = [_go_on(data, each, places) for each in found]
    if unfinished and unfinished[-1].directory == draws[-1]:
        unfinished[-1] = _with_places(data, unfinished[-1], places)
    return unfinished


def unreceived(data: DataDirectory) -> dict[int, int]:
    """Give the agencies whose winners are not acknowledged, each with its latest such draw.

    Classic agencies are not among them: there is no coming back in that dialect.

    :raises DamagedLedger: if a record is damaged.
    :raises OSError: if one cannot be read.
    """
    draws: dict[int, int] = {}
    for directory in data.draws():
        record = directory.read()
        if record.state in ("drawn", "delivered"):
            for part in record.succeeded:
                if part.dialect != "classic" and not part.received:
                    draws[part.agency] = record.draw
    return draws


def _examine(directory: DrawDirectory) -> _Found | None:
    """Look at a draw and touch nothing; gives None if nothing is left to do about it."""
    if not directory.record.exists():
        made = (directory.bets_csv, directory.winners_csv, directory.intake_csv)
        if directory.segments() or any(path.exists() for path in made):
            raise missing(directory.record)
        return _Found(directory, None, None)
    record = directory.read()
    if record.state in _FINISHED:
        return None
    _hold_size(directory.bets_csv, record.bets_csv)
    _hold_size(directory.winners_csv, record.winners_csv)
    if record.commitment is not None and record.secret is None:
        read_promised(directory.secret, record.commitment)
    if record.state not in ("open", "closing"):
        return _Found(directory, record, None)
    ledger = Ledger(directory)
    for part in record.succeeded:
        ledger.require(part.agency, part.bets)
    return _Found(directory, record, ledger)


def _hold_promise(found: _Found) -> None:
    """Have no random number drawn that nobody could prove: its secret came after the bets."""
    record, ledger = found.record, found.ledger
    if record is None or record.commitment is not None or record.winning_number is not None:
        return
    has_bets = record.state == "open" and ledger is not None and bool(ledger.standings())
    if has_bets or record.succeeded:
        how = "so its number cannot be random: end it with a fixed --winning-number"
        raise StartError(f"draw {record.draw} has begun without a promised secret, {how}")


def _go_on(data: DataDirectory, found: _Found, places: int) -> UnfinishedDraw:
    directory, record, ledger = found.directory, found.record, found.ledger
    torn = []
    if ledger is not None:
        for number in range(1, directory.highest_segment()):
            path = directory.segment(number)
            if not path.exists():
                salvage(path, directory.number, number)
        torn = close_segments(directory, ledger)
    if record is None:
        data.publish_open(directory, places)
        record = directory.read()
    standings = ledger.standings() if ledger and record.state == "open" else {}
    return UnfinishedDraw(directory, record, standings, torn)


def _with_places(data: DataDirectory, draw: UnfinishedDraw, places: int) -> UnfinishedDraw:
    """Have so many places in a draw that nobody has come to; in any other they stay.

    The same holds of a number that is to be random. One that was promised stays so.
    """
    record = draw.record
    as_wanted = record.places == places and (record.commitment is not None or not data.provable)
    if record.state != "open" or draw.standings or as_wanted:
        return draw
    data.publish_open(draw.directory, places)
    return evolve(draw, record=draw.directory.read())


def _tidy(directory: DrawDirectory) -> None:
    """Remove what was never published, and have on disk what is seen of the record.

    A process that was killed may have left it seen, and not yet flushed.
    """
    for path in directory.temporaries():
        path.unlink()
    if directory.record.exists():
        settle(directory.record)
        if directory.secret.exists() and directory.read().commitment is None:
            directory.secret.unlink()  # its hash was never published


def _hold_size(path: Path, digest: FileDigest | None) -> None:
    """Hold against the record that a file is there with all its bytes.

    :raises DamagedLedger: if it is not. Its bytes are checked when it is read.
    """
    if digest is None:
        return
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise missing(path) from error
    if size != digest.bytes:
        sentence = f"it has {size} bytes, draw.json says {digest.bytes}"
        raise DamagedLedger(str(path), min(size, digest.bytes), sentence)
