"""``lottery.ledger.seal``: each step from closing to delivered, and no number over less."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from attrs import evolve
from ledger_bytes import (
    NONCE,
    after,
    batch,
    closed,
    closing,
    crc,
    draw_of,
    end,
    opened,
    part,
    row,
    rows,
    tree,
)
from ledger_disk import no_room_for

import lottery.ledger.checked as checked_module
import lottery.ledger.index as index_module
from lottery.errors import DamagedLedger
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.longwork import Interrupted
from lottery.ledger.record import AgencyPart, DrawRecord, FileDigest, SegmentDigest
from lottery.ledger.salvage import examine
from lottery.ledger.seal import (
    all_winners,
    draw_number,
    note_delivered,
    seal,
    winners_of,
)

NOTHING = hashlib.sha256().hexdigest()

# Bet 4 of each agency has the number 4; agency 12 is left out.
SEGMENTS = [
    closed(
        1,
        batch(3, 0, 3),
        batch(10, 0, 6, classic=True),
        end(10, 6, nonce=b""),
        batch(12, 0, 5),
        end(4, 0),
    ),
    closed(2, batch(3, 3, 4), end(3, 7)),
]
PARTS = [
    part(3, 7),
    part(10, 6, dialect="classic"),
    part(12, 4, "left_out"),
    part(4, 0),
    part(9, 0, "left_out"),
]
BETS_CSV = rows(3, 0, 7) + rows(10, 0, 6) + rows(12, 0, 5)
WINNERS_CSV = row(3, 4) + row(10, 4)


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def bet(agency: int, index: int) -> bytes:
    """A row without its agency."""
    return row(agency, index).partition(b",")[2]


@pytest.fixture
def draw(tmp_path: Path) -> DrawDirectory:
    """A draw that is closing."""
    return draw_of(tmp_path, *SEGMENTS)


@pytest.fixture
def record(draw: DrawDirectory) -> DrawRecord:
    """Its record."""
    return closing(draw, *PARTS)


def test_seal(draw: DrawDirectory, record: DrawRecord) -> None:
    """All bets in one file, and the digests of all there is in the record."""
    sealed = seal(draw, record)
    assert draw.read() == sealed
    assert draw.bets_csv.read_bytes() == BETS_CSV
    made = {
        3: (7, crc(3, 7), NONCE, rows(3, 0, 7)),
        4: (0, 0, NONCE, b""),
        9: (0, 0, b"", b""),
        10: (6, 0, b"", rows(10, 0, 6)),
        12: (5, crc(12, 5), b"", rows(12, 0, 5)),
    }
    assert sealed == evolve(
        record,
        state="sealed",
        agencies=[
            evolve(
                each,
                bets=made[each.agency][0],
                crc32=made[each.agency][1],
                nonce=made[each.agency][2],
                bytes=len(made[each.agency][3]),
                sha256=sha256(made[each.agency][3]),
            )
            for each in record.agencies
        ],
        segments=tuple(
            SegmentDigest(f"segment-000{at}.log", len(content), sha256(content))
            for at, content in enumerate(SEGMENTS, 1)
        ),
        bets_csv=FileDigest(18, len(BETS_CSV), sha256(BETS_CSV)),
    )


def test_draw_and_deliver(draw: DrawDirectory, record: DrawRecord) -> None:
    """The winners of those who succeeded, in the form of bets.csv; who has them is noted."""
    sealed = seal(draw, record)
    drawn = draw_number(draw, sealed, 4)
    assert draw.read() == drawn
    assert draw.winners_csv.read_bytes() == WINNERS_CSV
    assert drawn == evolve(
        sealed,
        state="drawn",
        agencies=[
            evolve(each, winners={3: 1, 4: 0, 10: 1}.get(each.agency)) for each in sealed.agencies
        ],
        winning_number=4,
        winners_csv=FileDigest(2, len(WINNERS_CSV), sha256(WINNERS_CSV)),
    )
    delivered = note_delivered(draw, drawn, {3, 12})
    assert draw.read() == delivered
    received = {3: True, 4: False, 10: False}
    assert delivered == evolve(
        drawn,
        state="delivered",
        agencies=[evolve(each, received=received.get(each.agency)) for each in drawn.agencies],
    )
    later = note_delivered(draw, delivered, [10])
    assert [each.received for each in later.agencies] == [True, False, None, True, None]
    assert draw.read() == later


def test_winners(draw: DrawDirectory, record: DrawRecord) -> None:
    """Rows without their agency, of each agency its own and no other."""
    drawn = draw_number(draw, seal(draw, record), 4)
    for told in (drawn, note_delivered(draw, drawn, {3})):
        assert all_winners(draw, told) == {3: [bet(3, 4)], 10: [bet(10, 4)]}
        assert winners_of(draw, told, 10) == [bet(10, 4)]
        assert winners_of(draw, told, 3) == [bet(3, 4)]
        for agency in (0, 1, 4, 12, 30, 31):
            assert winners_of(draw, told, agency) == []


def test_nobody_has_won(draw: DrawDirectory, record: DrawRecord) -> None:
    """An empty file, and noughts."""
    drawn = draw_number(draw, seal(draw, record), 9999)
    assert draw.winners_csv.read_bytes() == b""
    assert drawn.winners_csv == FileDigest(0, 0, NOTHING)
    assert [each.winners for each in drawn.succeeded] == [0, 0, 0]
    assert all_winners(draw, drawn) == {}


def test_void(draw: DrawDirectory) -> None:
    """If nobody has succeeded there is no bets.csv, but all the digests."""
    record = closing(draw, *(evolve(each, outcome="left_out", reason="x") for each in PARTS))
    void = seal(draw, record)
    assert (void.state, void.bets_csv) == ("void", None)
    assert draw.read() == void
    assert not draw.bets_csv.exists()
    assert [each.bytes for each in void.agencies] == [
        len(rows(3, 0, 7)),
        0,
        0,
        len(rows(10, 0, 6)),
        len(rows(12, 0, 5)),
    ]
    assert void.agencies[0].sha256 == sha256(rows(3, 0, 7))
    assert [each.bytes for each in void.segments] == [len(content) for content in SEGMENTS]


def test_void_without_anything(tmp_path: Path) -> None:
    """Nobody came at all."""
    draw = draw_of(tmp_path)
    void = seal(draw, closing(draw))
    assert (void.state, void.agencies, void.segments) == ("void", (), ())


def test_what_a_crash_has_left_is_made_anew(draw: DrawDirectory, record: DrawRecord) -> None:
    """Files of a step that was not published: the same bytes as without a crash."""
    for path in (draw.bets_csv, draw.winners_csv, draw.record):
        path.with_name(path.name + ".tmp").write_bytes(bytes(99_999))
    draw.bets_csv.write_bytes(b"half")
    draw.winners_csv.write_bytes(b"other")
    drawn = draw_number(draw, seal(draw, record), 4)
    again = draw_number(draw, seal(draw, closing(draw, *PARTS)), 4)
    assert again == drawn
    assert draw.bets_csv.read_bytes() == BETS_CSV
    assert draw.winners_csv.read_bytes() == WINNERS_CSV
    assert len(list(draw.path.iterdir())) == 5


def test_order_of_publication(
    draw: DrawDirectory, record: DrawRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments are on disk before bets.csv is made, bets.csv before the record speaks of it."""
    steps: list[str] = []
    true_rename = os.rename

    def flush(fd: int) -> None:
        steps.append(f"flush {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")

    def rename(old: Path, new: Path) -> None:
        steps.append(f"rename {new.name}")
        true_rename(old, new)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "rename", rename)
    sealed = seal(draw, record)
    draw_number(draw, sealed, 4)

    def publication(name: str) -> list[str]:
        return [f"flush {name}.tmp", f"rename {name}", "flush 000001"]

    assert steps == [
        *("flush segment-0001.log", "flush 000001", "flush segment-0002.log", "flush 000001"),
        *publication("bets.csv"),
        *publication("draw.json"),
        *publication("winners.csv"),
        *publication("draw.json"),
    ]


