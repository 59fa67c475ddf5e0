"""``lottery.ops.api`` and ``archive``: the draws as their records and ledgers have them."""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path

import pytest
from central_fakes import House
from shared_fakes import SENTENCE, Tables, house_of
from status_rig import Watched

from lottery.ledger.directory import DrawDirectory
from lottery.ops import archive
from lottery.ops.api import MOST_WAITING
from lottery.ops.archive import MOST_DRAWS
from lottery.ops.stalls import STALLED_SECONDS
from lottery.wire.messages import Batch, End, Received

NUMBERS = (7574, 42, 7574, 1)


def day(house: House, draw: int, *numbers: int) -> None:
    """Let agency 3 send bets on these numbers, and agency 4 be left out with one."""
    cut = house.greeted(4)
    cut.say(Batch(0, 1, b"Bo,Paz,99,2000-01-01,7574\n"))
    cut.close()
    agency = house.greeted(3)
    rows = "".join(f"Ana,Gil,{at},2000-01-01,{number:04d}\n" for at, number in enumerate(numbers))
    won = numbers.count(7574)
    agency.say(Batch(0, len(numbers), rows.encode()), End(len(numbers), bytes(32)))
    agency.say(Received(draw, won))


def test_draws(tmp_path: Path) -> None:
    """The latest first, each in a line."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        said = watched.ask("/api/draws").json
        assert said == {
            "draws": [
                {
                    "draw": 2,
                    "state": "open",
                    "places": 2,
                    "agencies": 0,
                    "succeeded": 0,
                    "left_out": 0,
                    "bets": None,
                    "winning_number": None,
                    "winners": None,
                    "commitment": None,
                    "secret": None,
                    "sha256": None,
                },
                {
                    "draw": 1,
                    "state": "delivered",
                    "places": 2,
                    "agencies": 2,
                    "succeeded": 1,
                    "left_out": 1,
                    "bets": 5,
                    "winning_number": 7574,
                    "winners": 2,
                    "commitment": None,
                    "secret": None,
                    "sha256": hashlib.sha256(house.draw_file(1).read_bytes()).hexdigest(),
                },
            ],
            "more": False,
        }


def test_a_draw(tmp_path: Path) -> None:
    """With what became of each agency; nothing of any person."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        said = watched.ask("/api/draws/1")
        ours, cut = said.json["parts"]
        assert said.json["more_parts"] == 0
        assert (ours["agency"], ours["bets"], ours["winners"], ours["received"]) == (3, 4, 2, True)
        assert (cut["agency"], cut["outcome"], cut["winners"]) == (4, "left_out", None)
        assert cut["reason"] == "it closed the connection"
        assert "documents" not in ours
        assert b"Ana" not in said.body
        assert watched.ask("/api/draws/1/winners").code == 404


def test_documents_if_they_are_wanted(tmp_path: Path) -> None:
    """Those of winners, and the file of them."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house, documents=True)
        day(house, 1, *NUMBERS)
        ours, cut = watched.ask("/api/draws/1").json["parts"]
        assert (ours["documents"], cut["documents"]) == (["0", "2"], [])
        said = watched.ask("/api/draws/1/winners")
        assert said.body == house.draw_file(1, "winners.csv").read_bytes()
        assert said.headers["content-disposition"] == 'attachment; filename="winners-000001.csv"'
        assert watched.ask("/api/draws/2/winners").code == 404


def test_numbers(tmp_path: Path) -> None:
    """Of all bets in the ledger, with zeros in front or not; not before the seal."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        assert watched.ask("/api/draws/1/numbers").code == 404
        day(house, 1, *NUMBERS)
        bets = watched.ask("/api/draws/1/numbers").json["bets"]
        assert len(bets) == 10_000
        found = {number: count for number, count in enumerate(bets) if count}
        assert found == {7574: 3, 42: 1, 1: 1}
        house.draw_file(1).unlink()  # once is enough
        assert watched.ask("/api/draws/1/numbers").json["bets"] == bets


def test_record(tmp_path: Path) -> None:
    """To the byte, to be kept."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        said = watched.ask("/api/draws/1/record")
        assert said.body == house.draw_file(1, "draw.json").read_bytes()
        assert said.headers["content-type"] == "application/json"
        assert said.headers["content-disposition"] == 'attachment; filename="draw-000001.json"'
        assert watched.ask("/api/draws/1/record", "HEAD").body == b""


def test_damage(tmp_path: Path) -> None:
    """What cannot be read is said to be so, and harms nothing else."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house, documents=True)
        day(house, 1, *NUMBERS)
        record = house.draw_file(1, "draw.json")
        good = record.read_bytes()
        record.write_bytes(good.replace(b"7574", b"7575"))
        line = watched.ask("/api/draws").json["draws"][1]
        assert (line["draw"], line["state"]) == (1, "unreadable")
        assert "SHA-256" in line["error"]
        assert watched.ask("/api/draws/1").json["state"] == "unreadable"
        assert watched.ask("/api/draws/1/numbers").code == 500
        record.unlink()
        assert watched.ask("/api/draws/1/record").code == 404
        assert watched.ask("/api/draws/1").code == 404
        record.write_bytes(good)
        house.draw_file(1, "winners.csv").write_bytes(b"")
        assert watched.ask("/api/draws/1").json["state"] == "unreadable"


