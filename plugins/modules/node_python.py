#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the Python that modules need on a node. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_python
short_description: Install Python on a node where no module can run
version_added: 0.2.0
description:
  - Asks the node's shell, so it needs no Python there. Where Ansible would find none on which modules can run, installs
    one by the distribution's package manager. Waits for another run of apt, and uses the proxy of the task's
    C(environment).
  - Fails, with what to do, where the distribution has none that is new enough, where the interpreter that
    C(ansible_python_interpreter) names can't be used, and where one is new enough that Ansible does not find by itself.
  - Fails as well where the task's user does not become root as modules run, which is without a terminal.
  - Check mode installs nothing and fails, with the command.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  diff_mode:
    support: none
options: {}
"""

EXAMPLES = r"""
- name: Give every node a Python
  hosts: all
  become: true
  gather_facts: false
  tasks:
    - name: Install Python where there is none
      evenkeel.gpu.node_python:
"""

RETURN = r"""
path:
  description: The interpreter that Ansible uses.
  type: str
  returned: success
  sample: /usr/bin/python3.12
version:
  description: Its version.
  type: str
  returned: success
  sample: 3.12.3
ansible_facts:
  description: C(discovered_interpreter_python), so that Ansible does not look for it again.
  type: dict
  returned: unless ansible_python_interpreter names one
"""
