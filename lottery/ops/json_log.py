"""The log for machines: the events of :mod:`lottery.ops.log`, each as one JSON object on a line."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime
from typing import TextIO

from twisted.logger import ILogObserver, LogEvent
from twisted.python.reflect import safe_str

from lottery.ops.log import LONGEST_VALUE, LineObserver, line_observer


def log_observer(stream: TextIO, level_name: str, log_format: str) -> ILogObserver:
    """Make the observer that writes events to ``stream`` in the form that is asked for.

    :param log_format: ``text`` or ``json``.
    """
    return (JsonObserver if log_format == "json" else line_observer)(stream, level_name)


def stdout_json() -> ILogObserver:
    """The observer for ``twistd --logger=lottery.ops.json_log.stdout_json``."""
    return JsonObserver(sys.stdout, "INFO")


class JsonObserver(LineObserver):
    """Writes the same events as :func:`~lottery.ops.log.line_observer`, as objects.

    Members: ``time`` (ISO 8601 in UTC, milliseconds), ``level``, and those of the event:
    ``action``, ``result`` and the details by their names; or ``message``, and at DEBUG the lines of
    its ``traceback``. All of it is ASCII, whatever the encoding of the stream.
    """

    def text(self, event: LogEvent, level_name: str) -> str:
        """Give the object of an event, LF behind it; nothing if there are no words in it."""
        seconds = event.get("log_time")
        moment = datetime.fromtimestamp(seconds, UTC) if seconds else datetime.now(UTC)
        head = {"time": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"}
        head["level"] = level_name
        if "action" in event:
            named = {name: _plain(value) for name, value in event["fields"].items()}
            return _line({**head, **named})
        message, traceback = self.words(event)
        if not message:
            return ""
        details = {"traceback": [_short(line, 4) for line in traceback]} if traceback else {}
        return _line({**head, "message": _short(message, 4), **details})


def _line(members: dict[str, object]) -> str:
    return json.dumps(members, separators=(",", ":")) + "\n"


def _plain(value: object) -> object:
    """Show a value as JSON can: numbers, truth and nothing as they are, all else as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _short(bytes(value[:LONGEST_VALUE]).hex())
    return _short(safe_str(value))


def _short(text: str, times: int = 1) -> str:
    longest = times * LONGEST_VALUE
    return text if len(text) <= longest else f"{text[:longest]}..."
