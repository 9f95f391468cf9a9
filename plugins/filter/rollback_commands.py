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
options:
  _input:
    description: Of each node, the RV(evenkeel.gpu.survey#module:layers) of its survey.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the way back
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: survey.layers} | evenkeel.gpu.rollback_commands }}"
"""

RETURN = r"""
_value:
  description: The commands. Where nodes have different builds, there is one for each, limited to its nodes.
  type: list
  elements: str
  sample: [ansible-playbook playbooks/rollback.yml -e rollback_env=ai-dev -e rollback_generation=16e6fed7220249e1]
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering

TASK = "conda_environment "
#: As many of a digest as a generation's name has.
DIGITS = 16

Layers = Mapping[str, Mapping[str, Any]]


@answering
def rollback_commands(surveys: Mapping[str, Layers]) -> list[str]:
    """Return the commands for the environments that are to be switched."""
    leaving: dict[str, dict[str, list[str]]] = {}
    for node, layers in surveys.items():
        for name, digest in left(layers):
            leaving.setdefault(name, {}).setdefault(digest, []).append(node)
    commands: list[str] = sanitised(
        [
            f"ansible-playbook playbooks/rollback.yml -e rollback_env={name} -e rollback_generation={digest}"
            + (f" --limit {','.join(nodes)}" if len(digests) > 1 else "")
            for name, digests in leaving.items()
            for digest, nodes in digests.items()
        ]
    )
    return commands


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
