# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the package mirrors of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: package_mirrors
short_description: Return the package mirrors in the inventory's group of that name
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Returns the hosts of the group C(package_mirrors), in its order, as the variable C(evenkeel_mirror) takes mirrors. A
    host is known by its C(package_mirror_host), its C(ansible_host) or its name; C(package_mirror_port) and
    C(package_mirror_tls) are those of the host. One whose C(package_mirror_state) is C(absent) is none.
options:
  _input:
    description: The groups of the inventory.
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the mirrors
  ansible.builtin.debug:
    msg: "{{ groups | evenkeel.gpu.package_mirrors(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The mirrors.
  type: list
  elements: dict
  sample: [{host: mirror.example.com}]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import site_mirror


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"package_mirrors": answering(site_mirror.of_group)}
