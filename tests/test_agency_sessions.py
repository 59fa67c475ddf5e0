"""Errands of more than one session: an agency that comes back by itself, and goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from agency_rig import (
    CLOSED,
    CLOSING,
    DELIVERED,
    DRAWN,
    FULL,
    HELLO_7,
    NONCE,
    OPEN,
    OPEN_DRAW,
    SEALED,
    STOPPING,
    STORAGE,
    VOID,
    WELCOME,
    Connection,
    Errand,
    ack,
    batch_frame,
    end,
    error,
    frames_of,
    hello,
    received,
    refused,
    welcome,
    winners,
)
from twisted.internet.error import ConnectionLost, TCPTimedOutError

from lottery.agency.run import DONE, FAILED

ROWS = [f"Ana,Gil,{document},2000-01-01,7\n".encode() for document in range(1, 31)]
BAD = b"Ana,Gil,1,2999-01-01,7\n"
LOST = ConnectionLost("reset by peer")

Start = Callable[..., Errand]


def rows(first: int, end: int) -> bytes:
    """The rows from one index up to another one."""
    return b"".join(ROWS[first:end])


def batches(first: int, end: int, size: int) -> bytes:
    """BATCH frames of so many rows each."""
    return b"".join(
        batch_frame(index, rows(index, min(index + size, end))) for index in range(first, end, size)
    )


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start an errand for the first rows, or for a file with these bytes."""

    def start(bets: int | bytes | None, **changes: object) -> Errand:
        return Errand(tmp_path, rows(0, bets) if isinstance(bets, int) else bets, **changes)

    return start


def finish(rig: Errand, connection: Connection, won: bytes = ROWS[0]) -> None:
    """Tell an agency that has ended its winners; the errand is done then."""
    total = won.count(b"\n")
    connection.said()
    connection.say(winners(total, 0, won))
    assert connection.said() == received(total)
    connection.cut()

    assert rig.status() == DONE
    assert rig.output == won
    assert not [line for line in rig.log.lines if "result: fail" in line]


def failed(rig: Errand) -> str:
    """What the agency said last, when it failed."""
    assert rig.status() == FAILED
    assert not rig.settings.output.exists()
    assert not rig.endpoint.attempts
    assert rig.log.events[-1]["log_level"].name == "error"
    return rig.log.lines[-1]


#: What agency and central say, one frame after the other, for 5 rows in batches of 2.
DIALOGUE: list[tuple[str, bytes]] = [
    ("agency", HELLO_7),
    ("central", WELCOME),
    *(("agency", frame) for frame in frames_of(batches(0, 5, 2))),
    ("agency", end(5)),
    ("central", ack(2)),
    ("central", ack(4)),
    ("central", ack(5)),
    ("central", ack(5, ended=True)),
    ("central", winners(2, 0, ROWS[0])),
    ("central", winners(2, 1, ROWS[1])),
    ("agency", received(2)),
]


