"""The Grafana dashboard and the alert rules ask only for what the daemon serves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from test_metrics import Fixed

from daemon.runtime.metrics import Metrics

DOCS = Path(__file__).parents[1] / "docs"
ALERTS = DOCS / "monitoring" / "eegd-alerts.yml"
DASHBOARD = json.loads((DOCS / "monitoring" / "eegd-dashboard.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = DASHBOARD["panels"]
OTHERS = {"up"}  # of Prometheus itself
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (prometheus)")


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, set[str]]]:
    """The names of all series, each with its labels."""
    metrics = Metrics("127.0.0.1", 0)
    metrics.serve(Fixed())
    metrics.observe(0.001, 0.001)
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    yield names
    metrics.close()


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def asked(expression: str) -> set[str]:
    """The names of the series in it."""
    return set(re.findall(r"\b(?:eegd_\w+|up)\b", re.sub(r'"[^"]*"', '""', expression)))


ASKED = [*(rule["expr"] for rule in RULES), *(e for panel in PANELS for e in expressions(panel))]


@pytest.mark.parametrize("expression", ASKED)
def test_every_expression_names_series_that_are_served(
    expression: str, served: dict[str, set[str]]
) -> None:
    assert asked(expression)
    assert asked(expression) <= served.keys() | OTHERS
    for name, labels in re.findall(r"(eegd_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)=", labels)) <= served[name] | {"instance", "job"}


def test_the_dashboard_shows_everything_that_is_served(served: dict[str, set[str]]) -> None:
    shown = set().union(*(asked(e) for panel in PANELS for e in expressions(panel)))
    parts = {name for name in served if name.endswith(("_sum", "_count"))}
    assert served.keys() - parts <= shown


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """What its schema asks for; places of panels that do not overlap."""
    assert DASHBOARD["title"] == DASHBOARD["uid"] == "eegd"
    assert isinstance(DASHBOARD["schemaVersion"], int)
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places: set[tuple[int, int]] = set()
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["description"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        at = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not covered & places
        assert at["x"] + at["w"] <= 24
        places |= covered


def test_every_alert_is_explained_and_tested() -> None:
    page = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    tested = Path(__file__).with_name("alerts.test.yml").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| `{rule['alert']}` |" in page
        assert f'alertname="{rule["alert"]}"' in tested
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} <= rule["annotations"].keys()


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    assert PROMTOOL
    subprocess.run([PROMTOOL, "check", "rules", ALERTS], check=True, capture_output=True)


@needs_promtool
def test_alerts_ring_where_they_should_and_nowhere_else() -> None:
    assert PROMTOOL
    tests = Path(__file__).with_name("alerts.test.yml")
    done = subprocess.run(
        [PROMTOOL, "test", "rules", tests], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
