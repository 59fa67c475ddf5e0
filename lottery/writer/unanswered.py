"""What of a session is in its writer's hands: batches, and its END, that are not answered yet."""

from __future__ import annotations

from collections import deque


class Unanswered:
    """Batches that were handed on, in order, in the runs that they were handed on in.

    :ivar batches: how many are not answered.
    :ivar bytes: how long the runs are of which any batch is not answered.
    :ivar most: the highest that ``bytes`` has been since it last was 0.
    """

    def __init__(self) -> None:
        self._runs: deque[tuple[int, int]] = deque()
        self.batches = self.bytes = self.most = 0

    def add(self, batches: int, size: int) -> None:
        """Note that a run was handed on, so many bytes long."""
        self._runs.append((batches, size))
        self.batches += batches
        self.bytes += size
        self.most = max(self.most, self.bytes)

    def answered(self, batches: int) -> None:
        """Note that the next so many batches are answered.

        One that came twice may be stored behind its refusal for lack of room: of that nothing is
        known any more, and nothing is in hand.
        """
        batches = min(batches, self.batches)
        self.batches -= batches
        while batches:
            count, size = self._runs.popleft()
            if count > batches:
                self._runs.appendleft((count - batches, size))
                return
            batches -= count
            self.bytes -= size

    def clear(self) -> None:
        """Note that nothing is in hand any more."""
        self._runs.clear()
        self.batches = self.bytes = 0
