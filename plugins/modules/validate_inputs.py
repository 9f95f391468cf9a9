#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: validate the inputs of this collection's roles and playbooks. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validate_inputs
short_description: Validate the inputs of a role or a playbook of this collection
version_added: 0.2.0
description:
  - In a role, compares the role's variables with its argument specification, then evaluates the rules that involve
    several variables. In a playbook, compares the playbook's variables with its specification.
  - Each problem is one line, which names the variable, its value and what it must be.
  - Refuses a variable that begins like an input and is none, an input inside the value of another, and an input's name
    from an earlier release. C(evenkeel_known_variables) lists names that belong to others, and
    C(evenkeel_unknown_variables=warn) makes the first two warnings.
  - In a playbook, looks at the variables of all hosts of the play. Warns of a name that only looks like an input, of
    files of variables that no host or group reads, and of inputs of C(lock.yml) that the control node has not.
  - Runs on the control node, regardless of the task's host, and changes no node.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  checks:
    description:
      - The name of a variable with a list of mappings. C(ok) of each is whether the inputs satisfy a rule, C(problem)
        the message if they don't. The variable is read only if all types are right.
    type: str
  playbook:
    description: The playbook whose inputs to validate, such as C(lock). By default, those of the task's role.
    type: str
seealso:
  - module: ansible.builtin.validate_argument_spec
    description: Validates one argument specification.
"""

EXAMPLES = r"""
- name: Validate | Require inputs of the declared types that go together
  evenkeel.gpu.validate_inputs:
    checks: __jupyter_checks

- name: Validate the inputs
  evenkeel.gpu.validate_inputs:
    playbook: lock
  run_once: true
"""

RETURN = r"""
msg:
  description: A line for each problem.
  type: str
  returned: failure
  sample: jupyter_port is 'abc'. Set it to a whole number.
"""
