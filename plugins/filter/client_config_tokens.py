# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: the files with the tokens of a node's notebook servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: client_config_tokens
short_description: Return the files with the tokens of a node's notebook servers
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Reads the list of notebook servers that the role C(jupyter) keeps on each node. A list that cannot be read has no
    servers here; P(evenkeel.gpu.client_config#filter) reports it.
options:
  _input:
    description: The text of C(/etc/evenkeel/jupyter/servers.json); empty where a node has none.
    type: str
    required: true
seealso:
  - plugin: evenkeel.gpu.client_config
    plugin_type: filter
    description: What the tokens are read for.
"""

EXAMPLES = r"""
- name: Read the tokens
  ansible.builtin.slurp:
    src: "{{ item.token_file }}"
  loop: "{{ servers_json | evenkeel.gpu.client_config_tokens }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: C(user) and C(token_file) of each server.
  type: list
  elements: dict
  sample:
    - user: ana
      token_file: /etc/evenkeel/jupyter/ana/token
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import client_config
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"client_config_tokens": answering(client_config.token_files)}
