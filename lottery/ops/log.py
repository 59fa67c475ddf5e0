"""The log: lines of ``action: NAME | result: R | key: value``, each with time and level.

:class:`ActionLog` is the one place that writes ``action:`` lines. Whatever it is given, a line
that it writes keeps the grammar: one line, split at ``|`` into details, each ``name: value``,
and no ``|`` or colon within a value.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from constantly import NamedConstant
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure
from twisted.python.reflect import safe_str
from zope.interface import implementer

RESULTS = frozenset({"success", "fail", "in_progress"})
LONGEST_VALUE = 500  # characters of one value, as written

#: The levels by the names that users know, least severe first.
LEVELS: dict[str, NamedConstant] = {
    "DEBUG": LogLevel.debug,
    "INFO": LogLevel.info,
    "WARNING": LogLevel.warn,
    "ERROR": LogLevel.error,
    "CRITICAL": LogLevel.critical,
}
_NAMES = {level: name for name, level in LEVELS.items()}

_NAME = re.compile(r"[a-z_]+")
# A parser of the log has its own use for them.
_TAKEN = frozenset({"source", "action", "result", "time", "level", "message"})
_IN_VALUES = frozenset("|:\\")
_IN_SENTENCES = frozenset("|\\")


def value_text(value: object) -> str:
    """Show ``value`` in at most 500 characters and ``...``, with what would break a line escaped.

    Bytes become hexadecimal digits, numbers keep at most three decimals, nothing becomes ``-``.
    Text keeps its printable characters; others, ``|``, ``:`` and a blank at either end are
    written ``\\x7c`` or ``\\u202e``, and a backslash is doubled. Never raises.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{value:.3f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    elif isinstance(value, bytes | bytearray | memoryview):
        text = bytes(value[:LONGEST_VALUE]).hex()
    else:
        text = safe_str(value)
    shown = _escaped(text, _IN_VALUES, LONGEST_VALUE)
    # A parser strips the blanks around a value, so one that belongs to it must not look like one.
    if shown.startswith(" "):
        shown = "\\x20" + shown[1:]
    if shown.endswith(" "):
        shown = shown[:-1] + "\\x20"
    return shown or "-"


def _escaped(text: str, special: frozenset[str], longest: int) -> str:
    """``text`` on one line, in at most ``longest`` characters and ``...``."""
    if len(text) <= longest and text.isprintable() and special.isdisjoint(text):
        return text
    pieces: list[str] = []
    room = longest
    for character in text[: longest + 1]:
        piece = _piece(character, special)
        room -= len(piece)
        if room < 0:
            pieces.append("...")
            break
        pieces.append(piece)
    return "".join(pieces)


def _piece(character: str, special: frozenset[str]) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable() and character not in special:
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class ActionLog:
    """Writes ``action:`` lines from one level up: ``log("connect", "success", port=12345)``.

    :param level_name: one of :data:`LEVELS`; lines below it are dropped here, so that it holds
        under any log observer, also ``twistd``'s own.
    :param logger: where the lines go.
    """

    def __init__(self, level_name: str, logger: Logger) -> None:
        self._least = LEVELS[level_name]
        self._logger = logger

    def enabled(self, level: NamedConstant) -> bool:
        """Whether lines of ``level`` are written: ask before making costly details."""
        return bool(level >= self._least)

    def __call__(
        self, action: str, result: str, level: NamedConstant = LogLevel.info, **details: object
    ) -> None:
        """Write ``action: ACTION | result: RESULT | name: value`` with the details in order.

        :param result: ``success``, ``fail`` or ``in_progress``.
        :param details: names of small letters and ``_``; any values, see :func:`value_text`.
        :raises ValueError: on any other result or name, which is a bug of the caller.
        """
        if result not in RESULTS:
            raise ValueError(f"result {result!r} is none of {', '.join(sorted(RESULTS))}")
        for name in (action, *details):
            if not _NAME.fullmatch(name):
                raise ValueError(f"name {name!r} is not made of small letters and _")
        if taken := _TAKEN.intersection(details):
            raise ValueError(f"{min(taken)!r} can not be the name of a detail")
        if not self.enabled(level):
            return
        parts = [f"action: {action}", f"result: {result}"]
        parts += [f"{name}: {value_text(value)}" for name, value in details.items()]
        fields = {"action": action, "result": result, **details}
        self._logger.emit(level, "{line}", line=" | ".join(parts), action=action, fields=fields)

    def failure(self, sentence: str, failure: Failure) -> None:
        """Write, as CRITICAL, what nobody foresaw: ``sentence``, then the error in its words."""
        self._logger.failure("{sentence}", failure, sentence=sentence)


def line_observer(stream: TextIO, level_name: str = "INFO") -> ILogObserver:
    """Make an observer that writes ``%Y-%m-%d %H:%M:%S LEVEL    message`` lines to ``stream``.

    Each event is one line, flushed. ``action:`` lines always pass (:class:`ActionLog` has
    chosen them); other events of ours pass from ``level_name`` up, those of Twisted itself and
    of libraries only from WARNING up, unless ``level_name`` is DEBUG. A failure is one line;
    at DEBUG its traceback follows, every line with time and level of its own. A stream that is
    closed loses lines and harms nobody; a pipe that nobody reads makes us wait, as it does any
    program.
    """
    return LineObserver(stream, level_name)


def stdout_lines() -> ILogObserver:
    """The observer for ``twistd --logger=lottery.ops.log.stdout_lines``."""
    return line_observer(sys.stdout)


@implementer(ILogObserver)
class LineObserver:
    """What :func:`line_observer` makes; other forms of a line are made by classes below it."""

    def __init__(self, stream: TextIO, level_name: str) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._least = LEVELS[level_name]

    def __call__(self, event: LogEvent) -> None:
        """Write an event, if it is wanted."""
        level = event.get("log_level") or LogLevel.info
        if not self._wanted(event, level):
            return
        text = self.text(event, _NAMES.get(level, "INFO"))
        try:
            # A terminal of another encoding must not cost a line.
            self._stream.write(
                text.encode(self._encoding, "backslashreplace").decode(self._encoding)
            )
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more, and there is nowhere else to say so

    def _wanted(self, event: LogEvent, level: NamedConstant) -> bool:
        if "action" in event or self._least is LogLevel.debug:
            return True
        ours = str(event.get("log_namespace", "")).split(".")[0] == "lottery"
        return bool(level >= (self._least if ours else max(self._least, LogLevel.warn)))

    def text(self, event: LogEvent, level_name: str) -> str:
        """Give all lines of an event, LF after each."""
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.get("log_time")))
        start = f"{moment} {level_name:<8} "
        return "".join(f"{start}{line}\n" for line in self._lines(event))

    def _lines(self, event: LogEvent) -> Iterator[str]:
        if "action" in event:
            yield formatEvent(event)
        else:
            message, traceback = self.words(event)
            if message:
                yield _sentence(message)
            yield from map(_sentence, traceback)

    def words(self, event: LogEvent) -> tuple[str, list[str]]:
        """Give an event that is no action in words, and at DEBUG the lines of its traceback."""
        text = formatEvent(event)
        failure = event.get("log_failure")
        if not isinstance(failure, Failure):
            return text, []
        kind = getattr(failure.type, "__name__", "failure")
        cause = f"{kind} {safe_str(failure.value)}".strip()
        traceback = failure.getTraceback().splitlines() if self._least is LogLevel.debug else []
        return f"{text}: {cause}" if text else cause, traceback


def _sentence(text: str) -> str:
    """Free text on one line that no parser can take for an ``action:`` line."""
    return _escaped(text.rstrip(), _IN_SENTENCES, 4 * LONGEST_VALUE).replace(
        "action:", "action\\x3a"
    )
