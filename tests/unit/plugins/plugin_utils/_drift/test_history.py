# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier reports: since when a host differs, and which reports go."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import history

from tests.unit.plugins.plugin_utils._drift.test_schema import SAMPLE, VALIDATOR

REPORT: dict[str, Any] = json.loads(SAMPLE.read_text())
NOW = datetime(2026, 11, 29, 2, tzinfo=UTC)


def day(number: int) -> datetime:
    return NOW - timedelta(days=number)


@pytest.mark.parametrize(
    ("states", "days_ago"),
    [
        ([], 0),
        (["equal"], 0),
        (["equal", "drifted"], 1),
        (["drifted", "unknown", "unreachable"], 3),
        (["drifted", "equal", "drifted", None], 2),
        ([None, None], 0),
    ],
)
def test_since_when_a_host_differs(states: list[str | None], days_ago: int) -> None:
    """Oldest first, the last of yesterday."""
    reports = [
        {"created": day(len(states) - number).isoformat(), "hosts": {"n1": {"state": state}} if state else {}}
        for number, state in enumerate(states)
    ]
    assert history.since("n1", NOW.isoformat(), reports) == day(days_ago).isoformat()


def test_a_report_is_kept_without_its_layers_and_is_a_report_still() -> None:
    kept = history.without_layers(REPORT)
    VALIDATOR.validate(kept)
    assert len(json.dumps(kept)) < len(json.dumps(REPORT)) / 5
    assert {name: host["digest"] for name, host in kept["hosts"].items()} == {
        name: host["digest"] for name, host in REPORT["hosts"].items()
    }
    assert REPORT["hosts"]["gpu1"]["layers"], "the report itself is as it was"


@pytest.mark.parametrize(
    ("count", "days", "gone"),
    [(0, 0, []), (2, 0, [5, 3]), (3, 0, [5]), (9, 0, []), (0, 3, [5]), (0, 2, [5, 3]), (2, 4, [5, 3]), (3, 2, [5, 3])],
)
def test_which_reports_go(count: int, days: int, gone: list[int]) -> None:
    reports = {history.name_of(day(number), ""): {"created": day(number).isoformat()} for number in (5, 3, 2, 1)}
    found = history.outdated(reports, count=count, days=days, now=NOW)
    assert found == [history.name_of(day(number), "") for number in gone]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (history.name_of(day(1), "a"), True),
        ("drift-20261129T161751Z.json", True),
        ("drift-20261129T161751Z-1234.json", False),
        ("drift-20261129T161751Z-0badcafe.json.1", False),
        ("report.json", False),
    ],
)
def test_the_names_of_reports(name: str, ours: bool) -> None:
    assert history.is_ours(name) is ours
    assert history.name_of(day(1), "a") != history.name_of(day(1), "b")
