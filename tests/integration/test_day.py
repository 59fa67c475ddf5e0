"""A day from end to end: real processes, real sockets, both dialects."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from classic_agency import ClassicAgency, batches_of
from live import (
    LiveAgency,
    LiveCentral,
    documents,
    export,
    made_up,
    run_lottery,
    sample,
    union,
    winning,
)
from lottery1_agency import Lottery1Agency, batch, end, received
from pages import code, page

AGENCIES = 5
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def day_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a made-up day of five agencies."""
    directory = tmp_path_factory.mktemp("day")
    sample(directory, AGENCIES, 1500)
    return directory


@pytest.fixture(scope="module")
def day(day_dir: Path) -> dict[int, list[str]]:
    """The rows of the made-up day, by agency."""
    return {
        agency: (day_dir / f"agency-{agency}.csv").read_text(encoding="utf-8").splitlines()
        for agency in range(1, AGENCIES + 1)
    }


def play_classic(
    central: LiveCentral, day: Mapping[int, Sequence[str]], size: int, window: int | None
) -> dict[int, list[str]]:
    """Let classic agencies upload a day all at once; gives the winners' documents of each.

    A classic agency's number is its order of arrival, so each sends its first batch only when
    the one before it has its place; all that follows runs at the same time.
    """
    with ThreadPoolExecutor(len(day)) as threads:
        told = {}
        for agency, rows in sorted(day.items()):
            frames = batches_of(rows, size)
            peer = ClassicAgency(central.port)
            peer.send(frames[0][:1])
            told[agency] = threads.submit(_rest_of_day, peer, frames, window)
            central.arrived(agency)
        return {agency: result.result(PATIENCE_SECONDS) for agency, result in told.items()}


def _rest_of_day(peer: ClassicAgency, frames: list[bytes], window: int | None) -> list[str]:
    """The first byte of the first frame is sent already."""
    with peer:
        return peer.whole_day([frames[0][1:], *frames[1:]], window)


def play_agencies(
    central: LiveCentral, directory: Path, files: Mapping[int, Path], *options: object
) -> dict[int, list[str]]:
    """Run ``lottery agency`` for each file, all at once; gives the winning rows of each."""
    running: dict[int, LiveAgency] = {}
    try:
        for agency, file in files.items():
            running[agency] = LiveAgency(directory, central.port, agency, file, *options)
        for live in running.values():
            assert live.wait() == 0, live.log
            live.check()
        return {agency: live.winners() for agency, live in running.items()}
    finally:
        for live in running.values():
            live.__exit__(AssertionError, None, None)


def expected_documents(day: Mapping[int, Sequence[str]]) -> dict[int, list[str]]:
    """The documents that each agency has to be told."""
    return {agency: documents(winning(rows)) for agency, rows in day.items()}


@pytest.mark.parametrize("window", [1, None], ids=["stop-and-wait", "all-before-reading"])
@pytest.mark.parametrize("size", [1, 10, 140])
def test_classic_agencies_get_their_own_winners(
    tmp_path: Path, day: dict[int, list[str]], size: int, window: int | None
) -> None:
    """Five classic connections, any batch size, any pipelining: own winners, nothing lost."""
    with LiveCentral(tmp_path, "--agencies", AGENCIES, level="INFO") as central:
        assert play_classic(central, day, size, window) == expected_documents(day)
        assert sum(map(len, expected_documents(day).values())) >= 3
        assert central.bets_csv(1) == union(day)
        for agency, rows in day.items():
            central.wait_for(
                rf"action: apuesta_recibida \| result: success \| agency: {agency} "
                rf"\| cantidad: {len(rows)}$"
            )


def test_a_window_between(tmp_path: Path, day: dict[int, list[str]]) -> None:
    """A classic agency that keeps a few batches on the way is served as well."""
    with LiveCentral(tmp_path, "--agencies", AGENCIES) as central:
        assert play_classic(central, day, 7, 5) == expected_documents(day)


