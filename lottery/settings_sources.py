"""Where a value comes from: an option, else the environment, else a file, else the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lottery.errors import SettingsError
from lottery.settings_files import Entry
from lottery.settings_values import Setting, Unspeakable, address, flag

Source = dict[str, Entry]  # name of a setting: its value and where that came from

#: Keys of the original's files that mean nothing here.
_IGNORED = frozenset({"server_ip", "loop.amount", "loop.period"})


def gathered(
    table: Sequence[Setting],
    options: Mapping[str, object],
    environ: Mapping[str, str],
    read: Callable[[str], Source],
) -> tuple[Source, tuple[str, ...]]:
    """What holds for each setting, and the keys of the file that mean nothing here."""
    given = _from_options(table, options)
    surroundings = _from_environment(table, environ)
    config = given.pop("config", None) or surroundings.get("config")
    surroundings.pop("config", None)
    file, ignored = _from_file(table, read(config.text)) if config else ({}, ())
    found = {
        row.name: Entry(row.default, "the default") for row in table if row.default is not None
    }
    found = _with_address(found)
    for source in (file, surroundings, given):
        found |= _with_address(source)
    return found, ignored


def _from_options(table: Sequence[Setting], options: Mapping[str, object]) -> Source:
    found: Source = {}
    for setting in table:
        value = options.get(setting.option) if setting.option else None
        if isinstance(value, list | tuple):
            value = "\n".join(map(str, value)) if value else None
        if value is not None and (value or setting.parse is not flag):
            found[setting.name] = Entry(str(value), setting.given_as)
    return found


def _from_environment(table: Sequence[Setting], environ: Mapping[str, str]) -> Source:
    found: Source = {}
    for setting in table:
        for name in setting.environment:
            if name in environ:
                found[setting.name] = Entry(environ[name], f"environment {name}")
                break
    return found


def _from_file(table: Sequence[Setting], entries: Source) -> tuple[Source, tuple[str, ...]]:
    settings = {key: row.name for row in table if row.name != "config" for key in row.file_keys}
    found: Source = {}
    ignored: list[str] = []
    for key, entry in entries.items():
        name = settings.get(key)
        if key in _IGNORED:
            ignored.append(key)
        elif name is None:
            raise SettingsError(f"{entry.where} is unknown")
        elif name in found:
            raise SettingsError(f"{entry.where} says again what {found[name].where} says")
        else:
            found[name] = entry
    return found, tuple(ignored)


def _with_address(source: Source) -> Source:
    """``source`` with ``server``, if it is there, taken apart into ``host`` and ``port``."""
    source = dict(source)
    entry = source.pop("server", None)
    if entry is None:
        return source
    try:
        host, port = address(entry.text)
    except ValueError as error:
        raise _refused(entry, str(error)) from None
    parts = {"host": host, "port": port}
    return source | {
        part: Entry(text, f"the {part} of {entry.where}") for part, text in parts.items()
    }


def parsed(table: Sequence[Setting], found: Source) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in table:
        entry = found.get(setting.name)
        if entry is not None:
            try:
                values[setting.name] = setting.parse(entry.text)
            except Unspeakable as error:
                raise SettingsError(f"{entry.where} must be {error}") from None
            except ValueError as error:
                raise _refused(entry, str(error)) from None
    return values


def _refused(entry: Entry, allowed: str) -> SettingsError:
    text = entry.text if len(entry.text) <= 60 else entry.text[:60] + "..."
    return SettingsError(f"{entry.where} is {text!r}, it must be {allowed}")
