# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the processes that keep a GPU in use during an upgrade of the driver."""

from __future__ import annotations

DOCUMENTATION = r"""
name: gpu_users
short_description: Return the processes that use a GPU, except those of some services
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Describes the processes that have a GPU open and belong to none of the services that may be stopped.
positional: services
options:
  _input:
    description: Processes, as P(evenkeel.gpu.gpu_facts#module) returns them.
    type: list
    elements: dict
    required: true
  services:
    description: Names of services that may be stopped, with or without C(.service); C(*) matches any name.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Require that nobody else uses a GPU
  ansible.builtin.assert:
    that: ansible_facts['evenkeel_gpu'].processes | evenkeel.gpu.gpu_users(['jupyter@*']) | length == 0
"""

RETURN = r"""
_value:
  description: Process id, command, user and service of each.
  type: list
  elements: str
  sample: ["4711 python (ana, jobs.service)"]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import upgrade_services


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"gpu_users": answering(upgrade_services.in_the_way)}
