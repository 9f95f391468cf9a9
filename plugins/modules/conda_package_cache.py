#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: limits of the package caches."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_package_cache
short_description: Limit the package caches of Evenkeel's environments
version_added: 0.1.0
description:
  - Removes unpacked packages, archives and bytecode that no generation of any environment was built from, if they
    exceed the limits of age or size, least recently used first.
  - Packages of existing generations stay. They take no extra space, because their files are hardlinked into the
    generations.
  - Only the caches of O(root) are cleaned; users' own caches are not touched.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  root:
    description: The directory with the package caches in C(pkgs/).
    type: path
    default: /opt/evenkeel
  max_days:
    description: How many days after their last use to remove unused packages; V(0) for no limit.
    type: int
    default: 0
  max_megabytes:
    description: The maximum total size of unused packages, in MB; V(0) for no limit.
    type: int
    default: 0
  lock_timeout:
    description: How many seconds to wait for another run that uses the same caches.
    type: int
    default: 1800
seealso:
  - module: evenkeel.gpu.conda_environment
    description: Fills the caches.
"""

EXAMPLES = r"""
- name: Keep what was used in the last three months, and no more than 20 GB of it
  evenkeel.gpu.conda_package_cache:
    max_days: 90
    max_megabytes: 20000
"""

RETURN = r"""
removed:
  description: The entries that were removed, or in check mode would be, as paths below C(pkgs/).
  type: list
  elements: str
  returned: success
  sample: [rattler/numpy-2.4.5-py311_0, bytecode/cpython-311/3b7f...]
freed_bytes:
  description: How many bytes this frees.
  type: int
  returned: success
  sample: 73400320
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_package_cache
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(conda_package_cache.converge, conda_package_cache.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
