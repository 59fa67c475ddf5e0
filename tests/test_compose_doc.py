"""compose/README.md names targets, programs and variables that there are."""

from __future__ import annotations

import re

import pytest
from pages import ROOT, code, page, table

from lottery.settings_table import AGENCY, CENTRAL

PAGE = page("compose/README.md")


def commands() -> list[str]:
    """Every command line of the page."""
    return "".join(code(PAGE, "sh")).splitlines()


def test_targets() -> None:
    """Each target of make that it names is in the Makefile, with a word on what it does."""
    named = set(re.findall(r"\bmake ((?:docker|test)-[a-z-]+)", PAGE))
    assert {"docker-image", "docker-compose-up", "test-compose"} <= named
    for target in named:
        assert re.search(rf"^{target}: .*## ", page("Makefile"), re.MULTILINE), target


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("compose/")])
def test_scripts(line: str) -> None:
    """Each script that is run is there, and may be run."""
    script = ROOT / line.split(maxsplit=1)[0]
    assert script.stat().st_mode & 0o111


def test_folders() -> None:
    """The variables are those of the script that runs compose, with its defaults."""
    script = page("compose/compose.sh")
    for variable, default, _ in table(PAGE, "variable", "default", "what is there"):
        assert f"${{{variable.strip('`')}:-$root/{default.strip('`')}}}" in script


def test_settings() -> None:
    """Every name of a setting that it has is one."""
    known = {name for row in (*CENTRAL, *AGENCY) for name in row.environment}
    named = set(re.findall(r"\b(?:CLI|SERVER|LOTTERY|AGENCY|AGENCIES|BATCH|INPUT)_[A-Z_]+", PAGE))
    assert named - {"INPUT_DIR", "SERVER_IP"} <= known
