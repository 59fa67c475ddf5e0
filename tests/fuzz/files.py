"""Where the files of the targets stand: in memory, so that nothing waits for a disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
# Held for the life of the process; `make fuzz` removes it, for atheris ends without clean-up.
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)


def folder() -> Path:
    """Give the folder of this process; each target has a file of its own name there."""
    return Path(_FOLDER.name)