class TestCut:
    """The connection is cut."""

    @pytest.mark.parametrize("why", [None, LOST])
    @pytest.mark.parametrize("unheard", [False, True])
    @pytest.mark.parametrize("said", range(8))
    def test_after_every_frame(
        self, said: int, unheard: bool, why: Exception | None, start: Start
    ) -> None:
        """Of the central's frames, so many arrive; the session after it goes on from there.

        With ``unheard`` the central has stored all that was sent, though it could not say so.
        """
        heard = [frame for who, frame in DIALOGUE if who == "central"][:said]
        rig = start(5, window=3)
        first = rig.endpoint.accept()
        for frame in heard:
            first.say(frame)
            rig.read()
        sent = b"".join(first.frames())
        if said == 7:
            assert sent == b"".join(frame for who, frame in DIALOGUE if who == "agency")
            first.cut(why)
            assert rig.status() == DONE
            return
        first.cut(why)
        rig.until_next_attempt()
        second = rig.endpoint.accept()
        known = {0: 0, 1: 0, 2: 2, 3: 4}.get(said, 5)
        assert second.said() == hello(3 if said else 0, known)
        ended = said >= 5 or (unheard and end(5) in sent)
        stored = 5 if unheard and said else known
        second.say(welcome(rows(0, stored), ended=ended))
        rig.read()
        if ended:
            assert second.said() == b""
        else:
            border = stored + stored % 2
            assert second.said() == (batches(border, 5, 2) if stored < 5 else b"") + end(5)
            second.say(ack(5, ended=True))
        assert rig.log.told("apuesta_enviada") == ["result: success | client_id: 7 | cantidad: 5"]
        finish(rig, second, rows(0, 2))

    def test_told(self, start: Start) -> None:
        """What will be mended is in progress; where it goes on is told."""
        rig = start(5)
        connection = rig.welcomed()
        connection.say(ack(2))
        connection.cut(LOST)
        rig.until_next_attempt()
        rig.endpoint.refuse(TCPTimedOutError())
        rig.until_next_attempt()
        rig.welcomed(greeting=hello(3, 2), stored=rows(0, 2))
        server = "client_id: 7 | server_host: central | server_port: 12345"
        reason = "connection to the other side was lost in a non-clean fashion, reset by peer"

        lines = [line.partition(". ")[0] for line in rig.log.lines[1:]]
        assert lines == [
            f"action: connect | result: success | {server} | draw: 3",
            f"action: session | result: in_progress | client_id: 7 | error: {reason}",
            f"action: connect | result: in_progress | {server} | error: tcp connection timed out",
            f"action: connect | result: success | {server} | draw: 3 | cantidad: 2",
        ]
        rig.stop()

    def test_within_a_batch(self, start: Start) -> None:
        """The central may stand where no batch of ours ends: somebody else was faster."""
        rig = start(9, batch_size=4)
        rig.welcomed().cut()
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3), stored=rows(0, 3))

        assert connection.said() == batches(3, 4, 1) + batches(4, 8, 4)
        connection.say(ack(8))
        assert connection.said() == batches(8, 9, 4) + end(9)
        connection.say(ack(9, ended=True))
        finish(rig, connection)

    def test_beyond_what_was_read(self, start: Start) -> None:
        """It may also be further on than this process has read."""
        rig = start(9, batch_size=2, window=1)
        rig.welcomed().cut()
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3), stored=rows(0, 7))
        assert connection.said() == batch_frame(7, ROWS[7])
        rig.stop()

    def test_while_reading_on(self, start: Start, tmp_path: Path) -> None:
        """The connection may be cut while the agency finds its place; it goes on finding it."""
        os.mkfifo(tmp_path / "bets.csv")
        rig = start(None)
        with pipe(rig) as write:
            write(rows(0, 2))
            first = rig.welcomed(stored=rows(0, 5))
            write(rows(2, 4))
            assert first.said() == b""
            first.cut()
            rig.until_next_attempt()
            second = rig.welcomed(greeting=hello(3, 5), stored=rows(0, 5))
            write(rows(4, 7))
            assert second.said() == batch_frame(5, ROWS[5])
        rig.stop()

    def test_no_tight_loop(self, start: Start) -> None:
        """A central that welcomes and drops everybody is asked less and less, and not for ever."""
        rig = start(5)
        delays: list[float] = []
        for _ in range(50):
            rig.welcomed(greeting=hello(3 if delays else 0)).cut()
            if rig.statuses:
                break
            delays.append(rig.until_next_attempt())

        assert delays[:6] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
        assert sum(delays) == pytest.approx(10)
        assert "connect | result: fail" in failed(rig)

    def test_shortened_by_chance(self, start: Start) -> None:
        """Not all agencies of a central come back together."""
        rig = start(5, chance=0.5)
        delays: list[float] = []
        for _ in range(50):
            rig.welcomed(greeting=hello(3 if delays else 0)).cut()
            if rig.statuses:
                break
            delays.append(rig.until_next_attempt())

        assert delays[:3] == pytest.approx([0.075, 0.15, 0.3])
        assert sum(delays) == pytest.approx(10)

    def test_something_is_won(self, start: Start) -> None:
        """As long as bets are acknowledged it goes on for as long as it takes."""
        rig = start(30, batch_size=1, retry_for=0.3)
        for stored in range(20):
            greeting = hello(3 if stored else 0, stored)
            connection = rig.welcomed(greeting=greeting, stored=rows(0, stored))
            connection.say(ack(stored + 1))
            connection.cut()
            assert rig.until_next_attempt() == pytest.approx(0.1)
        rig.endpoint.refuse(TCPTimedOutError())
        assert rig.until_next_attempt() == pytest.approx(0.2)
        rig.endpoint.refuse(TCPTimedOutError())

        assert "connect | result: fail" in failed(rig)

    def test_the_end_is_won(self, start: Start) -> None:
        """So is an END that is acknowledged."""
        rig = start(0, retry_for=0.1)
        rig.endpoint.refuse(TCPTimedOutError())
        rig.until_next_attempt()
        connection = rig.welcomed()
        connection.say(ack(0, ended=True))
        connection.cut()

        assert rig.until_next_attempt() == pytest.approx(0.1)
        rig.stop()

    def test_session_that_held(self, start: Start) -> None:
        """Waiting for the draw is no part of an outage, however often it is interrupted."""
        rig = start(0, retry_for=0.3)
        greeting = HELLO_7
        for _ in range(10):
            connection = rig.welcomed(greeting=greeting, ended=True)
            rig.reactor.advance(10_000)
            connection.cut()
            assert rig.until_next_attempt() == pytest.approx(0.1)
            rig.endpoint.refuse(TCPTimedOutError())
            rig.until_next_attempt()
            greeting = hello(3)
        rig.stop()


