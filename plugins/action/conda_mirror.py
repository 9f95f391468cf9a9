# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: tell the module of the same name what the mirrors are that it is to ask."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import candidates

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "mirrors": {"type": "list", "elements": "raw", "required": True},
    "channels": {"type": "list", "elements": "str", "default": ["defaults"]},
    "platforms": {"type": "list", "elements": "str", "default": ["linux-64"]},
    "elsewhere": {"type": "dict", "default": {}},
    "max_age_days": {"type": "int", "default": 30},
    "timeout": {"type": "int", "default": 10},
    "ca_path": {"type": "path"},
}


class ActionModule(Action):
    """Look the mirrors up on the control node, where their data is, and have the node ask them."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        arguments["candidates"] = candidates(
            arguments["mirrors"], arguments["channels"], arguments["platforms"], arguments["elsewhere"]
        )
        result: dict[str, Any] = self._execute_module(
            module_name="evenkeel.gpu.conda_mirror", module_args=arguments, task_vars=task_vars
        )
        return {**result, "mirror": arguments["mirrors"][result["index"]]} if "index" in result else result
