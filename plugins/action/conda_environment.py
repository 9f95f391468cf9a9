# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: answer on the control node what the module of the same name can't know on its node."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.shown_progress import shown_progress
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import (
    Resolved,
    load,
    request_of,
    variables_of,
)

MODULE = "evenkeel.gpu.conda_environment"
DEFAULT_ROOT = "/opt/evenkeel"


class ActionModule(Action):
    """Run the module with the packages of its source; solve them here first when neither it nor a lock knows them."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        self._task_vars = task_vars
        arguments = self._arguments()
        if arguments.get("state") == "absent" or arguments.get("generation") or "resolved" in arguments:
            return self._converge(arguments)
        return self._present(arguments)

    def _arguments(self) -> dict[str, Any]:
        """Return the task's options, with paths of the control node as they are here."""
        arguments = dict(self._task.args)
        for option in ("environment", "lock", "explicit"):
            if arguments.get(option):
                arguments[option] = self._loader.path_dwim(arguments[option])
        return arguments

    def _present(self, arguments: dict[str, Any]) -> dict[str, Any]:
        request = request_of(arguments)
        if request is not None:
            arguments |= {"request": request, "variables": variables_of(arguments)}
        platform = PLATFORMS.get(self._task_vars.get("ansible_facts", {}).get("architecture", ""))
        if request is None and platform:
            return self._converge(arguments, self._load(arguments, platform, {}))
        result = self._converge(arguments)
        unresolved = result.get("unresolved")
        if unresolved is None:
            return result
        resolved = self._load(arguments, unresolved["platform"], unresolved["virtual_packages"])
        return self._converge(arguments, resolved)

    def _load(self, arguments: dict[str, Any], platform: str, virtual_packages: dict[str, str]) -> Resolved:
        return load(arguments, platform, virtual_packages, Path(constants.DEFAULT_LOCAL_TMP))

    def _converge(self, arguments: dict[str, Any], resolved: Resolved | None = None) -> dict[str, Any]:
        if resolved is not None:
            packages = [asdict(package) for package in resolved.packages]
            arguments = {**arguments, "resolved": packages, "variables": resolved.variables}
        name, root = arguments.get("name", ""), arguments.get("root", DEFAULT_ROOT)
        with shown_progress(self, f"{root}/progress/environment-{name}", name):
            result: dict[str, Any] = self._execute_module(
                module_name=MODULE, module_args=arguments, task_vars=self._task_vars
            )
        return result
