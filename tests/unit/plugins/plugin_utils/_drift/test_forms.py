# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit's XML, as metrics, and as a table."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import junit, metrics, summary
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.plugins.plugin_utils._drift.test_schema import SAMPLE

MONITORING = Path(__file__).parents[5] / "docs" / "monitoring"


@pytest.fixture
def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SAMPLE.read_text())
    return found


def samples(report: dict[str, Any]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {}
    for family in text_string_to_metric_families(metrics.render(report)):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "twice"
            found[key] = sample.value
    return found


def one(found: dict[Any, float], name: str, **labels: str) -> float | None:
    return found.get((f"evenkeel_drift_{name}", frozenset(labels.items())))


def test_metrics(report: dict[str, Any]) -> None:
    found = samples(report)
    assert [one(found, "hosts", state=state) for state in report["counts"]] == [5, 3, 3, 1]
    assert one(found, "report_timestamp_seconds") == 1795917610
    assert one(found, "report_complete") == 1
    assert one(found, "site_dirty") == 0
    states = {state: one(found, "host_state", host="gpu6", state=state) for state in report["counts"]}
    assert states == {"equal": 0, "drifted": 0, "unknown": 0, "unreachable": 1}
    assert one(found, "host_since_timestamp_seconds", host="gpu1") is None
    assert one(found, "host_since_timestamp_seconds", host="gpu3") == 1795831210
    assert one(found, "host_reboot_required", host="gpu5") == 1
    assert one(found, "host_reboot_required", host="gpu6") is None, "nobody knows"
    assert one(found, "host_restarts_waiting", host="gpu4") == 2
    assert one(found, "layer_changes", host="gpu5", layer="condarc", state="drifted") == 1


def test_metrics_of_a_node_that_pulls(report: dict[str, Any]) -> None:
    commit = report["site"]["commit"]
    found = samples(report)
    assert one(found, "host_pull_info", host="gpu1", outcome="applied", commit=commit) == 1
    assert one(found, "host_pull_timestamp_seconds", host="gpu1") == 1795916490
    assert one(found, "host_pull_timestamp_seconds", host="gpu2") is None


def test_metrics_of_names_that_need_escapes(report: dict[str, Any]) -> None:
    name = 'a"b\\c\nd'
    report["hosts"] = {name: report["hosts"]["gpu5"]}
    report["site"] |= {"commit": None, "dirty": None}
    report["limit"] = "gpu5"
    found = samples(report)
    assert one(found, "host_state", host=name, state="drifted") == 1
    assert one(found, "site_dirty") is None
    assert one(found, "report_complete") == 0


def test_junit(report: dict[str, Any]) -> None:
    suites = ET.fromstring(junit.render(report))  # noqa: S314 - of our own
    assert [suite.get("name") for suite in suites] == list(report["hosts"])
    of = {suite.get("name"): suite for suite in suites}
    assert (of["gpu1"].get("failures"), of["gpu1"].get("errors")) == ("0", "0")
    failed = [case.get("name") for case in of["gpu5"] if case.find("failure") is not None]
    assert failed == ["Driver", "Kernel", ".condarc"]
    (gone,) = of["gpu6"]
    error = gone.find("error")
    assert error is not None
    assert (error.get("type"), error.text) == ("unreachable", report["hosts"]["gpu6"]["message"])
    unknown = next(case for case in of["gpu9"] if case.get("name") == "Container toolkit").find("error")
    assert unknown is not None
    assert unknown.get("type") == "unknown"
    assert (suites.get("failures"), suites.get("errors")) == ("5", "4")
    assert suites.get("tests") == str(sum(len(suite) for suite in suites))


def test_junit_has_no_character_that_xml_has_not(report: dict[str, Any]) -> None:
    report["hosts"]["gpu6"]["message"] = "a\x00b\ufffe<&"
    (case,) = next(suite for suite in ET.fromstring(junit.render(report)) if suite.get("name") == "gpu6")  # noqa: S314
    assert case[0].text == "a?b?<&"


def test_the_table(report: dict[str, Any]) -> None:
    shown = summary.lines(report)
    assert all(len(line) <= summary.COLUMNS for line in shown)
    rows = [line.split()[:2] for line in shown[1:-2]]
    assert rows == [[name, host["state"]] for name, host in report["hosts"].items() if host["state"] != "equal"]
    assert shown[-1] == "unreachable: 5 equal, 3 drifted, 3 unknown, 1 unreachable"


def test_the_table_of_hosts_that_are_all_equal_is_its_last_line(report: dict[str, Any]) -> None:
    report["hosts"] = {"gpu1": report["hosts"]["gpu1"]}
    report |= {"status": "equal", "counts": {"equal": 1, "drifted": 0, "unknown": 0, "unreachable": 0}}
    assert summary.lines(report) == ["equal: 1 equal"]


def test_the_table_stays_short(report: dict[str, Any]) -> None:
    report["hosts"] = {f"n{number}": copy.deepcopy(report["hosts"]["gpu5"]) for number in range(500)}
    assert len(summary.lines(report)) == 54
    assert "... and 450 more" in summary.lines(report)


def test_rules_and_dashboard_use_metrics_that_there_are() -> None:
    rules = yaml.safe_load((MONITORING / "evenkeel.rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((MONITORING / "evenkeel-dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    asked = " ".join([*(rule["expr"] for rule in alerts), *targets])
    words = set(re.findall(r"\bevenkeel_\w+", asked))
    assert len(words) > 5
    assert words <= metrics.HELP.keys()
    assert all({"alert", "expr", "labels", "annotations"} <= rule.keys() for rule in alerts)
