"""docs/tutorial.md works: every command of it, in its order, on two hosts that are directories.

Each host has a home with a checkout, and one shell for all of its commands. The central's address
is one of the loopback, ports are free ones, and ``scp`` copies from one home to the other.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final, Self

import pytest
from live import LiveProcess, processes_about
from pages import ROOT, page

PAGE: Final = page("docs/tutorial.md")
CENTRAL, AGENCIES = "the central's host", "the agencies' host"
#: What the headings say of where commands belong.
PLACES: Final = {
    CENTRAL: (CENTRAL,),
    AGENCIES: (AGENCIES,),
    "both hosts": (CENTRAL, AGENCIES),
}
#: What an installation reads, and what the commands name.
CHECKOUT: Final = (
    "setup.py", "pyproject.toml", "LICENSE", "README.md", "lottery", "twisted", "contrib", "docs",
)  # fmt: skip
TOOLS: Final = ("bash", "openssl", "flock", "curl")
ADDRESS: Final = "127.0.0.2"
#: For one block; an installation fetches packages.
BLOCK_SECONDS: Final = 180.0
LOOK_SECONDS: Final = 1.0

pytestmark = pytest.mark.slow


def steps() -> list[tuple[str, str]]:
    """Every block of commands, with the place that its heading names."""
    found = []
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        heading = part.partition("\n")[0]
        blocks = re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
        found += [(heading.rpartition(", on ")[2], block) for block in blocks]
    return found


def free_port(address: str) -> int:
    """A port that nobody listens at."""
    with socket.create_server((address, 0)) as made:
        port: int = made.getsockname()[1]
        return port


class Host(LiveProcess):
    """A shell in the checkout of a home; it ends with the first command that fails."""

    def __init__(self, home: Path, programs: Path) -> None:
        self.home = home
        checkout = home / "checkout"
        checkout.mkdir(parents=True)
        unwanted = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.png")
        for name in CHECKOUT:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, checkout / name, ignore=unwanted)
            else:
                shutil.copy(ROOT / name, checkout / name)
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        surroundings: Mapping[str, str] = {
            "HOME": str(home),
            "PATH": path,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
        }
        ours, theirs = os.pipe()
        self._commands: IO[str] = os.fdopen(theirs, "w")
        self._given = 0
        with os.fdopen(ours, "rb") as stdin:
            super().__init__(
                ["bash", "-eu", "-o", "pipefail"], checkout, env=surroundings, stdin=stdin
            )

    def __enter__(self) -> Self:
        return self

    def give(self, block: str) -> None:
        """Give it commands."""
        self._given += 1
        self._commands.write(f"{block}\necho done: {self._given}\n")
        self._commands.flush()

    def answer(self) -> str:
        """Wait until all of them are done; gives what the last block has said."""
        done = f"done: {self._given}"
        limit = time.monotonic() + BLOCK_SECONDS
        # Its end is asked for now and then: what runs in the background keeps its output open.
        while done not in self.lines and self.running and time.monotonic() < limit:
            with self._said:
                self._said.wait_for(lambda: done in self.lines or self._silent, LOOK_SECONDS)
        assert done in self.lines, self.log
        return self.log.rpartition(f"done: {self._given - 1}\n")[2]

    def leave(self) -> None:
        """End the shell as its user does."""
        self._commands.close()
        assert self.wait() == 0, self.log

    def _end(self) -> None:
        with suppress(BrokenPipeError):
            self._commands.close()
        # What it has started in the background, if something went wrong: it has the output open.
        for pid in processes_about(self.home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        super()._end()


@contextmanager
def two_hosts(tmp_path: Path) -> Iterator[dict[str, Host]]:
    """Two hosts, one of which can copy files to the other."""
    programs = tmp_path / "programs"
    programs.mkdir()
    homes = {CENTRAL: tmp_path / "central", AGENCIES: tmp_path / "agencies"}
    scp = programs / "scp"
    scp.write_text(
        '#!/bin/bash\nset -eu\n[ "${!#}" = agencies.example: ]\n'
        f'cp -- "${{@:1:$#-1}}" "{homes[AGENCIES]}"\n'
    )
    scp.chmod(0o755)
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    with ExitStack() as stack:
        yield {name: stack.enter_context(Host(home, programs)) for name, home in homes.items()}


def need_tools_and_packages(place: Path) -> None:
    """Fail without what the page says that one needs, and without an index of packages."""
    for tool in TOOLS:
        assert shutil.which(tool), f"the tutorial needs {tool}, which is not here"
    words = ["pip", "download", "--quiet", "--no-deps", "--dest", str(place), "attrs"]
    found = subprocess.run([sys.executable, "-m", *words], capture_output=True, timeout=60)
    assert not found.returncode, "the tutorial installs packages, and no index of them is reached"


def test_every_command(tmp_path: Path) -> None:
    """From the installation to the agencies' own check; and what they say is what the page says."""
    need_tools_and_packages(tmp_path / "packages")
    ports = {"12345": free_port(ADDRESS), "8080": free_port("127.0.0.1")}
    with two_hosts(tmp_path) as hosts:
        said: dict[str, list[str]] = {name: [] for name in hosts}
        for place, written in steps():
            block = written.replace("192.0.2.10", ADDRESS)
            for port, free in ports.items():
                block = re.sub(rf"\b{port}\b", str(free), block)
            for name in PLACES[place]:
                hosts[name].give(block)
            for name in PLACES[place]:
                said[name].append(hosts[name].answer())

    central, agencies = hosts[CENTRAL].cwd, hosts[AGENCIES].cwd
    installed, roster, _, ready, promise, results, audit, proof, _ = said[CENTRAL]
    assert re.search(r"^lottery \d", installed, re.MULTILINE)
    assert re.search(r"^1,North,sha256:.+\n2,South,sha256:", roster, re.MULTILINE)
    assert re.search(r"^ready$", ready, re.MULTILINE)
    assert re.search(r"commitment: [0-9a-f]{64}$", promise, re.MULTILINE)
    assert 'lottery_agencies{state="expected"} 2.0' in promise
    number = re.search(r"winning_number: (\d+) \| agencies: 2 \| left_out: 0", results)
    assert number
    assert f"the winning number is {number[1]}" in results
    assert re.search(r"^1 draw, 50,000 bets: nothing differs$", audit, re.MULTILINE)
    assert re.search(rf"^draw 1: {number[1]} is the number$", proof, re.MULTILINE)
    assert "<html" in (central / "audit.html").read_text(encoding="utf-8")

    _, day, check = said[AGENCIES]
    assert len(re.findall(r"consulta_ganadores \| result: success", day)) == 2
    assert re.search(r'"sha256": "[0-9a-f]{64}"', check)
    assert re.search(r'"nonce": "[0-9a-f]{64}"', check)
    won = "".join((agencies / f"winners-{agency}.csv").read_text() for agency in (1, 2))
    rows = (central / "data/draws/000001/winners.csv").read_text()
    assert won == re.sub("^[12],", "", rows, flags=re.MULTILINE)
    # No key of an authority, and no bets of others, have left the central's host.
    assert {path.name for path in hosts[AGENCIES].home.iterdir() if path.is_file()} == {
        "ca.crt", "agency-1.crt", "agency-1.key", "agency-2.crt", "agency-2.key", "draw.json",
    }  # fmt: skip


def test_headings_say_where() -> None:
    """Else commands would be left out, or the reader would not know where they belong."""
    assert {place for place, _ in steps()} == set(PLACES)
    assert 2 * len(steps()) == len(re.findall("^```", PAGE, re.MULTILINE))