class TestPutOff:
    """The central asks to come again later."""

    @pytest.mark.parametrize("code", [STORAGE, STOPPING, FULL, CLOSED])
    def test_in_a_session(self, code: str, start: Start) -> None:
        """Also in the middle of a session; that is in progress, with its code."""
        rig = start(5)
        connection = rig.welcomed()
        connection.say(ack(2), error(code, b"not now"))
        assert not connection.transport.connected
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3, 2), stored=rows(0, 2))
        assert connection.said() == batches(2, 5, 2) + end(5)
        connection.say(ack(5, ended=True))

        (line,) = rig.log.told("session")
        name = {STORAGE: "STORAGE", STOPPING: "STOPPING", FULL: "FULL", CLOSED: "CLOSED"}[code]
        assert line == f"result: in_progress | client_id: 7 | code: {name} | error: not now"
        finish(rig, connection)

    @pytest.mark.parametrize("code", [STORAGE, STOPPING, FULL, CLOSED])
    def test_for_too_long(self, code: str, start: Start) -> None:
        """Only the last time is a failure."""
        rig = start(5)
        for _ in range(50):
            connection = rig.endpoint.accept()
            assert connection.said() == HELLO_7
            connection.say(error(code, b"not now"))
            if rig.statuses:
                break
            rig.until_next_attempt()

        assert failed(rig).endswith("error: not now")
        assert rig.reactor.seconds() == pytest.approx(10)
        results = [line.split(" | ")[0] for line in rig.log.told("connect")]
        assert results == ["result: in_progress"] * (len(results) - 1) + ["result: fail"]

    @pytest.mark.parametrize("asked", [0, 4])
    def test_draw_is_over(self, asked: int, start: Start) -> None:
        """A draw that closes without any of our bets is not asked for again, unless we were."""
        rig = start(5, draw=asked)
        rig.welcomed(greeting=hello(asked), draw=4).cut()
        rig.until_next_attempt()
        connection = rig.endpoint.accept()
        assert connection.said() == hello(4)
        connection.say(error(CLOSED, b"draw 4 takes no more bets"))
        rig.until_next_attempt()

        assert rig.endpoint.accept().said() == hello(asked)
        rig.stop()

    def test_draw_that_has_our_bets_is_over(self, start: Start) -> None:
        """With bets in it there is no other draw for us."""
        rig = start(5)
        connection = rig.welcomed()
        connection.say(ack(2))
        connection.cut()
        for _ in range(50):
            rig.until_next_attempt()
            connection = rig.endpoint.accept()
            assert connection.said() == hello(3, 2)
            connection.say(error(CLOSED, b"draw 3 is not open"))
            if rig.statuses:
                break

        assert failed(rig).endswith("error: draw 3 is not open")


