"""One connection, byte for byte, against a transport that only takes notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from agency_rig import (
    END_0,
    ENDED_0,
    HELLO_7,
    NONCE,
    OPEN_DRAW,
    RECEIVED_0,
    ROW,
    STORAGE,
    WELCOME,
    ListedFile,
    ack,
    batch_frame,
    end,
    error,
    file_batch,
    frame,
    hello,
    received,
    refused,
    welcome,
    winners,
)
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from lottery.agency.bets_file import unguarded
from lottery.agency.client import AgencyClient
from lottery.agency.failures import (
    BadOutput,
    ComeBack,
    ConnectionCut,
    Distrust,
    Refusal,
    SendAgain,
)
from lottery.agency.reader import FileBatch
from lottery.agency.upload import Upload
from lottery.errors import Code, LocalProtocolError, LotteryError, RemoteProtocolError


class Rig:
    """A client on a transport, with what it told."""

    def __init__(self, winners: Callable[[bytes], None] | None = None) -> None:
        self.winners: list[bytes] = []
        self.transport = StringTransport()
        self.file = ListedFile()
        self.upload = Upload("bets.csv", self.file)  # type: ignore[arg-type]
        self.client = AgencyClient(self.upload, 2, winners or self.winners.append)
        self.client.makeConnection(self.transport)

    def send(self, *batches: FileBatch) -> None:
        """Send these batches, or those that are to be sent again."""
        self.file.batches += batches
        for _ in range(len(batches) or len(self.file.batches)):
            Deferred.fromCoroutine(self.upload.fill(unguarded))
            self.client.send()

    def said(self) -> bytes:
        """What was written since the last time."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def hear(self, *data: bytes) -> None:
        """Let the client hear something, in one piece."""
        self.client.dataReceived(b"".join(data))

    def welcomed(self) -> None:
        """Get over the start."""
        self.client.hello(7, 0)
        self.hear(WELCOME)
        self.said()

    def ended(self, rows: int = 0) -> None:
        """Get to where only the winners are missing."""
        self.welcomed()
        if rows:
            self.send(file_batch(ROW * rows))
        self.client.end(NONCE)
        self.hear(ack(rows, ended=True))
        self.said()

    def waiting(self, condition: Callable[[], bool]) -> Deferred[None]:
        """Wait for a condition."""
        return Deferred.fromCoroutine(self.client.until(condition))

    def lose(self, why: Exception | None = None) -> None:
        """End the connection."""
        self.client.connectionLost(Failure(why or ConnectionDone()))


@pytest.fixture
def rig() -> Rig:
    """A client that has just connected."""
    return Rig()


def _failure(deferred: Deferred[None]) -> Exception:
    failures: list[Failure] = []
    deferred.addErrback(failures.append)
    assert len(failures) == 1
    error = failures[0].value
    assert isinstance(error, Exception)
    return error


def _broken(rig: Rig) -> Exception:
    return _failure(rig.waiting(lambda: False))


