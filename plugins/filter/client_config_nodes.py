# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: what playbooks/client_config.yml has read from each node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: client_config_nodes
short_description: Return what playbooks/client_config.yml has read from each node
version_added: 0.2.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Collects, from the variables of the hosts, their addresses and the results that the playbook has registered, in the
    form that P(evenkeel.gpu.client_config#filter) takes.
positional: hosts
options:
  _input:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  hosts:
    description: The names of the hosts of the play.
    type: list
    elements: str
    required: true
seealso:
  - plugin: evenkeel.gpu.client_config
    plugin_type: filter
    description: What the result is for.
"""

EXAMPLES = r"""
- name: Show which nodes were reached
  ansible.builtin.debug:
    msg: "{{ hostvars | evenkeel.gpu.client_config_nodes(ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: By host C(address), C(port), C(unreachable), C(servers), C(why), C(tokens) and C(door).
  type: dict
  sample:
    gpu1:
      address: 192.0.2.7
      port: 22
      unreachable: false
      servers: '{"servers": []}'
      why: ""
      tokens: {}
      door:
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import client_config
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"client_config_nodes": answering(client_config.gathered)}
