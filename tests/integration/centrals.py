"""Several centrals as processes, with one database as their ledger."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from live import LiveCentral


class Centrals:
    """So many centrals; all that run at the end are stopped, and have to end well.

    :ivar lives: each that there was, in order of their starts.
    """

    def __init__(self, directory: Path, dsn: str, count: int, *options: object) -> None:
        """:param options: of each of them."""
        self.lives: list[LiveCentral] = []
        self._directory, self._dsn, self._options = directory, dsn, options
        self._stack = ExitStack()
        try:
            for _ in range(count):
                self.start()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(self.log)
        self._stack.__exit__(kind, error, traceback)

    @property
    def log(self) -> str:
        """What all have said so far."""
        return "\n".join(
            f"--- central {number}\n{central.log}" for number, central in enumerate(self.lives)
        )

    @property
    def ports(self) -> list[int]:
        """Where those listen that run."""
        return [central.port for central in self.lives if central.running]

    def start(self, *options: object) -> LiveCentral:
        """Start another one."""
        directory = self._directory / f"central-{len(self.lives)}"
        directory.mkdir()
        words = ("--ledger", self._dsn, *self._options, *options)
        central = self._stack.enter_context(LiveCentral(directory, *words))
        self.lives.append(central)
        return central

    def wait(self) -> None:
        """Wait until all have ended by themselves, and well."""
        for central in self.lives:
            assert central.wait() == 0, central.log

    def told(self, pattern: str) -> list[str]:
        """What each has said with this in it, once; without its time and level."""
        return [central.wait_for(f"({pattern}.*)")[1] for central in self.lives]