def test_the_list_is_the_same_to_the_byte(
    tmp_path: Path, day_dir: Path, day: dict[int, list[str]]
) -> None:
    """Neither the number of writers nor the dialect nor the batch size changes ``bets.csv``."""
    day = {agency: day[agency] for agency in (1, 2)}
    found = {}
    for writers in (1, 5):
        with LiveCentral(
            tmp_path,
            *("--agencies", len(day), "--writers", writers, "--draws", 2),
            data_dir=tmp_path / f"data-{writers}",
        ) as central:
            play_classic(central, day, 31, None)
            files = {agency: day_dir / f"agency-{agency}.csv" for agency in day}
            play_agencies(central, tmp_path, files, "--batch-size", 9)
            assert central.wait() == 0
            segments = sorted((central.data_dir / "draws").glob("*/segment-*.log"))
            assert len(segments) == 2 * min(writers, len(day))
            found |= {(writers, draw): central.bets_csv(draw) for draw in (1, 2)}
    assert len(found) == 4
    assert set(found.values()) == {union(day)}


def test_agencies_of_five_processes(
    tmp_path: Path, day_dir: Path, day: dict[int, list[str]]
) -> None:
    """``lottery agency`` five times: status 0, the winning rows as in the input, the log lines."""
    with LiveCentral(tmp_path, "--agencies", AGENCIES, "--draws", 1) as central:
        files = {agency: day_dir / f"agency-{agency}.csv" for agency in day}
        found = play_agencies(central, tmp_path, files)
        assert found == {agency: winning(rows) for agency, rows in day.items()}
        assert central.wait() == 0
        assert central.bets_csv(1) == union(day)
        (drawn,) = central.matches("action: sorteo")
        told = central.matches("action: consulta_ganadores")
        assert len(told) == AGENCIES
        assert central.lines.index(drawn.string) < min(
            central.lines.index(line.string) for line in told
        )
        for agency, rows in found.items():
            central.wait_for(
                rf"consulta_ganadores .* agency: {agency} \| cant_ganadores: {len(rows)}$"
            )


def test_both_dialects_on_one_port(
    tmp_path: Path, day_dir: Path, day: dict[int, list[str]]
) -> None:
    """Classic and lottery/1 agencies share a draw; classic numbers skip those in use."""
    with LiveCentral(tmp_path, "--agencies", AGENCIES) as central:
        files = {agency: day_dir / f"agency-{agency}.csv" for agency in (1, 3)}
        with ThreadPoolExecutor(1) as threads:
            modern = threads.submit(play_agencies, central, tmp_path, files)
            central.arrived(1)
            central.arrived(3)
            classic = {agency: day[agency] for agency in (2, 4, 5)}
            assert play_classic(central, classic, 20, None) == expected_documents(classic)
            told = modern.result(PATIENCE_SECONDS)
        assert told == {agency: winning(day[agency]) for agency in (1, 3)}
        assert central.bets_csv(1) == union(day)


def test_draws_follow_each_other(tmp_path: Path) -> None:
    """Each draw has its own bets and winners; after the last of ``--draws`` it ends with 0."""
    with LiveCentral(tmp_path, "--agencies", 2, "--draws", 3) as central:
        for draw in (1, 2, 3):
            rows = {
                agency: made_up(3 + agency, number=7574, name=f"D{'abc'[draw - 1]}")
                for agency in (1, 2)
            }
            with ClassicAgency(central.port) as first, ClassicAgency(central.port) as second:
                first.upload(batches_of(rows[1], 2), 1)
                second.upload(batches_of(rows[2], 2), 1)
                second.end()
                first.end()
                assert first.winners() == documents(rows[1])
                assert second.winners() == documents(rows[2])
            assert central.bets_csv(draw) == union(rows)
        assert central.wait() == 0
        assert [int(line[1]) for line in central.matches(r"sorteo .* draw: (\d+)")] == [1, 2, 3]


def test_a_draw_is_delivered_while_the_next_takes_bets(tmp_path: Path) -> None:
    """An agency of the next draw is served while one of the last has not taken its winners."""
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        with Lottery1Agency(central.port) as slow:
            slow.greet(1)
            slow.send(batch(0, made_up(1, number=7574)) + end(1))
            central.drawn(1)
            with ClassicAgency(central.port) as quick:
                assert quick.whole_day(batches_of(made_up(2), 1), 1) == []
            central.drawn(2)
            slow.acknowledged(1, ended=True)
            told = slow.winners()
            assert told == (1, 7574, 1, made_up(1, number=7574))
            slow.send(received(1, 1))
            assert slow.rest() == b""
        central.wait_for(r"consulta_ganadores \| result: success \| draw: 1 ")


