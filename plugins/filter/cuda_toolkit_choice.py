# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the CUDA toolkits that a node gets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cuda_toolkit_choice
short_description: Choose the CUDA toolkits of a node
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Chooses packages for a list of CUDA toolkits, and checks each against the node's driver and its GPUs with the
    collection's data on CUDA. A driver below the minimum of a toolkit's major version is a problem; one below
    the toolkit's own driver is a note, since some features do not work with it.
positional: facts, wish
options:
  _input:
    description: The GPUs and the driver of the node, C(ansible_facts['evenkeel_gpu']); may be empty.
    type: dict
    required: true
  facts:
    description: Ansible's facts of the node; C(distribution), C(distribution_version) and C(architecture) are used.
    type: dict
    required: true
  wish:
    description:
      - What the site wants, by the names of the role's variables without C(cuda_toolkit_), among them C(versions),
        C(default), C(cudnn), C(nccl) and C(driver_version).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whether a toolkit and a driver go together
  ansible.builtin.debug:
    msg: >-
      {{ {} | evenkeel.gpu.cuda_toolkit_choice(ansible_facts, {'versions': ['13.0'], 'driver_version': '570.211.01'}) }}
"""

RETURN = r"""
_value:
  description:
    - C(problems) and C(notes); where there is no problem the options of
      P(evenkeel.gpu.cuda_toolkit#module).
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import cuda_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform


@answering
def cuda_toolkit_choice(gpu: Mapping[str, Any], facts: Mapping[str, Any], wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return the toolkits for a node."""
    return cuda_choice.choose(gpu, Platform.of(facts), cuda_choice.Wish(**wish))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"cuda_toolkit_choice": cuda_toolkit_choice}
