"""The dashboard and the alerts in ``contrib/`` ask for metrics that a central gives."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pages import page, section
from prometheus_client.core import Metric

from lottery.ops.figures import Figures
from lottery.ops.metrics import CentralMetrics
from lottery.ops.views import AgencyView, CentralView, DrawView, WriterView
from lottery.ops.watch import DiskRoom
from lottery.settings_table import CENTRAL

CONTRIB: Final = Path(__file__).parents[1] / "contrib"
PROMETHEUS: Final = CONTRIB / "prometheus"
ALERTS: Final = PROMETHEUS / "lottery-alerts.yml"
ALERT_TESTS: Final = PROMETHEUS / "lottery-alerts.test.yml"
SCRAPES: Final = PROMETHEUS / "prometheus.yml"
#: How wide the grid of a dashboard is.
GRID_WIDTH: Final = 24
#: The units of Grafana by how the name of a metric ends.
UNITS: Final = {"bytes": "bytes", "seconds": "s"}


@cache
def families() -> dict[str, Metric]:
    """All metrics of a central that has a draw, agencies, a writer, a disk and sessions."""
    draw = DrawView(1, "open", 2, 1, 0, 0, 5, None, None, "")
    agencies = (AgencyView(1, "", "lottery/1", "sending", 5),)
    writers = (WriterView(1, 1, 1, 0, None),)
    view = CentralView(draw, (), agencies, writers, 1, None)
    figures = Figures()
    figures.sessions["done"] += 1
    central = CentralMetrics(lambda: view, figures, lambda: DiskRoom(1, 1), 0.0)
    return {family.name: family for family in central.collect()}


@cache
def samples() -> dict[str, str]:
    """The metric of each name that a sample has, as Prometheus stores it."""
    return {sample.name: name for name, one in families().items() for sample in one.samples}


def asked(expression: str) -> set[str]:
    """The names of ours that an expression asks for."""
    return set(re.findall(r"\blottery_\w+", expression))


def dashboard() -> Any:
    """The dashboard."""
    return json.loads((CONTRIB / "grafana" / "lottery.json").read_text(encoding="utf-8"))


def read(path: Path) -> Any:
    """A file of YAML."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def alerts() -> dict[str, Any]:
    """The alerts by their names."""
    rules = [rule for group in read(ALERTS)["groups"] for rule in group["rules"]]
    found = {rule["alert"]: rule for rule in rules}
    assert len(found) == len(rules) == 3
    return found


def panels_of_metrics() -> list[Any]:
    """The panels of the dashboard that are no headings."""
    return [each for each in dashboard()["panels"] if each["type"] != "row"]


def expressions() -> list[str]:
    """All that the dashboard asks for."""
    return [target["expr"] for each in panels_of_metrics() for target in each["targets"]]


def bound(name: str) -> float:
    """Beyond what an alert is raised: the first number that is compared with."""
    found = re.search(r"[<>] (\d+)", alerts()[name]["expr"])
    assert found
    return float(found[1])


# The dashboard.


def test_names_of_the_dashboard() -> None:
    """It asks for what there is, and for all there is."""
    names = set().union(*(asked(expression) for expression in expressions()))
    assert names <= set(samples())
    assert {samples()[name] for name in names} == set(families())


def test_one_central() -> None:
    """Each figure is that of the central that was chosen; the choice is made of a metric, too."""
    for expression in expressions():
        found = re.findall(r"\blottery_\w+(.{0,22})", expression)
        assert all(rest.startswith('{instance="$instance"}') for rest in found)
    variables = {each["name"]: each for each in dashboard()["templating"]["list"]}
    assert list(variables) == ["datasource", "instance"]
    assert variables["datasource"]["type"] == "datasource"
    query = variables["instance"]["query"]["query"]
    assert query == variables["instance"]["definition"]
    assert asked(query) <= set(samples())


def test_labels_of_the_dashboard() -> None:
    """A series is named after the labels that it has; what has a colour or an axis is a series."""
    for each in panels_of_metrics():
        series: set[str] = set()
        for target in each["targets"]:
            found = {samples()[name] for name in asked(target["expr"])}
            labels = labels_of(found)
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert named == labels.keys() - {"le"}
            series |= set().union(*(labels[label] for label in named)) or {target["legendFormat"]}
        overrides = each["fieldConfig"]["overrides"]
        assert {override["matcher"]["options"] for override in overrides} <= series


def labels_of(names: set[str]) -> dict[str, set[str]]:
    """The values of each label of these metrics."""
    found: dict[str, set[str]] = {}
    for name in names:
        for sample in families()[name].samples:
            for label, value in sample.labels.items():
                found.setdefault(label, set()).add(value)
    return found