class TestStartedAgain:
    """The agency was killed, and is started again for the same file."""

    @pytest.mark.parametrize("window", [1, 3, 1000])
    @pytest.mark.parametrize("batch_size", [1, 7, 100, 65535])
    @pytest.mark.parametrize("stored", [0, 1, 6, 7, 8, 21, 29, 30])
    def test_with_another_batch_size(
        self, stored: int, batch_size: int, window: int, start: Start
    ) -> None:
        """It goes on behind what is stored, and its first batch is what remains of one."""
        rig = start(30, batch_size=batch_size, window=window)
        connection = rig.welcomed(stored=rows(0, stored))
        sent, next_index = b"", stored
        while frames := connection.frames():
            for frame in frames:
                if frame[0] == 0x11:
                    assert int.from_bytes(frame[3:11], "big") == next_index
                    sent += frame[13:]
                    next_index += int.from_bytes(frame[11:13], "big")
                    connection.say(ack(next_index))
                else:
                    assert frame == end(30)
                    connection.say(ack(30, ended=True))
            rig.read()

        assert sent == rows(stored, 30)
        finish(rig, connection)

    def test_ended_before(self, start: Start) -> None:
        """An agency that had ended sends nothing, and waits for its winners."""
        rig = start(30, batch_size=7)
        connection = rig.welcomed(stored=rows(0, 30), ended=True)
        assert connection.said() == b""
        assert rig.log.told("apuesta_enviada") == ["result: success | client_id: 7 | cantidad: 30"]
        finish(rig, connection)

    @pytest.mark.parametrize("state", [OPEN, CLOSING, SEALED, DRAWN, DELIVERED])
    def test_winners_at_once(self, state: int, start: Start) -> None:
        """They may follow the WELCOME in one piece, while the file is still being read."""
        rig = start(30)
        connection = rig.endpoint.accept()
        connection.say(
            welcome(rows(0, 30), ended=True, state=state), winners(2, 0, ROWS[3] + ROWS[5])
        )
        assert rig.statuses == []
        rig.read()
        connection.cut()

        assert rig.status() == DONE
        assert rig.output == ROWS[3] + ROWS[5]

    def test_void(self, start: Start) -> None:
        """A draw that is void has no winners to wait for."""
        rig = start(5)
        rig.welcomed(stored=rows(0, 5), ended=True, state=VOID)

        assert failed(rig) == (
            "action: session | result: fail | client_id: 7 "
            "| error: draw 3 is void, it has no winners"
        )

    def test_rows_left_out(self, start: Start) -> None:
        """Rows that are left out do not count, neither for the index nor for the sum."""
        bets = BAD + rows(0, 2) + BAD + rows(2, 5)
        rig = start(bets, skip_bad=True, batch_size=3)
        connection = rig.welcomed(stored=rows(0, 4))
        assert connection.said() == batch_frame(4, ROWS[4]) + end(5)
        connection.say(ack(5, ended=True))

        assert rig.log.told("apuesta_enviada")[0].endswith("cantidad: 5 | skipped: 2")
        finish(rig, connection)


class TestOtherFile:
    """The file is not the one that was begun with."""

    def _refused(self, rig: Errand, connection: Connection, reason: str) -> None:
        assert connection.said() == b""
        assert not connection.transport.connected
        assert failed(rig) == (
            f"action: read_input | result: fail | client_id: 7 | file: {rig.settings.input} "
            f"| error: is not the file that was begun with, {reason}"
        )

    @pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
    @pytest.mark.parametrize("changed", [0, 3, 6])
    def test_changed_row(self, changed: int, batch_size: int, start: Start) -> None:
        """A row that is stored was changed, to one that is as good."""
        bets = rows(0, changed) + rows(20, 21) + rows(changed + 1, 9)
        rig = start(bets, batch_size=batch_size)
        connection = rig.welcomed(stored=rows(0, 7))

        reason = "rows 1 to 7 differ in sum from those that draw 3 holds"
        self._refused(rig, connection, reason)

    def test_row_changed_later(self, start: Start) -> None:
        """A row that is not stored yet may be changed."""
        rig = start(rows(0, 7) + rows(20, 21) + rows(8, 9))
        connection = rig.welcomed(stored=rows(0, 7))
        assert connection.said().startswith(batch_frame(7, ROWS[20]))
        rig.stop()

    def test_shorter(self, start: Start) -> None:
        """The file has lost rows that are stored."""
        rig = start(5)
        connection = rig.welcomed(stored=rows(0, 7))

        self._refused(rig, connection, "it has 5 rows and draw 3 holds 7")

    def test_longer(self, start: Start) -> None:
        """The file has got more rows: they are sent, unless the agency had ended."""
        rig = start(9, batch_size=100)
        connection = rig.welcomed(stored=rows(0, 7))
        assert connection.said() == batch_frame(7, rows(7, 9)) + end(9)
        rig.stop()
        rig = start(9, batch_size=100)
        connection = rig.welcomed(stored=rows(0, 7), ended=True)

        reason = "it has more than the 7 rows with which it ended in draw 3"
        self._refused(rig, connection, reason)

    def test_central_has_other_rows(self, start: Start) -> None:
        """Nor does an agency go on if other rows than it has sent are stored."""
        rig = start(5)
        rig.welcomed().say(ack(2), error(STOPPING))
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3, 2), stored=rows(1, 3))

        self._refused(rig, connection, "rows 1 to 2 differ in sum from those that draw 3 holds")

    @pytest.mark.parametrize("state", [OPEN, CLOSING, SEALED, DRAWN])
    def test_draw_is_not_over(self, state: int, start: Start) -> None:
        """As long as the draw is not over this is no file for the next one."""
        rig = start(5)
        connection = rig.welcomed(stored=rows(1, 4), ended=True, state=state)

        self._refused(rig, connection, "rows 1 to 3 differ in sum from those that draw 3 holds")

    def test_central_has_lost_bets(self, start: Start) -> None:
        """A central that has less than it acknowledged is not gone on with."""
        rig = start(5)
        rig.welcomed().say(ack(2), error(STOPPING))
        rig.until_next_attempt()
        rig.welcomed(greeting=hello(3, 2), stored=rows(0, 1))

        assert failed(rig) == (
            "action: session | result: fail | client_id: 7 | code: SEQ | error: the central has "
            "lost bets, it acknowledged 2 and holds 1 of them in draw 3"
        )


