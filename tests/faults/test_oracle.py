"""The oracle on directories that are made here: it has nothing to say of a good one, only."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from live import made_up, union
from oracle import (
    History,
    check_ledger,
    check_record,
    draw_directory,
    in_segments,
    is_over,
    state_of,
    stored_rows,
)

ROWS = {
    1: [*made_up(3, number=7574, name="Ana"), *made_up(2, name="Eva")],
    2: made_up(4, number=42, name="Leo"),
    3: made_up(2, number=7574, name="Kai"),
}


def record_bytes(kind: int, agency: int, first: int, rows: list[str]) -> bytes:
    """A record of a segment, to the byte."""
    body = "".join(f"{agency},{row}\n" for row in rows).encode()
    header = struct.pack(">4sBBxxIQIIQ", b"LCS1", kind, 0, agency, first, len(rows), len(body), 0)
    return header + struct.pack(">I", zlib.crc32(body, zlib.crc32(header))) + body


def write_record(directory: Path, record: dict[str, Any]) -> None:
    """Write a draw's record with its digest."""
    record = {**record, "sha256": ""}
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    head = text[: text.index('  "sha256": ""\n}\n')]
    digest = hashlib.sha256(head.encode()).hexdigest()
    (directory / "draw.json").write_text(f'{head}  "sha256": "{digest}"\n}}\n')


def part(agency: int, rows: list[str], succeeded: bool, winners: int | None) -> dict[str, Any]:
    """What the record says of an agency, as far as the oracle looks at it."""
    data = union({agency: rows})
    return {
        "agency": agency,
        "outcome": "succeeded" if succeeded else "left_out",
        "bets": len(rows),
        "nonce": "",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "winners": winners,
    }


def day(tmp_path: Path) -> tuple[Path, dict[str, Any], list[History]]:
    """A draw that is delivered: agency 3 is left out with a bet less than it sent."""
    directory = draw_directory(tmp_path)
    directory.mkdir(parents=True)
    stored = {**ROWS, 3: ROWS[3][:1]}
    first = record_bytes(1, 1, 0, ROWS[1][:2]) + record_bytes(1, 3, 0, stored[3])
    second = record_bytes(1, 2, 0, ROWS[2]) + record_bytes(1, 1, 2, ROWS[1][2:])
    (directory / "segment-0001.log").write_bytes(first + b"torn")
    (directory / "segment-0002.log").write_bytes(second)
    (directory / "bets.csv").write_bytes(union(stored))
    (directory / "winners.csv").write_bytes(union({1: ROWS[1][:3]}))
    record: dict[str, Any] = {
        "state": "delivered",
        "agencies": [
            part(1, ROWS[1], True, 3),
            part(2, ROWS[2], True, 0),
            part(3, stored[3], False, None),
        ],
        "bets_csv": {"sha256": hashlib.sha256(union(stored)).hexdigest()},
        "winning_number": 7574,
    }
    write_record(directory, record)
    histories = [
        History(1, ROWS[1], sent=5, acknowledged=5, ended=True, winners=ROWS[1][:3], number=7574),
        History(2, ROWS[2], sent=4, acknowledged=4, ended=True, winners=[], number=7574),
        History(None, ROWS[3], "classic", sent=2, acknowledged=1),
    ]
    return directory, record, histories


def test_a_good_draw(tmp_path: Path) -> None:
    """Nothing is found, and the classic agency's number is."""
    directory, _, histories = day(tmp_path)
    assert is_over(tmp_path)
    check_ledger(histories, stored_rows(directory))
    assert check_record(histories, directory) == 7574
    assert histories[2].agency == 3


def test_no_record_yet(tmp_path: Path) -> None:
    """A draw without a record is not over."""
    assert state_of(tmp_path) == ""
    assert not is_over(tmp_path)


def change_history(**changes: object) -> Callable[[History], None]:
    """Change what an agency says."""

    def change(history: History) -> None:
        for name, value in changes.items():
            setattr(history, name, value)

    return change


