"""A compose project of a test: its files, its containers, and what they say and come to."""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from grammar import Line, lines_of
from live import environment, rows_of
from pages import ROOT

#: For any one thing to happen; only a failing test ever waits so long.
PATIENCE_SECONDS: Final = 120.0

IMAGE: Final = "lottery-central:latest"
#: The version of Python in the image.
PYTHON: Final = os.environ.get("IMAGE_PYTHON", "3.13")
DATA_DIR: Final = "/var/lib/lottery"

CONFIG_INI: Final = (ROOT / "compose" / "config.ini").read_text(encoding="utf-8")
CONFIG_YAML: Final = (ROOT / "compose" / "config.yaml").read_text(encoding="utf-8")


def command(
    *words: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, status: int = 0
) -> str:
    """Run a program to its end, which has to be with ``status``; gives what it printed."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=5 * PATIENCE_SECONDS,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def sample(directory: Path, agencies: int, bets: int) -> None:
    """Make up the files of a day."""
    words = ("lottery", "sample", "/day", "--agencies", str(agencies), "--bets", str(bets))
    directory.mkdir()
    user = f"{os.getuid()}:{os.getgid()}"
    command("docker", "run", "--rm", "--user", user, "-v", f"{directory}:/day", IMAGE, *words)


class Pipe:
    """The end of a pipe that an agency reads its file from, and whose other end is ours.

    An agency is in the middle of its upload for as long as we have not closed it.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        # Opened for both, or it would wait for the agency to open it.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._room = select.poll()
        self._room.register(self._descriptor, select.POLLOUT)

    def write(self, rows: Sequence[str]) -> None:
        """Send rows, as fast as the agency reads."""
        rest = "".join(f"{row}\n" for row in rows).encode()
        while rest:
            assert self._room.poll(PATIENCE_SECONDS * 1000), "nobody reads from the pipe"
            rest = rest[os.write(self._descriptor, rest) :]

    def close(self) -> None:
        """End the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Project:
    """A compose project of its own; its containers and volumes are gone when its block is left.

    :ivar agencies: how many there are.
    :ivar day: the folder with their files.
    :ivar settings: the folder with the files of settings.
    :ivar file: the compose file.
    """

    def __init__(
        self,
        directory: Path,
        agencies: int,
        day: Path,
        *,
        ini: str = CONFIG_INI,
        yaml: str = CONFIG_YAML,
        compose: str | None = None,
    ) -> None:
        """:param compose: the compose file, instead of the one that the generator makes."""
        self.agencies = agencies
        self.day = day
        self.settings = directory / "settings"
        self.settings.mkdir()
        (self.settings / "config.ini").write_text(ini, encoding="utf-8")
        (self.settings / "config.yaml").write_text(yaml, encoding="utf-8")
        self.file = file = directory / "compose.yaml"
        if compose is None:
            command(ROOT / "compose" / "generar-compose.sh", file, str(agencies))
        else:
            file.write_text(compose, encoding="utf-8")
        self.environment = {
            "COMPOSE_PROJECT_NAME": f"lottery-test-{secrets.token_hex(4)}",
            "COMPOSE_FILE": str(file),
            "CONFIG_DIR": str(self.settings),
            "INPUT_DIR": str(day),
        }
        self._ids: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error is not None:
            print(self.compose("logs", "-t", "--no-color"))
        self.compose("down", "-v", "-t", "1")

    @property
    def clients(self) -> list[str]:
        """The services of the agencies."""
        return [f"client{agency}" for agency in range(1, self.agencies + 1)]

    @property
    def days(self) -> dict[int, list[str]]:
        """The rows of each agency."""
        return {
            agency: rows_of(self.day / f"agency-{agency}.csv")
            for agency in range(1, self.agencies + 1)
        }

    def compose(self, *words: str) -> str:
        """Run compose to its end."""
        return command(ROOT / "compose" / "compose.sh", *words, env=self.environment)

    def make(self, target: str) -> str:
        """Run make to its end."""
        return command("make", target, f"PYTHON={PYTHON}", env=self.environment)

    def up(self) -> None:
        """Start all services."""
        self.compose("up", "-d")

    def container(self, service: str) -> str:
        """The id of a service's container."""
        if service not in self._ids:
            (self._ids[service],) = self.compose("ps", "-a", "-q", service).split()
        return self._ids[service]

    def forget(self) -> None:
        """Ask again for all containers: some may have been made anew."""
        self._ids.clear()

    def state(self, service: str) -> Any:
        """What the engine says of a container's state."""
        return json.loads(
            command("docker", "inspect", "-f", "{{json .State}}", self.container(service))
        )

    def wait(self, service: str, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for the end of a container; gives its exit status."""
        done = subprocess.run(
            ["docker", "wait", self.container(service)],
            capture_output=True,
            encoding="utf-8",
            timeout=seconds,
        )
        return int(done.stdout)

    def wait_for_all(self) -> None:
        """Wait until every agency has ended, which has to be with status 0."""
        statuses = {client: self.wait(client) for client in self.clients}
        assert statuses == dict.fromkeys(self.clients, 0)

    def _follow(self, *words: str) -> Iterator[str]:
        """What the engine has to say, line by line, for a bounded time."""
        bounded = ["timeout", str(PATIENCE_SECONDS), "docker", *words]
        with subprocess.Popen(bounded, stdout=subprocess.PIPE, encoding="utf-8") as process:
            try:
                yield from process.stdout or ()
            finally:
                process.terminate()

    def wait_for(self, service: str, text: str) -> None:
        """Wait until a service has said something."""
        for line in self._follow("logs", "-f", self.container(service)):
            if text in line:
                return
        raise AssertionError(f"{service} has not said {text!r}")

    def wait_until_stored(self, bets: Mapping[int, int]) -> None:
        """Wait until so many bets of each agency are stored, going by the central at DEBUG."""
        stored = dict.fromkeys(bets, 0)
        for line in self._follow("logs", "-f", self.container("server")):
            found = re.search(
                r"apuesta_recibida \| result: success \| agency: (\d+) \| cantidad: (\d+)", line
            )
            if found and int(found[1]) in stored:
                stored[int(found[1])] += int(found[2])
                if all(stored[agency] >= count for agency, count in bets.items()):
                    assert stored == bets
                    return
        raise AssertionError(f"stored are {stored}, not {bets}")

    def wait_until_healthy(self, service: str) -> None:
        """Wait until the engine finds a service healthy that was started a moment ago."""
        words = ("events", "--since", "0", "--format", "{{.Action}}")
        container = f"container={self.container(service)}"
        for event in self._follow(*words, "-f", container, "-f", "event=health_status"):
            if event == "health_status: healthy\n":
                return
        raise AssertionError(f"{service} is not healthy")

    def lines(self) -> list[Line]:
        """All ``action:`` lines, in order of time."""
        return lines_of(self.compose("logs", "-t", "--no-color"))

    def in_server(self, *words: str) -> str:
        """Run a program in the container of the central."""
        return self.compose("exec", "-T", "server", *words)

    def bets(self, draw: int) -> bytes:
        """What ``bets.csv`` of a draw is."""
        words = ("lottery", "export", DATA_DIR, "--draw", str(draw))
        return self.in_server(*words).encode()
