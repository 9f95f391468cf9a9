# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists are read in the time that their length asks for, as they come from others."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.apt_lists import needs_of, paragraphs

MANY = 100_000


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("a (>= 1) [amd64] <!nocheck> <x> , b:any|c(<<2)", [["a (>= 1)"], ["b", "c (<< 2)"]]),
        ("a  ( >=  1 )  [amd64]  <x>", [["a (>= 1)"]]),
        ("a" + " " * MANY + "x", []),
        ("a (>= 1)" + " " * MANY + "[x]" + " " * MANY + "x", []),
        ("a" + " " * MANY + "(= 1)", [["a (= 1)"]]),
    ],
)
def test_needs(text: str, needs: list[list[str]]) -> None:
    assert [list(map(str, one)) for one in needs_of(text, "amd64")] == needs


def test_paragraphs() -> None:
    lines = ["A: 1", "B: x ", " y", "\tz", "# no", "no field", " lost", "", " ", "A: 2"]
    assert list(paragraphs(lines)) == [{"A": "1", "B": "x\n y\n\tz"}, {"A": "2"}]
