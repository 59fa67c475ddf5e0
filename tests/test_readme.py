"""README.md says what the code does: its settings, its commands, its links."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from pages import ROOT, code, links, page, section, table

from lottery import tap
from lottery.settings import agency_settings
from lottery.settings_table import AGENCY, CENTRAL
from lottery.settings_values import Setting

README = page("README.md")
COLUMNS = ("option", "environment", "file key", "default", "unit")


def commands() -> list[str]:
    """Every command line in the blocks of code, whatever stands before the program's name."""
    found = []
    for language in ("sh", "console", "ini"):
        for line in "".join(code(README, language)).splitlines():
            match = re.search(r"(?:^|[\s/])((?:twistd\b.* )?lottery [^#>]*)", line)
            if match and not line.startswith("#"):
                found.append(match[1].strip())
    return found


def described(table: Sequence[Setting]) -> list[list[str]]:
    """What the page has to say of each setting."""
    return [
        [
            setting.help,
            _codes([_option(setting)] if setting.option else []),
            _codes(setting.environment),
            _codes(_keys(setting)),
            "number of cores" if setting.name == "writers" else setting.default or "-",
            setting.unit,
        ]
        for setting in table
    ]


def _codes(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def _option(setting: Setting) -> str:
    return (setting.option or "").upper() if setting.positional else f"--{setting.option}"


def _keys(setting: Setting) -> list[str]:
    """The keys in a file beside the names in the environment, written as people write them."""
    written = {key.lower(): key for key in setting.keys}
    variables = {name.lower() for name in setting.environment}
    keys = [written.get(key, key) for key in setting.file_keys if key not in variables]
    return [] if setting.name == "config" else keys


@pytest.mark.parametrize(("name", "settings"), [("central", CENTRAL), ("agency", AGENCY)])
def test_settings(name: str, settings: Sequence[Setting]) -> None:
    """The tables are those of the code; what the page should have is in the failure."""
    expected = described(settings)
    lines = "\n".join(f"| {' | '.join(row)} |" for row in expected)
    assert table(README, name, *COLUMNS) == expected, f"the page needs\n{lines}"


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command line of the page is one, with values that are allowed."""
    for name in {name for row in (*CENTRAL, *AGENCY) for name in row.environment}:
        monkeypatch.delenv(name, raising=False)
    before, _, rest = line.partition("lottery ")
    if line.startswith("twistd"):
        before, _, rest = line.rpartition(" lottery ")
        tap.Options().parseOptions(shlex.split(rest))
        logger = re.search(r"--logger=(\S+)\.(\w+)", before)
        assert logger
        assert callable(getattr(importlib.import_module(logger[1]), logger[2]))
        return
    command, *words = shlex.split(rest)
    options = importlib.import_module(f"lottery.command.{command}").Options()
    options.parseOptions(words)
    if command == "agency":
        agency_settings(options, {})


def test_there_are_commands() -> None:
    """All that the page should show was found by the test above."""
    found = " ".join(commands())
    for name in ("lottery serve", "lottery agency", "lottery export", "twistd"):
        assert name in found


def test_make() -> None:
    """The two commands come first, and are in the Makefile."""
    first = code(README, "sh")[0]
    targets = re.findall(r"^make (\w+)", first, re.MULTILINE)
    assert targets == ["demo", "test"]
    makefile = page("Makefile")
    for target in targets:
        assert re.search(rf"^{target}: .*## ", makefile, re.MULTILINE)


def test_exit_statuses() -> None:
    """The statuses are the ones that the commands document."""
    rows = table(
        section(README, "## Exit statuses"), "status", "`lottery serve`", "`lottery agency`"
    )
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]


PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "compose/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("name", PAGES)
def test_links(name: str) -> None:
    """Every link within the repository leads to a file."""
    for link in links(page(name)):
        assert (ROOT / Path(name).parent / link).exists(), link


def test_dependencies() -> None:
    """Each dependency has its reason in CONTRIBUTING.md."""
    reasons = section(page("CONTRIBUTING.md"), "## Dependencies").lower()
    setup = page("setup.py")
    lists = re.findall(r"(?:TEST =|install_requires=|\"dev\":)\s*(\[.*?\])", setup, re.DOTALL)
    assert len(lists) == 3
    for name in re.findall(r'"([A-Za-z-]+)[^"]*"', "".join(lists)):
        assert name.lower() in reasons, name
