"""How a file gets its name: whole and on disk, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from lottery.ledger.segment import flush_directory, open_private

TEMPORARY: Final = ".tmp"
"""What a file's name ends in until it is published."""


@contextmanager
def published(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to; when the block ends well, it is there under its name.

    It is written aside, flushed and renamed, and then the directory is flushed. A temporary
    file that a crash has left is overwritten. If the block, or anything up to the renaming,
    fails, nothing is left behind and an older file of that name stays as it is.

    :raises OSError: if it cannot be written, or is not known to be on disk under its name.
        In the latter case it may have its name already, and nobody may build on that.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        fd = open_private(str(temporary), os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(fd, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_directory(str(path.parent))


def settle(path: Path) -> None:
    """Have on disk what is seen of a published or closed file: its bytes and its name.

    A process that was killed may have left it seen, and not yet flushed.

    :raises OSError: if it is not known to be on disk.
    """
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    flush_directory(str(path.parent))
