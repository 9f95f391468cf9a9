#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: write the drift report of nodes. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drift_report
short_description: Write a report of what of each node is not as declared
version_added: 0.2.0
description:
  - Writes C(report.json), C(index.html), C(junit.xml) and C(evenkeel.prom) to one folder, and the first without its
    layers to its folder C(history). All are replaced together; after a failure they are as they were.
  - Shows a row for each node that is not as declared.
  - Runs on the control node, regardless of the task's host, and changes no node. It writes in check mode too.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
  - evenkeel.gpu.drift
options:
  nodes:
    description:
      - What was found on each node, by its name, as mappings. C(survey) is the result of M(evenkeel.gpu.survey) with
        C(by_item), and empty where there is none. Then C(unreachable), C(failed) or C(limit) says why, the last with
        the seconds that the node has exceeded.
      - C(release) is such as C(Debian 12). C(declared) has C(driver), the choice of the driver, and C(sources), the
        environments as P(evenkeel.gpu.environment_sources#filter) returns them.
      - Without it, nothing is written; the task fails if a report could not be kept. So this is known before the nodes
        are asked.
    type: dict
  begun:
    description: When the run began, in seconds since 1970. It is required with O(nodes).
    type: float
  site:
    description: A folder in the repository of what is declared, such as the inventory's.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Require that a report can be kept
  evenkeel.gpu.drift_report:
    site: "{{ inventory_dir }}"
    directory: drift
    history_branch: drift-history
    history_repository: "{{ inventory_dir }}"

- name: Write the report
  evenkeel.gpu.drift_report:
    nodes: "{{ {inventory_hostname: {'survey': survey}} }}"
    begun: "{{ now().timestamp() }}"
    site: "{{ inventory_dir }}"
    directory: drift
"""

RETURN = r"""
status:
  description: The worst state of a node, in the order C(equal), C(drifted), C(unknown), C(unreachable).
  type: str
  returned: with O(nodes)
states:
  description: The state of each node.
  type: dict
  returned: with O(nodes)
counts:
  description: How many nodes are in each state.
  type: dict
  returned: with O(nodes)
"""
