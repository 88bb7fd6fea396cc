"""The dashboard and the alerts ask only for what the programs export; docs/operations.md describes all of it.

What the alerts do in an incident is tested with promtool: `make alerts`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from hangtag.telemetry import metrics
from tests.unit.test_docs import anchors

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "observability"
PAGE = ROOT / "docs" / "operations.md"
ALERTS = ("Behind", "Stalled", "KafkaAway", "StoreAway", "StoreEmptied", "DeadLetters")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
# What Prometheus adds, by itself or from the place where a program runs.
TARGET = {"namespace", "instance"}
# Prometheus's own series of alerts.
OF_ALERTS = {"alertname", "alertstate", "severity"}

DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
RULES = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"] for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def exported() -> dict[str, MetricWrapperBase]:
    """Every metric of Hangtag's own, by the names of its series."""
    ours = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    return {f"{metric._name}{suffix}": metric for metric in ours for suffix in SUFFIXES[metric._type]}


EXPORTED = exported()


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and the alerts, with its place."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]
        for query in re.findall(r'printf "((?:[^"\\]|\\.)*)"', rule["annotations"]["description"]):
            yield f"{rule['alert']}: description", query.replace('\\"', '"').replace("%q", '"shop"')


QUERIES = [pytest.param(query, id=f"{place} {number}") for number, (place, query) in enumerate(queries())]
every_query = pytest.mark.parametrize("query", QUERIES)


def matchers(query: str, name: str) -> list[tuple[str, str, str]]:
    """Label, operator and value of what a query asks of a metric, wherever it does so."""
    found = re.findall(rf"\b{name}\{{([^}}]*)\}}", query)
    return [each for text in found for each in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', text)]


@every_query
def test_every_metric_of_a_query_is_exported(query):
    named = set(re.findall(r"\bhangtag_\w+", query))

    assert named <= set(EXPORTED)


@every_query
def test_labels_and_values_of_a_query_are_those_of_the_metric(query):
    named = set(re.findall(r"\bhangtag_\w+", query)) & set(EXPORTED)
    for name in named:
        labels = EXPORTED[name]._labelnames
        for label, operator, value in matchers(query, name):
            assert label in {*TARGET, *labels}
            at_start = {values[labels.index(label)] for values in EXPORTED[name]._metrics} if label in labels else set()
            assert operator != "=" or not at_start or value in at_start

    grouped = ",".join(re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", query))
    known = {*TARGET, "le", *OF_ALERTS}.union(*(EXPORTED[name]._labelnames for name in named))
    assert set(re.findall(r"\w+", grouped)) <= known


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_to_look_for_and_takes_the_chosen_source(panel):
    assert len(panel["description"]) > 30
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all('namespace=~"$namespace"' in target["expr"] for target in panel["targets"])


def test_the_panels_have_ids_of_their_own_and_do_not_overlap():
    taken = [
        (column, line)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len(set(taken)) == len(taken)
    assert max(column for column, _ in taken) < 24


def test_there_are_six_alerts():
    assert {rule["alert"] for rule in RULES} == {f"Hangtag{name}" for name in ALERTS}
    assert len({(rule["alert"], rule["labels"]["severity"]) for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_names_the_place_the_next_step_and_its_section(rule):
    page, _, anchor = rule["annotations"]["runbook"].partition("#")

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert "Next: " in rule["annotations"]["description"]
    assert ".Labels.instance" in rule["annotations"]["description"]
    assert anchor in anchors(ROOT / page)


def test_the_page_has_a_row_for_each_alert():
    rows = re.findall(r"^\| `Hangtag(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)

    assert sorted(rows) == sorted(ALERTS)


def test_the_page_has_every_metric_and_no_other():
    text = PAGE.read_text("utf-8")
    table = text.split("## Metrics", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`hangtag_[^|]*) \|", table, re.MULTILINE)
    found = {
        name: set(filter(None, labels.split(",")))
        for name, labels in re.findall(r"`(\w+)(?:\{([\w,]*)\})?`", " ".join(rows))
    }
    expected = {
        name.removesuffix("_bucket"): set(metric._labelnames)
        for name, metric in EXPORTED.items()
        if not (metric._type == "histogram" and not name.endswith("_bucket"))
    }

    assert found == expected


@pytest.mark.parametrize("name", ["oldest_unsettled_seconds", "drain_seconds", "store_emptied", "dead_letters_total"])
def test_what_matters_most_is_at_the_top_of_the_dashboard(name):
    second_row = [panel["gridPos"]["y"] for panel in DASHBOARD["panels"] if panel["type"] == "row"][1]

    assert any(
        f"hangtag_{name}{{" in target["expr"]
        for panel in PANELS
        if panel["gridPos"]["y"] < second_row
        for target in panel["targets"]
    )


def test_compose_gives_programs_files_that_exist_and_prometheus_the_ports_of_the_images():
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))["services"]
    given = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    files = [name for name in given if name.startswith("./")]
    jobs = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))["scrape_configs"]
    asked = {(name, job["dns_sd_configs"][0]["port"]) for job in jobs for name in job["dns_sd_configs"][0]["names"]}
    image = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")

    assert len(files) == 5
    assert [name for name in files if not (ROOT / "deploy" / name).is_file()] == []
    assert asked == {("server", 9101), ("worker", 9102), ("worker-gpu", 9102), ("arrivals", 9103), ("index", 9104)}
    assert {name for name, _ in asked} <= set(services)
    assert "HANGTAG_SERVER__METRICS_PORT=9101" in image
    assert "HANGTAG_WORKER__METRICS_PORT=9102" in image
    assert "HANGTAG_ARRIVALS__METRICS_PORT=9103" in image