class TestConversation:
    """What is said, and how answers are understood."""

    def test_whole_exchange(self, rig: Rig) -> None:
        """From HELLO to RECEIVED, each frame to the byte, each batch in one write."""
        client = rig.client
        client.hello(7, 0)
        assert rig.said() == HELLO_7
        rig.hear(WELCOME)
        assert client.welcome is not None
        assert client.welcome.draw == 3
        rig.send(FileBatch(ROW * 2, [1, 2]))
        rig.send(FileBatch(ROW, [3]))
        assert rig.said() == batch_frame(0, ROW * 2) + batch_frame(2, ROW)
        rig.hear(ack(2))
        assert rig.upload.acknowledged == 2
        client.end(NONCE)
        assert rig.said() == end(3)
        rig.hear(ack(3))
        assert not rig.upload.ended
        rig.hear(ack(3, ended=True))
        assert rig.upload.ended
        rig.hear(winners(2, 0, ROW))
        assert not client.all_told
        rig.hear(winners(2, 1, ROW))
        assert client.all_told
        assert rig.winners == [ROW, ROW]
        client.received()
        assert rig.said() == received(2)

    def test_one_write_for_a_batch(self, rig: Rig) -> None:
        """A batch leaves in one piece."""
        rig.welcomed()
        writes: list[bytes] = []
        rig.transport.write = writes.append
        rig.send(FileBatch(ROW, [1]))

        assert writes == [batch_frame(0, ROW)]

    def test_byte_by_byte(self, rig: Rig) -> None:
        """Answers may arrive in any pieces."""
        rig.client.hello(7, 0)
        for byte in WELCOME:
            rig.hear(bytes([byte]))
        rig.client.end(NONCE)
        for byte in ENDED_0 + winners(0, 0, b""):
            rig.hear(bytes([byte]))

        assert rig.client.all_told
        assert rig.said() == HELLO_7 + END_0

    def test_no_winners(self, rig: Rig) -> None:
        """An empty list of winners is a list."""
        rig.ended()
        assert not rig.client.all_told
        rig.hear(winners(0, 0, b""))

        assert rig.client.all_told

    def test_after_the_end(self, rig: Rig) -> None:
        """Once all is said nothing more is listened to."""
        rig.ended()
        rig.hear(winners(0, 0, b""))
        rig.client.received()
        rig.hear(b"whatever")
        assert rig.said() == RECEIVED_0

    def test_we_must_not_say(self, rig: Rig) -> None:
        """What the protocol does not allow now is not sent."""
        with pytest.raises(LocalProtocolError):
            rig.client.end(NONCE)
        assert rig.said() == b""


class TestFlowControl:
    """How much is under way."""

    def test_window(self, rig: Rig) -> None:
        """Room is there again when a whole batch is acknowledged."""
        rig.welcomed()
        for line in (1, 2):
            assert rig.client.has_room
            rig.send(FileBatch(ROW, [line]))
        assert not rig.client.has_room
        waiting = rig.waiting(lambda: rig.client.has_room)
        assert not waiting.called
        rig.hear(ack(1))

        assert waiting.called
        assert rig.client.has_room

    def test_producer(self, rig: Rig) -> None:
        """The client is a producer of the transport, and stops when that has enough."""
        assert verifyObject(IPushProducer, rig.client)
        assert rig.transport.producer is rig.client
        assert rig.transport.streaming
        rig.welcomed()
        rig.client.pauseProducing()
        waiting = rig.waiting(lambda: rig.client.has_room)
        assert not waiting.called
        rig.client.resumeProducing()
        assert waiting.called
        rig.client.stopProducing()
        assert not rig.client.has_room


