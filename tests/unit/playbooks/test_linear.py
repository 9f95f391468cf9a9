# SPDX-License-Identifier: GPL-3.0-or-later
"""No task that runs on every node reads the variables of all nodes: that would cost the square of their number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PLAYBOOKS = sorted(ROOT.glob("playbooks/*.yml")) + sorted(ROOT.glob("playbooks/plays/*.yml"))
ROLES = sorted((ROOT / "roles").iterdir())
ALL_NODES = ["hostvars", "ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_batch"]


def readers(variables: Mapping[str, Any]) -> list[str]:
    """Return what stands for the variables of all nodes: Ansible's names, and what refers to them."""
    found = list(ALL_NODES)
    while more := [name for name, value in variables.items() if name not in found and refers(value, found)]:
        found += more
    return found


def refers(value: Any, names: list[str]) -> bool:
    return any(re.search(rf"(?<![\w'-]){name}\b", json.dumps(value)) for name in names)


def on_every_node(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tasks that are not run once for all nodes."""
    for task in tasks:
        if not task.get("run_once"):
            yield {key: value for key, value in task.items() if key not in ("block", "rescue", "always")}
            for part in ("block", "rescue", "always"):
                yield from on_every_node(task.get(part, []))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def quadratic(tasks: list[dict[str, Any]], variables: Mapping[str, Any]) -> list[str]:
    return [
        task["name"] for task in on_every_node(tasks) if refers(task, readers({**variables, **task.get("vars", {})}))
    ]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_a_playbook_reads_all_nodes_once(path: Path) -> None:
    for play in load(path):
        if play.get("hosts", "localhost") == "localhost":
            continue
        files = [load(path.parent / name) for name in play.get("vars_files", [])]
        variables = {name: value for one in [*files, play.get("vars", {})] for name, value in one.items()}
        assert quadratic(play.get("tasks", []), variables) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_reads_all_nodes_once(role: Path) -> None:
    files = [load(path) or {} for part in ("defaults", "vars") for path in (role / part).glob("*.yml")]
    variables = {name: value for one in files for name, value in one.items()}
    for path in (role / "tasks").glob("*.yml"):
        assert quadratic(load(path) or [], variables) == [], path


def test_the_upgrade_of_a_node_reads_no_other_node() -> None:
    for path in ROOT.glob("playbooks/tasks/*.yml"):
        assert quadratic(load(path), load(ROOT / "playbooks/vars/upgrade_driver.yml")) == [], path
