"""A whole day in a few seconds: a central, its agencies and a draw, each a process of its own.

``make demo`` runs this; everything that it makes goes to ``./demo``. It ends by itself: with status
0 if all went well, 1 if something went wrong, 2 if it could not begin, 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired, call
from threading import Thread
from typing import IO

from lottery.settings_table import AGENCY, CENTRAL

WENT_WRONG, CANNOT_BEGIN, STOPPED = 1, 2, 130
#: Tells that a folder was made by the demo.
MARKER = ".made-by-the-demo"
#: A program of ours ends within 5 seconds of being asked to.
PATIENCE_SECONDS = 10

_INPUT = re.compile(r"agency-(0|[1-9][0-9]{0,9})\.csv")
_ACTION = re.compile(r"action: (\w+) \| result: (\w+)(.*)")
_DETAIL = re.compile(r" \| (\w+): ([^|]*?)(?= \||$)")


class CannotBegin(Exception):
    """What was asked for cannot be done; the text is for the one who asked."""


@dataclass
class Program:
    """A process of the day.

    :ivar said: the details of each action that succeeded, and ``seconds`` from the start to it.
    """

    name: str
    process: Popen[str]
    begun: float = field(default_factory=time.monotonic)
    said: dict[str, dict[str, str]] = field(default_factory=dict)

    def detail(self, action: str, name: str) -> str:
        """A detail of an action, or ``-``."""
        return self.said.get(action, {}).get(name, "-")


class Day:
    """One draw over the files of some agencies; ``problems`` tells what went wrong in it."""

    def __init__(self, files: dict[int, Path], place: Path) -> None:
        self._files = files
        self._place = place
        self._width = max(len(f"agency {agency}") for agency in files)
        self._heard: SimpleQueue[tuple[Program | None, str | None]] = SimpleQueue()
        self._programs: list[Program] = []
        self._agencies: dict[int, Program] = {}
        self._running = 0  # programs worth waiting for
        self.stopped = False
        self.problems: list[str] = []
        self.bets_csv = place / "data/draws/000001/bets.csv"

    def stop(self, *_: object) -> None:
        """End the day early; a signal may call this at any time."""
        self._heard.put((None, None))

    def run(self) -> None:
        """Run all programs until they have ended; leaves no process behind."""
        try:
            # Its agencies come once: who is gone is not waited for as long as by default.
            day = ("--draws", "1", "--agencies", str(len(self._files)), "--rejoin", "2")
            place = ("--listen", "tcp:0:interface=127.0.0.1", "--data-dir", f"{self._place}/data")
            self._start("central", "serve", *day, *place)
            while self._running:
                program, line = self._heard.get()
                if program is None:
                    self.stopped = True
                    return
                if line is None:
                    self._ended(program)
                else:
                    self._hear(program, line.rstrip("\n"))
        finally:
            self._end_all()

    def table(self) -> str:
        """What each agency sent and won, and how long its bets took to be on the central's disk."""
        lines = [f"{'agency':>10} {'bets':>8} {'winners':>8} {'seconds':>8}"]
        for agency, program in self._agencies.items():
            bets = program.detail("apuesta_enviada", "cantidad")
            seconds = program.detail("apuesta_enviada", "seconds")
            winners = program.detail("consulta_ganadores", "cant_ganadores")
            lines.append(f"{agency:>10} {bets:>8} {winners:>8} {seconds:>8}")
        return "\n".join(lines)

    def count_rows(self) -> int:
        """Count the rows of ``bets.csv``; if they are not the bets sent, that is a problem."""
        sent = [each.said.get("apuesta_enviada", {}) for each in self._agencies.values()]
        expected = sum(int(details.get("cantidad", 0)) for details in sent)
        rows = self.bets_csv.read_bytes().count(b"\n") if self.bets_csv.exists() else 0
        if rows != expected and not self.problems:
            self.problems.append(f"bets.csv has {rows} rows, {expected} bets were acknowledged")
        return rows

    def _start_agencies(self, port: str) -> None:
        for agency, path in self._files.items():
            output = str(self._place / "winners" / f"winners-{agency}.csv")
            where = ("--server", f"127.0.0.1:{port}", "--output", output)
            self._agencies[agency] = self._start(
                f"agency {agency}", "agency", str(path), "--id", str(agency), *where
            )

    def _start(self, name: str, *words: str) -> Program:
        command = (sys.executable, "-m", "lottery", *words)
        process = Popen(
            command, env=surroundings(), stdout=PIPE, stderr=STDOUT, text=True, errors="replace"
        )
        program = Program(name, process)
        self._programs.append(program)
        self._running += 1
        Thread(target=self._read, args=(program, process.stdout), daemon=True).start()
        return program

    def _read(self, program: Program, output: IO[str]) -> None:
        with output:
            for line in output:
                self._heard.put((program, line))
        self._heard.put((program, None))

    def _hear(self, program: Program, line: str) -> None:
        match = _ACTION.search(line)
        action, result, rest = match.groups() if match else ("", "", "")
        details = dict(_DETAIL.findall(rest))
        if action != "config":  # long, and no news
            print(f"{program.name:<{self._width}} | {match[0] if match else line}", flush=True)
        if result == "success":
            details["seconds"] = f"{time.monotonic() - program.begun:.1f}"
            program.said[action] = details
        if (action, result) == ("accept_connections", "in_progress") and not self._agencies:
            self._start_agencies(details["port"])

    def _ended(self, program: Program) -> None:
        self._running -= 1
        status = program.process.wait()
        if status:
            self.problems.append(f"{program.name} ended with status {status}")
        # A draw goes on without an agency that fails, but waits for one that never came.
        vital = "connect" if program in self._agencies.values() else "sorteo"
        if vital not in program.said:
            self.problems.append(f"there is nothing to wait for without {vital} of {program.name}")
            self._running = 0

    def _end_all(self) -> None:
        for program in self._programs:
            program.process.terminate()
        for program in self._programs:
            try:
                program.process.wait(PATIENCE_SECONDS)
            except TimeoutExpired:
                self.problems.append(f"{program.name} did not end and was killed")
                program.process.kill()


