# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_package_cache: limits of the package caches."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import package_cache
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

SECONDS_A_DAY = 86400

ARGUMENT_SPEC: dict[str, Any] = {
    "root": {"type": "path", "default": "/opt/evenkeel"},
    "max_days": {"type": "int", "default": 0},
    "max_megabytes": {"type": "int", "default": 0},
    "lock_timeout": {"type": "int", "default": 1800},
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    root = params["root"]
    require_normalised("root", root)
    for option in ("max_days", "max_megabytes"):
        if params[option] < 0:
            raise EvenkeelError("%s is %d" % (option, params[option]), "Give a number, or 0 to set no limit")
    limits = package_cache.Limits(params["max_days"] * SECONDS_A_DAY, params["max_megabytes"] * 1000 * 1000)

    entries = package_cache.read(root)
    going = package_cache.superfluous(entries, limits, time.time())
    interrupted = package_cache.interrupted(root)
    if (going or interrupted) and not check_mode:
        with held(os.path.join(root, "locks", "pkgs"), params["lock_timeout"]):
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
