# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module jupyter_kernelspecs: the kernels that Jupyter offers."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import kernelspecs
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made

_KERNEL = {
    "name": {"type": "str", "required": True},
    "environment": {"type": "str"},
    "display_name": {"type": "str"},
    "cuda_visible_devices": {"type": "str"},
    "memory_max": {"type": "str"},
    "env": {"type": "dict", "default": {}},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "directory": {"type": "path", "default": "/usr/local/share/jupyter/kernels"},
    "environments": {"type": "path", "default": "/opt/evenkeel/envs"},
    "kernels": {"type": "list", "elements": "dict", "options": _KERNEL},
    "distribution": {"type": "path", "default": "/opt/miniconda3"},
    "activation_timeout": {"type": "int", "default": 20},
    "server": {"type": "str"},
    "planned": {"type": "list", "elements": "str", "default": []},
}

RULES: dict[str, Any] = {"required_if": [("state", "present", ("kernels",))]}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the kernels to the declared state, or return what that would change."""
    return remove(params["directory"], check_mode) if params["state"] == "absent" else register(params, check_mode)


def remove(directory: str, check_mode: bool) -> dict[str, Any]:
    """Have no kernel of ours, and no program that starts them."""
    plan = kernelspecs.plan(kernelspecs.read(directory), [], directory, [])
    launcher_file = kernelspecs.launcher_file(directory, wanted=False)
    if not check_mode:
        kept_files.apply_all(made.of_files("jupyter_kernelspecs", plan.changes(directory)))
        kernelspecs.apply(plan, directory)
        kept_files.apply_all(launcher_file)
        _remove_if_empty(directory)
    return {
        "changed": bool(launcher_file) or plan.changed,
        "diff": plan.diff(directory) + [change.diff() for change in launcher_file],
        "written": [],
        "removed": list(plan.remove),
    }


def _remove_if_empty(directory: str) -> None:
    """Remove the folder of kernels, and Jupyter's own around it; the distribution has neither."""
    for folder in (directory, os.path.dirname(directory)):
        if os.path.basename(folder) in ("kernels", "jupyter"):
            with contextlib.suppress(OSError):  # others have put something into it
                os.rmdir(folder)


def register(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have the declared kernels."""
    directory, environments = params["directory"], params["environments"]
    server = params["server"] and os.path.join(environments, params["server"])
    rehearsed = {os.path.join(environments, name) for name in params["planned"]} if check_mode else set()
    kernels = [kernelspecs.complete(item, environments) for item in params["kernels"]]
    kernelspecs.check_names(kernels)
    kernelspecs.check_environments(
        [kernel for kernel in kernels if kernel.prefix not in rehearsed],
        server if server not in rehearsed else None,
    )
    launcher = kernelspecs.launcher(directory, params["distribution"], params["activation_timeout"])
    launcher_file = kernelspecs.launcher_file(directory)
    plan = kernelspecs.plan(kernelspecs.read(directory), kernels, directory, launcher)
    if not check_mode:
        kept_files.apply_all(launcher_file)
    if plan.changed and not check_mode:
        kept_files.apply_all(made.of_files("jupyter_kernelspecs", plan.changes(directory)))
        kernelspecs.apply(plan, directory)
    return {
        "changed": bool(launcher_file) or plan.changed,
        "diff": [change.diff() for change in launcher_file] + plan.diff(directory),
        "written": sorted(plan.write),
        "removed": list(plan.remove),
    }
