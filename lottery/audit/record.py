"""``draw.json``, a draw's record, line by line.

The record has one form only, so it is read as lines, each of which can only be this one. A parser
of JSON would take much else: members twice, in another order, NaN, depths without end. And here
every fault has a line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from lottery.audit.differences import Differs

NAME: Final = "draw.json"
STATES: Final = ("open", "closing", "sealed", "drawn", "delivered", "void")

_PART_KEYS: Final = (
    "agency", "dialect", "outcome", "reason", "bets", "crc32", "nonce", "bytes", "sha256",
    "winners", "received",
)  # fmt: skip
_WHOLE: Final = re.compile("0|[1-9][0-9]{0,18}")

T = TypeVar("T")
#: Makes the value of the text of a line; its ValueError says what it has to be.
Kind = Callable[[str], T]


class Part(NamedTuple):
    """An agency's part in the draw; ``line`` is where it begins, ``size`` the member "bytes"."""

    agency: int
    classic: bool
    succeeded: bool
    reason: str
    bets: int
    crc32: int
    nonce: bytes
    size: int | None
    sha256: str | None
    winners: int | None
    received: bool | None
    line: int

    def line_of(self, key: str) -> int:
        """Give the line of one of its members."""
        return self.line + 1 + _PART_KEYS.index(key)


class Sum(NamedTuple):
    """What is said of a file, from ``line`` on; ``size`` in bytes, ``bets`` None for a segment."""

    name: str
    bets: int | None
    size: int
    sha256: str
    line: int


class DrawRecord(NamedTuple):
    """What the record says; ``lines`` are those of its own members."""

    draw: int
    state: str
    places: int
    parts: tuple[Part, ...]
    segments: tuple[Sum, ...]
    bets_csv: Sum | None
    winning_number: int | None
    winners_csv: Sum | None
    commitment: str | None
    secret: bytes | None
    lines: dict[str, int]


def parse(data: bytes) -> DrawRecord:
    """Give what a record says; whether that is so is not looked at here, but its digest is.

    :raises Differs: for the first line that no record can have, or a wrong digest.
    """
    lines = _Lines(data)
    lines.literal("{")
    lines.member(2, "format", _word("lottery draw 1"))
    draw = lines.member(2, "draw", _whole(1))
    state = lines.member(2, "state", _word(*STATES))
    places = lines.member(2, "places", _whole(1))
    parts = lines.array("agencies", _part)
    segments = lines.array("segments", _segment)
    bets_csv = _csv(lines, "bets_csv", "bets.csv")
    winning_number = lines.member(2, "winning_number", _or_null(_whole(0, 9999)))
    winners_csv = _csv(lines, "winners_csv", "winners.csv")
    commitment, secret = None, None
    if lines.begins("commitment"):
        commitment = lines.member(2, "commitment", _hex(64))
        revealed = lines.member(2, "secret", _or_null(_hex(64)))
        secret = None if revealed is None else bytes.fromhex(revealed)
    digest = lines.member(2, "sha256", _hex(64), last=True)
    lines.end()
    own = lines.of["sha256"]
    before = data[: -len(f'  "sha256": "{digest}"\n}}\n')]
    if hashlib.sha256(before).hexdigest() != digest:
        what = f"the SHA-256 here is not that of lines 1 to {own - 1}, something there was changed"
        raise Differs(NAME, what, line=own)
    return DrawRecord(
        draw, state, places, parts, segments, bets_csv, winning_number, winners_csv,
        commitment, secret, lines.of,
    )  # fmt: skip