class TestBroken:
    """How a conversation ends before its time."""

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"\x99", Code.PROTO),
            (b"HTTP/1.1 400", Code.PROTO),
            (b"\x20\xff\xff", Code.SIZE),
            (b"\x20\x00\x01x", Code.PROTO),
            (WELCOME, Code.STATE),
            (winners(0, 0, b""), Code.STATE),
            (ack(4), Code.SEQ),
            (ack(1), Code.SEQ),
            (ack(2) + ack(0), Code.SEQ),
            (ack(3, ended=True), Code.STATE),
        ],
    )
    def test_protocol_broken(self, data: bytes, code: Code, rig: Rig) -> None:
        """What the central must not say ends it, with the right blame."""
        rig.welcomed()
        rig.send(FileBatch(ROW * 2, [1, 2]))
        rig.send(FileBatch(ROW, [3]))
        waiting = rig.waiting(lambda: rig.upload.ended)
        rig.hear(data)
        error = _failure(waiting)

        assert isinstance(error, RemoteProtocolError)
        assert error.code == code

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (winners(2, 0, ROW, draw=4), Code.STATE),
            (winners(4, 0, ROW), Code.TOTALS),
            (winners(2, 1, ROW), Code.SEQ),
            (winners(1, 0, ROW * 2), Code.SEQ),
            (winners(2, 0, ROW[:-1]), Code.BATCH),
            (winners(2, 0, b""), Code.BATCH),
            (winners(0, 0, b"x"), Code.BATCH),
            (winners(2, 0, ROW) + winners(3, 1, ROW), Code.TOTALS),
            (winners(2, 0, ROW) + winners(2, 0, ROW), Code.SEQ),
            (winners(2, 0, ROW) + winners(2, 2, ROW), Code.SEQ),
            (winners(1, 0, ROW) + winners(1, 1, b""), Code.BATCH),
        ],
    )
    def test_impossible_winners(self, data: bytes, code: Code, rig: Rig) -> None:
        """Winners must be of this draw, whole, in order and as many as announced."""
        rig.ended(rows=3)
        rig.hear(data)
        error = _broken(rig)

        assert isinstance(error, RemoteProtocolError)
        assert error.code == code

    def test_unbelievable_winners_are_not_kept(self, rig: Rig) -> None:
        """A row that has not won never reaches the results."""
        rig.ended(rows=3)
        rig.hear(winners(2, 0, ROW), winners(2, 1, ROW.replace(b",7", b",8")))

        assert str(_broken(rig)) == "winning row 2 has not the number 7"
        assert rig.winners == [ROW]
        assert rig.client.told == 1

    def test_winners_before_the_end_is_stored(self, rig: Rig) -> None:
        """Winners of an END that is not acknowledged are none."""
        rig.welcomed()
        rig.client.end(NONCE)
        rig.hear(winners(0, 0, b""))

        assert isinstance(_broken(rig), RemoteProtocolError)

    def test_end_acknowledged_too_low(self, rig: Rig) -> None:
        """An END is not acknowledged before all its bets are."""
        rig.welcomed()
        rig.send(FileBatch(ROW, [1]))
        rig.client.end(NONCE)
        rig.hear(ack(0, ended=True))

        assert isinstance(_broken(rig), RemoteProtocolError)

    def test_refused_batch(self, rig: Rig) -> None:
        """A refusal names the line of the file, though rows were left out before it."""
        rig.welcomed()
        rig.send(FileBatch(ROW * 2, [1, 2]))
        rig.send(FileBatch(ROW * 2, [5, 9]))
        rig.hear(ack(2), frame("22", "08 00 0000000000000002 0002 04", b"must be a day"))
        error = _broken(rig)

        assert isinstance(error, Refusal)
        assert error.code is Code.FIELD
        assert (error.line, error.field, str(error)) == (9, 4, "must be a day")

    @pytest.mark.parametrize("place", ["0000000000000000 0003", "0000000000000001 0001"])
    def test_refusal_of_no_line(self, place: str, rig: Rig) -> None:
        """A refusal of something that we did not send names no line."""
        rig.welcomed()
        rig.send(file_batch(ROW * 2))
        rig.hear(frame("22", "0b 00", place, "00", b"no room"))
        error = _broken(rig)

        assert isinstance(error, Refusal)
        assert error.line == 0

    @pytest.mark.parametrize("code", ["01", "04", "05", "06", "0c", "0e", "0f"])
    def test_error(self, code: str, rig: Rig) -> None:
        """An ERROR may come at once, and is mostly for good."""
        rig.client.hello(7, 0)
        waiting = rig.waiting(lambda: rig.client.welcome is not None)
        rig.hear(error(code, b"not you"))
        failure = _failure(waiting)

        assert isinstance(failure, Refusal)
        assert (failure.code, failure.sentence) == (Code(int(code, 16)), "not you")

    def test_too_slow(self, rig: Rig) -> None:
        """That our HELLO took too long ends nothing of ours; that we were silent later, does."""
        rig.client.hello(7, 0)
        waiting = rig.waiting(lambda: rig.client.welcome is not None)
        rig.hear(error("0d", b"too late"))
        assert isinstance(_failure(waiting), ComeBack)

    def test_too_silent(self, rig: Rig) -> None:
        """Behind the WELCOME a TIMEOUT is for good."""
        rig.welcomed()
        rig.hear(error("0d", b"too silent"))
        assert isinstance(_broken(rig), Refusal)

    @pytest.mark.parametrize("code", ["09", "0a", "0b", "10", "11"])
    @pytest.mark.parametrize("late", [False, True])
    def test_come_back(self, code: str, late: bool, rig: Rig) -> None:
        """Some ERRORs ask to come again, whenever they are said."""
        if late:
            rig.ended(rows=1)
        else:
            rig.client.hello(7, 0)
        rig.hear(error(code, b"not now"))
        failure = _broken(rig)

        assert isinstance(failure, ComeBack)
        assert (failure.code, str(failure)) == (Code(int(code, 16)), "not now")

    def test_storage_for_good(self, rig: Rig) -> None:
        """In a REFUSED the flag counts, not the code."""
        rig.welcomed()
        rig.send(file_batch(ROW))
        rig.hear(refused(STORAGE, 0, again=False))

        assert isinstance(_broken(rig), Refusal)

    def test_first_cause_counts(self, rig: Rig) -> None:
        """That the connection ends after an ERROR is no news."""
        rig.client.hello(7, 0)
        rig.hear(frame("24", "01", b"no"))
        rig.hear(WELCOME)
        rig.lose()

        assert isinstance(_broken(rig), Refusal)
        assert rig.client.welcome is None

    def test_cut(self, rig: Rig) -> None:
        """A connection that ends is an end, however it ends."""
        rig.welcomed()
        waiting = rig.waiting(lambda: rig.upload.ended)
        rig.lose(ConnectionLost("connection reset by peer"))
        error = _failure(waiting)

        assert isinstance(error, ConnectionCut)
        assert "connection reset by peer" in str(error)
        assert ":" not in str(error)

    def test_distrust(self, rig: Rig) -> None:
        """TLS says why it has lost a connection that it cannot trust, and that is handed on."""
        waiting = rig.waiting(lambda: rig.client.welcome is not None)
        why = Distrust("no TLS is spoken there")
        rig.lose(why)

        assert _failure(waiting) is why

    def test_output_fails(self) -> None:
        """What the taker of winning rows raises ends the conversation."""

        def refuse(_: bytes) -> None:
            raise BadOutput(path, "no space left on device")

        rig = Rig(refuse)
        path = Path("winners.csv")
        rig.ended(rows=1)
        rig.hear(winners(1, 0, ROW))

        assert isinstance(_broken(rig), BadOutput)


