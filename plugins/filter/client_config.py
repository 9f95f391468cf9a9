# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: what playbooks/client_config.yml writes for users' own computers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: client_config
short_description: Return how users reach their notebooks from their own computers
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Reads each node's list of notebook servers, and gives each of a user's servers a local port on that user's computer,
    the same in every run. Nodes that could not be reached and lists with unexpected values are reported and left out.
positional: options
options:
  _input:
    description:
      - Of each host C(address), C(port), C(unreachable), C(servers), the text of C(/etc/evenkeel/jupyter/servers.json)
        or nothing, C(why) there is none, C(tokens) by user, and C(door), the text of
        C(/etc/evenkeel/front_door/urls.json) or nothing.
    type: dict
    required: true
  options:
    description: Additional ssh options for every node, such as C(ProxyJump).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show who has a notebook where
  ansible.builtin.debug:
    msg: "{{ ({'gpu1': {'servers': servers_json}} | evenkeel.gpu.client_config).users }}"
"""

RETURN = r"""
_value:
  description:
    - C(nodes) with C(name), C(address) and C(port); C(users), by name, with their servers; C(options) of ssh;
      C(problems), texts.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import client_config as files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


@answering
def client_config(found: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the files are made of."""
    return files.build(found, options or {})


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"client_config": client_config}
