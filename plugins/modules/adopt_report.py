#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: show what others have set up on nodes. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: adopt_report
short_description: Show what others have set up on nodes, and what becomes of it
version_added: 0.2.0
description:
  - Shows what can be taken over, what stays, and what has to be stopped; what is alike on several nodes once.
  - Runs on the control node, regardless of the task's host, and changes no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  nodes:
    description: By node, what M(evenkeel.gpu.adopt_info) has returned, or C(failed) with the reason.
    type: dict
    required: true
  path:
    description: A file on the control node for all results, as JSON.
    type: path
  exports:
    description:
      - A file on the control node for the environments that can be taken over, as the variable C(export_list) of
        export.yml. Those of one name with the same packages are one. Paths with unusual characters are left out.
    type: path
"""

EXAMPLES = r"""
- name: Show the report
  evenkeel.gpu.adopt_report:
    nodes: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'found'))) }}"
  run_once: true
"""

RETURN = r"""
nodes:
  description: By node, the lines of the report, by C(take_over), C(stop), C(in_the_way), C(stay) and C(unread).
  type: dict
  returned: success
differing:
  description: A line for each path at which nodes have environments with different packages.
  type: list
  elements: str
  returned: success
"""
