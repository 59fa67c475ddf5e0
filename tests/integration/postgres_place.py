"""Where the PostgreSQL of the tests is, as whom it runs, and the place that its servers share."""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, Never

import postgres_remains
import pytest
from live import PATIENCE_SECONDS

#: Where Debian's packages have it, a directory for each version.
_INSTALLED: Final = Path("/usr/lib/postgresql")
#: It refuses to run as root; Debian's package makes this user.
_USER: Final = "postgres"
_MEMORY: Final = Path("/dev/shm")
#: A server takes some 60 MB when it is new; containers often have no more than that in memory.
_ROOM: Final = 2 << 30


def _missing(what: str) -> Never:
    """Skip the test that needs it, or fail it where PostgreSQL has to be."""
    if os.environ.get("LOTTERY_POSTGRES") == "required":
        raise RuntimeError(f"{what}, but LOTTERY_POSTGRES says that it is required")
    pytest.skip(what)


def _version(binaries: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in binaries.parent.name.split(".") if part.isdigit())


def find_binaries(installed: Path = _INSTALLED) -> Path:
    """The directory of PostgreSQL's programs: of the newest version, or the one on the PATH."""
    versions = [found.parent for found in installed.glob("*/bin/initdb")]
    if versions:
        return max(versions, key=_version)
    on_path = shutil.which("initdb")
    if on_path is None:
        _missing(f"there is no PostgreSQL server in {installed} nor on the PATH")
    return Path(on_path).resolve().parent


def as_server() -> list[str]:
    """What goes before a command to run it as a user that PostgreSQL takes."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"]


def run(program: str, *words: object, given: str = "") -> None:
    """Run one of PostgreSQL's programs to its end, which has to be a good one."""
    done = subprocess.run(
        [*as_server(), find_binaries() / program, *map(str, words)],
        cwd=place(),
        env={**os.environ, "HOME": str(place())},  # root's is closed to it
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, f"{program} {words}:\n{done.stdout}"


def place(*, on_disk: bool = False) -> Path:
    """A directory for the servers of this process; gone when this process is, however it ends.

    Not one of pytest's: those are closed to other users.
    """
    return _make_place(None if on_disk else _memory())


@functools.cache
def _make_place(parent: Path | None) -> Path:
    find_binaries()
    user = _user()
    path = Path(tempfile.mkdtemp(prefix="lottery-postgres-", dir=parent))
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", postgres_remains.__file__, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what ends the tests' group of processes must not end it
    )
    # It removes the place when its input ends: here, or by the end of this process.
    atexit.register(watch.communicate)
    return path


@functools.cache
def _memory() -> Path | None:
    """A directory that is in memory, if there is one with room: there a flush takes no time."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
        return _MEMORY
    return None


def _user() -> pwd.struct_passwd | None:
    """Whom the place belongs to, if that is not ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        _missing(f"PostgreSQL does not run as root, and there is no user {_USER}")


@functools.cache
def template() -> Path:
    """A server's directory that is there to be copied: making one takes its time."""
    path = place() / "template"
    run(
        "initdb", "--pgdata", path, "--username", "lottery", "--auth", "trust",
        "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
    )  # fmt: skip
    run("postgres", "--single", "-D", path, "postgres", given="CREATE DATABASE lottery\n")
    return path


def copy_template(path: Path) -> None:
    """Make a server's directory."""
    words = ["cp", "--archive", "--reflink=auto", str(template()), str(path)]
    subprocess.run([*as_server(), *words], check=True)


def reserved_port() -> socket.socket:
    """A port that nobody else is given while this socket is open, also while no server is up."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server may listen all the same
    kept.bind(("127.0.0.1", 0))
    return kept
