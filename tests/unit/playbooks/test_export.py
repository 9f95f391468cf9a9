# SPDX-License-Identifier: GPL-3.0-or-later
"""export.yml takes names that environments may have, each once, and nodes that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[3]
PLAY = yaml.safe_load((ROOT / "playbooks" / "export.yml").read_text())[-1]


def task(name: str) -> dict[str, Any]:
    return next(one for one in PLAY["tasks"] if one["name"] == name)


def found(name: str, variable: str, entries: list[dict[str, str]]) -> list[str]:
    """Return what a check has against a list."""
    texts = {key: trust_as_template(text) for key, text in task(name)["vars"].items()}
    templar = Templar(DataLoader(), {"__exports": entries, "groups": {"gpu_nodes": ["gpu1", "gpu2"]}, **texts})
    return list(templar.template(trust_as_template("{{ " + variable + " }}")))


def test_names_are_those_that_the_role_takes() -> None:
    problems = "map(attribute='name') | evenkeel.gpu.environment_name_problems }}"
    role = yaml.safe_load((ROOT / "roles" / "conda_environments" / "vars" / "main.yml").read_text())
    (refused,) = task("Require valid names, each for one environment")["vars"].values()
    assert (refused, role["__conda_environments_refused"]) == (
        "{{ __exports | " + problems,
        "{{ conda_environments_list | " + problems,
    )


def test_nodes() -> None:
    entries = [{"node": node, "name": node} for node in ("gpu2", "gpu9", "gpu9")]
    assert found("Require nodes of the inventory", "__export_strangers", entries) == ["gpu9"]


def test_all_of_a_node_are_tried() -> None:
    tried = ("Read the environments", "Write environment.yml and its lock")
    assert all(task(name)["ignore_errors"] for name in tried)
    assert PLAY["tasks"][-1]["name"] == "Require that all of the node's were exported"
