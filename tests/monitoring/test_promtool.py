# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report's metrics, alerts and dashboard, as Prometheus takes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import metrics

from maintenance.made_up_fleet import fleet
from tests.monitoring.conftest import Promtool

HERE = Path(__file__).parent
MONITORING = HERE.parents[1] / "docs" / "monitoring"
RULES = MONITORING / "evenkeel.rules.yml"
SCENARIOS = HERE / "alerts.yml"


def test_the_metrics(promtool: Promtool) -> None:
    report, _earlier = fleet(64, 11)
    text = metrics.render(report)
    assert "evenkeel_drift_host_since_timestamp_seconds{" in text
    done = promtool("check", "metrics", given=text)
    assert (done.returncode, done.stdout) == (0, "")
    cut = promtool("check", "metrics", given=text.rstrip().rpartition(" ")[0])
    assert cut.returncode != 0, "it reads them"


def test_the_rules(promtool: Promtool) -> None:
    done = promtool("check", "rules", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout


def test_when_alerts_fire(promtool: Promtool) -> None:
    done = promtool("test", "rules", str(SCENARIOS))
    assert done.returncode == 0, done.stdout


def test_every_alert_has_a_time_at_which_it_fires() -> None:
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    tested = {
        asked["alertname"]
        for scenario in yaml.safe_load(SCENARIOS.read_text())["tests"]
        for asked in scenario["alert_rule_test"]
        if asked["exp_alerts"]
    }
    assert tested == alerts


def queries() -> list[str]:
    """Return what the dashboard asks, with any host in place of the one that is chosen in it."""
    dashboard: dict[str, Any] = json.loads((MONITORING / "evenkeel-dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [expression.replace("$host", ".*") for expression in asked]


@pytest.mark.parametrize("query", queries())
def test_the_dashboard(query: str, promtool: Promtool, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [{"record": "asked", "expr": query}]}]}))
    done = promtool("check", "rules", str(rules))
    assert done.returncode == 0, done.stdout
    assert not re.search(r"\$\w", query)
