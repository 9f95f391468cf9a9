# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the Jupyter kernels for environments."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_kernels
short_description: Return the Jupyter kernels for environments
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Each environment gets a kernel. The one that the notebook servers run from gets none, unless it is the only one.
positional: server
options:
  _input:
    description: Environments as in C(conda_environments_list).
    type: list
    elements: dict
    required: true
  server:
    description: The name of the environment that the notebook servers run from.
    type: str
    required: true
seealso:
  - plugin: evenkeel.gpu.planned_environments
    plugin_type: filter
    description: Leaves out environments that are to be removed.
"""

EXAMPLES = r"""
- name: Show the kernels
  ansible.builtin.debug:
    msg: "{{ conda_environments_list | evenkeel.gpu.environment_kernels('jupyter') }}"
"""

RETURN = r"""
_value:
  description: C(name) of each kernel, which is its environment's, and C(display_name) where that is given.
  type: list
  elements: dict
  sample: [{name: ai-dev, display_name: AI development}]
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering

KEYS = ("name", "display_name")


@answering
def environment_kernels(environments: Iterable[Mapping[str, Any]], server: str) -> list[dict[str, Any]]:
    """Return a kernel for each environment."""
    every = list(environments)
    chosen = [one for one in every if one["name"] != server] or every
    return [{key: one[key] for key in KEYS if key in one} for one in chosen]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"environment_kernels": environment_kernels}
