"""docs/operations.md has every option, variable, signal, status, metric and path, and no other."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

import pytest
from central_fakes import House
from pages import ROOT, code, page, section, table
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from status_rig import Watched
from test_ops_api import NUMBERS, day

from lottery import tap
from lottery.command import Options as Lottery
from lottery.ledger.record import STATES
from lottery.ops import site, stalls, streams
from lottery.ops.archive import MOST_DRAWS, MOST_PARTS
from lottery.ops.figures import Figures
from lottery.ops.metrics import AGENCY_STATES, CentralMetrics
from lottery.ops.site import page_files
from lottery.ops.views import AgencyView, CentralView, DrawView
from lottery.ops.watch import DiskRoom
from lottery.settings_table import AGENCY, CENTRAL
from lottery.settings_values import Setting

PAGE: Final = page("docs/operations.md")
LOG: Final = page("docs/log.md")
COMMANDS: Final = sorted(command for command, *_ in Lottery.subCommands)
#: Where the options of each program stand.
SECTIONS: Final = {
    "serve": ("### The central", "## What strangers may cost"),
    "agency": ("### The agency",),
}
#: What of a draw may be asked for in the paths.
DRAW: Final = 1


def codes(cell: str) -> list[str]:
    """What stands in a cell as code."""
    return re.findall(r"`([^`]+)`", cell)


def option_rows(command: str) -> list[tuple[list[str], list[str], str]]:
    """Option, variables and the rest of each row of the tables of a program's options."""
    found = []
    for heading in SECTIONS[command]:
        lines = section(PAGE, heading).splitlines()
        heads = [line.startswith("| option | environment |") for line in lines]
        for line in lines[heads.index(True) + 2 :]:
            if not line.startswith("|"):
                break
            option, environment, *rest = (cell.strip() for cell in line[1:-1].split("|"))
            found.append((codes(option), codes(environment), " | ".join(rest)))
    return found


# Options and variables.


@pytest.mark.parametrize(("command", "settings"), [("serve", CENTRAL), ("agency", AGENCY)])
def test_every_setting(command: str, settings: tuple[Setting, ...]) -> None:
    """Each stands there once, its option beside all of its variables; and nothing else does."""

    def named(setting: Setting) -> str:
        option = setting.option or ""
        return option.upper() if setting.positional else option and f"--{option}"

    wanted = [(named(each), each.environment) for each in settings]
    if command == "agency":
        wanted.append(("--json", ()))  # a way to print, and no setting
    found = [("".join(option), tuple(names)) for option, names, _ in option_rows(command)]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("command", SECTIONS)
def test_every_option(command: str) -> None:
    """They are all that the program takes, but for those that every program has."""
    made = importlib.import_module(f"lottery.command.{command}").Options()
    taken = {name.rstrip("=") for name in made.longOpt} - {"help", "version"}
    rows = [option for option, _, _ in option_rows(command)]
    assert {name[2:] for option in rows for name in option if name.startswith("--")} == taken
    if command == "serve":
        assert isinstance(made, tap.Options)  # those of twistd are the same


def test_options_in_words() -> None:
    """Every option and variable that is named anywhere on the page is one of some program."""
    known = {
        name.rstrip("=")
        for command in COMMANDS
        for name in importlib.import_module(f"lottery.command.{command}").Options().longOpt
    }
    others = {"renew", "upgrade", "pidfile", "logger"}  # of certificates.sh, pip and twistd
    assert set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", PAGE)) - others <= known
    variables = {name for row in (*CENTRAL, *AGENCY) for name in row.environment}
    assert set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", PAGE)) <= variables


def test_limits_have_their_defaults() -> None:
    """Those that stand on this page beside the README are the same there."""
    rows = table(PAGE, "option", "environment", "default", "what it bounds")
    defaults = {f"`--{setting.option}`": setting.default for setting in CENTRAL}
    for option, _, default, _ in rows:
        assert default.replace(",", "").split()[0] == defaults[option]


# Signals and statuses.


def test_every_signal() -> None:
    """Those that the code takes for a wish, and no other."""
    handled: set[str] = set()
    for path in (ROOT / "lottery" / "tap.py", *(ROOT / "lottery" / "command").glob("*.py")):
        handled |= set(re.findall(r"\bsignal\.(SIG(?!_)[A-Z]+)", path.read_text(encoding="utf-8")))
    columns = ("signal", "`lottery serve`", "`twistd lottery`", "`lottery agency`")
    rows = table(section(PAGE, "## Signals"), *columns)
    assert [row[0] for row in rows] == sorted(handled, key=["SIGTERM", "SIGINT", "SIGHUP"].index)
    assert set(re.findall(r"\bSIG[A-Z]+", PAGE)) == handled


