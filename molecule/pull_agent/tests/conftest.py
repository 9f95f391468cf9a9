# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario's nodes, and the site that they pull."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import git_site, process
from lab.git_site import GitSite
from lab.nodes import nodes, ssh
from lab.nodes.fleet import Fleet
from lab.nodes.nodes import Node

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
FILES = Path(__file__).parents[1] / "files"


@dataclass(frozen=True)
class Pulling:
    """Nodes that pull, the first one from itself, and people who commit what they pull."""

    site: GitSite
    fleet: Fleet
    found: Sequence[Node]

    def on(self, number: int, command: str) -> str:
        """Run a shell command as root on one node, and return what it printed."""
        argv = ssh.command(self.found[number].address, remote=("sudo", "sh", "-c", shlex.quote(command)))
        return process.run(argv, remedy="look at the node").strip()

    def pull(self) -> list[str]:
        """Have all nodes pull at once, as their timers do, and return how it ended on each."""
        with ThreadPoolExecutor() as pool:
            command = "systemctl start evenkeel-pull.service || true"
            list(pool.map(lambda number: self.on(number, command), range(len(self.found))))
        return [str(report["outcome"]) for report in self.reports()]

    def reports(self) -> list[Mapping[str, Any]]:
        """Return what each node has kept of its last run."""
        return [json.loads(self.on(number, "evenkeel-pull status")) for number in range(len(self.found))]

    def delivered(self) -> list[Mapping[str, Any]]:
        """Return the reports that have arrived on the server, by node."""
        return [json.loads(self.on(0, f"cat /srv/reports/{node.name}.json")) for node in self.found]


def first_commit(site: GitSite, found: Sequence[Node]) -> str:
    """Commit the site: its inventory, with what the agent is set to, and a playbook."""
    hosts = {node.name: {} for node in found}
    variables = yaml.safe_load((FILES / "pull_agent.yml").read_text())
    python = {"ansible_python_interpreter": "/usr/bin/python3", "git_server": found[0].address}
    inventory = {"gpu_nodes": {"hosts": hosts, "vars": {**python, **variables}}}
    return site.commit(
        "ana",
        files={
            "inventories/site/hosts.yml": yaml.safe_dump(inventory),
            "node.yml": (FILES / "node.yml").read_text(),
        },
    )


@pytest.fixture(scope="module")
def pulling() -> Pulling:
    """All nodes, at the first commit."""
    pulling = Pulling(git_site.of_group(GROUP), Fleet(GROUP), nodes.find(GROUP))
    first_commit(pulling.site, pulling.found)
    assert pulling.pull() == ["applied", "applied"]
    return pulling
