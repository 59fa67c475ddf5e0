"""The model of a disk allows what a file system may do, and nothing that it may not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from disk_model import Disk, Tree
from enumeration import Depth, Enumerator
from made_up_calls import ROOT, MadeUpCalls, described, quoted
from replay import Replay
from strace_text import Call, UnreadableTrace, read_trace, tracing, why_not_traceable
from trees import harvest

#: Does everything with files that the model knows, and leaves some of it behind.
_PROGRAM = """
import os, sys, threading
os.chdir(sys.argv[1])
root = os.getcwd()
os.mkdir(f"{root}/d")
def publish():
    fd = os.open(f"{root}/d/f.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(b"one")
        out.flush()
        os.fsync(fd)
        os.writev(fd, [b"two", b"three"])
        os.lseek(fd, 1, os.SEEK_SET)
        os.write(fd, b"N")
        os.pwrite(fd, b"end", 20)
    os.rename(f"{root}/d/f.tmp", f"{root}/d/f")
thread = threading.Thread(target=publish)
thread.start()
thread.join()
for name in "gh":
    fd = os.open(f"d/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, b"0123456789")
    os.ftruncate(fd, 4)
    os.write(fd, b"abc")
    os.truncate(f"{root}/d/{name}", 6)
os.unlink(f"{root}/d/g")
os.mkdir(f"{root}/e")
os.rmdir(f"{root}/e")
"""


def _replayed(calls: list[Call], start: Tree | None = None) -> Disk:
    disk = Disk(start)
    for _ in Replay(ROOT, disk).steps(calls):
        pass
    return disk


def _crashes(calls: list[Call], start: Tree | None = None, cuts: int = 0) -> list[Tree]:
    """What a crash at the very end may leave."""
    disk, touched = Disk(start), None
    for step in Replay(ROOT, disk).steps(calls):
        touched = step.touched
    found: list[Tree] = []
    for _, tree in Enumerator(Depth(cuts, 50), Random(1)).states(disk, touched):
        if tree not in found:
            found.append(tree)
    return found


def _contents(crashes: list[Tree], path: str) -> set[bytes | None]:
    """What a file may hold; nothing at all where it is not there."""
    return {tree.get(path) for tree in crashes}


def test_a_write_that_was_not_flushed() -> None:
    """It may be there, not there, cut, or NULs at its end or in front; never more."""
    made = MadeUpCalls()
    made.write(made.open("f", "O_WRONLY|O_APPEND"), b"XY")
    crashes = _crashes(made.calls, {"f": b"ab"})
    contents = _contents(crashes, "f")
    known = {b"ab", b"abX", b"abX\0", b"ab\0\0", b"ab\0Y", b"abXY"}
    assert known <= contents
    (garbage,) = contents - known
    assert garbage is not None
    assert (garbage[:3], len(garbage)) == (b"abX", 4)


def test_what_was_flushed_is_there() -> None:
    """Nothing is left to chance behind a flush of the file and one of its directory."""
    made = MadeUpCalls()
    fd = made.open("f")
    made.write(fd, b"XY")
    made.flush(fd)
    made.flush_directory()
    assert _crashes(made.calls) == [{"f": b"XY"}]


def test_a_name_that_was_not_flushed() -> None:
    """A new file may be missing although its bytes are flushed, and never half there."""
    made = MadeUpCalls()
    fd = made.open("f")
    made.write(fd, b"XY")
    made.flush(fd)
    assert sorted(_crashes(made.calls), key=len) == [{}, {"f": b"XY"}]


def test_a_renaming_does_not_flush_the_file() -> None:
    """The new name may stand for nothing, and the old one may be there still."""
    made = MadeUpCalls()
    made.write(made.open("f.tmp"), b"XY")
    made.rename("f.tmp", "f")
    crashes = _crashes(made.calls, {"f": b"old"})
    assert {"f": b""} in crashes
    assert {"f": b"XY"} in crashes
    assert {"f": b"old"} in crashes
    assert {"f": b"old", "f.tmp": b""} in crashes
    assert {"f": b"old", "f.tmp": b"XY"} in crashes
    assert all("f" in tree for tree in crashes)


def test_a_published_file_is_the_old_one_or_the_new_one() -> None:
    """Write, flush, rename: nothing but old and new is ever seen under the name."""
    made = MadeUpCalls()
    fd = made.open("f.tmp")
    made.write(fd, b"new")
    made.flush(fd)
    made.rename("f.tmp", "f")
    assert _contents(_crashes(made.calls, {"f": b"old"}), "f") == {b"old", b"new"}


def test_a_cut_that_was_not_flushed_is_undone() -> None:
    """The bytes come back, also beneath what was written behind the cut."""
    made = MadeUpCalls()
    fd = made.open("f", "O_WRONLY|O_APPEND")
    made.cut(fd, 1)
    assert _contents(_crashes(made.calls, {"f": b"abcd"}), "f") == {b"abcd", b"a"}
    made.write(fd, b"Z")
    assert {b"abcd", b"a", b"aZ", b"aZcd"} <= _contents(_crashes(made.calls, {"f": b"abcd"}), "f")


def test_any_of_several_writes_may_be_lost() -> None:
    """One that is there has NULs in place of those before it that are not."""
    made = MadeUpCalls()
    fd = made.open("f", "O_WRONLY|O_APPEND")
    for data in (b"11", b"22", b"33"):
        made.write(fd, data)
    contents = _contents(_crashes(made.calls, {"f": b""}), "f")
    assert {b"", b"11", b"1122", b"112233", b"\0\x0022", b"11\0\x0033", b"\0\0\0\x0033"} <= contents


def test_names_are_lost_one_by_one() -> None:
    """Of several changes of a directory any may be missing, but none is half done."""
    made = MadeUpCalls()
    for name in ("f", "g"):
        made.flush(made.open(name))
    made.remove("old")
    crashes = _crashes(made.calls, {"old": b"o"})
    names = {tuple(tree) for tree in crashes}
    assert names == {
        tuple(name for name, there in zip(("f", "g", "old"), (f, g, old), strict=True) if there)
        for f in (0, 1)
        for g in (0, 1)
        for old in (0, 1)
    }


def test_a_renaming_is_of_the_file_that_was_renamed() -> None:
    """It is never taken for one of another file that has had the same name before."""
    made = MadeUpCalls()
    made.remove("f.tmp")
    fd = made.open("f.tmp")
    made.write(fd, b"new")
    made.flush(fd)
    made.rename("f.tmp", "f")
    crashes = _crashes(made.calls, {"f.tmp": b"left behind"})
    assert _contents(crashes, "f") == {None, b"new"}
    assert {"f": b"new", "f.tmp": b"left behind"} in crashes


def test_nothing_is_below_a_directory_that_is_lost() -> None:
    """What was flushed in a directory whose own name was not is not to be found."""
    made = MadeUpCalls()
    made.make_directory("d")
    fd = made.open("d/f")
    made.write(fd, b"X")
    made.flush(fd)
    made.flush_directory("d")
    assert {} in _crashes(made.calls)
    made.flush_directory()
    assert _crashes(made.calls) == [{"d": None, "d/f": b"X"}]


def test_a_flush_covers_what_was_done_before_it_began() -> None:
    """A write that is not at its end when the flush begins may be lost, and so may a later one."""
    made = MadeUpCalls()
    fd = made.open("f", "O_WRONLY|O_APPEND")
    made.write(fd, b"1")
    made.write(fd, b"2", took=2)
    made.flush(fd)
    assert _replayed(made.calls, {"f": b""}).tree({}, {}) == {"f": b"12"}
    assert b"1" in _contents(_crashes(made.calls, {"f": b""}), "f")
    assert b"" not in _contents(_crashes(made.calls, {"f": b""}), "f")


def test_a_short_write_has_written_what_it_says() -> None:
    """Only what the call has returned was written."""
    made = MadeUpCalls()
    made.write(made.open("f"), b"abcdef", written=2)
    assert _replayed(made.calls).tree({}, {}) == {"f": b"ab"}


def test_a_lost_sector() -> None:
    """Of a long write any sector may be missing while those around it are there."""
    made = MadeUpCalls()
    made.write(made.open("f", "O_WRONLY"), b"x" * 1500)
    crashes = _crashes(made.calls, {"f": b""}, cuts=2)
    assert b"x" * 512 + bytes(512) + b"x" * 476 in _contents(crashes, "f")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("linkat", ("AT_FDCWD", quoted(f"{ROOT}/f"), "AT_FDCWD", quoted(f"{ROOT}/g"), "0")),
        ("fallocate", (described(5, f"{ROOT}/f"), "0", "0", "9")),
        ("sync", ()),
        ("rename", (quoted(f"{ROOT}/f"), quoted("/elsewhere"))),
        ("write", (described(77, f"{ROOT}/f"), quoted("x"), "1")),
        ("openat", ("AT_FDCWD", quoted(f"{ROOT}/f"), "O_WRONLY|O_DSYNC")),
        ("mkdir", (quoted("relative"), "0700")),
    ],
)
def test_what_is_not_modelled_is_refused(name: str, words: tuple[str, ...]) -> None:
    """A call that the model does not know is never passed over."""
    made = MadeUpCalls()
    made.open("f")
    made.call(name, *words, result=1)
    with pytest.raises(UnreadableTrace):
        _replayed(made.calls)


def test_a_write_that_never_ended_is_refused() -> None:
    """What a killed process has written is not known from the trace."""
    made = MadeUpCalls()
    made.write(made.open("f"), b"x")
    made.calls[-1] = made.calls[-1]._replace(end=0, result=-1)
    with pytest.raises(UnreadableTrace):
        _replayed(made.calls)


def test_what_is_elsewhere_is_ignored() -> None:
    """Files outside of the root are nobody's concern."""
    made = MadeUpCalls()
    made.call("openat", "AT_FDCWD", quoted("/elsewhere/f"), "O_CREAT", "0600", result=5)
    made.call("write", described(5, "/elsewhere/f"), quoted("x"), "1", result=1)
    made.call("fallocate", described(5, "/elsewhere/f"), "0", "0", "9")
    assert _replayed(made.calls).tree({}, {}) == {}


@pytest.mark.skipif(bool(why_not_traceable()), reason=why_not_traceable())
def test_the_replay_is_what_the_kernel_did(tmp_path: Path) -> None:
    """A program that does all that the model knows leaves the tree that the model says."""
    root, trace = tmp_path / "root", tmp_path / "trace"
    root.mkdir()
    command = [*tracing(trace), sys.executable, "-c", _PROGRAM, str(root)]
    assert subprocess.run(command).returncode == 0
    disk = Disk()
    with trace.open() as lines:
        for _ in Replay(str(root), disk).steps(read_trace(lines)):
            pass
    assert disk.tree({}, {}) == harvest(root)
    assert disk.tree({}, {})["d/f"] == b"oNetwothree" + bytes(9) + b"end"
