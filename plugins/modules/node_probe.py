#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: whether modules can run on a node. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_probe
short_description: Find out whether modules can run on a node
version_added: 0.2.0
description:
  - Asks the node's shell, so it needs no Python there. Changes nothing, installs nothing.
  - A node that does not answer, has no Python or gives no root is no failure of the task. The result describes it.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  diff_mode:
    support: none
options: {}
seealso:
  - module: evenkeel.gpu.preflight
    description: Reads what a node with Python has.
"""

EXAMPLES = r"""
- name: Probe the node
  evenkeel.gpu.node_probe:
  register: probe

- name: Leave out nodes on which no module can run
  ansible.builtin.meta: end_host
  when: not probe.reachable or probe.python_problem | length > 0
"""

RETURN = r"""
reachable:
  description: Whether the node can be logged in to.
  type: bool
  returned: success
msg:
  description: Why it can't.
  type: str
  returned: if it is not reachable
release:
  description: The distribution and its release.
  type: str
  returned: if it is reachable, as all that follows
  sample: Ubuntu 24.04
machine:
  description: The architecture of its CPU.
  type: str
  returned: if it is reachable
  sample: x86_64
python:
  description: The interpreter that Ansible uses, C(path) and C(version); empty if there is none.
  type: dict
  returned: if it is reachable
  sample: {path: /usr/bin/python3.12, version: 3.12.3}
python_problem:
  description: Why the interpreter is of no use, with the command or the setting that helps; empty if it is.
  type: str
  returned: if it is reachable
root:
  description: Whether the task's user is root, or becomes root.
  type: bool
  returned: if it is reachable
root_problem:
  description: Why not, with what to do; empty if it is, and if the shell runs no commands.
  type: str
  returned: if it is reachable
clock_skew:
  description: How many seconds the node's clock is ahead of the control node's at least; negative if it is behind.
  type: int
  returned: if the node has reported the time
"""