def test_units() -> None:
    """Each series has the unit of its metric; what is there per second, has "ops"."""
    for each in panels_of_metrics():
        own = {
            override["matcher"]["options"]: value["value"]
            for override in each["fieldConfig"]["overrides"]
            for value in override["properties"]
            if value["id"] == "unit"
        }
        for target in each["targets"]:
            unit = own.get(target["legendFormat"], each["fieldConfig"]["defaults"]["unit"])
            (name,) = {samples()[name] for name in asked(target["expr"])}
            if (suffix := name.rpartition("_")[2]) in UNITS:
                assert unit == UNITS[suffix]
            elif target["expr"].startswith("rate("):
                assert unit == "ops"
            else:
                assert unit in ("none", "locale")


def test_panels() -> None:
    """Each has a number, a title and a description of its own, and the source that is chosen."""
    for what in ("id", "title"):
        values = [each[what] for each in dashboard()["panels"]]
        assert len(set(values)) == len(values)
    source = {"type": "prometheus", "uid": "${datasource}"}
    for each in panels_of_metrics():
        assert 10 < len(each["description"]) < 160
        assert each["description"].endswith(".")
        assert each["datasource"] == source
        assert all(target["datasource"] == source for target in each["targets"])
        refs = [target["refId"] for target in each["targets"]]
        assert len(set(refs)) == len(refs)


def test_grid() -> None:
    """Every cell of it belongs to one panel: none lies on another, and there are no holes."""
    cells: Counter[tuple[int, int]] = Counter()
    for each in dashboard()["panels"]:
        at = each["gridPos"]
        assert min(at["w"], at["h"]) > 0
        for x in range(at["x"], at["x"] + at["w"]):
            cells.update((x, y) for y in range(at["y"], at["y"] + at["h"]))
    height = max(y for _, y in cells) + 1
    assert set(cells.values()) == {1}
    assert set(cells) == {(x, y) for x in range(GRID_WIDTH) for y in range(height)}


@pytest.mark.parametrize(
    ("name", "title"),
    [("LotteryDiskNearlyFull", "Room left"), ("LotterySlowAcknowledgements", "Acknowledgements")],
)
def test_lines_of_alerts(name: str, title: str) -> None:
    """Where the dashboard draws a line, there is the alert."""
    (panel,) = [each for each in dashboard()["panels"] if each["title"] == title]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == bound(name)


# The alerts.


def test_names_of_the_alerts() -> None:
    """They ask for what there is, and of the job that the example scrapes."""
    (job,) = read(SCRAPES)["scrape_configs"]
    for alert in alerts().values():
        expression = alert["expr"]
        assert asked(expression) <= set(samples())
        jobs = re.findall(r"\b(?:up|lottery_\w+){job=\"(\w+)\"}", expression)
        assert len(jobs) == len(re.findall(r"\bup\b|\blottery_\w+", expression))
        assert set(jobs) == {job["job_name"]}
        assert asked(alert["annotations"]["description"]) <= set(families())


def test_the_example() -> None:
    """It reads the alerts, and asks at the default path by a name that is answered."""
    example = read(SCRAPES)
    assert example["rule_files"] == [ALERTS.name]
    (job,) = example["scrape_configs"]
    assert set(job) == {"job_name", "static_configs"}
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8080"]}]


def test_what_to_do() -> None:
    """Each alert says what is the case and where to read on: under headings that there are."""
    text = page("docs/operations.md")
    for alert in alerts().values():
        assert set(alert["annotations"]) == {"summary", "description"}
        assert "$labels.instance" in alert["annotations"]["summary"]
        headings = re.findall(
            r'docs/operations\.md, "([^"]+)"', alert["annotations"]["description"]
        )
        assert headings
        assert all(section(text, f"## {heading}") for heading in headings)


def test_options_of_the_alerts() -> None:
    """Options that they name are those of the central."""
    known = {f"--{setting.option}" for setting in CENTRAL}
    assert set(re.findall(r"--[a-z][a-z-]+", ALERTS.read_text(encoding="utf-8"))) <= known


def test_room_for_the_disk() -> None:
    """The alert comes while there is at least twice what a central leaves free by default."""
    (left,) = [setting.default for setting in CENTRAL if setting.option == "min-free"]
    assert bound("LotteryDiskNearlyFull") >= 2 * int(left)
    assert bound("LotteryDiskNearlyFull") == 16 * int(left)  # as the comment there says


def test_every_alert_is_tested() -> None:
    """In ``lottery-alerts.test.yml``: when it is raised, and when not."""
    raised: dict[str, set[bool]] = {name: set() for name in alerts()}
    for each in read(ALERT_TESTS)["tests"]:
        for at in each["alert_rule_test"]:
            raised[at["alertname"]].add(bool(at["exp_alerts"]))
    assert all(found == {True, False} for found in raised.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("check", "rules"), ALERTS),
        (("check", "config"), SCRAPES),
        (("test", "rules"), ALERT_TESTS),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_promtool(words: tuple[str, ...], path: Path) -> None:
    """Prometheus itself takes the files, and the alerts are raised when they should be."""
    promtool = shutil.which("promtool")
    if promtool is None:
        missing = "there is no promtool: on Debian, install prometheus"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(
        [promtool, *words, path.name], cwd=PROMETHEUS, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
