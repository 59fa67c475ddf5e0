"""What has to be true of a draw, whatever was done to the programs: ``acked <= ledger <= sent``.

Each client keeps a :class:`History` of what it sent and what it was told. The files of the draw
are read here with code of its own, written from ``docs/ledger.md``; nothing of the package is
imported.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from live import documents, run_lottery, union, winning

_HEADER: Final = struct.Struct(">4sBBxxIQIIQI")
_ROWS, _END, _HEAD, _CLOSE = 1, 2, 3, 4
_STATES: Final = ("open", "closing", "sealed", "drawn", "delivered")


@dataclass
class History:
    """What one client did and heard.

    :ivar agency: its number; None for a classic one, which is found by its rows.
    :ivar rows: all that it means to send.
    :ivar sent: so many of them it may have sent.
    :ivar acknowledged: so many of them were acknowledged to it, in whatever way.
    :ivar ended: whether it was told that its END is stored.
    :ivar winners: its winning rows as it was told them, of a classic one their documents.
    :ivar number: the winning number that it was told.
    :ivar received: whether it said that it has its winners.
    :ivar refused: the code with which it was sent away for good.
    :ivar refusals: how often it was told to send again.
    :ivar nonce: its random bytes, in hex, if they are known.
    :ivar faults: what it was told that may not be.
    """

    agency: int | None
    rows: Sequence[str]
    dialect: str = "lottery/1"
    sent: int = 0
    acknowledged: int = 0
    ended: bool = False
    winners: list[str] | None = None
    number: int | None = None
    received: bool = False
    refused: str = ""
    refusals: int = 0
    nonce: str = ""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = "" if self.winners is None else f", {len(self.winners)} winners of {self.number}"
        return (
            f"agency {self.agency} ({self.dialect}): {self.acknowledged} acknowledged of "
            f"{self.sent} sent of {len(self.rows)}, ended {self.ended}{told} {self.refused}"
        )


def draw_directory(data_dir: Path, draw: int = 1) -> Path:
    """Where the files of a draw are."""
    return data_dir / "draws" / f"{draw:06d}"


def state_of(data_dir: Path, draw: int = 1) -> str:
    """The state in a draw's record, or nothing if there is none."""
    try:
        record = json.loads((draw_directory(data_dir, draw) / "draw.json").read_bytes())
    except FileNotFoundError:
        return ""
    return str(record["state"])


def is_over(data_dir: Path, draw: int = 1) -> bool:
    """Whether a draw is delivered or void."""
    return state_of(data_dir, draw) in ("delivered", "void")


def read_record(directory: Path) -> dict[str, Any]:
    """Read a draw's record; its last line has the digest of all before it."""
    data = (directory / "draw.json").read_bytes()
    record: dict[str, Any] = json.loads(data)
    place = data.rindex(b'  "sha256": "')
    digest = hashlib.sha256(data[:place]).hexdigest()
    assert data[place:] == f'  "sha256": "{digest}"\n}}\n'.encode(), data
    return record


def rows_in_segment(data: bytes) -> Iterable[tuple[int, int, list[str]]]:
    """What the valid records of a segment say: agency, index of the first bet, rows."""
    place = 0
    while place + _HEADER.size <= len(data):
        magic, kind, _, agency, first, bets, length, _, crc = _HEADER.unpack_from(data, place)
        body = data[place + _HEADER.size : place + _HEADER.size + length]
        right = zlib.crc32(body, zlib.crc32(data[place : place + _HEADER.size - 4]))
        if magic != b"LCS1" or len(body) != length or right != crc:
            return
        if kind == _ROWS:
            rows = [row.partition(",")[2] for row in body.decode().splitlines()]
            assert len(rows) == bets, f"{bets} bets in the header, {len(rows)} in the body"
            yield agency, first, rows
        place += _HEADER.size + length


def in_segments(directory: Path) -> dict[int, list[str]]:
    """The rows of each agency as its segments have them; fails on a gap or a twice."""
    parts: dict[int, list[tuple[int, list[str]]]] = {}
    for path in sorted(directory.glob("segment-*.log")):
        for agency, first, rows in rows_in_segment(path.read_bytes()):
            parts.setdefault(agency, []).append((first, rows))
    found: dict[int, list[str]] = {}
    for agency, batches in parts.items():
        mine = found.setdefault(agency, [])
        for first, rows in sorted(batches):
            assert first == len(mine), f"agency {agency}: bet {first} follows {len(mine)} bets"
            mine += rows
    return found


def in_bets_csv(data: bytes) -> dict[int, list[str]]:
    """The rows of each agency in ``bets.csv``; fails on one that is no row."""
    found: dict[int, list[str]] = {}
    for line in data.decode().splitlines():
        agency, _, row = line.partition(",")
        assert row.count(",") == 4, f"{line!r} is no row"
        found.setdefault(int(agency), []).append(row)
    assert union(found) == data, "rows are out of order, or not divided by LF"
    return found


