# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: lock an environment.yml on the control node."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, locking, relocking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import explicit_beside
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.inventory_host import InventoryHost

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "path", "required": True},
    "drop_platforms": {"type": "bool", "default": False},
    "cuda": {"type": "str"},
    "update": {"type": "list", "elements": "str"},
    "accept_changed_hashes": {"type": "bool", "default": False},
    **relocking.OPTIONS,
}
#: Set by the playbook, whose variables messages name; a task of another play has only options.
BY_PLAYBOOK = "__lock_by_playbook"


class ActionModule(Action):
    """Read the environment and its lock, solve, and write what changes; nothing runs on the task's host."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        for option in ("environment", "wheels"):
            if arguments[option]:
                arguments[option] = str(given_paths.absolute(arguments[option], self._loader))
        with tempfile.TemporaryDirectory() as rehearsed:
            try:
                return self._lock(arguments, Path(rehearsed) if self._task.check_mode else None, task_vars)
            except EvenkeelError as error:
                if task_vars.get(BY_PLAYBOOK):
                    raise
                raise EvenkeelError(_of_options(error.what), _of_options(error.remedy), **error.details) from error

    def _lock(self, arguments: dict[str, Any], rehearsed: Path | None, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        connect = partial(InventoryHost, self, task_vars=task_vars)
        locked = relocking.relocked(arguments, rehearsed, task_vars.get("hostvars", {}), connect)
        path, plan = locked.path, locked.plan
        changed, diff = bool(plan.changed), plan.diff
        if changed and not self._task.check_mode:
            locking.apply(plan)
        digests = {platform: digest(found, plan.after.variables) for platform, found in plan.after.packages.items()}
        explicit = {platform: str(explicit_beside(path, platform)) for platform in digests}
        result: dict[str, Any] = {
            "changed": changed,
            "path": str(path),
            "explicit": explicit,
            "digests": digests,
            "cuda": {platform: plan.after.cuda(platform) for platform in digests},
            "gpu_builds": {
                platform: conda_lock.gpu_builds_of(found) for platform, found in plan.after.packages.items()
            },
        }
        warnings = [*locked.warnings, *hashes.outdated(path, plan.after.packages)]
        if warnings:
            result["warnings"] = warnings
        return {**result, "diff": {"prepared": diff}} if self._task.diff else result


def _of_options(text: str) -> str:
    """Return a text that names the module's options in the place of lock.yml's variables."""
    return re.sub(rf"\block_({'|'.join(ARGUMENT_SPEC)})\b", r"\1", text)
