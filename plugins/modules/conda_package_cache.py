#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: limits of the package caches."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_package_cache
short_description: Keep the package caches of Evenkeel's environments within limits
version_added: 0.1.0
description:
  - Removes unpacked packages, archives and bytecode that no generation of any environment was built from, when they are
    older or larger than the limits say, the longest unused first.
  - What a generation was built from stays. It costs nothing, since its files are linked into the generation.
  - The caches are those of O(root) alone; caches of people's own are not touched.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  root:
    description: The directory that holds the package caches in C(pkgs/).
    type: path
    default: /opt/evenkeel
  max_days:
    description: Unused packages are removed when so many days have passed since their last use; V(0) sets no limit.
    type: int
    default: 0
  max_megabytes:
    description: Unused packages are removed until the rest are no larger than this, in MB; V(0) sets no limit.
    type: int
    default: 0
  lock_timeout:
    description: How many seconds to wait for another run that works on the same caches.
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
  description: The entries that were, or in check mode would be, removed, as paths below C(pkgs/).
  type: list
  elements: str
  returned: success
  sample: [rattler/numpy-2.4.5-py311_0, bytecode/cpython-311/3b7f...]
freed_bytes:
  description: How much that sets free.
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
