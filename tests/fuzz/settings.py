"""Files of settings: values, or one sentence that can be printed."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.files import folder

from lottery.errors import SettingsError
from lottery.settings import agency_settings, central_settings
from lottery.settings_files import Entry, read_ini, read_yaml


def fuzz(data: bytes) -> None:
    """Take the bytes for those of a file of settings, of either form.

    :raises AssertionError: if a value is no text, or a sentence cannot be printed.
    """
    path = folder() / "settings"
    path.write_bytes(data)
    _entries(lambda: read_ini(str(path)))
    _entries(lambda: read_yaml(str(path)))
    _sentence(lambda: central_settings({"config": str(path)}, {}))
    _sentence(lambda: agency_settings({"config": str(path), "id": "1", "file": "bets.csv"}, {}))


def _entries(read: Callable[[], dict[str, Entry]]) -> None:
    found: dict[str, Entry] = {}

    def reading() -> None:
        found.update(read())

    _sentence(reading)
    for key, entry in found.items():
        assert isinstance(key, str)
        assert isinstance(entry.text, str)
        assert entry.where.isprintable()


def _sentence(act: Callable[[], object]) -> None:
    """Do it, or fail with a sentence in one line."""
    try:
        act()
    except SettingsError as error:
        assert str(error)
        assert str(error).isprintable()
