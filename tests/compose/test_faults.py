"""Containers that are stopped, killed and restarted in the middle of an upload."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from containers import CONFIG_INI, IMAGE, Pipe, Project, command
from live import rows_of, union, winning
from test_day import STOP_SECONDS, told

AT_DEBUG: Final = CONFIG_INI.replace("INFO", "DEBUG")
#: Bets that are sent before something happens; whole batches of 100.
BEFORE: Final = 200


@contextmanager
def in_the_middle(
    tmp_path: Path, day: Path, agencies: list[int], ini: str
) -> Iterator[tuple[Project, dict[int, Pipe]]]:
    """A day in which these agencies have sent so many bets and wait for more of their file."""
    files = tmp_path / "files"
    files.mkdir()
    with ExitStack() as ends:
        pipes = {}
        for file in day.iterdir():
            agency = int(file.stem.removeprefix("agency-"))
            if agency in agencies:
                pipes[agency] = ends.enter_context(closing(Pipe(files / file.name)))
                pipes[agency].write(rows_of(file)[:BEFORE])
            else:
                (files / file.name).write_bytes(file.read_bytes())
        with Project(tmp_path, 5, files, ini=ini) as project:
            project.up()
            project.wait_until_stored(dict.fromkeys(agencies, BEFORE))
            yield project, pipes


@pytest.mark.parametrize(
    ("how", "status"), [(("stop",), 0), (("kill", "-s", "KILL"), 137)], ids=["stop", "kill"]
)
def test_an_agency_ends(tmp_path: Path, day: Path, how: tuple[str, ...], status: int) -> None:
    """It is left out, with what it had sent in the ledger; the others have their winners."""
    ini = f"{AT_DEBUG}LOTTERY_REJOIN = 2\nLOTTERY_DRAWS = 1\n"
    with in_the_middle(tmp_path, day, [3], ini) as (project, _):
        start = time.monotonic()
        command("docker", *how, project.container("client3"))
        seconds = time.monotonic() - start
        print(f"ended in {seconds:.1f} s")
        assert seconds < STOP_SECONDS
        assert project.state("client3")["ExitCode"] == status
        for client in ("client1", "client2", "client4", "client5"):
            assert project.wait(client) == 0
        assert project.wait("server") == 0
        lines = project.lines()
        days = {n: rows_of(day / f"agency-{n}.csv") for n in (1, 2, 4, 5)}
        assert told(lines) == {agency: len(winning(rows)) for agency, rows in days.items()}
        (draw,) = (line for line in lines if line.action == "sorteo")
        assert (draw.result, draw.details["left_out"]) == ("success", "1")


def restart(project: Project) -> None:
    """Restart the central as its operator does."""
    command("docker", "restart", project.container("server"))


def kill(project: Project) -> None:
    """Kill the central behind the engine's back, as the kernel does when memory is short.

    After ``docker kill`` the engine would not start it again.
    """
    order = f"kill -KILL {project.state('server')['Pid']}"
    command("docker", "run", "--rm", "--pid=host", IMAGE, "sh", "-c", order)


@pytest.mark.parametrize("end", [restart, kill])
def test_the_central_comes_back(tmp_path: Path, day: Path, end: Callable[[Project], None]) -> None:
    """Agencies in the middle of their files and others that have ended: no bet lost, none twice."""
    with in_the_middle(tmp_path, day, [2, 5], AT_DEBUG) as (project, pipes):
        end(project)
        for agency, pipe in pipes.items():
            pipe.write(rows_of(day / f"agency-{agency}.csv")[BEFORE:])
            pipe.close()
        project.wait_for_all()
        days = {n: rows_of(day / f"agency-{n}.csv") for n in range(1, 6)}
        assert told(project.lines()) == {
            agency: len(winning(rows)) for agency, rows in days.items()
        }
        assert project.bets(1) == union(days)
        record = project.in_server("lottery", "results", "/var/lib/lottery", "--draw", "1")
        assert record.count("succeeded") == 5
