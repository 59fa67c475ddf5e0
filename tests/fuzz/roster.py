"""The roster: all of it, or a sentence that names the line."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lottery.central.roster import read_roster
from lottery.errors import RemoteProtocolError, SettingsError

_MEMORY = Path("/dev/shm")
_DIRECTORY = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)


def fuzz(data: bytes) -> None:
    """Take the bytes for those of a roster, and each word of it for the mark of a certificate.

    :raises AssertionError: if somebody is known by what no line says, or a sentence cannot be
        printed.
    """
    path = Path(_DIRECTORY.name) / "roster.csv"
    path.write_bytes(data)
    try:
        roster = read_roster(path)
    except SettingsError as error:
        assert str(error).isprintable()
        return
    assert roster.agencies
    for number, agency in roster.agencies.items():
        assert 0 <= number == agency.number < 2**32
        assert 1 <= len(agency.name) <= 64
        assert agency.name.isprintable()
    words = data.decode("utf-8-sig").replace(",", "\n").split("\n")
    for word in {"", *(each.strip() for each in words[:200])}:
        try:
            assert roster.whose([word]).number in roster.agencies
        except RemoteProtocolError:
            pass
