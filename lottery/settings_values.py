"""What a setting is, and what its text may be: a parser for each kind of value.

Each parser returns the value, or raises ValueError with what is allowed, in words that go on
after "it must be".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

LEVEL_NAMES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@frozen
class Setting:
    """One row of the table.

    :ivar name: the field of the result that it fills.
    :ivar parse: makes the value of a text; its ValueError says what is allowed.
    :ivar help: what it does, in a few words.
    :ivar unit: what the value counts or names, for the help.
    :ivar default: as text; None if there is none.
    :ivar option: the long option without its dashes; None if there is no option.
    :ivar environment: names of variables, the canonical one first.
    :ivar keys: further keys in a file, beside the names of the variables and of the option.
    :ivar positional: the option is an argument of the command, without a name before it.
    """

    name: str
    parse: Callable[[str], object]
    help: str
    unit: str
    default: str | None = None
    option: str | None = None
    environment: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    positional: bool = False

    @property
    def given_as(self) -> str:
        """How the option is named in a sentence."""
        option = self.option or ""
        return f"argument {option.upper()}" if self.positional else f"option --{option}"

    @property
    def explained(self) -> str:
        """The line of ``--help``: purpose, unit and default."""
        default = f", default {self.default}" if self.default is not None else ""
        return f"{self.help} [{self.unit}{default}]"

    @property
    def file_keys(self) -> tuple[str, ...]:
        """All keys of a file that mean this setting, in small letters."""
        own = (self.option.replace("-", "_"),) if self.option else ()
        names = (*self.keys, *self.environment, *own)
        return tuple(dict.fromkeys(name.lower() for name in names))


def whole(least: int, most: int) -> Callable[[str], int]:
    """Parser of a whole number in ASCII digits, ``least`` to ``most``."""

    def parse(text: str) -> int:
        # int() alone would take blanks, 1_000 and the digits of other scripts.
        if re.fullmatch("[0-9]{1,18}", text) and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"a whole number from {least} to {most}")

    return parse


def seconds(zero: bool) -> Callable[[str], float]:
    """Parser of seconds, up to a year, with or without decimals; ``zero`` says if 0 is allowed."""
    allowed = f"seconds {'from' if zero else 'above'} 0 up to 31536000, such as 2 or 0.5"

    def parse(text: str) -> float:
        if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", text):
            value = float(text)
            if 0 < value <= 31536000 or (zero and value == 0):
                return value
        raise ValueError(allowed)

    return parse


def flag(text: str) -> bool:
    """Parser of yes and no; ``bool("no")`` would be True."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("yes, true, on or 1, or no, false, off or 0")


def level_name(text: str) -> str:
    """Parser of a log level, in any case."""
    if text.upper() in LEVEL_NAMES:
        return text.upper()
    raise ValueError(f"one of {', '.join(LEVEL_NAMES)}")


def number_or_random(text: str) -> int | None:
    """Parser of the number that wins, 0 to 9999; None for ``random``."""
    try:
        return None if text == "random" else whole(0, 9999)(text)
    except ValueError as error:
        raise ValueError(f"{error}, or random") from None


def one_of(*words: str) -> Callable[[str], str]:
    """Make the parser of one of some words, as they are."""

    def parse(text: str) -> str:
        if text in words:
            return text
        raise ValueError(f"one of {', '.join(words)}")

    return parse


def host_name(text: str) -> str:
    """Parser of a host name, an IPv4 address or an IPv6 address."""
    if re.fullmatch(r"[A-Za-z0-9._:%-]{1,255}", text):
        return text
    raise ValueError("a host name or an IP address")


def address(text: str) -> tuple[str, str]:
    """Parser of ``HOST:PORT``: the host, and the text of the port.

    An IPv6 address stands in brackets, or its colons could not be told from the port's.
    """
    match = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]]+)):([0-9]+)", text)
    if match:
        return match[1] or match[2], match[3]
    raise ValueError("HOST:PORT, with an IPv6 address in brackets")


def file_path(text: str) -> Path:
    """Parser of a path."""
    if text and "\0" not in text:
        return Path(text)
    raise ValueError("a path")


class Unspeakable(ValueError):
    """A bad value that may have a secret in it: it is not repeated when it is refused."""


def database(text: str) -> str:
    """Parser of the place of a database, which may have a password in it.

    :raises Unspeakable: if it is none.
    """
    if text.startswith(("postgresql://", "postgres://")) and "\0" not in text:
        return text
    raise Unspeakable("a URL that begins with postgresql://")


def host_names(text: str) -> tuple[str, ...]:
    """Parser of names of this host, with commas between them."""
    found = tuple(name.strip() for name in text.split(","))
    try:
        return tuple(map(host_name, found))
    except ValueError:
        raise ValueError("host names, with commas between them") from None


def own_endpoint(text: str) -> str:
    """Parser of an endpoint that is for this host alone, unless it names another interface."""
    found = endpoints(text)
    if len(found) > 1:
        raise ValueError("one endpoint")
    kind = found[0].partition(":")[0].lower()
    own = {"tcp": "127.0.0.1", "ssl": "127.0.0.1", "tcp6": r"\:\:1"}.get(kind)
    if ":interface=" in found[0] or kind in ("unix", "systemd"):
        return found[0]
    if own is None:
        raise ValueError("an endpoint of kind tcp, tcp6, ssl, unix or systemd")
    return f"{found[0]}:interface={own}"


def endpoints(text: str) -> tuple[str, ...]:
    """Parser of endpoint strings, one per line; what they say is left to Twisted."""
    found = tuple(line.strip() for line in text.split("\n"))
    if all(line and line.isprintable() for line in found):
        return found
    raise ValueError("an endpoint, such as tcp:12345")
