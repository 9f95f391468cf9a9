#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: fail for a node that its preflight found not ready. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_verdict
short_description: Fail if a node could not be brought to the declared state now
version_added: 0.2.0
description:
  - Makes the verdict of a preflight the task's, so that the exit status of the run says it. A node that was not
    reachable is unreachable here too.
  - Runs on the control node, and changes no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  found:
    description: What was found on the node, as an entry of C(nodes) of M(evenkeel.gpu.preflight_report).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Require that the node can be brought to the declared state
  evenkeel.gpu.preflight_verdict:
    found: "{{ {'probe': probe} }}"
"""

RETURN = r"""
msg:
  description: The state of the node.
  type: str
  returned: failure
  sample: "problem: see the table above."
"""
