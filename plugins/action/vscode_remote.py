# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: bring a node the archives that the module of the same name lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring

MODULE = "evenkeel.gpu.vscode_remote"


class ActionModule(Action):
    """Run the module; hand it files of the control node when it asks for them, and run it again."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = dict(self._task.args)
        server = arguments.get("server") or {}
        named = [server[name] for name in ("archive", "cli_archive") if server.get(name)]
        files = [Path(self._loader.path_dwim(name)) for name in named]
        for file in files:
            if not file.is_file():
                return {"failed": True, "changed": False, "msg": f"{file} is no file on the control node."}
        result = self._converge(arguments, task_vars)
        if result.get("wanted"):
            result = self._converge({**arguments, "brought": bring(self, files)}, task_vars)
        return result

    def _converge(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return result
