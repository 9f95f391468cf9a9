# SPDX-License-Identifier: GPL-3.0-or-later
"""One drift report of several."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import report
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.merge import merged

from tests.unit.plugins.plugin_utils._drift.test_report import DRIFTED, EQUAL, SITE, entry
from tests.unit.plugins.plugin_utils._drift.test_schema import VALIDATOR

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)


def made(minutes: int, commit: str | None = None, **found: dict[str, Any]) -> dict[str, Any]:
    """Return the report of a run that ended so many minutes ago and took 30 seconds."""
    hosts = {name: entry(one) for name, one in found.items()}
    site = {**SITE, "commit": commit}
    return report.of_run(hosts, site=site, limit="@x", created=NOW - timedelta(minutes=minutes), seconds=30)


def merge(*reports: dict[str, Any], hosts: str = "") -> dict[str, Any]:
    found = merged(reports, {name: ["all", "gpu_nodes"] for name in hosts.split()}, NOW)
    VALIDATOR.validate(found)
    return found


def test_all_hosts_of_all_reports_are_there() -> None:
    found = merge(made(1, gpu1=EQUAL), made(2, gpu10=DRIFTED, gpu2=EQUAL), hosts="gpu1 gpu2 gpu10")
    assert list(found["hosts"]) == ["gpu1", "gpu2", "gpu10"]
    assert found["status"] == "drifted"
    assert found["counts"] == {"equal": 2, "drifted": 1, "unknown": 0, "unreachable": 0}
    assert found["layers"] == made(1, gpu1=EQUAL)["layers"]
    assert found["limit"] == ""


def test_a_host_in_no_report_is_unknown_and_hides_no_other() -> None:
    found = merge(made(1, gpu1=EQUAL), hosts="gpu1 gpu2")
    assert {name: host["state"] for name, host in found["hosts"].items()} == {"gpu1": "equal", "gpu2": "unknown"}
    assert "in no report" in found["hosts"]["gpu2"]["message"]
    assert found["hosts"]["gpu2"]["groups"] == ["gpu_nodes"]
    assert found["status"] == "unknown"


def test_no_report_at_all() -> None:
    found = merge(hosts="gpu1 gpu2")
    assert found["counts"]["unknown"] == 2
    assert found["site"]["note"] == "There are no reports"


def test_of_two_reports_of_a_host_the_newer_counts() -> None:
    older, newer = made(9, gpu1=DRIFTED), made(1, gpu1=EQUAL)
    assert merge(older, newer)["hosts"]["gpu1"]["state"] == "equal"
    assert merge(newer, older)["hosts"]["gpu1"]["state"] == "equal"


def test_it_took_as_long_as_from_the_first_begin_to_the_last_end() -> None:
    assert merge(made(1, gpu1=EQUAL), made(3, gpu2=EQUAL))["seconds"] == 150


def test_the_commit_is_there_only_if_it_is_one() -> None:
    one, other = "a" * 40, "b" * 40
    assert merge(made(1, one, gpu1=EQUAL), made(2, one, gpu2=EQUAL))["site"]["commit"] == one
    site = merge(made(1, one, gpu1=EQUAL), made(2, other, gpu2=EQUAL))["site"]
    assert site["commit"] is None
    assert site["note"] == "Reports of different commits: bbbbbbbbbbbb, aaaaaaaaaaaa"
