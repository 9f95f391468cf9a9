# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a drift report, from those of several control nodes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.action import drift_merge

from tests.unit.plugins.action.test_drift_report import EQUAL, drifted, plugin, report, write
from tests.unit.plugins.plugin_utils._drift.test_pulled import OTHER, said

VARIABLES = {"groups": {"all": ["n1", "n2", "n3"], "gpu_nodes": ["n1", "n2", "n3"]}}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(drift_merge, "show", lines.append)
    monkeypatch.setattr(drift_merge, "warn", lines.append)
    return lines


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A folder with the reports of two control nodes."""
    for name, nodes in (("control1", {"n1": EQUAL}), ("control2", {"n2": drifted()})):
        (tmp_path / "shards" / name).mkdir(parents=True)
        write(tmp_path / "shards" / name, nodes=nodes)
    return tmp_path / "shards"


def merge(folder: Path, *reports: str, **options: Any) -> dict[str, Any]:
    given = {"nodes": ["n1", "n2", "n3"], "directory": str(folder / "drift"), **options}
    result: dict[str, Any] = plugin(drift_merge.ActionModule, reports=list(reports), **given).run(task_vars=VARIABLES)
    return result


def test_one_report_of_all(shards: Path, tmp_path: Path, shown: list[str]) -> None:
    result = merge(tmp_path, f"{shards}/*/drift/report.json")
    assert result["states"] == {"n1": "equal", "n2": "drifted", "n3": "unknown"}
    assert result["status"] == "unknown"
    found = report(tmp_path)
    assert found["hosts"]["n3"]["groups"] == ["gpu_nodes"]
    assert found["hosts"]["n3"]["since"] == found["created"]
    assert (tmp_path / "drift" / "index.html").exists()
    assert "unknown: 1 equal, 1 drifted, 1 unknown" in shown[-1]


def test_a_file_that_is_no_report_is_named_and_left_out(shards: Path, tmp_path: Path, shown: list[str]) -> None:
    damaged = shards / "control1" / "drift" / "report.json"
    damaged.write_text('{"kind": ')
    result = merge(tmp_path, f"{shards}/*/drift/report.json", str(damaged))
    assert result["states"] == {"n1": "unknown", "n2": "drifted", "n3": "unknown"}
    assert [line for line in shown if str(damaged) in line] == [shown[0]]
    assert "is no JSON" in shown[0]


def test_a_pattern_without_a_file_leaves_all_nodes_unknown(tmp_path: Path, shown: list[str]) -> None:
    result = merge(tmp_path, f"{tmp_path}/*/report.json")
    assert set(result["states"].values()) == {"unknown"}
    assert shown[0] == f"There is no report at {tmp_path}/*/report.json, which drift_reports names."


def test_nodes_that_pull_are_in_it(shards: Path, tmp_path: Path, shown: list[str]) -> None:
    now = datetime.now(UTC)
    refused = {**said(outcome="refused", candidate=OTHER), "host": "n3", "since": "2026-11-01T00:00:00Z"}
    times = {key: now + timedelta(minutes=minutes) for key, minutes in (("ended", -1), ("due", 60))}
    (tmp_path / "nodes").mkdir()
    node = tmp_path / "nodes" / "n3.json"
    node.write_text(json.dumps({**refused, **{key: f"{time:%FT%TZ}" for key, time in times.items()}}))
    (tmp_path / "nodes" / "n9.json").write_text("{}")
    result = merge(tmp_path, f"{shards}/*/drift/report.json", pulled=str(tmp_path / "nodes"))
    assert result["states"] == {"n1": "equal", "n2": "drifted", "n3": "drifted"}
    found = report(tmp_path)["hosts"]["n3"]
    assert (found["pull"]["outcome"], found["since"]) == ("refused", "2026-11-01T00:00:00+00:00")
    assert "Pulls: refused: It says why" in shown[-1]
    assert "the inventory has no n9" in shown[0]
    assert "refused: It says why" in (tmp_path / "drift" / "junit.xml").read_text()


def test_reports_have_to_be_named(tmp_path: Path, shown: list[str]) -> None:
    assert "Neither drift_reports nor drift_pulled" in merge(tmp_path)["msg"]
    assert "There is no folder" in merge(tmp_path, pulled=str(tmp_path / "nowhere"))["msg"]
    assert list(tmp_path.iterdir()) == []


def test_wrong_options_are_refused_before_anything_is_written(shards: Path, tmp_path: Path, shown: list[str]) -> None:
    result = merge(tmp_path, f"{shards}/*/drift/report.json", keep=-1)
    assert "drift_keep is -1" in result["msg"]
    assert not (tmp_path / "drift").exists()


def test_no_hosts_and_no_reports(tmp_path: Path, shown: list[str]) -> None:
    assert "There are no hosts and no reports" in merge(tmp_path, "nowhere", nodes=[])["msg"]
    assert list(tmp_path.iterdir()) == []
