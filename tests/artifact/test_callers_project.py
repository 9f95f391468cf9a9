# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the installed collection work on the project that they are started in, and write nothing elsewhere."""

from __future__ import annotations

import json

from tests.artifact.control_node import ControlNode

HOST = {"ansible_connection": "local", "ansible_become": False, "evenkeel_mirror": "http://127.0.0.1:9"}
INVENTORY = json.dumps({"gpu_nodes": {"hosts": {"localhost": HOST}}})
#: What they write, relative to the project. Python's own caches do not count.
FILES = "find . -name __pycache__ -prune -o -type f -exec sha256sum {} + | sort"
OF_BEFORE = "# Written by Evenkeel (playbooks/client_config.yml): version 0.1\n"


def project(node: ControlNode, name: str) -> str:
    """Make a project with an inventory and an environment that can't be read; return its folder."""
    node.succeeds("mkdir", "-p", f"{name}/inventory", f"{name}/environments/mini")
    node.write(f"{name}/inventory/hosts.yml", INVENTORY)
    node.write(f"{name}/environments/mini/environment.yml", "dependencies: [\n")
    return f"{node.place}/{name}"


def files(node: ControlNode, folder: str) -> dict[str, str]:
    """Return the hash of each file below a folder."""
    lines = node.succeeds("sh", "-c", FILES, cwd=folder).splitlines()
    return {path: digest for digest, path in (line.split(maxsplit=1) for line in lines)}


def test_they_write_to_the_project(node: ControlNode) -> None:
    place = project(node, "writes")
    collection = f"{node.place}/collections/ansible_collections/evenkeel/gpu"
    before = files(node, collection)
    node.succeeds("mkdir", "inventory/client", cwd=place)
    node.write("writes/inventory/client/ssh_config", OF_BEFORE)
    playbooks = [f"evenkeel.gpu.{name}" for name in ("client_config", "compile", "review")]
    said = node.succeeds("ansible-playbook", "--inventory=inventory", *playbooks, venv="complete", cwd=place)
    assert f"in {place}/environments, no lock is beside mini/environment.yml" in " ".join(said.split())
    assert {path.partition("/")[2] for path in files(node, place)} == {
        ".evenkeel/.gitignore",
        ".evenkeel/inventory/client/ssh_config",
        "environments/mini/environment.yml",
        "inventory/hosts.yml",
        "review/.gitignore",
        "review/index.html",
        "review/report.json",
    }
    assert files(node, collection) == before


def test_they_read_the_project(node: ControlNode) -> None:
    place = project(node, "reads")
    done = node.run("ansible-playbook", "--inventory=inventory", "evenkeel.gpu.lock", venv="complete", cwd=place)
    assert f"{place}/environments/mini/environment.yml, line 2: " in " ".join((done.stdout + done.stderr).split())
