# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: bring a node the archives that the module of the same name lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring


class ActionModule(Action):
    """Run the module; when it asks for files of the control node, bring them and run it again."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        options = self._task.args
        server = options.get("server") or {}
        files = [Path(self._loader.path_dwim(server[name])) for name in ("archive", "cli_archive") if server.get(name)]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            raise EvenkeelError(
                f"{', '.join(missing)} is not a file on the control node", "Download it there, or correct the path"
            )
        result = yield Call("vscode_remote", options)
        if result.get("wanted"):
            result = yield Call("vscode_remote", options, {"brought": bring(self, files)})
        result.pop("wanted", None)
        return result
