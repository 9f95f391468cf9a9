# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_runtime: Evenkeel's own tools beside a conda distribution."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import runtime
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.build_progress import progress_in
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import conda_platform
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

ARGUMENT_SPEC: dict[str, Any] = {
    "root": {"type": "path", "default": "/opt/evenkeel"},
    "python": {"type": "path", "default": "/opt/miniconda3/bin/python"},
    "wheels": {"type": "path"},
    "lock_timeout": {"type": "int", "default": 1800},
}
#: The wheels that the control node has for each platform, as lists of name and SHA-256, and where it has put them.
FROM_ACTION: dict[str, Any] = {"available": {"type": "dict", "default": {}}, "brought": {"type": "path"}}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    root, python = params["root"], params["python"]
    platform = conda_platform(os.uname().machine)
    reason = runtime.reason_against_rattler(python)
    wheels = [runtime.Wheel(**wheel) for wheel in params["available"].get(platform, ())]
    desired = runtime.desired(root, wheels, reason)
    if not wheels:
        return {"changed": False, "wanted": {"platform": platform, "wheels": []}}

    found = runtime.read(desired.directory, desired.id, all_hashed=not check_mode)
    plan = runtime.plan(found, desired)
    if plan.changed and not check_mode:
        if plan.build and params["brought"] is None:
            names = [wheel.name for wheel in desired.wheels]
            return {"changed": False, "wanted": {"platform": platform, "wheels": names}}
        with held(os.path.join(root, "locks", "pkgs"), params["lock_timeout"]):
            plan = runtime.plan(runtime.read(desired.directory, desired.id), desired)
            with progress_in(os.path.join(root, "progress", "runtime")) as progress:
                runtime.apply(plan, desired, params["brought"] or "", progress.wait)
    return {
        "changed": plan.changed,
        "diff": plan.diff,
        "warnings": ["The runtime %s. It is rebuilt" % one for one in plan.damage],
        "path": desired.path,
        "rattler": not reason,
        "reason": reason,
        "python": python,
    }