def test_segments_that_are_not_closed_are(tmp_path: Path) -> None:
    """A writer that had no room for its CLOSE: it is there before the digest is taken."""
    torn = opened(1, batch(1, 0, 2), end(1, 2))
    draw = draw_of(tmp_path, torn + b"LCS1", b"")
    sealed = seal(draw, closing(draw, part(1, 2)))
    assert draw.segment(1).read_bytes() == closed(1, batch(1, 0, 2), end(1, 2))
    assert draw.segment(2).read_bytes() == closed(2)
    for number in (1, 2):
        assert examine(draw.segment(number), 1, number).closed
    assert sealed.segments[0].sha256 == sha256(draw.segment(1).read_bytes())
    assert sealed.bets_csv is not None
    assert sealed.bets_csv.bets == 2


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([part(3, 8), *PARTS[1:]], "agency 3 has ended with 8 bets, 7 are found"),
        ([*PARTS[:2], part(12, 5), *PARTS[3:]], "agency 12 has ended with 5 bets, 5 are found"),
        ([*PARTS[:4], part(9, 0)], "agency 9 has ended with 0 bets, 0 are found"),
        (PARTS[1:], "agency 3 has bets, and no part in the draw"),
        ([*PARTS[:3], PARTS[4]], "agency 4 has bets, and no part in the draw"),
    ],
)
def test_nothing_is_sealed_over_less(
    draw: DrawDirectory, parts: list[AgencyPart], sentence: str
) -> None:
    """All bets and the END of all who succeeded have to be there; and nothing of others."""
    record = closing(draw, *parts)
    before = tree(draw.path)
    with pytest.raises(DamagedLedger, match=sentence):
        seal(draw, record)
    assert tree(draw.path) == before


