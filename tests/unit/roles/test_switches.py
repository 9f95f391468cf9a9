# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches that decide who may act as whom mean the same as text, which ``-e NAME=false`` and INI inventories give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[3] / "roles"
SWITCHES = [
    ("jupyter", "jupyter_users_share_cookies", {"__jupyter_loopback": False, "jupyter_users": [{}, {}]}),
    ("jupyter", "jupyter_allow_remote_address", {"__jupyter_loopback": False}),
    ("front_door", "front_door_users_share_origin", {}),
]


@pytest.mark.parametrize(("value", "allowed"), [(False, False), ("false", False), (True, True), ("true", True)])
@pytest.mark.parametrize(("role", "switch", "others"), SWITCHES, ids=[switch for _, switch, _ in SWITCHES])
def test_a_switch_given_as_text(role: str, switch: str, others: dict[str, Any], value: object, allowed: bool) -> None:
    variables = yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text())
    if role == "front_door":
        expression = variables["__front_door_share"]
    else:
        (expression,) = [
            check["ok"] for check in variables["__jupyter_checks"] if f"set {switch} to true" in check["problem"]
        ]
    templar = Templar(DataLoader(), {**others, switch: value})
    assert templar.template(trust_as_template(expression)) is allowed
