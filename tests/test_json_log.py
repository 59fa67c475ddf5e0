"""``lottery.ops.json_log``: every event is one object, with the same members as the text has."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from lottery.ops.json_log import log_observer, stdout_json
from lottery.ops.log import ActionLog

MOMENT = 1795406237.2045


class Program:
    """A log in JSON to a stream that takes ASCII alone, at a moment that stands still."""

    def __init__(self, level_name: str = "DEBUG", namespace: str = "lottery.test") -> None:
        self.raw = io.BytesIO()
        stream = io.TextIOWrapper(self.raw, encoding="ascii", newline="\n")
        publisher = LogPublisher(log_observer(stream, level_name, "json"))
        still = LogPublisher(lambda event: publisher({**event, "log_time": MOMENT}))
        self.logger = Logger(namespace, observer=still)
        self.log = ActionLog(level_name, self.logger)

    @property
    def text(self) -> str:
        return self.raw.getvalue().decode("ascii")

    @property
    def only(self) -> dict[str, Any]:
        """The one object that was written."""
        assert self.text.count("\n") == 1, self.text
        return dict(json.loads(self.text))


def test_the_bytes_of_a_line() -> None:
    """They are those of the page."""
    program = Program("INFO")
    program.log("apuesta_recibida", "success", agency=1, cantidad=3258)
    assert program.text == (
        '{"time":"2026-11-23T03:57:17.204Z","level":"INFO","action":"apuesta_recibida",'
        '"result":"success","agency":1,"cantidad":3258}\n'
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (2**64, 2**64),
        (1.23456, 1.235),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (b"\x00\xff", "00ff"),
        (b"\x00" * 251, "00" * 250 + "..."),
        (Path("/a b/ñ"), "/a b/ñ"),
        (OSError(28, "No space left"), "[Errno 28] No space left"),
        ("a|b: c\\\n\x1b[2J\u202e\ud800", "a|b: c\\\n\x1b[2J\u202e\ud800"),
        ("", ""),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 500 + "..."),
    ],
)
def test_values(value: object, shown: object) -> None:
    """Numbers, truth and nothing stay what they are; text is whole, and short."""
    program = Program()
    program.log("sorteo", "success", value=value)
    assert program.only["value"] == shown
    assert type(program.only["value"]) is type(shown)


@given(st.text(), st.text())
def test_any_text_is_one_line(detail: str, message: str) -> None:
    """Whatever a peer sends, a line is one object of printable ASCII."""
    program = Program()
    program.log("sorteo", "fail", detail=detail)
    program.logger.info("{message}", message=message)
    lines = program.text.splitlines()
    assert len(lines) == 1 + bool(message)
    assert program.text.replace("\n", "").isprintable()
    assert json.loads(lines[0])["detail"].removesuffix("...") == detail[:500]


def test_a_value_that_cannot_be_shown() -> None:
    """A bug in a value costs neither the line nor the program."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    program = Program()
    program.log("sorteo", "success", value=Broken())
    assert "Broken" in program.only["value"]


def test_levels() -> None:
    """The same lines are left out as in text."""
    program = Program("WARNING")
    program.log("connect", "success")
    program.log("connect", "fail", LogLevel.warn)
    program.logger.info("words of ours")
    assert [program.only[key] for key in ("level", "result")] == ["WARNING", "fail"]


def test_libraries_are_heard_from_warning_up() -> None:
    """As in text."""
    program = Program("INFO", "twisted.web")
    program.logger.info("a site is up")
    assert program.text == ""
    program.logger.warn("it is down\r\n")
    assert program.only["message"] == "it is down\r\n"


@pytest.mark.parametrize(("level_name", "traceback"), [("INFO", False), ("DEBUG", True)])
def test_a_failure(level_name: str, traceback: bool) -> None:
    """Its words always, the lines of its traceback at DEBUG; one object either way."""
    program = Program(level_name)
    try:
        raise ValueError("a\nb" * 1000)
    except ValueError:
        program.log.failure("it broke", Failure())
    written = program.only
    assert written["message"].startswith("it broke: ValueError a\nb")
    assert (written["level"], len(written["message"])) == ("CRITICAL", 2003)
    assert ("traceback" in written) is traceback
    if traceback:
        assert "Traceback" in written["traceback"][0]
        assert all("\n" not in line for line in written["traceback"])


@pytest.mark.parametrize("name", ["time", "message"])
def test_names_of_its_own(name: str) -> None:
    """No detail can take the place of what every object has."""
    with pytest.raises(ValueError, match=name):
        Program().log("sorteo", "success", **{name: 1})


def test_text_is_asked_for() -> None:
    """The other form is the one of ``line_observer``."""
    stream = io.StringIO()
    log = ActionLog("INFO", Logger("lottery", observer=log_observer(stream, "INFO", "text")))
    log("sorteo", "success")
    assert stream.getvalue().endswith(" INFO     action: sorteo | result: success\n")


def test_stdout_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The factory for ``twistd --logger``."""
    ActionLog("INFO", Logger("lottery", observer=stdout_json()))("sorteo", "success")
    assert json.loads(capsys.readouterr().out)["action"] == "sorteo"
