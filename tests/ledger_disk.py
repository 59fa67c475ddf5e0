"""A disk without room for one file, for the tests of ``lottery.ledger``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lottery.ledger.publish as publish_module
from lottery.ledger.publish import TEMPORARY


@contextmanager
def no_room_for(path: Path) -> Iterator[None]:
    """Let a file be made before it is published, and every write to it fail as on a full disk."""
    true_open = publish_module.open_private

    def open_full(name: str, flags: int) -> int:
        fd = true_open(name, flags)
        if name == f"{path}{TEMPORARY}":
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, fd)
            os.close(full)
        return fd

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module, "open_private", open_full)
        yield
