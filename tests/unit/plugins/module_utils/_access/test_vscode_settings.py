# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that come into VS Code's settings, and characters that stay."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._access.vscode_settings import Unreadable

COMMENTED = """\
{
    // mine: "a" }
    "a": 1, /* { */
    "url": "http://x/*y*/",
    "list": [1, {"b": []},],
}
"""


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{}", {}),
        ("\ufeff{}", {}),
        ('{"a": {"b": null}, "c": [true, -1.5e3, "\\"]"]}', {"a": {"b": None}, "c": [True, -1500.0, '"]']}),
        (COMMENTED, {"a": 1, "url": "http://x/*y*/", "list": [1, {"b": []}]}),
        ('// only\n{"a": 1} // after\n', {"a": 1}),
    ],
)
def test_values(text: str, values: dict[str, Any]) -> None:
    assert vscode_settings.parse(text).values == values


@pytest.mark.parametrize(
    ("text", "wanted", "after"),
    [
        (None, {"k": "v"}, '{\n    "k": "v"\n}\n'),
        (" \n", {"k": "v"}, '{\n    "k": "v"\n}\n'),
        (None, {}, None),
        ("{}", {"k": "v"}, '{\n    "k": "v"\n}'),
        ('{"a": 1}', {"k": "v"}, '{\n    "k": "v",\n"a": 1}'),
        ('{\n    "a": 1\n}\n', {"k": "v", "l": [2]}, '{\n    "k": "v",\n    "l": [2],\n    "a": 1\n}\n'),
        ("{\n    // nothing yet\n}\n", {"k": "v"}, '{\n    "k": "v"\n    // nothing yet\n}\n'),
        ('\ufeff{"k": "old"}', {"k": "v"}, '\ufeff{"k": "v"}'),
        ('{"k": {"x": 1}, /* k */ "l": 2}', {"k": "v", "l": 3}, '{"k": "v", /* k */ "l": 3}'),
        (COMMENTED, {}, COMMENTED),
        (COMMENTED, {"list": []}, COMMENTED.replace('[1, {"b": []},]', "[]")),
    ],
)
def test_merge(text: str | None, wanted: dict[str, Any], after: str | None) -> None:
    merged = vscode_settings.merge(text, wanted)
    assert merged == after
    assert wanted.items() <= vscode_settings.parse(merged or "{}").values.items()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[]", 1),
        ('{"a": 1', 1),
        ('{\n"a" 1}', 2),
        ('{\n"a": 1\n"b": 2}', 3),
        ("{a: 1}", 1),
        ('{"a": "x\ny"}', 1),
        ("{} {}", 1),
        ('{"a": 1}\n\n}', 3),
        ("{,}", 1),
        ('{"a": /* x', 1),
        ("{'a': 1}", 1),
    ],
)
def test_what_is_no_settings(text: str, line: int) -> None:
    with pytest.raises(Unreadable, match=f"^line {line} is not JSON"):
        vscode_settings.merge(text, {"k": 1})
