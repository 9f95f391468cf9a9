# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the NVIDIA Container Toolkit that a node gets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nvidia_container_choice
short_description: Choose the NVIDIA Container Toolkit of a node
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Chooses repository and packages by the node's distribution and architecture, with the collection's data.
positional: wish
options:
  _input:
    description: Ansible's facts of the node; C(distribution), C(distribution_version) and C(architecture) are used.
    type: dict
    required: true
  wish:
    description:
      - What the site wants, by the names of the role's variables without C(nvidia_container_toolkit_), among them
        C(version) and C(repository_base).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show where the toolkit comes from
  ansible.builtin.debug:
    msg: "{{ (ansible_facts | evenkeel.gpu.nvidia_container_choice({})).repository.url }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems); where there is none the options of
      P(evenkeel.gpu.nvidia_container_toolkit#module).
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import container_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform


@answering
def nvidia_container_choice(facts: Mapping[str, Any], wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return the toolkit for a node."""
    return container_choice.choose(Platform.of(facts), container_choice.Wish(**wish))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"nvidia_container_choice": nvidia_container_choice}
