# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with the notebook servers of two people, and further runs of the role on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from lab.nodes import nodes
from lab.nodes.nodes import Node
from lab.people import notebook
from lab.people.notebook import Server

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
GROUP = os.environ["MOLECULE_SCENARIO_NAME"]


@dataclass(frozen=True)
class Run:
    """How a run of the role ended."""

    status: int
    output: str

    @property
    def changed(self) -> bool:
        """Whether it changed the node."""
        return "changed=0 " not in self.output

    def well(self) -> Run:
        """Require that it ended well."""
        assert self.status == 0, self.output
        return self


@pytest.fixture
def node(host: Host) -> Node:
    return next(node for node in nodes.find(GROUP) if node.name == host.backend.host)


@pytest.fixture
def one_node(host: Host) -> None:
    """Leave the other node alone, where both would show the same."""
    if "debian13" in host.backend.host:
        pytest.skip("shown on debian12")


@pytest.fixture
def ana(node: Node) -> Server:
    return notebook.at(node.address, "ana")


@pytest.fixture
def bo(node: Node) -> Server:
    return notebook.at(node.address, "bo")


@pytest.fixture
def role(host: Host) -> Callable[..., Run]:
    """Run the role on the node, with some variables that are others."""

    def run(**variables: Any) -> Run:
        command = [sys.executable, "-m", "ansible", "playbook", str(ROOT / "molecule" / GROUP / "converge.yml")]
        command += ["--inventory", str(ROOT / "molecule" / "inventory"), "--limit", host.backend.host]
        # As an operator would see it: without Molecule's colours and lines that are broken.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        done = subprocess.run(
            [*command, "--diff", "--extra-vars", json.dumps(variables)],
            check=False,
            cwd=ROOT,
            env={**environment, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_CACHE_PLUGIN": "memory"},
            capture_output=True,
            text=True,
        )
        return Run(done.returncode, done.stdout + done.stderr)

    return run
