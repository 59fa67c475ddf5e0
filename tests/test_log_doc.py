"""docs/log.md has every action that the code can log, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest
from attrs import frozen
from pages import ROOT, page, section, table

from lottery.ops.log import LEVELS, LONGEST_VALUE, RESULTS

PAGE = page("docs/log.md")
COLUMNS = ("action", "result", "level", "details", "when")
NAMES = {level.name: name for name, level in LEVELS.items()}
ANY = "*"


@frozen
class Line:
    """An action that the code logs; ``*`` is what only the running program knows."""

    where: str
    action: str
    result: str
    level: str
    details: frozenset[str]


def called(call: ast.Call) -> str:
    """The last part of the name of what is called."""
    match call.func:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def words(node: ast.expr, function: ast.AST) -> list[str]:
    """The texts or levels that an expression can be; of a condition, if it holds and if not."""
    match node:
        case ast.Constant(str(text)):
            return [text]
        case ast.Attribute(value=ast.Name("LogLevel"), attr=level):
            return [NAMES[level]]
        case ast.IfExp():
            return words(node.body, function) + words(node.orelse, function)
        case ast.Name(name):
            return [word for value in assigned(name, function) for word in words(value, function)]
    return []


def assigned(name: str, function: ast.AST) -> Iterator[ast.expr]:
    """What a local variable is given, also as one of several."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            yield from (value for to, value in pairs if isinstance(to, ast.Name) and to.id == name)


@cache
def logged() -> list[Line]:
    """Every call of the log in the package."""
    found = []
    for path in sorted((ROOT / "lottery").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in ast.walk(function):
                if not isinstance(call, ast.Call) or called(call) not in {"log", "_log"}:
                    continue
                if len(call.args) < 2:
                    continue
                actions, results = (words(argument, function) for argument in call.args[:2])
                assert actions, ast.unparse(call)
                levels = words(call.args[2], function) if len(call.args) > 2 else ["INFO"]
                details = frozenset(each.arg for each in call.keywords if each.arg)
                room = path.relative_to(ROOT / "lottery").parts[0]
                where = "## The agency" if room == "agency" else "## The central"
                # Two conditions in one call are the same one.
                pair = zip if len(results) == len(levels) else product
                ends = list(pair(results or [ANY], levels or [ANY]))
                found += [Line(where, action, *end, details) for action in actions for end in ends]
    return found


@cache
def described() -> list[Line]:
    """Every row of the page."""
    return [
        Line(
            heading,
            action.strip("`"),
            result,
            level,
            frozenset(detail.strip("`") for detail in details.split(", ") if detail),
        )
        for heading in ("## The central", "## The agency")
        for action, result, level, details, _ in table(section(PAGE, heading), *COLUMNS)
    ]


def fits(code: Line, row: Line) -> bool:
    """Whether a row describes a call."""
    return (
        (code.where, code.action) == (row.where, row.action)
        and code.result in (ANY, row.result)
        and code.level in (ANY, row.level)
        and code.details <= row.details
    )


@pytest.mark.parametrize("line", logged(), ids=lambda line: f"{line.action}-{line.result}")
def test_every_action_is_described(line: Line) -> None:
    """With its result, its level and its details, as far as they stand in the code."""
    assert any(fits(line, row) for row in described()), line


@pytest.mark.parametrize("row", described(), ids=lambda row: f"{row.action}-{row.result}")
def test_every_row_is_logged_somewhere(row: Line) -> None:
    """Nothing is described that the code does not say."""
    assert any(fits(line, row) for line in logged()), row
    assert row.result in RESULTS
    assert row.level in LEVELS


def test_the_reader_of_the_code_reads() -> None:
    """Else the tests above would hold of nothing."""
    actions = {line.action for line in logged()}
    assert {"sorteo", "connect", "writer", "read_input", "apuesta_recibida"} <= actions
    assert len(logged()) > 20


def test_numbers() -> None:
    """The longest value is as long as the page says."""
    assert f"at most {LONGEST_VALUE} characters" in PAGE
