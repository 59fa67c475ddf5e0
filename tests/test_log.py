"""``lottery.ops.log``: every line keeps the grammar, which is parsed here by other code."""

from __future__ import annotations

import io
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogEvent, Logger, LogLevel, LogPublisher

from lottery.ops.log import LEVELS, ActionLog, line_observer, stdout_lines, value_text

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([A-Z]+) +(.*)")


class Program:
    """A log from ``ActionLog`` or ``Logger`` to a stream, without any global publisher."""

    def __init__(self, level_name: str = "DEBUG", namespace: str = "lottery.test") -> None:
        self.stream = io.StringIO()
        publisher = LogPublisher(line_observer(self.stream, level_name))
        self.logger = Logger(namespace, observer=publisher)
        self.log = ActionLog(level_name, self.logger)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def parse(line: str) -> dict[str, str]:
    """The strict reader of a line: split at ``|``, a value is what follows the last colon."""
    match = LINE.fullmatch(line)
    assert match, line
    datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").astimezone()
    assert match[2] in LEVELS
    parts: dict[str, str] = {"level": match[2]}
    for number, part in enumerate(match[3].split("|")):
        assert part.count(":") == 1, part
        name, value = (text.strip() for text in part.split(":"))
        assert name, part
        assert value, part
        assert name not in parts or name == "level", part
        assert (name == "action") == (number == 0), part
        assert (name == "result") == (number == 1), part
        assert name != "source", part
        parts[f"detail {name}" if number > 1 else name] = value
    assert parts["result"] in {"success", "fail", "in_progress"}
    return parts


def test_line_to_the_byte() -> None:
    """Time, padded level, action, result and details in the order they were given."""
    program = Program()
    program.log("config", "success", LogLevel.debug, port=12345, listen_backlog=5, a="x")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d DEBUG    action: config \| result: success"
        r" \| port: 12345 \| listen_backlog: 5 \| a: x\n",
        program.text,
    )


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (LogLevel.debug, "DEBUG    "),
        (LogLevel.info, "INFO     "),
        (LogLevel.warn, "WARNING  "),
        (LogLevel.error, "ERROR    "),
        (LogLevel.critical, "CRITICAL "),
    ],
)
def test_levels_are_padded_to_eight(level, shown) -> None:
    """Users' names of the levels, in a column."""
    program = Program()
    program.log("sorteo", "success", level)
    assert program.text[20:] == f"{shown}action: sorteo | result: success\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain text, with ñ and 'quotes'", "plain text, with ñ and 'quotes'"),
        ("", "-"),
        (None, "-"),
        (" ", "\\x20"),
        ("  a  ", "\\x20 a \\x20"),
        ("a|b:c", "a\\x7cb\\x3ac"),
        ("\\x7c", "\\\\x7c"),
        ("a\r\nb\0", "a\\x0d\\x0ab\\x00"),
        ("\u202egnirts\u2028\u00a0\ufeff", "\\u202egnirts\\u2028\\xa0\\ufeff"),
        ("\ud800\U000e0001", "\\ud800\\U000e0001"),
        (b"\x00\xff", "00ff"),
        (bytearray(b"|"), "7c"),
        (memoryview(b""), "-"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-3, "-3"),
        (60.0, "60"),
        (0.25, "0.25"),
        (1 / 3, "0.333"),
        (100.0, "100"),
        (float("inf"), "inf"),
        (("a", 1), "('a', 1)"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 500 + "..."),
        ("|" * 501, "\\x7c" * 125 + "..."),
    ],
)
def test_values(value, shown) -> None:
    """What is plain stays, what would break a line is shown by its number."""
    assert value_text(value) == shown


def test_a_value_that_can_not_be_shown() -> None:
    """An object whose text raises, and a number of too many digits, still make one value."""

    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no: text|")

    for value in (Bad(), 10**5000):
        shown = value_text(value)
        assert shown.isprintable()
        assert not set("|:") & set(shown)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.text(),
    st.text(alphabet="|: \\\n\r\u2028action:result-"), st.text(st.characters(categories=["Cs"])),
    st.lists(st.text()),
)  # fmt: skip
NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1).filter(
    lambda name: name not in {"source", "action", "result", "level", "self"}
)


@given(st.dictionaries(NAMES, VALUES), st.sampled_from(["success", "fail", "in_progress"]), NAMES)
def test_any_details_parse_back(details, result, action) -> None:
    """Whatever the values, it is one line, with each detail under its name and no other."""
    program = Program()
    program.log(action, result, **details)
    assert program.text.count("\n") == 1
    parts = parse(program.text[:-1])
    assert parts["action"] == action
    assert parts["result"] == result
    assert [name[7:] for name in parts if name.startswith("detail ")] == list(details)


