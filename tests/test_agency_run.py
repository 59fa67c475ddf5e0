"""Whole errands against a central by hand, on a clock that the test moves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from agency_rig import (
    ENDED_0,
    NONCE,
    ROW,
    STORAGE,
    WELCOME,
    Errand,
    ack,
    batch_frame,
    error,
    frame,
    received,
    refused,
    winners,
)
from twisted.internet.error import ConnectionLost, TCPTimedOutError
from twisted.internet.testing import StringTransport

from lottery.agency.failures import Distrust
from lottery.agency.run import DONE, FAILED

FAR = b"Ana,Gil,1,2999-01-01,7\n"


Start = Callable[..., Errand]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start an errand for a file with these bytes."""

    def start(bets: bytes | None, **changes: object) -> Errand:
        return Errand(tmp_path, bets, **changes)

    return start


class TestDone:
    """Errands that end well."""

    def test_happy_day(self, start: Start) -> None:
        """Every byte to the central, every line of the log, and the results."""
        rig = start(ROW * 3)
        connection = rig.welcomed()
        assert connection.said() == (
            batch_frame(0, ROW * 2) + batch_frame(2, ROW) + frame("12", "0000000000000003", NONCE)
        )
        connection.say(ack(2), ack(3), ack(3, ended=True))
        assert not rig.settings.output.exists()
        connection.say(winners(2, 0, ROW), winners(2, 1, ROW))
        assert rig.output == ROW * 2
        assert connection.said() == received(2)
        assert rig.statuses == []
        connection.cut()

        assert rig.status() == DONE
        config, *others = rig.log.lines
        assert config.startswith(
            "action: config | result: success | client_id: 7 | server_host: central "
            "| server_port: 12345 | tls: false | "
        )
        assert config.endswith("log_level: INFO")
        output = rig.settings.output
        assert "\n".join(others) == (
            "action: connect | result: success | client_id: 7 | server_host: central "
            "| server_port: 12345 | draw: 3\n"
            "action: apuesta_enviada | result: success | client_id: 7 | cantidad: 3\n"
            "action: consulta_ganadores | result: success | client_id: 7 | cant_ganadores: 2 "
            f"| output: {output}"
        )

    @pytest.mark.parametrize("bets", [b"", b"\n", b"\xef\xbb\xbf"])
    def test_nothing_to_send(self, bets: bytes, start: Start) -> None:
        """An empty file is an errand, too, and its results are there and empty."""
        rig = start(bets)
        connection = rig.welcomed()
        assert connection.said() == frame("12", "0000000000000000", NONCE)
        connection.say(ENDED_0, winners(0, 0, b""))
        connection.cut()

        assert rig.status() == DONE
        assert rig.output == b""

    def test_window(self, start: Start) -> None:
        """No more batches are away than the window has room for."""
        rig = start(ROW * 5, batch_size=1, window=2)
        connection = rig.welcomed()
        assert connection.said() == batch_frame(0, ROW) + batch_frame(1, ROW)
        connection.say(ack(1))
        assert connection.said() == batch_frame(2, ROW)
        connection.say(ack(3))
        assert connection.said() == batch_frame(3, ROW) + batch_frame(4, ROW)
        rig.read()
        assert connection.said() == frame("12", "0000000000000005", NONCE)
        rig.running.cancel()
        assert rig.status() == DONE

    def test_window_of_one(self, start: Start) -> None:
        """One message at a time: the END, too, waits until the last batch is acknowledged."""
        rig = start(ROW * 2, batch_size=1, window=1)
        connection = rig.welcomed()
        assert connection.said() == batch_frame(0, ROW)
        connection.say(ack(1))
        rig.read()
        assert connection.said() == batch_frame(1, ROW)
        connection.say(refused(STORAGE, 1))
        rig.reactor.advance(0.1)
        rig.read()
        assert connection.said() == batch_frame(1, ROW)
        connection.say(ack(2))
        rig.read()
        assert connection.said() == frame("12", "0000000000000002", NONCE)
        rig.running.cancel()
        assert rig.status() == DONE

    def test_transport_is_full(self, start: Start) -> None:
        """No batch is cut while the transport asks for a pause."""
        rig = start(ROW * 5, batch_size=1, window=100)
        transport = StringTransport()
        connection = rig.endpoint.accept(transport)
        connection.client.pauseProducing()
        connection.said()
        connection.say(WELCOME)
        rig.read()
        assert connection.said() == b""
        connection.client.resumeProducing()
        rig.read()
        assert connection.said().startswith(batch_frame(0, ROW) + batch_frame(1, ROW))
        rig.running.cancel()
        connection.cut()
        assert rig.status() == DONE

    def test_central_is_full_at_first(self, start: Start) -> None:
        """The errand is tried again, and nothing of the file is lost."""
        rig = start(ROW)
        rig.endpoint.accept().say(frame("24", "0a", b"all places are taken"))
        rig.reactor.advance(0.1)
        connection = rig.welcomed()
        assert connection.said().startswith(batch_frame(0, ROW))
        connection.say(ack(1, ended=True), winners(0, 0, b""))
        connection.cut()

        assert rig.status() == DONE

    def test_central_does_not_close(self, start: Start) -> None:
        """The central may close first, but not for ever: the results are on disk."""
        rig = start(b"")
        connection = rig.welcomed()
        connection.say(ENDED_0, winners(0, 0, b""))
        rig.reactor.advance(1.9)
        assert connection.transport.connected
        rig.reactor.advance(0.1)

        assert rig.status() == DONE
        assert not connection.transport.connected

    def test_central_does_not_even_read(self, start: Start) -> None:
        """What was said last has two more seconds to leave."""
        rig = start(b"")
        connection = rig.welcomed(StringTransport())
        connection.say(ENDED_0, winners(0, 0, b""))
        rig.reactor.advance(2)
        assert connection.transport.disconnecting
        assert rig.statuses == []
        rig.reactor.advance(2)

        assert rig.status() == DONE
        assert connection.transport.disconnected

    def test_reset_after_the_results(self, start: Start) -> None:
        """However the connection ends then, the errand has ended well."""
        rig = start(b"")
        connection = rig.welcomed()
        connection.say(ENDED_0, winners(0, 0, b""))
        connection.cut(ConnectionLost("connection reset by peer"))

        assert rig.status() == DONE
        assert rig.log.lines[-1].startswith("action: consulta_ganadores | result: success")
        assert not rig.endpoint.attempts


