# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: answer on the control node what the module of the same name can't know on its node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solver import Problem, solve_once, solve_with_rattler


class ActionModule(ActionBase):  # type: ignore[misc]
    """Run the module; when it does not know the packages yet, solve them here and run it again with the answer."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result = self._converge(task_vars, self._task.args)
        unresolved = result.get("unresolved")
        if unresolved is None:
            return result
        problem = Problem(
            packages=tuple(unresolved["packages"]),
            channels=tuple(unresolved["channels"]),
            platform=unresolved["platform"],
            virtual_packages=tuple(sorted(unresolved["virtual_packages"].items())),
        )
        try:
            packages = solve_once(problem, Path(constants.DEFAULT_LOCAL_TMP), solve_with_rattler)
        except EvenkeelError as error:
            return {"failed": True, "changed": False, "msg": str(error)}
        return self._converge(task_vars, {**self._task.args, "resolved": [vars(package) for package in packages]})

    def _converge(self, task_vars: dict[str, Any] | None, arguments: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="evenkeel.gpu.conda_environment", module_args=arguments, task_vars=task_vars
        )
        return result
