#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the directory of the files that users are handed. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: client_directory
short_description: Manage the directory of the files that users are handed
version_added: 0.2.0
description:
  - Makes the directory on the control node that the playbook C(evenkeel.gpu.client_config) writes to. By default it is
    beside the inventory, and not in it, where Ansible would read the files as lists of hosts.
  - Moves there what version 0.1 has written to C(client) in the inventory.
  - Warns of a directory that is in a repository of git, which does not ignore it.
  - Runs on the control node, regardless of the task's host, and changes no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  become:
    support: none
options:
  path:
    description: The directory; by default V(client) in what the lookup P(evenkeel.gpu.site_directory#lookup) returns.
    type: path
  mode:
    description: Its mode.
    type: str
    default: "0755"
"""

EXAMPLES = r"""
- name: Make the directory
  evenkeel.gpu.client_directory:
  register: client
"""

RETURN = r"""
path:
  description: The directory.
  type: str
  returned: success
  sample: inventories/.evenkeel/mine/client
"""
