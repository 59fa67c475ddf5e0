"""``lottery.ledger.bets_csv``: the same bets give the same bytes."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from ledger_bytes import (
    NONCE,
    after,
    batch,
    closed,
    crc,
    draw_of,
    draw_of_day,
    end,
    opened,
    rows,
    stored_days,
    tree,
)

import lottery.ledger.bets_csv as bets_csv_module
import lottery.ledger.index as index_module
from lottery.ledger.bets_csv import RowsDigest, digest, make_bets_csv, write_rows
from lottery.ledger.index import Ledger
from lottery.ledger.longwork import Interrupted
from lottery.ledger.record import FileDigest
from lottery.ledger.standing import Standing


@given(stored_days())
def test_same_bets_give_same_bytes(day: tuple[dict[int, int], list[list[bytes]]]) -> None:
    """Whatever the batches, their interleaving and the number of segments, one file comes out.

    And the digests are those of its bytes, counted by hand.
    """
    bets, contents = day
    with TemporaryDirectory() as name:
        draw = draw_of_day(name, contents)
        ledger = Ledger(draw)
        whole, parts = make_bets_csv(ledger, draw.bets_csv, {})
        made = draw.bets_csv.read_bytes()
        assert digest(ledger, {}, None) == (whole, parts)
        standings = ledger.standings()
    by_agency = {agency: rows(agency, 0, total) for agency, total in sorted(bets.items())}
    assert made == b"".join(by_agency.values())
    assert whole == FileDigest(sum(bets.values()), len(made), hashlib.sha256(made).hexdigest())
    assert parts == {
        agency: RowsDigest(
            bets[agency], len(text), hashlib.sha256(text).hexdigest(), crc(agency, bets[agency])
        )
        for agency, text in by_agency.items()
    }
    assert standings == {
        agency: Standing(total, crc(agency, total), ended=True, nonce=NONCE)
        for agency, total in bets.items()
    }
    for agency, total in bets.items():
        ledger.require(agency, total)


@pytest.mark.parametrize("contents", [[], [b""], [b"", closed(2, end(4, 0))]])
def test_empty_draw(tmp_path: Path, contents: list[bytes]) -> None:
    """A draw without a bet gives an empty file."""
    draw = draw_of(tmp_path, *contents)
    whole, _ = make_bets_csv(Ledger(draw), draw.bets_csv, {})
    assert draw.bets_csv.read_bytes() == b""
    assert whole == FileDigest(0, 0, hashlib.sha256().hexdigest())
    assert draw.bets_csv.stat().st_mode & 0o7777 == 0o600


def test_write_rows(tmp_path: Path) -> None:
    """Rows go to any file; their length comes back."""
    ledger = Ledger(draw_of(tmp_path, opened(1, batch(1, 0, 3), batch(2, 0, 3))))
    with (tmp_path / "out").open("wb") as out:
        assert write_rows(ledger, out) == len(rows(1, 0, 3) + rows(2, 0, 3))
    assert (tmp_path / "out").read_bytes() == rows(1, 0, 3) + rows(2, 0, 3)


def test_interrupted_while_copying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copying is left after a step, and no temporary file stays."""
    monkeypatch.setattr(index_module, "_COPY_BYTES", 50)
    draw = draw_of(tmp_path, opened(1, batch(1, 0, 3), batch(1, 3, 3)))
    before = tree(tmp_path)
    ledger = Ledger(draw, after(2))
    with pytest.raises(Interrupted):
        make_bets_csv(ledger, draw.bets_csv, {})
    assert tree(tmp_path) == before


def test_crc_that_is_known(tmp_path: Path) -> None:
    """It is kept as it is told; the others' are computed, and the classic dialect has none."""
    stored = (batch(3, 0, 2), batch(4, 0, 2), batch(5, 0, 2, classic=True))
    ledger = Ledger(draw_of(tmp_path, opened(1, *stored)))
    _, parts = digest(ledger, {3: 7}, None)
    assert {agency: part.crc32 for agency, part in parts.items()} == {3: 7, 4: crc(4, 2), 5: 0}


def test_flushed_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the flush at the end finds little left."""
    monkeypatch.setattr(index_module, "_COPY_BYTES", 50)
    monkeypatch.setattr(bets_csv_module, "_FLUSH_BYTES", 100)
    draw = draw_of(tmp_path, opened(1, *(batch(1, 3 * at, 3) for at in range(6))))
    flushed: list[str] = []
    monkeypatch.setattr(
        os, "fdatasync", lambda fd: flushed.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
    )
    make_bets_csv(Ledger(draw), draw.bets_csv, {})
    assert flushed == ["bets.csv.tmp"] * 3
    assert draw.bets_csv.read_bytes() == rows(1, 0, 18)


def test_a_flush_meanwhile_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is published: what the disk holds is not known any more."""
    monkeypatch.setattr(bets_csv_module, "_FLUSH_BYTES", 1)
    draw = draw_of(tmp_path, opened(1, batch(1, 0, 3)))
    before = tree(tmp_path)

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    ledger = Ledger(draw)
    with pytest.raises(OSError, match="Input/output error"):
        make_bets_csv(ledger, draw.bets_csv, {})
    assert tree(tmp_path) == before