class TestOldWinners:
    """The winners of an errand before this one were never received."""

    @pytest.mark.parametrize("state", [DELIVERED, VOID])
    @pytest.mark.parametrize("old", [rows(10, 12), rows(10, 30), rows(0, 4), b""])
    def test_new_file(self, old: bytes, state: int, start: Start) -> None:
        """Another file is one for the draw that is open."""
        rig = start(5)
        connection = rig.endpoint.accept()
        connection.say(welcome(old, ended=True, state=state), winners(0, 0, b""))
        rig.read()
        assert connection.said() == HELLO_7
        assert not connection.transport.connected
        (line,) = rig.log.told("old_winners")
        assert line == (
            f"result: fail | client_id: 7 | draw: 3 | error: {rig.settings.input} is not the file "
            "of that draw, its winners stay at the central, lottery results shows them"
        )
        (event,) = (event for event in rig.log.events if "old_winners" in event["line"])
        assert event["log_level"].name == "warn"

        connection = rig.welcomed(greeting=hello(OPEN_DRAW), draw=4)
        assert connection.said() == batches(0, 4, 2)
        connection.say(ack(4), error(STOPPING))
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(4, 4), draw=4, stored=rows(0, 4))
        assert connection.said() == batches(4, 5, 2) + end(5)
        connection.say(ack(5, ended=True), winners(1, 0, ROWS[1], draw=4))
        connection.cut()

        assert rig.status() == DONE
        assert rig.output == ROWS[1]

    def test_winners_told_in_vain(self, start: Start) -> None:
        """What was told of the old ones is not among the new ones."""
        rig = start(5, batch_size=100)
        rig.endpoint.accept().say(
            welcome(rows(10, 12), ended=True, state=DELIVERED), winners(2, 0, rows(10, 12))
        )
        rig.read()
        connection = rig.welcomed(greeting=hello(OPEN_DRAW), draw=4)
        connection.say(ack(5, ended=True), winners(1, 0, ROWS[1], draw=4))
        connection.cut()

        assert rig.status() == DONE
        assert rig.output == ROWS[1]

    def test_cut_meanwhile(self, start: Start) -> None:
        """A cut before that is known changes nothing."""
        bets = rows(0, 30) * 100  # more than one read
        old = bets.removesuffix(ROWS[29])
        rig = start(bets)
        connection = rig.endpoint.accept()
        connection.say(welcome(old, ended=True, state=DELIVERED))
        connection.cut()
        rig.until_next_attempt()
        rig.welcomed(greeting=hello(3, 2999), stored=old, ended=True, state=DELIVERED)

        assert rig.endpoint.accept().said() == hello(OPEN_DRAW)
        rig.stop()

    def test_same_file(self, start: Start) -> None:
        """The same file fetches them."""
        rig = start(5)
        connection = rig.welcomed(stored=rows(0, 5), ended=True, state=DELIVERED)
        finish(rig, connection)

    def test_draw_was_asked_for(self, start: Start) -> None:
        """Who asks for a draw by its number gets no other one."""
        rig = start(5, draw=3)
        rig.welcomed(greeting=hello(3), stored=rows(1, 4), ended=True, state=DELIVERED)

        assert "rows 1 to 3 differ in sum" in failed(rig)

    def test_only_once(self, start: Start) -> None:
        """A central that answers for the open draw with one that is over is not asked again."""
        rig = start(5)
        rig.welcomed(stored=rows(1, 4), ended=True, state=DELIVERED)
        terms = {"stored": rows(1, 4), "ended": True, "state": DELIVERED}
        rig.welcomed(greeting=hello(OPEN_DRAW), **terms)

        assert "rows 1 to 3 differ in sum" in failed(rig)

    def test_begun_with_this_file(self, start: Start) -> None:
        """An agency that has sent some of its file to that draw sends none of it to another."""
        rig = start(5)
        rig.welcomed().cut()
        rig.until_next_attempt()
        rig.welcomed(greeting=hello(3), stored=rows(1, 4), ended=True, state=DELIVERED)

        assert "rows 1 to 3 differ in sum" in failed(rig)

    def test_pipe(self, tmp_path: Path, start: Start) -> None:
        """A pipe cannot be read again from its start."""
        os.mkfifo(tmp_path / "bets.csv")
        rig = start(None)
        with pipe(rig) as write:
            write(rows(0, 5))
            rig.welcomed(stored=rows(1, 4), ended=True, state=DELIVERED)

        assert failed(rig).endswith(
            "| error: is a pipe that cannot be read again, name the draw that is open with --draw"
        )

    def test_rows_left_out(self, start: Start) -> None:
        """Rows that are left out are told once, however often the file is read."""
        rig = start(BAD + rows(0, 3), skip_bad=True)
        rig.welcomed(stored=rows(1, 4), ended=True, state=DELIVERED)
        connection = rig.welcomed(greeting=hello(OPEN_DRAW), draw=4)
        connection.say(ack(3, ended=True), winners(0, 0, b"", draw=4))
        connection.cut()

        assert rig.status() == DONE
        assert len(rig.log.told("skip_row")) == 1
        assert rig.log.told("apuesta_enviada")[0].endswith("cantidad: 3 | skipped: 1")


