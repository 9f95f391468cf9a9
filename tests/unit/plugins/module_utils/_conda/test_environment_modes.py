# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator is warned of when users could change builds."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_modes import Permissions
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.modes import Loose

BUILD = "/opt/evenkeel/generations/minimal/16e6fed7220249e1"


@pytest.mark.parametrize(
    ("found", "warnings"),
    [
        pytest.param((), [], id="nothing was found by the first look"),
        pytest.param((Loose("bin/python", False),), [], id="for the group of root alone"),
        pytest.param(
            (Loose("lib/a.pth", True), Loose("bin/python", False)),
            [
                "In generation 16e6fed7220249e1 others may change lib/a.pth. That is taken back, and the generation is "
                "used for no name again"
            ],
            id="for users",
        ),
    ],
)
def test_the_operator_is_warned_of_what_users_could_change(found: tuple[Loose, ...], warnings: list[str]) -> None:
    assert Permissions({BUILD: found}).warnings == warnings
