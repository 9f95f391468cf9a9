# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports are read from files, and other files are refused by what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import FORMAT, KIND, outline, read

from tests.unit.plugins.plugin_utils._drift.test_schema import SAMPLE, VALIDATOR

REPORT: dict[str, Any] = json.loads(SAMPLE.read_text())


def test_a_report_is_read() -> None:
    assert read(SAMPLE) == REPORT


def test_its_marks_are_the_schema_s() -> None:
    known = VALIDATOR.schema["properties"]
    assert (known["kind"]["const"], known["format"]["const"]) == (KIND, FORMAT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no JSON"),
        (json.dumps(REPORT)[:-100], "is no JSON"),
        ("[]", "is no drift report. Name the report.json"),
        (json.dumps({"format": 1, "ok": True}), "is no drift report"),
        (json.dumps({**REPORT, "format": 0}), f"has the format 0, and this version of Evenkeel reads {FORMAT}"),
        (json.dumps({**REPORT, "format": 99}), "has the format 99"),
        (json.dumps({**REPORT, "hosts": {}}), "is damaged"),
        (json.dumps({**REPORT, "hosts": {"a": {"state": "fine", "digest": None}}}), "is damaged"),
        (json.dumps({**REPORT, "status": "ok"}), "is damaged"),
        (json.dumps({**REPORT, "created": "yesterday"}), "is damaged"),
        (json.dumps({**REPORT, "created": "2026-11-29T02:00:00"}), "is damaged"),
        (json.dumps({**REPORT, "created": None}), "is damaged"),
        (json.dumps({key: value for key, value in REPORT.items() if key != "layers"}), "is damaged"),
        (json.dumps({**REPORT, "counts": {}}), "is damaged at counts"),
        (json.dumps({**REPORT, "seconds": float("nan")}), "is no JSON: NaN is no number"),
        (json.dumps(REPORT)[:-1] + ', "more": 1e999}', "is no JSON: 1e999 is no number"),
        (json.dumps(REPORT)[:-1] + f', "more": {"[" * 200}{"]" * 200}}}', "nested too deeply"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_other_files_are_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(EvenkeelError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"gone\.json: No such file or directory\. Name the report\.json"):
        read(tmp_path / "gone.json")


def test_a_folder_is_not_to_be_moved_away(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match=r"Is a directory\. Name the report\.json"):
        read(tmp_path)


@pytest.mark.parametrize(
    "other",
    [
        {"hosts": []},
        {"hosts": {"a": []}},
        {"hosts": {"a": {"state": "equal"}}},
        {"hosts": {"a": {"state": "equal", "digest": 5}}},
        {"status": None},
        {"created": "2026-11-29T02:00:00"},
    ],
)
def test_an_outline_has_all_that_a_history_needs(other: dict[str, Any]) -> None:
    with pytest.raises(EvenkeelError, match=r"drift-1\.json is damaged at"):
        outline(json.dumps({**REPORT, **other}).encode(), "drift-1.json")
