# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
import yaml
from ansible._internal._datatag._tags import Origin
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.plain import plain

from tests.unit.plugins.tagged import tagged


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("linux-64", "linux-64"),
        (3, 3),
        (True, True),
        (1.5, 1.5),
        (None, None),
        (["a", ("b", 1)], ["a", ["b", 1]]),
        ({"a": {"b": ["c"]}}, {"a": {"b": ["c"]}}),
        ({1: "a"}, {"1": "a"}),
        (date(2026, 11, 29), "2026-11-29"),
        (datetime(2026, 11, 29, 5, 30), "2026-11-29T05:30:00"),
    ],
)
def test_what_ansible_adds_to_values_goes(value: Any, expected: Any) -> None:
    result = plain(tagged(value))
    assert result == expected
    assert type(result) is type(expected)
    assert yaml.safe_load(yaml.safe_dump(result)) == expected
    assert not Origin.is_tagged_on(result)


def test_yaml_refuses_what_is_not_plain() -> None:
    with pytest.raises(yaml.representer.RepresenterError):
        yaml.safe_dump(tagged(["a"]))


def test_what_ansible_does_not_tag_stays() -> None:
    thing = object()
    assert plain(thing) is thing
