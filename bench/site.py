# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks of fleets run: playbooks for nodes, or for hosts that are not there, with locked environments."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from lab import demo
from lab.errors import LabError
from lab.nodes import inventory, nodes
from lab.nodes.nodes import Node
from lab.upstream import mirror

ROOT = Path(__file__).parents[1]
RELEASE = "debian12"
#: The environments of the lab, and the same with one package more.
DECLARED, CHANGED = "declared", "changed"
CHANGED_ENVIRONMENT, ADDED_PACKAGE = "minimal", "numpy"


@dataclass(frozen=True)
class Site:
    """The lab's environments with locks, in two states, and inventories beside them."""

    folder: Path

    def playbook(self, source: Path, state: str = DECLARED, name: str = "site.yml", *options: str) -> list[str]:
        """Return the command that runs a playbook for the inventory ``source``.

        Without a limit to the connections of all nodes: what a node is asked must not depend on their number.
        """
        variables = {
            "conda_environments_directory": str(self.folder / state),
            "conda_environments_batch_connections": 0,
        }
        return [*self.ansible("playbook", source), name, "--extra-vars", json.dumps(variables), *options]

    def ansible(self, program: str, source: Path) -> list[str]:
        """Return the beginning of a command of Ansible's for the inventory ``source``."""
        return [sys.executable, "-m", "ansible", program, "--inventory", str(source)]

    def lock(self, source: Path) -> None:
        """Make the environments, and lock them."""
        shutil.copytree(demo.SOURCES, self.folder / DECLARED)
        run(self.playbook(source, DECLARED, "playbooks/lock.yml"))
        shutil.copytree(self.folder / DECLARED, self.folder / CHANGED)
        with (self.folder / CHANGED / CHANGED_ENVIRONMENT / "environment.yml").open("a") as file:
            file.write(f"  - {ADDED_PACKAGE}\n")
        run(self.playbook(source, CHANGED, "playbooks/lock.yml"))


def fresh_nodes(group: str, count: int) -> list[Node]:
    """Return as many bare nodes, in place of those that the group had."""
    nodes.down(group)
    with Progress() as progress:
        mirror.up(progress)
        return nodes.up(group, [RELEASE] * count, progress)


def remove_nodes(*groups: str) -> None:
    """Remove the nodes of groups."""
    for group in groups:
        nodes.down(group)


def write_inventory(folder: Path, fleet: Sequence[Node]) -> Path:
    """Write the demo's inventory with other hosts, and return its folder."""
    shutil.copytree(ROOT / "inventories" / "demo" / "group_vars", folder / "group_vars")
    script = folder / "lab"
    found = inventory.render(fleet, inventory.read(fleet[0].group)["all"]["vars"], {})
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(found)}\nEND\n")
    script.chmod(0o755)
    return folder


def run(argv: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    """Run a program that is not measured.

    Raises
    ------
    LabError
        It failed.
    """
    done = subprocess.run(argv, check=False, cwd=ROOT, env=variables, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)} has failed:\n{done.stdout}{done.stderr}", "read its output")
