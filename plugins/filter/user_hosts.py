# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the host names that users have behind a front door."""

from __future__ import annotations

DOCUMENTATION = r"""
name: user_hosts
short_description: Return the host names of users behind a front door
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Adds each user's name to each domain. A name that is not a valid DNS label, because of its case, its length or a
    dot, is converted to its plain characters and a hash, so that no two users have the same host name.
positional: domains
options:
  _input:
    description: Names of users.
    type: list
    elements: str
    required: true
  domains:
    description: Domains, such as C(gpu1.example.com).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the names that DNS has to know
  ansible.builtin.debug:
    msg: "{{ ['ana', 'Bo@corp'] | evenkeel.gpu.user_hosts(['gpu1.example.com']) }}"
"""

RETURN = r"""
_value:
  description: The host names.
  type: list
  elements: str
  sample: [ana.gpu1.example.com, bo-corp-b03d35e106e96cfc.gpu1.example.com]
"""

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


@answering
def user_hosts(users: Iterable[str], domains: Iterable[str]) -> list[str]:
    """Return the host names of all users."""
    below = list(domains)
    return [host for user in users for host in host_names.of_user(user, below)]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"user_hosts": user_hosts}
