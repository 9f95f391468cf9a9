# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Ansible's programs on the nodes of a group as an operator does: without the settings of the test runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "molecule" / "inventory"


@dataclass(frozen=True)
class Run:
    """How a run ended, with all that it printed."""

    status: int
    output: str

    @property
    def changed(self) -> bool:
        """Whether it changed a node."""
        return "changed=0 " not in self.output

    def well(self) -> Run:
        """Require that it succeeded; shows its output where it did not."""
        assert self.status == 0, self.output
        return self

    def about(self, name: str) -> str:
        """Return the lines that hold a name."""
        return "\n".join(line for line in self.output.splitlines() if name in line)


def play(playbook: str, group: str, *options: str, **variables: Any) -> Run:
    """Run a playbook with its differences shown; ``variables`` win over the inventory's and over ``options``'."""
    given = (*options, "--diff", "--extra-vars", json.dumps(variables))
    # Lines are whole, and results are as short as they can be.
    return ansible("playbook", group, playbook, *given, ANSIBLE_CALLBACK_RESULT_FORMAT="json", COLUMNS="10000")


def ansible(program: str, group: str, *arguments: str, **environment: str) -> Run:
    """Run one of Ansible's programs, such as ``adhoc``, in the project's root; all results are shown."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    settings = {"ANSIBLE_CACHE_PLUGIN": "memory", "ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(
        [sys.executable, "-m", "ansible", program, f"--inventory={INVENTORY}", *arguments],
        check=False,
        cwd=ROOT,
        env={**inherited, "EVENKEEL_LAB_GROUP": group, **settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Run(done.returncode, done.stdout)
