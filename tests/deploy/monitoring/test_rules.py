"""Rules, dashboard and configuration of Prometheus and Grafana."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from runtime.metrics import api, worker
from runtime.metrics.metric import Kind
from tests.promtool import PROMTOOL, needs_promtool

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "rules.yml"
CASES = Path(__file__).parent / "alerts.yml"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "kinomill.json"
OF_OTHERS = {"up", "process_start_time_seconds"}
"""Of Prometheus itself, and of its client in each program."""
NAME = re.compile(r"\b(?:kinomill|http_server|process)_\w+|\bkinomill:\w+(?::\w+)?|\bup\b")


@pytest.fixture(scope="module")
def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text())


def series():
    """The names under which the metrics of our exporters are stored, with their labels."""
    found = {}
    for metric in (*api.METRICS, *worker.METRICS):
        ends = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        for end in ends:
            labels = {"le"} if end == "_bucket" else set()
            found[metric.name + end] = labels | set(metric.labels)
    return found


def targets(dashboard):
    """Each expression of the dashboard with the title of its panel."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def test_every_metric_of_rules_and_dashboard_is_exported(rules, dashboard):
    recorded = {rule["record"] for rule in rules if "record" in rule}
    known = set(series()) | recorded | OF_OTHERS
    expressions = [*targets(dashboard), *((str(rule), rule["expr"]) for rule in rules)]

    assert len(expressions) > 50
    for where, expression in expressions:
        names = set(NAME.findall(expression))
        assert names, where
        assert names <= known, (where, names - known)


def test_every_label_in_braces_is_one_of_the_metric(rules, dashboard):
    labels, added = series(), {"instance", "job"}
    expressions = [*targets(dashboard), *((str(rule), rule["expr"]) for rule in rules)]
    for where, expression in expressions:
        for name, selector in re.findall(r"(\w+)\{([^}]*)\}", expression):
            used = set(re.findall(r"(\w+)\s*=?[=!~]", selector))
            assert used <= labels.get(name, set()) | added, (where, name, used)


def test_every_alert_is_tested_and_says_what_to_do(rules):
    alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
    cases = yaml.safe_load(CASES.read_text())["tests"]
    checks = [check for case in cases for check in case["alert_rule_test"]]

    assert {check["alertname"] for check in checks if check["exp_alerts"]} == set(alerts)
    for alert in alerts.values():
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} == set(alert["annotations"])


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", RULES],
        ["test", "rules", CASES],
        ["check", "config", MONITORING / "prometheus.yml"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_agrees(command):
    done = subprocess.run([PROMTOOL, *command], capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_lie_side_by_side_and_are_explained(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["description"], panel["title"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_variables_of_the_dashboard_exist(dashboard):
    variables = {each["name"] for each in dashboard["templating"]["list"]} | {"__rate_interval"}
    for where, expression in targets(dashboard):
        assert set(re.findall(r"\$(\w+)", expression)) <= variables, where
    assert dashboard["schemaVersion"] >= 39


def test_grafana_finds_the_source_and_the_dashboards(dashboard):
    provisioning = MONITORING / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())
    provider = yaml.safe_load((provisioning / "dashboards" / "kinomill.yml").read_text())
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    mounts = {mount.split(":")[1] for mount in services["grafana"]["volumes"] if ":" in mount}

    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    assert provider["providers"][0]["options"]["path"] in mounts
    assert services["grafana"]["profiles"] == services["prometheus"]["profiles"] == ["monitoring"]


def test_prometheus_reads_every_program_that_answers(rules):
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    found = {}
    for job in config["scrape_configs"]:
        for each in job.get("dns_sd_configs", []):
            found[each["names"][0]] = str(each["port"])
        for each in job.get("static_configs", []):
            found.update(target.split(":") for target in each["targets"])
    worker_environment = compose["services"]["worker"]["environment"]

    assert set(found) == {"api", "worker", "flower"}
    assert found["worker"] == worker_environment["KINOMILL_HEALTH_PORT"]
    assert worker_environment["KINOMILL_HEALTH_HOST"] == "0.0.0.0"
    for name in found:
        assert "monitors" in compose["services"][name]["networks"], name
    assert all(job["job_name"].startswith("kinomill-") for job in config["scrape_configs"])
