# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report's JSON Schema: the sample of 12 hosts keeps it, and what breaks it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

SCHEMA = Path(__file__).parents[5] / "plugins" / "plugin_utils" / "_drift" / "report.schema.json"
SAMPLE = Path(__file__).with_name("sample_report.json")
VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text()), format_checker=FormatChecker())

Report = dict[str, Any]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)


def test_the_sample_keeps_it() -> None:
    VALIDATOR.validate(json.loads(SAMPLE.read_text()))


@pytest.mark.parametrize(
    "broken",
    [
        lambda report: report.update(format=2),
        lambda report: report.update(hosts={}),
        lambda report: report.update(status="ok"),
        lambda report: report["hosts"]["gpu1"].update(state="failed"),
        lambda report: report["hosts"]["gpu1"].pop("digest"),
        lambda report: report["hosts"]["gpu1"]["layers"]["driver"].update(state="unreachable"),
        lambda report: report["hosts"]["gpu1"]["layers"]["driver"]["found"].update(version=580),
        lambda report: report["layers"][0].pop("title"),
    ],
)
def test_what_breaks_it_is_found(broken: Callable[[Report], None]) -> None:
    report = json.loads(SAMPLE.read_text())
    broken(report)
    with pytest.raises(ValidationError):
        VALIDATOR.validate(report)