class TestStopped:
    """A signal cancels the errand."""

    @pytest.mark.parametrize(
        "until",
        [
            lambda rig: None,
            lambda rig: rig.endpoint.refuse(TCPTimedOutError()),
            lambda rig: rig.endpoint.accept(),
            lambda rig: rig.endpoint.accept().say(WELCOME),
            lambda rig: rig.welcomed(),
            lambda rig: rig.welcomed().say(ack(2)),
            lambda rig: rig.welcomed().say(ack(3, ended=True)),
            lambda rig: rig.welcomed().say(ack(3, ended=True), winners(2, 0, ROW)),
            lambda rig: rig.welcomed().cut(),
            lambda rig: rig.welcomed().say(error(STORAGE)),
            lambda rig: rig.welcomed().say(refused(STORAGE, 0)),
            lambda rig: rig.welcomed(stored=ROW * 3, ended=True),
        ],
    )
    def test_at_any_time(self, until: Callable[[Errand], object], start: Start) -> None:
        """Status 0, one line, and nothing left behind."""
        rig = start(ROW * 3)
        until(rig)
        rig.running.cancel()

        assert rig.status() == DONE
        assert rig.log.lines[-1] == "action: shutdown | result: success | client_id: 7"
        assert not rig.settings.output.exists()

    def test_silent_pipe(self, tmp_path: Path, start: Start) -> None:
        """Also while nobody writes to the pipe that it reads; nothing is connected yet."""
        os.mkfifo(tmp_path / "bets.csv")
        rig = start(None)
        assert not rig.endpoint.attempts
        assert len(rig.reactor.getReaders()) == 1
        rig.running.cancel()

        assert rig.status() == DONE

    def test_peer_does_not_close(self, start: Start) -> None:
        """A peer that does not read holds the end up for 2 seconds at most."""
        rig = start(ROW)
        connection = rig.welcomed(StringTransport())
        rig.running.cancel()
        assert rig.statuses == []
        rig.reactor.advance(2)

        assert rig.status() == DONE
        assert connection.transport.disconnected