@contextmanager
def pipe(rig: Errand) -> Iterator[Callable[[bytes], None]]:
    """Be the one who writes to the pipe that an errand reads."""
    writer = os.open(rig.settings.input, os.O_WRONLY)

    def read() -> None:
        for reader in rig.reactor.getReaders():
            reader.doRead()
        rig.read()

    def write(data: bytes) -> None:
        os.write(writer, data)
        read()

    yield write
    os.close(writer)
    read()


class TestPipe:
    """Bets from a pipe are read once, and resent all the same."""

    @pytest.mark.parametrize("stored", [0, 1, 2, 3, 4])
    def test_cut(self, stored: int, tmp_path: Path, start: Start) -> None:
        """What was not acknowledged is kept, and no byte is lost that comes meanwhile."""
        os.mkfifo(tmp_path / "bets.csv")
        rig = start(None)
        with pipe(rig) as write:
            write(rows(0, 5)[:-10])
            first = rig.welcomed()
            assert first.said() == batches(0, 4, 2)
            first.cut()
            write(rows(0, 5)[-10:] + ROWS[5])
            rig.until_next_attempt()
            second = rig.welcomed(greeting=hello(3), stored=rows(0, stored))
            for stored in (4, 6):
                write(b"")
                second.say(ack(stored))
            assert second.said().endswith(batches(4, 6, 2))
        assert second.said() == end(6)
        second.say(ack(6, ended=True))
        finish(rig, second)

    def test_silent(self, tmp_path: Path, start: Start) -> None:
        """Both a cut and a refusal are noticed while the pipe is silent."""
        os.mkfifo(tmp_path / "bets.csv")
        rig = start(None)
        with pipe(rig) as write:
            write(rows(0, 2))
            first = rig.welcomed()
            first.said()
            first.say(refused(STORAGE, 0))
            rig.reactor.advance(0.1)
            assert first.said() == batches(0, 2, 2)
            first.cut()
            rig.until_next_attempt()
            second = rig.welcomed(greeting=hello(3), stored=rows(0, 2))
            write(rows(2, 4))
            assert second.said() == batches(2, 4, 2)
        rig.stop()

    def test_end_of_the_pipe_while_away(self, tmp_path: Path, start: Start) -> None:
        """The end of the file is not missed when it comes between two sessions."""
        os.mkfifo(tmp_path / "bets.csv")
        rig = start(None)
        with pipe(rig) as write:
            write(rows(0, 2))
            rig.welcomed().cut()
            write(ROWS[2])
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3))
        for reader in rig.reactor.getReaders():
            reader.doRead()
        for reader in rig.reactor.getReaders():
            reader.doRead()

        assert connection.said() == batches(0, 3, 2) + end(3)
        rig.stop()


