# SPDX-License-Identifier: GPL-3.0-or-later
"""The expected values are those of conda 26.7.1 for the same files."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import parse
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.precedence import (
    Effective,
    File,
    effective,
    overridden,
)


def files(*texts: str) -> list[File]:
    """Return files named 0, 1, ... from the lowest precedence on."""
    return [File(str(number), parse(text, str(number))) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("key", "texts", "value", "wins"),
    [
        ("offline", ["offline: true", "offline: false"], False, "1"),
        ("offline", ["offline: true  #!final", "offline: false"], True, "0"),
        ("offline", ["offline: true", "offline: false  #!final", "offline: true"], False, "1"),
        ("offline", ["offline: true  #!final\n# why\nquiet: true", "offline: false"], False, "1"),
        ("always_yes", ["always_yes: true", "always_yes:"], None, "1"),
        ("auto_activate", ["auto_activate_base: false", "auto_activate: true"], True, "1"),
        ("auto_activate_base", ["auto_activate_base: false  #!final", "auto_activate: true"], False, "0"),
        ("channels", ["channels: [a, b]", "channels: [c, a]"], ["c", "a", "b"], "1"),
        ("channels", ["channels: [a]", "channels:"], ["a"], "0"),
        ("channels", ["channels: [a]", "channels: []"], ["a"], "1"),
        ("channels", ["channels: [a]  #!final", "channels: [b]"], ["a"], "0"),
        ("channels", ["channels: [a]", "channels: [b]  #!final", "channels: [c]"], ["b", "a"], "1"),
        ("channels", ["channels:\n  - a  #!top\n  - b", "channels:\n  - c\n  - d  #!bottom"], [*"acbd"], "1"),
        ("channels", ["channels:\n  - a  #!bottom\n  - b", "channels:\n  - a  #!top\n  - c",
                      "channels:\n  - b  #!top\n  - d  #!bottom"], [*"bcda"], "2"),
        ("custom_channels", ["custom_channels: {x: p}", "custom_channels: {x: q, y: r}"],
         {"x": "q", "y": "r"}, "1"),
        ("custom_channels", ["custom_channels:  #!final\n  x: p", "custom_channels: {x: q, y: r}"],
         {"x": "p"}, "0"),
        ("custom_channels", ["custom_channels:\n  x: p  #!final", "custom_channels: {x: q, y: r}"],
         {"x": "p", "y": "r"}, "1"),
        ("custom_multichannels", ["custom_multichannels: {x: [a]}", "custom_multichannels: {x: [b]}"],
         {"x": ["b", "a"]}, "1"),
        ("custom_multichannels", ["custom_multichannels:\n  x:\n    - a\n    - c  #!bottom\n    - b"],
         {"x": ["a", "b", "c"]}, "0"),
    ],
)  # fmt: skip
def test_files_are_merged_as_conda_does(key: str, texts: list[str], value: Any, wins: str) -> None:
    found = effective(key, files(*texts))
    assert found is not None
    assert (found.value, found.file) == (value, wins)


def test_all_files_that_set_a_key_are_told() -> None:
    found = effective("offline", files("offline: true  #!final", "quiet: true", "offline: false"))
    assert found == Effective(True, "0", ["0", "2"])
    assert effective("offline", files("quiet: true")) is None
    assert effective("channels", files("channels: words")) is None


@pytest.mark.parametrize(
    ("ours", "texts", "expected"),
    [
        ("0", ["offline: true", "offline: true"], {}),
        ("0", ["offline: true", "offline: false"], {"1": ["offline"]}),
        ("0", ["offline: true  #!final", "offline: false"], {}),
        ("1", ["offline: true  #!final", "offline: false"], {"0": ["offline"]}),
        ("1", ["offline: true", "offline: false"], {}),
        ("0", ["channels: [a, b]", "channels: [c]"], {"1": ["channels"]}),
        ("0", ["channels: [a, b]", "channels: [a]"], {}),
        ("1", ["channels: [a, b]", "channels: [c]"], {}),
        ("1", ["channels:\n  - a  #!top", "channels: [c]"], {"0": ["channels"]}),
        ("0", ["custom_channels: {x: p}", "custom_channels: {y: q}"], {}),
        ("0", ["custom_channels: {x: p}", "custom_channels: {x: q}"], {"1": ["custom_channels"]}),
        ("0", ["channels: [a]\noffline: true", "channels: [b]", "offline: false\nchannels: [a]"], {"2": ["offline"]}),
        ("0", ["channels: [a, a]"], {}),
    ],
)
def test_who_defeats_a_file_is_found(ours: str, texts: list[str], expected: dict[str, list[str]]) -> None:
    everything = files(*texts)
    assert overridden(everything[int(ours)], everything) == expected
