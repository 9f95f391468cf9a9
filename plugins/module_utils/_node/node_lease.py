# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module node_lease: a run takes a node, or lets go of it."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lease import Run

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["held", "free"], "required": True},
}
FROM_ACTION: dict[str, Any] = {
    "run": {"type": "dict", "required": True},
    "instead_of": {"type": "str", "default": ""},
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    run = Run(**params["run"])
    if check_mode:
        return {}
    if params["state"] == "free":
        run_lease.release(run)
        return {}
    other, warnings = run_lease.take(run, params["instead_of"])
    return {"other": other, "warnings": warnings}
