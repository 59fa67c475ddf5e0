"""The rows that are left out: counted, and the first ones told in full."""

from __future__ import annotations

from pathlib import Path

from twisted.logger import LogLevel

from lottery.agency.failures import BadRow
from lottery.ops.log import ActionLog

#: So many rows that are left out are logged in full, the others only counted.
SKIPPED_IN_FULL = 20


class SkippedRows:
    """Takes note of each row that is left out of a file.

    :ivar count: how many there are so far.
    """

    def __init__(self, file: Path, log: ActionLog) -> None:
        self.count = 0
        self._file = file
        self._log = log
        self._told_up_to = 0  # line
        self._summed_up = False

    def note(self, row: BadRow) -> None:
        """Leave a row out; one that was told before :meth:`start_over` is not told again."""
        self.count += 1
        if self.count <= SKIPPED_IN_FULL and row.line > self._told_up_to:
            self._told_up_to = row.line
            details = {"file": row.file, **place_in_file(row.line, row.field)}
            self._log("skip_row", "success", LogLevel.warn, **details, reason=row.reason)

    def start_over(self) -> None:
        """Count anew: the file is read again from its start."""
        self.count = 0
        self._summed_up = False

    def sum_up(self) -> None:
        """Say once how many there were, if not all were told."""
        if self.count > SKIPPED_IN_FULL and not self._summed_up:
            self._summed_up = True
            self.log_count()

    def log_count(self) -> None:
        """Say how many there were."""
        self._log("skip_rows", "success", LogLevel.warn, file=self._file, cantidad=self.count)


def place_in_file(line: int, field: str) -> dict[str, object]:
    """Where in the file, for the log; line 0 and no field are not told."""
    place: dict[str, object] = {"line": line} if line else {}
    return {**place, "field": field} if field else place
