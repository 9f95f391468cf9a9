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
    load,
    request_of,
    variables_of,
)

DEFAULT_ROOT = "/opt/evenkeel"


class ActionModule(Action):
    """Run the module with the packages of its source; solve them here first when neither it nor a lock knows them."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = self._arguments()
        if arguments.get("state") == "absent" or arguments.get("generation"):
            return self._converge(arguments, task_vars)
        return self._present(arguments, task_vars)

    def _arguments(self) -> dict[str, Any]:
        """Return the task's options, with paths of the control node as they are here."""
        arguments = dict(self._task.args)
        for option in ("environment", "lock", "explicit"):
            if arguments.get(option):
                arguments[option] = self._loader.path_dwim(arguments[option])
        return arguments

    def _present(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        request = request_of(arguments)
        if request is None:
            platform = PLATFORMS.get(task_vars.get("ansible_facts", {}).get("architecture", ""))
            if platform:
                return self._resolved(arguments, task_vars, None, platform, {})
            result = self._converge(arguments, task_vars)
        else:
            result = self._converge(arguments, task_vars, request=request, variables=variables_of(arguments))
        unresolved = result.get("unresolved")
        if unresolved is None:
            return result
        return self._resolved(arguments, task_vars, request, unresolved["platform"], unresolved["virtual_packages"])

    def _resolved(
        self,
        arguments: dict[str, Any],
        task_vars: dict[str, Any],
        request: dict[str, Any] | None,
        platform: str,
        virtual_packages: dict[str, str],
    ) -> dict[str, Any]:
        """Find the packages here, and have the node build them."""
        found = load(arguments, platform, virtual_packages, Path(constants.DEFAULT_LOCAL_TMP))
        packages = [asdict(package) for package in found.packages]
        asked = {} if request is None else {"request": request}
        return self._converge(arguments, task_vars, resolved=packages, variables=found.variables, **asked)

    def _converge(self, arguments: dict[str, Any], task_vars: dict[str, Any], **handed: Any) -> dict[str, Any]:
        name, root = arguments.get("name", ""), arguments.get("root", DEFAULT_ROOT)
        with shown_progress(self, f"{root}/progress/environment-{name}", name):
            return self.execute("conda_environment", arguments, task_vars, **handed)
