# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier reports in a folder."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import history, history_folder

from tests.unit.plugins.plugin_utils._drift.test_history import NOW, REPORT, day


def keep(folder: Path, made: datetime, **other: Any) -> Path:
    path = folder / history.name_of(made, "")
    path.write_text(json.dumps({**REPORT, "created": made.isoformat(), **other}))
    return path


def test_reports_of_a_folder_are_oldest_first_and_others_are_named(tmp_path: Path) -> None:
    new, old = keep(tmp_path, day(1)), keep(tmp_path, day(2))
    outdated = keep(tmp_path, day(3), format=0)
    damaged = tmp_path / history.name_of(day(4), "")
    damaged.write_text("{")
    undated = keep(tmp_path, day(5), created="yesterday")
    (tmp_path / "report.json").write_text("{")
    found, skipped = history_folder.earlier(tmp_path)
    assert list(found) == [old.name, new.name]
    assert found[new.name]["hosts"]["gpu1"] == {key: REPORT["hosts"]["gpu1"][key] for key in ("state", "digest")}
    for path, line in zip((undated, damaged, outdated), skipped, strict=True):
        assert line.startswith(f"Left out of the history: {path} ")
        assert line.endswith(". Move the file to another folder.")


def test_a_folder_that_is_missing_has_none(tmp_path: Path) -> None:
    assert history_folder.earlier(tmp_path / "history") == ({}, [])


def test_only_reports_of_ours_are_removed(tmp_path: Path) -> None:
    ours = keep(tmp_path, day(900))
    others = [
        tmp_path / "drift-2020.json",
        tmp_path / "notes.txt",
        tmp_path / history.name_of(day(901), ""),
        keep(tmp_path, day(902), kind="another report"),
    ]
    for path in others[:3]:
        path.write_text("{}")
    found, _ = history_folder.earlier(tmp_path)
    history_folder.remove(tmp_path, history.outdated(found, count=1, days=1, now=NOW))
    assert not ours.exists()
    assert sorted(tmp_path.iterdir()) == sorted(others)
