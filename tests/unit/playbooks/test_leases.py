# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks change a node while they have its lease, and give it back also where a task fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
LEASE = "evenkeel.gpu.node_lease"

Task = dict[str, Any]


def flat(tasks: list[Task]) -> Iterator[Task]:
    """Yield tasks and blocks, with all within these."""
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part, []))


def tasks_of(file: str) -> list[Task]:
    content = yaml.safe_load((PLAYBOOKS / file).read_text())
    return content[-1].get("tasks", content)


@pytest.mark.parametrize(
    ("file", "changing"),
    [
        ("site.yml", "ansible.builtin.include_role"),
        ("tasks/rollout.yml", "ansible.builtin.include_role"),
        ("tasks/upgrade_node.yml", "ansible.builtin.systemd_service"),
        ("rollback.yml", "evenkeel.gpu.conda_environment"),
    ],
)
def test_a_node_is_changed_while_the_run_has_it(file: str, changing: str) -> None:
    tasks = tasks_of(file)
    (block,) = [task for task in tasks if "always" in task]
    around = [task for task in flat(tasks) if LEASE in task]
    assert [task[LEASE]["state"] for task in around] == ["held", "free"]
    assert block["always"] == around[1:]
    assert around[0] in (tasks[tasks.index(block) - 1], block["block"][0])
    changes = [task for task in flat(tasks) if changing in task and not task.get("check_mode")]
    assert changes
    assert all(change in flat(block["block"]) for change in changes)


@pytest.mark.parametrize("file", ["site.yml", "tasks/rollout.yml", "tasks/upgrade_node.yml"])
def test_modules_renew_the_lease_until_it_ends(file: str) -> None:
    assert {task["register"] for task in flat(tasks_of(file)) if LEASE in task} == {"__evenkeel_lease"}
    variables = yaml.safe_load((PLAYBOOKS / "vars/network.yml").read_text())
    assert "['EVENKEEL_RUN', (__evenkeel_lease | default({})).run" in variables["__network_environment"]
