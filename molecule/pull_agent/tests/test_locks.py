# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that pull build what a new lock declares; a test begins where the one before has ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from lab.nodes import inventory

from .conftest import FILES, Pulling

pytestmark = pytest.mark.skipif("EVENKEEL_RELEASES" not in os.environ, reason="it takes minutes: make test-long")

PLAYBOOK = """---
- name: Have environments
  hosts: gpu_nodes
  become: true
  gather_subset: [min]
  roles:
    - role: evenkeel.gpu.miniconda
    - role: evenkeel.gpu.conda_environments
"""
INSTALLER = "Miniconda3-py311_26.7.1-0-Linux-x86_64.sh"
MANIFEST = "environments/team/environment.yml"
PACKAGES = "ls /opt/evenkeel/envs/team/conda-meta | grep -c -e ^idna- -e ^prefixed- || true"


def declare(pulling: Pulling, *packages: str, lock: bool = True) -> str:
    """Commit an environment with these packages, and return the commit."""
    work = pulling.site.work
    (work / MANIFEST).parent.mkdir(parents=True, exist_ok=True)
    (work / MANIFEST).write_text(f"channels: [defaults]\ndependencies: [{', '.join(packages)}]\n")
    of_nodes = work / "inventories/site/group_vars/gpu_nodes.yml"
    of_nodes.parent.mkdir(exist_ok=True)
    of_nodes.write_text(
        yaml.safe_dump(
            {
                "conda_environments_list": [{"name": "team"}],
                "miniconda_version": "py311_26.7.1-0",
                "miniconda_sha256": inventory.read("pull_agent")["all"]["vars"]["lab_installer_sha256"][INSTALLER],
            }
        )
    )
    if lock:
        # The lab's Python needs the C library of Debian 12, which all of its nodes have.
        variables = json.dumps({"lock_env": "team", "lock_targets": ["debian-12"]})
        given = ["--inventory=inventories/site", "--extra-vars", variables]
        own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", *given, "playbooks/lock.yml"], check=True, cwd=work, env=own
        )
    return pulling.site.commit(
        "ana", files={"node.yml": PLAYBOOK + (FILES / "node.yml").read_text().removeprefix("---\n")}
    )


def test_an_environment_without_a_lock_is_refused(pulling: Pulling) -> None:
    before = pulling.commits()
    declare(pulling, "python=3.11", "idna", lock=False)
    assert pulling.pull() == {"failed"}
    assert all("has no lock" in str(report["reason"]) for report in pulling.delivered())
    assert pulling.commits() == before
    assert pulling.fleet.run("ls /opt/evenkeel/envs || true") == ""


def test_a_new_lock_is_built_by_itself(pulling: Pulling) -> None:
    for packages, number in ((["idna"], "1"), (["idna", "prefixed"], "2")):
        made = declare(pulling, "python=3.11", *packages)
        assert pulling.pull_by_timer() == {"applied"}
        assert pulling.commits() == {made}
        assert pulling.fleet.run(PACKAGES) == number
    # All have the same environment, and the one before to go back to.
    assert pulling.fleet.run("readlink /opt/evenkeel/envs/team") != ""
    assert pulling.fleet.run("ls /opt/evenkeel/generations/team | wc -l") == "2"
