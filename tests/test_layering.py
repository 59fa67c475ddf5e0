"""Who may know whom: read from the imports of every module, none of which is run here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST_MODULE = 320  # lines


def modules() -> dict[str, Path]:
    """All modules of the package by dotted name."""
    found = {}
    for path in sorted((ROOT / "lottery").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imports_below(node: ast.AST) -> Iterator[str]:
    """Dotted names that are imported anywhere below ``node``, but not only for the types."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute here"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from imports_below(child)


@cache
def imports_of(name: str) -> frozenset[str]:
    return frozenset(imports_below(tree_of(name)))


def known_by(name: str) -> set[str]:
    """The modules of ours that importing ``name`` imports, with itself and their packages."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        waiting += [part for part in parents(one) if part in MODULES]
        for imported in imports_of(one):
            waiting += [part for part in (imported, *parents(imported)) if part in MODULES]
    return seen


def parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:number]) for number in range(1, len(parts))]


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imported_from(names: Iterator[str] | set[str], *packages: str) -> set[tuple[str, str]]:
    """Pairs of a module among ``names`` and what it imports of ``packages``."""
    return {(name, one) for name in names for one in imports_of(name) if within(one, *packages)}


def rooms(*packages: str) -> set[str]:
    return {name for name in MODULES if within(name, *packages)}


PURE = rooms("lottery.bets", "lottery.errors", "lottery.wire", "lottery.ledger")
CHILD = known_by("lottery.writer.__main__")


def test_the_reader_of_imports_reads() -> None:
    """Else every rule below would hold of nothing."""
    assert "lottery.errors.Code" in imports_of("lottery.wire.messages")
    assert "lottery.wire.messages" in known_by("lottery.wire.decoder")
    assert len(PURE) > 8
    assert {"lottery", "lottery.writer", "lottery.writer.__main__", "lottery.bets"} <= CHILD


def test_the_map_imports_nothing() -> None:
    """``import lottery`` costs nothing, so a writer child can afford it."""
    assert imports_of("lottery") == frozenset()


def test_pure_rooms_know_no_twisted_and_no_clock() -> None:
    """Bytes in, values out: what they need to know is handed to them."""
    forbidden = ("twisted", "zope", "time", "sched", "asyncio", "threading", "socket", "random")
    # It is a client of a server, and may have to hang up.
    hangs_up = {("lottery.ledger.postgres.connection", "socket")}
    assert imported_from(PURE, *forbidden) == hangs_up
    source = "".join(MODULES[name].read_text(encoding="utf-8") for name in PURE)
    assert not re.search(r"\b(date\.today|datetime\.now|datetime\.utcnow)\b", source)


def test_pure_rooms_know_no_room_above() -> None:
    """Also not by way of others."""
    above = (
        "lottery.writer", "lottery.central", "lottery.agency", "lottery.ops", "lottery.command",
        "lottery.tap", "lottery.settings",
    )  # fmt: skip
    for name in PURE:
        assert not [one for one in known_by(name) if within(one, *above)], name


def test_wire_knows_no_files() -> None:
    """It does no I/O at all."""
    assert imported_from(rooms("lottery.wire"), "os", "io", "pathlib", "lottery.ledger") == set()


def test_the_writer_child_starts_in_a_blink() -> None:
    """It never imports Twisted or attrs, and knows only the rooms below it."""
    slow = ("twisted", "zope", "attr", "attrs", "yaml", "rich", "asyncio", "multiprocessing")
    assert imported_from(CHILD, *slow) == set()
    assert {one for one in CHILD if not within(one, "lottery.writer")} - PURE == {"lottery"}


def test_central_and_agency_do_not_know_each_other() -> None:
    """They share the wire, and nothing else."""
    for name in rooms("lottery.central"):
        assert not [one for one in known_by(name) if within(one, "lottery.agency")], name
    for name in rooms("lottery.agency"):
        one_of = ("lottery.central", "lottery.writer")
        assert not [one for one in known_by(name) if within(one, *one_of)], name


def test_rooms_do_not_know_the_faces() -> None:
    """Commands and the tap know the rooms, not the other way round."""
    names = rooms("lottery.central", "lottery.agency", "lottery.writer", "lottery.ops")
    assert imported_from(names, "lottery.command", "lottery.tap") == set()


def test_audit_imports_nothing_of_ours() -> None:
    """It recounts with code of its own, or it would repeat our mistakes."""
    found = imported_from(rooms("lottery.audit"), "lottery")
    assert found
    assert {one for _, one in found if not within(one, "lottery.audit")} == set()


def reactor_imports(name: str) -> list[str]:
    """Where in a module the reactor is imported: names of functions, "" for the module itself."""
    found = []

    def look(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = child.name
            elif isinstance(child, ast.Import | ast.ImportFrom):
                names = set(imports_below(ast.Module([child], [])))
                if "twisted.internet.reactor" in names:
                    found.append(function)
            look(child, inner)

    look(tree_of(name), "")
    return found


def test_the_reactor_is_imported_in_two_functions() -> None:
    """One for twistd, one for ``lottery``; everything else is handed it."""
    where = [(name, function) for name in MODULES for function in reactor_imports(name)]
    assert all(function for _, function in where), where
    assert len([name for name, _ in where if name == "lottery.tap"]) == 1
    assert len([name for name, _ in where if within(name, "lottery.command")]) == 1
    assert len(where) == 2, where


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short(name) -> None:
    """What does not fit on a few screens is two things."""
    lines = MODULES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_MODULE


@pytest.mark.parametrize("name", MODULES)
def test_names_say_what_a_thing_is(name) -> None:
    """No Manager, Handler, Processor, Helper, Utils: neither a module nor a class."""
    vague = re.compile(r"manager|handler|processor|helper|utils?(?![a-z])", re.IGNORECASE)
    assert not vague.search(name)
    classes = [node.name for node in ast.walk(tree_of(name)) if isinstance(node, ast.ClassDef)]
    assert not [one for one in classes if vague.search(one)]


def test_twisted_folders_are_no_packages() -> None:
    """With an ``__init__.py`` the plugin would vanish, and Twisted's own with it."""
    assert not (ROOT / "twisted" / "__init__.py").exists()
    assert not (ROOT / "twisted" / "plugins" / "__init__.py").exists()


def test_the_plugin_is_one_service_maker() -> None:
    """It is imported at every scan of every twistd: nothing else may happen in it."""
    path = ROOT / "twisted" / "plugins" / "lottery_plugin.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert set(imports_below(tree)) == {"twisted.application.service.ServiceMaker"}
    kinds = [type(node) for node in tree.body]
    assert kinds == [ast.Expr, ast.ImportFrom, ast.Assign]
