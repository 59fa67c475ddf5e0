"""The system calls of a program and its children: traced, counted, failed or answered by a kill.

strace follows all threads and children. It counts the calls of each of them apart, so the
``N``-th call is that of whichever comes to its ``N``-th first. A call that is answered by SIGKILL
is not carried out.
"""

from __future__ import annotations

import errno
import functools
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from programs import PLAIN

#: Calls that change files, names, or what is known to be on disk.
CALLS: Final = (
    "openat",
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "ftruncate",
    "truncate",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "copy_file_range",
    "sendfile",
)

#: Calls by which bytes get into a connection.
SENDS: Final = ("sendto", "sendmsg", "write", "writev")
#: Calls by which they come out of one.
RECEIVES: Final = ("recvfrom", "recvmsg")
#: Calls that may hold bytes: those, and what is written to a place in a file.
_WITH_BYTES: Final = frozenset({*SENDS, "pwrite64"})

_LINE = re.compile(r"(\d+) +(\w+)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_RESULT = re.compile(r"\) += (-?\d+)(?:<[^>]*>)?(?: (E\w+))?.*$")
# A connection is written with an arrow: TCP:[127.0.0.1:40000->127.0.0.1:12345].
_FD_PATH = re.compile(r"^(\d+)<(TCP\w*:\[(?:->|[^>])*\]|(?:\\x[0-9a-f]{2}|[^>\\])*)>")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Call(NamedTuple):
    """One system call as it was traced.

    ``words`` is what stands between the brackets, ``path`` the file or the connection of its
    first descriptor if it has one, ``result`` None if it never returned, ``error`` a name like
    EIO, or nothing.
    """

    tid: int
    name: str
    words: str
    path: str
    result: int | None
    error: str
    injected: bool

    @property
    def paths(self) -> list[str]:
        """Every file that it names, by descriptor or by name."""
        return (
            [self.path]
            if self.path
            else [_text(each) for each in re.findall(r'"([^"]*)"', self.words)]
        )

    @property
    def data(self) -> bytes:
        """The bytes of a write or send, of a trace that has them in hex; none of another call.

        They are what it was given; how many of them it took is its result.
        """
        if self.name not in _WITH_BYTES:
            return b""
        return bytes.fromhex("".join(_BYTES.findall(self.words)).replace("\\x", ""))


@functools.cache
def _works() -> bool:
    strace = shutil.which("strace")
    if strace is None:
        return False
    done = subprocess.run([strace, "-o", "/dev/null", "/bin/true"], capture_output=True)
    return done.returncode == 0


def needs_strace() -> None:
    """Skip a test that cannot do without strace where it is not, or may not trace."""
    if not _works():
        pytest.skip("strace is not there, or may not trace here")


def traced(
    output: Path,
    *inject: str,
    paths: Sequence[Path] = (),
    calls: Sequence[str] = CALLS,
    bytes_in_hex: bool = False,
    connections: bool = False,
    program: Sequence[str] = PLAIN,
) -> list[str]:
    """The words that start a program under strace, whose pid is the program's own.

    :param output: where the trace goes.
    :param inject: what to do to which calls, as strace's ``-e inject`` has it.
    :param paths: only calls that name one of them are traced, counted and failed.
    :param bytes_in_hex: write down all bytes that are written.
    :param connections: write a connection with its two addresses, as ``TCP:[...->...]``.
    :param program: what is started, a central unless told otherwise.
    """
    words = ["strace", "-D", "-f", "-qq", "-yy" if connections else "-y", "-o", str(output)]
    words += ["-e", "trace=" + ",".join(calls), "-e", "signal=none"]
    words += ["-xx", "-s", "1000000"] if bytes_in_hex else ["-s", "16"]
    for path in paths:
        words += ["-P", str(path)]
    for each in inject:
        words += ["-e", f"inject={each}"]
    return [*words, *program]


def files_of(data_dir: Path, group: str, draw: int = 1) -> list[Path]:
    """The files of a draw that are traced together.

    ``segments`` are what the writers write, ``salvage`` is what a salvage makes of them, and
    ``record`` is all that the central publishes, with the directories.
    """
    directory = data_dir / "draws" / f"{draw:06d}"
    segments = [directory / f"segment-{number:04d}.log" for number in range(1, 10)]
    copies = [path.with_name(path.name + ".tmp") for path in segments]
    if group == "segments":
        return segments
    if group == "salvage":
        return [*copies, directory]
    names = ("draw.json", "bets.csv", "winners.csv")
    published = [directory / name for name in names]
    record = [*published, *(path.with_name(path.name + ".tmp") for path in published)]
    record += [directory, directory.parent, data_dir]
    return record if group == "record" else record + segments + copies


def read_trace(path: Path) -> Iterator[Call]:
    """The calls of a trace in the order in which they ended, those that never did last."""
    begun: dict[tuple[int, str], str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if (match := _RESUMED.match(line)) is not None:
            tid, name, rest = int(match[1]), match[2], match[3]
            yield _call(tid, name, begun.pop((tid, name), "") + rest)
        elif (match := _LINE.match(line)) is not None:
            tid, name, rest = int(match[1]), match[2], match[3]
            if rest.endswith("<unfinished ...>"):
                begun[tid, name] = rest.removesuffix("<unfinished ...>")
            else:
                yield _call(tid, name, rest)
    for (tid, name), words in begun.items():
        yield _call(tid, name, words)


def most_calls(path: Path) -> dict[str, int]:
    """For each kind of call, how many the busiest thread made: so many there are to fail."""
    counts: Counter[tuple[int, str]] = Counter((call.tid, call.name) for call in read_trace(path))
    found: dict[str, int] = {}
    for (_, name), calls in counts.items():
        found[name] = max(found.get(name, 0), calls)
    return found


def _call(tid: int, name: str, text: str) -> Call:
    match = _RESULT.search(text)
    words = text[: match.start()] if match else text
    result = int(match[1]) if match else None
    error = (match[2] or "") if match else ""
    assert not error or hasattr(errno, error), text
    described = _FD_PATH.match(words)
    path = _text(described[2]) if described else ""
    return Call(tid, name, words, path, result, error, "(INJECTED)" in text)


def _text(word: str) -> str:
    """A path as it is; ``-xx`` writes it in hex."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), word)
