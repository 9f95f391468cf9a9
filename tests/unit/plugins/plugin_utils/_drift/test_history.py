# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier reports: since when a host differs, and which reports go."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import history

from tests.unit.plugins.plugin_utils._drift.test_schema import SAMPLE, VALIDATOR

REPORT: dict[str, Any] = json.loads(SAMPLE.read_text())
NOW = datetime(2026, 11, 29, 2, tzinfo=UTC)


def day(number: int) -> datetime:
    return NOW - timedelta(days=number)


def keep(folder: Path, made: datetime, **other: Any) -> Path:
    path = folder / history.name_of(made)
    path.write_text(json.dumps({**REPORT, "created": made.isoformat(), **other}))
    return path


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


def test_reports_of_a_folder_are_oldest_first_and_others_are_named(tmp_path: Path) -> None:
    new, old = keep(tmp_path, day(1)), keep(tmp_path, day(2))
    outdated = keep(tmp_path, day(3), format=0)
    damaged = tmp_path / history.name_of(day(4))
    damaged.write_text("{")
    undated = keep(tmp_path, day(5), created="yesterday")
    (tmp_path / "report.json").write_text("{")
    found, skipped = history.earlier(tmp_path)
    assert list(found) == [old, new]
    assert found[new]["hosts"]["gpu1"] == {key: REPORT["hosts"]["gpu1"][key] for key in ("state", "digest")}
    for path, line in zip((undated, damaged, outdated), skipped, strict=True):
        assert line.startswith(f"Left out of the history: {path} ")
        assert line.endswith(". Move the file to another folder.")


def test_a_report_is_kept_without_its_layers_and_is_a_report_still() -> None:
    kept = history.without_layers(REPORT)
    VALIDATOR.validate(kept)
    assert len(json.dumps(kept)) < len(json.dumps(REPORT)) / 5
    assert {name: host["digest"] for name, host in kept["hosts"].items()} == {
        name: host["digest"] for name, host in REPORT["hosts"].items()
    }
    assert REPORT["hosts"]["gpu1"]["layers"], "the report itself is as it was"


def test_a_folder_that_is_missing_has_none(tmp_path: Path) -> None:
    assert history.earlier(tmp_path / "history") == ({}, [])


@pytest.mark.parametrize(
    ("count", "days", "gone"),
    [(0, 0, []), (2, 0, [5, 3]), (3, 0, [5]), (9, 0, []), (0, 3, [5]), (0, 2, [5, 3]), (2, 4, [5, 3]), (3, 2, [5, 3])],
)
def test_which_reports_go(count: int, days: int, gone: list[int], tmp_path: Path) -> None:
    paths = {tmp_path / history.name_of(day(number)): {"created": day(number).isoformat()} for number in (5, 3, 2, 1)}
    found = history.outdated(paths, count=count, days=days, now=NOW)
    assert found == [tmp_path / history.name_of(day(number)) for number in gone]


def test_only_reports_of_ours_are_removed(tmp_path: Path) -> None:
    ours = keep(tmp_path, day(900))
    others = [
        tmp_path / "drift-2020.json",
        tmp_path / "notes.txt",
        tmp_path / history.name_of(day(901)),
        keep(tmp_path, day(902), kind="another report"),
    ]
    for path in others[:3]:
        path.write_text("{}")
    found, _ = history.earlier(tmp_path)
    history.remove(history.outdated(found, count=1, days=1, now=NOW))
    assert not ours.exists()
    assert sorted(tmp_path.iterdir()) == sorted(others)
