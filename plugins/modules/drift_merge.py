#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: write one drift report of several. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drift_merge
short_description: Write one drift report of several
version_added: 0.2.0
description:
  - Puts together the reports of control nodes that have each asked a part of the inventory, and those of nodes that
    pull. Writes the files of M(evenkeel.gpu.drift_report).
  - A node that is in no report is C(unknown). If it is in several, the newest counts, but a node that pulls and whose
    report is not late is not C(unreachable). A file that is no report is left out with a warning.
  - Runs on the control node, regardless of the task's host, and changes no node. It writes in check mode too.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
  - evenkeel.gpu.drift
options:
  reports:
    description:
      - Files C(report.json), as paths or patterns such as V(shards/*/report.json). These or O(pulled) are required.
    type: list
    elements: str
    default: []
  pulled:
    description: The folder with the reports C(HOST.json) of nodes that pull.
    type: path
  nodes:
    description: The names of all nodes that should be in a report.
    type: list
    elements: str
    required: true
seealso:
  - module: evenkeel.gpu.drift_report
"""

EXAMPLES = r"""
- name: Put the reports of all control nodes together
  evenkeel.gpu.drift_merge:
    reports: [shards/*/report.json]
    nodes: "{{ groups['gpu_nodes'] }}"
    directory: drift
"""

RETURN = r"""
status:
  description: The worst state of a node, in the order C(equal), C(drifted), C(unknown), C(unreachable).
  type: str
  returned: success
states:
  description: The state of each node.
  type: dict
  returned: success
counts:
  description: How many nodes are in each state.
  type: dict
  returned: success
"""