class TestFailed:
    """Errands that end badly: a sentence and status 1."""

    def _last(self, rig: Errand) -> str:
        assert rig.status() == FAILED
        assert not rig.settings.output.exists()
        line = rig.log.lines[-1]
        assert rig.log.events[-1]["log_level"].name == "error"
        assert "action: exit" not in "".join(rig.log.lines)
        return line

    def test_missing_file(self, start: Start) -> None:
        """Nothing is connected for a file that is not there."""
        rig = start(None)

        assert self._last(rig) == (
            f"action: read_input | result: fail | client_id: 7 | file: {rig.settings.input} "
            "| error: cannot be read, no such file or directory"
        )
        assert not rig.endpoint.attempts

    def test_output_impossible(self, tmp_path: Path, start: Start) -> None:
        """Nothing is sent if the results could not be kept."""
        rig = start(ROW, output=tmp_path / "none" / "winners.csv")

        assert self._last(rig) == (
            f"action: write_output | result: fail | client_id: 7 | file: {rig.settings.output} "
            "| error: no such file or directory"
        )
        assert not rig.endpoint.attempts

    @pytest.mark.parametrize(
        ("bets", "reason"),
        [
            (b"nombre,apellido,documento,nacimiento,numero\n" + ROW * 9, "line: 1"),
            (ROW + FAR, "line: 2"),
            ((ROW * 9).decode().encode("utf-16"), "is in UTF-16"),
            (bytes(65536 * 3), "line: 1 | error: is longer than 8192 bytes"),
            ((ROW * 9).replace(b"\n", b"\r"), "error: has CR line ends"),
        ],
    )
    def test_nothing_to_connect_for(self, bets: bytes, reason: str, start: Start) -> None:
        """A file that is known to be wrong before its first batch takes no place."""
        rig = start(bets)

        assert reason in self._last(rig)
        assert not rig.endpoint.attempts
        assert rig.log.told("connect") == []

    def test_disk_fails_at_once(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        """So does a file that cannot be read."""

        def fail(*_: object) -> bytes:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "read", fail)
        rig = start(ROW)

        assert "read_input | result: fail" in self._last(rig)
        assert not rig.endpoint.attempts

    def test_smaller_frames(self, start: Start) -> None:
        """A central that does not take our frames is none for us."""
        rig = start(ROW)
        rig.endpoint.accept().say(
            frame("20", "00000003 01 00 0000000000000000 00000000 1fff 0000003c")
        )

        assert self._last(rig) == (
            "action: session | result: fail | client_id: 7 | code: SIZE | error: "
            "the central takes 8191 bytes in a frame, at least 8192 are needed"
        )

    def test_truncated(self, start: Start) -> None:
        """A file that loses its end while it is sent is no file to end well with."""
        rig = start(ROW * 100_000, window=65535, batch_size=300)
        os.truncate(rig.settings.input, 10)
        rig.welcomed()

        assert self._last(rig).endswith("| error: changed while it was read")

    def test_bad_row(self, start: Start) -> None:
        """A bad row is told with file, line, field and reason; its batch is not sent."""
        rig = start(ROW * 3 + FAR + ROW)
        connection = rig.welcomed()

        assert connection.said() == batch_frame(0, ROW * 2)
        assert self._last(rig).startswith(
            f"action: read_input | result: fail | client_id: 7 | file: {rig.settings.input} "
            "| line: 4 | field: birthdate | error: must be from 1900-01-01 up to today"
        )
        assert not connection.transport.connected

    def test_bad_line(self, start: Start) -> None:
        """A line without fields is told without one."""
        rig = start(b"whatever\n")

        assert self._last(rig).endswith("| line: 1 | error: must have 5 columns, not 1")

    def test_gave_up(self, start: Start) -> None:
        """The last failure to connect is the only one that is called so."""
        rig = start(ROW, retry_for=0.05)
        rig.endpoint.refuse(TCPTimedOutError())
        rig.reactor.advance(0.05)
        rig.endpoint.refuse(TCPTimedOutError())

        assert self._last(rig).startswith(
            "action: connect | result: fail | client_id: 7 | server_host: central "
            "| server_port: 12345 | error: "
        )
        assert [line.split(" | ")[0] for line in rig.log.told("connect")] == [
            "result: in_progress",
            "result: fail",
        ]

    def test_not_trusted(self, start: Start) -> None:
        """A central that cannot be trusted is not tried again, also not behind a session."""
        rig = start(ROW * 3)
        rig.welcomed().cut()
        rig.until_next_attempt()
        rig.endpoint.accept().cut(Distrust("its certificate has expired"))

        assert self._last(rig) == (
            "action: connect | result: fail | client_id: 7 | server_host: central "
            "| server_port: 12345 | error: its certificate has expired"
        )

    def test_not_known(self, start: Start) -> None:
        """A refusal is told with its code and its sentence, in one line of the log."""
        rig = start(ROW)
        rig.endpoint.accept().say(frame("24", "04", b"agency 7: not|known\n"))

        assert self._last(rig) == (
            "action: session | result: fail | client_id: 7 | code: AUTH "
            "| error: agency 7\\x3a not\\x7cknown\\x0a"
        )

    def test_refused_batch(self, start: Start) -> None:
        """A refused row is told with its line of the file."""
        rig = start(ROW * 3)
        rig.welcomed().say(ack(2), frame("22", "08 00 0000000000000002 0001 04", b"no such day"))

        assert self._last(rig) == (
            "action: session | result: fail | client_id: 7 | code: FIELD "
            f"| file: {rig.settings.input} | line: 3 | field: birthdate | error: no such day"
        )

    def test_cut_off(self, start: Start) -> None:
        """A central that is lost and does not come back."""
        rig = start(ROW, retry_for=0.05)
        rig.welcomed().cut(ConnectionLost("reset"))
        rig.until_next_attempt()
        rig.endpoint.refuse(TCPTimedOutError())

        assert self._last(rig).startswith("action: connect | result: fail | client_id: 7 | ")
        first, *others = (line for line in rig.log.lines if "in_progress" in line)
        assert others == []
        assert first.startswith("action: session | result: in_progress | client_id: 7 | error: ")

    def test_cut_off_while_a_pipe_is_silent(self, tmp_path: Path, start: Start) -> None:
        """The end of the connection is noticed while bytes are waited for."""
        os.mkfifo(tmp_path / "bets.csv")
        rig = start(None)
        writer = os.open(tmp_path / "bets.csv", os.O_WRONLY)
        os.write(writer, ROW * 2)
        (reader,) = rig.reactor.getReaders()
        reader.doRead()
        connection = rig.welcomed()
        assert connection.said() == batch_frame(0, ROW * 2)
        assert rig.reactor.getReaders() == [reader]
        connection.say(frame("24", "0d", b"too late"))
        os.close(writer)

        assert self._last(rig).endswith("code: TIMEOUT | error: too late")

    def test_not_a_central(self, start: Start) -> None:
        """Something else that listens there is told from a central."""
        rig = start(ROW)
        rig.endpoint.accept().say(b"HTTP/1.1 400 Bad Request\r\n")

        assert self._last(rig).endswith("code: PROTO | error: 0x48 begins no frame of lottery/1")


