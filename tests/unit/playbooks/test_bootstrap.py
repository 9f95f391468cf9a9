# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes are asked for their Python before a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
BOOTSTRAP = PLAYBOOKS / "plays" / "bootstrap.yml"
#: They look at nodes before site.yml, and report one without Python.
LOOKING = ("preflight.yml", "adopt.yml")
KNOWN = {"python_version": "3.11.2", "distribution": "Debian"}


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        pytest.param({"a": KNOWN, "b": {}, "c": {"evenkeel_gpu": {}}}, "b,c", id="those of which nothing is known"),
        pytest.param({"a": KNOWN}, "!all", id="none"),
    ],
)
def test_nodes_of_which_facts_are_known_take_no_part(facts: dict[str, dict[str, Any]], asked: str) -> None:
    (play,) = yaml.safe_load(BOOTSTRAP.read_text())
    hostvars = {name: {"inventory_hostname": name, "ansible_facts": of_node} for name, of_node in facts.items()}
    variables = {"groups": {"gpu_nodes": list(facts)}, "hostvars": hostvars}
    assert Templar(DataLoader(), variables).template(trust_as_template(play["hosts"])) == asked


def test_only_site_yml_is_for_bare_nodes_and_all_others_say_so() -> None:
    texts = {path.name: path.read_text() for path in PLAYBOOKS.glob("*.yml") if path.name not in LOOKING}
    of_nodes = {name: text for name, text in texts.items() if "hosts: gpu_nodes" in text}
    assert {name for name, text in of_nodes.items() if "plays/bootstrap.yml" in text} == {"site.yml"}
    said = {name for name, text in of_nodes.items() if "For nodes that site.yml has set up" in text}
    assert said == {*of_nodes} - {"site.yml"}
