"""Each way for an agency to fail, once for real: the others get their winners, nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from classic_agency import ClassicAgency, batch_of, batches_of
from live import LiveAgency, LiveCentral, documents, established, export, made_up, union
from lottery1_agency import Lottery1Agency, batch, end

ROWS: Final = {
    agency: made_up(10 * agency, number=7574, name=f"Agency{'abc'[agency - 1]}")
    for agency in (1, 2, 3)
}
VICTIM: Final = 2
#: What the victim has stored before its fault: the first batch.
FIRST: Final = ROWS[VICTIM][:5]


def writer_of(central: LiveCentral, arrival: int) -> int:
    """The process that stores the bets of the agency that came as the ``arrival``-th."""
    pattern = r"action: writer \| result: in_progress \| pid: (\d+) "
    return int(central.wait_for(pattern, count=arrival)[1])


def files_and_pipes(pid: int) -> list[str]:
    """What a process has open, sockets apart, without the numbers of the system."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        found.append(target.partition(":[")[0])
    return sorted(target for target in found if target != "socket")


@frozen
class Fault:
    """How an agency fails.

    :ivar happens: makes it happen to the victim, whose first batch is stored.
    :ivar reason: what the log says of it, a pattern.
    :ivar options: of the central.
    """

    happens: Callable[[LiveCentral, ClassicAgency], None]
    reason: str
    options: tuple[object, ...] = ()


def cut_in_a_header(_central: LiveCentral, agency: ClassicAgency) -> None:
    """The connection ends within the header of a later frame."""
    agency.send(batch_of(FIRST)[:2])
    agency.close()


def cut_in_a_payload(_central: LiveCentral, agency: ClassicAgency) -> None:
    """The connection ends within a payload."""
    agency.part_of_batch(FIRST)
    agency.close()


def cut_between(_central: LiveCentral, agency: ClassicAgency) -> None:
    """The connection ends between two frames, before the end."""
    agency.close()


def reset(_central: LiveCentral, agency: ClassicAgency) -> None:
    """The connection is reset within a payload."""
    agency.part_of_batch(FIRST)
    agency.reset()


def refused(_central: LiveCentral, agency: ClassicAgency) -> None:
    """A batch breaks a rule."""
    agency.batch([*FIRST, "Ana,Paz,1,1990-02-30,1"])
    agency.refused()
    agency.close()


def writer_killed(central: LiveCentral, agency: ClassicAgency) -> None:
    """The writer is killed."""
    os.kill(writer_of(central, VICTIM), signal.SIGKILL)
    agency.refused()
    agency.close()


def silent(_central: LiveCentral, agency: ClassicAgency) -> None:
    """It says nothing any more, and is told so."""
    agency.refused()
    agency.close()


FAULTS: Final = {
    "cut-in-a-header": Fault(cut_in_a_header, "in the middle of a frame"),
    "cut-in-a-payload": Fault(cut_in_a_payload, "in the middle of a frame"),
    "cut-between": Fault(cut_between, "it closed the connection"),
    "reset": Fault(reset, "the connection was lost"),
    "refused": Fault(refused, "row 6, .*calendar"),
    "writer-killed": Fault(writer_killed, "its writer was ended by signal 9", ("--writers", 5)),
    "silent": Fault(silent, "it was silent for too long", ("--silence", 1)),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_one_of_three_fails(tmp_path: Path, fault: Fault) -> None:
    """The draw is held with exactly the others; the log says who is left out, and why."""
    with LiveCentral(tmp_path, "--agencies", 3, *fault.options) as central:
        central.settle()
        unused = files_and_pipes(central.pid)
        with (
            ClassicAgency(central.port) as first,
            ClassicAgency(central.port) as victim,
            ClassicAgency(central.port) as third,
        ):
            for agency, peer in enumerate((first, victim, third), 1):
                peer.batch(ROWS[agency][:5])
                peer.acknowledged()
            for agency, peer in ((1, first), (3, third)):
                peer.upload(batches_of(ROWS[agency][5:], 5), 1)
                peer.end()
            fault.happens(central, victim)
            assert first.winners() == documents(ROWS[1])
            assert third.winners() == documents(ROWS[3])
        (line,) = central.matches(r"action: left_out \| result: success .*")
        assert f"draw: 1 | agency: {VICTIM} | reason: " in line.string
        central.wait_for(rf"left_out .* reason: .*{fault.reason}")
        central.wait_for(r"sorteo \| result: success \| draw: 1 .*agencies: 2 \| left_out: 1")
        assert central.matches(r"action: apuesta_enviada|consulta_ganadores .* agency: 2 ") == []
        # Its acknowledged bets stay, and nothing of what it began with.
        assert central.bets_csv(1) == union({1: ROWS[1], VICTIM: FIRST, 3: ROWS[3]})
        # The next draw is as good as new, and nothing of the last one is left.
        central.wait_for(r"draw_open \| result: success \| draw: 2 ")
        central.wait_for(r"delivered \| result: success \| draw: 1 \| agencies: 2")
        central.settle()
        assert central.children == []
        assert established(central.pid) == []
        assert files_and_pipes(central.pid) == unused
        assert central.temporary_files() == []
        play_the_next(central)


def play_the_next(central: LiveCentral) -> None:
    """Hold another draw, with everybody."""
    with (
        ClassicAgency(central.port) as first,
        ClassicAgency(central.port) as second,
        ClassicAgency(central.port) as third,
    ):
        peers = {1: first, 2: second, 3: third}
        for agency, peer in peers.items():
            peer.upload(batches_of(ROWS[agency], 5), 1)
        for peer in peers.values():
            peer.end()
        for agency, peer in peers.items():
            assert peer.winners() == documents(ROWS[agency])


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reset", "writer-killed"])
def test_all_fail(tmp_path: Path, fault: str) -> None:
    """With nobody left the draw is void, nobody is told anything, and the next one opens."""
    with LiveCentral(tmp_path, "--agencies", 3, "--writers", 5) as central:
        with (
            ClassicAgency(central.port) as first,
            ClassicAgency(central.port) as second,
            ClassicAgency(central.port) as third,
        ):
            for agency, peer in enumerate((first, second, third), 1):
                peer.batch(ROWS[agency][:5])
                peer.acknowledged()
            for arrival, peer in enumerate((first, second, third), 1):
                if fault == "reset":
                    peer.reset()
                else:
                    os.kill(writer_of(central, arrival), signal.SIGKILL)
                    peer.refused()
        central.wait_for(r"sorteo \| result: fail \| draw: 1 \| error: void")
        assert len(central.matches("action: left_out ")) == 3
        assert not (central.data_dir / "draws" / "000001" / "bets.csv").exists()
        assert export(central.data_dir, 1) == union({a: ROWS[a][:5] for a in ROWS})
        play_the_next(central)


def test_agencies_of_lottery1_fail_as_well(tmp_path: Path) -> None:
    """Cut off before its END, refused, and one that is fine: ``lottery agency`` says which."""
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([*made_up(150), "Ana,Paz,1,1990-02-30,1"]))
    good = tmp_path / "good.csv"
    good.write_text("\n".join(made_up(4, number=7574)))
    with LiveCentral(tmp_path, "--agencies", 3, "--draws", 1, "--rejoin", 0) as central:
        with Lottery1Agency(central.port) as cut:
            cut.greet(1)
            cut.send(batch(0, FIRST) + end(5)[:-1])
            cut.acknowledged(5)
        with LiveAgency(tmp_path, central.port, 2, bad) as second:
            assert second.wait() == 1
            line = second.wait_for(r"action: read_input \| result: fail .*")[0]
            assert "line: 151 | field: birthdate" in line
        with LiveAgency(tmp_path, central.port, 3, good) as third:
            assert third.wait() == 0
            assert third.winners() == made_up(4, number=7574)
        assert central.wait() == 0
        assert [line[1] for line in central.matches(r"left_out .* agency: (\d)")] == ["1", "2"]


def test_a_writer_that_is_killed_harms_its_sessions_only(tmp_path: Path) -> None:
    """The pool goes on: the next session gets a new writer, the other writer never notices."""
    with LiveCentral(tmp_path, "--agencies", 4, "--writers", 2) as central:
        with (
            ClassicAgency(central.port) as first,
            ClassicAgency(central.port) as second,
            ClassicAgency(central.port) as third,
            ClassicAgency(central.port) as fourth,
        ):
            for peer in (first, second, third):  # the third shares the first one's writer
                peer.batch(FIRST)
                peer.acknowledged()
            pid = writer_of(central, 1)
            os.kill(pid, signal.SIGKILL)
            first.refused()
            third.refused()
            central.wait_for(rf"action: writer \| result: fail \| pid: {pid} .* status: -9")
            fourth.batch(FIRST)
            fourth.acknowledged()
            assert writer_of(central, 3) not in (pid, writer_of(central, 2))
            second.upload([batch_of(FIRST)] * 20, 3)
            second.end()
            fourth.end()
            assert second.winners() == documents(FIRST) * 21
            assert fourth.winners() == documents(FIRST)
        assert central.bets_csv(1) == union({1: FIRST, 2: FIRST * 21, 3: FIRST, 4: FIRST})


def test_silent_agencies_of_every_kind(tmp_path: Path) -> None:
    """Who never says anything takes no place; the deadline ends a draw that nobody comes to."""
    options = ("--agencies", 2, "--silence", "0.5", "--deadline", 1)
    with LiveCentral(tmp_path, *options) as central, ClassicAgency(central.port) as probe:
        with ClassicAgency(central.port) as agency:
            agency.batch(FIRST)
            agency.acknowledged()
            agency.end()  # who has ended may be silent for as long as it takes
            probe.rest()
            assert agency.winners() == documents(FIRST)
        central.wait_for(r"left_out .* agency: nobody \| reason: it never came")


def test_a_client_that_reads_nothing_before_all_is_sent(tmp_path: Path) -> None:
    """Unread acknowledgements never stop the reading: tens of thousands of them.

    Its buffer for what it has not read is as small as can be, so that its acknowledgements have
    to wait in the central while it sends.
    """
    row = made_up(1)
    count = 60_000
    with (
        LiveCentral(tmp_path, "--agencies", 1, level="INFO") as central,
        ClassicAgency(central.port, receive_buffer=2048) as agency,
    ):
        data = batch_of(row) * count
        done = threading.Event()

        def send() -> None:
            agency.send(data)
            agency.end()
            done.set()

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        assert done.wait(60), "it was not read from"
        thread.join()
        assert agency.receive(count) == b"\x02" * count
        assert agency.winners() == []


@pytest.mark.slow
def test_strangers_do_not_take_the_files_that_a_draw_needs(tmp_path: Path) -> None:
    """Under a limit of 64 open files, 60 silent connections harm neither agency nor draw."""
    program = ("prlimit", "--nofile=64:64", sys.executable, "-m", "lottery", "serve")
    options = ("--agencies", 1, "--draws", 1, "--writers", 2)
    with ExitStack() as strangers, LiveCentral(tmp_path, *options, program=program) as central:
        with ClassicAgency(central.port) as agency:
            agency.batch(made_up(1, number=7574))
            agency.acknowledged()
            for _ in range(60):
                address = ("127.0.0.1", central.port)
                strangers.enter_context(socket.create_connection(address, 10))
            central.wait_for(r"action: strangers \| result: fail \| turned_away: \d+")
            agency.end()
            assert agency.winners() == ["20000000"]
        assert central.wait() == 0, central.log
