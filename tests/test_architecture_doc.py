"""docs/architecture.md says what the code does: statuses, numbers and rooms."""

from __future__ import annotations

import ast
import inspect
import re

import pytest
from pages import ROOT, page, section, table

import lottery
from lottery.central import service, terms
from lottery.settings_table import CENTRAL
from lottery.wire import frames
from lottery.writer import ANSWERS_FD, ORDERS_FD, child, pipe, process, seat
from lottery.writer.pipe import Exit

PAGE = page("docs/architecture.md")
PLAIN = " ".join(PAGE.split())

MODULES = {"bets", "errors", "settings", "tap", "tls"}


def test_statuses_of_writers() -> None:
    """The table is the enumeration, with the comments behind its members."""
    source = inspect.getsource(pipe.Exit)
    comments = dict(re.findall(r"^ +([A-Z]+) = \d+  # (.*)$", source, re.MULTILINE))
    expected = [[str(status.value), status.name, comments[status.name]] for status in Exit]
    assert table(section(PAGE, "### How a writer ends"), "status", "name", "what") == expected


def default_of(name: str) -> str | None:
    """The default of a setting of the central."""
    return next(row.default for row in CENTRAL if row.name == name)


@pytest.mark.parametrize(
    ("sentence", "value"),
    [
        ("in its pipe (at most {} KiB)", child.PIPE_BYTES >> 10),
        ("the group has {} KiB", child.GROUP_BYTES >> 10),
        ("has a budget of {} KiB", process.BUDGET_BYTES >> 10),
        ("never had {} KiB in hand", seat.LIGHT_BYTES >> 10),
        ("and for {:g} s after that", process.SHORT_SECONDS),
        ("share {} KiB that may be without", process.SHORT_BYTES >> 10),
        ("at most {} KiB), which the decoder", frames.RUN_BYTES >> 10),
        ("go down the child's fd {}", ORDERS_FD),
        ("flushes, and answers on fd {}", ANSWERS_FD),
        ("after {:g} s they are killed", service.STOP_WRITERS_SECONDS),
        ("after {:g} s they are aborted", service.STOP_AGENCIES_SECONDS),
        ("but for at most {} s", default_of("close_grace")),
        ("`--silence` seconds, {:g} if that is 0, too", terms.DELIVERY_SECONDS),
    ],
)
def test_numbers(sentence: str, value: float) -> None:
    """Each number is that of the code."""
    assert sentence.format(value) in PLAIN


def rooms() -> list[tuple[str, str]]:
    """The rooms and what they are for, as ``lottery`` itself has them."""
    found = re.findall(r"^``(\w+)`` +(.*)$", lottery.__doc__ or "", re.MULTILINE)
    return [(name, what.replace("``", "`")) for name, what in found]


def test_rooms() -> None:
    """The map is the one in the package's docstring, and all rooms are on it."""
    rows = table(section(PAGE, "## The rooms"), "room", "what it is for", "knows")
    assert [(room.strip("`"), what) for room, what, _ in rows] == rooms()
    real = {path.stem.split("_")[0] for path in (ROOT / "lottery").iterdir() if path.is_file()}
    real |= {path.name for path in (ROOT / "lottery").iterdir() if (path / "__init__.py").exists()}
    assert {name for name, _ in rooms()} == real - {"", "py"}


def test_who_knows_whom() -> None:
    """No room knows one that its row does not name."""
    rows = table(section(PAGE, "## The rooms"), "room", "what it is for", "knows")
    for number, (name, _, knows) in enumerate(rows):
        room = name.strip("`")
        allowed = set(re.findall(r"`(\w+)`", knows)) | {room}
        if knows.startswith("all above"):
            allowed |= {row[0].strip("`") for row in rows[:number]}
        known = imported_rooms(room)
        if knows == "all":
            continue
        if knows.startswith("all but "):
            assert known.isdisjoint(set(re.findall(r"`(\w+)`", knows))), room
            continue
        assert known <= allowed, room


def imported_rooms(room: str) -> set[str]:
    """The rooms that a room's modules import, for their types or for their work."""
    base = ROOT / "lottery"
    paths = list(base.glob(f"{room}*.py")) if room in MODULES else list((base / room).glob("*.py"))
    assert paths, room
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lottery."):
                found.add(str(node.module).split(".")[1].split("_")[0])
    return found
