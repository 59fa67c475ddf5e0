"""What of a session is in its writer's hands: batches, and its END, that are not answered yet."""

from __future__ import annotations

from collections import deque


class Unanswered:
    """Batches that were handed on, in order, in the runs that they were handed on in.

    :ivar batches: how many are not answered.
    :ivar bytes: how long the runs are of which any batch is not answered.
    :ivar most: the highest that ``bytes`` has been since it last was 0.
    :ivar since: when the oldest of these runs was handed on; None if there is none.
    """

    def __init__(self) -> None:
        self._runs: deque[tuple[int, int, float]] = deque()
        self.batches = self.bytes = self.most = 0

    @property
    def since(self) -> float | None:
        """When the oldest run was handed on."""
        return self._runs[0][2] if self._runs else None

    def add(self, batches: int, size: int, moment: float) -> None:
        """Note that a run was handed on at that moment, so many bytes long."""
        self._runs.append((batches, size, moment))
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
            count, size, moment = self._runs.popleft()
            if count > batches:
                self._runs.appendleft((count - batches, size, moment))
                return
            batches -= count
            self.bytes -= size

    def clear(self) -> None:
        """Note that nothing is in hand any more."""
        self._runs.clear()
        self.batches = self.bytes = 0
