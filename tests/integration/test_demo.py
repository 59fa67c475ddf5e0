"""``make demo``: a whole day in processes of their own, told by its output and its files."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lottery.agency import sample_day
from lottery.settings_table import AGENCY, CENTRAL

DEMO = Path(__file__).parents[2] / "contrib" / "demo.py"
MAKEFILE = DEMO.parents[1] / "Makefile"
LIMIT_SECONDS = 60


def demo(place: Path, *words: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in a folder, to its end."""
    return subprocess.run(
        [sys.executable, str(DEMO), *words],
        cwd=place,
        env={**os.environ, **surroundings},
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_SECONDS,
    )


def processes_in(place: Path) -> list[str]:
    """The command lines of all processes that work in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and (process / "cwd").resolve() == place.resolve():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            pass  # it has ended, or is somebody else's
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose path has a blank."""
    place = tmp_path / "a place"
    place.mkdir()
    return place


def write_day(folder: Path, agencies: dict[int, int], bets: int) -> None:
    """Make the files of a small day; ``agencies`` says which number each gets."""
    folder.mkdir()
    for day in sample_day.plan(len(agencies), bets, seed=3):
        with (folder / f"agency-{agencies[day.agency]}.csv").open("w", newline="") as file:
            file.writelines(f"{row}\r\n" for row in sample_day.rows(day))


def rows_of_all(folder: Path) -> list[list[str]]:
    """The rows of all files of a day with the agency in front, as ``bets.csv`` has to be."""
    paths = {int(path.stem.partition("-")[2]): path for path in folder.iterdir()}
    rows = []
    for agency in sorted(paths):
        with paths[agency].open(newline="") as file:
            rows += [[str(agency), *row] for row in csv.reader(file)]
    return rows


def rows_stored(place: Path) -> list[list[str]]:
    """The rows of ``bets.csv``."""
    with (place / "demo" / "data" / "draws" / "000001" / "bets.csv").open(newline="") as file:
        return list(csv.reader(file))


def table(output: str) -> dict[int, tuple[str, str]]:
    """Bets and winners of each agency, as the table at the end has them."""
    _, heading, rest = output.partition("    agency     bets  winners  seconds\n")
    assert heading, output
    rows = (line.split() for line in rest.split("\n\n")[0].splitlines())
    return {int(agency): (bets, winners) for agency, bets, winners, _ in rows}


def winners_in(rows: list[list[str]], agency: int) -> list[list[str]]:
    """The winning rows of an agency, as its own file has to have them."""
    return [row[1:] for row in rows if row[0] == str(agency) and int(row[-1]) == 7574]


@pytest.mark.slow
def test_a_day_of_ones_own_twice(place: Path) -> None:
    """All bets arrive and every agency has its winners; a second run starts afresh."""
    write_day(place / "the day", {1: 3, 2: 10, 3: 1}, bets=300)
    expected = rows_of_all(place / "the day")
    for _ in range(2):
        ran = demo(place, "--data", "the day")

        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
        assert rows_stored(place) == expected
        bets = {agency: sum(row[0] == str(agency) for row in expected) for agency in (1, 3, 10)}
        assert table(ran.stdout) == {
            agency: (str(bets[agency]), str(len(winners_in(expected, agency)))) for agency in bets
        }
        assert "300 bets, in order: demo/data/draws/000001/bets.csv" in ran.stdout
        for agency in bets:
            path = place / "demo" / "winners" / f"winners-{agency}.csv"
            with path.open(newline="") as file:
                assert list(csv.reader(file)) == winners_in(expected, agency)
        assert list((place / "demo" / "data" / "draws").iterdir()) == [
            place / "demo" / "data" / "draws" / "000001"
        ]
        assert processes_in(place) == []


def test_a_made_up_day(place: Path) -> None:
    """Without --data there is a sample day; the programs are heard as they speak."""
    ran = demo(place)

    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert sorted(table(ran.stdout)) == [1, 2, 3, 4, 5]
    assert rows_stored(place) == rows_of_all(place / "demo" / "day")
    assert re.search(r"^central  \| action: sorteo \| result: success", ran.stdout, re.MULTILINE)
    assert re.search(r"^agency 5 \| action: consulta_ganadores ", ran.stdout, re.MULTILINE)


