# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module nvidia_driver: the NVIDIA driver of a node, with all that keeps it working after the next boot."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import driver, driver_removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import Desired, Runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "version": {"type": "str", "default": ""},
    "flavour": {"type": "str", "choices": ["open", "proprietary"]},
    "absent": {"type": "list", "elements": "str", "default": []},
    "family": {"type": "list", "elements": "str", "default": []},
    "companions": {"type": "list", "elements": "str", "default": []},
    "dkms": {"type": "str", "default": ""},
    "modules": {"type": "str", "default": ""},
    "dkms_repository": {"type": "dict", "options": repositories.ARGUMENTS},
    "kernel": {"type": "str", "choices": ["keep", "upgrade"], "default": "keep"},
    "runfile": {
        "type": "dict",
        "options": {"url": {"type": "str", "required": True}, "sha256": {"type": "str", "required": True}},
    },
    "hold": {"type": "bool", "default": True},
    "hold_kernel": {"type": "bool", "default": True},
    "keep_off": {"type": "bool", "default": True},
    "persistence": {"type": "bool", "default": True},
    "fabric_manager": {"type": "bool", "default": False},
    "gpu": {"type": "bool"},
    "container": {"type": "bool", "default": False},
    "secure_boot": {"type": "bool", "default": False},
    "warn": {"type": "list", "elements": "str", "default": []},
    "remove_leftovers": {"type": "bool", "default": False},
    **package_set.ARGUMENTS,
}
RULES: dict[str, Any] = {
    "mutually_exclusive": [("runfile", "packages")],
    "required_if": [("state", "present", ("flavour", "gpu"))],
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    if params["state"] == "absent":
        outcome = driver_removal.remove(
            container=params["container"], lock_timeout=params["lock_timeout"], check_mode=check_mode
        )
    else:
        outcome = driver.converge(desired(params), check_mode=check_mode)
    return {
        "changed": outcome.changed,
        "version": outcome.version,
        "flavour": outcome.flavour,
        "kernels": list(map(described, outcome.kernels)),
        "packages": list(outcome.packages),
        "healed": list(outcome.healed),
        "left": list(outcome.left),
        "reboot": list(outcome.reboot),
        "warnings": [*params["warn"], *package_set.repairs(outcome.healed, check_mode=check_mode), *outcome.left],
        "diff": list(outcome.diffs),
        "unknown": list(outcome.unknown),
    }


def described(kernel: Kernel) -> dict[str, Any]:
    """Return a kernel as the module documents it."""
    module = kernel.module or Module("", "")
    return {
        "release": kernel.release,
        "headers": kernel.headers,
        "module": module.version,
        "flavour": module.flavour,
        "signed": module.signed,
    }


def desired(params: dict[str, Any]) -> Desired:
    """Return what the options ask for."""
    return Desired(
        **{
            **{name: value for name, value in params.items() if name not in ("state", "warn")},
            "repository": repositories.parse(params["repository"]) if params["repository"] else None,
            "dkms_repository": repositories.parse(params["dkms_repository"]) if params.get("dkms_repository") else None,
            "packages": package_set.wanted(params["packages"]),
            "absent": tuple(params["absent"]),
            "family": tuple(params["family"]),
            "companions": tuple(params["companions"]),
            "runfile": Runfile(**params["runfile"]) if params["runfile"] else None,
        }
    )
