"""Counts a process's flushes and, if told to, answers them without any; for ``group_commit.py``.

Python imports a module of this name at the start of every process that has its folder on
``PYTHONPATH``: the central and its writers are measured as they are, and not changed for it.
``FLUSH_PROBE_REPORTS`` is the folder where each process says at its end what it has counted;
``FLUSH_PROBE_OFF=1`` makes its flushes do nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

Flush: TypeAlias = "Callable[[FileDescriptorLike], None]"

_seconds: list[float] = []


def _nothing(fd: FileDescriptorLike) -> None:
    """Take a flush for done."""


def _counted(flush: Flush) -> Flush:
    def counted(fd: FileDescriptorLike) -> None:
        started = perf_counter()
        flush(fd)
        _seconds.append(perf_counter() - started)

    return counted


def _report(folder: Path) -> None:
    # Only now: when this module is imported, sys.argv is not there yet.
    report = {"program": Path(sys.argv[0]).parent.name, "seconds": _seconds}
    (folder / f"{os.getpid()}.json").write_text(json.dumps(report))


if "FLUSH_PROBE_REPORTS" in os.environ:
    _off = os.environ.get("FLUSH_PROBE_OFF") == "1"
    for name, flush in (("fdatasync", os.fdatasync), ("fsync", os.fsync)):
        setattr(os, name, _counted(_nothing if _off else flush))
    atexit.register(_report, Path(os.environ["FLUSH_PROBE_REPORTS"]))
