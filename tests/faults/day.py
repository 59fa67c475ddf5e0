"""A small day with a central that is started again whenever it ends before its time."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from day_ledgers import DayLedger, InDatabase, InFiles
from live import LiveAgency, LiveProcess
from oracle import History
from programs import PLAIN, RestartedCentral, free_port
from recorder import Progress, Recorder

#: For a whole day; only a failing test ever waits so long.
DAY_SECONDS: Final = 120.0
#: Numbers that have bets. Each life of a central is given another one: the first to draw counts.
NUMBERS: Final = (7574, 42, 1, 9999)
#: How often a central may be started in one day.
_MOST_LIVES: Final = 60


def rows_of_agency(agency: int, count: int, rng: random.Random, *, life: int = 0) -> list[str]:
    """Valid rows that no other agency has, with winners of each number that may be drawn."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in f"{agency}{life}")
    numbers = (*(str(number) for number in NUMBERS), "0042", "0001", "13", "2718")
    return [
        f"Ana {letters},Paz,{10_000_000 + index},1990-05-17,{rng.choice(numbers)}"
        for index in range(count)
    ]


class Day:
    """One day: a central with many lives, and its clients.

    :ivar data_dir: the central's data directory.
    :ivar ledger: where its bets are.
    :ivar lives: every central there was, the present one last.
    :ivar statuses: how those ended that have.
    :ivar over: set when the draw is delivered or void, or there is no use in going on.
    :ivar progress: what the clients have reached.
    :ivar gate: no central is started while it is not set.
    """

    def __init__(
        self,
        directory: Path,
        places: int,
        *options: object,
        draws: int = 1,
        data_dir: Path | None = None,
        programs: Sequence[Sequence[str]] = (),
        statuses: Collection[int] = (-signal.SIGKILL,),
        level: str = "INFO",
        numbers: Sequence[int] = NUMBERS,
        sent_away: Collection[str] = (),
        ledger: str | None = None,
    ) -> None:
        """:param programs: how the first lives are started, a program each; the rest is plain.
        :param statuses: with which a central may end before the draw is over.
        :param sent_away: the codes with which recorders may be sent away for good.
        :param ledger: the URL of a database, if that is the ledger.
        """
        self.directory = directory
        self.data_dir = data_dir or directory / "lottery-data"
        self.port = free_port()
        self.over = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.progress = Progress()
        self.lives: list[RestartedCentral] = []
        self.statuses: list[int] = []
        self.recorders: list[Recorder] = []
        self.others: list[History] = []
        self._draws, self._numbers, self._sent_away = draws, numbers, {"", *sent_away}
        # Its clients come back much sooner, and so more often, than an agency does.
        always: tuple[object, ...] = ("--reconnects", 0)
        self.ledger: DayLedger = InFiles(self.data_dir) if ledger is None else InDatabase(ledger)
        always += self.ledger.options
        self._options = ("--agencies", places, "--log-level", level, *always, *options)
        self._programs, self._allowed = list(programs), statuses
        self._faults: list[str] = []
        self._leaving = False
        # How many lines of each life count that was cut off: the rest is said by nobody.
        self._heard: dict[int, int] = {}
        self._stack = ExitStack()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self._start()
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaving = True
        self.over.set()
        self.gate.set()
        try:
            self._stack.close()
            for recorder in self.recorders:
                recorder.stop()
        finally:
            self.central.end()
            self._keeper.join(DAY_SECONDS)
        if kind is None:
            assert not self._faults, self._told()
            for life in self.lives:
                LiveProcess.check(life)
                life.left_alone()
            assert self.central.temporary_files() == []
        elif error is not None:
            error.add_note(self._told())

    @property
    def central(self) -> RestartedCentral:
        """The present one; it may have ended."""
        return self.lives[-1]

    @property
    def acknowledged(self) -> int:
        """How many bets were acknowledged to the recorders, in all."""
        return sum(recorder.history.acknowledged for recorder in self.recorders)

    @property
    def ended(self) -> int:
        """How many recorders were told that they have ended."""
        return sum(recorder.history.ended for recorder in self.recorders)

    @property
    def histories(self) -> list[History]:
        """Those of all clients."""
        return [recorder.history for recorder in self.recorders] + self.others

    def enter(self, process: LiveAgency) -> LiveAgency:
        """Have a process ended when the day is left, whatever happens."""
        self._stack.callback(process.__exit__, AssertionError, None, None)
        return process

    def recorder(
        self, agency: int, rows: Sequence[str], rng: random.Random, **options: object
    ) -> Recorder:
        """Start a client that notes all."""
        options.setdefault("lives", lambda: len(self.lives))
        options.setdefault("where", lambda: self.port)
        recorder = Recorder(
            agency,
            rows,
            rng=random.Random(rng.random()),
            over=self.over,
            progress=self.progress,
            **options,  # type: ignore[arg-type]
        )
        self.recorders.append(recorder)
        recorder.start()
        return recorder

    def reached(self, reached: Callable[[], bool], seconds: float = DAY_SECONDS) -> bool:
        """Wait until clients have reached something, or all is over; gives whether it is so."""
        self.progress.wait_for(lambda: self.over.is_set() or bool(self.bad()) or reached(), seconds)
        assert not self.bad(), self.bad()
        return reached()

    def bad(self) -> list[str]:
        """What recorders have met that may not be; there is no use in waiting any more then."""
        histories = [recorder.history for recorder in self.recorders]
        return [
            f"{history}: {history.faults}"
            for history in histories
            if history.faults or history.refused not in self._sent_away
        ]

    def reached_log(self, pattern: str) -> None:
        """Wait until the present central has said this."""
        self.central.wait_for(pattern)

    def await_over(self, seconds: float = DAY_SECONDS) -> None:
        """Wait until the draw is over, and the clients with it."""
        assert self.reached(self.over.is_set, seconds), f"it is not over after {seconds:g} s"
        assert not self._faults, self._faults

    def deafen(self) -> None:
        """Let nobody hear the present central any more, neither clients nor the oracle."""
        self.progress.deaf = True
        self._heard[len(self.lives) - 1] = len(self.central.lines)

    def kill_central(self) -> bool:
        """Kill the central; gives whether there was one to kill."""
        central = self.central
        if not central.running:
            return False
        central.send_signal(signal.SIGKILL)
        return True

    def kill_writer(self, rng: random.Random) -> bool:
        """Kill one of the central's writers; gives whether there was one to kill."""
        children = self.central.children
        if not children:
            return False
        try:
            os.kill(rng.choice(children), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def check(self) -> int | None:
        """Ask the oracle, once the draw is over; gives the winning number."""
        number = self.ledger.check(self.histories)
        told = {int(line) for line in self._numbers_in_logs()}
        assert told <= {number}, f"{told} were drawn, the record has {number}"
        return number

    def _numbers_in_logs(self) -> Iterable[str]:
        pattern = re.compile(r"sorteo \| result: success \| draw: 1 \| winning_number: (\d+)")
        for number, life in enumerate(self.lives):
            for line in life.lines[: self._heard.get(number)]:
                if match := pattern.search(line):
                    yield match[1]

    def _start(self) -> None:
        life = len(self.lives)
        program = self._programs[life] if life < len(self._programs) else PLAIN
        number = self._numbers[life % len(self._numbers)]
        options = ("--draws", self._draws, "--winning-number", number, *self._options)
        central = RestartedCentral(self.directory, self.data_dir, self.port, options, program)
        self.lives.append(central)
        self.progress.note()

    def _keep(self) -> None:
        """Start the central again whenever it ends before the draw is over."""
        try:
            while True:
                status = self.central.wait(2 * DAY_SECONDS)
                self.statuses.append(status)
                self.gate.wait(DAY_SECONDS)
                if self._leaving:
                    return
                if self.ledger.is_over():
                    return
                if status not in self._allowed or len(self.lives) >= _MOST_LIVES:
                    self._faults.append(f"life {len(self.lives)} ended with status {status}")
                    return
                self.central.end()
                self._start()
        except Exception as error:  # noqa: BLE001 - nobody would see it in a thread
            self._faults.append(f"{type(error).__name__}: {error}")
        finally:
            self.over.set()
            self.progress.note()

    def _told(self) -> str:
        """All that helps to see what went wrong."""
        words = [*self._faults, *map(str, self.histories)]
        try:
            words.append(str(self.ledger.record()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest helps, too
            words.append(f"no record: {error}")
        for number, life in enumerate(self.lives, 1):
            status = self.statuses[number - 1] if number <= len(self.statuses) else "running"
            words += [f"--- life {number}, status {status}", *life.lines[-40:]]
        return "\n".join(words)
