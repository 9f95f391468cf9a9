# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module nvidia_container_toolkit: the NVIDIA Container Toolkit of a node."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import container_toolkit
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "engines": {
        "type": "list",
        "elements": "str",
        "choices": ["auto", *container_toolkit.ENGINES],
        "default": ["auto"],
    },
    "restart_docker": {"type": "bool", "default": False},
    "hold": {"type": "bool", "default": True},
    **package_set.ARGUMENTS,
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    if params["state"] == "absent":
        outcome = container_toolkit.remove(params["lock_timeout"], check_mode=check_mode)
    else:
        outcome = container_toolkit.converge(desired(params), check_mode=check_mode)
    return {
        "changed": outcome.changed,
        "engines": list(outcome.engines),
        "specification": outcome.specification,
        "check": list(outcome.check),
        "packages": list(outcome.packages),
        "healed": list(outcome.healed),
        "left": list(outcome.left),
        "warnings": [*package_set.repairs(outcome.healed, check_mode=check_mode), *outcome.left],
        "diff": list(outcome.diffs),
        "unknown": list(outcome.unknown),
    }


def desired(params: dict[str, Any]) -> container_toolkit.Desired:
    """Return what the options ask for."""
    return container_toolkit.Desired(
        packages=package_set.wanted(params["packages"]),
        repository=repositories.parse(params["repository"]) if params["repository"] else None,
        engines=tuple(params["engines"]),
        restart_docker=params["restart_docker"],
        hold=params["hold"],
        lock_timeout=params["lock_timeout"],
    )
