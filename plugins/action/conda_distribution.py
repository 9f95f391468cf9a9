# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: bring a node the installer that the module of the same name lacks, and warn."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.shown_progress import shown_progress
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import unsupported_since

DEFAULT_STORE = "/opt/evenkeel/distributions"


class ActionModule(Action):
    """Run the module; hand it a file of the control node when it asks for it, and run it again."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        arguments = dict(self._task.args)
        if arguments.get("state") == "absent":  # takes no installer
            arguments = {name: value for name, value in arguments.items() if name not in ("url", "src")}
        src = arguments.get("src")
        if src:
            file = given_paths.absolute(src, self._loader)
            if not file.is_file():
                return {"failed": True, "changed": False, "msg": f"src {file} is not a file on the control node."}
            arguments["src"] = str(file)
        result = yield Call("conda_distribution", arguments)
        if result.get("wanted"):
            directory = bring(self, [file])
            brought = self._connection._shell.join_path(directory, file.name)
            result = yield Call("conda_distribution", arguments, {"brought": brought})
        self._warn(str(arguments.get("url") or src or ""), result)
        return result

    def watched(self, call: Call) -> AbstractContextManager[None]:
        return shown_progress(self, f"{call.options.get('store', DEFAULT_STORE)}/.progress", "conda distribution")

    def _warn(self, installer: str, result: dict[str, Any]) -> None:
        """Warn of what works and yet should not stay; what all nodes share is reported once."""
        ended = unsupported_since(installer.rsplit("/", 1)[-1], date.today())
        if ended:
            python, month = ended
            warn(
                f"Python {python} has had no security support since {month:%B %Y}. "
                "Named environments may have a newer one than the distribution; a newer distribution is better."
            )
        warnings = list(result.get("warnings") or [])
        if result.get("drift"):
            warnings.append(
                f"base of {result['prefix']} is not what was installed: {'; '.join(result['drift'])}. "
                "Set heal_base: true to have it replaced."
            )
        if result.get("stranded"):
            warnings.append(
                "Environments inside distributions that are not in use are no longer found by name, and were left "
                f"where they are: {', '.join(result['stranded'])}."
            )
        if warnings:
            result["warnings"] = warnings
