"""SIGTERM and SIGINT at any time from the first line of the log on: a clean end within 5 s."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from classic_agency import ClassicAgency, batch_of, batches_of
from live import LiveAgency, LiveCentral, export, made_up, union
from lottery1_agency import ACK, ERROR, Lottery1Agency, batch, end, error_in, frames_in

LIMIT_SECONDS = 5

#: As ``twistd`` starts, whatever its script is called and wherever it lies.
TWISTD = (
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()",
    "-n",
    "--pidfile=",
    "--logger=lottery.ops.log.stdout_lines",
    "lottery",
)


def ends_well(central: LiveCentral, number: int = signal.SIGTERM) -> None:
    """A signal ends the central: status 0, in time, and no process of its directory is left."""
    status, seconds = central.stop(number)
    assert status == 0, central.log
    assert seconds < LIMIT_SECONDS, central.log
    central.left_alone()
    central.wait_for(r"action: shutdown \| result: success")


def test_serve_at_its_first_line(tmp_path: Path) -> None:
    """Right behind the first line of the log, before it listens even."""
    with LiveCentral(tmp_path, listening=False) as central:
        ends_well(central)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_without_anybody(tmp_path: Path, number: int) -> None:
    """While it listens and nobody has come."""
    with LiveCentral(tmp_path, level="INFO") as central:
        ends_well(central, number)


@contextmanager
def mid_upload(central: LiveCentral) -> Iterator[tuple[ClassicAgency, Lottery1Agency]]:
    """Two agencies whose batches are on the way, as many as the pipes take."""
    rows = made_up(120)
    with ClassicAgency(central.port) as classic, Lottery1Agency(central.port) as modern:
        modern.greet(9)
        classic.send(batch_of(rows) * 1500)
        classic.acknowledged()
        modern.send(b"".join(batch(120 * index, rows) for index in range(1000)))
        yield classic, modern


def test_serve_mid_upload(tmp_path: Path) -> None:
    """What is in hand is acknowledged or refused; both are told; acknowledged is on disk."""
    with LiveCentral(tmp_path, "--agencies", 2, "--writers", 1, level="INFO") as central:
        with mid_upload(central) as (classic, modern):
            ends_well(central)
            told = classic.rest()
            heard = frames_in(modern.rest())
        assert told.strip(b"\x02") in (b"\xff", b"")
        acknowledged = 1 + told.count(b"\x02")
        index = max((int.from_bytes(p[:8], "big") for kind, p in heard if kind == ACK), default=0)
        if heard[-1][0] == ERROR:
            assert error_in(heard[-1][1])[0] == "STOPPING"
        stored = export(central.data_dir, 1)
        assert stored.count(b"\n1,") + stored.startswith(b"1,") >= 120 * acknowledged
        assert stored.count(b"\n9,") + stored.startswith(b"9,") >= index
        assert stored.count(b"\n") % 120 == 0


def test_serve_twice_mid_upload(tmp_path: Path) -> None:
    """A second SIGTERM, and a SIGINT behind it, change nothing."""
    with LiveCentral(tmp_path, "--agencies", 2, level="INFO") as central, mid_upload(central):
        central.send_signal(signal.SIGTERM)
        central.send_signal(signal.SIGTERM)
        central.send_signal(signal.SIGINT)
        ends_well(central)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_until_its_very_end(tmp_path: Path, number: int) -> None:
    """Signals that meet the interpreter as it ends change nothing either."""
    with LiveCentral(tmp_path, level="INFO") as central:
        assert central.send_until_its_end(number) == 0, central.log


@pytest.mark.slow
def test_serve_with_a_writer_that_stands_still(tmp_path: Path) -> None:
    """A writer that does not answer can not hold the end up either."""
    with (
        LiveCentral(tmp_path, "--agencies", 1, level="DEBUG") as central,
        ClassicAgency(central.port) as agency,
    ):
        agency.batch(made_up(1))
        agency.acknowledged()
        pid = int(central.wait_for(r"action: writer \| result: in_progress \| pid: (\d+)")[1])
        central.stop_child(pid)
        agency.batch(made_up(1))
        central.settle()
        ends_well(central)
        assert agency.rest() in (b"\xff", b"")


def test_serve_waiting_for_the_draw(tmp_path: Path) -> None:
    """Agencies that have ended wait for one that has not: they are told, and nothing is drawn."""
    rows = made_up(10)
    with LiveCentral(tmp_path, "--agencies", 3) as central:
        with ClassicAgency(central.port) as classic, Lottery1Agency(central.port) as modern:
            classic.upload(batches_of(rows, 5), 1)
            classic.end()
            modern.greet(9)
            modern.send(batch(0, rows) + end(10))
            modern.acknowledged(10, ended=True)
            central.wait_for(r"action: agency \| result: success \| agency: 1 ")
            ends_well(central)
            classic.refused()
            assert modern.error()[0] == "STOPPING"
        assert central.matches("action: sorteo") == []
        assert export(central.data_dir, 1) == union({1: rows, 9: rows})


def test_serve_while_a_classic_agency_does_not_close(tmp_path: Path) -> None:
    """All its winners are written, but it neither reads them nor closes."""
    with (
        LiveCentral(tmp_path, "--agencies", 1) as central,
        ClassicAgency(central.port, receive_buffer=2048) as agency,
    ):
        agency.upload(batches_of(made_up(5000, number=7574), 100), None)
        agency.end()
        central.drawn(1)
        ends_well(central)


@pytest.mark.parametrize("bets", [3, pytest.param(150_000, marks=pytest.mark.slow)])
def test_serve_while_an_agency_acknowledges_no_winners(tmp_path: Path, bets: int) -> None:
    """An agency of lottery/1 reads nothing: all is written to it, or far from all."""
    rows = made_up(bets, number=7574)
    with (
        LiveCentral(tmp_path, "--agencies", 1, level="INFO") as central,
        Lottery1Agency(central.port, receive_buffer=2048) as agency,
    ):
        agency.greet(1)
        for start in range(0, bets, 150):
            agency.send(batch(start, rows[start : start + 150]))
        agency.acknowledged(bets)
        agency.send(end(bets))
        central.drawn(1)
        ends_well(central)


def test_serve_during_a_seal(tmp_path: Path) -> None:
    """While the list is made, or just behind it: it is there whole, or not at all."""
    rows = made_up(120)
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        with ClassicAgency(central.port) as agency:
            agency.upload([batch_of(rows)] * 800, None)
            agency.end()
            central.wait_for(r"action: agency \| result: success")
            ends_well(central)
        path = central.data_dir / "draws" / "000001" / "bets.csv"
        assert not path.exists() or path.read_bytes() == export(central.data_dir, 1)


@pytest.mark.parametrize("moment", ["first line", "upload"])
def test_twistd(tmp_path: Path, moment: str) -> None:
    """``twistd`` ends as cleanly, but its status is that of the signal."""
    with LiveCentral(
        tmp_path, program=TWISTD, listening=moment != "first line", level="INFO"
    ) as central:
        if moment == "upload":
            with mid_upload(central):
                status, seconds = central.stop()
        else:
            status, seconds = central.stop()
        assert status in (-signal.SIGTERM, 128 + signal.SIGTERM), central.log
        assert seconds < LIMIT_SECONDS
        central.left_alone()
        central.wait_for(r"action: shutdown \| result: success")


def test_twistd_tells_that_it_cannot_go_on(tmp_path: Path) -> None:
    """Its own status would be 0; a supervisor must see that this was no good end."""
    with LiveCentral(tmp_path, "--agencies", 1, program=TWISTD, level="INFO") as central:
        with ClassicAgency(central.port) as agency:
            agency.batch(made_up(1))
            agency.acknowledged()
            (central.data_dir / "draws").rename(tmp_path / "elsewhere")
            agency.end()
            assert central.wait() == 1, central.log
        central.wait_for(r"action: central \| result: fail")


# The agency.


def agency_ends_well(agency: LiveAgency, number: int = signal.SIGTERM) -> None:
    """A signal ends the agency: status 0, in time, and it leaves no file behind."""
    files = {path.name for path in agency.cwd.iterdir()}
    status, seconds = agency.stop(number)
    assert status == 0, agency.log
    assert seconds < LIMIT_SECONDS, agency.log
    assert not agency.output.exists()
    left = {path.name for path in agency.cwd.iterdir()}
    assert not [name for name in left if name.endswith(".part")], left - files


@pytest.fixture
def bets(tmp_path: Path) -> Path:
    """A file that takes a while to be sent."""
    path = tmp_path / "bets.csv"
    path.write_text("".join(f"{row}\n" for row in made_up(100) * 3000))
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_agency_at_its_first_line(tmp_path: Path, bets: Path, number: int) -> None:
    """Right behind the first line; nobody listens at the port."""
    with LiveAgency(tmp_path, 9, 1, bets) as agency:
        agency.wait_for("action: config")
        agency_ends_well(agency, number)


def test_agency_mid_upload(tmp_path: Path, bets: Path) -> None:
    """The central leaves it out, and goes on to the next draw."""
    with LiveCentral(tmp_path, "--agencies", 1, "--rejoin", 0) as central:
        with LiveAgency(tmp_path, central.port, 1, bets, "--batch-size", 10) as agency:
            central.wait_for("action: apuesta_recibida", count=100)
            agency_ends_well(agency)
        central.wait_for(r"sorteo \| result: fail \| draw: 1 \| error: void")
        central.wait_for(r"draw_open \| result: success \| draw: 2 ")


def test_agency_twice(tmp_path: Path, bets: Path) -> None:
    """A second signal changes nothing."""
    with (
        LiveCentral(tmp_path, "--agencies", 1) as central,
        LiveAgency(tmp_path, central.port, 1, bets, "--batch-size", 10) as agency,
    ):
        central.wait_for("action: apuesta_recibida", count=10)
        agency.send_signal(signal.SIGTERM)
        agency_ends_well(agency, signal.SIGINT)


def test_agency_until_its_very_end(tmp_path: Path, bets: Path) -> None:
    """Signals that meet the interpreter as it ends change nothing either."""
    with (
        LiveCentral(tmp_path, "--agencies", 2) as central,
        LiveAgency(tmp_path, central.port, 1, bets, "--batch-size", 10) as agency,
    ):
        central.wait_for("action: apuesta_recibida", count=10)
        assert agency.send_until_its_end(signal.SIGTERM) == 0, agency.log


def test_agency_waiting_for_the_draw(tmp_path: Path) -> None:
    """It has ended, so it has succeeded; that it is away is noted when its winners are due."""
    (tmp_path / "few.csv").write_text("\n".join(made_up(2, number=7574)))
    with LiveCentral(tmp_path, "--agencies", 2, "--rejoin", 0) as central:
        with LiveAgency(tmp_path, central.port, 1, "few.csv") as agency:
            agency.wait_for(r"action: apuesta_enviada \| result: success")
            agency_ends_well(agency)
        central.settle()
        with ClassicAgency(central.port) as other:
            assert other.whole_day(batches_of(made_up(1, number=7574), 1), 1) == ["20000000"]
        central.wait_for(r"consulta_ganadores \| result: fail \| draw: 1 \| agency: 1 ")
        central.wait_for(r"consulta_ganadores \| result: success \| draw: 1 \| agency: 2 ")
