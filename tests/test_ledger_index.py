"""``lottery.ledger.index``: all segments as one, and no gap goes unseen."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    row,
    rows,
    stored_days,
    tree,
)

import lottery.ledger.index as index_module
from lottery.errors import DamagedLedger, LotteryError
from lottery.ledger.directory import DrawDirectory, never
from lottery.ledger.index import Ledger
from lottery.ledger.longwork import Interrupted
from lottery.ledger.reading import TornTail
from lottery.ledger.segment import Kind, pack
from lottery.ledger.standing import Standing


def all_rows(ledger: Ledger) -> bytes:
    """The rows in one piece."""
    return b"".join(ledger.rows())


def damage(draw: DrawDirectory) -> tuple[str, int, str]:
    """Read a damaged ledger; gives the segment, the place and the sentence."""
    with pytest.raises(DamagedLedger) as error:
        Ledger(draw)
    begin = f"{error.value.path} is damaged at byte {error.value.offset}, "
    sentence = str(error.value).removeprefix(begin)
    return Path(error.value.path).name, error.value.offset, sentence


def test_order_of_agency_then_index(tmp_path: Path) -> None:
    """Agencies by their number, not its text; bets by index, wherever they were stored."""
    draw = draw_of(
        tmp_path,
        opened(1, batch(10, 0, 3), batch(9, 2, 1), batch(10, 3, 1)),
        closed(2, batch(9, 0, 2), batch(0, 0, 1), batch(2**32 - 1, 0, 1), end(9, 3)),
    )
    before = tree(tmp_path)
    ledger = Ledger(draw)
    expected = [(0, 1), (9, 3), (10, 4), (2**32 - 1, 1)]
    assert all_rows(ledger) == b"".join(rows(agency, 0, bets) for agency, bets in expected)
    assert ledger.agencies == [agency for agency, _ in expected]
    assert [(agency, ledger.bets_of(agency)) for agency in ledger.agencies] == expected
    assert ledger.bets_of(1) == 0
    assert list(ledger.rows_of(1)) == []
    assert ledger.torn == []
    assert ledger.closed == {draw.segment(1): False, draw.segment(2): True}
    assert tree(tmp_path) == before


def test_standings(tmp_path: Path) -> None:
    """How much of each agency is stored; a classic one has no CRC-32."""
    draw = draw_of(
        tmp_path,
        closed(1, batch(1, 0, 2), batch(4, 0, 3, classic=True), batch(1, 5, 1), end(2, 0)),
        opened(2, batch(1, 2, 3), end(4, 3, nonce=b"")),
    )
    ledger = Ledger(draw)
    assert ledger.standings() == {
        1: Standing(6, crc(1, 6)),
        2: Standing(0, 0, ended=True, nonce=NONCE),
        4: Standing(3, 0, ended=True, classic=True),
    }
    assert ledger.standing_of(1) == Standing(6)
    assert ledger.standing_of(7) == Standing()


def test_ends(tmp_path: Path) -> None:
    """An END counts also for an agency without a bet, and makes no row."""
    ledger = Ledger(
        draw_of(tmp_path, closed(1, batch(1, 0, 1), end(2, 0), batch(3, 0, 1), end(3, 1)))
    )
    ledger.require(2, 0)
    ledger.require(3, 1)
    assert ledger.agencies == [1, 2, 3]
    assert ledger.bets_of(2) == 0


@pytest.mark.parametrize(("agency", "bets", "found"), [(1, 1, 1), (3, 2, 1), (3, 0, 1), (4, 0, 0)])
def test_what_is_required(agency: int, bets: int, found: int, tmp_path: Path) -> None:
    """Bets or an END that are not there are damage, at the torn tail if there is one."""
    sound = opened(1, batch(1, 0, 1), end(2, 0), batch(3, 0, 1), end(3, 1))
    sentence = f"agency {agency} has ended with {bets} bets, {found} are found"
    for tail, offset in ((b"", 0), (b"LCS1", len(sound))):
        draw = draw_of(tmp_path / f"{offset}", sound + tail)
        with pytest.raises(DamagedLedger, match=sentence) as caught:
            Ledger(draw).require(agency, bets)
        assert caught.value.offset == offset
        assert caught.value.path == str(draw.segment(1))


def test_agency_that_comes_back(tmp_path: Path) -> None:
    """Runs of one agency may alternate between segments, and within one."""
    draw = draw_of(
        tmp_path,
        closed(1, batch(1, 4, 2), batch(1, 0, 2), batch(1, 8, 1)),
        closed(2, batch(1, 2, 2), batch(1, 6, 2)),
    )
    assert all_rows(Ledger(draw)) == rows(1, 0, 9)


@given(stored_days(), st.data())
def test_a_missing_record_is_never_overlooked(
    day: tuple[dict[int, int], list[list[bytes]]], data: st.DataObject
) -> None:
    """Without one batch the END is not of all bets; without the END nothing is required of it."""
    bets, contents = day
    places = [
        (number, at) for number, content in enumerate(contents) for at, record in enumerate(content)
    ]
    if not places:
        return
    number, at = data.draw(st.sampled_from(places))
    lost = contents[number].pop(at)
    agency = int.from_bytes(lost[8:12], "big")
    with TemporaryDirectory() as name:
        draw = draw_of_day(name, contents)
        if lost[4] == Kind.ROWS:
            with pytest.raises(DamagedLedger, match=f"agency {agency} (has bet|ends with)"):
                Ledger(draw)
        else:
            with pytest.raises(DamagedLedger, match=f"agency {agency} has ended with"):
                Ledger(draw).require(agency, bets[agency])


@given(stored_days(), st.data())
def test_a_doubled_record_is_never_overlooked(
    day: tuple[dict[int, int], list[list[bytes]]], data: st.DataObject
) -> None:
    """No batch and no END may be there twice, in whichever segments."""
    _, contents = day
    every = [record for content in contents for record in content]
    if not every:
        return
    twice = data.draw(st.sampled_from(every))
    content = data.draw(st.sampled_from(contents))
    content.insert(data.draw(st.integers(0, len(content))), twice)
    with TemporaryDirectory() as name:
        draw = draw_of_day(name, contents)
        with pytest.raises(DamagedLedger, match=f"agency {int.from_bytes(twice[8:12], 'big')} "):
            Ledger(draw)


@pytest.mark.parametrize(
    ("contents", "where", "sentence"),
    [
        (
            [[batch(1, 0, 2), batch(2, 0, 1)], [batch(2, 1, 1), batch(1, 3, 1)]],
            (2, 1),
            "agency 1 has bet 3 here where 2 should follow",
        ),
        ([[batch(7, 1, 1)]], (1, 0), "agency 7 has bet 1 here where 0 should follow"),
        (
            [[batch(7, 0, 3)], [batch(7, 1, 2)]],
            (2, 0),
            "agency 7 has bet 1 here where 3 should follow",
        ),
        ([[batch(7, 0, 3), end(7, 2)]], (1, 1), "agency 7 ends with 2 bets here, 3 are found"),
        ([[end(7, 2)]], (1, 0), "agency 7 ends with 2 bets here, 0 are found"),
        (
            [[end(7, 2), batch(8, 0, 1)], [batch(7, 0, 3)]],
            (1, 0),
            "agency 7 ends with 2 bets here, 3 are found",
        ),
        (
            [[batch(7, 0, 2), end(7, 2), batch(7, 2, 1)]],
            (1, 2),
            "agency 7 has ended before, and goes on here",
        ),
        (
            [[batch(7, 0, 2), end(7, 2), end(7, 2)]],
            (1, 2),
            "agency 7 has ended before, and goes on here",
        ),
        ([[end(7, 0)], [end(7, 0)]], (2, 0), "agency 7 has ended before, and goes on here"),
    ],
)
def test_damage_between_records(
    tmp_path: Path, contents: list[list[bytes]], where: tuple[int, int], sentence: str
) -> None:
    """Gaps, bets twice, wrong totals, bets behind an END: where the record stands."""
    draw = draw_of(tmp_path, *(closed(at, *each) for at, each in enumerate(contents, 1)))
    segment, number = where
    offset = 40 + sum(map(len, contents[segment - 1][:number]))
    assert damage(draw) == (f"segment-{segment:04d}.log", offset, sentence)


def test_damage_within_a_segment(tmp_path: Path) -> None:
    """What a segment alone tells is found, too; swapped segments are not those of their names."""
    first, second = closed(1, batch(7, 0, 3)), closed(2, batch(7, 3, 3))
    assert damage(draw_of(tmp_path / "a", first, second + b"\0"))[:2] == (
        "segment-0002.log",
        len(second),
    )
    assert damage(draw_of(tmp_path / "b", second, first))[:2] == ("segment-0001.log", 0)


def test_torn_tails(tmp_path: Path) -> None:
    """What is no record is left out and told, with place and length; the rest counts."""
    whole = opened(1, batch(1, 0, 2))
    draw = draw_of(tmp_path, whole + batch(1, 2, 2)[:-1], b"\0" * 5, b"", opened(4, batch(2, 0, 1)))
    ledger = Ledger(draw)
    assert all_rows(ledger) == rows(1, 0, 2) + row(2, 0)
    assert ledger.torn == [
        TornTail(str(draw.segment(1)), len(whole), len(batch(1, 2, 2)) - 1),
        TornTail(str(draw.segment(2)), 0, 5),
    ]
    assert list(ledger.closed.values()) == [False] * 4


def test_last_step_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing empty follows it."""
    monkeypatch.setattr(index_module, "_COPY_BYTES", len(rows(1, 0, 3)))
    draw = draw_of(tmp_path, opened(1, batch(1, 0, 3)))
    assert list(Ledger(draw).rows()) == [rows(1, 0, 3)]


