# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes are asked for their Python before a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[3]
PLAYBOOKS = ROOT / "playbooks"
BOOTSTRAP = PLAYBOOKS / "plays" / "bootstrap.yml"
#: They look at nodes before site.yml, and report one without Python.
LOOKING = ("preflight.yml", "adopt.yml")
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
KNOWN = {"python_version": "3.11.2", "distribution": "Debian"}


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        pytest.param({"a": KNOWN, "b": {"evenkeel_gpu": {}}}, "gpu_nodes", id="one has no facts of its Python"),
        pytest.param({"a": KNOWN}, "!all", id="all have"),
        pytest.param({}, "!all", id="no nodes"),
    ],
)
def test_a_run_on_known_nodes_alone_asks_for_no_python(facts: dict[str, dict[str, Any]], asked: str) -> None:
    (play,) = yaml.safe_load(BOOTSTRAP.read_text())
    hostvars = {name: {"inventory_hostname": name, "ansible_facts": of_node} for name, of_node in facts.items()}
    variables = {"groups": {"gpu_nodes": list(facts)}, "hostvars": hostvars}
    assert Templar(DataLoader(), variables).template(trust_as_template(play["hosts"])) == asked


def test_a_run_goes_on_where_all_that_are_new_are_lost(tmp_path: Path) -> None:
    hosts = {"known": LOCAL, "lost": {"ansible_host": "127.0.0.1", "ansible_port": 1}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"gpu_nodes": {"hosts": hosts}}))
    last = {"hosts": "gpu_nodes", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "went on"}}]}
    plays = [
        {"hosts": "known", "gather_facts": True, "gather_subset": ["min"]},
        {"ansible.builtin.import_playbook": str(BOOTSTRAP)},
        last,
    ]
    (tmp_path / "play.yml").write_text(json.dumps(plays))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml"]
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    environment = {**os.environ, **settings, "ANSIBLE_CACHE_PLUGIN": "memory"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert 'ok: [known] => {\n    "msg": "went on"' in done.stdout, done.stdout + done.stderr
    assert "fatal: [lost]: UNREACHABLE!" in done.stdout


def test_only_site_yml_is_for_bare_nodes_and_all_others_say_so() -> None:
    texts = {path.name: path.read_text() for path in PLAYBOOKS.glob("*.yml") if path.name not in LOOKING}
    of_nodes = {name: text for name, text in texts.items() if "hosts: gpu_nodes" in text}
    assert {name for name, text in of_nodes.items() if "plays/bootstrap.yml" in text} == {"site.yml"}
    said = {name for name, text in of_nodes.items() if "For nodes that site.yml has set up" in text}
    assert said == {*of_nodes} - {"site.yml"}
