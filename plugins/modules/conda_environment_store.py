#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: all environments of a node, and what they are built with, taken down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_environment_store
short_description: Remove all named environments of a node
version_added: 0.2.0
description:
  - Removes all environments that M(evenkeel.gpu.conda_environment) has built on a node, with their generations. Once
    none is left, it also removes the package caches and the tools that they are built with.
  - Files that people have put into an environment are moved to C(kept/) below O(root). Environments of others, pinned
    ones, ones that were taken over and ones that a process uses stay, and RV(left) names them.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  state:
    description: V(absent) removes them. M(evenkeel.gpu.conda_environment) builds them one by one.
    type: str
    choices: [absent]
    required: true
  root:
    description: The directory with the environments in C(envs/).
    type: path
    default: /opt/evenkeel
  lock_timeout:
    description: How many seconds to wait while another run builds an environment.
    type: int
    default: 1800
seealso:
  - module: evenkeel.gpu.conda_environment
    description: Removes one with O(evenkeel.gpu.conda_environment#module:state=absent).
"""

EXAMPLES = r"""
- name: Remove all environments
  evenkeel.gpu.conda_environment_store:
    state: absent
"""

RETURN = r"""
kept:
  description: Where files are now that people had put into environments.
  type: list
  elements: str
  returned: success
left:
  description: What stays, each with the reason.
  type: list
  elements: str
  returned: success
  sample: ["/opt/evenkeel/envs/mine: not made by Evenkeel"]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment_store
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(conda_environment_store.converge, conda_environment_store.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
