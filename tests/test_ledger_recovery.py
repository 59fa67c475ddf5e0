"""``lottery.ledger.recovery``: a start goes on where the last one was, whatever broke it off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve
from ledger_bytes import NONCE, batch, closed, closing, crc, draw_of, end, opened, part, tree
from ledger_crashes import Crash, Disk, Tree, look, put

from lottery.errors import DamagedLedger
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.reading import TornTail
from lottery.ledger.record import DrawRecord, encode, publish
from lottery.ledger.recovery import UnfinishedDraw, recover, unreceived
from lottery.ledger.seal import draw_number, note_delivered, seal
from lottery.ledger.segment import pack_head
from lottery.ledger.standing import Standing

FLUSHED = 40 + len(batch(3, 0, 3)) + len(batch(4, 0, 2, classic=True))
DAY = [
    opened(
        1,
        batch(3, 0, 3),
        batch(4, 0, 2, classic=True),
        end(3, 3, FLUSHED),
        end(4, 2, FLUSHED, nonce=b""),
    )
    + b"LCS1\x01",
    closed(2, batch(5, 0, 4)),
    b"",
]
SALVAGED = [
    closed(
        1,
        batch(3, 0, 3),
        batch(4, 0, 2, classic=True),
        end(3, 3, FLUSHED),
        end(4, 2, FLUSHED, nonce=b""),
    ),
    DAY[1],
    closed(3),
]
PARTS = [part(3, 3), part(4, 2, dialect="classic"), part(5, 4, "left_out")]
STANDINGS = {
    3: Standing(3, crc(3, 3), ended=True, nonce=NONCE),
    4: Standing(2, 0, ended=True, classic=True),
    5: Standing(4, crc(5, 4)),
}


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    """A data directory without a draw."""
    (tmp_path / "data" / "draws").mkdir(parents=True)
    return DataDirectory(tmp_path / "data")


def after_the_first(data: DataDirectory, record: DrawRecord) -> DrawDirectory:
    """Put another draw behind those that there are."""
    draw = DrawDirectory(record.draw, data.path / "draws" / f"{record.draw:06d}")
    draw.path.mkdir()
    publish(record, draw.record)
    return draw


def test_nothing_there(data: DataDirectory) -> None:
    """The first start of all."""
    assert recover(data, 5) == []
    assert unreceived(data) == {}
    assert tree(data.path) == {"draws": b""}


def test_open_draw(data: DataDirectory) -> None:
    """Its segments are closed, the standings are what they hold; twice is as once."""
    draw = draw_of(data.path, *DAY)
    (draw.path / "segment-0001.log.tmp").write_bytes(b"half")
    (draw.path / "draw.json.tmp").write_bytes(b"half")
    (draw.path / "notes").write_bytes(b"the operator's own")
    torn = [TornTail(str(draw.segment(1)), len(SALVAGED[0]) - 40, 5)]
    record = DrawRecord(1, "open", 5)
    assert recover(data, 9) == [UnfinishedDraw(draw, record, STANDINGS, torn)]
    assert tree(draw.path) == {
        "draw.json": encode(record),
        "notes": b"the operator's own",
        **{f"segment-000{at}.log": content for at, content in enumerate(SALVAGED, 1)},
    }
    before = tree(data.path)
    assert recover(data, 9) == [UnfinishedDraw(draw, record, STANDINGS, [])]
    assert tree(data.path) == before


def test_every_state(data: DataDirectory) -> None:
    """Each draw is gone on with at the step it has reached, and only if something is left."""
    draw = draw_of(data.path, *DAY)
    record = closing(draw, *PARTS)
    (found,) = recover(data, 5)
    assert (found.record, found.standings, len(found.torn)) == (record, {}, 1)
    sealed = seal(draw, found.record)
    assert recover(data, 5) == [UnfinishedDraw(draw, sealed, {}, [])]
    drawn = draw_number(draw, sealed, 1)
    assert recover(data, 5) == [UnfinishedDraw(draw, drawn, {}, [])]
    after_the_first(data, DrawRecord(2, "void", 5))
    last = after_the_first(data, DrawRecord(3, "open", 5))
    assert [each.record.draw for each in recover(data, 5)] == [1, 3]
    note_delivered(draw, drawn, [3])
    assert [each.directory for each in recover(data, 5)] == [last]


def test_draw_that_was_not_opened_to_the_end(data: DataDirectory) -> None:
    """A directory without anything gets its record; what was half written of it goes."""
    path = data.path / "draws" / "000001"
    path.mkdir()
    (path / "draw.json.tmp").write_bytes(b"half")
    draw = DrawDirectory(1, path)
    assert recover(data, 7) == [UnfinishedDraw(draw, DrawRecord(1, "open", 7), {}, [])]
    assert tree(path) == {"draw.json": encode(DrawRecord(1, "open", 7))}
    assert recover(data, 7) == [UnfinishedDraw(draw, DrawRecord(1, "open", 7), {}, [])]


def test_another_number_of_places(data: DataDirectory) -> None:
    """The last draw has as many as are wanted, if nobody has come to it; no other changes."""
    first, second = data.new_draw(5), data.new_draw(5)
    found = [(each.directory, each.record.places) for each in recover(data, 2)]
    assert found == [(first, 5), (second, 2)]
    assert (first.read().places, second.read().places) == (5, 2)
    publish(DrawRecord(2, "void", 5), second.record)
    assert [each.record.places for each in recover(data, 3)] == [5]


@pytest.mark.parametrize("name", ["segment-0001.log", "bets.csv", "winners.csv"])
def test_missing_record(data: DataDirectory, name: str) -> None:
    """A draw that has anything had a record."""
    draw = draw_of(data.path)
    draw.record.unlink()
    (draw.path / name).touch()
    before = tree(data.path)
    with pytest.raises(DamagedLedger, match="it is missing") as error:
        recover(data, 5)
    assert (error.value.path, error.value.offset) == (str(draw.record), 0)
    assert tree(data.path) == before


def flip(path: Path, at: int) -> None:
    """Change a bit."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("state", ["open", "closing"])
