"""The man pages have every option, variable, signal and status that there is, and no other."""

from __future__ import annotations

import importlib
import re

import pytest
from pages import page
from twisted.python import usage

from lottery.command import Options as Lottery
from lottery.settings_table import AGENCY, CENTRAL
from lottery.settings_values import Setting

PAGES = ("docs/man/lottery.1", "docs/man/twistd-lottery.1")
COMMANDS = sorted(command for command, *_ in Lottery.subCommands)
MACROS = {"TH", "SH", "PP", "TP", "B", "BI", "BR", "RI", "IR", "I", "br", "nf", "fi"}


def words(text: str) -> str:
    """A page without what only roff needs."""
    plain = re.sub(r"\\f[BRI]", "", text).replace("\\-", "-").replace("\\e", "\\")
    assert "\\" not in plain
    return plain


def sections(name: str) -> dict[str, str]:
    """The sections of a page by their headings."""
    _, *found = re.split(r"^\.SH ", words(page(name)), flags=re.MULTILINE)
    return {head.strip('"'): body for head, _, body in (each.partition("\n") for each in found)}


def options_in(section: str) -> set[str]:
    """The options that a section explains."""
    return set(re.findall(r"^\.TP\n\.BI? --([a-z-]+)", section, re.MULTILINE))


def options_of(command: str) -> set[str]:
    """The options that a command takes, but for those that all of them take."""
    made = importlib.import_module(f"lottery.command.{command}").Options()
    assert isinstance(made, usage.Options)
    return {name.rstrip("=") for name in made.longOpt} - {"help", "version"}


@pytest.mark.parametrize("command", COMMANDS)
def test_options(command: str) -> None:
    """Those of each command of ``lottery``, in its own section."""
    assert options_in(sections(PAGES[0])[f"lottery {command}"]) == options_of(command)


def test_options_under_twistd() -> None:
    """They are those of ``lottery serve``."""
    assert options_in(sections(PAGES[1])["OPTIONS"]) == options_of("serve")
    loggers = re.findall(r"--logger=(\S+)\.(\w+)", sections(PAGES[1])["DESCRIPTION"])
    assert len(loggers) == 2
    for module, name in loggers:
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize(
    ("name", "settings"), [(PAGES[0], (*CENTRAL, *AGENCY)), (PAGES[1], CENTRAL)]
)
def test_variables(name: str, settings: tuple[Setting, ...]) -> None:
    """Every variable of a setting is named; those without an option on the first page alone."""
    wanted = {
        variable
        for setting in settings
        for variable in setting.environment
        if name == PAGES[0] or setting.option
    }
    assert set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", words(page(name)))) == wanted


@pytest.mark.parametrize("name", PAGES)
def test_defaults(name: str) -> None:
    """What an option is when nothing is given, as the program has it."""
    text = words(page(name))
    for setting in CENTRAL:
        if setting.option and setting.default and setting.name != "writers":
            (entry,) = re.findall(
                rf"^\.TP\n\.BI? --{setting.option}\b.*\n(.*)\n", text, re.MULTILINE
            )[:1]
            if "(" in entry:
                assert f"default {setting.default})" in entry


@pytest.mark.parametrize("name", PAGES)
def test_signals_and_statuses(name: str) -> None:
    """As the README has them."""
    found = sections(name)
    assert set(re.findall(r"SIG[A-Z]+", found["SIGNALS"])) == {"SIGTERM", "SIGINT", "SIGHUP"}
    assert re.findall(r"^\.TP\n\.B (\d)$", found["EXIT STATUS"], re.MULTILINE) == list("0123")


@pytest.mark.parametrize("name", PAGES)
def test_form(name: str) -> None:
    """Only the macros that every roff knows, and no line that is taken for one by mistake."""
    for line in page(name).splitlines():
        assert line
        assert len(line) <= 110
        if line[0] in ".'":
            assert re.match(r"\.([A-Za-z]+)( |$)", line)
            assert line[1:].split()[0] in MACROS, line
