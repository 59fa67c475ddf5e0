"""Whole days in containers: winners, statuses, the order and the grammar of what is logged."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from containers import CONFIG_INI, CONFIG_YAML, IMAGE, PYTHON, Project, command
from grammar import Line, lines_of
from live import rows_of, union, winning
from pages import ROOT

from lottery.wire.lottery1 import encode
from lottery.wire.messages import Batch

DATA = os.environ.get("LOTTERY_DATA", "")
STOP_SECONDS = 5.0
LARGEST_FRAME = 8192  # bytes

AT_DEBUG = CONFIG_INI.replace("INFO", "DEBUG")
#: The files of the original programs, as their users have them.
ORIGINAL_INI = """\
[DEFAULT]
SERVER_PORT = 12345
SERVER_IP = server
SERVER_LISTEN_BACKLOG = 5
LOGGING_LEVEL = DEBUG
"""
ORIGINAL_YAML = """\
server:
  address: "server:12345"
loop:
  amount: 5
  period: "5s"
log:
  level: "DEBUG"
batch:
  maxAmount: 10
"""


def draw_in(lines: list[Line]) -> Line:
    """The one draw of a day."""
    (draw,) = (line for line in lines if line.action == "sorteo")
    return draw


def check_order(lines: list[Line]) -> None:
    """All bets, then the one draw, then the winners, going by the central; nothing has failed."""
    assert [line for line in lines if line.result == "fail"] == []
    draw, said = draw_in(lines), [line for line in lines if line.service == "server"]
    assert all(line.time < draw.time for line in said if line.action == "apuesta_recibida")
    asked = [line for line in said if line.action == "consulta_ganadores"]
    assert all(line.time > draw.time for line in asked)


def in_order_of_all(play: Callable[[Path], list[Line]], directory: Path) -> list[Line]:
    """Play a day, and see that no agency has its winners before the draw, by the engine's clock.

    The engine gives a line its time when it comes to read it, and where it has much to do it may
    come to two containers the wrong way round. So a day may be played three times. If results
    left before the line is written, the order would be wrong nearly always.
    """
    for number in range(3):
        place = directory / f"day-{number}"
        place.mkdir()
        lines = play(place)
        told_at = [line.time for line in lines if line.action == "consulta_ganadores"]
        if min(told_at) > draw_in(lines).time:
            return lines
    raise AssertionError("winners come before the draw, three times")


def batches(lines: list[Line]) -> dict[int, list[int]]:
    """What ``apuesta_recibida`` says of each agency: at DEBUG every batch, at INFO the sum."""
    found: dict[int, list[int]] = {}
    for line in lines:
        if line.action == "apuesta_recibida":
            found.setdefault(int(line.details["agency"]), []).append(int(line.details["cantidad"]))
    return found


def told(lines: list[Line]) -> dict[int, int]:
    """How many winners each agency says that it has."""
    return {
        int(line.details["client_id"]): int(line.details["cant_ganadores"])
        for line in lines
        if line.action == "consulta_ganadores" and line.service != "server"
    }


def check_day(project: Project) -> list[Line]:
    """Everybody has its winners, and every bet is stored once; gives what was said."""
    lines, days = project.lines(), project.days
    check_order(lines)
    assert told(lines) == {agency: len(winning(rows)) for agency, rows in days.items()}
    assert {agency: sum(each) for agency, each in batches(lines).items()} == {
        agency: len(rows) for agency, rows in days.items()
    }
    return lines


def stopped(project: Project) -> None:
    """Stop what still runs: all with status 0, and soon."""
    start = time.monotonic()
    project.compose("stop")
    seconds = time.monotonic() - start
    print(f"stopped in {seconds:.1f} s")
    assert seconds < STOP_SECONDS
    for service in ("server", *project.clients):
        assert project.state(service)["ExitCode"] == 0


def run_by_make(directory: Path, day: Path) -> list[Line]:
    """A day by the targets of make, with the file that is checked in; gives what was said."""
    file = (ROOT / "docker-compose-dev.yaml").read_text(encoding="utf-8")
    with Project(directory, 5, day, compose=file) as project:
        project.make("docker-compose-up")
        project.wait_for_all()
        lines = check_day(project)
        state = project.state("server")
        assert (state["Status"], state["Health"]["Status"]) == ("running", "healthy")
        assert [line for line in lines if line.action == "probe"] == []
        assert project.bets(1) == union(project.days)
        audit = project.in_server("lottery", "audit", "/var/lib/lottery")
        assert audit.endswith("nothing differs\n")
        stopped(project)
        assert project.make("docker-compose-logs").count("action: sorteo") == 1
        project.make("docker-compose-down")
        assert project.compose("ps", "-a", "-q") == ""
        return lines


def test_the_targets_of_make(tmp_path: Path, day: Path) -> None:
    """Image, up, logs and down."""
    lines = in_order_of_all(lambda place: run_by_make(place, day), tmp_path)
    assert sum(told(lines).values()) > 0


@pytest.mark.skipif(not DATA, reason="LOTTERY_DATA names no folder with the real day")
def test_the_real_day(tmp_path: Path) -> None:
    """78,697 bets have 2, 3, 3, 2 and 0 winners."""
    data = Path(DATA).absolute()
    lines = in_order_of_all(lambda place: run_by_make(place, data), tmp_path)
    assert told(lines) == {1: 2, 2: 3, 3: 3, 4: 2, 5: 0}


@pytest.mark.parametrize("agencies", [1, 2, 12])
def test_other_numbers_of_agencies(tmp_path: Path, day_of_twelve: Path, agencies: int) -> None:
    """The central waits for as many, and goes on to the next draw."""
    with Project(tmp_path, agencies, day_of_twelve) as project:
        project.up()
        project.wait_for_all()
        check_day(project)
        stopped(project)


@pytest.mark.parametrize("size", [7, 140, 1000])
def test_every_batch_at_debug(tmp_path: Path, day: Path, size: int) -> None:
    """A batch has as many bets as config.yaml says, unless it is the last or 8 kB come first.

    The same image runs with other settings: after one draw, the central ends by itself.
    """
    ini = f"{AT_DEBUG}LOTTERY_DRAWS = 1\n"
    yaml = re.sub("maxAmount: .*", f"maxAmount: {size}", CONFIG_YAML)

    def play(place: Path) -> list[Line]:
        with Project(place, 5, day, ini=ini, yaml=yaml) as project:
            project.up()
            project.wait_for_all()
            assert project.wait("server") == 0
            return check_day(project)

    lines = in_order_of_all(play, tmp_path)
    for agency, sizes in batches(lines).items():
        assert sizes == expected(rows_of(day / f"agency-{agency}.csv"), size)
    assert [line for line in lines if line.action == "probe"] != []


def expected(rows: list[str], most: int) -> list[int]:
    """The sizes of the batches that these rows make."""
    lengths = [len(f"{row}\n".encode()) for row in rows]
    header = len(encode(Batch(0, 1, b"x"))) - 1
    sizes, first = [], 0
    while first < len(rows):
        count, length = 0, header
        for each in lengths[first : first + most]:
            if length + each > LARGEST_FRAME:
                break
            count, length = count + 1, length + each
        sizes.append(count)
        first += count
    return sizes


def test_settings_of_the_original(tmp_path: Path, day: Path) -> None:
    """Its files as they are; keys that mean nothing here are named once."""
    with Project(tmp_path, 5, day, ini=ORIGINAL_INI, yaml=ORIGINAL_YAML) as project:
        project.up()
        project.wait_for_all()
        lines = check_day(project)
        ignored = [
            (line.service, line.details["key"]) for line in lines if "ignored" in line.action
        ]
        loops = [
            (client, f"loop.{key}") for client in project.clients for key in ("amount", "period")
        ]
        assert sorted(ignored) == sorted([*loops, ("server", "server_ip")])
        assert {max(sizes) for sizes in batches(lines).values()} == {10}
        (config,) = (each for each in lines if (each.service, each.action) == ("server", "config"))
        assert config.details == {
            "port": "12345",
            "listen_backlog": "5",
            "logging_level": "DEBUG",
        }
        stopped(project)


def other_naming(day: Path) -> str:
    """A compose file of ours with the names of the other exercise, and no file of settings."""
    client = """
  client{agency}:
    image: {image}
    command: ["lottery", "agency"]
    depends_on: [server]
    environment:
      AGENCY_ID: "{agency}"
      INPUT_FILE: /input.csv
      OUTPUT_FILE: /winners/output.csv
      BATCH_SIZE: "50"
      SERVER_HOST: server
      SERVER_PORT: "5678"
    volumes: ["{day}/agency-{agency}.csv:/input.csv:ro"]