class TestComingBack:
    """What is said and heard in a session that is not the first."""

    def test_hello(self, rig: Rig) -> None:
        """A HELLO names the draw, and the highest index that was acknowledged."""
        rig.upload.acknowledged = 5
        rig.client.hello(7, 3)

        assert rig.said() == hello(3, 5)

    def test_hello_to_the_open_draw(self, rig: Rig) -> None:
        """So can any draw that takes bets."""
        rig.client.hello(7, OPEN_DRAW)

        assert rig.said() == frame("10", "01 00000007 ffffffff 0000000000000000")

    def test_ended_before(self, rig: Rig) -> None:
        """After a WELCOME of an agency that has ended only winners are to come."""
        rig.client.hello(7, 0)
        rig.hear(welcome(ROW * 2, ended=True))
        rig.hear(winners(1, 0, ROW))
        assert rig.client.all_told
        with pytest.raises(LocalProtocolError):
            rig.client.end(NONCE)
        rig.said()
        rig.client.received()

        assert rig.said() == received(1)

    def test_acknowledged_again(self, rig: Rig) -> None:
        """That the END is stored may be said again."""
        rig.client.hello(7, 0)
        rig.hear(welcome(ROW * 2, ended=True), ack(2, ended=True), winners(0, 0, b""))

        assert rig.client.all_told

    def test_less_than_acknowledged(self, rig: Rig) -> None:
        """A central that has lost bets is not gone on with."""
        rig.upload.acknowledged = 5
        rig.client.hello(7, 3)
        rig.hear(welcome(ROW * 4))
        error = _broken(rig)

        assert isinstance(error, RemoteProtocolError)
        assert error.code is Code.SEQ
        assert rig.client.welcome is None