class _Lines:
    """The lines of a record, taken one after the other.

    :ivar of: in which line each of the record's own members stands, or begins.
    """

    def __init__(self, data: bytes) -> None:
        self.of: dict[str, int] = {}
        self._number = 1
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise Differs(NAME, "this is no UTF-8", line=line, byte=error.start) from None
        self._lines = text.split("\n")

    @property
    def next_number(self) -> int:
        """Give the number of the line to be taken next."""
        return self._number

    @property
    def _line(self) -> str:
        if self._number > len(self._lines) or self._rest_is_empty():
            raise self.differs("the file ends here, and is not at its end")
        return self._lines[self._number - 1]

    def _rest_is_empty(self) -> bool:
        return self._number == len(self._lines) and not self._lines[-1]

    def literal(self, expected: str) -> None:
        """Take a line that can only be this one."""
        if self._line != expected:
            raise self.differs(f"{expected.strip()} should be here")
        self._number += 1

    def is_next(self, line: str) -> bool:
        """Take the line if it is this one; gives whether it was."""
        if self._line != line:
            return False
        self._number += 1
        return True

    def member(self, indent: int, key: str, kind: Kind[T], *, last: bool = False) -> T:
        """Take a line with a member of an object, and give its value."""
        begin, end = f'{" " * indent}"{key}": ', "" if last else ","
        line = self._line
        if not line.startswith(begin):
            raise self.differs(f'"{key}" should be here')
        if not line.endswith(end):
            raise self.differs(f'a comma should be behind "{key}"')
        try:
            value = kind(line[len(begin) : len(line) - len(end)])
        except ValueError as error:
            raise self.differs(f'"{key}" must be {error}') from None
        if indent == 2:
            self.of[key] = self._number
        self._number += 1
        return value

    def begins(self, key: str) -> bool:
        """Whether the line to be taken next is this member of the record."""
        return self._line.startswith(f'  "{key}": ')

    def array(self, key: str, item: Callable[[_Lines, int], T]) -> tuple[T, ...]:
        """Take an array of objects.

        :param item: takes the members of one, given the line where it begins.
        """
        self.of[key] = self._number
        if self.is_next(f'  "{key}": [],'):
            return ()
        self.literal(f'  "{key}": [')
        found = []
        more = True
        while more:
            begin = self._number
            self.literal("    {")
            found.append(item(self, begin))
            more = self.is_next("    },")
            if not more:
                self.literal("    }")
        self.literal("  ],")
        return tuple(found)

    def end(self) -> None:
        """Take the last line."""
        self.literal("}")
        if not self._rest_is_empty():
            what = (
                "it goes on behind its end"
                if self._number <= len(self._lines)
                else ("a line feed should be behind its last line")
            )
            raise self.differs(what)

    def differs(self, what: str) -> Differs:
        """Say that the line to be taken next is not what it should be."""
        return Differs(NAME, what, line=min(self._number, len(self._lines)))


def _part(lines: _Lines, begin: int) -> Part:
    return Part(
        lines.member(6, "agency", _whole(0, 2**32 - 1)),
        lines.member(6, "dialect", _word("lottery/1", "classic")) == "classic",
        lines.member(6, "outcome", _word("succeeded", "left_out")) == "succeeded",
        lines.member(6, "reason", _text),
        lines.member(6, "bets", _whole(0)),
        int(lines.member(6, "crc32", _hex(8)), 16),
        bytes.fromhex(lines.member(6, "nonce", _hex(64, 0))),
        lines.member(6, "bytes", _or_null(_whole(0))),
        lines.member(6, "sha256", _or_null(_hex(64))),
        lines.member(6, "winners", _or_null(_whole(0))),
        lines.member(6, "received", _or_null(_truth), last=True),
        begin,
    )


def _segment(lines: _Lines, begin: int) -> Sum:
    return Sum(
        lines.member(6, "name", _text),
        None,
        lines.member(6, "bytes", _whole(0)),
        lines.member(6, "sha256", _hex(64), last=True),
        begin,
    )


def _csv(lines: _Lines, key: str, name: str) -> Sum | None:
    begin = lines.of[key] = lines.next_number
    if lines.is_next(f'  "{key}": null,'):
        return None
    lines.literal(f'  "{key}": {{')
    found = Sum(
        name,
        lines.member(4, "bets", _whole(0)),
        lines.member(4, "bytes", _whole(0)),
        lines.member(4, "sha256", _hex(64), last=True),
        begin,
    )
    lines.literal("  },")
    return found


def _whole(least: int, most: int = 2**63 - 1) -> Kind[int]:
    def kind(text: str) -> int:
        if _WHOLE.fullmatch(text) and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"a whole number from {least} to {most}")

    return kind


def _word(*words: str) -> Kind[str]:
    def kind(text: str) -> str:
        if text[1:-1] in words and text == f'"{text[1:-1]}"':
            return text[1:-1]
        raise ValueError(" or ".join(f'"{word}"' for word in words))

    return kind


def _hex(*lengths: int) -> Kind[str]:
    def kind(text: str) -> str:
        if len(text) - 2 in lengths and re.fullmatch('"[0-9a-f]*"', text):
            return text[1:-1]
        raise ValueError(f"{' or '.join(map(str, lengths))} small hexadecimal digits in quotes")

    return kind


def _text(text: str) -> str:
    try:
        value = json.loads(text) if text.startswith('"') else None
    except ValueError:
        value = None
    # What UTF-8 does not know has to be escaped, and only that and what JSON asks for.
    written = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    if not isinstance(value, str) or written != text:
        raise ValueError("a text as JSON has it, with no more escapes than needed")
    return value


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _or_null(inner: Kind[T]) -> Kind[T | None]:
    def kind(text: str) -> T | None:
        try:
            return None if text == "null" else inner(text)
        except ValueError as error:
            raise ValueError(f"null or {error}") from None

    return kind