def test_a_record_is_not_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is another one: a list of many draws would read them all each time."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        first = watched.ask("/api/draws").body
        reads: list[int] = []
        true_read = DrawDirectory.read
        monkeypatch.setattr(
            DrawDirectory, "read", lambda each: reads.append(each.number) or true_read(each)
        )
        assert watched.ask("/api/draws").body == first
        assert reads == []


def test_not_too_many_draws(tmp_path: Path) -> None:
    """The list has an end, and says so."""
    with House(tmp_path, agencies=1) as house:
        watched = Watched(house)
        root = house.settings.data_dir / "draws"
        for number in range(2, MOST_DRAWS + 2):
            (root / f"{number:06d}").mkdir(exist_ok=True)
        said = watched.ask("/api/draws").json
        assert len(said["draws"]) == MOST_DRAWS
        assert said["more"]
        for number in range(2, MOST_DRAWS + 2):
            (root / f"{number:06d}").rmdir()


def test_not_too_many_agencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record has them all."""
    monkeypatch.setattr(archive, "MOST_PARTS", 1)
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        said = watched.ask("/api/draws/1").json
        assert [part["agency"] for part in said["parts"]] == [3]
        assert said["more_parts"] == 1


def test_who_goes_while_a_file_is_sent(tmp_path: Path) -> None:
    """The file is closed, and nobody else hears of it."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        path = house.draw_file(1, "draw.json")
        path.write_bytes(bytes(1 << 20))
        for hold in (False, True):
            house.off_thread.hold = hold
            page = watched.connect()
            page.ask("/api/draws/1/record")
            page.transport.loseConnection()
            house.off_thread.hold = False
            house.off_thread.run()
            house.settle()
        gc.collect()  # a file that was left open would complain now


def test_a_database_that_is_away(tmp_path: Path) -> None:
    """Nobody is kept waiting, nor brought here by a balancer; and once it is back, all is well."""
    tables = Tables()
    with house_of(tables, "a", tmp_path, agencies=1) as house:
        watched = Watched(house)
        assert watched.ask("/readyz").code == 200
        tables.server.away = True
        house.advance(1)
        said = watched.ask("/api/draws")
        assert (said.code, said.body) == (503, f"{SENTENCE}\n".encode())
        said = watched.ask("/readyz")
        assert (said.code, said.body) == (503, f"{SENTENCE}\n".encode())
        tables.server.away = False
        house.advance(2)
        assert watched.ask("/readyz").code == 200
        assert watched.ask("/api/draws").code == 200


def test_not_too_many_wait(tmp_path: Path) -> None:
    """Also those who have gone since: a slow disk must not make a queue without an end."""
    with House(tmp_path, agencies=1) as house:
        watched = Watched(house)
        house.off_thread.hold = True
        for _ in range(MOST_WAITING + 1):
            page = watched.connect()
            page.ask("/api/draws")
            page.transport.loseConnection()
        said = watched.ask("/api/draws")
        assert (said.code, said.headers["retry-after"]) == (503, "10")
        house.off_thread.hold = False
        house.off_thread.run()
        house.settle()
        assert watched.ask("/api/draws").code == 200


def test_a_file_that_nobody_reads(tmp_path: Path) -> None:
    """Whoever asks for one and does not read it is dropped."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        house.draw_file(1, "draw.json").write_bytes(bytes(1 << 20))
        page = watched.connect()
        page.transport.writeSequence = lambda _: page.transport.producer.pauseProducing()
        page.ask("/api/draws/1/record")
        house.advance(STALLED_SECONDS - 1)
        assert not page.gone()
        house.advance(2)
        assert page.gone()


def test_nobody_waits_for_who_has_gone(tmp_path: Path) -> None:
    """One that asks and goes costs nothing and harms nobody."""
    with House(tmp_path, agencies=1) as house:
        watched = Watched(house)
        house.off_thread.hold = True
        gone, other = watched.connect(), watched.connect()
        gone.ask("/api/draws")
        gone.transport.loseConnection()
        other.ask("/api/draws")
        house.off_thread.run()
        house.off_thread.run()
        house.settle()
        assert b"200 OK" in other.heard()
        house.off_thread.hold = False


def test_asked_while_it_stops(tmp_path: Path) -> None:
    """Who asks for what takes long is let go when the central is stopped."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        day(house, 1, *NUMBERS)
        house.off_thread.hold = True
        page = watched.connect()
        page.ask("/api/draws/1/numbers")
        house.central.disk.stop()
        house.off_thread.run()
        house.settle()
        assert b"503 " in page.heard()
        house.off_thread.hold = False


def test_a_file_is_sent_as_it_is_read(tmp_path: Path) -> None:
    """Piece by piece, whoever asks for it, and however slowly."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house, documents=True)
        day(house, 1, *NUMBERS)
        content = bytes(range(256)) * 1000
        house.draw_file(1, "winners.csv").write_bytes(content)
        page = watched.connect()
        heard = b""
        write = page.transport.write

        def slow(data: bytes) -> None:
            write(data)
            page.transport.producer.pauseProducing()

        page.transport.write = slow
        page.transport.writeSequence = lambda pieces: slow(b"".join(pieces))
        page.ask("/api/draws/1/winners")
        steps = 0
        while piece := page.heard():
            assert len(piece) < 70_000
            heard += piece
            steps += 1
            if not heard.endswith(content):
                page.transport.producer.resumeProducing()
        assert heard.endswith(content)
        assert steps == 4
        page.transport.loseConnection()