def test_nothing_is_touched_if_anything_is_damaged(data: DataDirectory, state: str) -> None:
    """Also not the segments and draws that are sound, nor what a crash has left of others."""
    sound = draw_of(data.path, *DAY)
    (sound.path / "bets.csv.tmp").touch()
    record = DrawRecord(2, state, 5, (part(7, 1, "left_out"),) if state == "closing" else ())
    draw = after_the_first(data, record)
    draw.segment(1).write_bytes(opened(1))
    before = tree(data.path)
    with pytest.raises(DamagedLedger, match="there is no HEAD of this draw and segment") as error:
        recover(data, 5)
    assert (error.value.path, error.value.offset) == (str(draw.segment(1)), 0)
    assert tree(data.path) == before


def test_damage_below_what_was_flushed(data: DataDirectory) -> None:
    """The segment and the place are named."""
    draw = draw_of(data.path, *DAY)
    flip(draw.segment(1), 90)
    before = tree(data.path)
    with pytest.raises(DamagedLedger) as error:
        recover(data, 5)
    assert (error.value.path, error.value.offset) == (str(draw.segment(1)), 40)
    assert tree(data.path) == before


def test_a_part_that_is_not_all_there(data: DataDirectory) -> None:
    """Of a closing draw, all is required of those who succeeded."""
    draw = draw_of(data.path, *DAY)
    closing(draw, *PARTS[:2], part(5, 4))
    with pytest.raises(DamagedLedger, match="agency 5 has ended with 4 bets, 4 are found"):
        recover(data, 5)


@pytest.mark.parametrize("name", ["bets.csv", "winners.csv"])
def test_files_that_the_record_speaks_of(data: DataDirectory, name: str) -> None:
    """They have to be there, as long as they were."""
    draw = draw_of(data.path, *DAY)
    drawn = draw_number(draw, seal(draw, closing(draw, *PARTS)), 1)
    path = draw.path / name
    content = path.read_bytes()
    for other, at in ((content[:-1], len(content) - 1), (content + b"x", len(content))):
        path.write_bytes(other)
        sentence = f"it has {len(other)} bytes, draw.json says {len(content)}"
        with pytest.raises(DamagedLedger, match=sentence) as error:
            recover(data, 5)
        assert (error.value.path, error.value.offset) == (str(path), at)
    path.unlink()
    with pytest.raises(DamagedLedger, match="it is missing"):
        recover(data, 5)
    path.write_bytes(content)
    assert recover(data, 5)[0].record == drawn


def test_damaged_record(data: DataDirectory) -> None:
    """Also of a draw that is long finished."""
    draw = draw_of(data.path)
    seal(draw, closing(draw))
    assert recover(data, 5) == []
    flip(draw.record, 30)
    for look_at_it in (lambda: recover(data, 5), lambda: unreceived(data)):
        with pytest.raises(DamagedLedger) as error:
            look_at_it()
        assert error.value.path == str(draw.record)


