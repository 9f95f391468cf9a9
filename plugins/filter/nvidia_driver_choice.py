# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the driver that a node's hardware and a site's wishes come to."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nvidia_driver_choice
short_description: Choose the NVIDIA driver of a node
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Chooses branch, version, flavour of the kernel module and packages by the hardware that
    P(evenkeel.gpu.gpu_facts#module) found, with the collection's data on GPUs, branches and packages; and lists
    all problems of that choice.
positional: facts, wish
options:
  _input:
    description: The GPUs and the driver of the node, C(ansible_facts['evenkeel_gpu']).
    type: dict
    required: true
  facts:
    description: Ansible's facts of the node; C(distribution), C(distribution_version) and C(architecture) are used.
    type: dict
    required: true
  wish:
    description:
      - What the site wants, by the names of the role's variables without C(nvidia_driver_), among them C(source),
        C(branch), C(version), C(flavour) and C(graphics).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show which driver would be installed
  ansible.builtin.debug:
    msg: >-
      {{ ansible_facts['evenkeel_gpu']
         | evenkeel.gpu.nvidia_driver_choice(ansible_facts, {'source': 'nvidia', 'branch': '580'}) }}
"""

RETURN = r"""
_value:
  description:
    - C(problems) and C(notes); where there is no problem C(branch), C(version), C(flavour) and
      the options of P(evenkeel.gpu.nvidia_driver#module).
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform


@answering
def nvidia_driver_choice(gpu: Mapping[str, Any], facts: Mapping[str, Any], wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return the driver for a node."""
    return driver_choice.choose(gpu, Platform.of(facts), driver_choice.Wish(**wish))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"nvidia_driver_choice": nvidia_driver_choice}
