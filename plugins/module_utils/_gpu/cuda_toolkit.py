# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module cuda_toolkit: the CUDA toolkits of a node."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_toolkit_removal, cuda_toolkits
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "toolkits": {"type": "list", "elements": "str", "default": []},
    "default": {"type": "str", "default": ""},
    "parts": {"type": "str", "default": "(?!)"},
    "refuse": {"type": "list", "elements": "str", "default": []},
    "exclusive": {"type": "bool", "default": False},
    "shells": {"type": "bool", "default": True},
    "loader": {"type": "bool", "default": True},
    "warn": {"type": "list", "elements": "str", "default": []},
    **package_set.ARGUMENTS,
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    if params["state"] == "absent":
        outcome = cuda_toolkit_removal.remove(params["lock_timeout"], check_mode=check_mode)
    else:
        outcome = cuda_toolkits.converge(desired(params), check_mode=check_mode)
    return {
        "changed": outcome.changed,
        "toolkits": list(outcome.toolkits),
        "default": outcome.default,
        "packages": list(outcome.packages),
        "healed": list(outcome.healed),
        "left": list(outcome.left),
        "warnings": [*params["warn"], *package_set.repairs(outcome.healed, check_mode=check_mode), *outcome.left],
        "diff": list(outcome.diffs),
        "unknown": list(outcome.unknown),
    }


def desired(params: dict[str, Any]) -> cuda_toolkits.Desired:
    """Return what the options ask for."""
    return cuda_toolkits.Desired(
        toolkits=tuple(params["toolkits"]),
        default=params["default"],
        packages=package_set.wanted(params["packages"]),
        repository=repositories.parse(params["repository"]) if params["repository"] else None,
        parts=params["parts"],
        refuse=tuple(params["refuse"]),
        exclusive=params["exclusive"],
        shells=params["shells"],
        loader=params["loader"],
        lock_timeout=params["lock_timeout"],
    )
