# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of modules as one text."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.difference import MOST, text_of


@pytest.mark.parametrize(
    ("diff", "text"),
    [
        ({}, ""),
        ({"before": "a\n", "after": "a\n"}, ""),
        ({"before": "a\nb\n", "after": "a\nc\n"}, "--- before\n+++ after\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
        (
            {"before": "", "after": "x", "before_header": "/etc/a", "after_header": "/etc/a"},
            "--- /etc/a\n+++ /etc/a\n@@ -0,0 +1 @@\n+x\n",
        ),
        ({"before": None, "after": {"b": 1}}, '--- before\n+++ after\n@@ -0,0 +1,3 @@\n+{\n+  "b": 1\n+}\n'),
        ([{"prepared": "+ numpy\n"}, {"prepared": "- six"}], "+ numpy\n- six\n"),
        (["no mapping"], ""),
    ],
)
def test_a_diff_is_a_text(diff: Any, text: str) -> None:
    assert text_of(diff) == text


def test_a_long_one_is_cut_and_says_by_how_much() -> None:
    text = text_of({"before": "", "after": "".join(f"line {number}\n" for number in range(3900))})
    assert len(text) < MOST + 100
    shown = text.splitlines()
    assert shown[-1] == f"... {3900 + 3 - (len(shown) - 1)} more lines"


def test_files_without_end_and_endless_lines_take_no_time() -> None:
    many = "".join(f"{number}\n" for number in range(100_000))
    assert text_of({"before": "", "after": many, "after_header": "f"}) == "f: 0 lines become 100000\n"
    assert len(text_of({"before": "", "after": "x" * 10**6})) < 1100