def surroundings() -> dict[str, str]:
    """Our environment without settings: they could make another day of it."""
    settings = {name for row in (*CENTRAL, *AGENCY) for name in row.environment}
    return {name: value for name, value in os.environ.items() if name not in settings}


def files_of(folder: Path) -> dict[int, Path]:
    """Every ``agency-N.csv`` of a folder, by N, in order."""
    if not folder.is_dir():
        raise CannotBegin(f"{folder} is not a folder")
    matches = ((_INPUT.fullmatch(path.name), path) for path in folder.iterdir())
    found = sorted((int(match[1]), path) for match, path in matches if match)
    if not found:
        raise CannotBegin(f"there is no agency-1.csv, agency-2.csv, ... in {folder}")
    return dict(found)


def take_place(place: Path, made: tuple[str, ...]) -> IO[bytes]:
    """Clear away what an earlier demo made; the place is ours while the file is open."""
    if place.exists() and any(place.iterdir()) and not (place / MARKER).exists():
        raise CannotBegin(f"{place} holds something that the demo has not made")
    place.mkdir(parents=True, exist_ok=True)
    marker = (place / MARKER).open("wb")
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CannotBegin(f"another demo is at work in {place}") from None
    for name in made:
        if (place / name).exists():
            shutil.rmtree(place / name)
    (place / "winners").mkdir()
    return marker


def run(data: Path | None) -> int:
    """Run the demo; gives the exit status."""
    place = Path("demo")
    files = files_of(data) if data else {}
    # With --data, an earlier day stays: it may be the very one that is asked for.
    with take_place(place, ("data", "winners") if files else ("data", "winners", "day")):
        sample = (sys.executable, "-m", "lottery", "sample", str(place / "day"))
        if not files and call(sample, env=surroundings()):
            raise CannotBegin("there is no day without its files")
        day = Day(files or files_of(place / "day"), place)
        signal.signal(signal.SIGINT, day.stop)
        signal.signal(signal.SIGTERM, day.stop)
        day.run()
    if day.stopped:
        print("demo: stopped", file=sys.stderr)
        return STOPPED
    rows = day.count_rows()
    print(f"\n{day.table()}\n\n{rows} bets, in order: {day.bets_csv}")
    print(f"the winning rows: {place / 'winners'}", flush=True)
    for problem in day.problems:
        print(f"demo: {problem}", file=sys.stderr)
    return WENT_WRONG if day.problems else 0


def main() -> int:
    """Run the demo as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, metavar="DIR", help="take the agency-N.csv of DIR")
    try:
        return run(parser.parse_args().data)
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:  # nobody reads any more, and what is left would be said again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return WENT_WRONG
    except (CannotBegin, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
    return CANNOT_BEGIN


if __name__ == "__main__":
    sys.exit(main())
