"""``lottery.ledger.files``: one central's ledger behind the face that all kinds have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import TODAY, worked
from writer_orders import ANA, BO, NONCE, crc_of_rows, end, lines, opening

from lottery.errors import StartError
from lottery.ledger.directory import DataDirectory
from lottery.ledger.entry import SegmentStore
from lottery.ledger.face import WriterPlan
from lottery.ledger.files import FileDraw, FileLedgers
from lottery.ledger.record import AgencyPart, DrawRecord, encode
from lottery.ledger.standing import Standing
from lottery.writer.child import Clerk, StorePlan

WON = "Eva,Paz,4,2000-05-10,7574"
LOCK = 9


def never() -> bool:
    """Nobody asks for the work to be left."""
    return False


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[FileLedgers]:
    """The ledgers of a new data directory, which are ours."""
    ledgers = FileLedgers(DataDirectory(tmp_path / "data"), 4096, LOCK)
    ledgers.own(never)
    yield ledgers
    ledgers.release()


def draw_in(ledgers: FileLedgers) -> FileDraw:
    """Open a draw."""
    draw = ledgers.open(3).ledger
    assert isinstance(draw, FileDraw)
    return draw


def store(draw: FileDraw, plan: WriterPlan, *orders: bytes, ends: bool = True) -> None:
    """Let a writer of a plan store and end, well or not."""
    where, number, writer, _ = plan.words
    assert isinstance(writer, int)
    clerk = Clerk(StorePlan(str(where), int(str(number)), writer, 0), lambda: TODAY, lambda: 0.0)
    worked(clerk, b"".join(orders))
    if ends:
        clerk.end()
    else:
        assert isinstance(clerk._made, SegmentStore)
        os.close(clerk._made._segment._fd)


def test_one_central_has_them_alone(ledgers: FileLedgers, tmp_path: Path) -> None:
    """A second one is refused, until they are released; to release them twice is harmless."""
    assert ledgers.alone
    other = FileLedgers(DataDirectory(tmp_path / "data"), 0, LOCK)
    with pytest.raises(StartError):
        other.own(never)
    ledgers.interrupt()
    ledgers.release()
    ledgers.release()
    other.own(never)
    other.release()


def test_what_others_may_look_into(ledgers: FileLedgers, tmp_path: Path) -> None:
    """It is named; what we make is nobody else's."""
    assert ledgers.open_to_others == ""
    (tmp_path / "data").chmod(0o755)
    assert ledgers.open_to_others == str(tmp_path / "data")


def test_draws_are_opened_and_found(ledgers: FileLedgers) -> None:
    """By number, from 1 up."""
    assert ledgers.numbers() == []
    assert ledgers.find(1) is None
    assert [ledgers.open(3).ledger.number for _ in range(2)] == [1, 2]
    assert ledgers.numbers() == [1, 2]
    found = ledgers.find(2)
    assert isinstance(found, FileDraw)
    assert (found.number, found.path) == (2, ledgers.data.path / "draws" / "000002")
    assert found.shared is None
    assert ledgers.find(3) is None
    assert found.read() == DrawRecord(2, "open", 3)


def test_how_a_writer_is_started(ledgers: FileLedgers) -> None:
    """It makes a segment, leaves room, and inherits the lock if that is held."""
    plan = draw_in(ledgers).plan_writer(7)
    assert plan.name == "segment-0007.log"
    assert plan.words == (ledgers.data.path / "draws/000001" / plan.name, 1, 7, 4096)
    assert (plan.environment, plan.inherits) == ({}, {LOCK: ledgers.data.lock_fd})
    ledgers.release()
    assert draw_in(ledgers).plan_writer(1).inherits == {}


def test_writers_that_end(ledgers: FileLedgers) -> None:
    """One that ended well has told all; of another, its segment says what it has stored."""
    draw = draw_in(ledgers)
    assert draw.writers() == 0
    one, two = draw.plan_writer(1), draw.plan_writer(2)
    assert not draw.is_settled(one, well=True)  # it has made none
    store(draw, one, opening(1, 5), lines(1, 0, ANA))
    assert draw.is_settled(one, well=True)
    assert not draw.is_settled(one, well=False)
    assert draw.writers() == 1
    store(draw, two, opening(1, 6), lines(1, 0, ANA, BO), ends=False)
    with (ledgers.data.path / "draws/000001" / two.name).open("ab") as file:
        file.write(b"LCS1")
    torn, found = draw.settle(two, {6: Standing(), 7: Standing(4, 4)})
    assert torn is not None
    assert torn.length == 4
    assert found == {6: Standing(2, crc_of_rows(ANA, BO)), 7: Standing(4, 4)}
    assert draw.settle(two, {})[0] is None


def test_step_by_step(ledgers: FileLedgers) -> None:
    """Each takes the record of the one before, and publishes the next."""
    draw = draw_in(ledgers)
    stamps = [draw.stamp()]
    store(draw, draw.plan_writer(1), opening(1, 5), lines(1, 0, ANA, WON), end(1, 2))
    (unfinished,) = ledgers.recover(3)
    assert unfinished.standings[5].ended
    with pytest.raises(FileNotFoundError):
        draw.winners_file()
    crc = crc_of_rows(ANA, WON)
    part = AgencyPart(5, "lottery/1", "succeeded", bets=2, crc32=crc, nonce=NONCE)
    record = draw.close(DrawRecord(1, "closing", 3, (part,)))
    stamps.append(draw.stamp())
    record = draw.seal(record, never)
    assert record.state == "sealed"
    asked: list[None] = []
    assert draw.bets_on_numbers(lambda: asked.append(None)) == {b"7": 1, b"7574": 1}
    assert asked
    record = draw.draw_number(record, 7574, never)
    assert record.winning_number == 7574
    assert draw.winners(record, never) == {5: [f"{WON}\n".encode()]}
    record = draw.note_delivered(record, [5])
    assert record.state == "delivered"
    assert draw.read() == record
    stamps.append(draw.stamp())
    assert len(set(stamps)) == 3
    with draw.record_file() as file:
        assert file.read() == encode(record)
    with draw.winners_file() as file:
        assert file.read() == f"5,{WON}\n".encode()
    assert ledgers.recover(3) == []
    assert ledgers.unreceived() == {}


def test_who_has_not_received_its_winners(ledgers: FileLedgers) -> None:
    """It is found again."""
    draw = draw_in(ledgers)
    store(draw, draw.plan_writer(1), opening(1, 5), end(1, 0))
    part = AgencyPart(5, "lottery/1", "succeeded", nonce=NONCE)
    record = draw.close(DrawRecord(1, "closing", 3, (part,)))
    record = draw.draw_number(draw.seal(record, never), 7574, never)
    draw.note_delivered(record, [])
    assert ledgers.unreceived() == {5: 1}


def test_the_timeline_is_beside_it(ledgers: FileLedgers) -> None:
    """How its bets come in is noted."""
    assert draw_in(ledgers).timeline is not None