def test_numbers_compare_as_integers(tmp_path: Path) -> None:
    """``0042`` wins with 42, and so does ``42``; rows are told as they were sent."""
    rows = [
        f"Ana,Paz,{index},1990-01-01,{number}"
        for index, number in enumerate(("42", "042", "0042", "4200", "142", "2"), 1)
    ]
    with LiveCentral(tmp_path, "--agencies", 1, "--winning-number", 42) as central:
        with ClassicAgency(central.port) as agency:
            assert agency.whole_day(batches_of(rows, 10), 1) == ["1", "2", "3"]
        assert central.bets_csv(1) == union({1: rows})


def test_an_agency_without_bets(tmp_path: Path) -> None:
    """Agencies without a bet take part, in both dialects; the first to end is one of them."""
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    with LiveCentral(tmp_path, "--agencies", 3, "--draws", 1) as central:
        with ClassicAgency(central.port) as none, ClassicAgency(central.port) as some:
            none.end()
            central.arrived(1)
            with LiveAgency(tmp_path, central.port, 7, empty) as live:
                central.arrived(7)
                some.batch([])
                some.batch(made_up(1, number=7574))
                some.acknowledged(2)
                some.end()
                assert some.winners() == ["20000000"]
                assert none.winners() == []
                some.close()
                none.close()
                assert live.wait() == 0, live.log
                assert live.winners() == []
        assert central.wait() == 0
        assert central.bets_csv(1) == union({2: made_up(1, number=7574)})


def test_export_of_an_open_draw_a_sealed_and_a_void_one(tmp_path: Path) -> None:
    """What was acknowledged can be had at any time, whatever becomes of the draw."""
    rows = {1: made_up(30, name="Eva"), 2: made_up(20, name="Leo")}
    with LiveCentral(tmp_path, "--agencies", 2, "--writers", 2) as central:
        data = central.data_dir
        with ClassicAgency(central.port) as first, ClassicAgency(central.port) as second:
            first.upload(batches_of(rows[1], 10), 1)
            assert export(data, 1) == union({1: rows[1]})
            second.upload(batches_of(rows[2], 10), 1)
            assert export(data, 1) == union(rows)
            first.end()
            second.end()
            first.winners()
            second.winners()
        assert export(data, 1) == union(rows) == central.bets_csv(1)
        assert export(data, 2) == b""
        with ClassicAgency(central.port) as first, ClassicAgency(central.port) as second:
            first.upload(batches_of(rows[1], 10), 1)
            second.upload(batches_of(rows[2], 10), 1)
        central.wait_for(r"sorteo \| result: fail \| draw: 2 \| error: void")
        assert export(data, 2) == union(rows)
        central.wait_for(r"draw_open \| result: success \| draw: 3 ")


def test_a_second_run_never_mixes(tmp_path: Path) -> None:
    """A new central in the same data directory opens a new draw, and reads nothing of the old."""
    before, after = made_up(5, name="Old", number=7574), made_up(3, name="New", number=7574)
    with LiveCentral(tmp_path, "--agencies", 1, "--draws", 1) as central:
        with ClassicAgency(central.port) as agency:
            assert agency.whole_day(batches_of(before, 2), None) == documents(before)
        assert central.wait() == 0
    with LiveCentral(tmp_path, "--agencies", 1, "--draws", 1) as central:
        central.wait_for(r"draw_open \| result: success \| draw: 2 ")
        with ClassicAgency(central.port) as agency:
            assert agency.whole_day(batches_of(after, 2), None) == documents(after)
        assert central.wait() == 0
        assert central.bets_csv(1) == union({1: before})
        assert central.bets_csv(2) == union({1: after})


FORMS = {
    "mark-and-crlf": lambda rows: b"\xef\xbb\xbf" + "".join(f"{row}\r\n" for row in rows).encode(),
    "quotes-and-no-last-newline": lambda rows: "\n".join(
        ",".join(f'"{field}"' for field in row.split(",")) for row in rows
    ).encode(),
}


def test_forms_of_input(tmp_path: Path, day: dict[int, list[str]]) -> None:
    """Byte-order mark, CRLF, no last newline and quotes make no difference to what is stored."""
    rows = day[1][:40]
    files = {}
    for agency, (name, form) in enumerate(FORMS.items(), 1):
        files[agency] = tmp_path / f"{name}.csv"
        files[agency].write_bytes(form(rows))
    with LiveCentral(tmp_path, "--agencies", len(files), "--draws", 1) as central:
        found = play_agencies(central, tmp_path, files, "--batch-size", 7)
        assert found == dict.fromkeys(files, winning(rows))
        assert central.wait() == 0
        assert central.bets_csv(1) == union(dict.fromkeys(files, rows))


