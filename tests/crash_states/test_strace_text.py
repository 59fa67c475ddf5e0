"""The reader of traces understands what strace writes, and says so where it does not."""

from __future__ import annotations

import pytest
from made_up_calls import described, quoted
from strace_text import UnreadableTrace, buffers_of, fd_of, read_trace, text_of


def test_a_call_in_one_line() -> None:
    """Name, arguments and result are read; the line is its begin and its end."""
    (call,) = read_trace([f"17 write({described(4, '/a b')}, {quoted(b'x, y')}, 4) = 4"])
    assert (call.name, call.thread, call.start, call.end, call.result) == ("write", 17, 1, 1, 4)
    assert fd_of(call.words[0]) == (4, "/a b")
    assert text_of(call.words[1]) == b"x, y"
    assert call.done


def test_a_call_that_others_interrupt() -> None:
    """Its effect lies between two lines, and the calls stand in the order of their begins."""
    first, second = read_trace(
        [
            f"17 fsync({described(4, '/f')} <unfinished ...>",
            f"18 unlink({quoted('/g')})       = -1 ENOENT (No such file or directory)",
            "17 <... fsync resumed>)           = 0",
        ]
    )
    assert (first.name, first.start, first.end, first.done) == ("fsync", 1, 3, True)
    assert (second.name, second.result, second.done) == ("unlink", -1, False)


@pytest.mark.parametrize(
    "lines",
    [
        [f"17 fdatasync({described(4, '/f')}) = ?", "17 +++ killed by SIGKILL +++"],
        [f"17 fdatasync({described(4, '/f')} <unfinished ...>", "17 +++ killed by SIGKILL +++"],
        [f"17 fdatasync({described(4, '/f')} <unfinished ...>"],
    ],
)
def test_a_call_that_never_ends(lines: list[str]) -> None:
    """A process that is killed within a call has not made it."""
    (call,) = read_trace(lines)
    assert (call.name, call.end, call.done, call.words) == (
        "fdatasync",
        0,
        False,
        (described(4, "/f"),),
    )


def test_threads_are_put_down_to_their_process() -> None:
    """A thread's descriptors are those of its process; a child's are its own."""
    calls = read_trace(
        [
            "17 clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x1} => {parent_tid=[18]}, 88) = 18",
            "18 clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD) = 19",
            "19 clone(child_stack=NULL, flags=SIGCHLD) = 20",
            f"19 fsync({described(4, '/f')}) = 0",
            f"20 fsync({described(4, '/f')}) = 0",
        ]
    )
    assert [call.process for call in calls] == [17, 17, 17, 17, 20]


def test_arguments_in_brackets() -> None:
    """Commas within brackets are not between arguments."""
    array = f"[{{iov_base={quoted(b'a')}, iov_len=1}}, {{iov_base={quoted(b'bc')}, iov_len=2}}]"
    (call,) = read_trace([f"17 writev({described(4, '/f')}, {array}, 2) = 3"])
    assert len(call.words) == 3
    assert buffers_of(call.words[1]) == b"abc"


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("5<TCP:[127.0.0.1:1->127.0.0.1:2]>", (5, "TCP:[127.0.0.1:1->127.0.0.1:2]")),
        (described(5, "/gone") + "(deleted)", (5, "/gone")),
        (described(3, "pipe:[12]"), (3, "pipe:[12]")),
        ("7", (7, "")),
        ("AT_FDCWD" + described(1, "/d")[1:], (-100, "/d")),
    ],
)
def test_descriptors(word: str, meaning: tuple[int, str]) -> None:
    """What a descriptor stands for is read, whatever it is."""
    assert fd_of(word) == meaning


@pytest.mark.parametrize("line", ["no number", "17 nonsense", "17 write(1) ="])
def test_what_is_no_trace(line: str) -> None:
    """A line that is not understood is never passed over."""
    with pytest.raises(UnreadableTrace):
        read_trace([line])


@pytest.mark.parametrize("word", ['"\\x61"...', '"a"', "NULL", '"'])
def test_strings_that_are_not_whole(word: str) -> None:
    """Bytes that strace has cut short are never taken for all of them."""
    with pytest.raises(UnreadableTrace):
        text_of(word)
