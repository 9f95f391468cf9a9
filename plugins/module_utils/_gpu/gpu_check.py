# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module gpu_check: whether the GPUs of a node work."""

from __future__ import annotations

import sys
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import check as gpu_check
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.verdict import Bounds
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

ARGUMENT_SPEC: dict[str, Any] = {
    "environment": {"type": "path"},
    "min_gpus": {"type": "int", "default": 0},
    "min_bandwidth_gbps": {"type": "float", "default": 0},
    "max_ecc_errors": {"type": "int", "default": 0},
    "timeout": {"type": "int", "default": 120},
}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    bounds = Bounds(params["min_gpus"], params["min_bandwidth_gbps"], params["max_ecc_errors"])
    verdict = gpu_check.check(sys.executable, params["environment"] or "", bounds, params["timeout"], Sysroot())
    return {
        "ok": verdict.ok,
        "present": verdict.present,
        "verdict": verdict.text,
        "problems": list(verdict.problems),
        "cuda": verdict.cuda,
        "gpus": list(verdict.gpus),
        "frameworks": list(verdict.frameworks),
        **({} if verdict.ok else {"failed": True, "msg": verdict.text}),
    }