class TestSendAgain:
    """REFUSED with ``again``, in the middle of a session."""

    def test_in_the_middle(self, start: Start) -> None:
        """After a while everything from the expected index on leaves again."""
        rig = start(20, window=4)
        connection = rig.welcomed()
        assert connection.said() == batches(0, 8, 2)
        connection.say(ack(2), refused(STORAGE, 2))
        rig.reactor.advance(0.099)
        assert connection.said() == b""
        rig.reactor.advance(0.001)
        assert connection.said() == batches(2, 10, 2)
        connection.say(ack(10))
        rig.read()
        assert connection.said() == batches(10, 18, 2)

        assert rig.log.told("session") == [
            "result: in_progress | client_id: 7 | code: STORAGE | error: no room"
        ]
        rig.stop()

    def test_after_the_end(self, start: Start) -> None:
        """END included."""
        rig = start(5, window=4)
        connection = rig.welcomed()
        assert connection.said() == batches(0, 5, 2) + end(5)
        connection.say(ack(2), refused(STORAGE, 2))
        rig.reactor.advance(0.1)
        assert connection.said() == batches(2, 5, 2) + end(5)
        connection.say(refused(STORAGE, 5))
        rig.reactor.advance(0.1)
        assert connection.said() == end(5)
        connection.say(ack(5, ended=True))
        finish(rig, connection)

    @pytest.mark.parametrize(("chance", "factor"), [(0.0, 1.0), (0.5, 0.75)])
    def test_longer_and_longer(self, chance: float, factor: float, start: Start) -> None:
        """The delays double up to 5 seconds, however long that goes on, and are not exact."""
        rig = start(5, window=4, chance=chance, retry_for=1)
        connection = rig.welcomed()
        for expected in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0):
            connection.said()
            connection.say(refused(STORAGE, 0))
            assert rig.until_next_attempt() == pytest.approx(expected * factor)
            assert connection.said() == batches(0, 5, 2) + end(5)
        connection.say(ack(2), refused(STORAGE, 2))
        assert rig.until_next_attempt() == pytest.approx(0.1 * factor)
        rig.stop()

    @pytest.mark.parametrize(("silence", "longest"), [(0, 5.0), (8, 2.0), (1, 0.25)])
    def test_not_silent_for_too_long(self, silence: int, longest: float, start: Start) -> None:
        """Whoever waits longer than the central allows would be cut off for that."""
        rig = start(5, window=4)
        connection = rig.welcomed(silence=silence)
        delays = []
        for _ in range(8):
            connection.say(refused(STORAGE, 0))
            delays.append(rig.until_next_attempt())

        assert delays[0] == pytest.approx(0.1)
        assert max(delays) == delays[-1] == pytest.approx(longest)
        rig.stop()

    def test_again_while_waiting(self, start: Start) -> None:
        """Only the last refusal counts, and it is waited for anew."""
        rig = start(5, window=4)
        connection = rig.welcomed()
        connection.said()
        connection.say(refused(STORAGE, 0))
        rig.reactor.advance(0.05)
        connection.say(refused(STORAGE, 0))
        rig.reactor.advance(0.1)
        assert connection.said() == b""
        rig.reactor.advance(0.1)

        assert connection.said() == batches(0, 5, 2) + end(5)
        rig.stop()

    def test_cut_while_waiting(self, start: Start) -> None:
        """The connection may be cut before that."""
        rig = start(5, window=4)
        connection = rig.welcomed()
        connection.say(refused(STORAGE, 0))
        connection.cut()
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3), stored=rows(0, 4))

        assert connection.said() == batch_frame(4, ROWS[4]) + end(5)
        rig.stop()

    def test_crossed(self, start: Start) -> None:
        """What was sent before the refusal was read stands behind it on the wire."""
        rig = start(30, window=2)
        connection = rig.welcomed()
        connection.say(ack(2))
        assert connection.said() == batches(0, 6, 2)
        connection.say(refused(STORAGE, 2))
        rig.reactor.advance(0.1)
        assert connection.said() == batches(2, 6, 2)
        connection.say(ack(4))
        assert connection.said() == batches(6, 8, 2)
        rig.stop()


