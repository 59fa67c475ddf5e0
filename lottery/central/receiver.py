"""Bytes of a peer in, messages out: what a session is built on.

As with Twisted's own receivers, whoever builds on it takes messages and need not know of bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol

from lottery.central.connection import Connection, IAgencyTransport
from lottery.central.patience import Patience
from lottery.central.silence import TurnClock
from lottery.central.speech import CLASSIC, LOTTERY1, Speech
from lottery.errors import Code, RemoteProtocolError
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import Message
from lottery.wire.states import SENDING, Conversation, State


class MessageReceiver(Protocol, ABC):
    """A peer of either dialect, heard and spoken to in messages.

    :ivar bytes_heard: how many bytes have come from it, of frames and of what is none.
    """

    def begin(self, clock: IReactorTime, silence_seconds: float, patience: Patience) -> None:
        """Begin to listen.

        :param silence_seconds: how long the peer may be silent in its turn, 0 for ever.
        :param patience: how long it has for what else there is.
        """
        self.bytes_heard = 0
        self._clock = clock
        self._patience = patience
        transport = cast(IAgencyTransport, self.transport)
        self._connection = Connection(transport, clock, patience.close)
        self._decoder = Decoder(lottery1.TO_CENTRAL, classic.TO_CENTRAL)
        self._conversation = Conversation()
        self._watch(silence_seconds)

    # What is made of it.

    @abstractmethod
    def messageReceived(self, message: Message) -> None:
        """A message has come that may be said now and that counts.

        :raises RemoteProtocolError: if it is no good all the same; see :meth:`fail`.
        """

    @abstractmethod
    def batchesReceived(self, frames: bytes, count: int) -> None:
        """So many batches have come that count, one behind the other: their frames."""

    @abstractmethod
    def room(self) -> int:
        """How many bytes of batches to take at once; 0: all waits for :meth:`proceed`."""

    @abstractmethod
    def is_peers_turn(self) -> bool:
        """Whether it is for the peer to do something: then it must not be silent for long."""

    @abstractmethod
    def is_hearing(self) -> bool:
        """Whether the peer is read from: then it must not take long for a frame."""

    @abstractmethod
    def silent(self) -> None:
        """The peer was silent for too long in its turn."""

    @abstractmethod
    def fail(self, code: Code, sentence: str, *, may_return: bool = False) -> None:
        """The peer has broken the protocol, or has to go; it may come back, or not."""

    # What it does.

    def dataReceived(self, data: bytes) -> None:
        """Take what came, unless there is nothing to be said any more."""
        self.bytes_heard += len(data)
        if not self._connection.leaving:
            if not self._decoder.unread:
                self._turn.frame_begins()
            self._decoder.receive(data)
            self.proceed()

    def proceed(self) -> None:
        """Hear the messages that are there, as long as they may be heard.

        While nothing but batches is to be expected, they are taken as many at a time as there
        are and not looked into: nearly all that a central hears is batches.
        """
        try:
            while room := self.room():
                if self.state in SENDING and (run := self._decoder.next_run(room)):
                    self._turn.heard()
                    self.batchesReceived(*run)
                    if not self._decoder.unread:
                        return
                    continue
                message = self._decoder.next_message()
                if message is None:
                    return
                self._turn.heard()
                if self._conversation.heard(message):
                    self.messageReceived(message)
        except RemoteProtocolError as error:
            self.fail(error.code, error.sentence)

    @property
    def speech(self) -> Speech:
        """The peer's dialect; a peer that has said nothing sensible gets lottery/1."""
        return CLASSIC if self._decoder.dialect == classic.DIALECT else LOTTERY1

    @property
    def state(self) -> State:
        """How far the conversation has come."""
        return self._conversation.state

    @property
    def within_frame(self) -> bool:
        """Whether the last frame is not complete."""
        return bool(self._decoder.unread)

    @property
    def said_something(self) -> bool:
        """Whether the peer has said anything at all."""
        return bool(self._decoder.dialect or self._decoder.unread)

    def words(self, message: Message) -> bytes:
        """Give the bytes of a message that is said now."""
        self._conversation.said(message)
        return self.speech.encode(message)

    def _watch(self, silence_seconds: float) -> None:
        """Begin new clocks."""
        self._turn = TurnClock(
            self._clock,
            silence_seconds,
            self._patience.frame,
            is_peers_turn=self.is_peers_turn,
            is_within_frame=lambda: self.within_frame and self.is_hearing(),
            silent=self.silent,
            slow=self._slow,
        )

    def _slow(self) -> None:
        self.fail(Code.TIMEOUT, f"a frame took longer than {self._patience.frame:g} s")
