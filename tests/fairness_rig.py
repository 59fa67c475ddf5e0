"""A draw whose number is random, and ways to change what it was made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from attrs import evolve
from audit_rig import sealed_json, sha256
from ledger_bytes import batch, closed, end, part

from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.record import publish
from lottery.ledger.seal import draw_number, seal

Harm = Callable[[DrawDirectory], None]


def random_draw(data: Path) -> DrawDirectory:
    """A draw that is drawn, the only one of a data directory; agencies 2 and 3 gave bytes."""
    (data / "draws").mkdir()
    draw = DataDirectory(data, provable=True).new_draw(5)
    records = (batch(3, 0, 3), batch(10, 0, 6, classic=True), end(10, 6, nonce=b""))
    draw.segment(1).write_bytes(closed(1, *records, batch(12, 0, 5), end(3, 3), end(2, 0)))
    parts = (part(3, 3), part(10, 6, dialect="classic"), part(12, 4, "left_out"), part(2, 0))
    record = evolve(draw.read(), state="closing", agencies=parts)
    publish(record, draw.record)
    draw_number(draw, seal(draw, record), None)
    return draw


def rewritten(change: Callable[[dict[str, object]], None]) -> Harm:
    """Change the record, and give it the digest that belongs to it."""

    def harm(draw: DrawDirectory) -> None:
        members = json.loads(draw.record.read_text(encoding="utf-8"))
        del members["sha256"]
        change(members)
        draw.record.write_bytes(sealed_json(members))

    return harm


def another_number(members: dict[str, object]) -> None:
    members["winning_number"] = (int(str(members["winning_number"])) + 1) % 10_000


def another_secret(members: dict[str, object]) -> None:
    members["secret"] = "ab" * 32


def another_secret_and_promise(members: dict[str, object]) -> None:
    members["secret"] = "ab" * 32
    members["commitment"] = sha256(b"\xab" * 32)


def another_nonce(members: dict[str, object]) -> None:
    parts = members["agencies"]
    assert isinstance(parts, list)
    parts[1]["nonce"] = "ab" * 32


def another_bet(draw: DrawDirectory) -> None:
    draw.bets_csv.write_bytes(draw.bets_csv.read_bytes().replace(b"\n3,", b"\n2,", 1))


#: By name: the harm, what the script of the page says of it, and what the audit.
HARMS: dict[str, tuple[Harm, str, str]] = {
    "number": (rewritten(another_number), "the number should be", "nonces give"),
    "secret": (rewritten(another_secret), "not the one that was promised", "that of secret"),
    "promise": (rewritten(another_secret_and_promise), "should be", "not the one promised"),
    "nonce": (rewritten(another_nonce), "the number should be", "nonces give"),
    "ledger": (another_bet, "not what was sealed", "bets.csv"),
}  # fmt: skip