@pytest.mark.slow
def test_the_day_before_can_be_taken_again(place: Path) -> None:
    """--data demo/day is not cleared away before it is read."""
    (place / "demo").mkdir()
    (place / "demo" / ".made-by-the-demo").touch()
    write_day(place / "demo" / "day", {1: 1, 2: 2}, bets=20)

    ran = demo(place, "--data", "demo/day")

    assert ran.returncode == 0, ran.stderr
    assert len(rows_stored(place)) == 20


@pytest.mark.slow
def test_settings_of_the_surroundings_are_left_out(place: Path) -> None:
    """A variable that is meant for another central makes no other day of it."""
    write_day(place / "day", {1: 1, 2: 2}, bets=20)
    names = {name for row in (*CENTRAL, *AGENCY) for name in row.environment}

    ran = demo(place, "--data", "day", **dict.fromkeys(names, "nonsense"))

    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("missing", "demo: missing is not a folder\n"),
        ("empty", "demo: there is no agency-1.csv, agency-2.csv, ... in empty\n"),
    ],
)
def test_no_files(place: Path, folder: str, sentence: str) -> None:
    """A folder without files is told in a sentence; nothing is made."""
    (place / "empty").mkdir()

    ran = demo(place, "--data", folder)

    assert (ran.returncode, ran.stderr, ran.stdout) == (2, sentence, "")
    assert not (place / "demo").exists()


def test_only_what_the_demo_made_is_cleared_away(place: Path) -> None:
    """A folder of somebody else's that has the same name is left alone."""
    (place / "demo" / "day").mkdir(parents=True)
    (place / "demo" / "day" / "precious").touch()

    ran = demo(place)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "demo: demo holds something that the demo has not made\n"
    assert (place / "demo" / "day" / "precious").exists()


@pytest.mark.slow
def test_a_bad_row(place: Path) -> None:
    """An agency that fails is named and has the status; the others have their draw."""
    write_day(place / "day", {1: 1, 2: 2}, bets=20)
    good = 100 * "Ana,Paz,1,2001-02-28,5\n"  # the first batch, which takes the place
    (place / "day" / "agency-3.csv").write_text(f"{good}Ana,Paz,1,2001-02-30,5\n")

    ran = demo(place, "--data", "day")

    assert (ran.returncode, ran.stderr) == (1, "demo: agency 3 ended with status 1\n")
    assert table(ran.stdout)[3] == ("-", "-")
    assert "birthdate" in ran.stdout
    assert len(rows_stored(place)) == 120
    assert processes_in(place) == []


@pytest.mark.slow
def test_an_agency_that_never_comes(place: Path) -> None:
    """The demo does not wait for a draw that cannot be held."""
    write_day(place / "day", {1: 1, 2: 2}, bets=20)
    (place / "day" / "agency-3.csv").mkdir()

    ran = demo(place, "--data", "day")

    assert ran.returncode == 1
    assert "demo: agency 3 ended with status 1\n" in ran.stderr
    assert processes_in(place) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(place: Path, number: signal.Signals) -> None:
    """A signal in the middle ends everything, without a traceback."""
    write_day(place / "day", {1: 1, 2: 2}, bets=20)
    os.mkfifo(
        place / "day" / "agency-3.csv"
    )  # an agency that waits for its bets, and does not come before

    command = [sys.executable, str(DEMO), "--data", "day"]
    with subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("agency 1 | action: connect"):
                break
        process.send_signal(number)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)

    assert (process.returncode, errors) == (130, "demo: stopped\n")
    assert processes_in(place) == []


def test_make_runs_it() -> None:
    """``make demo`` is this program, with the folder that DATA names."""
    recipe = MAKEFILE.read_text().partition("\ndemo:")[2].splitlines()[1]

    assert recipe == '\t$(BIN)/python contrib/demo.py $(if $(DATA),--data "$(DATA)")'
