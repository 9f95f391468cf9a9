# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report's JSON Schema: the sample of 12 hosts keeps it, and what breaks it is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import schema
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

SCHEMA = Path(__file__).parents[5] / "plugins" / "plugin_utils" / "_drift" / "report.schema.json"
SAMPLE = Path(__file__).with_name("sample_report.json")
FORMATS = FormatChecker(())
FORMATS.checks("date-time")(lambda value: not isinstance(value, str) or schema.is_moment(value))
VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text()), format_checker=FORMATS)

Report = dict[str, Any]

LAYER = {
    "state": "drifted",
    "changes": [{"what": "a module", "why": ["because"], "diff": ""}],
    "problems": [],
    "unknown": ["nothing"],
    "notes": [],
    "found": {"version": "1", "packages": ["a"]},
    "declared": {},
    "provenance": {"file": "a", "sha256": "0" * 64, "commit": None, "dirty": False},
    "digest": "0" * 16,
}


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


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container within a value with each of its keys."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(item)


def test_a_reader_without_a_library_refuses_what_the_schema_refuses() -> None:
    report = json.loads(SAMPLE.read_text())
    host = {**report["hosts"]["gpu1"], "gpus": [], "groups": [], "layers": {"driver": LAYER}}
    report.update(hosts={"gpu1": host}, layers=report["layers"][:1], counts={**report["counts"]})
    VALIDATOR.validate(report)
    assert schema.breach(report) is None
    refused = 0
    for container, key in list(places(report)):
        had = container[key]
        for other in (None, "x", "2026-11-29T02:00:00+00:00", -1, 1.5, True, ["x"], [1], {}, {"x": "x"}):
            container[key] = deepcopy(other)
            valid = VALIDATOR.is_valid(report)
            assert (schema.breach(report) is None) == valid, (key, other)
            refused += not valid
        container[key] = had
    assert refused > 200


@pytest.mark.parametrize("key", ["kind", "seconds", "counts", "layers", "hosts"])
def test_a_reader_without_a_library_misses_what_is_missing(key: str) -> None:
    report = json.loads(SAMPLE.read_text())
    del report[key]
    assert schema.breach(report) == ""


def test_the_place_of_what_breaks_it_is_named() -> None:
    report = json.loads(SAMPLE.read_text())
    report["hosts"]["gpu1"]["layers"]["driver"]["changes"] = [{"what": "x", "why": [1], "diff": ""}]
    assert schema.breach(report) == "hosts.gpu1.layers.driver.changes.0.why.0"