class TestSendAgain:
    """REFUSED with ``again``: the session goes on."""

    def _sent(self, rig: Rig) -> None:
        rig.welcomed()
        rig.send(file_batch(ROW * 2), file_batch(ROW, 3))
        rig.said()

    def test_once(self, rig: Rig) -> None:
        """Whoever waits is told, once; then the same frames leave again."""
        self._sent(rig)
        waiting = rig.waiting(lambda: False)
        rig.hear(refused(STORAGE, 0))
        error = _failure(waiting)
        assert isinstance(error, SendAgain)
        assert (error.code, str(error)) == (Code.STORAGE, "no room")
        assert rig.client.has_room
        assert rig.waiting(lambda: rig.client.has_room).called
        rig.send()

        assert rig.said() == batch_frame(0, ROW * 2) + batch_frame(2, ROW)

    def test_told_later(self, rig: Rig) -> None:
        """Whoever waits only later is told then, though its condition holds."""
        self._sent(rig)
        rig.hear(ack(2), refused(STORAGE, 2))
        assert isinstance(_failure(rig.waiting(lambda: True)), SendAgain)
        assert rig.upload.acknowledged == 2

    def test_refusal_acknowledges(self, rig: Rig) -> None:
        """What is below the expected index is stored."""
        self._sent(rig)
        rig.hear(refused(STORAGE, 2))

        assert rig.upload.acknowledged == 2

    def test_end_too(self, rig: Rig) -> None:
        """The END that was said behind the batch has to be said again."""
        self._sent(rig)
        rig.client.end(NONCE)
        rig.hear(ack(2), refused(STORAGE, 2))
        assert isinstance(_broken(rig), SendAgain)
        rig.said()
        Deferred.fromCoroutine(rig.upload.fill(unguarded))
        rig.client.send()
        rig.client.end(NONCE)
        assert rig.said() == batch_frame(2, ROW) + end(3)
        rig.hear(ack(3, ended=True))

        assert rig.upload.ended

    def test_only_the_end(self, rig: Rig) -> None:
        """If all batches are stored it comes alone."""
        self._sent(rig)
        rig.client.end(NONCE)
        rig.hear(ack(3), refused(STORAGE, 3))
        assert isinstance(_broken(rig), SendAgain)
        rig.said()
        rig.client.end(NONCE)

        assert rig.said() == end(3)

    def test_end_that_was_not_said_again(self, rig: Rig) -> None:
        """An END that was refused is not acknowledged."""
        rig.welcomed()
        rig.client.end(NONCE)
        rig.hear(refused(STORAGE, 0))
        assert isinstance(_broken(rig), SendAgain)
        rig.hear(ENDED_0)

        assert isinstance(_broken(rig), RemoteProtocolError)

    def test_error_behind_it(self, rig: Rig) -> None:
        """What ends the conversation goes before what goes on with it."""
        self._sent(rig)
        rig.hear(refused(STORAGE, 0), error("10", b"stopping"))

        assert isinstance(_broken(rig), ComeBack)

    def test_stops_other_waiting(self, rig: Rig) -> None:
        """Also whoever waits for something else, such as bytes of a silent pipe."""
        self._sent(rig)
        other: Deferred[None] = Deferred()
        waiting = Deferred.fromCoroutine(rig.client.unless_broken(other))
        rig.hear(refused(STORAGE, 0))

        assert isinstance(_failure(waiting), SendAgain)
        assert other.called

    @pytest.mark.parametrize("expected", [1, 4])
    def test_impossible_index(self, expected: int, rig: Rig) -> None:
        """The expected index is the border of a batch that was sent."""
        self._sent(rig)
        rig.hear(refused(STORAGE, expected))

        assert isinstance(_broken(rig), RemoteProtocolError)

    @pytest.mark.parametrize("ended", [False, True])
    def test_nothing_was_sent(self, ended: bool, rig: Rig) -> None:
        """What was not sent, or is stored, can not be sent again."""
        rig.client.hello(7, 0)
        rig.hear(welcome(ROW * 2, ended=ended), refused(STORAGE, 2))
        error = _broken(rig)

        assert isinstance(error, RemoteProtocolError)
        assert error.code is Code.STATE