def statuses_of(command: str) -> set[int]:
    """What the code says of the statuses of a program: its help, or what runs it."""
    module = importlib.import_module(f"lottery.command.{command}")
    words = getattr(module.Options, "longdesc", "") if command != "serve" else module.run.__doc__
    _, found, text = re.sub(r"\s+", " ", words).lower().partition("exit status")
    if found:
        return {int(digit) for digit in re.findall(r"(?:^|[:;,]| )\s?(\d)(?=[: ])", text)}
    text = module.run.__doc__
    raised = {"SettingsError": 2, "DamagedLedger": 3, "LotteryError": 1, "OSError": 1}
    return {0, 2} | {raised[name] for name in re.findall(r":raise (\w+):", text)}


def test_every_status() -> None:
    """Of each program, as its help and its code have it; and those that a signal makes."""
    rows = table(section(PAGE, "## Exit statuses"), "status", "of", "what to do")
    found: dict[str, set[int]] = {}
    for status, whose, _ in rows:
        for program in codes(whose):
            found.setdefault(program, set()).add(int(status))
    assert set(found) == {*COMMANDS, "twistd"}
    ended = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}
    source = page("lottery/command/__init__.py")
    assert f"except KeyboardInterrupt:\n        return {ended['SIGINT']}\n" in source
    for command in COMMANDS:
        wanted = statuses_of(command)
        if command == "agency":
            wanted = wanted | {ended["SIGHUP"]}
        elif command != "serve":
            wanted = wanted | {ended["SIGINT"]}
        assert found[command] == wanted, command
    # tests/integration/test_signals.py sees it end so.
    assert found["twistd"] == found["serve"] | {ended["SIGINT"], ended["SIGTERM"]}


def test_statuses_of_the_readme() -> None:
    """Those that it explains are here, of the same programs."""
    readme = section(page("README.md"), "## Exit statuses")
    for status, serve, agency in table(readme, "status", "`lottery serve`", "`lottery agency`"):
        for command, cell in (("serve", serve), ("agency", agency)):
            assert (int(status) in statuses_of(command)) == bool(cell)


# The log.


def test_every_event_is_linked() -> None:
    """Each table of events is under a heading that the page leads to."""
    headings = re.findall(r"^## (.+)$", LOG, re.MULTILINE)
    with_events = [each for each in headings if "\n| action |" in section(LOG, f"## {each}")]
    assert len(with_events) == LOG.count("\n| action |") == 2
    for each in with_events:
        assert f"](log.md#{anchor(each)})" in PAGE


def events() -> dict[str, set[str]]:
    """The central's actions, with the levels that each has."""
    found: dict[str, set[str]] = {}
    columns = ("action", "result", "level", "details", "when")
    for action, _, level, *_ in table(section(LOG, "## The central"), *columns):
        found.setdefault(action.strip("`"), set()).add(level)
    return found


def test_what_to_do_about_each() -> None:
    """Every event of the central that is a warning or worse is there; and none that is not one."""
    named = set(re.findall(r"`action: (\w+)`", section(PAGE, "## What to do when")))
    worse = {action for action, levels in events().items() if levels - {"INFO", "DEBUG"}}
    assert worse <= named
    assert set(re.findall(r"`action: (\w+)`", PAGE)) <= set(events())


# The status page.


def paths() -> list[str]:
    """The paths of the table."""
    return [
        path for cell, _ in table(section(PAGE, "## The status page"), "path", "what")
        for path in codes(cell)
    ]  # fmt: skip


def served() -> set[str]:
    """Every path that the site has, as the page writes them."""
    found = {f"/*{Path(name).suffix}" for name in page_files() if name != "index.html"}
    put = re.findall(r'(\w+)\.putChild\(b"(\w+)"', page("lottery/ops/status.py"))
    found |= {f"/{name}" if at == "root" else f"/{at}/{name}" for at, name in put}
    of_a_draw = re.compile(r'(?:found\[|^ +)b"(\w+)"(?:\] =|:)', re.MULTILINE)
    below = of_a_draw.findall(page("lottery/ops/api.py"))
    assert len(below) >= 3
    found |= {"/", "/api/draws/N", *(f"/api/draws/N/{name}" for name in below)}
    return found - {"/api"}  # a folder, and nothing itself


def test_every_path() -> None:
    """All that the site serves is there, and nothing else."""
    written = paths()
    ours = section(PAGE, "## The status page").partition("| `/` |")[2].partition("\n")[0]
    assert {*written, *codes(ours)} == served()


