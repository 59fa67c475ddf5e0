"""Files of settings: the central's INI file and the agency's YAML file.

Both are read into one shape, ``{key in small letters: Entry(text, where)}``: values stay the
text that stands in the file, so a value means the same whether it comes from a file, from the
environment or from an option.
"""

from __future__ import annotations

import configparser
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import yaml
from attrs import frozen

from lottery.errors import SettingsError

LARGEST_FILE = 65536  # bytes; longer is a mistake, or a pipe that never ends
_MOST_BRACKETS = 16  # open at once; what a file of settings has is two deep


class _ShallowLoader(yaml.SafeLoader):
    """Reads no more than some brackets within brackets.

    With each that is open PyYAML takes longer for whatever follows: 1,500 of them took a second.
    """

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        """Note an opening bracket.

        :raises RecursionError: as for whatever else is nested too deeply.
        """
        if self.flow_level >= _MOST_BRACKETS:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


@frozen
class Entry:
    """A value as text, and where it stands, for a sentence about it."""

    text: str
    where: str


def read_ini(path: str) -> dict[str, Entry]:
    """Read an INI file whose only section is ``[DEFAULT]``; ``%`` in values has no meaning.

    :raises SettingsError: naming file, line where known, and cause.
    """
    text = _read(path)
    path = shown(path)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, source=path)
    except configparser.MissingSectionHeaderError as error:
        raise SettingsError(
            f"{path}, line {error.lineno}: a line stands before [DEFAULT]"
        ) from None
    except configparser.DuplicateOptionError as error:
        raise SettingsError(
            f"{path}, line {error.lineno}: key {error.option!r} stands there again"
        ) from None
    except configparser.DuplicateSectionError as error:
        raise SettingsError(
            f"{path}, line {error.lineno}: section [{shown(error.section)}] stands there again"
        ) from None
    except configparser.ParsingError as error:
        line = error.errors[0][0] if error.errors else "unknown"
        raise SettingsError(f"{path}, line {line}: not of the form KEY = VALUE") from None
    for section in parser.sections():
        raise SettingsError(
            f"{path}: section [{shown(section)}] is unknown, all keys stand in [DEFAULT]"
        )
    lines = _lines_of_keys(text)
    return {
        key: Entry(value, f"{path}{lines.get(key, '')}, key {shown(key.upper())}")
        for key, value in parser.defaults().items()
    }


def _lines_of_keys(text: str) -> dict[str, str]:
    """``, line N`` of each key in the text of an INI file."""
    lines: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        lines.setdefault(re.split("[=:]", line)[0].strip().lower(), f", line {number}")
    return lines


def read_yaml(path: str) -> dict[str, Entry]:
    """Read a YAML mapping; what is nested gets dotted keys, ``log: {level: X}`` is ``log.level``.

    Scalars are taken as they are written (``0042`` stays ``0042``, ``no`` stays ``no``), and
    no object is ever made of a tag.

    :raises SettingsError: naming file, line where known, and cause.
    """
    text = _read(path)
    path = shown(path)
    try:
        root = yaml.compose(text, Loader=_ShallowLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError(f"{path}{line}: not YAML, {error.problem}") from None
    except yaml.YAMLError as error:
        cause = getattr(error, "reason", "it can not be read")
        raise SettingsError(f"{path}: not YAML, {cause}") from None
    except RecursionError:
        raise SettingsError(f"{path}: nested too deeply") from None
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(f"{path}: not a mapping of keys to values")
    found: dict[str, Entry] = {}
    for key, entry in _scalars(root, path, "", set()):
        if key in found:
            raise SettingsError(f"{entry.where} stands there again")
        found[key] = entry
    return found


def _scalars(
    mapping: yaml.MappingNode, path: str, prefix: str, seen: set[int]
) -> Iterator[tuple[str, Entry]]:
    """All scalars below ``mapping`` with their dotted keys.

    :param seen: the values met so far: one that is met again is an alias, and a few lines of
        aliases can stand for more values than memory holds.
    """
    for key_node, node in mapping.value:
        where = f"{path}, line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise SettingsError(f"{where}: a key must be a plain word")
        name = prefix + key_node.value
        where += f", key {shown(name)}"
        if id(node) in seen:
            raise SettingsError(f"{where}: anchors and aliases are not allowed")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from _scalars(node, path, f"{name}.", seen)
        elif isinstance(node, yaml.ScalarNode):
            yield name.lower(), Entry(node.value, where)
        else:
            raise SettingsError(f"{where}: a list is not allowed, one value is")


def read_regular(path: Path, largest_bytes: int, other: str, *, secret: bool = False) -> bytes:
    """Read the whole of a regular file.

    :param other: what a longer file is, to end a sentence.
    :param secret: others may not be able to read it. It is the open file that is asked, not the
        path, which may be another file's at the next moment.
    :raises SettingsError: naming file and cause.
    """
    name = shown(str(path))
    try:
        # Without O_NONBLOCK a named pipe would be waited for.
        with open(path, "rb", opener=_without_waiting) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SettingsError(f"{name}: is no regular file")
            if secret and status.st_mode & 0o077:
                raise SettingsError(
                    f"{name}: others can read the key, chmod 600 keeps them from it"
                )
            # Whoever asks for more bytes than there are gets a buffer for all that was asked for.
            data = opened.read(min(status.st_size, largest_bytes) + 1)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise SettingsError(f"{name}: can not be read, {cause}") from None
    if len(data) > largest_bytes:
        raise SettingsError(f"{name}: longer than {largest_bytes} bytes, {other}")
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _read(path: str) -> str:
    """The text of a small UTF-8 file, without a byte-order mark."""
    name = shown(path)
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise SettingsError(f"{name}: can not be read, {cause}") from None
    if len(data) > LARGEST_FILE:
        raise SettingsError(f"{name}: longer than {LARGEST_FILE} bytes, not a file of settings")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{name}, line {line}: not UTF-8 text") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SettingsError(f"{name}, line {line}: not text, it holds a NUL")
    return text


def shown(text: str) -> str:
    """``text`` fit for a sentence: nothing in it moves the cursor of a terminal."""
    return text if text and text.isprintable() else ascii(text)
