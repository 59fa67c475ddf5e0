"""Two centrals behind a balancer, on a primary and a standby: a day, and the loss of either."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import pytest
from containers import PATIENCE_SECONDS, PYTHON, Pipe, Project, command
from live import rows_of, union, winning
from pages import ROOT

COMPOSE: Final = (ROOT / "compose" / "scale-out" / "compose.yaml").read_text(encoding="utf-8")
LEDGER: Final = "postgresql://lottery:lottery@primary,standby/lottery?target_session_attrs=any"
#: Bets that each agency has sent before something happens; whole batches of 100.
BEFORE: Final = 500


@pytest.fixture(scope="module", autouse=True)
def scale_out_image(image: None) -> None:
    """The image of databases and balancer."""
    command("make", "scale-out-image", f"PYTHON={PYTHON}")


class ScaledOut(Project):
    """The example, with its five agencies in the middle of their day.

    :ivar pipes: the rest of each agency's file.
    """

    def __init__(self, directory: Path, day: Path) -> None:
        self.rows = {n: rows_of(day / f"agency-{n}.csv") for n in range(1, 6)}
        files = directory / "files"
        files.mkdir()
        self._ends = ExitStack()
        self.pipes = {
            n: self._ends.enter_context(closing(Pipe(files / f"agency-{n}.csv"))) for n in self.rows
        }
        super().__init__(directory, 5, files, compose=COMPOSE)

    def __exit__(self, *error: object) -> None:
        self._ends.close()
        super().__exit__(*error)

    def begin(self) -> None:
        """Start all of it, and let each agency send a part of its bets."""
        self.up()
        for agency, pipe in self.pipes.items():
            pipe.write(self.rows[agency][:BEFORE])
        until = time.monotonic() + PATIENCE_SECONDS
        while self.stored() < BEFORE * len(self.rows):
            assert time.monotonic() < until, "the agencies do not send"

    def finish(self) -> None:
        """Let the agencies send the rest, and end; each has to get its own winners."""
        for agency, pipe in self.pipes.items():
            pipe.write(self.rows[agency][BEFORE:])
            pipe.close()
        self.wait_for_all()

    def stored(self) -> int:
        """How many bets a database has that answers."""
        for service in ("standby", "primary"):
            words = ("psql", "-h", "/tmp", "-U", "postgres", "-d", "lottery", "-Atc")
            count = "SELECT count(*) FROM lottery.bet"
            try:
                return int(self.compose("exec", "-T", service, *words, count))
            except AssertionError:
                continue
        return 0

    def lottery(self, *words: str) -> str:
        """What a command of ours says of the ledger, in a central that lives."""
        return self.compose("exec", "-T", self.central, "lottery", *words)

    central = "central1"

    def check(self) -> None:
        """Every bet is there once, and the winners are right."""
        assert self.lottery("export", LEDGER, "--draw", "1").encode() == union(self.rows)
        said = self.lottery("results", LEDGER, "--draw", "1")
        assert sorted(line for line in said.splitlines() if line.count(",") == 5) == sorted(
            f"{agency},{row}" for agency in self.rows for row in winning(self.rows[agency])
        )
        self.lottery("audit", LEDGER, "--draw", "1")


@pytest.fixture
def scaled_out(tmp_path: Path, day: Path) -> Iterator[ScaledOut]:
    """The example at work."""
    with ScaledOut(tmp_path, day) as project:
        project.begin()
        yield project


def test_a_central_is_killed(scaled_out: ScaledOut) -> None:
    """Its agencies go on at the other one."""
    command("docker", "update", "--restart", "no", scaled_out.container("central2"))
    command("docker", "kill", scaled_out.container("central2"))
    scaled_out.finish()
    scaled_out.check()


def test_the_primary_is_killed(scaled_out: ScaledOut) -> None:
    """The standby is promoted, and all goes on without a restart of ours."""
    command("docker", "kill", scaled_out.container("primary"))
    scaled_out.compose("exec", "-T", "standby", "promote.sh")
    scaled_out.finish()
    scaled_out.check()
