# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: look up the mirrors that the module of the same name asks."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.conda_mirror import ARGUMENT_SPEC
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import candidates


class ActionModule(Action):
    """Look the mirrors up on the control node, where their data is, and have the node ask them."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        found = candidates(arguments["mirrors"], arguments["channels"], arguments["platforms"], arguments["elsewhere"])
        result = yield Call("conda_mirror", arguments, {"candidates": found})
        return {**result, "mirror": arguments["mirrors"][result["index"]]} if "index" in result else result