def test_record_that_may_not_be_on_disk(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is seen of it is flushed before anything is built on it."""
    draw = draw_of(data.path, *DAY)
    seal(draw, closing(draw, *PARTS))
    flushed: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: flushed.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
    )
    recover(data, 5)
    assert flushed == ["draw.json", "000001"]


def test_unreceived(data: DataDirectory) -> None:
    """By agency, the latest draw whose winners it has not acknowledged; no classic ones."""
    for number, state in enumerate(("delivered", "drawn", "delivered", "sealed", "open"), 1):
        draw = after_the_first(data, DrawRecord(number, "open", 5))
        if state == "open":
            continue
        parts = () if number == 4 else PARTS[:2]
        if number == 2:
            parts = (part(8, 0), part(9, 0, "left_out"), evolve(PARTS[0], bets=0))
        record = DrawRecord(number, "closing", 5, tuple(parts))
        record = evolve(record, agencies=[evolve(each, bets=0) for each in record.agencies])
        if number == 4:
            publish(record, draw.record)
            continue
        contents = [
            end(each.agency, 0, nonce=NONCE if each.dialect != "classic" else b"")
            for each in record.succeeded
        ]
        draw.segment(1).write_bytes(pack_head(number, 1) + b"".join(contents))
        record = draw_number(draw, seal(draw, record), 1)
        if state == "delivered":
            note_delivered(draw, record, [3] if number == 3 else [])
    assert unreceived(data) == {3: 2, 8: 2}


def finish(data: DataDirectory) -> None:
    """Start a central and go on to the end of the day."""
    for found in recover(data, 5):
        draw, record = found.directory, found.record
        if record.state == "open":
            record = evolve(record, state="closing", agencies=PARTS)
            publish(record, draw.record)
        if record.state == "closing":
            record = seal(draw, record)
        if record.state == "sealed":
            record = draw_number(draw, record, 1)
        if record.state == "drawn":
            note_delivered(draw, record, [3])


def crashes(root: Path, tree: Tree) -> tuple[list[Crash], Tree]:
    """Let a start from a state go on to the end of the day; gives where it may crash, and that."""
    put(root, tree)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(root, patch)
        finish(DataDirectory(root))
        disk.keep()
        disk.close()
    return disk.states, look(root)


def distinct(left: list[Crash]) -> list[Tree]:
    """What is seen after a kill and after a power cut, each once."""
    states: list[Tree] = []
    for crash in left:
        states += [state for state in crash[:2] if state not in states]
    return states


def test_every_crash_and_every_crash_after_it_comes_to_the_same_end(tmp_path: Path) -> None:
    """Killed, or without power, before any flush, rename or removal of a whole day.

    And then once more, at every point of going on from there.
    """
    draw_of(tmp_path / "day", *DAY)
    (tmp_path / "day" / "draws" / "000001" / "winners.csv.tmp").write_bytes(b"half")
    left, whole = crashes(tmp_path / "first", look(tmp_path / "day"))
    states = distinct(left)
    assert len(states) > 15
    assert whole["draws/000001/winners.csv"]
    seen = list(states)
    for number, state in enumerate(states):
        left, end_of_it = crashes(tmp_path / f"second-{number}", state)
        assert end_of_it == whole, f"after crash {number}"
        seen += [each for each in distinct(left) if each not in seen]
    for number, state in enumerate(seen):
        put(tmp_path / f"third-{number}", state)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda fd: None)
            data = DataDirectory(tmp_path / f"third-{number}")
            recover(data, 5)
            once = look(data.path)
            recover(data, 5)
            assert look(data.path) == once
            finish(data)
        assert look(data.path) == whole, f"after the second crash {number}"


def test_what_a_start_builds_on_is_on_disk(tmp_path: Path) -> None:
    """A process that is killed may leave things seen that the disk does not hold yet.

    Once a start has gone over them, they are on disk, or agencies could be told of bets and
    numbers that a power cut takes back.
    """
    draw_of(tmp_path / "day", *DAY)
    left, _ = crashes(tmp_path / "first", look(tmp_path / "day"))
    assert sum(crash.seen != crash.certain for crash in left) > 8
    for number, crash in enumerate(left):
        root = tmp_path / f"second-{number}"
        put(root, crash.seen)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(root, patch, crash)
            found = recover(DataDirectory(root), 5)
            disk.close()
            if not found:
                continue
            built_on, on_disk = look(root), disk.certain()
            for name, digest in (
                ("bets.csv", found[0].record.bets_csv),
                ("winners.csv", found[0].record.winners_csv),
            ):
                if digest is None:  # it is made anew
                    built_on.pop(f"draws/000001/{name}", None)
                    on_disk.pop(f"draws/000001/{name}", None)
            assert on_disk == built_on, f"after crash {number}"


def test_new_draw_that_is_broken_off(tmp_path: Path) -> None:
    """At whatever point: the next start opens the same draw, or none, and then it can be made."""
    (tmp_path / "data" / "draws").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(tmp_path / "data", patch)
        DataDirectory(tmp_path / "data").new_draw(5)
        disk.keep()
        disk.close()
    whole = look(tmp_path / "data")
    assert disk.certain() == whole
    states = distinct(disk.states)
    assert len(states) > 4
    for number, state in enumerate(states):
        put(tmp_path / f"again-{number}", state)
        data = DataDirectory(tmp_path / f"again-{number}")
        if not recover(data, 5):
            data.new_draw(5)
        assert look(data.path) == whole
