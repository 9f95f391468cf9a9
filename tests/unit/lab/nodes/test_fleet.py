# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet reports: one value, or an error that names the nodes that differ."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.nodes.fleet import Result, agreed

RESULT = Result({"a": {"changed": True, "pid": 1}, "b": {"changed": True, "pid": 2}}, shown="")


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ({"a": 1}, 1),
        ({"a": [1], "b": [1]}, [1]),
        ({"a": None, "b": None}, None),
    ],
)
def test_nodes_that_agree(values: dict[str, object], value: object) -> None:
    assert agreed(values, "it") == value


@pytest.mark.parametrize(
    ("values", "failure"),
    [
        ({"a": 1, "b": 2}, "the nodes differ in it:\n  a: 1\n  b: 2\n"),
        ({"b": "x", "a": None}, "the nodes differ in it:\n  a: None\n  b: 'x'\n"),
        ({}, "no node runs"),
    ],
)
def test_nodes_that_differ_are_told_apart(values: dict[str, object], failure: str) -> None:
    with pytest.raises(LabError, match=failure):
        agreed(values, "it")


def test_a_result_is_what_all_nodes_say() -> None:
    assert RESULT["changed"] is True
    assert RESULT["unknown"] is None
    with pytest.raises(LabError, match="the nodes differ in pid:\n  a: 1\n  b: 2"):
        RESULT["pid"]
