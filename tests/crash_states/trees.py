"""Trees on a real disk: made there, and read from there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from disk_model import Tree


def plant(tree: Tree, directory: Path) -> None:
    """Make a tree anew in a directory."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for path, content in tree.items():  # a directory stands before what is in it
        if content is None:
            os.mkdir(directory / path, 0o700)
        else:
            fd = os.open(directory / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(fd, content)
            finally:
                os.close(fd)


def harvest(directory: Path) -> dict[str, bytes | None]:
    """Give the tree that stands in a directory."""
    tree: dict[str, bytes | None] = {}
    for above, names, files in os.walk(directory):
        start = os.path.relpath(above, directory) + "/" if above != str(directory) else ""
        tree.update((start + name, None) for name in names)
        tree.update((start + name, Path(above, name).read_bytes()) for name in files)
    return dict(sorted(tree.items()))


def differing(one: Tree, other: Tree) -> list[str]:
    """Name what is not the same in both."""
    paths = sorted({*one, *other})
    return [path for path in paths if one.get(path, b"?") != other.get(path, b"?")]
