"""Runs servers for a load, each in a folder of its own, and reads what they cost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from attrs import frozen

from lottery.settings_table import CENTRAL

HERE: Final = Path(__file__).parent
#: A thousand may knock at once.
ENDPOINT: Final = "tcp:0:backlog=1024:interface=127.0.0.1"
START_SECONDS: Final = 60.0
_TICK: Final = os.sysconf("SC_CLK_TCK")


@frozen
class Server:
    """A server that listens on a port of the loopback."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def cpu_seconds(self) -> float:
        """What it has cost until now, its children and what they have ended with included."""
        return spent_by(self.process.pid)

    @property
    def children(self) -> list[int]:
        """The pids of its children."""
        return _children(self.process.pid)

    def peak_bytes(self) -> int:
        """Give the most memory that its own process has had resident, while it lives."""
        return _status(self.process.pid, "VmHWM")

    def resident_bytes(self) -> dict[int, int]:
        """Give the resident memory of each of its processes now, by pid."""
        return {pid: _status(pid, "VmRSS") for pid in (self.process.pid, *self.children)}

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()


def spent_by(pid: int) -> float:
    """Give the CPU seconds of a process and its children until now, with those that have ended."""
    spent = 0
    for each in (pid, *_children(pid)):
        fields = _stat(each)
        # User and system time of the process; of its children those that it has waited for.
        spent += sum(map(int, fields[11:15])) if fields else 0
    return spent / _TICK


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []  # it has ended


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []  # it has ended
    return text[text.rindex(")") + 2 :].split()


def _status(pid: int, name: str) -> int:
    """Give an amount of memory in bytes; a process that has ended has none."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    return 0


@contextmanager
def central(
    folder: Path,
    agencies: int,
    *options: str,
    environment: Mapping[str, str] | None = None,
    beside: int = 0,
) -> Iterator[Server]:
    """Run our central for one draw, quietly, with its data in ``folder/data``.

    :param beside: a port that it listens at for others than agencies.
    """
    command = [sys.executable, "-m", "lottery", "serve", "--listen", ENDPOINT]
    command += ["--agencies", str(agencies), "--data-dir", str(folder / "data"), *options]
    ours = {name for setting in CENTRAL for name in setting.environment}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    with _running(command, {**kept, **(environment or {})}, beside) as server:
        yield server


@contextmanager
def other(name: str, folder: Path, agencies: int, *options: str) -> Iterator[Server]:
    """Run ``baseline`` or ``sink``."""
    command = [sys.executable, str(HERE / f"{name}.py"), str(agencies), str(folder), *options]
    with _running(command, dict(os.environ)) as server:
        yield server


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], beside: int = 0
) -> Iterator[Server]:
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        try:
            yield Server(process, _port_of(process, beside))
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.stdout is not None
                process.stdout.read()
                process.wait(START_SECONDS)
        finally:
            process.kill()


def _port_of(process: subprocess.Popen[bytes], beside: int) -> int:
    """Wait until a server listens, at another port than that; its children listen to nothing."""
    until = monotonic() + START_SECONDS
    while monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{process.args} has ended with {process.returncode}")
        inodes = _sockets_of(process.pid)
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            port = int(local.rpartition(":")[2], 16)
            if state == "0A" and inode in inodes and port != beside:
                return port
        sleep(0.001)
    raise SystemExit(f"{process.args} does not listen")


def _sockets_of(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
