"""Cuts a stream of bytes into messages, whatever the chunks it arrives in.

Every frame is a type byte, a length (u16, big-endian) and a payload; a *bare* frame
is the type byte alone. Which types there are is a :class:`Vocabulary`: one for each
dialect and direction. The first frame decides which of the given vocabularies the
peer speaks, and from then on it speaks no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen

from lottery.errors import Code, RemoteProtocolError
from lottery.wire.frames import HEADER_BYTES, PAYLOAD_LIMIT, RUN_BYTES
from lottery.wire.messages import Message


@frozen
class Vocabulary:
    """The frames of one dialect in one direction.

    :ivar dialect: its name, ``classic`` or ``lottery/1``.
    :ivar framed: how to make a message of the payload, by type byte. The function
        raises :class:`RemoteProtocolError` for a payload that is none.
    :ivar bare: the messages that are a type byte alone.
    :ivar payload_limit: the longest payload, in bytes.
    :ivar run_of: the type byte of frames that may be taken in runs; None: of none.
    :ivar run_least: the shortest payload of those, in bytes.
    """

    dialect: str
    framed: Mapping[int, Callable[[bytes], Message]]
    bare: Mapping[int, Message] = field(factory=dict)
    payload_limit: int = PAYLOAD_LIMIT
    run_of: int | None = None
    run_least: int = 0

    def knows(self, kind: int) -> bool:
        """Whether a frame may begin with this byte."""
        return kind in self.framed or kind in self.bare


class Decoder:
    """Takes bytes, gives messages.

    It holds what :meth:`receive` was given and :meth:`next_message` has not yet
    taken, so its size is bounded by whoever feeds it: a session that is paused is
    not fed. After an error it gives the same error for ever and keeps nothing.
    """

    def __init__(self, *vocabularies: Vocabulary) -> None:
        self._candidates = vocabularies
        self._spoken: Vocabulary | None = None
        self._data = b""
        self._start = 0
        self._broken: RemoteProtocolError | None = None

    @property
    def dialect(self) -> str | None:
        """What the peer speaks, once its first frame has begun."""
        return self._spoken.dialect if self._spoken else None

    @property
    def unread(self) -> int:
        """How many bytes have not become messages yet."""
        return len(self._data) - self._start

    def receive(self, data: bytes) -> None:
        """Add what came from the peer; behind an error it is dropped."""
        if self._broken is not None:
            return
        rest = self._data[self._start :]
        self._data = rest + data if rest else data
        self._start = 0

    def next_message(self) -> Message | None:
        """Give the next message, or None if it is not complete yet.

        :raises RemoteProtocolError: if what stands here is no frame of the peer's
            dialect, or is announced longer than the limit (before its payload is
            waited for).
        """
        if self._broken is not None:
            # Without this, every time that it is raised would lengthen its traceback.
            raise self._broken.with_traceback(None)
        try:
            return self._cut()
        except RemoteProtocolError as error:
            self._broken = error
            self._data, self._start = b"", 0
            raise

    def next_run(self, room: int = RUN_BYTES) -> tuple[bytes, int] | None:
        """Give the whole frames that stand here, of the kind that may be taken in runs.

        They are not looked into: that is the fast path, for whoever passes them on as they are.

        :param room: in bytes, above 0; the last of the frames may go beyond it.
        :return: the frames as they came, headers and all, and how many; None if there is none
            that is whole, which :meth:`next_message` makes of what it can.
        """
        spoken = self._spoken
        if spoken is None or spoken.run_of is None:
            return None
        kind, least, most = spoken.run_of, spoken.run_least, spoken.payload_limit
        data, start = self._data, self._start
        place, frames, last = start, 0, min(len(data) - HEADER_BYTES, start + room - 1)
        while place <= last and data[place] == kind:
            length = data[place + 1] << 8 | data[place + 2]
            end = place + HEADER_BYTES + length
            if end > len(data) or not least <= length <= most:
                break
            place, frames = end, frames + 1
        if not frames:
            return None
        self._start = place
        return data[start:place], frames

    def _cut(self) -> Message | None:
        data, start = self._data, self._start
        available = len(data) - start
        if not available:
            return None
        kind = data[start]
        spoken = self._spoken or self._choose(kind)
        make = spoken.framed.get(kind)
        if make is None:
            if kind not in spoken.bare:
                raise RemoteProtocolError(
                    Code.PROTO, f"0x{kind:02x} begins no frame of {spoken.dialect}"
                )
            self._start = start + 1
            return spoken.bare[kind]
        if available < HEADER_BYTES:
            return None
        length = data[start + 1] << 8 | data[start + 2]
        if length > spoken.payload_limit:
            raise RemoteProtocolError(
                Code.SIZE,
                f"a frame announces {length} bytes, at most {spoken.payload_limit} are taken",
            )
        body = start + HEADER_BYTES
        end = body + length
        if end > len(data):
            return None
        self._start = end
        return make(data[body:end])

    def _choose(self, kind: int) -> Vocabulary:
        for vocabulary in self._candidates:
            if vocabulary.knows(kind):
                self._spoken = vocabulary
                return vocabulary
        names = " nor of ".join(vocabulary.dialect for vocabulary in self._candidates)
        raise RemoteProtocolError(Code.PROTO, f"0x{kind:02x} begins no frame of {names}")