def test_a_full_draw(tmp_path: Path) -> None:
    """One agency too many is refused, and comes into the next draw."""
    with (
        LiveCentral(tmp_path, "--agencies", 1) as central,
        ClassicAgency(central.port) as inside,
        ClassicAgency(central.port) as outside,
        Lottery1Agency(central.port) as beyond,
    ):
        inside.upload([batches_of(made_up(1), 1)[0]], 1)
        outside.batch(made_up(1))
        outside.refused()
        beyond.send(bytes.fromhex("10 0011 01 00000009 00000000 0000000000000000"))
        code, sentence = beyond.error()
        assert code == "FULL"
        assert "1 place" in sentence
        file = tmp_path / "patient.csv"
        file.write_text("\n".join(made_up(2, number=7574)))
        with LiveAgency(tmp_path, central.port, 9, file, "--log-level", "DEBUG") as patient:
            patient.wait_for(r"action: connect \| result: in_progress")
            inside.end()
            assert inside.winners() == []
            inside.close()
            assert patient.wait() == 0
            assert patient.winners() == made_up(2, number=7574)
            patient.wait_for(r"connect \| result: success .* draw: 2")


def test_a_day_in_json(tmp_path: Path) -> None:
    """Asked for objects, both programs write nothing else, of the events that text has."""
    rows = made_up(2, number=7574)
    (tmp_path / "bets.csv").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    words = ("--log-format", "json", "--log-level", "DEBUG")
    options = ("--agencies", 1, "--draws", 1, *words)
    with LiveCentral(tmp_path, *options, listening=False) as central:
        port = int(central.wait_for(r'"accept_connections".*"ip":"127.0.0.1","port":(\d+)')[1])
        with LiveAgency(tmp_path, port, 1, "bets.csv", *words) as agency:
            assert agency.wait() == 0, agency.log
            sent = [json.loads(line) for line in agency.log.splitlines()]
        assert central.wait() == 0, central.log
        held = [json.loads(line) for line in central.log.splitlines()]
    (draw,) = (event for event in held if event.get("action") == "sorteo")
    assert (draw["level"], draw["result"], draw["winning_number"]) == ("INFO", "success", 7574)
    (asked,) = (event for event in sent if event.get("action") == "consulta_ganadores")
    assert asked["cant_ganadores"] == 2
    assert all("time" in event for event in (*held, *sent))


def test_a_day_with_a_random_number(tmp_path: Path) -> None:
    """Promised before anybody comes, kept by the central that follows a killed one, and proved."""
    days = {1: made_up(300), 2: made_up(40)}
    for agency, rows in days.items():
        text = "".join(f"{row}\n" for row in rows)
        (tmp_path / f"bets-{agency}.csv").write_text(text, encoding="utf-8")
    options = ("--agencies", 2, "--draws", 1, "--winning-number", "random")
    with LiveCentral(tmp_path, *options) as central:
        promise = central.wait_for(r"action: promise \| .* commitment: ([0-9a-f]{64})")[1]
        with LiveAgency(tmp_path, central.port, 1, "bets-1.csv") as first:
            central.wait_for(r"action: agency \| result: success \| agency: 1 ")
            central.send_signal(signal.SIGKILL)
            central.wait()
            listen = ("--listen", f"tcp:{central.port}:interface=127.0.0.1")
            with LiveCentral(tmp_path, *options, *listen, plain=False, listening=False) as again:
                again.wait_for(rf"action: promise \| .* commitment: {promise}")
                with LiveAgency(tmp_path, central.port, 2, "bets-2.csv") as second:
                    assert (first.wait(), second.wait()) == (0, 0), first.log + second.log
                assert again.wait() == 0, again.log
                number = int(again.wait_for(r"sorteo .* winning_number: (\d+)")[1])
    assert first.winners() == [row for row in days[1] if int(row.rpartition(",")[2]) == number]
    draw = tmp_path / "lottery-data" / "draws" / "000001"
    audit = run_lottery("audit", tmp_path / "lottery-data")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    (script,) = code(page("docs/fairness.md"), "python")
    proof = [sys.executable, "-I", "-c", script, draw, promise]
    said = subprocess.run(proof, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said == f"draw 1: {number} is the number\n"
