"""Where the files of the targets stand: in memory, so that nothing waits for a disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ELSEWHERE = "TMPDIR" in os.environ or not _MEMORY.is_dir()
# It lives as long as the process. One that atheris runs ends without removing it, so `make fuzz`
# gives TMPDIR, a folder that it removes.
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-", dir=None if _ELSEWHERE else _MEMORY)


def folder() -> Path:
    """Give the folder of this process; each target has a file of its own name there."""
    return Path(_FOLDER.name)
