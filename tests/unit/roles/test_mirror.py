# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mirror the role chooses without a probe; its costs do not grow with the square of the number of nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


def reads(tmp_path: Path, hosts: int, wish: str) -> int:
    """Return how often a run of the role reads evenkeel_mirror, whose template leaves a mark."""
    marks = tmp_path / f"marks-{hosts}"
    template = f"{{{{ lookup('ansible.builtin.pipe', 'echo >>{marks}') ~ {wish!r} }}}}"
    inventory = tmp_path / "inventory.yml"
    names = {f"node{number}": None for number in range(hosts)}
    inventory.write_text(json.dumps({"all": {"hosts": names, "vars": {"evenkeel_mirror": template}}}))
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["evenkeel.gpu.mirror"]}]))
    all_shown = ["env", "ANSIBLE_STDOUT_CALLBACK=default"]
    command = [*all_shown, sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), str(playbook)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipping: [node1]" not in done.stdout
    return len(marks.read_text().splitlines())


def test_each_further_node_is_read_once(tmp_path: Path) -> None:
    assert reads(tmp_path, 12, "tuna") - reads(tmp_path, 2, "tuna") == 10


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({}, [{"host": "192.0.2.7"}]),
        ({"evenkeel_mirror": "tuna"}, None),
        ({"mirror_candidates": "https://m.example.org/anaconda"}, None),
    ],
)
def test_the_sites_own_mirror_is_the_default(tmp_path: Path, variables: dict[str, Any], chosen: object) -> None:
    inventory, playbook = tmp_path / "inventory.yml", tmp_path / "play.yml"
    own = {"hosts": {"mirror1": {"ansible_host": "192.0.2.7"}}}
    everything = {"hosts": {"node1": None}, "children": {"package_mirrors": own}, "vars": variables}
    inventory.write_text(json.dumps({"all": everything}))
    shown = {"debug": {"msg": "chosen: {{ evenkeel_mirror_in_use | default(none) | to_json }}"}}
    play = {"hosts": "node1", "gather_facts": False, "roles": ["evenkeel.gpu.mirror"], "post_tasks": [shown]}
    playbook.write_text(json.dumps([play]))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), str(playbook)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"chosen: {json.dumps(chosen)}" in done.stdout.replace('\\"', '"')