class TestFinal:
    """What another session would not mend."""

    @pytest.mark.parametrize(
        ("code", "name"),
        [
            ("01", "PROTO"),
            ("02", "SIZE"),
            ("03", "STATE"),
            ("04", "AUTH"),
            ("05", "SEQ"),
            ("06", "CONFLICT"),
            ("07", "BATCH"),
            ("08", "FIELD"),
            ("0c", "TOTALS"),
            ("0d", "TIMEOUT"),
            ("0e", "TAKEN"),
            ("0f", "LEFT_OUT"),
        ],
    )
    @pytest.mark.parametrize("by_refusal", [False, True])
    def test_code(self, by_refusal: bool, code: str, name: str, start: Start) -> None:
        """One line with the code, and status 1; a session that is fenced stays away."""
        rig = start(5)
        no = refused(code, 2, b"no", again=False) if by_refusal else error(code, b"no")
        rig.welcomed().say(ack(2), no)

        last = f"action: session | result: fail | client_id: 7 | code: {name} | error: no"
        assert failed(rig) == last

    def test_left_out_meanwhile(self, start: Start) -> None:
        """An agency that was away for too long is told so when it comes back."""
        rig = start(5)
        connection = rig.welcomed()
        connection.say(ack(2))
        connection.cut()
        rig.until_next_attempt()
        rig.endpoint.accept().say(error("0f", b"agency 7 has no part in draw 3 any more"))

        assert "code: LEFT_OUT" in failed(rig)

    def test_other_draw(self, start: Start) -> None:
        """A central that goes on in another draw than the one that has our bets."""
        rig = start(5)
        connection = rig.welcomed()
        connection.say(ack(2))
        connection.cut()
        rig.until_next_attempt()
        rig.welcomed(greeting=hello(3, 2), stored=rows(0, 2), draw=4)

        assert "draw 3 was asked for, the central answers for draw 4" in failed(rig)


class TestWinners:
    """The winners are being told."""

    def test_told_anew(self, start: Start) -> None:
        """Winners that were told in part are told from the start, and stand there once."""
        rig = start(5, window=4)
        connection = rig.welcomed()
        connection.say(ack(5, ended=True), winners(3, 0, rows(0, 2)))
        connection.cut(LOST)
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3, 5), stored=rows(0, 5), ended=True, state=DRAWN)
        connection.say(winners(3, 0, ROWS[0]))
        connection.say(error(STOPPING))
        rig.until_next_attempt()
        connection = rig.welcomed(greeting=hello(3, 5), stored=rows(0, 5), ended=True, state=DRAWN)
        finish(rig, connection, rows(0, 3))

    def test_nothing_is_won_by_a_part(self, start: Start) -> None:
        """A central that never tells all of them is not asked for ever."""
        rig = start(5, window=4)
        rig.welcomed().say(ack(5, ended=True), error(STOPPING))
        delays: list[float] = []
        for _ in range(50):
            if rig.statuses:
                break
            delays.append(rig.until_next_attempt())
            terms = {"stored": rows(0, 5), "ended": True, "state": DRAWN}
            connection = rig.welcomed(greeting=hello(3, 5), **terms)
            connection.say(winners(3, 0, ROWS[0]))
            connection.cut()

        assert all(later >= earlier for earlier, later in pairwise(delays[:-1]))
        assert sum(delays) == pytest.approx(10)
        assert rig.status() == FAILED


def test_one_nonce(start: Start) -> None:
    """The END of an errand is the same in all of its sessions."""
    rig = start(0)
    first = rig.welcomed()
    assert first.said() == end(0)
    first.cut()
    rig.until_next_attempt()
    second = rig.welcomed(greeting=hello(3))
    assert second.said() == end(0)
    assert NONCE in end(0)
    rig.stop()
