# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches mean the same as text, which ``-e NAME=false`` and INI inventories give."""

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


@pytest.mark.parametrize(("value", "wanted"), [(False, False), ("false", False), (True, True), ("true", True)])
def test_a_driver_without_a_gpu(value: object, wanted: bool) -> None:
    expression = yaml.safe_load((ROLES / "nvidia_driver" / "vars" / "main.yml").read_text())["__nvidia_driver_wanted"]
    given = {"nvidia_driver_state": "present", "nvidia_driver_without_gpu": value, "__nvidia_driver_gpu": False}
    assert Templar(DataLoader(), given).template(trust_as_template(expression)) is wanted
    assert (
        Templar(DataLoader(), {**given, "nvidia_driver_state": "absent"}).template(trust_as_template(expression))
        is False
    )


@pytest.mark.parametrize(
    ("file", "switch"),
    [
        ("nvidia_container_toolkit/tasks/install.yml", "nvidia_container_toolkit_enabled"),
        ("remote_access/tasks/converge.yml", "remote_access_vscode"),
    ],
)
@pytest.mark.parametrize(("value", "runs"), [(False, False), ("false", False), (True, True), ("true", True)])
def test_a_task_that_a_switch_turns_off(file: str, switch: str, value: object, runs: bool) -> None:
    tasks = yaml.safe_load((ROLES / file).read_text())
    tasks += [task for block in tasks for task in block.get("block", [])]
    conditions = [task["when"] for task in tasks if switch in str(task.get("when"))]
    conditions = [one for one in conditions if not one.startswith("not ")]
    templar = Templar(DataLoader(), {switch: value})
    assert [templar.evaluate_conditional(trust_as_template(one)) for one in conditions] == [runs]
