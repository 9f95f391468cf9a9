# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the running services that an upgrade of the driver stops."""

from __future__ import annotations

DOCUMENTATION = r"""
name: services_to_stop
short_description: Return the running services that match patterns
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Returns the running services that match a pattern, in the order of the patterns.
positional: patterns
options:
  _input:
    description: Services, as M(ansible.builtin.service_facts) returns them.
    type: dict
    required: true
  patterns:
    description: Names of services, with or without C(.service); C(*) matches any name.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Stop what uses the GPU
  ansible.builtin.systemd_service:
    name: "{{ item }}"
    state: stopped
  loop: "{{ ansible_facts['services'] | evenkeel.gpu.services_to_stop(['jupyter@*', 'nvidia-persistenced']) }}"
"""

RETURN = r"""
_value:
  description: The names of the services.
  type: list
  elements: str
  sample: [jupyter@ana.service, nvidia-persistenced.service]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import upgrade_services


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"services_to_stop": answering(upgrade_services.running)}
