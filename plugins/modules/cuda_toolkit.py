#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the CUDA toolkits of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cuda_toolkit
short_description: Manage CUDA toolkits side by side
version_added: 0.1.0
description:
  - Installs toolkits, cuDNN and NCCL as packages. The transaction is first simulated, and refused if it would install,
    change or remove a package of the driver.
  - Points C(/usr/local/cuda) to one of them, through the system's alternatives if NVIDIA's packages have registered it
    there, and configures shells and the loader to find it.
  - A toolkit that was not installed by a package, and a C(/usr/local/cuda) that is not a link, are never touched; if
    they are in the way, nothing is changed.
  - An interrupted run of the package manager is finished first.
  - The filter P(evenkeel.gpu.cuda_toolkit_choice#filter) chooses the packages; the role C(cuda_toolkit) combines the
    two.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.packages
options:
  state:
    description:
      - Whether the node has what the other options say. V(absent) removes the packages that this module has installed
        and that nothing else needs, their repository unless the driver comes from it, the settings for shells and the
        loader, and C(/usr/local/cuda) where this module has made it. RV(left) names what stays.
    type: str
    choices: [present, absent]
    default: present
  toolkits:
    description: The versions of the toolkits, such as C(12.8), as in the names of their directories.
    type: list
    elements: str
    default: []
  default:
    description: The version that C(/usr/local/cuda) points to. When empty, a working link stays as it is.
    type: str
    default: ""
  parts:
    description:
      - A regular expression of the names of the packages that a toolkit consists of; its groups are the toolkit's major
        and minor version. The default is no package.
    type: str
    default: (?!)
  refuse:
    description: Patterns of packages that must not change, those of the driver.
    type: list
    elements: str
    default: []
  exclusive:
    description:
      - Whether toolkits that O(toolkits) does not list are removed. Only packages are, all of a toolkit; what no
        package has made is listed in RV(left).
    type: bool
    default: false
  shells:
    description: Whether login shells set C(CUDA_HOME), and have the default toolkit's programs in their C(PATH).
    type: bool
    default: true
  loader:
    description: Whether the loader finds the default toolkit's libraries.
    type: bool
    default: true
  warn:
    description: Warnings to show.
    type: list
    elements: str
    default: []
seealso:
  - plugin: evenkeel.gpu.cuda_toolkit_choice
    plugin_type: filter
    description: Chooses packages for the options of this module.
  - module: evenkeel.gpu.nvidia_driver
    description: Installs the driver.
"""

EXAMPLES = r"""
- name: Keep two toolkits, and make the older one the default
  evenkeel.gpu.cuda_toolkit:
    toolkits: ["12.8", "13.0"]
    default: "12.8"
    packages:
      - name: cuda-toolkit-12-8
      - name: cuda-toolkit-13-0
        version: 13.0.2
    refuse: [cuda-drivers*, nvidia-*]
"""

RETURN = r"""
toolkits:
  description: The toolkits that packages have installed, oldest first.
  type: list
  elements: dict
  returned: success
  contains:
    version: {description: "Its version.", type: str, sample: "12.8"}
    package_version: {description: "The full version of its package.", type: str, sample: 12.8.1-1}
    path: {description: "Its directory.", type: str, sample: /usr/local/cuda-12.8}
default:
  description: The target of C(/usr/local/cuda); empty if it does not exist.
  type: str
  returned: success
  sample: /usr/local/cuda-12.8
packages:
  description: Packages that changed, with their versions.
  type: list
  elements: str
  returned: success
healed:
  description:
    - Packages of an interrupted run that were finished, and damaged repository keys that were replaced.
    - Files of others that named the same repository as the role's own, with where they are kept as they were.
  type: list
  elements: str
  returned: success
unknown:
  description: In check mode, why it is not known which packages would change.
  type: list
  elements: str
  returned: success
left:
  description: What stays although it is not wanted, and why, such as toolkits that no package has installed.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_toolkit
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(cuda_toolkit.converge, cuda_toolkit.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