def test_damaged_segment(draw: DrawDirectory, record: DrawRecord) -> None:
    """It is named with its place, and nothing is made."""
    content = bytearray(SEGMENTS[1])
    content[50] ^= 1
    draw.segment(2).write_bytes(bytes(content))
    before = tree(draw.path)
    with pytest.raises(DamagedLedger) as error:
        seal(draw, record)
    assert (error.value.path, error.value.offset) == (str(draw.segment(2)), 40)
    assert tree(draw.path) == before


@pytest.mark.parametrize(
    "damaged", [b"", BETS_CSV[:-1], BETS_CSV + b"x", BETS_CSV.replace(b"Gil", b"Gel", 1), b"x,4\n"]
)
def test_bets_csv_is_checked_while_it_is_read(
    draw: DrawDirectory, record: DrawRecord, damaged: bytes
) -> None:
    """No number is drawn over other bytes than were sealed."""
    sealed = seal(draw, record)
    draw.bets_csv.write_bytes(damaged)
    before = tree(draw.path)
    with pytest.raises(
        DamagedLedger, match=r"its SHA-256 is another one than draw\.json says"
    ) as error:
        draw_number(draw, sealed, 4)
    assert error.value.path == str(draw.bets_csv)
    assert tree(draw.path) == before
    draw.bets_csv.unlink()
    with pytest.raises(DamagedLedger, match="it is missing"):
        draw_number(draw, sealed, 4)


@pytest.mark.parametrize(
    "damaged", [b"", WINNERS_CSV[:-1], WINNERS_CSV.replace(b"3,", b"4,", 1), b"x\n", row(12, 4)]
)
def test_winners_csv_is_checked_before_anything_is_told(
    draw: DrawDirectory, record: DrawRecord, damaged: bytes
) -> None:
    """Nobody is told winners that were not published."""
    drawn = draw_number(draw, seal(draw, record), 4)
    draw.winners_csv.write_bytes(damaged)
    for look in (lambda: all_winners(draw, drawn), lambda: winners_of(draw, drawn, 3)):
        with pytest.raises(DamagedLedger, match=r"its SHA-256 is another one than draw\.json says"):
            look()
    draw.winners_csv.unlink()
    with pytest.raises(DamagedLedger, match="it is missing"):
        all_winners(draw, drawn)


def test_each_step_follows_the_one_before(draw: DrawDirectory, record: DrawRecord) -> None:
    """A step from anywhere else is a bug of the caller's; a number is never drawn twice."""
    sealed = seal(draw, record)
    drawn = draw_number(draw, sealed, 4)
    delivered = note_delivered(draw, drawn, [])
    for wrong in (sealed, drawn, delivered):
        with pytest.raises(ValueError, match="not closing"):
            seal(draw, wrong)
    for wrong in (record, drawn, delivered):
        with pytest.raises(ValueError, match="not sealed"):
            draw_number(draw, wrong, 5)
    for wrong in (record, sealed):
        with pytest.raises(ValueError, match="not drawn or delivered"):
            note_delivered(draw, wrong, [])
        with pytest.raises(ValueError, match="not drawn or delivered"):
            all_winners(draw, wrong)
    assert draw.read() == delivered


def test_full_disk(
    draw: DrawDirectory, record: DrawRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left behind, and when there is room it is done as if nothing had been."""
    sealed = evolve(seal(draw, record))
    for path in tree(draw.path):
        if not path.startswith("segment"):
            (draw.path / path).unlink()
    closing(draw, *PARTS)
    before = tree(draw.path)
    for name in ("bets.csv", "draw.json"):
        with no_room_for(draw.path / name), pytest.raises(OSError) as error:
            seal(draw, record)
        assert error.value.errno == errno.ENOSPC
        draw.bets_csv.unlink(missing_ok=True)
        assert tree(draw.path) == before
    assert seal(draw, record) == sealed


def test_interrupted(
    draw: DrawDirectory, record: DrawRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever somebody asks for it, the work is left without a trace that matters."""
    monkeypatch.setattr(checked_module, "_STEP_BYTES", 20)
    monkeypatch.setattr(index_module, "_COPY_BYTES", 20)
    calls = 0
    while True:
        try:
            sealed = seal(draw, record, after(calls))
            break
        except Interrupted:
            calls += 1
            assert draw.read() == record
            assert not draw.temporaries()
    assert calls > 5
    calls = 0
    while True:
        try:
            drawn = draw_number(draw, sealed, 4, after(calls))
            break
        except Interrupted:
            calls += 1
            assert draw.read() == sealed
            assert not draw.winners_csv.exists()
            assert not draw.temporaries()
    assert calls > 10
    with pytest.raises(Interrupted):
        all_winners(draw, drawn, after(1))
    with pytest.raises(Interrupted):
        winners_of(draw, drawn, 3, after(1))
