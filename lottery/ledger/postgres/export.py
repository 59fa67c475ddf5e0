"""A draw in a database as the files that it would have: ``bets.csv``, or all of them.

Everything here may run for long.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import evolve
from psycopg import Connection

from lottery.errors import DamagedLedger, SettingsError
from lottery.ledger.checked import Measure
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.postgres.connection import connect, transaction
from lottery.ledger.postgres.rows import all_rows
from lottery.ledger.publish import published
from lottery.ledger.record import DrawRecord, FileDigest, decode, publish
from lottery.ledger.seal import draw_number, note_delivered, seal
from lottery.ledger.segment import Kind, Segment, flush_directory, pack

#: What the database calls us.
_NAME: Final = "lottery export"
#: Whoever reads what is written may pause for as long as he likes, and is not gone for that: to the
#: database, the rows wait then, or all are sent and no statement follows. A program that is gone is
#: still found out, as a connection is kept alive by the systems of both sides.
_PAUSES: Final = (
    b"SET LOCAL tcp_user_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
)
#: So many bets fit into a record of a segment, however long their names are.
_BETS: Final = 200


def read_bets(dsn: str, draw: int, take: Callable[[int, Sequence[bytes]], object]) -> DrawRecord:
    """Read all bets of a draw, in whatever state it is.

    :param dsn: the connection string, with all that it does not say itself.
    :param take: is given an agency and some of its rows, LF after each, in order of both.
    :returns: the draw's record.
    :raises DamagedLedger: at the end, if these are not the bets that were sealed.
    :raises NotNow: if the database is away, or goes away on the way.
    :raises LotteryError: if it cannot be used.
    """
    measures, bets = defaultdict[int, Measure](Measure), Counter[int]()
    with closing(connect(dsn, _NAME)) as connection, transaction(connection):
        connection.execute(_PAUSES)
        record = _record(connection, draw)
        for agency, rows in all_rows(connection, draw):
            take(agency, rows)
            measures[agency].add(b"".join(rows))
            bets[agency] += len(rows)
    found = {agency: measures[agency].digest(bets[agency]) for agency in measures}
    for part in record.agencies:
        if part.bytes is not None and part.sha256 is not None:
            digest = found.pop(part.agency, Measure().digest(0))
            if digest != FileDigest(part.bets, part.bytes, part.sha256):
                raise _damage(draw, f"the bets of agency {part.agency} are not those of its record")
    if found and record.state in ("sealed", "drawn", "delivered", "void"):
        raise _damage(draw, f"agency {min(found)} has bets, and no part in it")
    return record


def make_files(dsn: str, draw: int, data_dir: Path) -> None:
    """Make the files of a draw whose number is drawn, or that is void, as a central would.

    All bets go into one segment, and from there on each step is taken once more; what comes of
    it has to be the record in the database, but for the segment.

    :param data_dir: a data directory, which is made if it is not there.
    :raises SettingsError: if the draw is not so far, or has files there already.
    :raises StartError: if the data directory cannot be used, or a central is at work in it.
    :raises DamagedLedger: if another record comes of it.
    :raises OSError: if the files cannot be written, or the database goes away; none are left
        then, and so it is for every other error.
    """
    with closing(connect(dsn, _NAME)) as connection, transaction(connection):
        record = _record(connection, draw)
    if record.state not in ("drawn", "delivered", "void"):
        sentence = f"draw {draw} is {record.state}, its files can be made once its number is drawn"
        raise SettingsError(sentence)
    data = DataDirectory(data_dir)
    data.own()
    try:
        directory = DrawDirectory(draw, data_dir / "draws" / f"{draw:06d}")
        try:
            directory.path.mkdir(mode=0o700)
        except FileExistsError:
            raise SettingsError(f"{directory.path} is there already") from None
        try:
            flush_directory(str(directory.path.parent))
            _make_segment(dsn, directory, record)
            if _made_again(directory, record) != record:
                raise _damage(draw, "the files made of it are not what its record says")
        except BaseException:
            shutil.rmtree(directory.path, ignore_errors=True)
            raise
    finally:
        data.release()


def _make_segment(dsn: str, directory: DrawDirectory, record: DrawRecord) -> None:
    """Write all bets of a draw, and the END of each agency that has succeeded."""
    segment = Segment(str(directory.segment(1)), directory.number, 1)
    indexes = Counter[int]()
    classic = {part.agency: part.dialect == "classic" for part in record.agencies}

    def take(agency: int, rows: Sequence[bytes]) -> None:
        for begin in range(0, len(rows), _BETS):
            some = rows[begin : begin + _BETS]
            first, body = indexes[agency], b"".join(some)
            speaks = classic.get(agency, False)
            segment.append(pack(Kind.ROWS, agency, first, len(some), body, 0, speaks))
            indexes[agency] += len(some)

    read_bets(dsn, directory.number, take)
    for part in record.succeeded:
        speaks = classic[part.agency]
        segment.append(pack(Kind.END, part.agency, part.bets, 0, part.nonce, 0, speaks))
    segment.close()


def _made_again(directory: DrawDirectory, record: DrawRecord) -> DrawRecord:
    """Take every step once more, up to that of a record; gives what comes of it."""
    parts = [
        evolve(part, bytes=None, sha256=None, winners=None, received=None)
        for part in record.agencies
    ]
    made = evolve(
        record, state="closing", agencies=parts, bets_csv=None, winning_number=None,
        winners_csv=None, secret=None,
    )  # fmt: skip
    publish(made, directory.record)
    made = seal(directory, made)
    if record.secret is not None:
        with published(directory.secret) as out:
            out.write(b"%s\n" % record.secret.hex().encode())
    if record.state != "void":
        made = draw_number(directory, made, record.winning_number)
    if record.state == "delivered":
        received = [part.agency for part in record.agencies if part.received]
        made = note_delivered(directory, made, received)
    return evolve(made, segments=record.segments)


def _record(connection: Connection, draw: int) -> DrawRecord:
    query = b"SELECT record FROM lottery.draw WHERE draw = %s"
    row = connection.execute(query, (draw,)).fetchone()
    if row is None:
        raise _damage(draw, "it is missing")
    record = decode(bytes(row[0] or b""), _where(draw))
    if record.draw != draw:
        raise _damage(draw, f"it has the record of draw {record.draw}")
    return record


def _where(draw: int) -> str:
    return f"draw {draw} in the database"


def _damage(draw: int, sentence: str) -> DamagedLedger:
    return DamagedLedger(_where(draw), 0, sentence)
