#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: limits of the package caches."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_package_cache
short_description: Keep the package caches of Evenkeel's environments within limits
version_added: 0.2.0
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

import os
import time

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import package_cache
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

SECONDS_A_DAY = 86400


def main() -> None:
    run(
        converge,
        {
            "root": {"type": "path", "default": "/opt/evenkeel"},
            "max_days": {"type": "int", "default": 0},
            "max_megabytes": {"type": "int", "default": 0},
            "lock_timeout": {"type": "int", "default": 1800},
        },
    )


def converge(module: Module) -> dict[str, object]:
    root = module.params["root"]
    require_normalised("root", root)
    for option in ("max_days", "max_megabytes"):
        if module.params[option] < 0:
            raise EvenkeelError("%s is %d" % (option, module.params[option]), "Give a number, or 0 to set no limit")
    limits = package_cache.Limits(
        module.params["max_days"] * SECONDS_A_DAY, module.params["max_megabytes"] * 1000 * 1000
    )

    entries = package_cache.read(root)
    going = package_cache.superfluous(entries, limits, time.time())
    interrupted = package_cache.interrupted(root)
    if (going or interrupted) and not module.check_mode:
        with held(os.path.join(root, "locks", "pkgs"), module.params["lock_timeout"]):
            package_cache.sweep(root)
            entries = package_cache.read(root)
            going = package_cache.superfluous(entries, limits, time.time())
            package_cache.remove(going)
    names = [entry.name for entry in going]
    lines = ["- interrupted removal %s" % path for path in interrupted] + ["- %s" % name for name in names]
    return {
        "changed": bool(lines),
        "diff": {"prepared": "".join("%s\n" % line for line in lines)},
        "removed": names,
        "freed_bytes": sum(entry.size for entry in going),
    }


if __name__ == "__main__":
    main()
