"""What a session says, in either dialect.

A session decides what is to be said; how it is said, and what the classic dialect has
no words for, is here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol as Interface

from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.messages import (
    Ack,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    Error,
    Message,
    Refused,
    Winners,
)
from lottery.writer.pipe import Refusal


class CannotSay(Exception):
    """The dialect has no words for it; the text says what."""


class Speech(Interface):
    """How to say what an agency is told."""

    dialect: str

    def encode(self, message: Message) -> bytes:
        """Give the bytes of a message."""

    #: How many batches to acknowledge at once; that makes at most 64 KiB.
    most_at_once: int

    def acknowledgement(self, batches: int, next_index: int, ended: bool) -> bytes:
        """Say that so many more batches are stored, up to an index, and the END too."""

    def refusal(self, refusal: Refusal) -> Message:
        """Say that a batch or an END was not stored, which ends the session."""

    def error(self, code: Code, sentence: str) -> Message:
        """Say why the session ends."""

    def winners(self, draw: int, number: int, rows: Sequence[bytes]) -> Iterator[Message]:
        """Say which of the agency's rows have won, in as many messages as needed.

        :raises CannotSay: if the dialect cannot.
        """


class ClassicSpeech:
    """The classic dialect: a byte for each batch, one for every refusal."""

    dialect = classic.DIALECT
    encode = staticmethod(classic.encode)
    most_at_once = 64 << 10
    _STORED = classic.encode(ClassicStored())

    def acknowledgement(self, batches: int, next_index: int, ended: bool) -> bytes:
        """Say it once for each batch; an END is not answered."""
        return self._STORED * batches

    def refusal(self, refusal: Refusal) -> Message:
        """Refuse without a reason."""
        return ClassicRefused()

    def error(self, code: Code, sentence: str) -> Message:
        """Refuse without a reason."""
        return ClassicRefused()

    def winners(self, draw: int, number: int, rows: Sequence[bytes]) -> Iterator[Message]:
        """Name the winners' documents, all in one message."""
        documents = b",".join(row.split(b",")[2] for row in rows)
        if len(documents) > classic.WINNERS_LIMIT:
            raise CannotSay(
                f"{len(rows)} winners take {len(documents)} bytes, "
                f"the classic dialect has {classic.WINNERS_LIMIT}"
            )
        return iter([ClassicWinners(documents)])


class Lottery1Speech:
    """lottery/1: cumulative acknowledgements, reasons, whole rows."""

    dialect = lottery1.DIALECT
    encode = staticmethod(lottery1.encode)
    most_at_once = 1 << 63

    def acknowledgement(self, batches: int, next_index: int, ended: bool) -> bytes:
        """Say the next index; one frame, however many batches."""
        return lottery1.encode(Ack(next_index, ended))

    def refusal(self, refusal: Refusal) -> Message:
        """Refuse with code, place and sentence."""
        return Refused(*refusal[:-1])

    def error(self, code: Code, sentence: str) -> Message:
        """Name code and sentence."""
        return Error(code, sentence)

    def winners(self, draw: int, number: int, rows: Sequence[bytes]) -> Iterator[Message]:
        """Send whole rows, as many to a frame as fit; one empty frame if there is none."""
        first, size = 0, 0
        part: list[bytes] = []
        for index, row in enumerate(rows):
            if size + len(row) > lottery1.WINNERS_ROWS_LIMIT:
                yield Winners(draw, number, len(rows), first, b"".join(part))
                first, part, size = index, [], 0
            part.append(row)
            size += len(row)
        yield Winners(draw, number, len(rows), first, b"".join(part))


CLASSIC = ClassicSpeech()
LOTTERY1 = Lottery1Speech()
