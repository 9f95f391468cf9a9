# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the hosts that names of users can be put before."""

from __future__ import annotations

DOCUMENTATION = r"""
name: user_domains
short_description: Return the hosts below which users can have host names
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Leaves out addresses, names of one label, and wildcards. No client accepts a certificate for C(*.gpu1), and an
    address has no names below it.
options:
  _input:
    description: Names and addresses of a node.
    type: list
    elements: str
    required: true
seealso:
  - plugin: evenkeel.gpu.user_hosts
    plugin_type: filter
    description: Adds users' names to them.
"""

EXAMPLES = r"""
- name: Show the domains of a front door
  ansible.builtin.debug:
    msg: "{{ ['gpu1.example.com', 'gpu1', '192.0.2.7'] | evenkeel.gpu.user_domains }}"
"""

RETURN = r"""
_value:
  description: Those hosts, in their order.
  type: list
  elements: str
  sample: [gpu1.example.com]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"user_domains": answering(host_names.domains)}
