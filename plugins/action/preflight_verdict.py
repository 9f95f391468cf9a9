# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: fail for a node that its preflight found not ready, for the exit status of the run."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import UNREACHABLE, judge

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {"found": {"type": "dict", "required": True}}


class ActionModule(Action):
    """Judge one node."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        verdict = judge(arguments["found"])
        if verdict["ok"]:
            return {"changed": False}
        if verdict["state"] == UNREACHABLE:
            return {"changed": False, "unreachable": True, "msg": "See the table above."}
        return {"changed": False, "failed": True, "msg": f"{verdict['state']}: see the table above."}
