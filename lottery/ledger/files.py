"""The ledger of one central for itself: a data directory, with a directory for each draw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from attrs import frozen

from lottery.ledger.checked import read_steps
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.face import DrawLedger, Unfinished, WriterPlan
from lottery.ledger.intake import IntakeLog
from lottery.ledger.reading import TornTail
from lottery.ledger.record import DrawRecord, publish
from lottery.ledger.recovery import recover, unreceived
from lottery.ledger.salvage import extend, salvage
from lottery.ledger.seal import all_winners, draw_number, note_delivered, seal
from lottery.ledger.standing import Standing
from lottery.ledger.winners import whole_rows

_NUMBER: Final = re.compile(rb",(\d{1,4})\n")


class FileDraw:
    """A draw in a directory of its own; as :class:`~lottery.ledger.face.DrawLedger` says."""

    def __init__(
        self, directory: DrawDirectory, min_free: int, inherits: Mapping[int, int]
    ) -> None:
        """:param min_free: how many bytes its writers have to leave free.

        :param inherits: what they inherit.
        """
        self.directory = directory
        self.number = directory.number
        self._min_free = min_free
        self._inherits = inherits

    @property
    def path(self) -> Path:
        return self.directory.path

    @property
    def timeline(self) -> IntakeLog:
        return IntakeLog(self.directory.intake_csv)

    @property
    def shared(self) -> None:
        return None

    def read(self) -> DrawRecord:
        return self.directory.read()

    def close(self, record: DrawRecord) -> DrawRecord:
        publish(record, self.directory.record)
        return record

    def seal(self, record: DrawRecord, interrupted: Callable[[], bool]) -> DrawRecord:
        return seal(self.directory, record, interrupted)

    def draw_number(
        self, record: DrawRecord, winning_number: int | None, interrupted: Callable[[], bool]
    ) -> DrawRecord:
        return draw_number(self.directory, record, winning_number, interrupted)

    def winners(
        self, record: DrawRecord, interrupted: Callable[[], bool]
    ) -> dict[int, list[bytes]]:
        return all_winners(self.directory, record, interrupted)

    def note_delivered(self, record: DrawRecord, received: Collection[int]) -> DrawRecord:
        return note_delivered(self.directory, record, received)

    def stamp(self) -> object:
        status = self.directory.record.stat()
        return status.st_mtime_ns, status.st_ino

    def record_file(self) -> BinaryIO:
        return self.directory.record.open("rb")

    def winners_file(self) -> BinaryIO:
        return self.directory.winners_csv.open("rb")

    def bets_on_numbers(self, rest: Callable[[], None]) -> Mapping[bytes, int]:
        counts: Counter[bytes] = Counter()
        for text in whole_rows(read_steps(self.directory.bets_csv)):
            counts.update(_NUMBER.findall(text))
            rest()
        return counts

    def writers(self) -> int:
        return self.directory.highest_segment()

    def plan_writer(self, number: int) -> WriterPlan:
        segment = self.directory.segment(number)
        words = (segment, self.number, number, self._min_free)
        return WriterPlan(segment.name, words, inherits=self._inherits)

    def is_settled(self, plan: WriterPlan, *, well: bool) -> bool:
        return well and (self.path / plan.name).exists()

    def settle(
        self, plan: WriterPlan, told: Mapping[int, Standing]
    ) -> tuple[TornTail | None, dict[int, Standing]]:
        """Anew, whatever the segment looks like: if a flush has failed, looks say nothing."""
        segment = self.path / plan.name
        _, _, number, _ = plan.words
        assert isinstance(number, int)
        torn = salvage(segment, self.number, number, anew=True)
        return torn, extend(segment, told)


@frozen
class FileLedgers:
    """A data directory; as :class:`~lottery.ledger.face.Ledgers` says.

    :ivar min_free: how many bytes writers have to leave free.
    :ivar lock_fd: as what they inherit its lock.
    """

    data: DataDirectory
    min_free: int
    lock_fd: int

    @property
    def place(self) -> str:
        return str(self.data.path)

    @property
    def alone(self) -> bool:
        return True

    def own(self, again: Callable[[], bool]) -> None:
        self.data.own(again)

    def interrupt(self) -> None:
        pass

    def release(self) -> None:
        self.data.release()

    @property
    def open_to_others(self) -> str:
        return str(self.data.path) if self.data.open_to_others else ""

    def recover(self, places: int) -> list[Unfinished]:
        return [
            Unfinished(self._of(each.directory), each.record, each.standings, each.torn)
            for each in recover(self.data, places)
        ]

    def unreceived(self) -> dict[int, int]:
        return unreceived(self.data)

    def open(self, places: int) -> Unfinished:
        directory = self.data.new_draw(places)
        return Unfinished(self._of(directory), directory.read())

    def numbers(self) -> list[int]:
        return [each.number for each in self.data.draws()]

    def find(self, number: int) -> DrawLedger | None:
        found = (each for each in self.data.draws() if each.number == number)
        directory = next(found, None)
        return None if directory is None else self._of(directory)

    def _of(self, directory: DrawDirectory) -> FileDraw:
        inherits = {self.lock_fd: self.data.lock_fd} if self.data.owned else {}
        return FileDraw(directory, self.min_free, inherits)
