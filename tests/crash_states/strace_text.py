"""Reads what ``strace -f -xx -yy`` has written: one call after the other, with its effect in time.

With ``-xx`` every string and path is in hex, so no comma, bracket or quote of theirs is in the
way. Lines are numbered; a call that others interrupted has a line for its begin and one for its
end. Its effect lies between the two, and whatever begins below its end comes after it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

#: What changes files or names, flushes them, moves positions, makes processes, or tells a peer.
TRACED: Final = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,splice,"
    "fsync,fdatasync,sync,syncfs,sync_file_range,rename,renameat,renameat2,ftruncate,truncate,"
    "fallocate,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,lseek,"
    "sendto,sendmsg,clone,clone3"
)

_LINE = re.compile(r"(\d+) +(.*)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(.*)")
_UNFINISHED = " <unfinished ...>"
_FD = re.compile(r"(-?\d+|AT_FDCWD)(?:<(.*?)>(?:\(deleted\))?)?")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})*")
_OPEN, _SHUT = "[{(", "]})"


class UnreadableTrace(Exception):
    """The trace has something that the reader does not know: it would be wrong to go on."""


class Call(NamedTuple):
    """One system call.

    :ivar thread: what made it.
    :ivar process: the process of that thread.
    :ivar start: the line where it began: no effect of it is older.
    :ivar end: the line where it had ended; 0 if it never did.
    :ivar words: its arguments as strace wrote them.
    :ivar result: what it returned; -1 if it failed or never ended.
    """

    name: str
    thread: int
    process: int
    start: int
    end: int
    words: tuple[str, ...]
    result: int

    @property
    def done(self) -> bool:
        """Whether it has ended, and well."""
        return self.end > 0 and self.result >= 0


def text_of(word: str) -> bytes:
    """Give the bytes of a string argument.

    :raises UnreadableTrace: if it is none, or was cut short by strace.
    """
    if len(word) < 2 or word[0] != '"' or word[-1] != '"':
        raise UnreadableTrace(f"{word[:80]} is not a whole string")
    return _bytes_of(word[1:-1])


def buffers_of(word: str) -> bytes:
    """Give the bytes of all buffers of an array of ``iovec``."""
    return b"".join(text_of(part) for part in re.findall(r'iov_base=("[^"]*"[^,]*)', word))


def fd_of(word: str) -> tuple[int, str]:
    """Give a file descriptor and what it stood for: a path, a pipe, a connection, or nothing.

    The directory that a program works in is descriptor -100.
    """
    match = _FD.fullmatch(word)
    if match is None:
        raise UnreadableTrace(f"{word[:80]} is not a descriptor")
    number = -100 if match[1] == "AT_FDCWD" else int(match[1])
    about = match[2] or ""
    return number, _bytes_of(about).decode() if _HEX.fullmatch(about) else about


def read_trace(lines: Iterable[str]) -> list[Call]:
    """Give all calls, in the order in which they began."""
    started: dict[int, tuple[int, str]] = {}
    calls: list[Call] = []
    for number, line in enumerate(lines, 1):
        parts = _LINE.fullmatch(line.rstrip("\n"))
        if parts is None:
            raise UnreadableTrace(f"line {number}: {line[:80]}")
        thread, text = int(parts[1]), parts[2]
        if text.startswith(("+++", "---")):
            if thread in started and text.startswith("+++"):
                calls.append(_cut_off(thread, *started.pop(thread)))
            continue
        if text.endswith(_UNFINISHED):
            started[thread] = (number, text.removesuffix(_UNFINISHED))
            continue
        start = number
        if resumed := _RESUMED.fullmatch(text):
            start, begun = started.pop(thread)
            text = begun + resumed[2]
        calls.append(_call(thread, start, number, text))
    calls += [_cut_off(thread, *begun) for thread, begun in started.items()]
    calls.sort(key=lambda call: call.start)
    return _with_processes(calls)


def tracing(output: Path, kill_at_flush: int = 0) -> tuple[str, ...]:
    """Give the words that put a command under trace, with its children.

    :param kill_at_flush: a process is killed as it begins the ``fdatasync`` of this number, counted
        from 1.
    """
    how = ["-f", "-xx", "-yy", "-s", "1000000", "-e", "signal=none", "-e", f"trace={TRACED}"]
    if kill_at_flush:
        how += ["-e", f"inject=fdatasync:signal=SIGKILL:when={kill_at_flush}"]
    else:
        how.append("--seccomp-bpf")  # faster, but no signal is injected then
    return ("strace", *how, "-o", str(output))


@cache
def why_not_traceable() -> str:
    """Say why nothing can be traced here; empty if it can."""
    try:
        done = subprocess.run(
            [*tracing(Path("/dev/null")), "true"], capture_output=True, encoding="utf-8", timeout=30
        )
    except OSError as error:
        return f"strace cannot be started, {error.strerror}"
    return f"strace cannot trace here, {done.stderr.strip()}" if done.returncode else ""


def _call(thread: int, start: int, end: int, text: str) -> Call:
    match = _CALL.fullmatch(text)
    if match is None:
        raise UnreadableTrace(f"line {start}: {text[:80]}")
    if match[3] == "?":
        return _cut_off(thread, start, f"{match[1]}({match[2]}")
    return Call(match[1], thread, thread, start, end, _words(match[2]), int(match[3]))


def _cut_off(thread: int, start: int, text: str) -> Call:
    """Give a call that has not ended when its process did."""
    name, _, words = text.partition("(")
    return Call(name, thread, thread, start, 0, _words(words), -1)


def _with_processes(calls: Sequence[Call]) -> list[Call]:
    """Put every thread down to its process."""
    process: dict[int, int] = {}
    for call in calls:
        if call.name in ("clone", "clone3") and call.done and "CLONE_THREAD" in str(call.words):
            process[call.result] = process.get(call.thread, call.thread)
    return [call._replace(process=process.get(call.thread, call.thread)) for call in calls]


def _words(text: str) -> tuple[str, ...]:
    """Cut arguments at the commas that are within no bracket."""
    words: list[str] = []
    depth = 0
    for part in text.split(",") if text else ():
        if depth:
            words[-1] += "," + part
        else:
            words.append(part)
        depth += sum(map(part.count, _OPEN)) - sum(map(part.count, _SHUT))
    return tuple(word.strip() for word in words)


def _bytes_of(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise UnreadableTrace(f"{text[:80]} is not in hex")
    return bytes.fromhex(text.replace("\\x", ""))