@given(st.text(), st.text())
def test_different_texts_look_different(one, other) -> None:
    """Escaping is unambiguous, but for the dash that stands for nothing."""
    texts = {text or "-" for text in (one, other)}
    assert len({value_text(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("action", "result", "details"),
    [
        ("config", "ok", {}),
        ("config", "", {}),
        ("Config", "success", {}),
        ("a b", "success", {}),
        ("", "success", {}),
        ("config\n", "success", {}),
        ("config", "success", {"source": 1}),
        ("config", "success", {"Port": 1}),
        ("config", "success", {"port:": 1}),
        ("config", "success", {"": 1}),
        ("config", "success", {"port2": 1}),
    ],
)
def test_what_breaks_the_grammar_is_a_bug(action, result, details) -> None:
    """Names and results are ours, so a wrong one raises, and nothing is written."""
    program = Program("ERROR")  # also if the line would be dropped
    with pytest.raises(ValueError, match=r"."):
        program.log(action, result, **details)
    assert program.text == ""


@pytest.mark.parametrize("least", LEVELS)
def test_levels_filter_without_our_observer(least) -> None:
    """Lines below the level do not even reach the publisher: twistd's own observer has no level."""
    events: list[LogEvent] = []
    log = ActionLog(least, Logger("lottery", observer=events.append))
    for level in LEVELS.values():
        log("sorteo", "success", level)
        assert log.enabled(level) == (level >= LEVELS[least])
    assert [event["log_level"] for event in events] == [
        level for level in LEVELS.values() if level >= LEVELS[least]
    ]


def test_action_lines_pass_an_observer_of_another_level() -> None:
    """Under ``--logger`` the observer does not know the level that was chosen."""
    stream = io.StringIO()
    logger = Logger("lottery", observer=line_observer(stream))
    ActionLog("DEBUG", logger)("sorteo", "success", LogLevel.debug)
    assert "DEBUG    action: sorteo" in stream.getvalue()


@pytest.mark.parametrize(
    ("level_name", "namespace", "level", "shown"),
    [
        ("INFO", "lottery.central", LogLevel.info, True),
        ("INFO", "lottery.central", LogLevel.debug, False),
        ("ERROR", "lottery.central", LogLevel.warn, False),
        ("INFO", "twisted.internet", LogLevel.info, False),
        ("INFO", "lotteryish", LogLevel.info, False),
        ("INFO", "twisted.internet", LogLevel.warn, True),
        ("ERROR", "twisted.internet", LogLevel.warn, False),
        ("DEBUG", "twisted.internet", LogLevel.debug, True),
    ],
)
def test_free_text(level_name, namespace, level, shown) -> None:
    """Ours from the level up; that of libraries from WARNING up, but all of it at DEBUG."""
    program = Program(level_name, namespace)
    program.logger.emit(level, "closing {what}", what="the port")
    assert program.text.endswith(" closing the port\n") == shown
    assert bool(program.text) == shown


def test_free_text_is_no_action_line() -> None:
    """Text of a peer within a message can not pass for a line of its own, or for an action."""
    program = Program("INFO")
    program.logger.info("{text}", text="x\naction: sorteo | result: success")
    assert program.text.endswith(" x\\x0aaction\\x3a sorteo \\x7c result: success\n")


def test_events_without_text_or_level() -> None:
    """Nothing to say is not said, and what has no level is INFO."""
    stream = io.StringIO()
    observer = line_observer(stream, "DEBUG")
    observer({"log_time": 0.0})
    assert stream.getvalue() == ""
    observer({"log_time": 0.0, "log_format": "hello"})
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO     hello\n", stream.getvalue())


def fail(program: Program) -> None:
    """Log a failure whose text would break lines."""
    try:
        raise ValueError("bad | thing\nhere")
    except ValueError:
        program.logger.failure("while {doing}", doing="it")


def test_a_failure_is_one_line() -> None:
    """Type and text, no traceback."""
    program = Program("INFO")
    fail(program)
    assert program.text[20:] == "CRITICAL while it: ValueError bad \\x7c thing\\x0ahere\n"


def test_a_failure_at_debug_has_its_traceback() -> None:
    """Every line of it has time and level, so that no tool loses its place."""
    program = Program("DEBUG")
    fail(program)
    lines = program.text.splitlines()
    assert len(lines) > 3
    assert all(LINE.fullmatch(line)[2] == "CRITICAL" for line in lines)
    assert "Traceback" in lines[1]


def test_a_failure_by_the_action_log() -> None:
    """The sentence is no format: braces in it stay."""
    program = Program("INFO")
    try:
        raise KeyError("k")
    except KeyError:
        from twisted.python.failure import Failure

        program.log.failure("no {format}", Failure())
    assert program.text[20:] == "CRITICAL no {format}: KeyError 'k'\n"


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_stream_harms_nobody() -> None:
    """Neither a broken pipe nor a closed file reaches the program."""
    closed = io.StringIO()
    closed.close()
    for stream in (Gone(), closed):
        ActionLog("INFO", Logger("lottery", observer=line_observer(stream)))("sorteo", "success")


def test_a_stream_of_another_encoding() -> None:
    """What a terminal can not show is escaped, not lost."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    log = ActionLog("INFO", Logger("lottery", observer=line_observer(stream)))
    log("sorteo", "success", who="Muñoz")
    assert raw.getvalue().endswith(b"| who: Mu\\xf1oz\n")


def test_stdout_lines(capsys) -> None:
    """The factory for ``twistd --logger``: it writes to stdout, line by line."""
    log = ActionLog("INFO", Logger("lottery", observer=stdout_lines()))
    log("sorteo", "success")
    assert parse(capsys.readouterr().out.rstrip("\n"))["action"] == "sorteo"
