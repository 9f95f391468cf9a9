# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the commands that go back to the environments that nodes have."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_commands
short_description: Return the commands that go back to the present environments
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Takes what P(evenkeel.gpu.survey#module) has found on nodes before a run, and returns a command of C(rollback.yml)
    for each environment that the run would switch. Nodes that have the earlier build in use are not changed by it.
  - A command is for the folder in which the run was started, and quoted for a shell.
positional: _input, inventories, playbooks
options:
  _input:
    description: Of each node, the RV(evenkeel.gpu.survey#module:layers) of its survey.
    type: dict
    required: true
  inventories:
    description: The inventories of the run, as C(ansible_inventory_sources).
    type: list
    elements: str
    required: true
  playbooks:
    description: The folder of the playbook that runs, as C(playbook_dir).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the way back
  ansible.builtin.debug:
    msg: >-
      {{ {inventory_hostname: survey.layers}
         | evenkeel.gpu.rollback_commands(ansible_inventory_sources, playbook_dir) }}
"""

RETURN = r"""
_value:
  description: The commands. Where nodes have different builds, there is one for each, limited to its nodes.
  type: list
  elements: str
  sample:
    - >-
      ansible-playbook playbooks/rollback.yml -i /srv/site/hosts.yml -e rollback_env=ai-dev
      -e rollback_generation=16e6fed72202
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering

TASK = "conda_environment "
#: Fewer of a digest than a build's name has: a node may have several builds of it, and older ones have drifted.
DIGITS = 12
#: Where the playbooks of the installed collection are, which have names of their own.
INSTALLED = ("ansible_collections", "evenkeel", "gpu", "playbooks")

Layers = Mapping[str, Mapping[str, Any]]


@answering
def rollback_commands(surveys: Mapping[str, Layers], inventories: Sequence[str], playbooks: str) -> list[str]:
    """Return the commands for the environments that are to be switched."""
    call = ["ansible-playbook", rollback_in(Path(playbooks))]
    call += [word for inventory in inventories for word in ("-i", inventory)]
    leaving: dict[str, dict[str, list[str]]] = {}
    for node, layers in surveys.items():
        for name, digest in left(layers):
            leaving.setdefault(name, {}).setdefault(digest, []).append(node)
    commands: list[str] = sanitised(
        [
            shlex.join(
                [
                    *call,
                    *("-e", f"rollback_env={name}", "-e", f"rollback_generation={digest}"),
                    *(("--limit", ",".join(nodes)) if len(digests) > 1 else ()),
                ]
            )
            for name, digests in leaving.items()
            for digest, nodes in digests.items()
        ]
    )
    return commands


def rollback_in(playbooks: Path) -> str:
    """Return how ansible-playbook finds rollback.yml from the working directory."""
    if playbooks.parts[-len(INSTALLED) :] == INSTALLED:
        return "evenkeel.gpu.rollback"
    path = playbooks / "rollback.yml"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def left(layers: Layers) -> Iterator[tuple[str, str]]:
    """Yield the environments that a node is to leave, with the beginnings of their digests."""
    for task, state in layers.get("conda_environments", {}).get("state", {}).items():
        if task.startswith(TASK) and {"was", "digest"} <= state.keys() and state["was"] != state["digest"]:
            yield task.removeprefix(TASK), state["was"][:DIGITS]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"rollback_commands": rollback_commands}