class TestSkipping:
    """``skip_bad`` leaves bad rows out."""

    def test_told(self, start: Start) -> None:
        """Each row that is left out is told, and how many in the end."""
        rig = start(ROW + FAR + ROW + b"\xff\n", skip_bad=True)
        connection = rig.welcomed()
        assert connection.said().startswith(batch_frame(0, ROW * 2))
        connection.say(ack(2, ended=True), winners(0, 0, b""))
        connection.cut()

        assert rig.status() == DONE
        first, second = rig.log.told("skip_row")
        assert f"file: {rig.settings.input} | line: 2 | field: birthdate | reason: must" in first
        assert "line: 4 | field: first_name | reason: is not UTF-8 at byte 1" in second
        assert rig.log.told("apuesta_enviada")[0].endswith("cantidad: 2 | skipped: 2")
        assert rig.log.told("skip_rows") == []

    def test_not_without_end(self, start: Start) -> None:
        """Twenty are told in full, the others only counted."""
        rig = start(ROW + FAR * 1000, skip_bad=True)
        connection = rig.welcomed()
        connection.say(ack(1, ended=True), winners(0, 0, b""))
        connection.cut()

        assert rig.status() == DONE
        assert len(rig.log.told("skip_row")) == 20
        assert rig.log.told("skip_rows")[0].endswith("cantidad: 1000")
        warnings = [e for e in rig.log.events if e["log_level"].name == "warn"]
        assert len(warnings) == 21

    @pytest.mark.parametrize("count", [1, 1000])
    def test_nothing_left(self, count: int, start: Start) -> None:
        """A file of which every row is left out is not sent as an empty one."""
        rig = start(FAR * count, skip_bad=True)

        assert rig.status() == FAILED
        assert not rig.endpoint.attempts
        file = rig.settings.input
        assert rig.log.told("skip_rows") == [f"result: success | file: {file} | cantidad: {count}"]
        assert rig.log.lines[-1] == (
            f"action: read_input | result: fail | client_id: 7 | file: {file} "
            f"| error: has no row that can be sent, {count} were left out"
        )