"""
    server = f"""
services:
  server:
    image: {IMAGE}
    environment:
      SERVER_HOST: 0.0.0.0
      LOTTERY_INSECURE: "yes"
      SERVER_PORT: "5678"
      AGENCY_QUORUM_MIN: "2"
      LOGGING_LEVEL: DEBUG
"""
    return server + "".join(client.format(agency=agency, image=IMAGE, day=day) for agency in (1, 2))


def test_the_other_naming(tmp_path: Path, day: Path) -> None:
    """Everything from the environment; agencies that start before the central wait for it."""
    with Project(tmp_path, 2, day, compose=other_naming(day)) as project:
        project.up()
        project.wait_for_all()
        lines = project.lines()
        check_order(lines)
        assert {max(sizes) for sizes in batches(lines).values()} == {50}
        assert told(lines) == {agency: len(winning(rows)) for agency, rows in project.days.items()}
        assert {line.details["output"] for line in lines if "output" in line.details} == {
            "/winners/output.csv"
        }


def test_other_settings_in_the_same_project(tmp_path: Path, day: Path) -> None:
    """A central alone has the usual places; restarted, it has the settings that are there now."""
    with Project(tmp_path, 0, day) as project:
        project.up()
        project.wait_until_healthy("server")
        (draw,) = (line for line in project.lines() if line.action == "draw_open")
        assert draw.details["agencies"] == "5"
        other = AT_DEBUG.replace("12345", "12346")
        (project.settings / "config.ini").write_text(f"{other}LOTTERY_WRITERS = 1\n")
        project.compose("restart", "server")
        project.wait_for("server", "action: draw_resumed")
        (config,) = (line for line in project.lines() if line.action == "config")
        assert (config.details["port"], config.details["logging_level"]) == ("12346", "DEBUG")
        assert "connections at 0.0.0.0 port 12346" in project.in_server(
            "lottery", "probe", "--config", "/etc/lottery/config.ini"
        )
        stopped(project)


def test_another_number_in_the_same_project(tmp_path: Path, day: Path) -> None:
    """Five agencies, then two: the draw that was open waits for two, and nobody is left over."""
    with Project(tmp_path, 5, day) as project:
        project.make("docker-compose-up")
        project.wait_for_all()
        command(ROOT / "compose" / "generar-compose.sh", project.file, "2")
        project.make("docker-compose-up")
        project.agencies = 2
        project.forget()
        project.wait_for_all()
        assert project.compose("ps", "-a", "-q").count("\n") == 3
        assert project.bets(2) == union(project.days)
        project.compose("stop")
        results = project.compose(
            "run", "--rm", "--no-deps", "server", "lottery", "results", "/var/lib/lottery"
        )
        assert "draw 2 is delivered" in results


def test_the_generator(tmp_path: Path) -> None:
    """What compose accepts, or a sentence and status 2."""
    generator, file = ROOT / "compose" / "generar-compose.sh", tmp_path / "a file.yaml"
    for agencies in (0, 1, 12):
        command(generator, file, str(agencies))
        checked = {"COMPOSE_FILE": str(file)}
        assert command(ROOT / "compose" / "compose.sh", "config", "-q", env=checked) == ""
    for number in ("x", "-1"):
        assert "must be a whole number" in command(generator, file, number, status=2)
    assert "cannot write to" in command(generator, tmp_path, "1", status=2)


def local_test(directory: Path, project: Project, status: int, **more: str) -> dict[str, str]:
    """Run the script; gives the table of statuses."""
    environment = {**project.environment, "PYTHON": PYTHON, **more}
    script = ROOT / "compose" / "run_local_test.sh"
    try:
        said = command(script, cwd=directory, env=environment, status=status)
    finally:
        environment["COMPOSE_PROJECT_NAME"] += "-local-test"
        command(ROOT / "compose" / "compose.sh", "down", "-v", env=environment)
    table = said[said.index("service  ") :].split("\n\n")[0].splitlines()
    return dict(line.split(None, 1) for line in table[1:])


def test_run_local_test(tmp_path: Path, day: Path) -> None:
    """It ends by itself, with logs.txt and a table of the statuses."""
    project = Project(tmp_path, 5, day)
    statuses = local_test(tmp_path, project, 0)
    assert statuses == dict.fromkeys(["server", *project.clients], "0")
    log = (tmp_path / "logs.txt").read_text(encoding="utf-8")
    assert len(lines_of(log)) == log.count("\n")
    assert log.count("consulta_ganadores") == 10
    assert log.index("action: sorteo") < log.index("action: consulta_ganadores")


def test_run_local_test_with_an_agency_that_fails(tmp_path: Path, day: Path) -> None:
    """It ends all the same, and says who has failed."""
    files = tmp_path / "files"
    shutil.copytree(day, files)
    (files / "agency-1.csv").write_text("a,row\n")
    project = Project(tmp_path, 2, files)
    statuses = local_test(tmp_path, project, 1, WAIT="8")
    assert statuses == {"server": "0", "client1": "1", "client2": "0, stopped before its end"}
    (files / "agency-1.csv").unlink()
    statuses = local_test(tmp_path, project, 1)
    assert statuses["client1"] == "was not started"
    assert (tmp_path / "logs.txt").exists()
