# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: the directory of the files that users are handed, on the control node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import client_directory
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import site_directory
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import ignored

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {"path": {"type": "path"}, "mode": {"type": "str", "default": "0755"}}


class ActionModule(Action):
    """Make it, or move it out of the inventory."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        path, earlier = Path.cwd() / (arguments["path"] or ""), None
        if not arguments["path"]:
            path = site_directory.of_host(task_vars) / client_directory.NAME
            inventory = task_vars.get("inventory_dir")
            earlier = Path(inventory, client_directory.NAME) if inventory else None
        planned = client_directory.plan(path, int(arguments["mode"], 8), earlier)
        if self._task.check_mode:
            client_directory.require_possible(planned)
        elif planned.changes:
            client_directory.apply(planned)
            if planned.moved:
                warn(f"What users are handed has been moved from {planned.moved} to {path}")
        if path.is_dir() and not ignored.by_git(path / "ssh_config"):
            warn(
                f"{path} is in a repository of git, which does not ignore it. Add it to .gitignore, or name another "
                "directory by client_config_directory"
            )
        result: dict[str, Any] = {"changed": planned.changes, "path": str(path)}
        if self._task.diff:
            before = {"path": str(planned.moved or path), "mode": _octal(planned.mode_before)}
            result["diff"] = {"before": before, "after": {"path": str(path), "mode": _octal(planned.mode)}}
        return result


def _octal(mode: int | None) -> str:
    return "missing" if mode is None else f"{mode:04o}"
