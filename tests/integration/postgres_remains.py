"""Ends PostgreSQL servers by their directory, and removes all that they leave behind.

As a program it does so when its input ends, which is when whoever started it is gone: the last
line of defence for a test run that is itself killed. So it imports nothing that takes time.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

#: An immediate shutdown ends by itself within this time: the server's own patience is as long.
_SHUTDOWN_SECONDS: Final = 6.0
#: Where a server's file of its process id has key and id of its shared memory.
_SHARED_MEMORY_LINE: Final = 6


def running_in(directory: Path) -> list[int]:
    """The PostgreSQL processes, of whatever kind, that work in a directory or below it."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                program = os.readlink(f"/proc/{name}/exe")
                place = os.readlink(f"/proc/{name}/cwd")
            except OSError:
                continue  # it has ended, or it is somebody else's
            if Path(program).name.startswith("postgres") and Path(place).is_relative_to(directory):
                found.append(int(name))
    return sorted(found)


def wait_for_end(processes: Iterable[int], seconds: float) -> list[int]:
    """Wait until processes have ended; gives those that have not after this time."""
    limit = time.monotonic() + seconds
    return [pid for pid in processes if not _ends_before(pid, limit)]


def _ends_before(pid: int, limit: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, limit - time.monotonic()) * 1000))
    finally:
        os.close(descriptor)


def end(directory: Path) -> None:
    """End what works in a directory: at once, and by force if it does not obey."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        processes = running_in(directory)
        for pid in processes:
            _send(pid, number)
            _send(pid, signal.SIGCONT)  # a test may have made it stand still
        wait_for_end(processes, _SHUTDOWN_SECONDS)


def remove(directory: Path) -> None:
    """End what works in a directory, and remove that and whatever it had elsewhere."""
    end(directory)
    for place in (directory, *directory.glob("*/")):
        free_shared_memory(place)
    if directory.exists():
        shutil.rmtree(directory)


def free_shared_memory(directory: Path) -> None:
    """Free the shared memory of a server that was killed: it is not in its directory."""
    try:
        lines = (directory / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return
    if len(lines) > _SHARED_MEMORY_LINE:
        _key, number = lines[_SHARED_MEMORY_LINE].split()
        subprocess.run(["ipcrm", "--shmem-id", number], stderr=subprocess.DEVNULL)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended


if __name__ == "__main__":
    sys.stdin.read()
    remove(Path(sys.argv[1]))
