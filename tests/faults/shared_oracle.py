"""What has to be true of a draw in a database that centrals share: as ``oracle``, of its tables.

They are read here with statements of their own, written from the page about the ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from live import union
from oracle import History, check_ledger, hold_record
from postgres_client import query

_BETS: Final = """
SELECT agency, index, concat_ws(',', first_name, last_name, document, birthdate, number)
FROM lottery.bet WHERE draw = %s ORDER BY agency, index
"""
_BATCHES: Final = """
SELECT agency, first, bets FROM lottery.batch WHERE draw = %s ORDER BY agency, first
"""
_PARTS: Final = """
SELECT agency, ended, bets, left_out FROM lottery.part WHERE draw = %s ORDER BY agency
"""


def stored_in(dsn: str, draw: int = 1) -> dict[int, list[str]]:
    """The rows of each agency; fails on a gap, a twice, or batches that say something else."""
    found: dict[int, list[str]] = {}
    for agency, index, row in query(dsn, _BETS, draw):
        mine = found.setdefault(agency, [])
        assert index == len(mine), f"agency {agency}: bet {index} follows {len(mine)} bets"
        mine.append(row)
    ends: dict[int, int] = {}
    for agency, first, bets in query(dsn, _BATCHES, draw):
        assert first == ends.get(agency, 0), f"agency {agency}: a batch at {first}, {ends}"
        ends[agency] = first + bets
    assert ends == {agency: len(rows) for agency, rows in found.items()}
    return found


def record_in(dsn: str, draw: int = 1) -> dict[str, Any]:
    """A draw's record; its last line has the digest of all before it."""
    ((state, data),) = query(dsn, "SELECT state, record FROM lottery.draw WHERE draw = %s", draw)
    record: dict[str, Any] = json.loads(data)
    place = data.rindex(b'  "sha256": "')
    digest = hashlib.sha256(data[:place]).hexdigest()
    assert data[place:] == f'  "sha256": "{digest}"\n}}\n'.encode(), data
    assert record["state"] == state
    return record


def check_shared_draw(histories: Sequence[History], dsn: str, draw: int = 1) -> int | None:
    """All of it, for a draw that is over; gives the winning number, None if it is void."""
    ledger, record = stored_in(dsn, draw), record_in(dsn, draw)
    check_ledger(histories, ledger)
    winners = hold_record(histories, record, ledger)
    _check_parts(record, dsn, draw)
    if record["state"] == "void":
        return None
    for name, rows in {"bets_csv": ledger, "winners_csv": winners}.items():
        assert record[name]["sha256"] == hashlib.sha256(union(rows)).hexdigest(), name
    return int(record["winning_number"])


def _check_parts(record: Mapping[str, Any], dsn: str, draw: int) -> None:
    """Hold the table of the parts against the record that was made of it."""
    told = [
        (part["agency"], part["outcome"] == "succeeded", part["bets"], part["reason"] or None)
        for part in record["agencies"]
    ]
    assert query(dsn, _PARTS, draw) == told
