"""A day over several centrals that share a database, behind a load balancer, with clients.

What befalls it, a test does: it kills centrals or servers, and this says what came of it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg
from centrals import Centrals
from live import LiveAgency, LiveCentral
from oracle import History
from postgres_client import query
from recorder import Progress, Recorder
from relay import Relay
from shared_oracle import check_shared_draw

#: For a whole day; only a failing test ever waits so long.
DAY_SECONDS: Final = 120.0
#: How often the database is asked whether the draw is over: nothing tells it.
_LOOK_SECONDS: Final = 0.05
#: Its clients come back much sooner, and so more often, than an agency does.
_ALWAYS: Final = ("--reconnects", 0, "--log-level", "INFO")


class SharedDay:
    """One day.

    :ivar centrals: all that there were.
    :ivar relay: what agencies connect to; it brings each to any central that runs.
    :ivar progress: what the clients have reached.
    :ivar kills: how many centrals were killed.
    :ivar shunned: ports of centrals that nobody is brought to.
    """

    def __init__(
        self,
        directory: Path,
        dsn: str,
        count: int,
        rng: random.Random,
        *options: object,
        sent_away: Collection[str] = (),
    ) -> None:
        """:param sent_away: the codes with which recorders may be sent away for good."""
        self.dsn = dsn
        self._sent_away = {"", *sent_away}
        self.kills = 0
        self.shunned: set[int] = set()
        self.progress = Progress()
        self.recorders: list[Recorder] = []
        self.over = threading.Event()
        self._directory, self._rng, self._count = directory, rng, count
        self._options = (*_ALWAYS, *options)
        self._processes: list[tuple[LiveAgency, int, Sequence[str]]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.centrals = stack.enter_context(
                Centrals(self._directory, self.dsn, self._count, *self._options)
            )
            self.relay = stack.enter_context(Relay(self._anywhere))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.over.set()
        if error is not None:
            error.add_note("\n".join(map(str, self.histories)))
        try:
            for recorder in self.recorders:
                recorder.stop()
        finally:
            self._stack.__exit__(kind, error, traceback)

    @property
    def histories(self) -> list[History]:
        """Those of the recorders."""
        return [recorder.history for recorder in self.recorders]

    @property
    def acknowledged(self) -> int:
        """How many bets were acknowledged to the recorders, in all."""
        return sum(history.acknowledged for history in self.histories)

    @property
    def running(self) -> list[LiveCentral]:
        """The centrals that have not ended."""
        return [central for central in self.centrals.lives if central.running]

    def recorder(self, agency: int, rows: Sequence[str], **options: object) -> Recorder:
        """Start a client that notes all."""
        recorder = Recorder(
            agency,
            rows,
            lambda: self.relay.port,
            random.Random(self._rng.random()),
            over=self.over,
            progress=self.progress,
            lives=lambda: self.kills,
            **options,  # type: ignore[arg-type]
        )
        self.recorders.append(recorder)
        recorder.start()
        return recorder

    def agency(self, agency: int, rows: Sequence[str], *options: object) -> LiveAgency:
        """Start ``lottery agency``."""
        file = self._directory / f"agency-{agency}.csv"
        file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        live = LiveAgency(self._directory, self.relay.port, agency, file, *options)
        self._stack.callback(live.__exit__, AssertionError, None, None)
        self._processes.append((live, agency, rows))
        return live

    def kill_central(self) -> LiveCentral:
        """Kill any central (SIGKILL), and wait for its end; gives it."""
        victim = self._rng.choice(self.running)
        self.kills += 1
        victim.stop(9)
        self.progress.note()
        return victim

    def reach(self, reached: Callable[[], bool], seconds: float = DAY_SECONDS) -> None:
        """Wait until clients have reached something.

        :raises AssertionError: if they have met what may not be, or it takes too long.
        """
        done = self.progress.wait_for(lambda: bool(self.bad()) or reached(), seconds)
        assert not self.bad(), self.bad()
        assert done, f"not reached in {seconds:g} s: {list(map(str, self.histories))}"

    def bad(self) -> list[str]:
        """What recorders have met that may not be."""
        return [
            f"{history}: {history.faults}"
            for history in self.histories
            if history.faults or history.refused not in self._sent_away
        ]

    def stored(self, agency: int) -> int:
        """How many bets of an agency are stored."""
        count = "SELECT count(*) FROM lottery.bet WHERE draw = 1 AND agency = %s"
        ((stored,),) = query(self.dsn, count, agency)
        return int(stored)

    def finish(self) -> int | None:
        """Wait until all have their winners, or were sent away, and the draw is over.

        :returns: the number drawn, None if the draw is void.
        """
        self.reach(lambda: all(each.received or each.refused for each in self.histories))
        told = [self._told(*each) for each in self._processes]
        limit = DAY_SECONDS
        while not self._is_over():
            assert limit > 0, f"it is not over after {DAY_SECONDS:g} s"
            self.over.wait(_LOOK_SECONDS)
            limit -= _LOOK_SECONDS
        self.over.set()
        histories = [recorder.finish() for recorder in self.recorders]
        return check_shared_draw([*histories, *told], self.dsn)

    def _told(self, live: LiveAgency, agency: int, rows: Sequence[str]) -> History:
        """Wait for the good end of an agency, and read what it was told."""
        assert live.wait(DAY_SECONDS) == 0, live.log
        live.check()
        count = len(rows)
        return History(
            agency, rows, sent=count, acknowledged=count, ended=True, winners=live.winners(),
            received=True,
        )  # fmt: skip

    def _is_over(self) -> bool:
        try:
            states = query(self.dsn, "SELECT state FROM lottery.draw WHERE draw = 1")
        except psycopg.OperationalError:
            return False
        return states in ([("delivered",)], [("void",)])

    def _anywhere(self, _: int) -> list[int]:
        ports = [port for port in self.centrals.ports if port not in self.shunned]
        self._rng.shuffle(ports)
        return ports