def stored_rows(directory: Path) -> dict[int, list[str]]:
    """What the ledger of a draw has: ``bets.csv``, which must be what the segments have."""
    found = in_segments(directory)
    if (directory / "bets.csv").exists():
        sealed = in_bets_csv((directory / "bets.csv").read_bytes())
        assert sealed == found, "bets.csv is not what the segments have"
    return found


def name_classics(histories: Iterable[History], ledger: Mapping[int, Sequence[str]]) -> None:
    """Find the number of each classic agency by its rows, which nobody else has."""
    owners = {rows[0]: agency for agency, rows in ledger.items() if rows}
    for history in histories:
        if history.agency is None and history.rows:
            history.agency = owners.get(history.rows[0])


def check_ledger(histories: Sequence[History], ledger: Mapping[int, Sequence[str]]) -> None:
    """Hold the ledger against the histories: ``acknowledged <= ledger <= sent``, in order."""
    name_classics(histories, ledger)
    faults = [f"{history}: {fault}" for history in histories for fault in history.faults]
    known = {history.agency for history in histories}
    faults += [f"agency {each} is in the ledger" for each in ledger if each not in known]
    for history in histories:
        mine = ledger.get(history.agency, ()) if history.agency is not None else ()
        if list(mine) != list(history.rows[: len(mine)]):
            faults.append(f"{history}: the ledger has other rows, or in another order")
        if len(mine) < history.acknowledged:
            faults.append(f"{history}: {len(mine)} are in the ledger, acknowledged ones are lost")
        if len(mine) > history.sent:
            faults.append(f"{history}: {len(mine)} are in the ledger, which is more than sent")
        if history.ended and len(mine) != len(history.rows):
            faults.append(f"{history}: {len(mine)} are in the ledger, though it has ended")
    assert not faults, "\n".join(faults)


def check_record(histories: Sequence[History], directory: Path) -> int | None:
    """Hold the record and the winners of a draw that is over against the histories.

    :returns: the winning number, None if the draw is void.
    """
    record, ledger = read_record(directory), stored_rows(directory)
    winners = hold_record(histories, record, ledger)
    if record["state"] == "void":
        return None
    assert (directory / "winners.csv").read_bytes() == union(winners)
    sealed = (directory / "bets.csv").read_bytes()
    assert record["bets_csv"]["sha256"] == hashlib.sha256(sealed).hexdigest()
    return int(record["winning_number"])


def hold_record(
    histories: Sequence[History], record: Mapping[str, Any], ledger: Mapping[int, Sequence[str]]
) -> dict[int, list[str]]:
    """Hold the record of a draw that is over against the histories and what is stored.

    :returns: the winning rows, recounted, of each agency that succeeded.
    """
    name_classics(histories, ledger)
    parts = {part["agency"]: part for part in record["agencies"]}
    assert list(parts) == sorted(parts)
    assert record["state"] in ("delivered", "void"), record
    succeeded = {agency for agency, part in parts.items() if part["outcome"] == "succeeded"}
    for agency, part in parts.items():
        rows = "".join(f"{agency},{row}\n" for row in ledger.get(agency, [])).encode()
        digest = (len(ledger.get(agency, [])), len(rows), hashlib.sha256(rows).hexdigest())
        assert (part["bets"], part["bytes"], part["sha256"]) == digest, part
    for history in histories:
        if history.ended:
            assert history.agency in succeeded, f"{history} is left out"
    if record["state"] == "void":
        assert not succeeded
        assert record["winning_number"] is None
        assert not any(history.winners for history in histories)
        return {}
    return _check_winners(histories, record, succeeded)


def _check_winners(
    histories: Sequence[History], record: Mapping[str, Any], succeeded: set[int]
) -> dict[int, list[str]]:
    """Recount the winners from what was sent by those who succeeded."""
    number = int(record["winning_number"])
    expected: dict[int, list[str]] = {}
    for history in histories:
        if history.agency not in succeeded:
            assert history.winners is None, f"{history} was told winners, and is left out"
            continue
        mine = expected[history.agency] = winning(history.rows, number)
        if history.winners is not None:
            told = documents(mine) if history.dialect == "classic" else mine
            assert history.winners == told, f"{history}: told {history.winners}, not {told}"
        assert history.number in (None, number), f"{history}, but {number} was drawn"
        part = next(each for each in record["agencies"] if each["agency"] == history.agency)
        assert part["winners"] == len(mine), part
        assert not history.nonce or part["nonce"] == history.nonce, part
    assert set(expected) == succeeded, f"{succeeded - set(expected)} never came"
    return expected


def check_audit(data_dir: Path) -> None:
    """``lottery audit`` finds nothing."""
    done = run_lottery("audit", data_dir)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def check_draw(histories: Sequence[History], data_dir: Path, draw: int = 1) -> int | None:
    """All of it, for a draw that is over; gives the winning number, None if it is void."""
    directory = draw_directory(data_dir, draw)
    check_ledger(histories, stored_rows(directory))
    number = check_record(histories, directory)
    check_audit(data_dir)
    return number
