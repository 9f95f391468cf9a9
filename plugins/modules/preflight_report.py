#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: show what preflights of nodes have found. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Show a table of nodes and of what stands against bringing them to the declared state
version_added: 0.2.0
description:
  - Shows a row for each node, and below the table each problem once with its nodes, in at most 120 columns and without
    colours.
  - Runs on the control node, regardless of the task's host, and changes no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  nodes:
    description:
      - What was found on each node, by its name, as mappings. C(probe), C(survey) and C(node) are the results of
        M(evenkeel.gpu.node_probe), M(evenkeel.gpu.survey) and M(evenkeel.gpu.preflight), of which the last two may be
        empty.
      - C(driver) is the choice of the driver, C(root) the directory of environments, C(failed) why the node could not
        be looked at.
    type: dict
    required: true
  path:
    description: A file on the control node for the results, as JSON. It is written in check mode too.
    type: path
"""

EXAMPLES = r"""
- name: Show the report
  evenkeel.gpu.preflight_report:
    nodes: "{{ {inventory_hostname: {'probe': probe}} }}"
"""

RETURN = r"""
ok:
  description: Whether all nodes could be brought to the declared state now.
  type: bool
  returned: success
"""