@pytest.mark.parametrize("path", [path for path in paths() if path != "/events"])
def test_paths_are_served(path: str, tmp_path: Path) -> None:
    """Each has something behind a draw; winners only if documents are shown."""
    for documents in (True, False):
        with House(tmp_path / str(documents), agencies=2, rejoin=0) as house:
            watched = Watched(house, documents=documents)
            day(house, DRAW, *NUMBERS)
            there = watched.ask(path.replace("/N", f"/{DRAW}")).code == 200
        assert there == (documents or not path.endswith("/winners"))


def test_bounds_of_the_page() -> None:
    """As many connections, pages, seconds and draws as the code has."""
    text = section(PAGE, "## The status page")
    assert f"At most {tap.MOST_LOOKING} connections, of which {streams.MOST_STREAMS} " in text
    assert f"does not read for {stalls.STALLED_SECONDS:g} s is dropped" in text
    assert site.IDLE_SECONDS == stalls.STALLED_SECONDS
    assert f"the latest {MOST_DRAWS} draws" in text
    assert f"the first {MOST_PARTS:,} of them" in text
    assert f"answered with {site.MISDIRECTED_REQUEST}" in text


# The metrics.


def families() -> list[Metric]:
    """What a central gives that has a draw, agencies, a disk and sessions."""
    draw = DrawView(1, "open", 2, 1, 0, 0, 5, None, None, "")
    view = CentralView(draw, (), (AgencyView(1, "", "lottery/1", "sending", 5),), (), 1, None)
    figures = Figures()
    figures.sessions["done"] += 1
    central = CentralMetrics(lambda: view, figures, lambda: DiskRoom(1, 1), 0.0)
    return list(central.collect())


class Fixed:
    """Gives these metrics."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> list[Metric]:
        """Give them."""
        return self._found


def scraped() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric by its name, as Prometheus reads them."""
    found = families()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Fixed(found))  # type: ignore[arg-type]
    text = generate_latest(registry).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in kinds}
    for family in found:
        name = family.name if family.name in kinds else f"{family.name}_total"
        for sample in family.samples:
            labels[name] |= set(sample.labels) - {"le"}
    return {name: (kind, labels[name]) for name, kind in kinds.items()}


def test_every_metric() -> None:
    """Each with its type and labels; a unit in its name is the one of the table."""
    columns = ("metric", "type", "unit", "labels", "what")
    rows = table(section(PAGE, "## Metrics"), *columns)
    found = {codes(name)[0]: (kind, set(codes(labels))) for name, kind, _, labels, _ in rows}
    assert len(found) == len(rows)
    assert found == scraped()
    for name, _, unit, _, _ in rows:
        suffix = re.search(r"_(seconds|bytes)`$", name)
        assert unit == suffix[1] if suffix else unit not in ("seconds", "bytes", "")
    assert set(re.findall(r"\blottery_[a-z_]+", PAGE)) <= set(found)


def test_states_of_metrics() -> None:
    """All that the label may be."""
    rows = {row[0].strip("`"): row[4] for row in table(
        section(PAGE, "## Metrics"), "metric", "type", "unit", "labels", "what"
    )}  # fmt: skip
    assert codes(rows["lottery_draw_state"]) == list(STATES)
    assert codes(rows["lottery_agencies"]) == list(AGENCY_STATES)


# The rest.


def test_programs() -> None:
    """Command lines of the page are ones, with values that are allowed."""
    lines = [line for line in "".join(code(PAGE, "sh")).splitlines() if "lottery" in line]
    others = [line.split() for line in lines if line.startswith("lottery ")]
    for _, command, *rest in others:
        importlib.import_module(f"lottery.command.{command}").Options().parseOptions(rest)
    (line,) = [line for line in lines if not line.startswith("lottery ")]
    head, _, words = line.rpartition(" lottery ")
    assert head.startswith("twistd ")
    tap.Options().parseOptions(words.split())
    (logger,) = re.findall(r"--logger=(\S+)\.(\w+)", head)
    assert callable(getattr(importlib.import_module(logger[0]), logger[1]))
    named = set(re.findall(r"`lottery ([a-z]+)", PAGE))
    assert named <= set(COMMANDS)


def anchor(heading: str) -> str:
    """What a link to a heading ends with."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", ["operations.md", "tutorial.md"])
def test_anchors(name: str) -> None:
    """Every link to a heading leads to one."""
    text = page(f"docs/{name}")
    for file, wanted in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text):
        target = page(str((ROOT / "docs" / file).resolve().relative_to(ROOT))) if file else text
        headings = re.findall(r"^#+ (.+)$", target, re.MULTILINE)
        assert wanted in {anchor(heading) for heading in headings}, f"{file}#{wanted}"
    assert anchor("The draw's record") == "the-draws-record"
