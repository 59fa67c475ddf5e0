"""Calls of a trace that was never made, for the tests of the model."""

from __future__ import annotations

from strace_text import Call

ROOT = "/root-of-it"


def _hex(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return "".join(f"\\x{byte:02x}" for byte in data)


def quoted(text: str | bytes) -> str:
    """A string argument as strace writes it."""
    return f'"{_hex(text)}"'


def described(number: int, path: str) -> str:
    """A descriptor as strace writes it."""
    return f"{number}<{_hex(path)}>"


class MadeUpCalls:
    """Calls of one process, each in a line of its own; paths are from the root on.

    :ivar calls: those so far.
    """

    def __init__(self, process: int = 100) -> None:
        self.calls: list[Call] = []
        self._process = process
        self._line = 0
        self._paths: dict[int, str] = {}

    def call(self, name: str, *words: str, result: int = 0, took: int = 0) -> None:
        """Add a call; ``took`` is how many lines of others stand between its begin and its end."""
        self._line += 1
        line, process = self._line, self._process
        self.calls.append(Call(name, process, process, line, line + took, words, result))

    def skip(self, lines: int) -> None:
        """Leave lines to a call before."""
        self._line += lines

    def open(self, path: str, flags: str = "O_WRONLY|O_CREAT", fd: int = 5) -> int:
        """Open a file."""
        self._paths[fd] = f"{ROOT}/{path}"
        self.call("openat", "AT_FDCWD", quoted(self._paths[fd]), flags, "0600", result=fd)
        return fd

    def write(self, fd: int, data: bytes, *, written: int | None = None, took: int = 0) -> None:
        """Write to it."""
        result = len(data) if written is None else written
        words = (described(fd, self._paths[fd]), quoted(data), str(len(data)))
        self.call("write", *words, result=result, took=took)

    def cut(self, fd: int, size: int) -> None:
        """Make it so long."""
        self.call("ftruncate", described(fd, self._paths[fd]), str(size))

    def flush(self, fd: int, *, took: int = 0) -> None:
        """Flush it."""
        self.call("fsync", described(fd, self._paths[fd]), took=took)

    def flush_directory(self, path: str = "") -> None:
        """Flush the entries of a directory."""
        self.call("fsync", described(9, f"{ROOT}/{path}".rstrip("/")))

    def make_directory(self, path: str) -> None:
        """Make a directory."""
        self.call("mkdir", quoted(f"{ROOT}/{path}"), "0700")

    def rename(self, old: str, new: str) -> None:
        """Give something another name."""
        self.call("rename", quoted(f"{ROOT}/{old}"), quoted(f"{ROOT}/{new}"))

    def remove(self, path: str) -> None:
        """Take a name away."""
        self.call("unlink", quoted(f"{ROOT}/{path}"))
