"""The file of winning rows: published whole or not at all.

Rows go to a temporary file beside it as they arrive, so that memory stays flat; what
stands under the final name is either what stood there before or all of the results.
Winning rows are personal data: nobody but the file's owner may read them.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from lottery.agency.failures import BadOutput


class ResultsFile:
    """Winning rows on their way to a file.

    It is opened before anything is sent, so that an output that cannot be written is
    known before the day's bets are away.

    :param path: the final name; a link is followed.
    :param never: a file that must not be replaced, the agency's own bets.
    :raises BadOutput: if there is no such directory, it may not be written to, or
        something other than a regular file has that name.
    """

    def __init__(self, path: Path, never: Path) -> None:
        self._path = path
        self._final = Path(os.path.realpath(path))
        self._published = False
        try:
            self._check(never)
            # Its name is as short as any, however long the final one is; its mode is 0600.
            descriptor, name = tempfile.mkstemp(".part", ".winners.", self._final.parent)
            self._temporary = Path(name)
            self._file = open(descriptor, "wb")  # noqa: SIM115 (open until the errand ends)
            with suppress(PermissionError):  # a file system without modes
                os.fchmod(descriptor, 0o600)  # whatever the umask took away
        except OSError as error:
            raise self._failed(error) from error

    def write(self, rows: bytes) -> None:
        """Add rows.

        :raises BadOutput: if the disk does not take them.
        """
        try:
            self._file.write(rows)
        except OSError as error:
            raise self._failed(error) from error

    def start_over(self) -> None:
        """Drop what was written: the rows will be told again from the first one on.

        :raises BadOutput: if the disk does not let them go.
        """
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise self._failed(error) from error

    def publish(self) -> None:
        """Bring the rows to disk and give them their name.

        :raises BadOutput: if that fails; nothing has changed then.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._final)
            self._published = True
            directory = os.open(self._final.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise self._failed(error) from error

    def discard(self) -> None:
        """Leave nothing behind, unless it was published."""
        if self._published:
            return
        try:
            self._file.close()
        except OSError:
            pass  # rows that no longer matter did not fit on the disk
        self._temporary.unlink(missing_ok=True)

    def _check(self, never: Path) -> None:
        try:
            mode = self._final.stat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise BadOutput(self._path, "it is not a regular file")
        if never.exists() and self._final.samefile(never):
            raise BadOutput(self._path, "it is the file of bets")

    def _failed(self, error: OSError) -> BadOutput:
        return BadOutput(self._path, (error.strerror or str(error)).lower())
