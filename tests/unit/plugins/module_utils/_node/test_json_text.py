# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to people's JSON and taken out again leaves the rest as they have written it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.json_text import with_member, without_member

TWO = '{\n  "dns": ["1.1.1.1", "9.9.9.9"],\n  "features": {\n    "x": true\n  }\n}\n'
TABS = '{\n\t"dns": ["1.1.1.1"]\n}'
LINE = '{"dns":["1.1.1.1"],"a\\"}": {"b": [1, {"c": "}"}]}}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            TWO,
            '{\n  "dns": ["1.1.1.1", "9.9.9.9"],\n  "features": {\n    "x": true\n  },\n'
            '  "runtimes": {\n    "n": {\n      "args": []\n    }\n  }\n}\n',
        ),
        (TABS, '{\n\t"dns": ["1.1.1.1"],\n\t"runtimes": {\n\t\t"n": {\n\t\t\t"args": []\n\t\t}\n\t}\n}'),
        (LINE, LINE[:-1] + ', "runtimes": {"n": {"args": []}}}'),
        ("{}\n", '{\n    "runtimes": {\n        "n": {\n            "args": []\n        }\n    }\n}\n'),
        ('{ "runtimes": { "k": {} } }', '{ "runtimes": { "k": {}, "n": {"args": []} } }'),
        ('{\n  "runtimes": {\n    "k": {}\n  }\n}', None),
        (' {"runtimes" : {"n" : 5}} ', ' {"runtimes" : {"n" : 5}} '),
    ],
    ids=["two spaces", "tabs", "one line", "empty", "beside others", "beside others on lines", "there already"],
)
def test_a_member_is_added_as_the_text_is_written(before: str, after: str | None) -> None:
    text = with_member(before, ("runtimes", "n"), {"args": []})
    assert json.loads(text)["runtimes"]["n"] in ({"args": []}, 5)
    assert text == (after or '{\n  "runtimes": {\n    "k": {},\n    "n": {\n      "args": []\n    }\n  }\n}')


@pytest.mark.parametrize("before", [TWO, TABS, LINE, "{}", '{"runtimes": {"k": {}}}', '\n{ "a" : 1 , "b":2 }\n\n'])
def test_what_is_added_and_taken_out_leaves_every_byte(before: str) -> None:
    paths = (("runtimes", "n"), ("features", "cdi"))
    text = before
    for path in paths:
        text = with_member(text, path, {"args": []})
    assert text != before
    for path in paths:
        text = without_member(text, path)
    assert text == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"n": 1, "b": 2}', '{"b": 2}'),
        ('{"b": 2, "n": 1 , "c": 3}', '{"b": 2 , "c": 3}'),
        ('{\n  "b": 2,\n  "n": 1\n}\n', '{\n  "b": 2\n}\n'),
        ('{\n  "n": 1\n}\n', "{}\n"),
        ('{"b": 2}', '{"b": 2}'),
    ],
    ids=["the first", "one between", "the last", "the only one", "none"],
)
def test_a_member_is_taken_out(before: str, after: str) -> None:
    assert without_member(before, ("n",)) == after


def test_an_object_that_has_others_stays() -> None:
    assert without_member('{"a": {"n": {"x": 1}, "b": 2}}', ("a", "n", "x")) == '{"a": {"b": 2}}'
    assert without_member('{"a": {"n": 1}}', ("a", "n")) == "{}"
