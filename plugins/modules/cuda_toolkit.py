#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the CUDA toolkits of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cuda_toolkit
short_description: Keep CUDA toolkits side by side
version_added: 0.1.0
description:
  - Brings toolkits, cuDNN and NCCL as packages. What that takes is simulated first, and refused where it would bring,
    change or remove a package of the driver.
  - Points C(/usr/local/cuda) at one of them, by the system's alternatives where NVIDIA's packages have registered it
    there, and has shells and the loader find it.
  - A toolkit that no package has made, and a C(/usr/local/cuda) that is no link, are never touched; where they are in
    the way, nothing is changed.
  - What an earlier run of the package manager left half-done is finished first.
  - What a node gets is decided by the filter P(evenkeel.gpu.cuda_toolkit_choice#filter); the role C(cuda_toolkit) joins
    the two.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.packages
options:
  toolkits:
    description: The versions of the toolkits, such as C(12.8), as their directories have them.
    type: list
    elements: str
    default: []
  default:
    description: The one that C(/usr/local/cuda) leads to; empty leaves it as it is, unless it leads nowhere.
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
    description: Whether login shells have C(CUDA_HOME), and the default toolkit's programs in their C(PATH).
    type: bool
    default: true
  loader:
    description: Whether the loader finds the default toolkit's libraries.
    type: bool
    default: true
  warn:
    description: What to warn of.
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
  description: The toolkits that packages have made, oldest first.
  type: list
  elements: dict
  returned: success
  contains:
    version: {description: "Its version.", type: str, sample: "12.8"}
    package_version: {description: "The whole version of its package.", type: str, sample: 12.8.1-1}
    path: {description: "Its directory.", type: str, sample: /usr/local/cuda-12.8}
default:
  description: Where C(/usr/local/cuda) leads; empty when it is not there.
  type: str
  returned: success
  sample: /usr/local/cuda-12.8
packages:
  description: Packages that changed, with their versions.
  type: list
  elements: str
  returned: success
healed:
  description: Packages that an earlier run had left half-done, and keys of repositories that were damaged.
  type: list
  elements: str
  returned: success
left:
  description: Toolkits that stay although they are not listed, because no package has made them.
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