class TestWaiting:
    """Waiting for something, as long as the conversation goes on."""

    def test_holds_already(self, rig: Rig) -> None:
        """What holds is not waited for."""
        assert rig.waiting(lambda: True).called

    def test_given_up(self, rig: Rig) -> None:
        """Who waits may be called off; the connection does not mind."""
        rig.welcomed()
        waiting = rig.waiting(lambda: False)
        waiting.cancel()

        assert isinstance(_failure(waiting), CancelledError)
        rig.client.end(NONCE)
        rig.hear(ENDED_0)
        assert rig.upload.ended

    def test_something_else(self, rig: Rig) -> None:
        """Something else is waited for, and what happens meanwhile does not disturb it."""
        rig.welcomed()
        other: Deferred[int] = Deferred()
        waiting = Deferred.fromCoroutine(rig.client.unless_broken(other))
        rig.client.end(NONCE)
        rig.hear(ENDED_0)
        assert not waiting.called
        other.callback(5)
        results: list[int] = []
        waiting.addCallback(results.append)

        assert results == [5]

    @pytest.mark.parametrize("before", [True, False])
    def test_something_else_in_vain(self, before: bool, rig: Rig) -> None:
        """When the conversation ends, what is waited for is called off."""
        other: Deferred[None] = Deferred()
        if before:
            rig.lose()
        waiting = Deferred.fromCoroutine(rig.client.unless_broken(other))
        if not before:
            rig.lose()

        assert isinstance(_failure(waiting), LotteryError)
        assert other.called


class TestClosing:
    """The end of a connection."""

    @pytest.mark.parametrize("why", [ConnectionDone(), ConnectionLost("reset")])
    def test_the_central_closes(self, why: Exception, rig: Rig) -> None:
        """It may be the first to close, in whatever way."""
        left = rig.client.left()
        assert not left.called
        rig.lose(why)
        assert left.called

        assert rig.client.left().called

    def test_the_central_does_not_close(self, rig: Rig) -> None:
        """Who does not wait any more has not closed it."""
        left = rig.client.left()
        left.cancel()
        assert isinstance(_failure(left), CancelledError)
        assert not rig.transport.disconnected
        closed = rig.client.close()
        assert rig.transport.disconnecting
        rig.lose()

        assert closed.called

    def test_closes_when_all_is_written(self, rig: Rig) -> None:
        """The transport is asked to close, and is free of its producer."""
        closed = rig.client.close()
        assert rig.transport.disconnecting
        assert rig.transport.producer is None
        assert not closed.called
        rig.lose()

        assert closed.called

    def test_closed_already(self, rig: Rig) -> None:
        """Nothing is waited for where nothing is open."""
        rig.lose()

        assert rig.client.close().called

    def test_at_once(self, rig: Rig) -> None:
        """Who cannot wait any more aborts."""
        closed = rig.client.close()
        closed.cancel()
        assert rig.transport.disconnected
        rig.lose()

        assert isinstance(_failure(closed), CancelledError)
