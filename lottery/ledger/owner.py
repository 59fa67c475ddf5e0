"""Who holds a lock: for the sentence that refuses a second owner.

A lock (``flock``) belongs to what was opened, and children inherit that: the process that
took the lock may be gone while a child of it holds it still. Linux shows the locks of every
descriptor in ``/proc/PID/fdinfo``.
"""

from __future__ import annotations

import os
from contextlib import suppress


def holders(lock: int) -> list[int]:
    """Name the processes, other than this one, that hold the lock on an open file.

    :param lock: a descriptor of that file, at whose begin the owner has written its number,
        which is the answer if nobody else can be found.
    """
    found = [pid for pid in _processes() if pid != os.getpid() and _holds(pid, os.fstat(lock))]
    if found:
        return found
    with suppress(OSError, ValueError):
        written = int(os.pread(lock, 20, 0))
        if written != os.getpid():
            return [written]
    return []


def _processes() -> list[int]:
    with suppress(OSError):
        return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    return []


def _holds(pid: int, file: os.stat_result) -> bool:
    """Say whether a descriptor of the process is of this file and holds a lock on it."""
    # It may end meanwhile, or be somebody else's.
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if not os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), file):
                    continue
                with open(f"/proc/{pid}/fdinfo/{fd}", "rb") as info:
                    if any(line.startswith(b"lock:") and b"FLOCK" in line for line in info):
                        return True
    return False
