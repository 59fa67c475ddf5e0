"""What is owed to an agency, written as it reads.

Acknowledgements are kept as numbers, not as bytes: however long an agency does not
read, what is owed to it stays three integers and a refusal, and reading from it goes on. (Rejected:
to stop reading from an agency that does not read its acknowledgements. A client that
sends its whole file before it reads anything would wait for us, and we for it.) They become
bytes a piece at a time: in the classic dialect each of millions of empty batches is owed one.
Winners, whose bytes could be many, are made one message at a time as the last one
leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer, IPushProducer
from zope.interface import implementer

from lottery.central.connection import Connection, IAgencyTransport
from lottery.central.speech import Speech
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.messages import Received


@implementer(IPushProducer)
class Acknowledgements:
    """Acknowledges what is stored, as fast as the agency reads.

    It registers itself with the transport, which says when its buffer is long.

    :ivar paused: whether what is owed waits for the agency to read, or is owed to nobody.
    """

    def __init__(self, connection: Connection, speech: Speech) -> None:
        self._connection = connection
        self._speech = speech
        self._batches = 0
        self._next_index = 0
        self._ended = False
        self._owing = False
        self._refusal = b""
        self.paused = False
        self._finished = False
        connection.transport.registerProducer(self, True)

    def stored(self, batches: int, next_index: int) -> None:
        """Owe the acknowledgement of so many more batches, up to an index."""
        self._batches += batches
        self._next_index = next_index
        self._owing = True
        self._write()

    def ended(self, total: int) -> None:
        """Owe the acknowledgement of the END."""
        self._next_index = total
        self._ended = True
        self._owing = True
        self._write()

    def refused(self, words: bytes) -> None:
        """Owe a refusal behind what is owed so far; no acknowledgement follows before it is read.

        :param words: it; one session's writer has at most one under way.
        """
        self._refusal = words
        self._write()

    def rest(self) -> Iterator[bytes]:
        """Let the transport go, and give what is owed, in pieces that somebody else writes.

        They have to be written before anything else is owed, or said.
        """
        if not self._finished:
            self._finished = True
            self._connection.transport.unregisterProducer()
        return iter(self._piece, b"")

    def _write(self) -> None:
        while not self.paused and (words := self._piece()):
            self._connection.write_at_once(words)

    def _piece(self) -> bytes:
        """Take of what is owed as much as may be written at once; empty: nothing is."""
        words = b""
        if self._owing:
            batches = min(self._batches, self._speech.most_at_once)
            words = self._speech.acknowledgement(batches, self._next_index, self._ended)
            self._batches -= batches
            self._owing = self._batches > 0
        if not self._owing:
            words += self._refusal
            self._refusal = b""
        return words

    def pauseProducing(self) -> None:
        """Keep what is owed: the agency does not read."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Write what is owed: the agency reads again."""
        self.paused = False
        self._write()

    def stopProducing(self) -> None:
        """Owe nothing any more: the agency is gone."""
        self.paused = True


class Delivery:
    """What is to be known of an agency being told its ``total`` winners of a draw.

    :ivar done: fires with the empty text when the winners are delivered, else with the
        reason why not; never fails.
    """

    def __init__(self, draw: int, total: int) -> None:
        self._draw = draw
        self._total = total
        self._finished = False
        self.done: Deferred[str] = Deferred()

    def check(self, received: Received) -> None:
        """Hold an acknowledgement against what was told.

        :raises RemoteProtocolError: TOTALS, if it is of something else.
        """
        if (received.draw, received.total) != (self._draw, self._total):
            raise RemoteProtocolError(
                Code.TOTALS,
                f"{self._total} winners of draw {self._draw} were told, "
                f"{received.total} of draw {received.draw} are acknowledged",
            )

    def finish(self, why_not: str) -> None:
        """Note how it ended; what ended stays as it did."""
        if not self._finished:
            self._finished = True
            self.done.callback(why_not)


@implementer(IPullProducer)
class Telling:
    """Tells an agency its winners, one message each time the last one has left.

    :param moved: called when the agency has taken a message.
    :param told: called when the last one has left.
    """

    def __init__(
        self,
        transport: IAgencyTransport,
        words: Iterator[bytes],
        moved: Callable[[], None],
        told: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._words = words
        self._moved = moved
        self._told = told
        transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """Say the next message, or that there is none left."""
        self._moved()
        words = next(self._words, None)
        if words is None:
            self._transport.unregisterProducer()
            self._told()
        else:
            self._transport.write(words)

    def stopProducing(self) -> None:
        """Say no more: the agency is gone."""
        self._words = iter(())