def test_missing_draw(tmp_path: Path) -> None:
    """A draw that cannot be read is an error."""
    with pytest.raises(FileNotFoundError):
        Ledger(DrawDirectory(1, tmp_path / "missing"))


def test_large_agencies_are_copied_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a step and a record is held at once, and nothing is lost between steps."""
    monkeypatch.setattr(index_module, "_COPY_BYTES", 100)
    draw = draw_of(tmp_path, opened(1, *(batch(1, first, 2) for first in range(0, 60, 2))))
    parts = list(Ledger(draw).rows())
    assert b"".join(parts) == rows(1, 0, 60)
    assert len(parts) > 10
    longest = max(len(rows(1, first, 2)) for first in range(0, 60, 2))
    assert max(map(len, parts)) < 100 + longest
    assert Ledger(draw).standings() == {1: Standing(60, crc(1, 60))}


def test_nothing_is_held_open(tmp_path: Path) -> None:
    """Segments are opened when they are read: many of them need no many descriptors.

    A salvage that puts another file in a segment's place meanwhile changes nothing.
    """
    content = opened(1, batch(1, 0, 3))
    draw = draw_of(tmp_path, content)
    ledger = Ledger(draw)
    draw.segment(1).unlink()
    draw.segment(1).write_bytes(closed(1, batch(1, 0, 3)))
    assert all_rows(ledger) == rows(1, 0, 3)


@pytest.mark.parametrize(
    "other", [b"", opened(1), opened(1, batch(1, 0, 2)), opened(1, batch(2, 0, 3))]
)
def test_records_that_are_gone_when_they_are_copied(tmp_path: Path, other: bytes) -> None:
    """Rows are checked again as they are read: of a segment at work, and of a closed one."""
    draw = draw_of(tmp_path / "open", opened(1, batch(1, 0, 3)))
    ledger = Ledger(draw)
    draw.segment(1).write_bytes(other)
    with pytest.raises(LotteryError, match="was cut back while it was read") as told:
        all_rows(ledger)
    assert not isinstance(told.value, DamagedLedger)
    draw = draw_of(tmp_path / "closed", closed(1, batch(1, 0, 3)))
    ledger = Ledger(draw)
    draw.segment(1).write_bytes(other)
    with pytest.raises(DamagedLedger, match="a record is not there any more") as error:
        all_rows(ledger)
    assert error.value.offset == 40


def test_fewer_bets_in_as_many_bytes(tmp_path: Path) -> None:
    """Another batch in the place of the last one, just as long, is not taken for it."""
    content = opened(1, batch(1, 0, 1), batch(1, 1, 2))
    draw = draw_of(tmp_path, content)
    ledger = Ledger(draw)
    length = len(rows(1, 1, 2))
    other = row(1, 1).replace(b"Gil", b"G" * (length - len(row(1, 1)) + 3))
    draw.segment(1).write_bytes(
        opened(1, batch(1, 0, 1), pack(Kind.ROWS, 1, 1, 1, other, 0)),
    )
    assert draw.segment(1).stat().st_size == len(content)
    with pytest.raises(LotteryError, match="was cut back while it was read"):
        all_rows(ledger)


def test_never() -> None:
    """Nobody wants the work to be left unless he says so."""
    assert never() is False


def test_interrupted_while_checking(tmp_path: Path) -> None:
    """The check is left within some thousand records."""
    draw = draw_of(tmp_path, opened(1, *(batch(1, first, 1) for first in range(1025))))
    with pytest.raises(Interrupted):
        Ledger(draw, after(0))
    with pytest.raises(Interrupted):
        Ledger(draw, after(1))
    assert Ledger(draw, after(2)).bets_of(1) == 1025
