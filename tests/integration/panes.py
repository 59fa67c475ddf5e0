"""A terminal of its own for a program: tmux, which shows what a person would see."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from live import PATIENCE_SECONDS, environment

#: From one look to the next.
LOOK_SECONDS = 0.03


class Pane:
    """A terminal of so many columns in which a command runs, followed by its status.

    It stays when the command has ended. Its tmux is its own, with a socket of its own.
    """

    def __init__(
        self,
        directory: Path,
        command: Sequence[object],
        *,
        width: int,
        height: int = 40,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.width = width
        # A socket's path has to be short.
        self._scratch = Path(tempfile.mkdtemp(prefix="pane-"))
        words = " ".join(shlex.quote(str(word)) for word in command)
        script = f"stty -g >before; {words}; echo status $?; stty -g >after; exec cat"
        size = ("-x", width, "-y", height)
        # The environment of a new server is that of what it runs.
        self._tmux("new-session", "-d", *size, script, cwd=directory, env=environment(env))
        self._directory = directory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self._tmux("kill-server")
        finally:
            shutil.rmtree(self._scratch)

    @property
    def lines(self) -> list[str]:
        """What is to be seen, without blanks at the end of a line and lines at the end."""
        return self._tmux("capture-pane", "-p").rstrip("\n").split("\n")

    @property
    def joined_lines(self) -> list[str]:
        """The same, but lines that the terminal has broken are whole."""
        shown = self._tmux("capture-pane", "-p", "-J").rstrip("\n").split("\n")
        return [line.rstrip() for line in shown]

    @property
    def has_cursor(self) -> bool:
        """Whether the cursor is visible."""
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal's modes are those of before the command."""
        return self._modes("before") == self._modes("after")

    def _modes(self, moment: str) -> str:
        return (self._directory / moment).read_text()

    def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Look until what is to be seen is as wanted; gives it."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while not condition(lines := self.lines):
            assert time.monotonic() < limit, "\n".join(lines)
            time.sleep(LOOK_SECONDS)
        return lines

    def until_seen(self, text: str) -> list[str]:
        """Look until a text is to be seen."""
        return self.until(lambda lines: any(text in line for line in lines))

    def ended(self) -> int:
        """Wait for the command's end; gives its status."""
        lines = self.until_seen("status ")
        (status,) = (line.split()[1] for line in lines if line.startswith("status "))
        self.until(lambda _: (self._directory / "after").exists())
        return int(status)

    def press(self, key: str) -> None:
        """Press a key, as ``C-c``."""
        self._tmux("send-keys", key)

    def resize(self, width: int) -> None:
        """Make it wider or narrower."""
        self._tmux("resize-window", "-x", width)
        self.width = width

    def _tmux(
        self, *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        command = ["tmux", "-S", str(self._scratch / "socket"), "-f", os.devnull, "-u"]
        return subprocess.run(
            [*command, *map(str, words)],
            cwd=cwd,
            env=env,
            check=True,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
        ).stdout
