"""A client of the classic dialect that notes all it is told.

It cannot come back once it has a place. But a central that was killed before it stored anything
of the agency does not know of it any more, and would wait for somebody to take that place: then it
comes as a new agency, with other bets.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from classic_agency import REFUSED, STORED, WINNERS, ClassicAgency, Closed, Peer, batches_of
from oracle import History

_COME_BACK_SECONDS: Final = 0.02


class ClassicRecorder(threading.Thread):
    """A classic agency, in as many attempts as it takes to have a place.

    :ivar histories: one for each attempt.
    """

    def __init__(
        self,
        rows_of: Callable[[int], Sequence[str]],
        where: Callable[[], int],
        rng: random.Random,
        *,
        over: threading.Event,
        lives: Callable[[], int],
        ledger: Callable[[], Iterable[Sequence[str]]],
    ) -> None:
        """:param rows_of: gives the rows of an attempt, from 0 up, which no other one has.
        :param lives: counts the central's lives.
        :param ledger: gives the rows of each agency in the ledger.
        """
        super().__init__(name="classic agency", daemon=True)
        self.histories: list[History] = []
        self._rows_of, self._where, self._rng = rows_of, where, rng
        self._over, self._lives, self._ledger = over, lives, ledger

    def run(self) -> None:
        """Try until one attempt has a place, or the draw is over."""
        while not self._over.is_set():
            life = self._lives()
            history = History(None, self._rows_of(len(self.histories)), "classic")
            try:
                peer = ClassicAgency(self._where())
            except OSError:
                self._over.wait(_COME_BACK_SECONDS)
                continue
            self.histories.append(history)
            try:
                with peer:
                    self._upload(peer, history)
                return
            except (Closed, OSError):
                pass
            except AssertionError as error:
                history.faults.append(str(error))
                return
            if not self._place_is_free(history, life):
                return

    def finish(self, seconds: float = 60.0) -> list[History]:
        """Wait for its end; gives the histories of its attempts."""
        self.join(seconds)
        assert not self.is_alive(), f"{self.histories[-1]} has not come to its end"
        return self.histories

    def _upload(self, peer: ClassicAgency, history: History) -> None:
        size, window = self._rng.choice((1, 7, 20)), self._rng.choice((1, 4, 100_000))
        rows, acknowledged = history.rows, 0
        frames = batches_of(rows, size)
        counts = [min(size, len(rows) - first) for first in range(0, len(rows), size)]
        assert len(frames) == len(counts)
        for number, each in enumerate(frames):
            if number - acknowledged >= window:
                acknowledged += self._acknowledged(peer, history, counts[acknowledged])
            history.sent += counts[number]
            peer.send(each)
        peer.end()
        while acknowledged < len(frames):
            acknowledged += self._acknowledged(peer, history, counts[acknowledged])
        kind = peer.receive(1)
        if kind == REFUSED:
            raise Closed("refused")
        assert kind == WINNERS, kind
        text = peer.receive(int.from_bytes(peer.receive(2), "big")).decode()
        history.winners = text.split(",") if text else []
        history.ended = history.received = True

    def _acknowledged(self, peer: ClassicAgency, history: History, bets: int) -> int:
        answer = peer.receive(1)
        if answer == REFUSED:
            raise Closed("refused")
        assert answer == STORED, answer
        history.acknowledged += bets
        return 1

    def _place_is_free(self, history: History, life: int) -> bool:
        """Wait for another life of the central, and look whether that knows of the agency."""
        while self._lives() == life:
            if self._over.wait(_COME_BACK_SECONDS):
                return False
        while True:
            try:
                Peer(self._where()).close()  # it listens, so it has salvaged
            except OSError:
                if self._over.wait(_COME_BACK_SECONDS):
                    return False
                continue
            return all(rows[0] != history.rows[0] for rows in self._ledger() if rows)