@pytest.mark.parametrize(
    ("agency", "change", "said"),
    [
        (1, change_history(acknowledged=6), "acknowledged ones are lost"),
        (1, change_history(sent=4), "more than sent"),
        (3, change_history(acknowledged=2), "acknowledged ones are lost"),
        (3, change_history(ended=True), "though it has ended"),
        (1, change_history(rows=ROWS[1][::-1]), "other rows, or in another order"),
        (2, change_history(faults=["it lied"]), "it lied"),
        (2, change_history(agency=7), "agency 2 is in the ledger"),
    ],
)
def test_a_ledger_that_is_not_what_was_sent(
    tmp_path: Path, agency: int, change: Callable[[History], None], said: str
) -> None:
    """Lost, twice, invented, in another order: each is found."""
    directory, _, histories = day(tmp_path)
    change(histories[agency - 1])
    with pytest.raises(AssertionError, match=said):
        check_ledger(histories, stored_rows(directory))


@pytest.mark.parametrize(
    ("agency", "change"),
    [
        (1, change_history(winners=ROWS[1][:2])),
        (2, change_history(winners=ROWS[1][:3])),
        (2, change_history(number=42)),
        (3, change_history(winners=["20000000"])),
        (3, change_history(ended=True)),
        (1, change_history(nonce="ab")),
    ],
)
def test_told_otherwise(tmp_path: Path, agency: int, change: Callable[[History], None]) -> None:
    """An agency that was told other winners, another number, or that it succeeded."""
    directory, _, histories = day(tmp_path)
    change(histories[agency - 1])
    with pytest.raises(AssertionError):
        check_record(histories, directory)


def change_record(*path: str | int, to: object) -> Callable[[Path, dict[str, Any]], None]:
    """Change a value in the record, whose digest is right all the same."""

    def change(directory: Path, record: dict[str, Any]) -> None:
        changed: Any = deepcopy(record)
        place = changed
        for word in path[:-1]:
            place = place[word]
        place[path[-1]] = to
        write_record(directory, changed)

    return change


def change_file(name: str, old: bytes, new: bytes) -> Callable[[Path, dict[str, Any]], None]:
    """Change bytes of a file."""

    def change(directory: Path, _record: dict[str, Any]) -> None:
        data = (directory / name).read_bytes()
        assert old in data
        (directory / name).write_bytes(data.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    "change",
    [
        change_record("winning_number", to=42),
        change_record("state", to="drawn"),
        change_record("agencies", 1, "outcome", to="left_out"),
        change_record("agencies", 2, "outcome", to="succeeded"),
        change_record("agencies", 0, "bets", to=4),
        change_record("agencies", 0, "winners", to=2),
        change_record("agencies", 0, "sha256", to="00"),
        change_record("bets_csv", "sha256", to="00"),
        change_file("draw.json", b'"bets": 5', b'"bets": 6'),
        change_file("winners.csv", b"1,Ana", b"2,Ana"),
        change_file("bets.csv", b"1,Ana,Paz,20000000,1990-05-17,7574\n", b""),
        change_file("bets.csv", b"\n1,", b"\r\n1,"),
    ],
)
def test_files_that_do_not_agree(
    tmp_path: Path, change: Callable[[Path, dict[str, Any]], None]
) -> None:
    """Record, list and winners that say something else than the clients know."""
    directory, record, histories = day(tmp_path)
    change(directory, record)
    with pytest.raises(AssertionError):
        check_record(histories, directory)


@pytest.mark.parametrize("first", [1, 3])
def test_a_gap_or_a_twice_in_the_segments(tmp_path: Path, first: int) -> None:
    """Bets that do not follow each other over all segments are no ledger."""
    directory, _, _ = day(tmp_path)
    (directory / "segment-0002.log").write_bytes(record_bytes(1, 1, first, ROWS[1][2:]))
    with pytest.raises(AssertionError, match="follows 2 bets"):
        in_segments(directory)
