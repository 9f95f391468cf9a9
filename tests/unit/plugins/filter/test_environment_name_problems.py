# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of environments are refused before anything is done with them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.filter.environment_name_problems import environment_name_problems

INVALID = (
    "name is %r, which is not a valid name of an environment. "
    "Use letters, digits, '_', '-' and '.', beginning with a letter, a digit or '_'."
)
OWN = "name is 'base', which is the distribution's own environment. Choose another name; base stays clean."


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        (["nlp", "_x", "3d", "a.b-c", 3], []),
        (["nlp", "vision", "nlp", "nlp"], ["name is 'nlp' 3 times. Rename or remove the duplicates."]),
        (["../nlp", "-x", "a b", "", "nlp\n"], [INVALID % name for name in ("../nlp", "-x", "a b", "", "nlp\n")]),
        (["base", "nlp"], [OWN]),
    ],
)
def test_problems(names: list[Any], problems: list[str]) -> None:
    assert environment_name_problems(names) == problems
