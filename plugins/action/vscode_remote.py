# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: bring a node the archives that the module of the same name lacks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring


class ActionModule(Action):
    """Run the module; when it asks for files of the control node, bring them and run it again."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        options = self._task.args
        server = options.get("server") or {}
        sums = {
            given_paths.absolute(server[name], self._loader): str(server.get(checksum))
            for name, checksum in (("archive", "sha256"), ("cli_archive", "cli_sha256"))
            if server.get(name)
        }
        missing = [str(file) for file in sums if not file.is_file()]
        if missing:
            raise EvenkeelError(
                f"{', '.join(missing)} is not a file on the control node", "Download it there, or correct the path"
            )
        result = yield Call("vscode_remote", options)
        if result.get("wanted"):
            require_sums(sums)
            if not self._task.check_mode:
                result = yield Call("vscode_remote", options, {"brought": bring(self, list(sums))})
        result.pop("wanted", None)
        return result


def require_sums(sums: Mapping[Path, str]) -> None:
    """Require files with their checksums.

    Raises
    ------
    EvenkeelError
        A file has another one.
    """
    for file, wanted in sums.items():
        actual = sha256_of(str(file))
        if actual != wanted:
            raise EvenkeelError(
                f"{file} has the SHA-256 {actual}, not {wanted}",
                "Download it again, or correct the checksum in server (remote_access_vscode_server of the role)",
            )
