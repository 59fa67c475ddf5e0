"""What a writer child prints, into the log by lines: nothing, unless something is wrong."""

from __future__ import annotations

from twisted.logger import LogLevel

from lottery.ops.log import ActionLog

#: A line is cut here.
LINE_BYTES = 2000


class ChildOutput:
    """The lines of a child's stdout and stderr."""

    def __init__(self, log: ActionLog) -> None:
        self._log = log
        self._begun = {1: b"", 2: b""}

    def take(self, fd: int, data: bytes, pid: int) -> None:
        """Log the lines that these bytes complete."""
        *lines, rest = (self._begun[fd] + data).split(b"\n")
        self._begun[fd] = rest[:LINE_BYTES]
        for line in lines:
            self._tell(line[:LINE_BYTES], pid)

    def end(self, pid: int) -> None:
        """Log what is left: the child has ended."""
        for rest in self._begun.values():
            if rest:
                self._tell(rest, pid)

    def _tell(self, line: bytes, pid: int) -> None:
        text = line.decode("utf-8", "replace")
        self._log("writer_output", "in_progress", LogLevel.warn, pid=pid, text=text)
