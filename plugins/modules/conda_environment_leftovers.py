#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: environments that a node has and nobody declares any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_environment_leftovers
short_description: Warn of environments that are no longer declared
version_added: 0.2.0
description:
  - Warns of the environments that M(evenkeel.gpu.conda_environment) has built on the node and that are not among those
    that are declared. Changes nothing.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  declared:
    description: The names of the declared environments.
    type: list
    elements: str
    required: true
  root:
    description: The directory with the environments in C(envs/).
    type: path
    default: /opt/evenkeel
seealso:
  - module: evenkeel.gpu.conda_environment
    description: Removes an environment with O(evenkeel.gpu.conda_environment#module:state=absent).
"""

EXAMPLES = r"""
- name: Report environments that are no longer declared
  evenkeel.gpu.conda_environment_leftovers:
    declared: [ai-dev, jupyter]
"""

RETURN = r"""
leftovers:
  description: The names of the environments that are not declared.
  type: list
  elements: str
  returned: success
  sample: [nlp]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment_leftovers
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(conda_environment_leftovers.read, conda_environment_leftovers.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
