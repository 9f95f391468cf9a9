# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible inventory: the nodes of a Slurm cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: slurm
short_description: The nodes of a Slurm cluster
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Asks C(scontrol) once for all nodes of a cluster. Their names in Slurm are their names in the inventory. What Slurm
    knows of them are variables, so groups can be made of partitions, features and GPUs.
  - Each host has C(slurm_gpus), the number of its GPUs, C(slurm_gpu_types), C(slurm_features), C(slurm_partitions),
    C(slurm_state) in lower case, C(slurm_reason), C(slurm_cpus) and C(slurm_memory_mib). C(ansible_host) is the address
    in Slurm, if it is not the name.
  - Slurm 23.02 or newer is needed.
extends_documentation_fragment:
  - ansible.builtin.constructed
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [evenkeel.gpu.slurm]
  nodes:
    description:
      - Only these nodes, as Slurm writes them, such as V(gpu[001-200,301],login1). A node that Slurm does not have is
        an error. By default all nodes.
    type: str
    default: ""
  command:
    description: The command that prints the nodes as JSON, for example through SSH to the cluster's login node.
    type: list
    elements: str
    default: [scontrol, show, nodes, --json]
  file:
    description:
      - A file with what the command printed, instead of the command. A relative path begins at the directory of the
        inventory file.
    type: str
  timeout:
    description: How long the command may take, in seconds.
    type: int
    default: 60
"""

EXAMPLES = r"""
# slurm.yml: every node with a GPU, through the login node
plugin: evenkeel.gpu.slurm
command: [ssh, login1.example.org, scontrol, show, nodes, --json]
groups:
  gpu_nodes: slurm_gpus > 0
---
# Two hundred nodes of the cluster, and groups of their partitions: partition_train
plugin: evenkeel.gpu.slurm
nodes: gpu[001-200]
groups:
  gpu_nodes: "true"
keyed_groups:
  - prefix: partition
    key: slurm_partitions
"""

import subprocess
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._inventory.hostlist import expanded
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._inventory.slurm_nodes import hosts


class InventoryModule(BaseInventoryPlugin, Constructable):  # type: ignore[misc]
    """Ask Slurm, and make hosts and groups of its answer."""

    NAME = "evenkeel.gpu.slurm"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        listed = self.get_option("nodes")
        try:
            found = hosts(self._answer(Path(path).parent), expanded(listed) if listed else ())
        except EvenkeelError as error:
            raise AnsibleParserError(str(error)) from error
        strict = self.get_option("strict")
        for name, variables in found.items():
            self.inventory.add_host(name)
            for key, value in variables.items():
                self.inventory.set_variable(name, key, value)
            self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)

    def _answer(self, directory: Path) -> str:
        if file := self.get_option("file"):
            path = directory / Path(file).expanduser()
            try:
                return path.read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise EvenkeelError(f"{path} can't be read ({error})", "Change the option file") from error
        command = self.get_option("command")
        remedy = "Run it by hand, or change the option command"
        try:
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.get_option("timeout"),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EvenkeelError(f"Slurm can't be asked for its nodes: {error}", remedy) from error
        if done.returncode:
            said = done.stderr.strip()[-500:] or "it said nothing"
            raise EvenkeelError(f"{' '.join(command)} ended with status {done.returncode}: {said}", remedy)
        return done.stdout
