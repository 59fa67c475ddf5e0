"""What the tests of the writers' parent side share: clients that take notes, and answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lottery.errors import Code
from lottery.writer.pipe import Answer, Refusal, pack, pack_refusal

REFUSAL = Refusal(Code.SEQ, False, 7, 0, 0, "bet 7 is next", 3)


class Notes:
    """A session that only notes what its writer tells it.

    :ivar heard: what it was told, in order: the name, then what came with it.
    :ivar when_resumed: what it does when it is its turn.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.when_resumed: Callable[[], None] = lambda: None

    def stored(self, next_index: int, bets: Sequence[int]) -> None:
        self.heard.append(("stored", next_index, *bets))

    def refused(self, refusal: Refusal) -> None:
        self.heard.append(("refused", refusal))

    def ended(self, total: int) -> None:
        self.heard.append(("ended", total))

    def lost(self, reason: str) -> None:
        self.heard.append(("lost", reason))

    def resume(self) -> None:
        self.heard.append(("resume",))
        self.when_resumed()


def stored(session: int, next_index: int, *bets: int) -> bytes:
    """The answer to batches."""
    body = b"".join(each.to_bytes(2, "big") for each in bets)
    return pack(Answer.STORED, session, next_index, len(bets), body)


def refused(session: int) -> bytes:
    """An answer that refuses."""
    return pack_refusal(session, REFUSAL)


def ended(session: int, total: int) -> bytes:
    """The answer to an END."""
    return pack(Answer.ENDED, session, total)
