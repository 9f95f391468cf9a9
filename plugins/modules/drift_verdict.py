#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: end a node as its state in the drift report is. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drift_verdict
short_description: Fail for a node that is not as declared, after the drift report
version_added: 0.2.0
description:
  - Gives the run an exit status by the state that the report has.
  - Runs on the control node, regardless of the task's host, and changes no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  state:
    description: The node's state by M(evenkeel.gpu.drift_report). One that is V(unreachable) is so for this task too.
    type: str
    required: true
    choices: [equal, drifted, unknown, unreachable]
  fail:
    description: Whether the task fails for V(drifted) and V(unknown).
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Require that the node is as declared
  evenkeel.gpu.drift_verdict:
    state: "{{ report.states[inventory_hostname] }}"
"""

RETURN = r"""
msg:
  description: The state of the node.
  type: str
  returned: failure
  sample: "drifted: see the table above and the report."
"""
