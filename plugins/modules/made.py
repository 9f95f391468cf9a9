#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a record of the users and groups that a role makes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: made
short_description: Record the users and groups that a role is about to make
version_added: 0.2.0
description:
  - Adds the users and groups that the node does not have to the role's record in C(/var/lib/evenkeel/made), so that
    they can be removed again. Existing ones are not recorded, since Evenkeel did not make them.
  - Belongs before the task that makes them, so that nothing is missing from the record after an interrupted run.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  role:
    description: The name of the role.
    type: str
    required: true
  users:
    description: Names of users.
    type: list
    elements: str
    default: []
  groups:
    description: Names of groups.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Record the user, if this role is about to create it
  evenkeel.gpu.made:
    role: jupyter
    users: [jupyter]
"""

RETURN = r"""
{}
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(made.converge, made.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
