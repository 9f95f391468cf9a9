#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: Evenkeel's own directories, once no layer is left that has something in them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_directories
short_description: Remove Evenkeel's own directories from a node
version_added: 0.2.0
description:
  - Removes C(/etc/evenkeel), C(/var/lib/evenkeel) and O(root) as far as nothing is in them that others have made, once
    no module has a record of something on the node. C(remove.yml) runs it last.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  state:
    description: V(absent) removes them. Modules make them when they need them.
    type: str
    choices: [absent]
    required: true
  root:
    description:
      - The directory for environments, distributions and package caches. One whose path does not have C(evenkeel) in it
        stays.
    type: path
    default: /opt/evenkeel
seealso:
  - module: evenkeel.gpu.conda_environment_store
    description: Removes the environments below O(root).
"""

EXAMPLES = r"""
- name: Remove Evenkeel's own directories
  evenkeel.gpu.node_directories:
    state: absent
"""

RETURN = r"""
left:
  description: What stays, each with the reason.
  type: list
  elements: str
  returned: success
  sample: ["/etc/evenkeel/notes: it, or something in it, was not made by Evenkeel or is in use"]
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import node_directories
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(node_directories.converge, node_directories.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
