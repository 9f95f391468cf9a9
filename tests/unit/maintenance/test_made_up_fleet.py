# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets that don't exist have reports as real ones do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from maintenance.made_up_fleet import DAYS, fleet

SCHEMA = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_drift" / "report.schema.json"


@pytest.mark.parametrize(("count", "differing", "alone"), [(20, 0, False), (64, 11, False), (5, 5, True)])
def test_the_report_keeps_the_schema(count: int, differing: int, alone: bool) -> None:
    report, history = fleet(count, differing, alone=alone)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(report)
    assert count - report["counts"]["equal"] == differing
    assert len(report["hosts"]) == count
    assert len(history) == DAYS


def test_all_states_occur() -> None:
    assert all(fleet(64, 11)[0]["counts"].values())


def test_the_same_fleet_is_the_same() -> None:
    assert fleet(30, 9) == fleet(30, 9)


def test_hosts_that_differ_alone_are_alike_to_none() -> None:
    digests = [host["digest"] for host in fleet(6, 6, alone=True)[0]["hosts"].values()]
    assert len(set(digests)) == len(digests)
