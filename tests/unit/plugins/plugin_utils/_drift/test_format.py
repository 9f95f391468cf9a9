# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports are read from files, and other files are refused by what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import FORMAT, KIND, read

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
    with pytest.raises(EvenkeelError, match=r"gone\.json: No such file"):
        read(tmp_path / "gone.json")
