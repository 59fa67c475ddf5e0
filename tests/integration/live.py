"""The programs as processes of their own, watched from outside.

Everything that a test waits for is an event: a line of the log, the end of a process. Nothing
sleeps. Whatever a test does, its processes are gone when its block is left, and then it is
looked whether they left anything behind.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from classic_agency import Peer

#: For any one thing to happen; only a failing test ever waits so long.
PATIENCE_SECONDS: Final = 30.0

#: How an agency is started.
AGENCY: Final = (sys.executable, "-m", "lottery", "agency")

#: What would change the settings of a program that is started by a test.
_SETTINGS = re.compile(
    "(LOTTERY|SERVER|AGENC|CLI|LOGGING)_|AGENCIES|(INPUT|OUTPUT)_FILE|BATCH_SIZE"
)

#: Nothing of this may ever be in a log: an error that nobody foresaw, seen by whoever reads it.
_UNFORESEEN = re.compile(r"Traceback|Unhandled|Error in Deferred|CRITICAL (?!action: )")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program: ours, without what would change its settings."""
    kept = {name: value for name, value in os.environ.items() if not _SETTINGS.match(name)}
    return {**kept, "PYTHONUNBUFFERED": "1", **(extra or {})}


def run_lottery(
    *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``lottery`` with these words to its end."""
    return subprocess.run(
        [sys.executable, "-m", "lottery", *map(str, words)],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
    )


def export(data_dir: Path, draw: int) -> bytes:
    """What ``lottery export`` says of a draw."""
    done = run_lottery("export", data_dir, "--draw", draw)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.encode()


def children_of(pid: int) -> list[int]:
    """The processes whose parent is ``pid``."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                status = Path(f"/proc/{name}/stat").read_text(errors="replace")
            except OSError:
                continue  # it has ended in the meantime
            if int(status.rpartition(")")[2].split()[1]) == pid:
                found.append(int(name))
    return sorted(found)


def processes_about(path: Path) -> list[int]:
    """The processes that have this path in a word of their command line."""
    wanted, found = os.fsencode(path), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if wanted in words:
                found.append(int(name))
    return found


def resident_bytes(pid: int) -> int:
    """How much memory of its own a process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")


def established(pid: int) -> list[str]:
    """The TCP connections of a process that are up, as local and remote address."""
    sockets = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    found = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "01" and words[9] in sockets:
            found.append(f"{words[1]}-{words[2]}")
    return found


class LiveProcess:
    """A process whose output is read by a thread, line by line.

    :ivar lines: what it has said so far, stdout and stderr as they came.
    """

    def __init__(
        self,
        command: Sequence[object],
        cwd: Path,
        *,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
    ) -> None:
        self.cwd = cwd
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._silent = False
        self._process = subprocess.Popen(
            list(map(str, command)),
            cwd=cwd,
            env=environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.leave()
        finally:
            self._end()
        if kind is None:
            self.check()

    def leave(self) -> None:
        """What is done at the end of a block that did not fail."""

    def check(self) -> None:
        """Look for what may not be there once the process has ended."""
        for line in self.lines:
            assert not _UNFORESEEN.search(line), self.log

    @property
    def log(self) -> str:
        """All that it has said so far."""
        return "\n".join(self.lines)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait_for(self, pattern: str, *, count: int = 1, since: int = 0) -> re.Match[str]:
        """Wait for a line that the pattern is found in, for the ``count``-th one; gives it.

        :param since: how many lines are of no interest; for what is told by the port of a peer,
            which another one may have had before.
        """
        wanted = re.compile(pattern)
        found: list[re.Match[str]] = []
        seen = since

        def is_there() -> bool:
            nonlocal seen
            new, seen = self.lines[seen:], len(self.lines)
            found.extend(match for line in new if (match := wanted.search(line)))
            return len(found) >= count or self._silent

        with self._said:
            self._said.wait_for(is_there, PATIENCE_SECONDS)
        assert len(found) >= count, f"{pattern!r} {len(found)} of {count} times in\n{self.log}"
        return found[count - 1]

    def matches(self, pattern: str, *, since: int = 0) -> list[re.Match[str]]:
        """What the pattern finds in the lines so far, at most once in a line."""
        return [match for line in self.lines[since:] if (match := re.search(pattern, line))]

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end; gives the status, or minus the number of a signal."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended after {seconds} s:\n{self.log}") from None
        self._reader.join(PATIENCE_SECONDS)
        return status

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait for the end; gives the status and how many seconds it took."""
        started = time.monotonic()
        self.send_signal(number)
        status = self.wait()
        return status, time.monotonic() - started

    def send_until_its_end(self, number: int, seconds: float = PATIENCE_SECONDS) -> int:
        """Send a signal again and again, to meet every step of its end; gives the status."""
        limit = time.monotonic() + seconds
        while self._process.poll() is None:
            assert time.monotonic() < limit, f"it has not ended after {seconds:g} s\n{self.log}"
            self.send_signal(number)
        return self.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self._silent = True
            self._said.notify_all()

    def _end(self) -> None:
        """End it, if it has not ended; by its id, and whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()


class LiveCentral(LiveProcess):
    """``lottery serve`` in a directory, on a free port of the loopback.

    :ivar data_dir: its data directory.
    :ivar port: where it listens.
    """

    def __init__(
        self,
        directory: Path,
        *options: object,
        level: str = "DEBUG",
        data_dir: Path | None = None,
        program: Sequence[str] = (sys.executable, "-m", "lottery", "serve"),
        listening: bool = True,
        plain: bool = True,
        tls: bool = False,
    ) -> None:
        """:param listening: wait until it listens; else until it says anything.

        :param plain: listen for plain text, and ``tls``: listen for TLS.
        """
        self.data_dir = data_dir or directory / "lottery-data"
        kinds = ["--listen"] * plain + ["--tls-listen"] * tls
        places: list[object] = ["--data-dir", self.data_dir]
        for option in kinds:
            places += [option, "tcp:0:interface=127.0.0.1"]
        super().__init__([*program, *places, "--log-level", level, *options], directory)
        self._port = 0
        self._kinds = kinds
        try:
            if listening:
                self.port  # noqa: B018 - asking waits for it
            else:
                self.wait_for("")
        except BaseException:
            self._end()
            raise

    @property
    def port(self) -> int:
        """Where it listens; waits until it does."""
        if not self._port:
            self._port = self._listens(1)
        return self._port

    @property
    def tls_port(self) -> int:
        """Where it listens for TLS: behind the place for plain text, if it has both."""
        return self._listens(len(self._kinds))

    def _listens(self, count: int) -> int:
        line = self.wait_for(
            r"action: accept_connections \| result: in_progress \| ip: \S+ \| port: (\d+)",
            count=count,
        )
        return int(line[1])

    @property
    def children(self) -> list[int]:
        """Its child processes."""
        return children_of(self.pid)

    def leave(self) -> None:
        """Stop it, if it runs: that must always end well and soon."""
        if self.running:
            status, seconds = self.stop()
            assert status == 0, self.log
            assert seconds < 5, self.log

    def check(self) -> None:
        """No child, no temporary file and no riddle in the log may be left."""
        super().check()
        self.left_alone()
        assert self.temporary_files() == []

    def left_alone(self) -> None:
        """Fail if a process is left that works in its directory, itself apart."""
        about = [pid for pid in processes_about(self.data_dir) if pid != os.getpid()]
        assert about == [], self.log

    def temporary_files(self) -> list[Path]:
        """Files of the data directory that are none of those that belong there."""
        usual = re.compile(
            r"lock|draws/\d{6}/(segment-\d{4}\.log|bets\.csv|winners\.csv|draw\.json|secret|intake\.csv)"
        )
        files = (path for path in self.data_dir.rglob("*") if path.is_file())
        return [path for path in files if not usual.fullmatch(str(path.relative_to(self.data_dir)))]

    def arrived(self, agency: int, *, draw: int = 1) -> int:
        """Wait until an agency has its place, for the ``draw``-th time; gives its port."""
        line = self.wait_for(
            rf"accept_connections \| result: success .* port: (\d+) \| agency: {agency} ",
            count=draw,
        )
        return int(line[1])

    def drawn(self, draw: int) -> None:
        """Wait until a draw is held."""
        self.wait_for(rf"action: sorteo \| result: success \| draw: {draw} ")

    def settle(self) -> None:
        """Wait until it has dealt with all that came before: it answers a newcomer's nonsense."""
        for _ in range(2):
            with Peer(self.port) as peer:
                peer.send(b"\x00")
                assert peer.rest()

    def stop_child(self, pid: int) -> None:
        """Make a writer stand still (SIGSTOP)."""
        assert pid in self.children
        os.kill(pid, signal.SIGSTOP)

    def bets_csv(self, draw: int) -> bytes:
        """The sealed list of a draw."""
        return (self.data_dir / "draws" / f"{draw:06d}" / "bets.csv").read_bytes()


class LiveAgency(LiveProcess):
    """``lottery agency`` in a directory.

    :ivar output: where it writes the winners.
    """

    def __init__(
        self,
        directory: Path,
        port: int,
        agency: int,
        file: object,
        *options: object,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        program: Sequence[str] = AGENCY,
    ) -> None:
        self.output = directory / f"winners-{agency}.csv"
        words = (file, "--id", agency, "--server", f"127.0.0.1:{port}")
        super().__init__([*program, *words, *options], directory, stdin=stdin)

    def winners(self) -> list[str]:
        """The winning rows."""
        return self.output.read_bytes().decode().splitlines()


def sample(directory: Path, agencies: int, bets: int, seed: int = 1) -> list[list[str]]:
    """Make a day with ``lottery sample``; gives the rows of each agency's file."""
    done = run_lottery("sample", directory, "--agencies", agencies, "--bets", bets, "--seed", seed)
    assert done.returncode == 0, done.stderr
    return [rows_of(directory / f"agency-{agency}.csv") for agency in range(1, agencies + 1)]


def rows_of(path: Path) -> list[str]:
    """The rows of an agency's file."""
    return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").splitlines()


def winning(rows: Sequence[str], number: int = 7574) -> list[str]:
    """Those of the rows that win."""
    return [row for row in rows if int(row.rpartition(",")[2]) == number]


def documents(rows: Sequence[str]) -> list[str]:
    """The documents of the rows."""
    return [row.split(",")[2] for row in rows]


def union(day: Mapping[int, Sequence[str]]) -> bytes:
    """What ``bets.csv`` has to be: all rows in order of agency and input."""
    return "".join(f"{agency},{row}\n" for agency in sorted(day) for row in day[agency]).encode()


def made_up(count: int, *, number: int = 1, name: str = "Ana") -> list[str]:
    """Valid rows, all different, all on one number."""
    return [f"{name},Paz,{20_000_000 + index},1990-05-17,{number}" for index in range(count)]
