"""What the tests of the writers' parent side share: clients that take notes, and answers."""

from __future__ import annotations

from collections.abc import Callable

from lottery.errors import Code
from lottery.writer.pipe import Answer, Refusal, pack, pack_closed, pack_refusal, pack_stored

REFUSAL = Refusal(Code.SEQ, False, 7, 0, 0, "bet 7 is next", 3)
AGAIN = Refusal(Code.STORAGE, True, 7, 0, 0, "no room on the disk, send again", 0)
CRC = 0x1A2B3C4D


class Notes:
    """A session that only notes what its writer tells it.

    :ivar heard: what it was told, in order: the name, then what came with it.
    :ivar when_resumed: what it does when it is its turn.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.when_resumed: Callable[[], None] = lambda: None

    def stored(self, next_index: int, batches: int) -> None:
        self.heard.append(("stored", next_index, batches))

    def refused(self, refusal: Refusal) -> None:
        self.heard.append(("refused", refusal))

    def held(self) -> None:
        self.heard.append(("held",))

    def ended(self, total: int) -> None:
        self.heard.append(("ended", total))

    def lost(self, reason: str) -> None:
        self.heard.append(("lost", reason))

    def resume(self) -> None:
        self.heard.append(("resume",))
        self.when_resumed()


def stored(session: int, next_index: int, *bets: int, crc: int = CRC) -> bytes:
    """The answer to batches, of which each had so many bets."""
    return pack_stored(session, next_index, crc, len(bets))


def refused(session: int) -> bytes:
    """An answer that refuses for good."""
    return pack_refusal(session, REFUSAL)


def again(session: int) -> bytes:
    """An answer that refuses until there is room."""
    return pack_refusal(session, AGAIN)


def held(session: int) -> bytes:
    """The answer that says: a classic session's batch waits for room."""
    return pack(Answer.HELD, session)


def ended(session: int, total: int) -> bytes:
    """The answer to an END."""
    return pack(Answer.ENDED, session, total)


def closed(session: int, next_index: int, crc: int = CRC) -> bytes:
    """The answer to a CLOSE."""
    return pack_closed(session, next_index, crc)
