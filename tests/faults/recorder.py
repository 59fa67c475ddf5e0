"""A client of lottery/1 that notes all it is told, written from ``docs/protocol.md``.

It comes back however often it is cut off, each time with another batch size and window, until
it has its winners or is sent away for good. What it is told it holds against what it knows.
"""

from __future__ import annotations

import random
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from classic_agency import Closed
from lottery1_agency import (
    ACK,
    CODES,
    ERROR,
    REFUSED,
    WELCOME,
    WINNERS,
    Lottery1Agency,
    batch,
    end,
    hello,
    received,
    refusal_in,
)
from oracle import History

#: How soon a cut-off client comes back. There is nothing that would say that the central is up.
_COME_BACK_SECONDS: Final = 0.02
#: The codes after which a client comes back.
_AGAIN: Final = frozenset({"FULL", "STORAGE", "STOPPING", "CLOSED", "BUSY"})
_SIZES: Final = (1, 3, 10, 20, 37)
_WINDOWS: Final = (1, 2, 8, 100_000)


class SentAway(Exception):
    """The central does not want it any more; with its code."""


class Progress:
    """What clients have reached; a test waits for it.

    :ivar deaf: whether clients drop what they hear and keep away, as in a power cut: what is said
        from then on is said by nobody.
    """

    def __init__(self) -> None:
        self.deaf = False
        self._changed = threading.Condition()

    def note(self) -> None:
        """Look again: something has changed."""
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait until it is so; gives whether it is."""
        with self._changed:
            return self._changed.wait_for(reached, seconds)


class Recorder(threading.Thread):
    """A client with a history.

    :ivar history: what it did and heard.
    :ivar sessions: how often it was connected.
    :ivar welcomed: how many bets each WELCOME said were stored.
    """

    def __init__(
        self,
        agency: int,
        rows: Sequence[str],
        where: Callable[[], int],
        rng: random.Random,
        *,
        over: threading.Event,
        progress: Progress | None = None,
        sizes: Sequence[int] = _SIZES,
        windows: Sequence[int] = _WINDOWS,
        lives: Callable[[], int] | None = None,
        before_batch: Callable[[int], None] | None = None,
        before_end: Callable[[], None] | None = None,
        alone: bool = True,
    ) -> None:
        """:param where: gives the port to connect to.
        :param over: set when it is to give up.
        :param lives: counts the central's lives; with it, a client that has its winners comes
            back to a central that was started again, as that does not know it.
        :param before_batch: called with the index of each batch before it is sent.
        :param before_end: called before the END is sent.
        :param alone: whether nobody else sends for this agency.
        """
        super().__init__(name=f"agency {agency}", daemon=True)
        nonce = rng.randbytes(32)
        self.history = History(agency, rows, nonce=nonce.hex() if alone else "")
        self.sessions = 0
        self.welcomed: list[int] = []
        self._agency, self._nonce, self._alone = agency, nonce, alone
        self._where, self._rng, self._over = where, rng, over
        self._progress = progress or Progress()
        self._sizes, self._windows, self._lives = sizes, windows, lives
        self._before_batch, self._before_end = before_batch, before_end
        self._draw, self._end_sent = 0, False
        self._peer: Lottery1Agency | None = None

    def run(self) -> None:
        """Come back until all is done; any doubt is noted as a fault."""
        try:
            while not self._over.is_set():
                if self._progress.deaf:
                    self._over.wait(_COME_BACK_SECONDS)
                    continue
                life = self._lives() if self._lives else 0
                try:
                    self._visit()
                except SentAway as why:
                    self.history.refused = str(why)
                    return
                if self.history.received and not self._wanted_again(life):
                    return
                self._over.wait(_COME_BACK_SECONDS)
        except Exception as error:  # noqa: BLE001 - nobody would see it in a thread
            self.history.faults.append(f"{type(error).__name__}: {error}")
        finally:
            self._progress.note()

    def finish(self, seconds: float = 60.0) -> History:
        """Wait for its end; gives its history."""
        self.join(seconds)
        assert not self.is_alive(), f"{self.history} has not come to its end"
        return self.history

    def come_back(self) -> None:
        """Fetch the winners once more, in the caller's thread: nobody knows who heard what."""
        assert self.history.received
        self._visit()

    def stop(self) -> None:
        """End it wherever it is; the event has to be set before."""
        peer = self._peer
        if peer is not None:
            peer.close_now()
        self.join(60)

    def _wanted_again(self, life: int) -> bool:
        """Wait until the central is started again, or all is over; gives whether it is not."""
        lives = self._lives
        if lives is None:
            return False
        self._progress.note()
        while not self._over.is_set() and lives() == life:
            self._over.wait(_COME_BACK_SECONDS)
        return not self._over.is_set()

    def _visit(self) -> None:
        try:
            with _Connection(self._where()) as peer:
                self._peer = peer
                self.sessions += 1
                self._session(peer)
        except TimeoutError:
            raise AssertionError("the central says nothing") from None
        except (Closed, OSError):
            pass  # it comes back
        finally:
            self._peer = None

    def _session(self, peer: Lottery1Agency) -> None:
        history = self.history
        # What it means by 0 is clear as long as it has something to do in that draw.
        draw = self._draw if history.received or self._rng.random() < 0.5 else 0
        peer.send(hello(self._agency, draw=draw, acknowledged=history.acknowledged))
        kind, payload = self._message(peer)
        assert kind == WELCOME, (kind, payload)
        draw, _state, ended, index, crc = struct.unpack_from(">IBBQI", payload)
        assert self._draw in (0, draw), f"welcomed to draw {draw}, it was in {self._draw}"
        self._draw = draw
        self.welcomed.append(index)
        self._told_stored(index)
        stored = "".join(f"{row}\n" for row in history.rows[:index]).encode()
        assert zlib.crc32(stored) == crc, f"another CRC of {index} bets: {crc:08x}"
        if ended:
            self._told_ended(index)
        else:
            assert not history.ended, "its END is forgotten"
            self._upload(peer)
        self._winners(peer)

    def _upload(self, peer: Lottery1Agency) -> None:
        history, rows = self.history, self.history.rows
        size, window = self._rng.choice(self._sizes), self._rng.choice(self._windows)
        cursor, end_sent, under_way = history.acknowledged, False, deque[int]()
        while True:
            while cursor < len(rows) and len(under_way) < window:
                if self._before_batch:
                    self._before_batch(cursor)
                part = rows[cursor : cursor + size]
                history.sent = max(history.sent, cursor + len(part))
                peer.send(batch(cursor, part))
                cursor += len(part)
                under_way.append(cursor)
            if cursor == len(rows) and not end_sent:
                if self._before_end:
                    self._before_end()
                end_sent = self._end_sent = True
                peer.send(end(len(rows), self._nonce))
            kind, payload = self._message(peer)
            if kind == REFUSED:
                cursor = refusal_in(payload).expected
                self._told_stored(cursor)
                history.refusals += 1
                end_sent = False
                under_way.clear()
                self._progress.note()
                self._over.wait(_COME_BACK_SECONDS)
                continue
            assert kind == ACK, (kind, payload)
            index, ended = struct.unpack(">QB", payload)
            assert index <= cursor, f"ACK of {index}, only {cursor} were sent in this session"
            while under_way and under_way[0] <= index:
                under_way.popleft()
            self._told_stored(index)
            if ended:
                self._told_ended(index)
                return

    def _winners(self, peer: Lottery1Agency) -> None:
        rows: list[str] = []
        while True:
            kind, payload = self._message(peer)
            assert kind == WINNERS, (kind, payload)
            draw, number, total, first = struct.unpack_from(">IHQQ", payload)
            assert (draw, first) == (self._draw, len(rows)), payload
            rows += payload[22:].decode().splitlines()
            if len(rows) >= total:
                break
        history = self.history
        assert len(rows) == total
        assert history.winners in (None, rows), f"other winners: {history.winners}, then {rows}"
        assert history.number in (None, number), f"{history.number} was drawn, then {number}"
        history.winners, history.number = rows, number
        peer.send(received(self._draw, total))
        history.received = True
        self._progress.note()
        peer.rest()

    def _message(self, peer: Lottery1Agency) -> tuple[int, bytes]:
        """Read a frame; one that ends the session ends this call, too."""
        kind, payload = peer.message()
        if self._progress.deaf:
            raise Closed("nobody says anything any more")
        if kind == ERROR:
            code = CODES[payload[0]]
            if code not in _AGAIN or (code == "CLOSED" and self._draw):
                raise SentAway(code)
            raise Closed(code)
        if kind == REFUSED and not refusal_in(payload).again:
            raise SentAway(refusal_in(payload).code)
        return kind, payload

    def _told_stored(self, index: int) -> None:
        history = self.history
        assert index >= history.acknowledged, f"{history.acknowledged} acknowledged, then {index}"
        if not self._alone:
            history.sent = max(history.sent, index)
        assert index <= history.sent, f"{index} are stored, {history.sent} were sent"
        history.acknowledged = index
        self._progress.note()

    def _told_ended(self, index: int) -> None:
        assert self._end_sent or not self._alone, "its END is stored, and was not sent"
        assert index == len(self.history.rows), f"END after {index} bets"
        self.history.ended = True
        self._progress.note()


class _Connection(Lottery1Agency):
    """A connection that another thread may end."""

    def close_now(self) -> None:
        """Wake the thread that waits for it."""
        try:
            self.finish_sending()
            self.finish_reading()
        except OSError:
            pass  # it is closed already

    def finish_reading(self) -> None:
        """Let whoever reads see the end of the stream."""
        self._socket.shutdown(0)
